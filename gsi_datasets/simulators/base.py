"""What a simulator is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gsi_datasets.scene import Scene


@dataclass(frozen=True)
class Contact:
    """Two touching objects.

    Attributes:
        first: object name.
        second: object name.
        depth: how far they overlap, metres; negative when they are apart by that much.
        lift: how squarely the second lies on the first: 1 on level ground, 0 side by side, -1 if the first lies on
            the second (vertical part of the contact normal).
    """

    first: str
    second: str
    depth: float
    lift: float = 0.0


@dataclass(frozen=True)
class Settled:
    """What physics made of a scene.

    Attributes:
        scene: the scene with the poses at rest.
        rested: False if it still moved when time ran out.
        seconds: simulated time, seconds.
        contacts: the contacts at rest.
        restless: names of what still moved.
    """

    scene: Scene
    rested: bool
    seconds: float
    contacts: tuple[Contact, ...]
    restless: tuple[str, ...] = ()


def supports(settled: Settled, least: float = 0.3) -> dict[str, str | None]:
    """What carries each movable object: the one it lies on most squarely, None for what nothing carries.

    Args:
        settled: a scene at rest.
        least: contacts with less lift than this lean and do not carry.
    """
    best: dict[str, tuple[float, float, str]] = {}
    for contact in settled.contacts:
        for carrier, carried, lift in (
            (contact.first, contact.second, contact.lift),
            (contact.second, contact.first, -contact.lift),
        ):
            # Rounded, so that of two equally square contacts the firmer one carries.
            claim = (round(lift, 1), contact.depth, carrier)
            if lift >= least and (carried not in best or claim[:2] > best[carried][:2]):
                best[carried] = claim
    return {item.name: best[item.name][2] if item.name in best else None for item in settled.scene.movable}


class Simulator(Protocol):
    """Physics behind the pipeline; a new one is one file."""

    def contacts(self, scene: Scene) -> tuple[Contact, ...]:
        """Contacts and overlaps of the scene as it stands, without letting time pass."""
        ...

    def settle(self, scene: Scene) -> Settled:
        """Let the movable objects come to rest from the given poses."""
        ...

    def versions(self) -> dict[str, str]:
        """Names and versions of what decides the poses, for provenance."""
        ...

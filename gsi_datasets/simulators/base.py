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
    """

    first: str
    second: str
    depth: float


@dataclass(frozen=True)
class Settled:
    """What physics made of a scene.

    Attributes:
        scene: the scene with the poses at rest.
        rested: False if it still moved when time ran out.
        seconds: simulated time, seconds.
        contacts: the contacts at rest.
    """

    scene: Scene
    rested: bool
    seconds: float
    contacts: tuple[Contact, ...]


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

"""Contacts between the boxes of a world: what is in the way, what holds a thing up, where it comes to rest.

Nothing topples or slides; a thing whose middle is not held falls straight down, beside what it touched.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.thor.boxes import Array, above, box, frame, overlap, up, upright
from tests.thor.world import Thing, Wall, World


# Recorded things at rest lie some millimetres in what holds them.
_SLACK = 0.006
_TOUCH = 0.004
# The agent: a capsule, and the height of what it steps over, metres.
RADIUS = 0.2
_TALL, _STEP = 1.8, 0.1


def blocker(world: World, thing: Thing) -> Thing | Wall | None:
    """The first thing, in the order of the scene, or wall that a thing shares space with."""
    own = thing.solids()
    reach = _reach(own)
    for other, part in _others(world, thing):
        if (
            not world.entangled(thing, other)
            and _near(reach, part)
            and any(overlap(mine, part, _SLACK) for mine in own)
        ):
            return other
    return None


def entangle(world: World) -> None:
    """Note which things share space as recorded: their boxes do, their meshes do not, and they never collide."""
    for thing in world.present():
        if thing.loose:
            while (other := blocker(world, thing)) is not None:
                world.pairs.add((thing.id, other.id))


class Surfaces:
    """All tops of a world, but those of one thing."""

    def __init__(self, world: World, ignored: Thing | None = None) -> None:
        self._plans = _Plans([(other, part) for other, part in _others(world, ignored)])

    def under(self, x: float, z: float, height: float) -> tuple[float, Thing | Wall] | None:
        """Height and owner of the highest top at or below a height over a point of the floor plan."""
        tops = self._plans.tops
        fits = np.flatnonzero((tops <= height) & (self._plans.distances(x, z) < 1e-9))
        if not len(fits):
            return None
        best = fits[np.argmax(tops[fits])]
        return float(tops[best]), self._plans.owners[best]


class Obstacles:
    """What stops the agent."""

    def __init__(self, world: World) -> None:
        low, high = world.low[1] + _STEP, world.low[1] + _TALL
        self._plans = _Plans(
            [
                (other, part)
                for other, part in _others(world, None)
                if part[:, 1].max() > low
                and part[:, 1].min() < high
                # It pushes small things on the floor aside.
                and not (isinstance(other, Thing) and other.record["pickupable"] and part[:, 1].max() < 0.3)
            ]
        )

    def touching(self, position: Array) -> Thing | Wall | None:
        """The first thing or wall that the agent would touch at a position."""
        hits = np.flatnonzero(self._plans.distances(position[0], position[2]) < RADIUS)
        return self._plans.owners[hits[0]] if len(hits) else None


class _Plans:
    """Boxes seen from above: rectangles in the floor plan, with their tops."""

    def __init__(self, parts: list[tuple[Thing | Wall, Array]]) -> None:
        self.owners = [owner for owner, _ in parts]
        self.tops = np.array([part[:, 1].max() for _, part in parts])
        # A box that does not stand on its base counts with the aligned box around it.
        frames = [frame(part if upright(part) else box(part.min(axis=0), part.max(axis=0))) for _, part in parts]
        self._centres = np.array([centre[[0, 2]] for centre, _, _ in frames]).reshape(-1, 2)
        self._axes = np.array([axes[np.ix_([0, 2], [0, 2])] for _, axes, _ in frames]).reshape(-1, 2, 2)
        self._half = np.array([half[[0, 2]] for _, _, half in frames]).reshape(-1, 2)

    def distances(self, x: float, z: float) -> Array:
        """(N,) distance of a point from each rectangle, 0 inside."""
        offset = np.abs(np.einsum("nij,nj->ni", self._axes, np.array([x, z]) - self._centres)) - self._half
        return np.asarray(np.linalg.norm(np.maximum(offset, 0), axis=1))


def carried(world: World, thing: Thing) -> list[Thing]:
    """What stands on a thing and would fall if it went, lowest first."""
    tops = [(float(part[:, 1].max()), part) for part in thing.solids()]
    found = []
    for other in world.present():
        x, _, z = middle(other)
        if other is thing or not other.loose or other.kinematic:
            continue
        if any(abs(other.bottom() - top) < 0.03 and above(part, x, z) for top, part in tops):
            found.append(other)
    return sorted(found, key=Thing.bottom)


def middle(thing: Thing) -> Array:
    """(3,) centre of the axis-aligned box."""
    low, high = thing.aligned()
    return np.asarray((low + high) / 2)


def rest(world: World, thing: Thing, riders: list[Thing]) -> None:
    """Let a moved thing, and what stood on it before, come to rest."""
    if thing.enabled and thing.loose and not thing.kinematic:
        _rise(world, thing)
        _fall(world, thing)
    for rider in riders:
        rest(world, rider, carried(world, rider))
    relate(world, thing)


def relate(world: World, thing: Thing) -> None:
    """Say again what receptacle holds a thing."""
    for other in world.things:
        held = other.record["receptacleObjectIds"]
        if held and thing.id in held:
            other.record["receptacleObjectIds"] = [name for name in held if name != thing.id] or None
    if not thing.enabled:
        return
    x, _, z = middle(thing)
    found = Surfaces(world, thing).under(x, z, thing.bottom() + 0.03)
    holders: list[str] | None = None
    if found is not None and isinstance(found[1], Thing) and thing.bottom() - found[0] < 0.03:
        below = found[1]
        holders = [below.id] if below.record["receptacle"] else below.record["parentReceptacles"]
    thing.record["parentReceptacles"] = holders
    for name in holders or []:
        holder = world.find(name)
        if holder is not None:
            holder.record["receptacleObjectIds"] = [*(holder.record["receptacleObjectIds"] or []), thing.id]


def _rise(world: World, thing: Thing) -> None:
    """Out of what a forced thing was put into."""
    for _ in range(20):
        own = thing.solids()
        reach = _reach(own)
        tops = [
            float(part[:, 1].max())
            for other, part in _others(world, thing)
            if isinstance(other, Thing)
            and not world.entangled(thing, other)
            and _near(reach, part)
            and any(overlap(mine, part, _SLACK) for mine in own)
        ]
        if not tops:
            return
        thing.position = thing.position + up(max(tops) - thing.bottom() + 1e-4)


def _fall(world: World, thing: Thing) -> None:
    for _ in range(8):
        x, _, z = middle(thing)
        found = Surfaces(world, thing).under(x, z, thing.bottom() + 0.02)
        level = world.low[1] if found is None else found[0]
        drop = level - thing.bottom()
        if abs(drop) > _TOUCH:
            thing.position = thing.position + up(drop)
        beside = _beside(world, thing)
        if beside is None:
            return
        thing.position = thing.position + beside


def _beside(world: World, thing: Thing) -> Array | None:
    """The shortest way out of what a fallen thing is in, along x or z; None if it is free."""
    own = thing.solids()
    low, high = _reach(own)
    for other, part in _others(world, thing):
        if world.entangled(thing, other):
            continue
        if _near((low, high), part) and any(overlap(mine, part, _SLACK) for mine in own):
            there, end = part.min(axis=0), part.max(axis=0)
            ways = [(axis, amount) for axis in (0, 2) for amount in (there[axis] - high[axis], end[axis] - low[axis])]
            axis, amount = min(ways, key=lambda way: abs(way[1]))
            return np.asarray(np.eye(3)[axis] * (amount + np.sign(amount) * 0.01))
    return None


def _others(world: World, thing: Thing | None) -> Iterator[tuple[Thing | Wall, Array]]:
    for other in world.present():
        if other is not thing:
            for part in other.solids():
                yield other, part
    for wall in world.walls:
        yield wall, wall.solid()


def _reach(parts: list[Array]) -> tuple[Array, Array]:
    points = np.concatenate(parts)
    return points.min(axis=0), points.max(axis=0)


def _near(reach: tuple[Array, Array], part: Array) -> bool:
    low, high = reach
    return bool((part.min(axis=0) < high).all() and (part.max(axis=0) > low).all())

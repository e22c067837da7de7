"""Viewpoints of a home: rooms by DBSCAN on the free floor, then dispersed views in which there is something to do.

Candidates are drawn from where a person can stand. They are judged by boxes first, those with the best prospects by
rays at low resolution; from what is left, each room gives views as far apart as can be in place and direction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import referring
from gsi_datasets.floor import Floor, footprint_rectangle, free_floor, room_at
from gsi_datasets.geometry import corners, intrinsics_from_fov, look_at
from gsi_datasets.placing import places, root
from gsi_datasets.rooms import AnyRoom, rooms_of
from gsi_datasets.scene import Camera, Scene, SceneObject
from gsi_datasets.steps import SMALLEST_AREA, look
from gsi_datasets.worlds.specs import Viewed


if TYPE_CHECKING:
    from gsi_datasets.renderers.rays import Caster

Array = NDArray[np.float64]
FEWEST = 4
"""Objects that can be edited which a view must show, if the scene has so many."""
TURN_WEIGHT = 1.0
"""Metres that one radian of heading counts for in the distance of views."""
DIFFERENT = 0.6
"""Distance, in that measure, below which two views are nearly the same picture."""
NEAR, NEAR_SHARE = 0.5, 0.35
"""A view is spoilt if more than this share of it is nearer than this, metres."""
SPARSE = 0.12
"""A view that shows less than this share of things shows walls."""
GOOD_ENOUGH = 0.65
"""Share of the best score of all rooms below which a view is taken only if there are no others."""
# Views are looked at by rays of this resolution: the smallest object that can be edited still has 26 pixels.
LOOK_SIZE = 128
# Metres at which things are looked at: nearer ones would soon leave the frame, farther ones are small.
FOCUS = (1.0, 3.6)
# Places to stand that are tried in the main room and in each other one; headings at each: towards things, anywhere.
STANDS, STANDS_ELSEWHERE, TOWARDS, ANYWHERE = 24, 8, 6, 2
# For each view wanted, how many are looked at by rays and how many random ones are drawn.
LOOKS, DRAWS = 9, 150
# Share of an object's rectangle in the image that the object fills, about.
FILL = 0.6
# Square metres of a piece of furniture that must be free for something to be put there.
FREE_AREA = 0.04


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A candidate view.

    Attributes:
        camera: of the stored resolution, no roll.
        label: index into `Curation.floor.rooms` of where it stands.
        room: name of that room in the plan.
        kind: of that room.
        prospect: movable objects that its frame would hold, large enough, were nothing in between.
        score: how much there is to do; nan where it was not looked at by rays.
        actionable: names of the objects that can be edited and named.
        verdict: what is wrong: ``few``, ``close``, ``bare`` or ``same``; ``unseen`` if it was not worth a look,
            ``spare`` if it would do but is not needed, empty if it is chosen.
    """

    camera: Camera
    label: int
    room: str
    kind: str
    prospect: int
    score: float = float("nan")
    actionable: tuple[str, ...] = ()
    verdict: str = "unseen"

    @property
    def heading(self) -> float:
        """Where it looks, radians from the x axis, counter-clockwise."""
        return float(np.arctan2(self.camera.extrinsics[2, 1], self.camera.extrinsics[2, 0]))


@dataclass(frozen=True, eq=False)
class Curation:
    """What views were looked for and found.

    Attributes:
        floor: free points by room.
        candidates: all of them, the chosen ones included.
        chosen: those to use, the main room's first; fewer than asked for if there are no more.
        rejected: how many candidates by what is wrong with them.
    """

    floor: Floor
    candidates: tuple[Viewpoint, ...]
    chosen: tuple[Viewpoint, ...]
    rejected: dict[str, int]


def curate(
    scene: Scene, world: Viewed, count: int, image_size: int, rng: np.random.Generator, rays: Caster
) -> Curation:
    """Views of a home.

    Args:
        scene: at rest; its home is the object named ``room``. Its own camera does not matter.
        world: ranges of the cameras, and how views are chosen.
        count: how many are wanted.
        image_size: width and height, pixels.
        rng: the only source of chance.
        rays: what candidates are looked at with.
    """
    rooms = rooms_of(scene["room"].asset)
    scout = _Scout(scene, rooms, free_floor(scene, rooms, world.eye_height_m[1]), world, image_size, rng, rays)
    candidates, chosen = (_random if world.viewpoints == "random" else _dispersed)(scout, count)
    candidates = [_final(it, chosen) for it in candidates]
    rejected = Counter(it.verdict for it in candidates if it.verdict not in ("", "spare", "unseen"))
    used = tuple(replace(it, verdict="") for it in chosen)
    return Curation(scout.floor, (*candidates, *used), used, dict(sorted(rejected.items())))


def apart(first: Viewpoint, second: Viewpoint) -> float:
    """How different two views are: metres between the cameras, plus the weighted angle between their headings."""
    turn = (first.heading - second.heading + np.pi) % (2 * np.pi) - np.pi
    return float(np.linalg.norm(first.camera.position - second.camera.position) + TURN_WEIGHT * abs(turn))


def farthest(pool: Sequence[Viewpoint], count: int, taken: Sequence[Viewpoint] = ()) -> list[Viewpoint]:
    """Up to `count` views, each the farthest from those taken before it: farthest point sampling.

    Args:
        pool: to choose from; where nothing is taken, its first is.
        count: how many.
        taken: what the choice keeps away from.

    Returns:
        Fewer than `count` if the others are nearly the same as one that is taken.
    """
    gaps = np.array([min((apart(it, other) for other in taken), default=np.inf) for it in pool])
    picked: list[Viewpoint] = []
    while len(picked) < count and len(gaps) and gaps.max() >= DIFFERENT:
        picked.append(pool[int(np.argmax(gaps))])
        gaps = np.minimum(gaps, [apart(it, picked[-1]) for it in pool])
    return picked


def _dispersed(scout: _Scout, count: int) -> tuple[list[Viewpoint], list[Viewpoint]]:
    """In each room, the best view and those farthest from it; the main room gives most."""
    labels = range(len(scout.floor.rooms))
    main = next((label for label in labels if scout.floor.rooms[label] is scout.rooms[0]), None)
    candidates: list[Viewpoint] = []
    good: dict[int, list[Viewpoint]] = {}
    for label in labels:
        drawn = scout.around(label, STANDS if label == main else STANDS_ELSEWHERE)
        hopeful = sorted((it for it in drawn if it.prospect >= scout.fewest), key=lambda it: -it.prospect)
        looks = LOOKS * count if label == main else 2 * LOOKS
        worth = farthest(hopeful[: 3 * looks], looks)
        seen = [scout.judged(it) for it in worth]
        good[label] = sorted((it for it in seen if it.verdict == "spare"), key=lambda it: -it.score)
        candidates += [replace(it, verdict="few") for it in drawn if it.prospect < scout.fewest]
        candidates += [it for it in hopeful if it not in worth] + seen
    # Two thirds of the views from the main room, and one from each other room that is more than a way through.
    shares = {label: int(scout.floor.rooms[label].kind != "hallway") for label in labels}
    if main is not None:
        shares[main] = -(-2 * count // 3)
    chosen = _choose(good, shares, count)
    return [it for it in candidates if it not in chosen], sorted(chosen, key=lambda it: it.label)


def _choose(good: dict[int, list[Viewpoint]], shares: dict[int, int], count: int) -> list[Viewpoint]:
    """Of the good views of each room, best first, its share; what is missing then comes from wherever there are more.

    First among those with a score near the best, then among all.
    """
    best = max((view.score for views in good.values() for view in views), default=0.0)
    anything = dict.fromkeys(shares, count)
    chosen: list[Viewpoint] = []
    for least, most in ((GOOD_ENOUGH * best, shares), (GOOD_ENOUGH * best, anything), (0.0, anything)):
        for label, views in good.items():
            of_room = [it for it in chosen if it.label == label]
            wanted = min(most[label] - len(of_room), count - len(chosen))
            chosen += farthest([it for it in views if it.score >= least], wanted, of_room)
    return chosen


def _random(scout: _Scout, count: int) -> tuple[list[Viewpoint], list[Viewpoint]]:
    """The first random views with which nothing is wrong."""
    candidates: list[Viewpoint] = []
    chosen: list[Viewpoint] = []
    looks = 0
    for _ in range(DRAWS * count if len(scout.floor.rooms) else 0):
        if len(chosen) == count or looks == LOOKS * count:
            break
        drawn = scout.anywhere()
        if drawn.prospect < scout.fewest:
            candidates.append(replace(drawn, verdict="few"))
            continue
        looks += 1
        seen = scout.judged(drawn)
        if seen.verdict == "spare" and all(apart(seen, it) >= DIFFERENT for it in chosen):
            chosen.append(seen)
        else:
            candidates.append(seen)
    return candidates, sorted(chosen, key=lambda it: it.label)


def _final(view: Viewpoint, chosen: Sequence[Viewpoint]) -> Viewpoint:
    """A view that is not chosen; it may be too much like one that is."""
    same = view.verdict == "spare" and any(apart(view, it) < DIFFERENT for it in chosen)
    return replace(view, verdict="same") if same else view


class _Scout:
    """Draws views of one home and judges them."""

    def __init__(
        self,
        scene: Scene,
        rooms: tuple[AnyRoom, ...],
        floor: Floor,
        world: Viewed,
        image_size: int,
        rng: np.random.Generator,
        rays: Caster,
    ) -> None:
        self.scene, self.rooms, self.floor, self.world = scene, rooms, floor, world
        self.image_size, self.rng, self.rays = image_size, rng, rays
        # A scene that holds less than a view should show is no home: its views show all it has.
        self.fewest = max(min(FEWEST, len(scene.movable)), 1)
        self._corners = np.stack([corners(item.box) for item in scene.objects])
        origin = scene["room"].position[:2]
        self._rooms = np.array([room_at(rooms, item.box.centre[:2] - origin) for item in scene.objects])
        self._movable = np.array([not item.static for item in scene.objects])
        self._carriers = frozenset(item.support for item in scene.movable)
        self._roomy = frozenset(item.name for item in scene.objects if item.static and self._has_room(item))

    def around(self, label: int, stands: int) -> list[Viewpoint]:
        """Views from dispersed places of a room, towards what can be edited there and anywhere."""
        points = self.floor.of(label)
        drawn = []
        for place in _spread(points, stands, self.rng):
            focuses = [it for it in self._focuses(label) if FOCUS[0] <= np.linalg.norm(it[:2] - place) <= FOCUS[1]]
            for number in self.rng.permutation(len(focuses))[:TOWARDS]:
                drawn.append(self._view(label, place, focuses[number]))
            drawn += [self._view(label, place, None) for _ in range(ANYWHERE)]
        return drawn

    def anywhere(self) -> Viewpoint:
        """A view from any place in any direction; two in three stand in the main room."""
        main = [it for it, room in enumerate(self.floor.rooms) if room is self.rooms[0]]
        options = main if main and self.rng.random() < 2 / 3 else list(range(len(self.floor.rooms)))
        points = np.concatenate([self.floor.of(label) for label in options])
        labels = np.concatenate([np.full(len(self.floor.of(label)), label) for label in options])
        number = int(self.rng.integers(len(points)))
        return self._view(int(labels[number]), points[number], None)

    def judged(self, view: Viewpoint) -> Viewpoint:
        """What rays say of a view."""
        small = view.camera.resized(LOOK_SIZE, LOOK_SIZE)
        # What is out of the frame cannot be seen; casting it would take most of the time.
        within = [item for item, inside in zip(self.scene.objects, self._touching(small), strict=True) if inside]
        framed = replace(self.scene, objects=tuple(within), camera=small)
        seen = self.rays.layers(framed)
        if ((seen.depth > 0) & (seen.depth < NEAR)).mean() > NEAR_SHARE:
            return replace(view, verdict="close")
        if self.fewest == FEWEST and (seen.instances > 0).mean() < SPARSE:
            return replace(view, verdict="bare")
        # Few pixels tell poorly whether a thing is cut off by the frame; its box tells.
        whole = self._whole(small)
        free = [it.name for it in framed.movable if it.name in whole and it.name not in self._carriers]
        sight = look(framed, seen, free)
        named = tuple(name for name in sight.targets if referring.expressions(framed, name, sight.meant))
        # Things of many kinds in several places, and a look into the room: rather than one crowded shelf from nearby.
        kinds, carriers = (len({getattr(framed[name], key) for name in named}) for key in ("category", "support"))
        score = min(len(named), 8) + 0.5 * kinds + carriers + min(len(self._roomy & sight.anchors), 3)
        score += 2 * float(np.clip(np.median(seen.depth) - FOCUS[0], 0, 2))
        verdict = "spare" if len(named) >= self.fewest else "few"
        return replace(view, score=score, actionable=named, verdict=verdict)

    def _view(self, label: int, place: Array, focus: Array | None) -> Viewpoint:
        """A view from a place, (2,); towards a point, (3,), or anywhere."""
        world, rng = self.world, self.rng
        eye = np.array([*place, rng.uniform(*world.eye_height_m)])
        heading, pitch = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*world.pitch_degrees))
        if focus is not None:
            ahead = focus - eye
            # What is looked at need not be in the middle.
            heading = np.arctan2(ahead[1], ahead[0]) + np.radians(rng.uniform(-9, 9))
            steep = np.arctan2(-ahead[2], np.hypot(*ahead[:2])) + np.radians(rng.uniform(-7, 4))
            pitch = np.clip(steep, *np.radians(world.pitch_degrees))
        ahead = np.array([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), -np.sin(pitch)])
        size = self.image_size
        intrinsics = intrinsics_from_fov(np.radians(rng.uniform(*world.fov_degrees)), size, size)
        camera = Camera(intrinsics, look_at(eye, eye + ahead), size, size)
        room = self.floor.rooms[label]
        return Viewpoint(camera, label, room.name, room.kind, self._prospect(camera, label))

    def _focuses(self, label: int) -> list[Array]:
        """Points worth looking at in a room: the middle of what stands on each piece of furniture or on the floor."""
        here = self.rooms.index(self.floor.rooms[label])
        groups: dict[str, list[Array]] = {}
        for item, room in zip(self.scene.objects, self._rooms, strict=True):
            if not item.static and room == here:
                carrier = root(self.scene, item)
                groups.setdefault(item.name if carrier.name == "room" else carrier.name, []).append(item.box.centre)
        return [np.mean(group, axis=0) for group in groups.values()]

    def _bounds(self, camera: Camera) -> tuple[Array, Array]:
        """(N, 4) u_min, v_min, u_max, v_max of each object's box and (N,) depth of its nearest corner."""
        local = self._corners @ camera.extrinsics[:3, :3].T + camera.extrinsics[:3, 3]
        depth = local[..., 2]
        pixels = (local @ camera.intrinsics[:2].T) / np.maximum(depth, 0.05)[..., None]
        return np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1), depth.min(axis=1)

    def _prospect(self, camera: Camera, label: int) -> int:
        """How many movable objects of the room the frame holds, large enough."""
        bounds, depth = self._bounds(camera)
        size = self.image_size
        whole = _framed(bounds, depth, size)
        area = FILL * (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
        here = self._rooms == self.rooms.index(self.floor.rooms[label])
        return int((whole & here & self._movable & (area >= SMALLEST_AREA * size**2)).sum())

    def _whole(self, camera: Camera) -> frozenset[str]:
        """Names of the objects whose box the frame holds."""
        inside = _framed(*self._bounds(camera), camera.width)
        return frozenset(item.name for item, held in zip(self.scene.objects, inside, strict=True) if held)

    def _touching(self, camera: Camera) -> NDArray[np.bool_]:
        """(N,) whether an object may be in the frame."""
        bounds, depth = self._bounds(camera)
        size = camera.width
        # A box that reaches behind the camera has no bounds.
        return (depth < 0.05) | ((bounds[:, :2] <= size).all(axis=1) & (bounds[:, 2:] >= 0).all(axis=1))

    def _has_room(self, item: SceneObject) -> bool:
        """Whether something more can be put on a piece of furniture."""
        if item.name == "room":
            return False
        area = sum(4 * float(np.prod(place.half)) for place in places(item))
        taken = sum(4 * float(np.prod(footprint_rectangle(it.box)[1])) for it in self.scene.resting_on(item.name))
        return area - taken >= FREE_AREA


def _framed(bounds: Array, depth: Array, size: int) -> NDArray[np.bool_]:
    """(N,) whether boxes of these image bounds and nearest depths are wholly in a square frame."""
    return (depth > 0.3) & (bounds[:, :2] >= 0).all(axis=1) & (bounds[:, 2:] <= size).all(axis=1)


def _spread(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Up to `count` of the points (N, 2), each the farthest from those before it; the first by chance."""
    picked = [int(rng.integers(len(points)))]
    gaps = np.linalg.norm(points - points[picked[0]], axis=1)
    while len(picked) < min(count, len(points)):
        picked.append(int(np.argmax(gaps)))
        gaps = np.minimum(gaps, np.linalg.norm(points - points[picked[-1]], axis=1))
    return points[picked]

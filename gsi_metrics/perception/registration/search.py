"""Finds the motions that explain an edited picture best: everywhere, coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.perception.registration.fit import Fit, Side
from gsi_metrics.perception.registration.surroundings import Ground
from gsi_metrics.sample import Array


# Ratios of size tried at every place, and more of them where the object stood.
SCALES = np.log([0.7, 1.0, 1.4])
HOME_SCALES = np.log([0.4, 0.5, 0.6, 0.8, 0.9, 1.12, 1.25, 1.6, 1.8, 2.0, 2.4])
YAW_STEP = np.radians(10)
# Turns around it that are tried again at a finer resolution.
NEAR_YAWS = np.radians(np.arange(-14, 15, 2))
# Places kept from the search over the whole picture, and motions kept at each.
PLACES, EACH = 6, 4
# No object is drawn larger or smaller than this ratio.
LARGEST = np.log(3.0)
# Unit of each parameter in the refinement: x, y, z in metres, radians, log scale.
UNITS = np.array([0.01, 0.01, 0.01, 0.08, 0.04])
# Price of every freedom that is used, as a share of the object's pixels, and how soon it is paid: an object is taken
# to keep its height, its yaw and its size unless the picture says otherwise.
HEIGHT, YAW, SIZE = (0.03, 0.015), (0.006, np.radians(4)), (0.006, 0.03)
# Freedoms of an edit, fewest first: none; a turn or a scaling where it stands; another place, with either; all of
# them, height too.
FREEDOMS = tuple(
    np.array([int(digit) for digit in row], dtype=bool)
    for row in ("00000", "00010", "00001", "11000", "11001", "11010", "11111")
)
# How far from the motion for which a view was drawn it still holds: radians, log scale.
VALID = np.array([0.35, 0.3])
# What more freedom must gain to be believed, as a share of the gain.
WORTH = 0.03


@dataclass(frozen=True, eq=False)
class Found:
    """A motion and how well it explains the picture.

    Attributes:
        motion: (5,) see `Fit`.
        value: gain less the price of its freedoms, as a share of the target's pixels.
        place: number of the place at which its search began; 0 is where the target stood.
    """

    motion: Array
    value: float
    place: int


def search(fit: Fit, ground: Ground, levels: Sequence[float], starts: Sequence[Array], keep: int) -> list[Found]:
    """The best motions that differ, best first.

    Args:
        fit: of the target against the picture.
        ground: heights seen from above.
        levels: heights at which things may stand, metres, world.
        starts: motions (5,) to try besides those found by looking everywhere.
        keep: how many to refine to the end.
    """
    places = _apart(fit, [np.zeros(5), *starts, *_places(fit, ground, levels)])
    tried = [_variants(fit, place, index == 0) for index, place in enumerate(places)]
    motions, owner = np.concatenate(tried), np.repeat(np.arange(len(tried)), [len(item) for item in tried])
    count = min(len(fit.target.points), 500)
    value = fit.scan(motions, 2, count) / fit.target.count - price(fit, motions)
    rough: list[Found] = []
    for place in range(len(places)):
        rows = owner == place
        rough += [Found(*item, place) for item in _distinct(fit, motions[rows], value[rows], EACH)]
    rough.sort(key=lambda item: -item.value)
    ends = [refine(fit, ground, turned(fit, item), 1, 400, 55, passes=1) for item in _shortened(rough)]
    ends.sort(key=lambda item: -item.value)
    ends[:4] = [refine(fit, ground, item, 1, 400, 55, passes=1) for item in ends[:4]]
    ends.sort(key=lambda item: -item.value)
    different = [ends[index] for index in _differing(fit, [item.motion for item in ends])]
    # The best of other places comes along even where the best place has many good answers: it may be a copy.
    elsewhere = [item for item in different[1:] if _distance(fit, item.motion, different[0].motion) > 0.7][:1]
    chosen = [different[0], *elsewhere, *(item for item in different[1:] if item not in elsewhere)][:keep]
    fine = [refine(fit, ground, item, 0, 1000, 90) for item in chosen]
    return sorted(fine, key=lambda item: -item.value)


def turned(fit: Fit, start: Found) -> Found:
    """The same place and size at the best turn within one step of the coarse search.

    A refinement sees the sides that its start shows; what a turn of some degrees uncovers must be drawn.
    """
    if fit.target.symmetry == 0:
        return start
    motions = np.tile(start.motion, (len(NEAR_YAWS), 1))
    motions[:, 3] += NEAR_YAWS
    count = min(len(fit.target.points), 1000)
    value = fit.scan(motions, 1, count) / fit.target.count - price(fit, motions)
    best = int(np.argmax(value))
    return Found(motions[best], float(value[best]), start.place)


def _distance(fit: Fit, one: Array, other: Array) -> float:
    """How far apart two motions show the object, in widths of its image."""
    ends = fit.project(fit.place(np.stack([one, other]), np.array([[0, 0, fit.target.lift]])), 1.0)
    return float(np.hypot(*(np.diff(item[:, 0])[0] for item in ends)) / np.sqrt(fit.target.count))


def _shortened(rough: list[Found], most: int = 8) -> list[Found]:
    """The best, but no place left out that is any good: a second copy is found at a place of its own."""
    limit = 0.25 * max(rough[0].value, 0.0)
    seen: set[int] = set()
    leaders = []
    for item in rough:
        if item.place not in seen and item.value > limit:
            leaders.append(item)
        seen.add(item.place)
    leaders = leaders[:4]
    rest = [item for item in rough if all(item is not other for other in leaders)]
    return [*leaders, *rest[: most - len(leaders)]]


def _places(fit: Fit, ground: Ground, levels: Sequence[float]) -> list[Array]:
    """Motions without turn or scaling, anywhere in the picture, that gain something; best first."""
    import cv2

    target, maps = fit.target, fit.evidence.levels[2]
    height, width = maps.seen.shape[:2]
    step = float(np.clip(0.2 * np.sqrt(target.count), 4, 16))
    across, down = np.meshgrid(
        np.arange(step / 2, width / maps.factor, step), np.arange(step / 2, height / maps.factor, step)
    )
    rays = np.stack([across.ravel(), down.ravel(), np.ones(across.size)], axis=-1) @ np.linalg.inv(fit.K).T @ fit.R
    # Where nothing differs from the empty scene there is nothing to find. What differs may be a little of it.
    side = max(3, round(np.sqrt(target.count) * maps.factor)) | 1
    busy = cv2.blur(maps.seen[..., 3], (side, side))
    rows = (down.ravel() * maps.factor).astype(int).clip(0, height - 1)
    columns = (across.ravel() * maps.factor).astype(int).clip(0, width - 1)
    change = busy[rows, columns]
    found = []
    for level in levels:
        # The ray meets the plane through the middle of the object, so that it, not its foot, is at the pixel.
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (level + target.lift - fit.eye[2]) / rays[:, 2]
        chosen = np.flatnonzero(np.isfinite(reach) & (reach > 0.25) & (reach < 12) & (change > 0.04))
        chosen = chosen[np.argsort(-change[chosen], kind="stable")][: 6000 // len(levels)]
        motions = np.zeros((len(chosen), 5))
        motions[:, :3] = fit.eye + reach[chosen, None] * rays[chosen] - target.anchor - [0, 0, target.lift]
        found.append(motions)
    motions = np.concatenate(found)
    if not len(motions):
        return []
    gain = fit.surface(motions, 2, 60).gain
    motions = motions[np.argsort(-gain, kind="stable")[:80]]
    gain = fit.surface(motions, 2, 400).gain / target.count
    kept = [motion for motion, _ in _distinct(fit, motions, gain, 12, least=0.0)]
    for motion in kept:
        motion[2] = ground.floor(target.anchor + motion[:3]) - target.anchor[2]
    return kept


def _apart(fit: Fit, places: list[Array]) -> list[Array]:
    """Places whose images differ, the first of each kept."""
    kept: list[Array] = []
    for place in places:
        if place[3:].any() or all(_distance(fit, place, other) > 0.15 for other in kept):
            kept.append(place)
    return kept[: PLACES + 2]


def _variants(fit: Fit, place: Array, home: bool) -> Array:
    """(H, 5) turns and sizes to try at a place."""
    order = fit.target.symmetry
    turns = max(1, round(2 * np.pi / order / YAW_STEP)) if order else 1
    yaws = wrapped(np.arange(turns) * (2 * np.pi / max(order, 1) / turns), order)
    grid = np.array([(yaw, scale) for scale in SCALES for yaw in yaws])
    if home:
        grid = np.concatenate([grid, [(0.0, scale) for scale in HOME_SCALES]])
    motions = np.tile(place, (len(grid), 1))
    motions[:, 3:] += grid
    return motions


def price(fit: Fit, motions: Array, floor: float | None = None) -> Array:
    """(H,) price of the freedoms that motions use; height is free without a floor to stand on."""
    used = [(wrapped(motions[:, 3], fit.target.symmetry), YAW), (motions[:, 4], SIZE)]
    if floor is not None:
        used.append((motions[:, 2] - floor, HEIGHT))
    # A large turn shows what was not seen before, which fits too easily.
    total = 0.03 * np.sin(0.5 * used[0][0]) ** 2 + 10 * np.maximum(np.abs(motions[:, 4]) - LARGEST, 0)
    for value, (amount, soon) in used:
        total += amount * (value / soon) ** 2 / (1 + (value / soon) ** 2)
    return total


def refine(
    fit: Fit,
    ground: Ground,
    start: Found,
    level: int,
    count: int,
    evaluations: int,
    free: NDArray[np.bool_] = FREEDOMS[-1],
    passes: int = 2,
) -> Found:
    """The best motion near one, by the simplex method; in passes, for what is seen of the object follows its turn."""
    from scipy.optimize import minimize

    free = free & np.array([True, True, True, fit.target.symmetry != 0, True])
    units = UNITS[free] * (1.0 if level else 0.4)
    best = Found(start.motion, _value(fit, ground, start.motion, level, count), start.place)
    motion = start.motion.copy()
    for _ in range(passes):
        origin, floor = motion.copy(), _floor(fit, ground, motion)
        if free[:2].any() and not free[2]:
            origin[2] = floor
        side = fit.side(origin, 1)

        def cost(x: Array, origin: Array = origin, side: Side = side, floor: float = floor) -> float:
            tried = origin.copy()
            tried[free] += x
            if abs(tried[4]) > 2 or np.abs(tried[:3]).max() > 20:
                return 1e3
            gain = float(fit.total(tried[None], level, count, side)[0]) / fit.target.count
            # What is in front and what is hidden was drawn for the origin only.
            far = np.maximum(np.abs(tried - origin)[3:] - VALID, 0).sum()
            return float(price(fit, tried[None], floor)[0]) + 5 * far - gain

        simplex = np.vstack([np.zeros(free.sum()), np.diag(units)])
        options = {"initial_simplex": simplex, "maxfev": evaluations, "xatol": 2e-4, "fatol": 1e-4}
        found = minimize(cost, np.zeros(free.sum()), method="Nelder-Mead", options=options)
        motion = origin.copy()
        motion[free] += found.x
        motion[3] = wrapped(motion[3:4], fit.target.symmetry)[0]
        value = _value(fit, ground, motion, level, count)
        if value > best.value:
            best = Found(motion, value, start.place)
    return best


def _floor(fit: Fit, ground: Ground, motion: Array) -> float:
    return ground.floor(fit.target.anchor + motion[:3]) - fit.target.anchor[2]


def _value(fit: Fit, ground: Ground, motion: Array, level: int, count: int) -> float:
    gain = float(fit.total(motion[None], level, count, fit.side(motion, 1))[0]) / fit.target.count
    return gain - float(price(fit, motion[None], _floor(fit, ground, motion))[0])


def valued(fit: Fit, ground: Ground, found: Found) -> float:
    """The value of a motion by another fit than it was found with."""
    return _value(fit, ground, found.motion, 0, 1000)


def still(fit: Fit) -> Found:
    """The target where it was."""
    motion = np.zeros(5)
    return Found(motion, float(fit.total(motion[None], 0, 1000, fit.side(motion, 1))[0]) / fit.target.count, 0)


def plainest(fit: Fit, ground: Ground, best: Found) -> Found:
    """The motion with the fewest freedoms that explains the picture as well as the best one, or nearly."""
    known = fit.surface(best.motion[None], 0, 1000, fit.side(best.motion, 1).shown).shown[0]
    # Where little known surface is left to go by, small gains mean less.
    worth = WORTH * (1 if known > 0.3 * fit.target.count else 2.5) * abs(best.value)
    near = bool(np.linalg.norm(best.motion[:2]) < 0.5 * fit.target.radius)
    for free in FREEDOMS[:-1]:
        far = np.abs(best.motion[3:]) > (np.radians(45), 0.35)
        if (not free[0] and not near) or (far & ~free[3:]).any() or (free[3] and fit.target.symmetry == 0):
            continue
        motion = best.motion.copy()
        motion[3:][~free[3:]] = 0
        if not free[0]:
            motion[:3] = 0
        if free.any():
            plain = refine(fit, ground, Found(motion, best.value, best.place), 0, 1000, 50, free, passes=1)
        else:
            plain = Found(motion, _value(fit, ground, motion, 0, 1000), best.place)
        if plain.value > best.value - worth:
            return plain
    return best


def wrapped(angle: Array, symmetry: int) -> Array:
    """The smallest equivalent turns of an object that looks the same after 1/`symmetry` of a full turn."""
    if symmetry == 0:
        return np.zeros_like(angle)
    half = np.pi / symmetry
    return (angle + half) % (2 * half) - half


def differ(fit: Fit, one: Array, other: Array) -> bool:
    """Whether two motions (5,) differ by more than a refinement bridges."""
    return bool(
        np.linalg.norm(one[:3] - other[:3]) > 0.2 * fit.target.radius
        or abs(wrapped(one[3:4] - other[3], fit.target.symmetry)[0]) > np.radians(16)
        or abs(one[4] - other[4]) > 0.12
    )


def _differing(fit: Fit, motions: Sequence[Array]) -> list[int]:
    """Which motions differ from all before them."""
    kept: list[int] = []
    for index, motion in enumerate(motions):
        if all(differ(fit, motion, motions[other]) for other in kept):
            kept.append(index)
    return kept


def _distinct(fit: Fit, motions: Array, value: Array, most: int, least: float = -np.inf) -> list[tuple[Array, float]]:
    """The best motions that differ, with their values."""
    order = np.argsort(-value, kind="stable")
    order = order[value[order] > least]
    kept: list[int] = []
    for index in order:
        if len(kept) == most:
            break
        if all(differ(fit, motions[index], motions[other]) for other in kept):
            kept.append(int(index))
    return [(motions[index].copy(), float(value[index])) for index in kept]

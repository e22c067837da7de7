"""How the target of a row moved, estimated from colours, depth and ids of its two views alone.

The search starts from what is seen, never from the stored answer: moves from the shift of the centroids, turns from
all turns, scales from all scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from tests.invariants.seeing import View, sample, view


Array = NDArray[np.float64]
# What a point costs that would be hidden behind the observed surface: no evidence against, little for.
HIDDEN = 0.45
# Turning in place is asked: so much drift costs as much as 5 % of the points, metres, first and last.
IN_PLACE, LOOSE = 0.0015, 0.01
# A motion that leaves so little unexplained need not be looked for elsewhere.
EXPLAINED = 0.1
# Where the search for a shift begins, around the shift of what is seen, metres.
AROUND = [(0.0, 0.0, 0.0)] + [
    (r * np.cos(a), r * np.sin(a), 0.0) for r in (0.015, 0.035) for a in np.arange(4) * np.pi / 2
]


def _compare(points: Array, seen: View, instance: int, colours: Array, tolerance: float) -> tuple[Array, Array, Array]:
    """Points of the object against a view: geometric cost, colour cost (each 0 to 1 a point) and whether hidden."""
    pixels, depth = seen.project(points)
    height, width = seen.ids.shape
    cols, rows = pixels[:, 0] - 0.5, pixels[:, 1] - 0.5
    inside = (cols >= 0) & (rows >= 0) & (cols < width - 1) & (rows < height - 1) & (depth > 0.01)
    shape, look, hidden = np.ones(len(points)), np.zeros(len(points)), np.zeros(len(points), dtype=bool)
    left, top = np.floor(cols[inside]).astype(int), np.floor(rows[inside]).astype(int)
    fx, fy = cols[inside] - left, rows[inside] - top
    near = (np.rint(rows[inside]).astype(int), np.rint(cols[inside]).astype(int))
    on_object = seen.ids[near] == instance
    surface, colour = seen.depth[near], seen.colour[near]
    corner = [(top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)]
    weight = [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
    whole = np.all([seen.ids[c] == instance for c in corner], axis=0)
    smooth = sum(w * seen.depth[c] for w, c in zip(weight, corner, strict=True))
    tint = sum(w[:, None] * seen.colour[c] for w, c in zip(weight, corner, strict=True))
    surface, colour = np.where(whole, smooth, surface), np.where(whole[:, None], tint, colour)
    gap = (depth[inside] - surface) / tolerance
    hidden[inside] = gap > 1
    shape[inside] = np.where(on_object & (np.abs(gap) <= 1), 0.3 * gap**2, 1.0)
    look[inside] = np.where(on_object, _unlike(colours[inside], colour), 0.0)
    return shape, look, hidden


def _unlike(a: Array, b: Array) -> Array:
    """How different colours are, 0 to 1: by tint, and by brightness beyond what a change of light does."""
    bright_a, bright_b = a.sum(axis=1) + 40, b.sum(axis=1) + 40
    tint = np.abs(a / bright_a[:, None] - b / bright_b[:, None]).sum(axis=1) / 0.12
    return np.minimum(tint + np.maximum(np.abs(np.log(bright_a / bright_b)) - 0.25, 0) / 0.5, 1)


def misfit(points: Array, colours: Array, seen: View, instance: int, tolerance: float) -> float:
    """How badly points of the object explain a view, 0 to 1 a point.

    A point in front of what is seen there, or beside the object where the background is seen, contradicts the view;
    one behind the seen surface may be hidden; one on it should have its colour.
    """
    shape, look, hidden = _compare(points, seen, instance, colours, tolerance)
    return float(np.where(hidden, HIDDEN, np.minimum(shape + 0.5 * look, 1)).mean())


@dataclass(frozen=True, eq=False)
class Motion:
    """A measured motion: (4, 4) similarity, world; yaw in radians; scale; what is left unexplained, 0 to 1."""

    transform: Array
    yaw: float
    scale: float
    misfit: float


def measure(row: dict[str, Any]) -> Motion:
    """How the target moved, estimated from the two views alone.

    Moves are looked for as translations, OR by `measure_turn`, OS as a scale with a shift. The search starts from the
    centroids of what is seen, never from the stored answer.
    """
    if row["operation"] == "OR":
        return measure_turn(row)
    source, target = view(row, "source"), view(row, "target")
    instance, operation = row["target_ids"][0], row["operation"]
    a, b = sample(source, instance), sample(target, instance)
    anchor, shift = a.points.mean(axis=0), b.points.mean(axis=0) - a.points.mean(axis=0)

    def build(x: Array) -> tuple[float, Array]:
        scale = float(np.exp(x[3])) if operation == "OS" else 1.0
        return scale, about(anchor, x[:3], scale * np.eye(3))

    def cost(x: Array, tolerance: float) -> float:
        matrix = build(x)[1]
        inverse = np.linalg.inv(matrix)
        forth = misfit(a.points @ matrix[:3, :3].T + matrix[:3, 3], a.colours, target, instance, tolerance)
        back = misfit(b.points @ inverse[:3, :3].T + inverse[:3, 3], b.colours, source, instance, tolerance)
        return 0.5 * (forth + back)

    free = 4 if operation == "OS" else 3
    guesses = []
    for value in np.log(np.geomspace(0.4, 2.5, 25)) if operation == "OS" else np.zeros(1):
        for offset in AROUND if free == 3 else AROUND[:5]:
            x = np.array([*(shift + offset), value])[:free]
            guesses.append((cost(x, 0.012), len(guesses), x))
    guesses.sort(key=lambda item: item[:2])
    starts = [x for _, _, x in guesses[: 4 if operation == "OS" else 3]]
    steps = np.array([0.008, 0.008, 0.008, 0.06])[:free]
    least, x = search(cost, starts, steps)
    # Where the lower part is hidden, a thing fits about as well some way up: it may also have kept its height.
    least, x = min((least, x), search(cost, [x * (np.arange(free) != 2)], steps), key=lambda found: found[0])
    scale, matrix = build(x)
    return Motion(matrix, 0.0, scale, least)


def turn_z(angle: float) -> Array:
    """(3, 3) turn about the vertical, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def about(pivot: Array, shift: Array, linear: Array) -> Array:
    """(4, 4) map: `linear` about a point, then a shift."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, pivot + shift - linear @ pivot
    return matrix


def search(cost: Callable[[Array, float], float], starts: list[Array], steps: Array) -> tuple[float, Array]:
    """The lowest cost found downhill from any of the starts, with the tolerance drawn tighter and tighter."""
    best: tuple[float, Array] = (np.inf, starts[0])
    for x in starts:
        for tolerance in (0.012, 0.006, 0.003):
            simplex = np.vstack([x, x + np.diag(steps)])
            found = minimize(
                cost,
                x,
                args=(tolerance,),
                method="Nelder-Mead",
                options={"initial_simplex": simplex, "maxfev": 160, "xatol": 2e-4, "fatol": 1e-5},
            )
            x = found.x
        if found.fun < best[0]:
            best = (found.fun, x)
        if best[0] < EXPLAINED:
            break
    return best


def softened(seen: View, instance: int) -> View:
    """The view with the object's colours blurred within its outline: a fine weave is not sampled twice alike."""
    inside = (seen.ids == instance).astype(np.float64)
    # By at most two pixels, and less where the object has few.
    sigma = float(np.clip(np.sqrt(inside.sum()) / 40, 0.6, 2))
    weight = np.maximum(gaussian_filter(inside, sigma), 1e-6)
    colour = np.stack([gaussian_filter(seen.colour[..., k] * inside, sigma) / weight for k in range(3)], axis=-1)
    return replace(seen, colour=colour)


def measure_turn(row: dict[str, Any]) -> Motion:
    """How the target turned about a vertical near the middle of its box, estimated from the two views alone.

    All turns are tried. Points that a turn hides say nothing, so the cost is the mean over the points that say
    something, with a prior that keeps a turn from winning which leaves nothing to compare.
    """
    instance = row["target_ids"][0]
    source, target = (softened(view(row, which), instance) for which in ("source", "target"))
    a, b = sample(source, instance), sample(target, instance)
    pivot = np.asarray(next(item for item in row["objects_before"] if item["id"] == instance)["centre"])
    prior = 0.15 * (len(a.points) + len(b.points))

    def build(x: Array) -> Array:
        return about(pivot, x[:3], turn_z(x[3]))

    def cost(x: Array, tolerance: float, drift: float = IN_PLACE) -> float:
        matrix = build(x)
        inverse = np.linalg.inv(matrix)
        total, count = 0.35 * prior, prior
        for points, colours, seen, map_ in (
            (a.points, a.colours, target, matrix),
            (b.points, b.colours, source, inverse),
        ):
            moved = points @ map_[:3, :3].T + map_[:3, 3]
            shape, look, hidden = _compare(moved, seen, instance, colours, tolerance)
            total += np.minimum(shape + 0.5 * look, 1)[~hidden].sum()
            count += (~hidden).sum()
        return float(total / count + 0.05 * (x[:3] @ x[:3]) / drift**2)

    guesses: list[tuple[float, int, Array]] = []
    for yaw in np.radians(np.arange(-180, 180, 5)):
        for offset in 0.006 * np.array([(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)]):
            x = np.array([*offset, yaw])
            guesses.append((cost(x, 0.012), len(guesses), x))
    # The best of every sector: a box turned by half a turn fits as well until the colours are lined up.
    sectors: dict[int, Array] = {}
    for _, _, x in sorted(guesses, key=lambda item: item[:2]):
        sectors.setdefault(int(np.degrees(x[3]) // 20), x)
    least, x = search(cost, list(sectors.values())[:6], np.array([0.006, 0.006, 0.004, 0.06]))
    # Where it ended is then measured for itself, with the turn held fast.
    yaw = float(x[3])
    least, shift = search(lambda at, tolerance: cost(np.append(at, yaw), tolerance, LOOSE), [x[:3]], np.full(3, 0.003))
    return Motion(build(np.append(shift, yaw)), yaw, 1.0, least)


@dataclass(frozen=True)
class Disagreement:
    """Measured against stored: metres at the middle of what is seen, degrees, relative scale."""

    position: float
    degrees: float
    scale: float


def disagreement(row: dict[str, Any], motion: Motion) -> Disagreement:
    """Distance between the measured motion and the stored transform, modulo the object's declared symmetry."""
    stored, instance = np.asarray(row["transform_world"]), row["target_ids"][0]
    before = next(item for item in row["objects_before"] if item["id"] == instance)
    anchor = np.append(sample(view(row, "source"), instance).points.mean(axis=0), 1)
    scale = float(np.cbrt(np.linalg.det(stored[:3, :3])))
    found = []
    for k in range(max(before["symmetry"], 1)):
        c, s = np.cos(2 * np.pi * k / max(before["symmetry"], 1)), np.sin(2 * np.pi * k / max(before["symmetry"], 1))
        same = stored @ about(
            np.asarray(before["centre"]), np.zeros(3), np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        )
        yaw = np.arctan2(same[1, 0], same[0, 0])
        off = np.degrees((motion.yaw - yaw + np.pi) % (2 * np.pi) - np.pi)
        away = float(np.linalg.norm(((motion.transform - same) @ anchor)[:3]))
        found.append((away + abs(np.radians(off)), away, abs(float(off))))
    _, position, degrees = min(found)
    return Disagreement(position, degrees, motion.scale / scale - 1)

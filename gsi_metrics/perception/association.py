"""From detections before and after an edit to what happened: who is who, then who moved how.

Objects of the row, detections in the source and detections in the edited picture are associated one to one, each time
by the assignment of least total cost over place, look and category. What a detector cannot be trusted in is taken from
the row: which object is meant, its symmetry, the unit of length (a monocular detector guesses it; the row's objects
give it), and whether pixels changed at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import (
    invert_rigid,
    rotation_angle,
    rotation_z,
    similarity_about,
    split_similarity,
    transform_points,
    yaw_of,
)
from gsi_metrics.measurement import Floor, Measurement, Other
from gsi_metrics.perception.detections import Detection, Detections
from gsi_metrics.perception.likeness import likeness, look, silhouette_of
from gsi_metrics.sample import Array, Body, Picture, Sample


# Cost of a pair: at most 0.5 for places far apart, 0.5 for looks that share no colour, and 0.35 for another category,
# which open-vocabulary detectors change their mind about. A pair dearer than `UNMATCHED` is none. So an object may be
# far away and alike, or in place and changed, but not both; and a thing of another category must be in place.
PLACE, LOOK, CATEGORY, UNMATCHED = 0.5, 0.5, 0.35, 0.75
# Metres over which a place is told apart. The cost is concave in the distance, so one long move is cheaper than two
# short ones: when an object jumps over its twin, the twin has stayed.
REACH = 0.3
# How alike a spare detection must be to the target to count as a copy of it.
COPY = 0.8
# Levels (of 255) within which a pixel of the old place still shows what was there.
UNCHANGED = 12


@dataclass(frozen=True, eq=False)
class Seen:
    """A detection in the world: (3,) centre and size in metres, (3, 3) own axes to world."""

    item: Detection
    centre: Array
    size: Array
    rotation: Array
    look: Array | None


def measurement_from_detections(
    sample: Sample,
    edited: Picture,
    before: Detections,
    after: Detections,
    untouched: Detections | None = None,
) -> Measurement:
    """Measures an edit by what a detector saw.

    Args:
        sample: the row.
        edited: (h, w, 3) RGB, for looks.
        before: what was seen in the source.
        after: what was seen in the edited picture, in pixels of any resolution.
        untouched: what was seen in the re-encoded source; gives the noise floor.

    Returns:
        A measurement with a cause where the detector does not find the target in the source, or loses it although
        its place looks untouched: that is the detector's failure, not the edit's.
    """
    observer = f"{before.observer}-{before.version}".rstrip("-")
    if (after.observer, after.version) != (before.observer, before.version):
        cause = f"detections before are by {observer}, after by {after.observer}-{after.version}; use one detector"
        return Measurement(sample.id, observer, cause=cause)
    picture = _resized(edited, sample.size)
    first, second = before.resized(*sample.size), after.resized(*sample.size)
    scene = _Scene(sample, first)
    measure = _camera if sample.operation == "PC" else _object
    result = measure(scene, observer, scene.see(second, picture), picture)
    if untouched is None or result.cause is not None:
        return result
    still = measure(scene, observer, scene.see(untouched.resized(*sample.size), sample.source), sample.source)
    if still.cause is not None or still.transform is None:
        cause = still.cause or "the target is not seen in the re-encoded source"
        return Measurement(sample.id, observer, cause=f"no noise floor: {cause}")
    return replace(result, floor=_floor(scene, still))


class _Scene:
    """The row and what was seen in its source, associated.

    Attributes:
        known: detection in the source by instance id.
        unit: factor from the detector's unit of length to metres.
    """

    def __init__(self, sample: Sample, before: Detections) -> None:
        self.sample, self.before = sample, before
        self.bodies = [body for body in sample.before if (sample.source_ids == body.id).any()]
        self.shapes = {body.id: sample.source_ids == body.id for body in self.bodies}
        self.overlaps = self._overlaps()
        self.unit = 1.0
        raw = self.see(before, sample.source)
        pairs = assign(self._costs_to_row(raw))
        # The distance from the camera of each object, known against seen.
        eye = -sample.source_extrinsics[:3, :3].T @ sample.source_extrinsics[:3, 3]
        ratios = [
            float(np.linalg.norm(self.bodies[i].centre - eye)) / max(float(np.linalg.norm(raw[j].centre - eye)), 1e-9)
            for i, j in pairs
        ]
        self.unit = float(np.median(ratios)) if ratios else 1.0
        seen = self.see(before, sample.source)
        self.known = {self.bodies[i].id: seen[j] for i, j in assign(self._costs_to_row(seen))}

    def see(self, detections: Detections, picture: Picture) -> list[Seen]:
        """Detections in the world, in metres, with their looks; as if the camera had not moved."""
        to_world = invert_rigid(self.sample.source_extrinsics)
        seen = []
        for item in detections.objects:
            box = item.box
            seen.append(
                Seen(
                    item,
                    transform_points(self.unit * box.centre, to_world),
                    self.unit * box.size,
                    to_world[:3, :3] @ box.rotation,
                    look(picture, item),
                )
            )
        return seen

    def _overlaps(self) -> Array:
        """(bodies, seen) 2D overlap of what the row knows and what was seen: of masks, else of boxes."""
        ids = self.sample.source_ids
        overlap = np.zeros((len(self.bodies), len(self.before.objects)))
        areas = np.bincount(ids.ravel(), minlength=max((body.id for body in self.bodies), default=0) + 1)
        for j, item in enumerate(self.before.objects):
            if item.mask is not None:
                inside = np.bincount(ids[item.mask.decode()], minlength=len(areas))
                for i, body in enumerate(self.bodies):
                    overlap[i, j] = inside[body.id] / (areas[body.id] + inside.sum() - inside[body.id])
                continue
            for i, body in enumerate(self.bodies):
                rows, columns = (np.flatnonzero(self.shapes[body.id].any(axis)) for axis in (1, 0))
                overlap[i, j] = iou((columns[0], rows[0], columns[-1] + 1.0, rows[-1] + 1.0), item.bbox_2d)
        return overlap

    def _costs_to_row(self, seen: list[Seen]) -> Array:
        """(bodies, seen): mainly 2D overlap, for row and detector saw the same pixels."""
        cost = 0.8 * (1 - self.overlaps)
        for i, body in enumerate(self.bodies):
            for j, other in enumerate(seen):
                cost[i, j] += 0.2 * (1 - _nearness(float(np.linalg.norm(body.centre - other.centre))))
                cost[i, j] += 0.25 * (not same_category(body.category, other.item.category))
        return cost

    def turn(self, body: Body, one: Array, other: Array) -> float:
        """Turn about the vertical between two boxes of a body, the smallest that the observer cannot rule out."""
        period = min(2 * np.pi / body.symmetry, self.before.yaw_period) if body.symmetry else 0.0
        if period == 0.0:
            return 0.0
        angle = float(yaw_of(other @ one.T))
        return period / 2 - (period / 2 - angle) % period


def assign(cost: Array) -> list[tuple[int, int]]:
    """One-to-one pairs of least total cost; a pair dearer than `UNMATCHED` is none.

    Args:
        cost: (n, m), any of them may be 0.
    """
    from scipy.optimize import linear_sum_assignment

    if cost.size == 0:
        return []
    rows, columns = linear_sum_assignment(np.minimum(cost, UNMATCHED))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if cost[i, j] < UNMATCHED]


def pair_costs(one: list[Seen], other: list[Seen]) -> Array:
    """(n, m) cost of taking a detection for another, later one."""
    cost = np.zeros((len(one), len(other)))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            near = _nearness(float(np.linalg.norm(a.centre - b.centre)))
            place = 1 - 0.5 * (near + iou(a.item.bbox_2d, b.item.bbox_2d))
            cost[i, j] = PLACE * place + LOOK * (1 - likeness(a.look, b.look))
            cost[i, j] += CATEGORY * (not same_category(a.item.category, b.item.category))
    return cost


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two 2D boxes (left, top, right, bottom)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inter = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return inter / (areas - inter)


def same_category(one: str, other: str) -> bool:
    """Whether two nouns name one kind of thing: equal, or one ends with the other ("coffee mug", "mug")."""
    a, b = (" ".join(name.lower().replace("_", " ").replace(".", " ").split()) for name in (one, other))
    return a == b or a.endswith(f" {b}") or b.endswith(f" {a}")


# ------------------------------------------------------------------------------------------------------- objects


def _object(scene: _Scene, observer: str, after: list[Seen], picture: Picture) -> Measurement:
    """What became of the target and of the others."""
    sample = scene.sample
    body = next((item for item in scene.bodies if item.id == sample.target_id), None)
    if body is None or body.id not in scene.known:
        return Measurement(sample.id, observer, cause=f"{observer} does not find the target in the source")
    if sample.operation == "OR" and body.symmetry and scene.before.yaw_period < 2 * np.pi / body.symmetry - 1e-6:
        period = np.degrees(scene.before.yaw_period)
        return Measurement(sample.id, observer, cause=f"{observer} sees turns only modulo {period:.0f} degrees")

    ids = list(scene.known)
    pairs = {ids[i]: after[j] for i, j in assign(pair_costs([scene.known[name] for name in ids], after))}
    others, recall = _others(scene, pairs, picture)
    was, now = scene.known[body.id], pairs.get(body.id)
    taken = {id(item) for item in pairs.values()}
    # Whatever else looks like the target: a copy, or the target itself left at its old place.
    copies = [
        item
        for item in after
        if id(item) not in taken
        and same_category(item.item.category, was.item.category)
        and likeness(item.look, was.look) >= COPY
        and (now is None or iou(item.item.bbox_2d, now.item.bbox_2d) < 0.5)
    ]
    vacated, untouched = _vacated(scene, body, now, copies, picture)
    if now is None and untouched > 0.5:
        return Measurement(
            sample.id,
            observer,
            cause=f"{observer} loses the target although {untouched:.0%} of its place is as before",
        )
    if now is None:
        return Measurement(
            sample.id,
            observer,
            found=False,
            vacated=vacated,
            duplicates=len(copies),
            others=others,
            confidence=was.item.score * recall,
        )
    shift = now.centre - was.centre
    yaw = scene.turn(body, was.rotation, now.rotation)
    # Of the volumes, so that it does not matter which axis a detector calls the first.
    scale = float(np.cbrt(now.size.prod() / was.size.prod()))
    transform = similarity_about(body.centre, rotation_z(yaw), scale)
    transform[:3, 3] += shift
    return Measurement(
        sample.id,
        observer,
        found=True,
        vacated=vacated,
        transform=transform,
        shift=shift,
        yaw=yaw,
        scale=scale,
        likeness=_alike(scene, body, now, picture),
        duplicates=len(copies),
        others=others,
        confidence=min(was.item.score, now.item.score) * recall,
    )


def _others(scene: _Scene, pairs: dict[int, Seen], picture: Picture) -> tuple[tuple[Other, ...], float]:
    """The movable objects but the target that were seen before, and the share of them that is seen after."""
    sample = scene.sample
    others = []
    for body in scene.bodies:
        if not body.movable or body.id == sample.target_id or body.id not in scene.known:
            continue
        was, now = scene.known[body.id], pairs.get(body.id)
        if now is None:
            others.append(Other(body.id, 0.0, float("inf")))
            continue
        meant = sample.body(body.id, after=True)
        wanted = np.zeros(3) if meant is None else meant.centre - body.centre
        off = float(np.linalg.norm(now.centre - was.centre - wanted))
        others.append(Other(body.id, _alike(scene, body, now, picture), off))
    return tuple(others), float(np.mean([other.present > 0 for other in others])) if others else 1.0


def _alike(scene: _Scene, body: Body, now: Seen, picture: Picture) -> float:
    """Likeness of an object before and after, within its silhouette where the detector gives none."""
    was = scene.known[body.id]
    if was.item.mask is not None and now.item.mask is not None:
        return likeness(was.look, now.look)
    shape = silhouette_of(was.item, scene.shapes[body.id])
    return likeness(look(scene.sample.source, was.item, shape), look(picture, now.item, shape))


def _vacated(scene: _Scene, body: Body, now: Seen | None, copies: list[Seen], picture: Picture) -> tuple[float, float]:
    """Shares of the place the target left that no longer show it, and that look as they did.

    The place are the pixels it covered, but for those it should and does cover now.
    """
    sample = scene.sample
    place = scene.shapes[body.id].copy()
    outline = silhouette_of(scene.known[body.id].item, place)
    shows = np.zeros_like(place)
    if now is not None:
        covered = _covered(now.item, outline, place.shape)
        if sample.target_ids_map is not None:
            place &= ~(covered & (sample.target_ids_map == body.id))
        shows |= covered
    for item in copies:
        shows |= _covered(item.item, outline, place.shape)
    if not place.any():
        return 1.0, 0.0
    change = np.abs(picture.astype(np.int16) - sample.source).max(2)
    telling = place
    if sample.background is not None:
        telling = place & (np.abs(sample.background.astype(np.int16) - sample.source).max(2) > 2 * UNCHANGED)
    same = (change <= UNCHANGED) & telling
    untouched = float(same.sum() / telling.sum()) if telling.any() else 0.0
    return float(1 - (shows | same)[place].mean()), untouched


# -------------------------------------------------------------------------------------------------------- camera


def _camera(scene: _Scene, observer: str, after: list[Seen], _: Picture) -> Measurement:
    """The camera's rigid motion, from where the centres of the objects are seen.

    Association and motion are found in turn: what is known of the motion says where the objects are to be looked for.
    """
    sample = scene.sample
    ids = list(scene.known)
    here = np.array([scene.known[name].centre for name in ids]).reshape(-1, 3)
    there = np.array([item.centre for item in after]).reshape(-1, 3)
    known = [scene.known[name] for name in ids]
    motion, pairs = np.eye(4), []
    for _turn in range(5):
        moved = [
            Seen(item.item, transform_points(item.centre, motion), item.size, item.rotation, item.look)
            for item in after
        ]
        pairs = assign(pair_costs(known, moved))
        if len(pairs) < 3:
            return Measurement(
                sample.id, observer, cause=f"{len(pairs)} objects are seen before and after; 3 fix a camera"
            )
        one, two = np.array(pairs).T
        # What the detector sees at p in the frame of the old camera is at motion @ p in the world.
        motion = rigid(there[two], here[one])
    one, two = np.array(pairs).T
    off = np.linalg.norm(transform_points(there[two], motion) - here[one], axis=1)
    alike = [likeness(known[i].look, after[j].look) for i, j in pairs]
    by_id = {ids[i]: k for k, (i, _) in enumerate(pairs)}
    others = tuple(
        Other(body.id, alike[by_id[body.id]], float(off[by_id[body.id]]))
        if body.id in by_id
        else Other(body.id, 0.0, float("inf"))
        for body in scene.bodies
        if body.movable and body.id in scene.known and _in_view(sample, body)
    )
    return Measurement(
        sample.id,
        observer,
        transform=motion,
        likeness=float(np.mean(alike)),
        others=others,
        confidence=float(np.mean([min(known[i].item.score, after[j].item.score) for i, j in pairs]) * len(pairs))
        / max(len(known), 1),
    )


def rigid(source: Array, target: Array) -> Array:
    """(4, 4) rigid motion from (N, 3) to (N, 3) points; points that do not fit lose their weight (Cauchy's).

    Raises:
        ValueError: fewer than three points.
    """
    if len(source) < 3:
        raise ValueError(f"{len(source)} points do not fix a rigid motion; give at least 3")
    weight = np.ones(len(source))
    motion = np.eye(4)
    for _ in range(20):
        share = weight / weight.sum()
        middle, aim = share @ source, share @ target
        left, _, right = np.linalg.svd((target - aim).T @ ((source - middle) * share[:, None]))
        mirror = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
        motion[:3, :3] = left @ mirror @ right
        motion[:3, 3] = aim - motion[:3, :3] @ middle
        off = np.linalg.norm(transform_points(source, motion) - target, axis=1)
        weight = 1 / (1 + (off / max(float(np.median(off)), 1e-6)) ** 2)
    return motion


def _in_view(sample: Sample, body: Body) -> bool:
    """Whether it should be seen after the camera moved."""
    if sample.target_ids_map is not None:
        return bool((sample.target_ids_map == body.id).any())
    seen = sample.body(body.id, after=True)
    return seen is not None and seen.visibility > 0


# --------------------------------------------------------------------------------------------------------- floor


def _floor(scene: _Scene, still: Measurement) -> Floor:
    """What was measured where nothing happened; not less than what is usual for all objects."""
    assert still.transform is not None
    if scene.sample.operation == "PC":
        scale, rotation, _ = split_similarity(still.transform)
        eye = invert_rigid(scene.sample.source_extrinsics)[:3, 3]
        return Floor(
            float(np.linalg.norm(transform_points(eye, still.transform) - eye)),
            float(rotation_angle(np.eye(3), rotation)),
            abs(float(np.log(scale))),
        )
    # One displacement by chance may be small by chance; all objects together tell more.
    own = float(np.linalg.norm(np.zeros(3) if still.shift is None else still.shift))
    every = [own, *(other.moved for other in still.others if np.isfinite(other.moved))]
    usual = float(np.sqrt(np.mean(np.square(every))))
    return Floor(max(own, usual), abs(still.yaw), abs(float(np.log(still.scale))))


# --------------------------------------------------------------------------------------------------------- pixels


def _nearness(distance: float) -> float:
    return float(np.exp(-distance / REACH))


def _covered(item: Detection, outline: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W) pixels of a detection: its mask, else the outline the target had before, stretched over its 2D box."""
    if item.mask is not None:
        return item.mask.decode()
    left, top, right, bottom = item.bbox_2d
    side = outline.shape[0]
    rows = np.floor((np.arange(size[0]) + 0.5 - top) / (bottom - top) * side).astype(int)
    columns = np.floor((np.arange(size[1]) + 0.5 - left) / (right - left) * side).astype(int)
    inside = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))
    return inside & outline[np.ix_(rows.clip(0, side - 1), columns.clip(0, side - 1))]


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at (height, width)."""
    from PIL import Image

    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))

"""How well a hypothesised motion of the target explains an edited picture.

A motion explains pixels in three ways. Where the target's known surface comes to lie, the picture should show its
colours; where only an unseen side of it can be, the picture may show any of its colours; everywhere else it should
show the empty scene. The gain of a motion is what these explanations save over the empty scene alone, in pixels of the
source: covering a pixel that looks like the empty scene costs, leaving one that does not look like it gains nothing.
Parts hidden by other objects neither gain nor cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.perception.registration.evidence import TOLERANCE, Evidence
from gsi_metrics.perception.registration.target import Target
from gsi_metrics.sample import Array, Sample


# Metres by which a point may lie behind the empty scene before it counts as hidden.
SLACK = 0.012
# Largest change of log luminance taken for a change of light on the object, and what one point may say of it; in the
# tolerance of luminance, as all features are here.
LIGHT, LIGHT_EACH = (np.float32(change / TOLERANCE[0]) for change in (0.35, 0.6))
# How much more log luminance may change on an object that is turned by half a turn.
TURNED = 1.5
# Metres in front of the camera nearer than which nothing is placed.
NEAR = 0.2
# What a wrong colour costs where a surface is known, against a pixel that is not explained at all.
MISMATCH = 1.4
# How much of the squared difference between neighbours in the source is tolerated.
UNSURE = 0.5
# How many times larger than in the source a piece of surface may appear before it says nothing.
STRETCH = 3.0


@dataclass(frozen=True, eq=False)
class Side:
    """Which part of the target a view from a certain side shows.

    Attributes:
        shown: (N,) 0 or 1, for every surface point.
        extra: (K, 3) points of the unseen part, around the anchor, unmoved.
        share: (K,) pixels of the source that each stands for at `depth`.
        depth: (K,) metres.
    """

    shown: Array
    extra: Array
    share: Array
    depth: Array
    scale: float


@dataclass(frozen=True, eq=False)
class Surface:
    """What the known surface explains of H motions.

    Attributes:
        gain: (H,) pixels of the source.
        shown: (H,) pixels that should show it.
        loss: (H,) mean cost of its colours there.
    """

    gain: Array
    shown: Array
    loss: Array


class Fit:
    """Scores motions of one target against one edited picture.

    A motion is (5,): shift in x, y, z of the middle of the base in metres, world; yaw in radians; log scale.
    """

    def __init__(self, sample: Sample, target: Target, evidence: Evidence) -> None:
        self.sample, self.target, self.evidence = sample, target, evidence
        self.R, self.t = sample.source_extrinsics[:3, :3], sample.source_extrinsics[:3, 3]
        self.K = sample.intrinsics
        # How the surface looked where it was seen, and, where the other view shows it too, how it looked there.
        self.colours = [_looks(level.colours, level.factor, target.pixels, target.view) for level in evidence.levels]
        self.twice = target.again[:, 0] >= 0
        second = np.where(self.twice[:, None], target.again, target.pixels)
        number = np.where(self.twice, 1 - target.view, target.view)
        self.others = [_looks(level.colours, level.factor, second, number) for level in evidence.levels]
        self.revealed = target.view > 0

    @property
    def eye(self) -> Array:
        """(3,) the camera, world."""
        return -self.R.T @ self.t

    def place(self, motions: Array, points: Array) -> NDArray[np.float32]:
        """(H, N, 3) points (N, 3) around the anchor after motions (H, 5), in the camera's frame."""
        linear = np.exp(motions[:, 4])[:, None, None] * (self.R @ _turns(motions[:, 3]))
        offset = (self.target.anchor + motions[:, :3]) @ self.R.T + self.t
        moved = points.astype(np.float32) @ linear.transpose(0, 2, 1).astype(np.float32)
        moved += offset[:, None].astype(np.float32)
        return np.asarray(moved, dtype=np.float32)

    def project(self, placed: NDArray[np.float32], factor: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Columns and rows (pixel centres whole) of points in the camera's frame, at a level."""
        near = np.float32(factor) / np.maximum(placed[..., 2], np.float32(1e-3))
        column = placed[..., 0] * near * np.float32(self.K[0, 0]) + np.float32(self.K[0, 2] * factor - 0.5)
        row = placed[..., 1] * near * np.float32(self.K[1, 1]) + np.float32(self.K[1, 2] * factor - 0.5)
        return np.asarray(column, dtype=np.float32), np.asarray(row, dtype=np.float32)

    def surface(self, motions: Array, level: int, count: int, shown: Array | None = None) -> Surface:
        """What the known surface gains.

        Args:
            motions: (H, 5).
            level: number of the level.
            count: of points to use.
            shown: (N,) or (H, count), 0 or 1: which points are not hidden by the target itself; by their normals
                alone if None.
        """
        target, maps = self.target, self.evidence.levels[level]
        count = min(count, len(target.points))
        placed = self.place(motions, target.points[:count])
        column, row = self.project(placed, maps.factor)
        ratio = self._stretch(motions, placed)
        growth = target.depth[:count] / np.maximum(placed[..., 2], np.float32(NEAR))
        each = np.exp(2 * (motions[:, 4:].astype(np.float32) - target.grown[:count])) * np.float32(
            target.known / count
        )
        weight = ratio * growth * growth * each
        seen, unknown = _sample(maps.seen, column, row), _sample(maps.unknown, column, row)
        height, width = maps.seen.shape[:2]
        visible = (column > -0.5) & (row > -0.5) & (column < width - 0.5) & (row < height - 0.5)
        visible &= (placed[..., 2] < unknown[..., 1] * np.float32(1.01) + np.float32(SLACK)) & (ratio < STRETCH)
        weight *= visible
        if shown is not None:
            weight *= shown[..., :count]
        total = np.maximum(weight.sum(axis=1), np.float32(1e-9))
        # A turned side is lit from another angle.
        softer = (1 / (1 + TURNED * np.abs(np.sin(0.5 * motions[:, 3:4])))).astype(np.float32)
        told = weight * (np.float32(0.1) + seen[..., 3])
        loss = _loss(seen, self.colours[level][:count], told, softer)
        if self.twice[:count].any():
            loss = np.minimum(loss, _loss(seen, self.others[level][:count], told, softer))
        if (revealed := self.revealed[:count]).any():
            # A side that only the true result shows may be drawn in any of the object's colours, but for less.
            drawn = (seen[..., 3] - unknown[..., 0]) / np.float32(MISMATCH)
            loss = np.where(revealed, np.minimum(loss, drawn), loss)
        gain = (weight * (seen[..., 3] - np.float32(MISMATCH) * loss)).sum(axis=1)
        return Surface(*(item.astype(np.float64) for item in (gain, total, (weight * loss).sum(axis=1) / total)))

    def _stretch(self, motions: Array, placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, N) how many times more squarely the camera sees each point (H, N, 3) than when it was seen."""
        normals = self.target.normals[: placed.shape[1]].astype(np.float32)
        turned = normals @ (self.R @ _turns(motions[:, 3])).transpose(0, 2, 1).astype(np.float32)
        facing = -np.einsum("hnc,hnc->hn", turned, placed)
        facing /= np.sqrt(np.einsum("hnc,hnc->hn", placed, placed))
        return np.asarray(np.maximum(facing, 0) * self.target.steepness[: placed.shape[1]], dtype=np.float32)

    def side(self, motion: Array, level: int) -> Side:
        """What can be seen of the target from the side that a motion (5,) turns to the camera."""
        maps, drawn = self.evidence.levels[level], self._draw(motion[None], level, len(self.target.points))
        open_to_view = ~drawn.surface[0] & (drawn.nearest[0] < maps.unknown[..., 1] * 1.01 + SLACK)
        cells = drawn.owner[open_to_view.ravel() & (drawn.owner >= 0)]
        cells = cells[:: max(1, len(cells) // 400)]
        depth = self.place(motion[None], self.target.hull[cells])[0, :, 2].astype(np.float64)
        share = np.full(len(cells), open_to_view.sum() / max(len(cells), 1) * maps.factor**-2)
        return Side(drawn.shown[0], self.target.hull[cells], share, depth, float(motion[4]))

    def total(self, motions: Array, level: int, count: int, side: Side) -> Array:
        """(H,) gain of surface and unseen part, for motions near the one that `side` was made for."""
        surface = self.surface(motions, level, count, side.shown)
        gain = surface.gain
        if len(side.extra):
            maps = self.evidence.levels[level]
            placed = self.place(motions, side.extra)
            value = _sample(maps.unknown, *self.project(placed, maps.factor))
            growth = np.exp(2 * (motions[:, 4:] - side.scale)) * (side.depth / np.maximum(placed[..., 2], NEAR)) ** 2
            front = placed[..., 2] < value[..., 1] * 1.01 + SLACK
            unseen = (side.share * growth * np.where(front, value[..., 0], 0)).sum(axis=1)
            gain = gain + self._trusted(surface) * unseen
        return gain

    def scan(self, motions: Array, level: int, count: int) -> Array:
        """(H,) gain of surface and unseen part, for any motions; each is rendered."""
        maps = self.evidence.levels[level]
        gains = []
        for start in range(0, len(motions), 48):
            part = motions[start : start + 48]
            drawn = self._draw(part, level, count)
            front = ~drawn.surface & (drawn.nearest < maps.unknown[..., 1] * 1.01 + SLACK)
            unseen = np.where(front, maps.unknown[..., 0], 0).sum(axis=(1, 2)) * maps.factor**-2
            surface = self.surface(part, level, count, drawn.shown)
            gains.append(surface.gain + self._trusted(surface) * unseen)
        return np.concatenate(gains)

    def _trusted(self, surface: Surface) -> Array:
        """(H,) how far the unseen side is believed, 0 to 1: what is known of the object must look right first.

        Without this, any object could be explained by turning all that is known of it away.
        """
        doubt = 0.05 * self.target.count
        loss = (surface.loss * surface.shown + 0.6 * doubt) / (surface.shown + doubt)
        return np.clip((0.75 - loss) / 0.35, 0, 1)

    def covered(self, motion: Array, level: int, certain: bool = True) -> NDArray[np.bool_]:
        """(h, w) pixels of a level that the target covers after a motion (5,): surely, or possibly."""
        drawn = self._draw(motion[None], level, len(self.target.points))
        front = drawn.surface[0] if certain else drawn.surface[0] | np.isfinite(drawn.nearest[0])
        return front & (drawn.nearest[0] < self.evidence.levels[level].unknown[..., 1] * 1.01 + SLACK)

    def _draw(self, motions: Array, level: int, count: int) -> _Drawn:
        import cv2

        maps, target = self.evidence.levels[level], self.target
        height, width = maps.seen.shape[:2]
        number = len(motions)

        def flat(placed: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
            column, row = self.project(placed, maps.factor)
            i, j = (np.rint(np.clip(x, -9, 9999)).astype(np.int64) for x in (row, column))
            inside = (i >= 0) & (j >= 0) & (i < height) & (j < width)
            index = (np.arange(number)[:, None] * height + i.clip(0, height - 1)) * width + j.clip(0, width - 1)
            return index, placed[..., 2], inside

        index, depth, inside = flat(self.place(motions, target.hull))
        nearest = np.full(number * height * width, np.inf, dtype=np.float32)
        np.minimum.at(nearest, index[inside], depth[inside])
        # Cells larger than pixels leave holes through which the back would be seen.
        width_of_cell = target.cell * np.exp(motions[:, 4].max()) * self.K[0, 0] * maps.factor / np.median(depth)
        if (reach := int(np.ceil(width_of_cell - 0.2))) > 1:
            stack = nearest.reshape(number * height, width)
            nearest = np.asarray(cv2.erode(stack, np.ones((reach, reach), np.uint8)), dtype=np.float32).ravel()
        owner = np.zeros(0, dtype=np.int64)
        if number == 1:
            owner = np.full(height * width, -1)
            first = inside[0] & (depth[0] <= nearest[index[0]] + 0.6 * target.cell * np.exp(motions[0, 4]))
            owner[index[0][first]] = np.flatnonzero(first)
        placed = self.place(motions, target.points[:count])
        at, near, within = flat(placed)
        shown = within & (near <= nearest[at] + 2.0 * target.cell * np.exp(motions[:, 4:]))
        np.minimum.at(nearest, at[shown], near[shown])
        covered = np.zeros(number * height * width, dtype=np.uint8)
        # What was seen too much from the side is as good as unseen.
        covered[at[shown & (self._stretch(motions, placed) < STRETCH)]] = 1
        # Few points leave holes between them: close those.
        reach = 3 if count > 1.5 * target.known * maps.factor**2 else 5
        grown = cv2.dilate(covered.reshape(number * height, width), np.ones((reach, reach), np.uint8)) > 0
        shape = (number, height, width)
        return _Drawn(shown.astype(np.float64), grown.reshape(shape), nearest.reshape(shape), owner)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Rendered motions.

    Attributes:
        shown: (H, N) 1 for surface points in front.
        surface: (H, h, w) pixels that show known surface.
        nearest: (H, h, w) depth of surface or hull, metres; inf where neither is.
        owner: (h * w) cell of the hull nearest at each pixel, -1 if none; of a single motion only.
    """

    shown: Array
    surface: NDArray[np.bool_]
    nearest: NDArray[np.float32]
    owner: NDArray[np.int64]


def _looks(
    colours: tuple[NDArray[np.float32], ...], factor: float, pixels: NDArray[np.int64], view: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(N, 4) colours at the centres of pixels (N, 2) of the views (N,) that showed them, at a level's resolution."""
    x, y = (((pixels[:, axis] + 0.5) * factor - 0.5)[None].astype(np.float32) for axis in (0, 1))
    looks = [_sample(item, x, y)[0] for item in colours]
    return looks[0] if len(looks) == 1 else np.where(view[:, None] == 0, looks[0], looks[1])


def _loss(
    seen: NDArray[np.float32], expected: NDArray[np.float32], told: NDArray[np.float32], softer: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, N) cost, 0 to 1, of what is seen (H, N, 4) where (N, 4) is expected, up to one change of light.

    Args:
        seen: features and cost of the empty scene.
        expected: features and how much those differ from one pixel to the next.
        told: (H, N) how much each point says of the light.
        softer: (H, 1) what a difference of luminance counts.
    """
    difference = seen[..., :3] - expected[:, :3]
    step = np.minimum(np.maximum(difference[..., 0], -LIGHT_EACH), LIGHT_EACH)
    light = (told * step).sum(axis=1) / np.maximum(told.sum(axis=1), np.float32(1e-9))
    light = np.minimum(np.maximum(light, -LIGHT), LIGHT)
    difference[..., 0] = (difference[..., 0] - light[:, None]) * softer
    squared = np.einsum("hnc,hnc->hn", difference, difference)
    # Where the source changes from pixel to pixel nobody can draw the same again: more is tolerated.
    return np.asarray(squared / (np.float32(1) + np.float32(UNSURE) * expected[:, 3] + squared), dtype=np.float32)


def _turns(yaws: Array) -> Array:
    """(H, 3, 3) turns about the vertical."""
    turns = np.zeros((len(yaws), 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(yaws)
    turns[:, 1, 0] = np.sin(yaws)
    turns[:, 0, 1] = -turns[:, 1, 0]
    turns[:, 2, 2] = 1.0
    return turns


def _sample(
    picture: NDArray[np.float32], column: NDArray[np.float32], row: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(H, N, C) bilinear values of a picture at columns and rows (H, N); the rim is continued."""
    import cv2

    x, y = (np.minimum(np.maximum(item, np.float32(-1e4)), np.float32(1e4)) for item in (column, row))
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)

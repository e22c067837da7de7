"""Pictures of states of a row's scene: drawn anew where simulator and renderer are there, else cut and pasted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import invert_rigid, split_similarity, transform_points
from gsi_metrics.baselines.editors import NoSuchEditError
from gsi_metrics.baselines.states import State
from gsi_metrics.sample import Array, Picture, Sample


if TYPE_CHECKING:
    from gsi_datasets.renderers.base import Renderer
    from gsi_datasets.scene import Scene, SceneObject
    from gsi_datasets.spec import DatasetSpec

# Mean difference, in levels of 255, up to which a picture drawn anew passes for the stored one.
SAME_PICTURE = 1.0


class StudioError(RuntimeError):
    """The scene of a row cannot be drawn anew; the message says why."""


class Studio(Protocol):
    """Draws states of one row's scene.

    Attributes:
        name: ``rendered``, or ``cut-out``.
    """

    name: str

    def draw(self, states: Sequence[State]) -> list[Picture]:
        """One (H, W, 3) picture for each state.

        Raises:
            NoSuchEditError: a state shows what this studio cannot draw.
        """
        ...


def open_studio(row: Mapping[str, Any], sample: Sample, spec: DatasetSpec | None = None) -> tuple[Studio, str]:
    """The best studio for a row, and why it is not the renderer; empty if it is.

    Args:
        row: as stored.
        sample: the same, decoded.
        spec: what the dataset was built from; the one of that name that ships with the package if None.
    """
    try:
        return Rendered(row, sample, spec), ""
    except StudioError as error:
        return CutOut(sample), str(error)


class Rendered:
    """The row's scene, composed again from its provenance and drawn by its renderer.

    Args:
        row: as stored.
        sample: the same, decoded.
        spec: as for `open_studio`.

    Raises:
        StudioError: simulator or renderer are missing, the spec is not at hand, or the source comes out differently.
    """

    name = "rendered"

    def __init__(self, row: Mapping[str, Any], sample: Sample, spec: DatasetSpec | None = None) -> None:
        try:
            made = json.loads(row["provenance"])
            renderer, digest, index = str(made["renderer"]), str(made["digest"]), int(made["scene_index"])
            split, view = str(made.get("split", "")), int(made.get("view", 0))
            spec = spec or _shipped(str(made["spec"]), int(made["seed"]))
        except (KeyError, ValueError) as error:
            raise StudioError(f"row {sample.id}: its provenance does not say how it was made ({error})") from error
        if spec.digest(split, renderer) != digest:
            raise StudioError(f"row {sample.id} was made from another spec or by another version of gsi-bench")
        self._scene, self._renderer, source = _staged(json.dumps(spec.content()), split, index, view, renderer)
        self._by_id = {item.instance: item for item in self._scene.objects if item.instance > 0}
        if source.shape != sample.source.shape or _difference(source, sample.source) > SAME_PICTURE:
            raise StudioError(f"row {sample.id}: the scene drawn anew does not look like the stored source")

    def draw(self, states: Sequence[State]) -> list[Picture]:
        """One (H, W, 3) picture for each state."""
        return list(self._renderer.render([self._scene_of(state) for state in states])) if states else []

    def _scene_of(self, state: State) -> Scene:
        scene = self._scene
        copies = [
            replace(_carried(self._by_id[instance], matrix), name=f"{self._by_id[instance].name}-copy-{number}")
            for number, (instance, matrix) in enumerate(state.copies)
        ]
        scene = scene.with_objects(_carried(self._by_id[key], matrix) for key, matrix in state.moved.items())
        scene = scene.without(*(self._by_id[key].name for key in state.gone))
        camera = scene.camera if state.extrinsics is None else replace(scene.camera, extrinsics=state.extrinsics)
        return replace(scene, objects=(*scene.objects, *copies), camera=camera)


class CutOut:
    """The target's pixels, carried by the points they show onto the picture of the background.

    Needs no simulator. It knows only what the row shows: no unseen side of the target, no change of light or shadow,
    and nothing behind any other object.
    """

    name = "cut-out"

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def draw(self, states: Sequence[State]) -> list[Picture]:
        """One (H, W, 3) picture for each state; see `Studio.draw`."""
        return [self._picture(state) for state in states]

    def _picture(self, state: State) -> Picture:
        sample = self._sample
        touched = {*state.moved, *state.gone, *(instance for instance, _ in state.copies)}
        if state.extrinsics is not None or touched - {sample.target_id}:
            raise NoSuchEditError("without the simulator nothing but the target can be edited")
        if sample.target_id is None or not touched:
            return sample.source
        if sample.background is None:
            raise NoSuchEditError("the row has no picture of the background")
        picture, depth = sample.background.copy(), sample.source_depth.astype(np.float64)
        depth[(depth <= 0) | (sample.source_ids == sample.target_id)] = np.inf
        places = [matrix for _, matrix in state.copies]
        if sample.target_id not in state.gone:
            places.append(state.moved.get(sample.target_id, np.eye(4)))
        for matrix in places:
            _paste(picture, depth, sample, matrix)
        return picture


def _paste(picture: Picture, depth: Array, sample: Sample, matrix: Array) -> None:
    """Draw the target where `matrix` carries it, with its own and the others' occlusions."""
    points, colours = _points(sample, max(2, int(np.ceil(2 * split_similarity(matrix)[0])) + 1))
    camera = transform_points(transform_points(points, matrix), sample.source_extrinsics)
    ahead = camera[:, 2] > 1e-3
    camera, colours = camera[ahead], colours[ahead]
    height, width = sample.size
    uv = np.floor((camera @ sample.intrinsics[:2].T) / camera[:, 2:]).astype(np.int64)
    inside = (uv >= 0).all(axis=1) & (uv < (width, height)).all(axis=1)
    uv, far, colours = uv[inside], camera[inside, 2], colours[inside]
    order = np.argsort(-far, kind="stable")  # far first: what is written last stays
    uv, far, colours = uv[order], far[order], colours[order]
    layer, reach = np.zeros_like(picture), np.full((height, width), np.inf)
    layer[uv[:, 1], uv[:, 0]], reach[uv[:, 1], uv[:, 0]] = colours, far
    _close_gaps(layer, reach)
    shown = np.isfinite(reach) & (reach < depth + 1e-3)
    picture[shown], depth[shown] = layer[shown], reach[shown]


def _close_gaps(layer: Picture, reach: Array, width: int = 5) -> None:
    """Fill gaps of up to `width` pixels between points of a surface that was seen at a flatter angle."""
    import cv2
    from scipy.ndimage import distance_transform_edt

    covered = np.isfinite(reach)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    closed = cv2.morphologyEx(covered.astype(np.uint8), cv2.MORPH_CLOSE, kernel).astype(bool)
    rows, columns = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    gaps = closed & ~covered
    layer[gaps] = layer[rows[gaps], columns[gaps]]
    reach[gaps] = reach[rows[gaps], columns[gaps]]


def _points(sample: Sample, finer: int) -> tuple[Array, NDArray[np.uint8]]:
    """(N, 3) world points and (N, 3) colours of the target's pixels, each split into `finer` squared."""
    rows, columns = np.nonzero((sample.source_ids == sample.target_id) & (sample.source_depth > 0))
    steps = (np.arange(finer) + 0.5) / finer
    down, right = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    v, u = (rows[:, None] + down).ravel(), (columns[:, None] + right).ravel()
    depth = np.repeat(sample.source_depth[rows, columns].astype(np.float64), finer**2)
    colours = np.repeat(sample.source[rows, columns], finer**2, axis=0)
    pixels = np.stack([u, v, np.ones(len(u))], axis=1)
    camera = (pixels @ np.linalg.inv(sample.intrinsics).T) * depth[:, None]
    return transform_points(camera, invert_rigid(sample.source_extrinsics)), colours


def spec_of(data: Path, config: str, split: str) -> DatasetSpec | None:
    """The spec of a built split, from its manifest; None where that does not hold it.

    Raises:
        StorageError: the folder holds no such dataset.
    """
    from pydantic import ValidationError

    from gsi_datasets.spec import DatasetSpec
    from gsi_datasets.storage import manifest_path, read_manifest

    written = read_manifest(manifest_path(data, config, split)).spec
    try:
        return DatasetSpec.of_content(written)
    except ValidationError:
        return None


def _carried(item: SceneObject, matrix: Array) -> SceneObject:
    scale, rotation, _ = split_similarity(matrix)
    return replace(
        item,
        position=transform_points(item.position, matrix),
        rotation=rotation @ item.rotation,
        scale=item.scale * scale,
    )


def _shipped(name: str, seed: int) -> DatasetSpec:
    from gsi_datasets.spec import SpecError, load_spec

    try:
        return load_spec(name).model_copy(update={"seed": seed})
    except SpecError as error:
        raise StudioError(f"the spec of the dataset is not at hand: {error}") from error


@lru_cache(maxsize=1)
def _staged(content: str, split: str, index: int, view: int, renderer: str) -> tuple[Scene, Renderer, Picture]:
    """The scene at rest, who draws it, and its source picture. Rows of one scene come one after the other."""
    scenes, draws = _home(content, split, index, renderer)
    scene = scenes.get(view)
    if scene is None:
        raise StudioError(f"scene {index} of {split} has no view {view}, or does not come to rest")
    return scene, draws, draws.render([scene])[0]


@lru_cache(maxsize=1)
def _home(content: str, split: str, index: int, renderer: str) -> tuple[dict[int, Scene], Renderer]:
    """The scenes of one number by view, and who draws them."""
    from gsi_datasets.renderers.errors import RendererError
    from gsi_datasets.spec import DatasetSpec

    try:
        from gsi_datasets import pipeline, scenes

        spec = DatasetSpec.of_content(json.loads(content))
        use = pipeline.tools_for(spec, index, renderer)
    except (ImportError, RendererError) as error:
        raise StudioError(f"no simulator or renderer to draw with: {error}") from error
    found = scenes.stages(spec, split, index, use.simulator, use.rays)
    return {stage.seed[1] if len(stage.seed) > 1 else 0: stage.scene for stage in found if stage.scene}, use.renderer


def _difference(first: Picture, second: Picture) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())

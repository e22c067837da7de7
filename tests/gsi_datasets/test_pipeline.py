"""The pipeline, with real objects, physics and rays (only the colours are painted)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gsi_datasets import pipeline
from gsi_datasets.images import decode_depth, decode_png
from gsi_datasets.record import SceneResult
from gsi_datasets.schema import OPERATIONS, Triplet
from gsi_datasets.spec import DatasetSpec, load_spec
from tests.invariants import audit
from tests.painter import painting_tools


TABLETOP = frozenset(OPERATIONS) - {"PC"}


@pytest.fixture(scope="module")
def spec() -> DatasetSpec:
    return load_spec("gsi_syn_table").model_copy(update={"image_size": 256})


@pytest.fixture(autouse=True)
def _painted(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = painting_tools()
    monkeypatch.setattr(pipeline, "tools", lambda renderer: tools)


def make(spec: DatasetSpec, index: int, wanted: frozenset[str] = TABLETOP) -> SceneResult:
    return pipeline.make_scene(spec, "test", index, "painter", wanted)


@pytest.fixture(scope="module")
def results(spec: DatasetSpec) -> list[SceneResult]:
    with pytest.MonkeyPatch.context() as patch:
        tools = painting_tools()
        patch.setattr(pipeline, "tools", lambda renderer: tools)
        return [make(spec, index) for index in range(8)]


def test_scenes_give_rows_of_every_operation(results: list[SceneResult]) -> None:
    rows = [row for result in results for row in result.rows]
    assert {row.operation for row in rows} == TABLETOP
    assert len({row.id for row in rows}) == len(rows)
    for result in results:
        assert max(sum(row.operation == name for row in result.rows) for name in TABLETOP) <= 2


def test_a_scene_depends_on_its_arguments_only(spec: DatasetSpec, results: list[SceneResult]) -> None:
    # A fresh set of tools, another order, fewer operations wanted: the same rows, to the byte.
    again = make(spec, 2, frozenset({"OR", "SR"}))
    expected = [row for row in results[2].rows if row.operation in ("OR", "SR")]
    assert [row.model_dump() for row in again.rows] == [row.model_dump() for row in expected]


def test_only_the_categories_asked_for_are_edited(spec: DatasetSpec, results: list[SceneResult]) -> None:
    def edited(rows: list[Triplet]) -> list[str]:
        return [next(it.category for it in row.objects_before if it.id == row.target_ids[0]) for row in rows]

    index, known = next((it.index, edited(it.rows)) for it in results if len(set(edited(it.rows))) > 1)
    edits = spec.edits.model_copy(update={"categories": (known[0],)})
    rows = make(spec.model_copy(update={"edits": edits}), index).rows
    assert set(edited(rows)) == {known[0]}
    assert rows[0].source_image == results[index].rows[0].source_image  # of the same scene


def test_stored_columns_agree_with_each_other(results: list[SceneResult]) -> None:
    for row in (row for result in results for row in result.rows):
        example = row.to_example()
        target = row.target_ids[0]
        before, after = (decode_png(example[f"{k}_instances"]["bytes"]) for k in ("source", "target"))
        assert (before == target).any()
        assert (after == target).any() == (row.operation != "SR")
        known = {item.id for item in row.objects_before} | {0}
        assert set(np.unique(before)) <= known
        assert audit.named(example) == row.target_ids
        assert audit.others_still(example) == 0
        # Ids and depth of the rest do not change, but for what the object hid or hides.
        same = (before == after) & (before != target)
        depth = [decode_depth(example[f"{k}_depth"]["bytes"]) for k in ("source", "target")]
        np.testing.assert_array_equal(depth[0][same], depth[1][same])
        for seen, key in (
            (audit.view(example, "source"), "objects_before"),
            (audit.view(example, "target"), "objects_after"),
        ):
            for item in example[key]:
                if item["movable"] and item["visibility"] > 0.97:
                    assert audit.box_agreement(item, seen).inside > 0.99, (row.id, item["name"])


def test_ideal_and_actual_agree_and_the_transform_leads_there(results: list[SceneResult]) -> None:
    for row in (row for result in results for row in result.rows):
        if row.operation == "SR":
            assert row.ideal is row.actual is None
            assert row.transform_world == []
            continue
        assert row.ideal is not None
        assert row.actual is not None
        off = np.linalg.norm(np.subtract(row.ideal.centre, row.actual.centre))
        assert off <= 0.005
        assert json.loads(row.checks)["target_off_mm"] == pytest.approx(1e3 * off, abs=1e-3)
        source = next(item for item in row.objects_before if item.id == row.target_ids[0])
        moved = np.asarray(row.transform_world) @ np.append(source.centre, 1)
        np.testing.assert_allclose(moved[:3], row.ideal.centre, atol=1e-9)
        pose = np.asarray(row.source_extrinsics)
        np.testing.assert_allclose(
            np.asarray(row.transform_camera) @ pose, pose @ np.asarray(row.transform_world), atol=1e-9
        )


def test_rejections_have_a_reason_and_words(results: list[SceneResult]) -> None:
    rejections = [item for result in results for item in result.rejections]
    assert rejections
    for item in rejections:
        assert item.reason
        assert item.detail
        assert not item.operation or item.instruction


def test_provenance_names_what_made_the_row(results: list[SceneResult]) -> None:
    record = json.loads(results[0].rows[0].provenance)
    assert record["renderer"] == "painter"
    assert record["scene_index"] == 0
    assert {"gsi-bench", "mujoco", "painter"} <= set(record["versions"])
    assert record["generated_assets"] or record["assets"]

"""Chains: each edit begins where the one before ended, and what takes it back ends where it began."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gsi_datasets import pipeline
from gsi_datasets.ledger import Ledger
from gsi_datasets.record import SceneResult
from gsi_datasets.schema import Triplet
from gsi_datasets.spec import DatasetSpec
from tests.invariants import audit
from tests.painter import painting_tools


SPEC = DatasetSpec.model_validate(
    {
        "name": "chained",
        "image_size": 192,
        "world": {"kind": "tabletop", "objects": [6, 9]},
        "chain": {"steps": [2, 3]},
        "splits": {"test": {"counts": {"chains": 4}}},
    }
)
Chain = list[tuple[dict[str, Any], Triplet]]


@pytest.fixture(scope="module")
def results() -> list[SceneResult]:
    with pytest.MonkeyPatch.context() as patch:
        tools = painting_tools()
        patch.setattr(pipeline, "tools", lambda renderer: tools)
        return [pipeline.make_scene(SPEC, "test", index, "painter", frozenset({"chains"})) for index in range(14)]


@pytest.fixture(scope="module")
def chains(results: list[SceneResult]) -> list[Chain]:
    found: dict[str, Chain] = defaultdict(list)
    for row in (row for result in results for row in result.rows):
        link = json.loads(row.parameters)["chain"]
        found[link["id"]].append((link, row))
    assert len(found) >= 5
    return list(found.values())


def test_each_step_begins_where_the_one_before_ended(chains: list[Chain]) -> None:
    for chain in chains:
        steps = [row for link, row in chain if not link["inverse"]]
        assert [link["step"] for link, _ in chain if not link["inverse"]] == list(range(1, len(steps) + 1))
        assert all(link["steps"] == len(steps) for link, _ in chain)
        assert 2 <= len(steps) <= 3
        edited = [row.target_ids[0] for row in steps]
        assert len(set(edited)) == len(edited)
        for one, other in pairwise(steps):
            assert other.source_image == one.target_image
            assert other.source_depth == one.target_depth
            assert other.source_instances == one.target_instances
            assert other.objects_before == one.objects_after


def test_what_takes_an_edit_back_mirrors_it(chains: list[Chain]) -> None:
    seen = set()
    for chain in chains:
        steps = {link["step"]: row for link, row in chain if not link["inverse"]}
        for back, row in ((steps[link["step"]], row) for link, row in chain if link["inverse"]):
            seen.add(back.operation)
            assert (row.source_image, row.target_image) == (back.target_image, back.source_image)
            assert (row.objects_before, row.objects_after) == (back.objects_after, back.objects_before)
            assert row.background_image == back.background_image
            there, home = np.asarray(back.transform_world), np.asarray(row.transform_world)
            np.testing.assert_allclose(home @ there, np.eye(4), atol=2e-3)
            said, forward = json.loads(row.parameters), json.loads(back.parameters)
            if back.operation == "OS":
                assert said["factor"] * forward["factor"] == pytest.approx(1, abs=1e-3)
            elif back.operation == "OR":
                assert said["degrees"] == -forward["degrees"]
            elif back.operation == "CM":
                assert {said["direction"], forward["direction"]} in ({"left", "right"}, {"forward", "back"})
                assert said["distance"] == forward["distance"]
    assert {"CM", "OS"} <= seen
    assert "SR" not in seen
    assert "RP" not in seen


def test_two_way_moves_say_how_far_along_both_axes(chains: list[Chain]) -> None:
    rows = [row for chain in chains for _, row in chain if "direction2" in json.loads(row.parameters)]
    for row in rows:
        said = json.loads(row.parameters)
        shift = np.asarray(row.ideal.centre) - next(  # type: ignore[union-attr]
            item.centre for item in row.objects_before if item.id == row.target_ids[0]
        )
        right = np.asarray(row.source_extrinsics)[0, :3]
        aside = 0.01 * said["distance"] * (1 if said["direction"] == "right" else -1)
        assert shift @ right == pytest.approx(aside, abs=1e-3)
        assert np.hypot(said["distance"], said["distance2"]) == pytest.approx(100 * np.linalg.norm(shift[:2]), abs=0.1)
        for text in row.instructions:
            assert f"{said['distance2']:g} cm" in text


def test_words_hold_in_the_picture_they_are_said_of(chains: list[Chain]) -> None:
    for row in (row for chain in chains for _, row in chain):
        assert audit.named(row.to_example()) == row.target_ids, row.id


def test_chains_are_kept_whole(results: list[SceneResult]) -> None:
    ledger = Ledger({"chains": 3}, slot_of=SPEC.slot)
    for result in results:
        ledger.take(result)
    assert ledger.counts["chains"] == 3
    sizes = [len(positions) for _, positions in ledger.kept]
    kept = [result for result in results if result.rows][:3]
    assert sizes == [len(result.rows) for result in kept]

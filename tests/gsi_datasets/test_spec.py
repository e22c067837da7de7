"""Specs: what is wrong is named with its file and field, before any work starts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gsi_datasets.schema import OPERATIONS
from gsi_datasets.spec import DatasetSpec, SpecError, load_spec, shipped_specs


GOOD = "name: tiny\nsplits: {test: {counts: {CM: 2, SR: 1}}}\n"
WORLDS = """name: mixed
worlds: {table: {kind: tabletop}, room: {kind: room}}
splits: {test: {counts: {table: {CM: 3}, room: {PC: 2}}}}
"""


def _spec(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_specs_load() -> None:
    specs = {name: load_spec(name) for name in shipped_specs()}
    assert specs["gsi_syn_table"].splits["test"].total == 600
    assert set(specs["gsi_syn_table"].splits["test"].counts) == {"CM", "OP", "OR", "OS", "SR", "RP"}


def test_shipped_specs_have_the_counts_of_the_paper() -> None:
    totals = {name: load_spec(name).splits for name in ("gsi_syn_room", "gsi_syn_bathroom", "gsi_syn_train")}
    assert totals["gsi_syn_room"]["test"].total == 593
    assert set(totals["gsi_syn_room"]["test"].slots) == {"CM", "OP", "OR", "RP", "PC", "SR"}
    assert totals["gsi_syn_bathroom"]["test"].total == 200
    train = totals["gsi_syn_train"]["train"]
    assert train.total == 10_500
    by_operation: Counter[str] = Counter()
    for slot, count in train.slots.items():
        by_operation[slot.rpartition("/")[2]] += count
    assert by_operation == dict.fromkeys(OPERATIONS, 1500)
    assert load_spec("gsi_syn_train").scaled(0.1).splits["train"].total == 1050


def test_worlds_take_turns(tmp_path: Path) -> None:
    spec = load_spec(_spec(tmp_path, WORLDS))
    assert [spec.world_of(index)[0::2] for index in range(4)] == [("room", 0), ("table", 0), ("room", 1), ("table", 1)]
    assert spec.world_of(0)[1].kind == "room"
    assert spec.splits["test"].slots == {"table/CM": 3, "room/PC": 2}
    assert load_spec(_spec(tmp_path, GOOD)).world_of(5)[0::2] == ("", 5)


def test_a_spec_comes_back_from_its_content(tmp_path: Path) -> None:
    for text in (GOOD, WORLDS):
        spec = load_spec(_spec(tmp_path, text))
        again = DatasetSpec.of_content(spec.content())
        assert again.content() == spec.content()
        assert again.digest("test", "gl") == spec.digest("test", "gl")


def test_balance_chooses_rows_but_makes_no_others(tmp_path: Path) -> None:
    plain, strict = (load_spec(_spec(tmp_path, GOOD + more)) for more in ("", "balance: {category: 0.2}\n"))
    assert plain.seed_for("test", 1, "CM") == strict.seed_for("test", 1, "CM")
    assert plain.digest("test", "gl") != strict.digest("test", "gl")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name: tiny\n", "splits"),
        ("name: ../etc\nsplits: {test: {counts: {CM: 2}}}\n", "name"),
        (GOOD + "image_size: 5\n", "image_size"),
        (GOOD + "colour: red\n", "colour"),
        (GOOD + "edits: {move_cm: [30, 5]}\n", "edits.move_cm"),
        (GOOD + "edits: {scale_factors: [1.0]}\n", "scale_factors"),
        (GOOD + "world: {objects: [9, 3]}\n", "world.objects"),
        (GOOD + "world: {kind: moon}\n", "world.kind"),
        ("name: tiny\nsplits: {test: {counts: {XX: 2}}}\n", "splits.test.counts"),
        ("name: tiny\nsplits: {test: {counts: {CM: 0}}}\n", "splits.test.counts"),
        ("name: tiny\nsplits: {test: {counts: {PC: 3}}}\n", "splits.test.counts.PC"),
        (GOOD + "world: {kind: room, rooms: []}\n", "world.rooms"),
        (GOOD + "world: {kind: room, rooms: [garage]}\n", "world.rooms.0"),
        (GOOD + "world: {kind: room, views: 0}\n", "world.views"),
        (GOOD + "world: {kind: room, connected: [0, 2]}\n", "connected"),
        (GOOD + "world: {kind: room, eye_height_m: [3, 4]}\n", "eye_height_m"),
        (GOOD + "edits: {camera_turn_degrees: [5, 90]}\n", "camera_turn_degrees"),
        (GOOD + "balance: {category: 0}\n", "balance.category"),
        (GOOD + "edits: {categories: [chiar]}\n", "'chiar'] are not known; did you mean ['chair'"),
        (WORLDS + "world: {kind: room}\n", "either world or worlds"),
        (WORLDS.replace("table: {CM", "tables: {CM"), "splits.test.counts"),
        (WORLDS.replace("table: {CM", "table: {PC"), "splits.test.counts.table.PC"),
        (WORLDS.replace("{CM: 3}", "{CX: 3}"), "splits.test.counts.table.CX"),
        (WORLDS.replace("worlds:", "xworlds:"), "xworlds"),
        ("name: tiny\nsplits: {te-st: {counts: {CM: 3}}}\n", "splits"),
        ("- a\n- b\n", "mapping"),
        ("name: [unclosed\n", "YAML"),
    ],
)
def test_a_bad_spec_is_one_error_that_names_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    path = _spec(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert str(path) in str(caught.value)
    assert field in str(caught.value)


def test_unknown_names_and_missing_files_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="gsi_syn_table"):
        load_spec("gsi_syn_tabel")
    with pytest.raises(SpecError, match=r"missing\.yaml"):
        load_spec(tmp_path / "missing.yaml")


def test_digest_and_seeds_follow_the_content(tmp_path: Path) -> None:
    first = load_spec(_spec(tmp_path, GOOD))
    more = load_spec(_spec(tmp_path, GOOD.replace("CM: 2", "CM: 20")))
    other = load_spec(_spec(tmp_path, GOOD + "seed: 1\n"))
    # More of the same is a continuation; another seed is another data set.
    assert first.digest("test", "gl") == more.digest("test", "gl")
    assert len({first.digest("test", "gl"), first.digest("test", "warp"), first.digest("train", "gl")}) == 3
    assert first.digest("test", "gl") != other.digest("test", "gl")
    assert first.seed_for("test", 3, "CM") == more.seed_for("test", 3, "CM")
    assert len({first.seed_for("test", i, "CM") for i in range(100)} | {other.seed_for("test", 0, "CM")}) == 101


def test_scaled_rounds_up(tmp_path: Path) -> None:
    spec = load_spec(_spec(tmp_path, GOOD)).scaled(0.1)
    assert spec.splits["test"].counts == {"CM": 1, "SR": 1}

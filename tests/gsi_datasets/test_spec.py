"""Specs: what is wrong is named with its file and field, before any work starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsi_datasets.spec import SpecError, load_spec, shipped_specs


GOOD = "name: tiny\nsplits: {test: {counts: {CM: 2, SR: 1}}}\n"


def _spec(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_specs_load() -> None:
    specs = {name: load_spec(name) for name in shipped_specs()}
    assert specs["gsi_syn_table"].splits["test"].total == 600
    assert set(specs["gsi_syn_table"].splits["test"].counts) == {"CM", "OP", "OR", "OS", "SR", "RP"}


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

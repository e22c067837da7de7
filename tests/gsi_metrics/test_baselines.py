"""Cheating editors: what they show is what they say, and a protocol with a faultless observer sees through each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsi_datasets.geometry import transform_points
from gsi_metrics import baselines
from gsi_metrics.baselines import NoSuchEditError, pixels
from gsi_metrics.baselines.drawing import CutOut, Rendered, StudioError, open_studio
from gsi_metrics.baselines.room import fits, free_place
from gsi_metrics.baselines.states import Motion, State, request, rng_for, target, true_error, true_state, wrapped
from gsi_metrics.protocols import v2
from gsi_metrics.sample import Picture, Sample
from tests.factories import fake_triplet
from tests.folders import built_split
from tests.gsi_metrics.factories import fake_sample


OBJECT_OPERATIONS = ("CM", "OP", "RP", "OR", "OS", "SR")
CHEATS = tuple(name for name in baselines.NAMES if name != "truth")


def picture_of(sample: Sample, state: State) -> Picture:
    return CutOut(sample).draw([state])[0]


def off(first: Picture, second: Picture) -> float:
    return float(np.abs(first.astype(int) - second).mean())


@pytest.mark.parametrize("operation", ["CM", "OP", "RP", "OS", "SR"])
def test_the_true_state_is_the_true_result(operation: str) -> None:
    sample = fake_sample(operation, seed=3, size=128)
    assert sample.target is not None
    state = true_state(sample)
    assert true_error(sample, state) in (None, pytest.approx(0, abs=1e-9))
    # Cut out and pasted: sides that were not visible are missing, the rest must be there.
    assert off(picture_of(sample, state), sample.target) < 0.35 * off(sample.source, sample.target)


def test_a_turn_cut_out_stays_within_the_true_silhouette() -> None:
    sample = fake_sample("OR", seed=3, size=128)
    assert sample.background is not None
    drawn = (picture_of(sample, true_state(sample)) != sample.background).any(axis=2)
    silhouette = sample.target_ids_map == sample.target_id
    assert (drawn & silhouette).sum() > 0.9 * drawn.sum()
    assert drawn.sum() > 0.4 * silhouette.sum()


@pytest.mark.parametrize("operation", OBJECT_OPERATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_faultless_observer_lets_only_the_truth_pass(operation: str, seed: int) -> None:
    sample, other = fake_sample(operation, seed, textured=True), fake_sample(operation, seed + 50, textured=True)
    for name in baselines.NAMES:
        try:
            made = baselines.plan(name, sample, rng_for(name, seed), other)
            picture = baselines.draw(CutOut(sample), [made])[0]
        except NoSuchEditError:
            continue
        if operation == "SR" and name == "copy-paste":
            continue  # flat boxes on a flat table: what stands there now cannot be told from what should
        scores = v2.score(sample, picture, made.known(sample))
        assert scores.ic == float(name == "truth"), (name, scores.faults)
        assert name != "truth" or scores.sa == pytest.approx(1)


def test_opposite_half_and_double_are_parts_of_the_motion() -> None:
    sample = fake_sample("CM", seed=1)
    body, wanted = target(sample), request(sample).shift
    for name, part in (("opposite", -1.0), ("half", 0.5), ("double", 2.0), ("truth", 1.0)):
        matrix = baselines.plan(name, sample, rng_for(name)).state.moved[body.id]
        np.testing.assert_allclose(transform_points(body.centre, matrix) - body.centre, part * wanted, atol=1e-9)


def test_a_scaled_object_stays_on_its_base() -> None:
    sample = fake_sample("OS", seed=1)
    body = target(sample)
    matrix = baselines.plan("double", sample, rng_for("")).state.moved[body.id]
    foot = body.centre - [0, 0, body.size[2] / 2]
    np.testing.assert_allclose(transform_points(foot, matrix), foot, atol=1e-9)
    assert np.cbrt(np.linalg.det(matrix[:3, :3])) == pytest.approx(np.exp(2 * request(sample).log_scale))


def test_a_mirrored_turn_that_symmetry_makes_right_is_no_cheat() -> None:
    sample = fake_sample("OR", seed=1)
    body = target(sample)
    half_turn = Motion(np.zeros(3), np.pi)
    after = replace(body, rotation=half_turn.of(body)[:3, :3] @ body.rotation)
    sample = replace(sample, after=tuple(after if item.id == body.id else item for item in sample.after))
    with pytest.raises(NoSuchEditError, match="symmetry"):
        baselines.plan("opposite", sample, rng_for(""))
    assert true_error(sample, baselines.plan("half", sample, rng_for("")).state) == pytest.approx(0.5)


@pytest.mark.parametrize("operation", ["CM", "OR", "OS"])
def test_random_is_another_motion_and_always_the_same(operation: str) -> None:
    sample = fake_sample(operation, seed=2)
    plans = [baselines.plan("random", sample, rng_for("random", seed)) for seed in (0, 0, 1)]
    one, again, another = (made.state.moved[target(sample).id] for made in plans)
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, another)
    assert (true_error(sample, plans[0].state) or 0) >= 0.5


def test_copy_paste_leaves_the_original() -> None:
    sample = fake_sample("CM", seed=1, size=128)
    made = baselines.plan("copy-paste", sample, rng_for(""))
    picture = picture_of(sample, made.state)
    place = sample.source_ids == sample.target_id
    still = (picture[place] == sample.source[place]).all(axis=1).mean()
    moved = (picture_of(sample, true_state(sample))[place] == sample.source[place]).all(axis=1).mean()
    assert still > 0.5 > moved
    known = made.known(sample)
    assert (known.duplicates, known.vacated) == (1, 0.0)


def test_wrong_instance_spares_target_and_reference() -> None:
    sample = fake_sample("OP", seed=5)
    moved = baselines.plan("wrong-instance", sample, rng_for("")).state.moved
    assert moved.keys().isdisjoint({sample.target_id, *sample.reference_ids})
    assert len(moved) == 1


def test_delete_everything_leaves_the_table() -> None:
    sample = fake_sample("CM")
    gone = baselines.plan("delete-everything", sample, rng_for("")).state.gone
    assert gone == {body.id for body in sample.before if body.movable}
    known = baselines.plan("delete-everything", sample, rng_for("")).known(sample)
    assert known.found is False
    assert all(other.present == 0 for other in known.others)


def test_a_place_is_free_only_where_nothing_stands() -> None:
    sample = fake_sample("CM", seed=4)
    body = target(sample)
    other = next(item for item in sample.before if item.movable and item.id != body.id)
    assert not fits(sample, body, Motion(other.centre - body.centre).of(body))
    assert not fits(sample, body, Motion(np.array([5.0, 0.0, 0.0])).of(body))
    shift = free_place(sample, rng_for("free"))
    assert shift is not None
    assert fits(sample, body, Motion(shift).of(body))


def test_turns_are_taken_modulo_symmetry() -> None:
    assert wrapped(np.radians(100), 4) == pytest.approx(np.radians(10))
    assert wrapped(np.radians(-170), 1) == pytest.approx(np.radians(-170))
    assert wrapped(1.0, 0) == 0


@pytest.mark.parametrize("change", [pixels.jpeg, pixels.resampled, pixels.tinted, pixels.recompressed, pixels.blurred])
def test_changes_of_pictures_change_them_and_keep_their_size(change: object) -> None:
    sample = fake_sample("CM", size=128, textured=True)
    changed = change(sample.source)  # type: ignore[operator]
    assert changed.shape == sample.source.shape
    assert changed.dtype == np.uint8
    assert off(changed, sample.source) > 0
    small = change in (pixels.jpeg, pixels.resampled, pixels.tinted)
    assert (off(changed, sample.source) < 8) or not small


def test_a_row_that_cannot_be_drawn_anew_is_cut_out_and_says_why() -> None:
    row = fake_triplet(0, "CM", 64).to_example()
    studio, why = open_studio(row, Sample.from_row(row))
    assert studio.name == "cut-out"
    assert "provenance" in why
    with pytest.raises(StudioError):
        Rendered(row, Sample.from_row(row))
    with pytest.raises(NoSuchEditError, match="nothing but the target"):
        baselines.edit("delete-everything", row, rng_for(""))


def test_a_row_of_another_spec_is_not_drawn_anew() -> None:
    row = fake_triplet(0, "CM", 64).to_example()
    made = {"spec": "gsi_syn_table", "seed": 2026, "renderer": "gl", "scene_index": 0, "digest": "0" * 16}
    row["provenance"] = json.dumps(made)
    assert "another spec" in open_studio(row, Sample.from_row(row))[1]


def test_an_unknown_editor_is_named() -> None:
    with pytest.raises(ValueError, match="no editor named 'magic'; there are identity"):
        baselines.plan("magic", fake_sample("CM"), rng_for(""))


def test_unrelated_needs_another_scene() -> None:
    sample = fake_sample("CM")
    with pytest.raises(NoSuchEditError):
        baselines.plan("unrelated", sample, rng_for(""), sample)


def test_write_makes_a_folder_to_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built_split(tmp_path / "data", rows=6)
    out = baselines.write("opposite", tmp_path / "data", "gsi_syn_table", "test", tmp_path / "edits")
    written = {path.stem: path for path in out.glob("*.png")}
    assert 4 <= len(written) <= 6
    for path in written.values():
        assert np.asarray(Image.open(path)).shape == (64, 64, 3)
    assert len(list(out.iterdir())) == len(written)
    assert len(written) == 6 or "opposite leaves out" in capsys.readouterr().err


def test_write_keeps_what_is_there(tmp_path: Path) -> None:
    built_split(tmp_path / "data", rows=3)
    out = baselines.write("identity", tmp_path / "data", "gsi_syn_table", "test", tmp_path / "edits")
    first, *others = sorted(out.glob("*.png"))
    first.write_bytes(b"mine")
    others[0].unlink()
    baselines.write("identity", tmp_path / "data", "gsi_syn_table", "test", out)
    assert first.read_bytes() == b"mine"
    assert others[0].exists()


@pytest.mark.slow
def test_a_built_row_is_drawn_anew_bit_for_bit(tmp_path: Path) -> None:
    from gsi_datasets import renderers
    from gsi_datasets.build import build
    from gsi_datasets.pipeline import make_scene
    from gsi_datasets.reading import read_rows
    from gsi_datasets.renderers import RendererError
    from gsi_datasets.spec import DatasetSpec

    spec = DatasetSpec.model_validate(
        {"name": "tiny", "image_size": 128, "splits": {"test": {"counts": {"CM": 1, "OS": 1}}}}
    )
    try:
        renderer = renderers.choose("gl")
    except RendererError as error:
        pytest.skip(str(error))
    build(spec, "test", tmp_path, renderer=renderer, workers=1, make_scene=make_scene)
    known = baselines.spec_of(tmp_path, "tiny", "test")
    for row in read_rows(tmp_path, "tiny", "test"):
        sample = Sample.from_row(row)
        assert sample.target is not None
        studio = Rendered(row, sample, known)
        source, result, empty = studio.draw(
            [State(), true_state(sample), State(gone=frozenset(body.id for body in sample.before if body.movable))]
        )
        np.testing.assert_array_equal(source, sample.source)
        assert off(result, sample.target) < 0.05
        assert off(empty, sample.source) > 1

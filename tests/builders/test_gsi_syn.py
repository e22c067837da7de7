"""The builder class: rows of a built folder, or built on the spot, through everything `datasets` offers."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest

from builders.gsi_syn.gsi_syn import GsiSyn
from gsi_datasets import hub, pipeline, renderers
from gsi_datasets.images import decode_png
from gsi_datasets.record import SceneResult
from gsi_datasets.schema import IMAGE_COLUMNS, features
from gsi_datasets.spec import DatasetSpec, SpecError, load_spec, shipped_specs
from gsi_datasets.storage import StorageError
from tests.factories import fake_scene_result
from tests.folders import built_split, fake_rows


SPEC = """
name: my_table
version: 2.3.4
image_size: 64
splits:
  train: {counts: {CM: 2, SR: 2}}
  test: {counts: {CM: 1, OR: 2}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "built"
    built_split(out, rows=7, shards=2)
    built_split(out, split="train", rows=6, seed=50)
    built_split(out, "my_table", rows=6, seed=90, version="1.1.0")
    return out


@pytest.fixture
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A spec whose scenes are fakes, drawn by nobody."""
    monkeypatch.setattr(pipeline, "make_scene", make_fake_scene)
    monkeypatch.setattr(renderers, "choose", lambda name: "gl", raising=False)
    path = tmp_path / "my.yaml"
    path.write_text(SPEC)
    return str(path)


def make_fake_scene(spec: DatasetSpec, split: str, index: int, renderer: str, wanted: frozenset[str]) -> SceneResult:
    return fake_scene_result(index, wanted, spec.seed + len(split), spec.image_size)


def test_configs_are_the_shipped_specs() -> None:
    versions = {name: config.version for name, config in GsiSyn.builder_configs.items()}
    assert versions == {name: load_spec(name).version for name in shipped_specs()}
    assert "gsi_syn_table" in versions


def test_reads_a_built_folder(folder: Path, tmp_path: Path) -> None:
    builder = GsiSyn(str(tmp_path / "cache"), config_name="gsi_syn_table", data_dir=str(folder))
    assert (builder.dataset_name, str(builder.config.version)) == ("gsi-bench", "1.0.0")
    builder.download_and_prepare()
    rows = builder.as_dataset("test")
    assert rows.features == features()
    made = fake_rows(7)
    assert rows["id"][:] == [row.id for row in made]
    for column in IMAGE_COLUMNS:
        np.testing.assert_array_equal(np.asarray(rows[3][column]), decode_png(getattr(made[3], column)))
    # What the builder stored is the PNG of the shard, not another encoding of the same pixels.
    raw = rows.cast_column("source_image", datasets.Image(decode=False))
    assert raw[3]["source_image"]["bytes"] == made[3].source_image
    streamed = list(builder.as_streaming_dataset("test"))
    assert [row["id"] for row in streamed] == [row.id for row in made]
    assert streamed[3]["source_depth"].mode == "I;16"


def test_reads_configs_that_do_not_ship(folder: Path, tmp_path: Path) -> None:
    builder = GsiSyn(str(tmp_path / "cache"), config_name="my_table", data_dir=str(folder))
    builder.download_and_prepare()
    assert builder.as_dataset("test")["id"][:] == [row.id for row in fake_rows(6, 90)]
    assert (builder.config.name, str(builder.config.version)) == ("my_table", "1.1.0")


def test_shards_are_shared_among_processes(folder: Path, tmp_path: Path) -> None:
    builder = GsiSyn(str(tmp_path / "cache"), config_name="gsi_syn_table", data_dir=str(folder))
    builder.download_and_prepare(num_proc=2)
    assert sorted(builder.as_dataset("test")["id"]) == sorted(row.id for row in fake_rows(7))


def test_other_rows_are_not_taken_from_the_cache(folder: Path, tmp_path: Path) -> None:
    GsiSyn(str(tmp_path / "cache"), config_name="gsi_syn_table", data_dir=str(folder)).download_and_prepare()
    built_split(folder, rows=7, seed=400, shards=2)
    again = GsiSyn(str(tmp_path / "cache"), config_name="gsi_syn_table", data_dir=str(folder))
    again.download_and_prepare()
    assert again.as_dataset("test")["id"][:] == [row.id for row in fake_rows(7, 400)]


def test_folders_and_configs_that_are_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no finished config 'other'.*gsi_syn_table.*my_table"):
        GsiSyn(str(tmp_path), config_name="other", data_dir=str(folder))
    with pytest.raises(StorageError, match="must be one of"):
        GsiSyn(str(tmp_path), data_dir=str(folder))
    with pytest.raises(SpecError, match="no spec named 'other'"):
        GsiSyn(str(tmp_path), config_name="other")
    with pytest.raises(ValueError, match="name a config"):
        GsiSyn(str(tmp_path))
    builder = GsiSyn(str(tmp_path), config_name="my_table", data_dir=str(folder))
    (folder / "my_table" / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(StorageError, match="is missing"):
        builder.download_and_prepare()


@pytest.mark.slow
def test_builds_what_is_not_built_yet(spec_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = GsiSyn(str(tmp_path / "cache"), spec=spec_file)
    builder.download_and_prepare()
    built = builder.as_dataset()
    assert {split: sorted(rows["operation"]) for split, rows in built.items()} == {
        "train": ["CM", "CM", "SR", "SR"],
        "test": ["CM", "OR", "OR"],
    }
    assert (builder.config.name, str(builder.config.version)) == ("my_table", "2.3.4")
    (folder,) = (tmp_path / "cache" / "gsi-bench-builds").iterdir()
    assert len(hub.verify(folder)) == 2

    # The same spec again: neither built nor prepared; streaming reads what was built.
    monkeypatch.setattr(pipeline, "make_scene", None)
    again = GsiSyn(str(tmp_path / "cache"), spec=spec_file, workers=2)
    assert again.cache_dir == builder.cache_dir
    again.download_and_prepare()
    assert [row["id"] for row in again.as_streaming_dataset("train")] == built["train"]["id"][:]


def test_what_decides_rows_decides_the_cache(spec_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = GsiSyn(str(tmp_path), spec=spec_file)
    assert GsiSyn(str(tmp_path), spec=spec_file, workers=3).cache_dir == first.cache_dir
    Path(spec_file).write_text(SPEC.replace("CM: 2", "CM: 3"))
    assert GsiSyn(str(tmp_path), spec=spec_file).cache_dir != first.cache_dir
    Path(spec_file).write_text(SPEC)
    monkeypatch.setattr(renderers, "choose", lambda name: "warp")
    assert GsiSyn(str(tmp_path), spec=spec_file).cache_dir != first.cache_dir

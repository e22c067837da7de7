"""What specs say of scenes that others have made."""

from __future__ import annotations

from pathlib import Path

import pytest

from gsi_datasets.spec import DatasetSpec, SpecError, load_spec
from gsi_datasets.worlds.specs import WORLDS, MesaTaskWorld, ThorWorld, WorldError


NAMES = [f"scene-{number}" for number in range(200)]


def test_train_and_other_splits_share_no_scene() -> None:
    world = ThorWorld(held_out=0.25)
    train, test = world.scenes_of(NAMES, held_out=False), world.scenes_of(NAMES, held_out=True)
    assert sorted(train + test) == sorted(NAMES)
    assert 0.15 < len(test) / len(NAMES) < 0.35
    assert world.scenes_of(NAMES[::-1], held_out=True) == test, "the order of the names decides nothing"
    more = world.scenes_of([*NAMES, "another"], held_out=False)
    assert [name for name in more if name != "another"] == train, "more scenes move none to the other side"


def test_no_scene_for_a_split_is_an_error_that_names_the_field() -> None:
    with pytest.raises(WorldError, match=r"world.held_out.*split train.*smaller"):
        ThorWorld(held_out=1).scenes_of(NAMES, held_out=False)


def test_no_path_enters_what_describes_the_data(tmp_path: Path) -> None:
    spec = load_spec("gsi_syn_table").in_world("mesatask", tmp_path)
    assert spec.world.path() == tmp_path  # type: ignore[union-attr]
    assert str(tmp_path) not in str(spec.content())
    assert spec.name == "gsi_syn_table_mesatask"


def test_a_folder_is_relative_to_its_yaml_file_or_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "houses").mkdir()
    text = "name: mine\nworld: {kind: molmospaces, folder: houses}\nsplits: {test: {counts: {CM: 2}}}\n"
    (tmp_path / "spec.yaml").write_text(text)
    spec = load_spec(tmp_path / "spec.yaml")
    assert spec.world.path() == tmp_path / "houses"  # type: ignore[union-attr]
    monkeypatch.delenv("MESATASK_ROOT", raising=False)
    with pytest.raises(WorldError, match=r"world.folder.*MESATASK_ROOT"):
        MesaTaskWorld().path()
    monkeypatch.setenv("MESATASK_ROOT", str(tmp_path))
    assert MesaTaskWorld().path() == tmp_path
    with pytest.raises(WorldError, match="is not a folder"):
        MesaTaskWorld(folder=str(tmp_path / "missing")).path()


def test_other_files_are_other_data(tmp_path: Path) -> None:
    spec = load_spec("gsi_syn_table").in_world("mesatask", tmp_path)
    before = spec.digest("test", "gl")
    (tmp_path / "layout.json").write_text("{}")
    assert spec.digest("test", "gl") != before


def test_linked_folders_count_and_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scenes" / "objects").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "scenes")
    world = MesaTaskWorld(folder=str(tmp_path / "scenes"))
    before = world.fingerprint()
    (tmp_path / "elsewhere" / "mesh.glb").write_bytes(b"glTF")
    assert world.fingerprint() != before


def test_a_world_is_asked_only_for_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"(?s)--world mesatask.*counts.PC.*camera moves; set it to 0"):
        load_spec("gsi_syn_room").in_world("mesatask", tmp_path)
    with pytest.raises(SpecError, match=r"counts.OS: a thor world has no changes of size"):
        load_spec("gsi_syn_table").in_world("thor")
    with pytest.raises(SpecError, match="lie in no folder"):
        load_spec("gsi_syn_room").in_world("thor", tmp_path)


def test_each_kind_is_known_to_the_spec() -> None:
    for kind in WORLDS:
        spec = DatasetSpec.model_validate(
            {"name": "x", "world": {"kind": kind}, "splits": {"test": {"counts": {"CM": 1}}}}
        )
        assert type(spec.world) is WORLDS[kind]

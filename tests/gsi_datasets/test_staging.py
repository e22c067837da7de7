from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.staging import DamagedScene, clear, read_scene, scene_path, staging_folder, write_scene
from gsi_datasets.storage import StorageError
from tests.factories import fake_scene_result


WANTED = frozenset(["CM", "OP", "RP", "SR"])


def test_scene_comes_back_as_it_was(tmp_path: Path) -> None:
    result = fake_scene_result(5, WANTED)
    result.rejections.append(Rejection("CM", "occluded", "杯子 12 %", "移动杯子", b"before", None))
    path = write_scene(tmp_path, result, WANTED)
    assert read_scene(path) == (result, WANTED)
    assert [item.name for item in tmp_path.iterdir()] == ["00000005.scene"]


def test_equal_pictures_are_kept_once(tmp_path: Path) -> None:
    row = fake_scene_result(1, ["CM"]).rows[0]
    alone = write_scene(tmp_path, SceneResult(1, [row])).stat().st_size
    again = write_scene(tmp_path, SceneResult(1, [row, row])).stat().st_size
    assert again - alone < len(row.source_image) + len(row.target_image) + 6000


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_scene(tmp_path_factory.mktemp("scene"), fake_scene_result(2, ["CM"], size=16)).read_bytes()


@given(st.data())
def test_torn_and_altered_files_are_noticed(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    altered = bytearray(content)
    altered[place] ^= data.draw(st.integers(1, 255))
    path = scene_path(tmp_path_factory.mktemp("torn"), 2)
    for damaged in (content[:place], bytes(altered), content + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(DamagedScene, match="is not a whole scene"):
            read_scene(path)


def test_file_of_another_scene_is_noticed(content: bytes, tmp_path: Path) -> None:
    path = scene_path(tmp_path, 3)
    path.write_bytes(content)
    with pytest.raises(DamagedScene, match="holds scene 2"):
        read_scene(path)


def test_rows_of_another_version_are_noticed(tmp_path: Path) -> None:
    result = fake_scene_result(1, ["CM"])
    result.rows[0] = result.rows[0].model_copy(update={"operation": "XX"})
    path = write_scene(tmp_path, result)
    with pytest.raises(DamagedScene, match="does not hold rows of this version"):
        read_scene(path)


def test_one_build_at_a_time_and_nothing_left_behind(tmp_path: Path) -> None:
    with staging_folder(tmp_path, "a", "test", "0" * 16) as folder:
        with pytest.raises(StorageError, match="another build"), staging_folder(tmp_path, "a", "train", "1" * 16):
            pass
        (folder / ".00000001.scene.77.tmp").touch()
        write_scene(folder, fake_scene_result(1, ["CM"]))
    assert [path.name for path in folder.iterdir()] == ["00000001.scene"]
    with staging_folder(tmp_path, "a", "test", "0" * 16) as folder:
        clear(folder)
    assert not list(tmp_path.iterdir())


def test_clearing_spares_other_splits(tmp_path: Path) -> None:
    root = tmp_path / ".staging"
    for name in (
        "a-test-0123456789abcdef",
        "a-test-fedcba9876543210",
        "a-test-b-0123456789abcdef",
        "a-train-" + "0" * 16,
    ):
        (root / name).mkdir(parents=True)
    clear(root / "a-test-0123456789abcdef")
    assert sorted(path.name for path in root.iterdir()) == ["a-test-b-0123456789abcdef", "a-train-" + "0" * 16]

"""Houses come from a store archive by archive, with what they name; the store is a folder here."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from gsi_datasets.assets.molmospaces import Library
from gsi_datasets.worlds.molmospaces_download import download, main
from gsi_datasets.worlds.specs import WorldError


VERSIONS = {"scenes": {"procthor-10k-val": "v1"}, "objects": {"thor": "v2"}}
QUAD = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
SCENE = """<mujoco><asset><mesh name="m" file="../../objects/thor/Mug/{n}/mug.obj"/></asset><worldbody>
<geom type="plane" size="2 2 0.1"/><body name="mug_{n}"><freejoint/><geom type="mesh" mesh="m"/></body></worldbody>
</mujoco>
"""
RECORD = '{{"objects": {{"mug_{n}": {{"category": "Mug"}}}}}}'
ARCHIVES = {
    ("scenes/procthor-10k-val/v1", f"val_{n}.tar.zst"): {
        f"val_{n}.xml": SCENE.format(n=n), f"val_{n}_metadata.json": RECORD.format(n=n),
    }
    for n in (7, 8)
} | {("objects/thor/v2", f"Mug_{n}.tar.zst"): {f"Mug/{n}/mug.obj": QUAD} for n in (7, 8)}  # fmt: skip


def store(fetched: list[str]) -> Any:
    resources = pytest.importorskip("molmospaces_resources")
    zstandard = pytest.importorskip("zstandard")

    class Shelf(resources.RemoteStorage):  # type: ignore[misc, name-defined]
        """The archives above; counts what is fetched."""

        def fetch_file(self, relative_path: Path, filename: str, dest: Path) -> None:
            mine = {name: files for (where, name), files in ARCHIVES.items() if where == relative_path.as_posix()}
            if filename.endswith(".gz"):
                tries = {}
                for name, files in mine.items():
                    trie = resources.CompactPathTrie()
                    for path in files:
                        trie.insert(path)
                    tries[name] = trie.to_dict()
                (dest / filename).write_bytes(gzip.compress(json.dumps(tries).encode()))
            else:
                (dest / filename).write_text(json.dumps(dict.fromkeys(mine, 0.1)))

        def stream_archive(self, relative_path: Path, archive_name: str) -> io.BytesIO:
            fetched.append(archive_name)
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w") as tar:
                for path, text in ARCHIVES[relative_path.as_posix(), archive_name].items():
                    entry = tarfile.TarInfo(path)
                    entry.size = len(text)
                    tar.addfile(entry, io.BytesIO(text.encode()))
            return io.BytesIO(zstandard.compress(data.getvalue()))

    return Shelf()


def test_a_scene_comes_with_what_it_names_and_only_once(tmp_path: Path) -> None:
    fetched: list[str] = []
    root = tmp_path / "houses"
    for _ in range(2):
        (file,) = download(root, ["procthor-10k-val/val_7"], VERSIONS, store(fetched))
    assert file == root / "scenes" / "procthor-10k-val" / "val_7.xml"
    assert "val_7.tar.zst" in fetched
    assert "val_8.tar.zst" not in fetched
    assert len(fetched) == len(set(fetched))
    library = Library(root)
    assert library.keys() == ["procthor-10k-val/val_7"]
    assert library("molmospaces/procthor-10k-val/val_7#mug_7").info.category == "mug"


@pytest.mark.parametrize(
    ("scene", "versions", "said"),
    [
        ("procthor-10k-val/val_9", VERSIONS, "val_9.xml"),
        ("ithor/FloorPlan1_physics", VERSIONS, "scenes.ithor is missing"),
        ("procthor-10k-val/val_7", {"scenes": VERSIONS["scenes"]}, "objects.thor is missing"),
        ("val_7", VERSIONS, "is no <source>/<scene>"),
        ("../x/val_7", VERSIONS, "is no <source>/<scene>"),
    ],
)
def test_what_is_not_to_be_had_is_said(tmp_path: Path, scene: str, versions: Any, said: str) -> None:
    with pytest.raises(WorldError, match=said):
        download(tmp_path / "houses", [scene], versions, store([]))


def test_without_the_extra_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "molmospaces_resources", None)
    versions = tmp_path / "versions.json"
    versions.write_text(json.dumps(VERSIONS))
    assert main([str(tmp_path / "houses"), "procthor-10k-val/val_7", "--versions", str(versions)]) == 2
    assert "pip install 'gsi-bench[molmospaces]'" in capsys.readouterr().err
    assert not (tmp_path / "houses").exists()

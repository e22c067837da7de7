"""Built folders load, install under the bare name, and are refused when they are not whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gsi_datasets import hub
from gsi_datasets.images import decode_png
from gsi_datasets.schema import IMAGE_COLUMNS, features
from gsi_datasets.storage import StorageError
from tests.folders import built_split, fake_rows


READ_ALL = Path(__file__).parents[1] / "hub" / "read_all.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    built_split(out, rows=7, shards=2)
    built_split(out, split="train", rows=6, seed=50)
    built_split(out, "gsi_syn_demo", rows=6, seed=90, version="1.1.0")
    hub.write_card(out)
    return out


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def read_all(name: str, config: str, split: str, home: Path, **environment: str) -> dict[str, Any]:
    """What a stranger's process reads, from a folder that has nothing to do with ours."""
    elsewhere = home / "elsewhere"
    elsewhere.mkdir(parents=True, exist_ok=True)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-I", str(READ_ALL), name, config, split],
        cwd=elsewhere,
        env=inherited | {"HF_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("streaming", [False, True])
def test_folder_loads_and_every_column_decodes(folder: Path, tmp_path: Path, streaming: bool) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(folder), "gsi_syn_table", split="test", cache_dir=str(tmp_path), streaming=streaming)
    assert rows.features == features()
    loaded, made = list(rows), fake_rows(7)
    assert len(loaded) == len(made)
    for row, triplet in zip(loaded, made, strict=True):
        for column in IMAGE_COLUMNS:
            mode = "RGB" if column.endswith("_image") else "I;16"
            assert (row[column].mode, row[column].size) == (mode, (64, 64)), column
            np.testing.assert_array_equal(np.asarray(row[column]), decode_png(getattr(triplet, column)))
        others = {key: value for key, value in triplet.model_dump().items() if key not in IMAGE_COLUMNS}
        assert {key: row[key] for key in others} == others


def test_default_config_and_columns(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(folder), split="train", columns=["id", "instruction"], streaming=True)
    assert [row["id"] for row in rows] == [row.id for row in fake_rows(6, 50)]
    whole = load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {split: len(part) for split, part in whole.items()} == {"train": 6, "test": 7}


def test_verify_gives_the_manifests(folder: Path) -> None:
    found = hub.verify(folder)
    assert [(item.config, item.split, item.rows) for item in found] == [
        ("gsi_syn_demo", "test", 6),
        ("gsi_syn_table", "test", 7),
        ("gsi_syn_table", "train", 6),
    ]
    assert hub.release(found) == "1.1.0"


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    built_split(tmp_path, version="1.10.0")
    built_split(tmp_path, "another", version="1.9.0")
    assert hub.release(hub.verify(tmp_path)) == "1.10.0"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda out: shutil.rmtree(out / "gsi_syn_table") or shutil.rmtree(out / "gsi_syn_demo"), "no finished split"),
        (lambda out: (out / "gsi_syn_table" / "test.json").unlink(), "belongs to no manifest.*build of gsi_syn_table"),
        (
            lambda out: (out / "gsi_syn_demo" / "test-00000-of-00001.parquet").unlink(),
            "is missing.*build gsi_syn_demo",
        ),
        (lambda out: _flip_a_byte(out / "gsi_syn_table" / "test-00001-of-00002.parquet"), "not what was built"),
        (lambda out: (out / "gsi_syn_table" / "train.json").write_text("{}"), "is not a manifest"),
    ],
    ids=["nothing", "unfinished", "missing", "altered", "no manifest"],
)
def test_what_is_not_whole_is_refused(copy: Path, tmp_path: Path, harm: Any, message: str) -> None:
    harm(copy)
    with pytest.raises(StorageError, match=f"(?s){message}"):
        hub.install(copy, tmp_path / "cache")
    with pytest.raises(StorageError, match=f"(?s){message}"):
        hub.publish(copy, "someone/gsi-bench")
    assert not (tmp_path / "cache").exists()


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def installed(cache: Path) -> dict[str, list[str]]:
    """Config -> version/hash folders, as `datasets` looks for them."""
    found: dict[str, list[str]] = {}
    for path in sorted((cache / "gsi-bench").glob("*/*/*")):
        assert (path / "dataset_info.json").is_file(), f"{path} would be taken for an installation"
        found.setdefault(path.parts[-3], []).append(f"{path.parts[-2]}/{path.parts[-1]}")
    return found


def test_install_gives_all_configs_one_version_and_hash(folder: Path, tmp_path: Path) -> None:
    assert hub.install(folder, tmp_path) == ["gsi_syn_demo", "gsi_syn_table"]
    places = installed(tmp_path)
    assert set(places) == {"gsi_syn_demo", "gsi_syn_table"}
    assert places["gsi_syn_demo"] == places["gsi_syn_table"]
    assert len(places["gsi_syn_demo"]) == 1
    assert places["gsi_syn_demo"][0].startswith("1.1.0/")
    assert not list(tmp_path.glob(".*installing"))


def test_installing_again_replaces(folder: Path, tmp_path: Path) -> None:
    cache, other = tmp_path / "cache", tmp_path / "other"
    hub.install(folder, cache)
    hub.install(folder, cache)
    first = installed(cache)
    built_split(other, rows=6, seed=200)
    hub.install(other, cache)
    second = installed(cache)
    assert second["gsi_syn_demo"] == first["gsi_syn_demo"]
    assert len(second["gsi_syn_table"]) == 1
    assert second["gsi_syn_table"] != first["gsi_syn_table"]
    rows = _rows_in(cache, "gsi_syn_table", "test")
    assert rows == [row.id for row in fake_rows(6, 200)]


def _rows_in(cache: Path, config: str, split: str) -> list[str]:
    from datasets import Dataset

    files = sorted((cache / "gsi-bench" / config).glob(f"*/*/gsi-bench-{split}*.arrow"))
    return [name for file in files for name in Dataset.from_file(str(file))["id"]]


def test_failed_install_leaves_the_old_rows(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.install(folder, tmp_path)
    before = installed(tmp_path)
    other = tmp_path / "other"
    built_split(other, rows=6, seed=200)
    built_split(other, "gsi_syn_demo", rows=6, seed=300)
    prepare, calls = hub._prepare, []

    def fail_at_the_second(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        prepare(*arguments)

    monkeypatch.setattr(hub, "_prepare", fail_at_the_second)
    with pytest.raises(hub.HubError, match=r"No space left on device.*HF_DATASETS_CACHE"):
        hub.install(other, tmp_path)
    assert installed(tmp_path) == before
    assert not list(tmp_path.glob(".*installing"))
    monkeypatch.undo()
    (tmp_path / ".gsi-bench-installing" / "gsi_syn_table").mkdir(parents=True)  # as a killed run leaves it
    hub.install(other, tmp_path)
    assert len(installed(tmp_path)["gsi_syn_table"]) == 1
    assert _rows_in(tmp_path, "gsi_syn_table", "test") == [row.id for row in fake_rows(6, 200)]


def test_odd_folder_names_install(tmp_path: Path) -> None:
    out = tmp_path / "a [1] b*"
    built_split(out)
    assert hub.install(out, tmp_path / "cache") == ["gsi_syn_table"]
    assert len(_rows_in(tmp_path / "cache", "gsi_syn_table", "test")) == 6


def test_unwritable_cache_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(hub.HubError, match=r"file.cache: the datasets cache cannot be filled .*HF_DATASETS_CACHE"):
        hub.install(folder, tmp_path / "file" / "cache")


@pytest.mark.slow
def test_bare_name_works_offline_in_any_codebase(folder: Path, tmp_path: Path) -> None:
    hub.install(folder, tmp_path / "datasets")
    for config, split, ids in [
        ("gsi_syn_table", "test", [row.id for row in fake_rows(7)]),
        ("gsi_syn_table", "train", [row.id for row in fake_rows(6, 50)]),
        ("gsi_syn_demo", "test", [row.id for row in fake_rows(6, 90)]),
    ]:
        read = read_all("gsi-bench", config, split, tmp_path, HF_HUB_OFFLINE="1")
        assert read["ids"] == ids
        assert read["columns"] == sorted(features())
        assert {column: read["images"][column] for column in IMAGE_COLUMNS} == {
            column: ["RGB 64x64" if column.endswith("_image") else "I;16 64x64"] for column in IMAGE_COLUMNS
        }
        assert not read["project"]


@pytest.fixture
def empty_hub(request: pytest.FixtureRequest) -> Iterator[str]:
    """A loopback Hub without any repository, which answers as the real one does with and without a token."""
    status = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Message", "Repository not found")
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("empty_hub", [401, 404], indirect=True)
def test_bare_name_works_beside_a_hub_that_does_not_know_it(folder: Path, tmp_path: Path, empty_hub: str) -> None:
    hub.install(folder, tmp_path / "datasets")
    read = read_all("gsi-bench", "gsi_syn_table", "test", tmp_path, HF_ENDPOINT=empty_hub)
    assert read["ids"] == [row.id for row in fake_rows(7)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_killed_install_never_leaves_half(folder: Path, tmp_path: Path, moment: float) -> None:
    """SIGKILL while the second folder replaces the first: the old rows, the new ones, or none of a config."""
    cache, other = tmp_path / "datasets", tmp_path / "other"
    hub.install(folder, cache)
    built_split(other, rows=6, seed=200)
    code = (
        "import sys; from pathlib import Path; from gsi_datasets import hub; import datasets, filelock;"
        "from datasets.packaged_modules.parquet import parquet;"
        "print('ready', flush=True); hub.install(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(other), str(cache)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    assert len(installed(cache)["gsi_syn_demo"]) == 1
    old, new = [row.id for row in fake_rows(7)], [row.id for row in fake_rows(6, 200)]
    assert _rows_in(cache, "gsi_syn_table", "test") in (old, new, old + new, new + old)
    hub.install(other, cache)
    assert _rows_in(cache, "gsi_syn_table", "test") == [row.id for row in fake_rows(6, 200)]


def test_dry_run_says_what_would_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", None)  # nothing of the network may be touched
    told = hub.publish(folder, "someone/gsi-bench")
    assert told.url == ""
    assert told.tag == "v1.1.0"
    assert [path for path in told.files if path.startswith("card/")][:2] == ["card/cm.jpg", "card/op.jpg"]
    assert [path for path in told.files if not path.startswith("card/")] == [
        "README.md",
        "eval.yaml",
        "gsi_syn_demo/test-00000-of-00001.parquet",
        "gsi_syn_demo/test.json",
        "gsi_syn_table/test-00000-of-00002.parquet",
        "gsi_syn_table/test-00001-of-00002.parquet",
        "gsi_syn_table/test.json",
        "gsi_syn_table/train-00000-of-00001.parquet",
        "gsi_syn_table/train.json",
    ]
    shard = "gsi_syn_demo/test-00000-of-00001.parquet"
    assert told.files[shard] == (folder / shard).stat().st_size
    assert shard in str(told)
    assert "v1.1.0" in str(told)


@pytest.mark.parametrize("name", ["gsi-bench", "a/b/c", "bad name/gsi-bench", "-x/y", ""])
def test_bad_repository_names_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(hub.HubError, match=r"is not a repository name.*owner/name"):
        hub.publish(folder, name)

"""Strangers' environments: nothing but some release of `datasets` and Pillow, freshly installed, beside ours.

Each reads a folder and the loopback Hub, map-style and streaming, decodes every image and compares the values; run it
with ``-s`` to see the matrix.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gsi_datasets import hub
from gsi_datasets.schema import IMAGE_COLUMNS, features
from tests.folders import built_split, fake_rows
from tests.hub import stub
from tests.hub.clients import client
from tests.hub.test_publish import PUBLISH


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("GSI_BENCH_NETWORK_TESTS") != "1",
        reason="installs packages; set GSI_BENCH_NETWORK_TESTS=1 to run it",
    ),
]
READ_ALL = Path(__file__).with_name("read_all.py")
# The newest, and what BAGEL's own pins resolve to (which needs wheels of its time, hence no newer Python); between
# them the last releases before something changed: of 2, of 3 (scripts), and one of 4 (the `List` type).
ENVIRONMENTS = {
    "newest": ["datasets", "pillow"],
    "bagel": ["datasets==2.16.1", "pyarrow==11.0.0", "numpy==1.24.4", "huggingface-hub==0.29.1", "pillow"],
    "2.21": ["datasets==2.21.0", "huggingface-hub<1", "pillow"],
    "3.6": ["datasets==3.6.0", "huggingface-hub<1", "pillow"],
    "4.4": ["datasets==4.4.1", "huggingface-hub<1.2", "pillow"],
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def stranger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment without this project."""
    if request.param == "bagel" and sys.version_info >= (3, 12):
        pytest.skip("pyarrow 11 has no wheels for this Python")
    place = tmp_path_factory.mktemp("venv") / request.param
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    for pip in ([sys.executable], [str(Path(sys.base_prefix, "bin", "python3"))]):
        if subprocess.run([*pip, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            break
    else:
        pytest.skip("there is no pip to install with")
    install = [*pip, "-m", "pip", "--python", str(python), "install", "-q", *ENVIRONMENTS[request.param]]
    subprocess.run(install, check=True, capture_output=True)
    return python


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    built_split(out, rows=7, shards=2)
    built_split(out, "gsi_syn_demo", rows=6, seed=90)
    hub.write_card(out)
    return out


def test_strangers_read_everything(stranger: Path, folder: Path, tmp_path: Path) -> None:
    hub.install(folder, tmp_path / "home" / "datasets")
    # Readers before datasets 4 do not know the `List` type that its newer releases write into their cache.
    old = stranger.parents[1].name in ("bagel", "2.21", "3.6")
    names = [str(folder)] if old else [str(folder), "gsi-bench"]
    for name in names:
        done = subprocess.run(
            [str(stranger), "-I", str(READ_ALL), name, "gsi_syn_table", "test"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        read = json.loads(done.stdout)
        assert read["ids"] == [row.id for row in fake_rows(7)]
        assert read["columns"] == sorted(features())
        assert set(read["images"]) == set(IMAGE_COLUMNS)
        assert all(
            found == ["RGB 64x64" if column.endswith("_image") else "I;16 64x64"]
            for column, found in read["images"].items()
        )
        assert not read["project"]


def test_strangers_read_from_the_hub(stranger: Path, folder: Path, tmp_path: Path) -> None:
    with stub.running() as server:
        published = client(server, tmp_path / "ours", "-c", PUBLISH, str(folder), "someone/gsi-bench")
        assert published.returncode == 0, published.stderr
        for config, rows in (("gsi_syn_table", fake_rows(7)), ("gsi_syn_demo", fake_rows(6, 90))):
            done = subprocess.run(
                [str(stranger), "-I", str(READ_ALL), "someone/gsi-bench", config, "test"],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"]} | server.environment(tmp_path / "theirs"),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            read = json.loads(done.stdout.splitlines()[-1])
            assert read["ids"] == [row.id for row in rows]
            assert read["boxes"] == [len(row.objects_before) for row in rows]
            assert np.asarray(read["intrinsics"]) == pytest.approx(np.asarray(rows[0].intrinsics))
            assert set(read["images"]) == set(IMAGE_COLUMNS)
            print(
                f"datasets {read['datasets']:>8}  hub  {config:<14} {len(read['ids'])} rows, map and streaming: equal"
            )

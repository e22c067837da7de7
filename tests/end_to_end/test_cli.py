"""The command line as a user meets it: from nothing to rows, and one clear line where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.invariants import audit


TINY = """
name: tiny
seed: 5
image_size: 256
splits: {test: {counts: {CM: 2, OP: 2, OR: 2, OS: 2, SR: 2, RP: 2}}}
"""


def run(*arguments: str, cwd: Path, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gsi_datasets.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("demo", "build", "show", "install", "publish", "doctor"):
        assert command in done.stdout
        assert run(command, "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "no_such_spec"], "gsi_syn_table"),
        (["build", "spec.yaml"], "splits.test.counts"),
        (["build", "gsi_syn_table", "--split", "validation"], "validation"),
        (["build", "gsi_syn_table", "--scale", "-1"], "--scale"),
        (["demo", "--count", "0"], "--count"),
        (["install", "empty"], "empty"),
        (["show", "empty"], "empty"),
        (["publish", "dataset", "empty", "--repo", "org/name"], "empty"),
    ],
)
def test_mistakes_end_with_one_clear_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "spec.yaml").write_text("name: bad\nsplits: {test: {counts: {CM: -3}}}\n")
    before = sorted(tmp_path.rglob("*"))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


def test_no_renderer_at_all_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(TINY)
    done = run("build", "spec.yaml", "--renderer", "gl", cwd=tmp_path, MUJOCO_GL="nonsense")
    assert done.returncode == 1
    assert "gl" in done.stderr
    assert "install" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, gsi_datasets; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(done.stdout.replace("'", "").strip("[]\n").split(", "))
    assert not loaded & {"numpy", "datasets", "torch", "mujoco", "pydantic", "PIL", "scipy", "pyarrow"}


@pytest.mark.slow
def test_from_a_spec_to_rows_that_bear_examination(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(TINY)
    done = run("build", "spec.yaml", "--out", "data", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "12 triplets" in done.stdout
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert files

    again = run("build", "spec.yaml", "--out", "data", cwd=tmp_path)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    other = run("build", "spec.yaml", "--out", "data1", "--workers", "1", cwd=tmp_path)
    assert other.returncode == 0
    for path, content in files.items():
        assert (tmp_path / "data1" / path.relative_to(tmp_path / "data")).read_bytes() == content

    shown = run("show", "data", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "data/pictures/tiny-test.png").exists()
    assert (tmp_path / "data/pictures/tiny-test.html").exists()

    from datasets import load_dataset

    rows = load_dataset(str(tmp_path / "data"), "tiny", split="test", cache_dir=str(tmp_path / "cache"))
    found = [audit.audit(row) for row in rows]
    assert len(found) == 12
    for item in found:
        assert item["agrees"], item
        assert item["unambiguous"], item
        assert item["inside_box"] > 0.99, item
        assert item["others_moved"] == 0
        assert item["untouched_depth"] == 0


@pytest.mark.slow
def test_doctor_says_what_this_machine_can_do(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.returncode in (0, 1)
    for name in ("python", "disk", "mujoco", "asset pack", "renderer gl", "renderer warp", "renderer photo"):
        assert name in done.stdout
    # Whatever is missing comes with what to do about it.
    lines = done.stdout.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("MISS", "-- ")):
            assert "->" in lines[number + 1]

"""What the Hub's viewer does not show is said before it is sent; never of a folder that is as it should be."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gsi_datasets import hub
from gsi_datasets.cli import main
from gsi_datasets.publishing import limits
from tests.folders import built_split


REPO = "someone/gsi-bench"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    built_split(out, rows=7, shards=2)
    built_split(out, "gsi_syn_demo", rows=6, seed=90)
    return out


def warnings(folder: Path) -> list[str]:
    return [note for note in hub.publish(folder, REPO).notes if note.startswith("warning: ")]


def test_a_normal_folder_has_no_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert warnings(folder) == []
    assert main(["publish", "dataset", str(folder), "--repo", REPO]) == 0
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "limit", "said", "remedy", "count"),
    [
        ("GROUP_BYTES", 1000, "a row group of ", "smaller row groups", 2),
        ("ROW_BYTES", 1000, " a row, ", "image_size", 2),
        ("SEARCH_BYTES", 1000, "searches and filters only the first", "several splits", 2),
        ("FOLDER_FILES", 2, "warning: gsi_syn_table: 3 files", "fewer splits", 2),
        ("REPOSITORY_FILES", 12, "warning: 13 files", "another repository", 1),
    ],
)
def test_each_limit_is_told_with_its_remedy(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    limit: int,
    said: str,
    remedy: str,
    count: int,
) -> None:
    monkeypatch.setattr(limits, name, limit)
    told = warnings(folder)
    assert len(told) == count
    assert sum(said in line for line in told) >= 1
    assert all(remedy in line for line in told)
    assert main(["publish", "dataset", str(folder), "--repo", REPO]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("warning: ")] == told


def test_the_limit_itself_is_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are those of the footers: the largest group, the mean row and the sum of a split."""
    footers = [pq.read_metadata(path) for path in sorted((folder / "gsi_syn_table").glob("*.parquet"))]
    groups = [footer.row_group(k).total_byte_size for footer in footers for k in range(footer.num_row_groups)]
    rows = sum(footer.num_rows for footer in footers)
    assert rows == 7
    for name, limit in (("GROUP_BYTES", max(groups)), ("SEARCH_BYTES", sum(groups)), ("ROW_BYTES", sum(groups) / 7)):
        for less, expected in ((0, 0), (1, 1)):
            monkeypatch.setattr(limits, name, limit - less)
            of_table = [line for line in warnings(folder) if line.startswith("warning: gsi_syn_table/test: ")]
            assert len(of_table) == expected, (name, less)
        monkeypatch.undo()


def test_the_pictures_are_not_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hub.verify(folder)
    monkeypatch.setattr(pq, "ParquetFile", None)
    monkeypatch.setattr(pq, "read_table", None)
    monkeypatch.setattr(limits, "GROUP_BYTES", 0)
    assert len(limits.exceeded(folder, found, [])) == 2

"""The card says what is in the folder, in a form that `datasets` and the Hub read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from gsi_datasets.card import render_card, write_card
from gsi_datasets.schema import IMAGE_COLUMNS, features
from gsi_datasets.storage import StorageError
from tests.folders import built_split, fake_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    built_split(out, rows=7, shards=2)
    built_split(out, split="train", rows=12, seed=50)
    built_split(out, "a_first_name", rows=6, seed=90)
    write_card(out)
    return out


def test_equal_folders_have_equal_cards(folder: Path, tmp_path: Path) -> None:
    before = (folder / "README.md").read_bytes()
    write_card(folder)
    assert (folder / "README.md").read_bytes() == before
    built_split(tmp_path, "a_first_name", rows=6, seed=90)
    built_split(tmp_path, split="train", rows=12, seed=50)
    built_split(tmp_path, rows=7, shards=2)
    assert render_card(tmp_path).encode() == before
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"README.md"}


def test_yaml_names_configs_splits_and_types(folder: Path) -> None:
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs

    data = DatasetCard.load(folder / "README.md").data
    assert (data.license, data.language, data.size_categories) == ("cc-by-4.0", ["en", "zh"], ["n<1K"])
    configs = MetadataConfigs.from_dataset_card_data(data)
    assert configs.get_default_config_name() == "gsi_syn_table"
    assert [file["split"] for file in configs["gsi_syn_table"]["data_files"]] == ["train", "test"]
    infos = DatasetInfosDict.from_dataset_card_data(data)
    assert set(infos) == {"gsi_syn_table", "a_first_name"}
    for info in infos.values():
        assert info.features == features()
    table = infos["gsi_syn_table"]
    assert {name: split.num_examples for name, split in table.splits.items()} == {"train": 12, "test": 7}
    pictures = [len(getattr(row, column)) for row in fake_rows(12, 50) for column in IMAGE_COLUMNS]
    assert table.splits["train"].num_bytes == sum(pictures)
    assert table.download_size == sum(path.stat().st_size for path in folder.glob("gsi_syn_table/*.parquet"))


def test_text_explains_every_column_and_fills_every_gap(folder: Path) -> None:
    text = DatasetCard.load(folder / "README.md").text
    for column in features():
        assert re.search(rf"^\|.*`{column}`.*\|", text, flags=re.MULTILINE), f"{column} is not explained"
    for field in features()["objects_before"].feature:
        assert f"`{field}`" in text, f"objects: {field} is not explained"
    assert "$" not in text
    assert "| `gsi_syn_table` | `test` | 7 | 2 |" in text
    assert "| `CM` | 2 | 19 | occluded 12, collision 7 |" in text
    assert "| whole scene |  | 2 | toppled 2 |" in text
    assert re.search(r"\| An Author \| \[CC-BY-3.0\]\(\S+\) \| .* \| `pack/mug` \|", text)
    assert "2604.20570" in text


def test_code_of_the_card_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What people copy from the card works on the rows it describes."""
    import datasets
    import numpy as np

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", render_card(folder, str(folder)), flags=re.DOTALL))
    names: dict = {}
    exec(code, names)
    box = max(names["row"]["objects_before"], key=lambda item: item["visibility"])
    ids = np.asarray(names["row"]["source_instances"])[names["v"], names["u"]]
    local = (names["world"][ids == box["id"]] - box["centre"]) @ np.asarray(box["rotation"])
    assert (np.abs(local) < np.asarray(box["size"]) / 2 + 0.002).all()


def test_credits_cannot_break_the_table(tmp_path: Path) -> None:
    manifest = built_split(tmp_path)
    odd = manifest.model_copy(update={"credits": [manifest.credits[0].model_copy(update={"author": "A | B"})]})
    (tmp_path / "gsi_syn_table" / "test.json").write_text(odd.model_dump_json())
    assert r"| A \| B | " in render_card(tmp_path)


@pytest.mark.parametrize(
    ("rows", "name"), [(999, "n<1K"), (1000, "1K<n<10K"), (9600, "1K<n<10K"), (10**5, "100K<n<1M"), (10**7, "n>10M")]
)
def test_size_categories_are_the_hubs(rows: int, name: str) -> None:
    from gsi_datasets.card import _size_category

    assert _size_category(rows) == name


def test_an_empty_folder_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no finished split.*gsi-bench build"):
        write_card(tmp_path)
    assert list(tmp_path.iterdir()) == []

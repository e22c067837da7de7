"""Validation: deterministic edits, distances that can be checked by hand, a grid, scores where they can be had."""

from __future__ import annotations

import math
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch.distributed.fsdp import fully_shard

from gsi_train import validation
from gsi_train.bagel.adapters import add_adapter
from gsi_train.validation import Line, ValidationError, compare, validate
from tests.folders import built_split
from tests.gsi_train.bagel import whole


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    folder = tmp_path_factory.mktemp("data")
    built_split(folder, rows=2)
    return datasets.load_dataset(str(folder), split="test")


def flat(*colour: int) -> Image.Image:
    return Image.new("RGB", (8, 4), colour)


def test_distances_can_be_checked_by_hand() -> None:
    source, target = flat(0, 0, 0), flat(0, 0, 0)
    target.paste((255, 255, 255), (0, 0, 4, 4))
    edited = target.copy()
    edited.paste((0, 0, 0), (0, 0, 2, 4))
    found = compare("a", Line("", source, edited, target))
    # Half of the picture changes, and half of that was drawn.
    assert found.psnr_unedited == pytest.approx(10 * math.log10(2))
    assert found.psnr_target == found.psnr_source == pytest.approx(10 * math.log10(4))
    assert found.psnr_changed == pytest.approx(10 * math.log10(2))
    assert found.psnr_changed_unedited == pytest.approx(0)
    same = compare("b", Line("", source, source, source))
    assert same.psnr_target == pytest.approx(10 * math.log10(12 * 255**2))
    assert same.psnr_changed is None


def test_the_same_again_and_nothing_else_is_touched(rows: datasets.Dataset, tmp_path: Path) -> None:
    bagel = whole.pipeline()
    bagel.model.train()
    state = torch.get_rng_state()
    first = validate(bagel, rows, tmp_path / "new" / "1.png", seeds=[1, 2])
    assert torch.equal(torch.get_rng_state(), state)
    assert bagel.model.training
    again = validate(bagel, rows, tmp_path / "2.png", seeds=[1, 2], progress=False)
    assert first == again
    assert (tmp_path / "new" / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert validate(bagel, rows, tmp_path / "3.png", seeds=[1, 3]).rows[1] != first.rows[1]
    assert [row.id for row in first.rows] == rows["id"][:]
    assert first.means()["psnr_target"] == pytest.approx(np.mean([row.psnr_target for row in first.rows]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.png", "3.png", "new"]


def test_the_grid_shows_every_picture() -> None:
    lines = [Line("move " * 60, flat(255, 0, 0), flat(0, 255, 0), flat(0, 0, 255))] * 2
    picture = np.asarray(validation.grid(lines, [compare("name", line) for line in lines]))
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        seen = (picture == colour).all(axis=-1)
        assert seen.sum() == 2 * validation.CELL**2 / 2
    # Words above, numbers below: ink in every line, and none on the margin.
    assert (picture[:, : validation.MARGIN] == 255).all()
    assert (picture < 128).all(axis=-1).any()


def test_scores_are_those_of_the_protocol(rows: datasets.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    found = validate(whole.pipeline(), rows, tmp_path / "grid.png", scores=True)
    assert set(found.scores) == {"ic", "sa", "el", "ac"}
    for name, score in found.scores.items():
        without = sum(found.unscored.get(name, {}).values())
        assert without == 2 if score is None else without < 2
    assert not found.means().keys() & {name for name, score in found.scores.items() if score is None}


def test_rows_that_cannot_be_edited(rows: datasets.Dataset, tmp_path: Path) -> None:
    bagel = whole.pipeline()
    with pytest.raises(ValidationError, match="no column target_image"):
        validate(bagel, rows.remove_columns("target_image"), tmp_path / "1.png")
    with pytest.raises(ValidationError, match="at least one"):
        validate(bagel, rows.select([]), tmp_path / "1.png")
    broken = rows.cast_column("source_image", datasets.Image(decode=False))
    broken = broken.map(lambda row: row | {"source_image": {"bytes": b"none", "path": None}})
    with pytest.raises(ValidationError, match=f"row {rows[0]['id']}: source_image cannot be read"):
        validate(bagel, broken, tmp_path / "1.png")
    assert not list(tmp_path.iterdir())


def _draw(rank: int, folder: str, data: str) -> None:
    """One of two processes: sharded weights draw what whole ones do, also under an adapter."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.set_num_threads(1)
    rows = datasets.load_from_disk(data)
    for adapted in (False, True):
        alone, bagel = whole.pipeline(), whole.pipeline()
        if adapted:
            bagel.model = add_adapter(bagel.model, 2)  # type: ignore[assignment]
        bagel.model.train()
        for layer in bagel.model.get_submodule(("base_model.model." * adapted) + "language_model.model.layers"):
            fully_shard(layer)
        fully_shard(bagel.model)
        for number in range(2):
            file = Path(folder) / f"{rank}{adapted}{number}.png"
            found = validate(bagel, rows, file)
            assert file.is_file() == (rank == 0)
        assert [row.psnr_target for row in found.rows] == pytest.approx(
            [row.psnr_target for row in validate(alone, rows, Path(folder) / f"alone{rank}.png").rows], abs=0.01
        )
    dist.destroy_process_group()


@pytest.mark.slow
def test_sharded_weights_draw_the_same(rows: datasets.Dataset, tmp_path: Path) -> None:
    rows.save_to_disk(tmp_path / "rows")
    torch.multiprocessing.spawn(_draw, (str(tmp_path), str(tmp_path / "rows")), nprocs=2)

"""The trainer: a run that was cut off goes on exactly, all modes learn, bad input is one clear error."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from filelock import FileLock

from gsi_datasets.storage import StorageError
from gsi_train import sft
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.checkpoints import DamagedCheckpointError
from gsi_train.recipe import CHOICES, TrainConfig, TrainingError
from gsi_train.record import Record, read_learned
from gsi_train.samples import EDIT_COLUMNS, DataError
from gsi_train.sft import train
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_train.runs import config, losses, questions, weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    built_split(folder, rows=4)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    bagel = tiny_bagel(1)
    # A new one draws nothing at first, and adapters could not change that.
    torch.nn.init.normal_(bagel.model.llm2vae.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    bagel.save_pretrained(folder)
    return str(folder)


def cut(config: TrainConfig, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, and stop after a step has been logged."""
    write = Record.write

    def stop(record: Record, entry: Mapping[str, Any], ids: Iterable[str]) -> None:
        write(record, entry, ids)
        if entry["step"] == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Record, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config)


@pytest.mark.parametrize("mode", CHOICES["mode"])
def test_goes_on_exactly_where_it_was(
    data: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    whole = config(data, tmp_path / "whole", mode=mode, model=model)
    result = train(whole)
    assert len(losses(tmp_path / "whole")) == 5
    part = replace(whole, out=str(tmp_path / "cut"))
    cut(part, 4, monkeypatch)
    assert [path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()] == ["step-0000002"]
    torch.manual_seed(99)
    again = train(part)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert weights(again.folder) == weights(result.folder)
    assert again.validation == result.validation
    rows = datasets.load_dataset(str(data), split="test")
    assert read_learned(tmp_path / "cut") == read_learned(tmp_path / "whole") == set(rows["id"])
    assert (tmp_path / "cut" / "loss.png").is_file()
    assert result.grid == tmp_path / "whole" / "pictures" / "step-0000005.png"
    assert result.grid.is_file()


@pytest.mark.parametrize("mode", CHOICES["mode"])
def test_learns_what_its_mode_says(data: Path, model: str, tmp_path: Path, mode: str) -> None:
    result = train(config(data, tmp_path, mode=mode, model=model))
    before = BagelPipeline.from_pretrained(model)
    adapter = result.folder if mode == "lora" else None
    after = BagelPipeline.from_pretrained(model if mode == "lora" else result.folder, adapter=adapter)
    old, new = before.model.state_dict(), after.model.state_dict()
    of_run = BagelPipeline.from_pretrained(tmp_path).model.state_dict()
    assert all(torch.equal(weight, of_run[name]) for name, weight in new.items())
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    generation = {name for name in changed if "moe_gen" in name}
    assert generation
    if mode == "lora":
        assert changed == generation
    elif mode == "generation":
        assert "llm2vae.weight" in changed
        assert not {name for name in changed - generation if "language_model" in name or "vit" in name}
    else:
        assert any("vit_model" in name for name in changed)
    assert before.vae is not None
    assert after.vae is not None
    assert all(torch.equal(a, b) for a, b in zip(before.vae.parameters(), after.vae.parameters(), strict=True))


def test_more_steps_go_on_and_a_finished_run_is_left(data: Path, model: str, tmp_path: Path) -> None:
    whole = train(config(data, tmp_path / "whole", model=model))
    part = config(data, tmp_path / "part", model=model, steps=3)
    train(part)
    result = train(replace(part, steps=5))
    assert weights(result.folder) == weights(whole.folder)
    assert losses(tmp_path / "part") == losses(tmp_path / "whole")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "part" / "checkpoints").rglob("*")}
    assert weights(train(replace(part, steps=5)).folder) == weights(whole.folder)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "part" / "checkpoints").rglob("*")} == times


@pytest.mark.parametrize(
    "fields", [{"gradient_checkpointing": "layers"}, {"gradient_checkpointing": "mlps"}, {"cache": 1}]
)
def test_what_saves_memory_or_time_changes_nothing(
    data: Path, model: str, tmp_path: Path, fields: dict[str, Any]
) -> None:
    if "cache" in fields:
        fields = {"latent_cache": str(tmp_path / "latents")}
    plain = train(config(data, tmp_path / "plain", model=model, steps=3))
    other = train(config(data, tmp_path / "other", model=model, steps=3, **fields))
    assert losses(tmp_path / "other") == losses(tmp_path / "plain")
    assert weights(other.folder) == weights(plain.folder)


def test_the_average_is_the_result(data: Path, model: str, tmp_path: Path) -> None:
    averaged = train(config(data, tmp_path / "average", model=model, steps=3))
    plain = train(config(data, tmp_path / "plain", model=model, steps=3, ema_decay=0.0))
    assert losses(tmp_path / "average") == losses(tmp_path / "plain")
    a, b, c = (BagelPipeline.from_pretrained(it).model.llm2vae.weight for it in (averaged.folder, plain.folder, model))
    # Nearer to the last weights than to the first, after three steps.
    assert 0 < (a - b).norm() < (a - c).norm()


def test_learns_texts_beside(data: Path, model: str, tmp_path: Path) -> None:
    texts = questions(tmp_path / "texts")
    fields = {"text_data": str(texts), "text_share": 0.5, "model": model, "steps": 12, "learning_rate": 3e-3}
    train(config(data, tmp_path / "run", **fields))
    entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    said = [entry["ce"] for entry in entries if "ce" in entry]
    assert said[0] > 4
    assert said[-1] < said[0] / 1.5
    assert all(np.isclose(it["loss"], it.get("mse", 0) + 0.25 * it.get("ce", 0)) for it in entries)


def test_a_stream_goes_on_exactly(data: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = config(data, tmp_path / "whole", model=model, streaming=True, shuffle_buffer=3)
    result = train(whole)
    part = replace(whole, out=str(tmp_path / "cut"))
    cut(part, 4, monkeypatch)
    assert weights(train(part).folder) == weights(result.folder)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_smaller_pictures_are_part_of_the_result(data: Path, model: str, tmp_path: Path) -> None:
    result = train(config(data, tmp_path, model=model, steps=1, image_size=32, vit_size=28))
    images = BagelPipeline.from_pretrained(result.folder).processor.image_processor
    assert (images.vae.max_size, images.vit.max_size) == (32, 28)
    with pytest.raises(TrainingError, match=r"image_size, vit_size: .*128"):
        train(config(data, tmp_path / "large", model=model, image_size=128))


def test_a_loss_that_is_not_finite_leaves_checkpoints(data: Path, model: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    bagel = BagelPipeline.from_pretrained(model)
    bagel.model.llm2vae.bias.data[:] = float("nan")
    bagel.save_pretrained(broken)
    with pytest.raises(TrainingError, match=r"step 1: the loss is nan.*rows .*lower learning_rate"):
        train(config(data, tmp_path / "run", model=str(broken)))
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    fields = {"model": model, "learning_rate": 1e30, "warmup_steps": 0, "save_every": 1, "steps": 30}
    with pytest.raises(TrainingError, match="the loss is"):
        train(config(data, tmp_path / "far", **fields))
    saved = sorted(path.name for path in (tmp_path / "far" / "checkpoints").iterdir())
    assert saved
    assert not any(name.startswith(".") for name in saved)


def test_a_full_disk_leaves_the_checkpoint_before(
    data: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config(data, tmp_path / "whole", model=model))
    part, save = config(data, tmp_path / "part", model=model), dcp.save

    def full(tensors: Any, checkpoint_id: Path, **others: Any) -> None:
        if "step-0000004" in str(checkpoint_id):
            checkpoint_id.mkdir()
            (checkpoint_id / "half").write_bytes(b"written")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(tensors, checkpoint_id=checkpoint_id, **others)

    with monkeypatch.context() as patched:
        patched.setattr(dcp, "save", full)
        with pytest.raises(StorageError, match=r"step-0000004: cannot be written \(No space left.*free some space"):
            train(part)
    assert [path.name for path in (tmp_path / "part" / "checkpoints").iterdir()] == ["step-0000002"]
    assert weights(train(part).folder) == weights(whole.folder)


def test_a_damaged_checkpoint_is_named(data: Path, model: str, tmp_path: Path) -> None:
    run = config(data, tmp_path, model=model)
    train(run)
    newest = tmp_path / "checkpoints" / "step-0000005"
    for file in newest.glob("*.distcp"):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DamagedCheckpointError, match=r"step-0000005: cannot be gone on from .*remove it"):
        train(run)
    (newest / ".metadata").write_bytes(b"")
    with pytest.raises(DamagedCheckpointError, match="step-0000005"):
        train(run)


def test_another_recipe_is_refused(data: Path, model: str, tmp_path: Path) -> None:
    train(config(data, tmp_path, model=model, steps=1))
    with pytest.raises(TrainingError, match="another learning_rate"):
        train(config(data, tmp_path, model=model, learning_rate=1.0))


def test_a_folder_that_another_run_writes_to(data: Path, model: str, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(TrainingError, match="another run writes to it"):
        train(config(data, tmp_path, model=model))


def test_a_tracker_that_is_not_installed(
    data: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sft, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match="log_with: trackio is not installed; pip install trackio"):
        train(config(data, tmp_path, model=model, log_with="trackio"))


def test_a_pack_that_holds_no_sample(data: Path, model: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"max_pack_tokens: 60, but row \S+ has \d+ tokens"):
        train(config(data, tmp_path, model=model, pack_tokens=50, max_pack_tokens=60))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data": "no/such/folder"}, "data: no/such/folder, split test, cannot be loaded"),
        ({"split": "train"}, "split train, cannot be loaded"),
        ({"attention": "fast"}, "fast"),
    ],
)
def test_what_cannot_start(data: Path, model: str, tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises((TrainingError, ValueError), match=told):
        train(replace(config(data, tmp_path, model=model), **fields))


def test_a_mistake_at_the_start_can_be_mended(data: Path, model: str, tmp_path: Path) -> None:
    run = config(data, tmp_path, model=model, steps=1)
    with pytest.raises(TrainingError):
        train(replace(run, data="no/such/folder"))
    train(run)
    assert len(losses(tmp_path)) == 1


def test_no_rows_at_all(model: str, tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {name: [] for name in EDIT_COLUMNS}
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "data" / "test.parquet")
    for streaming, told in ((False, "split test, cannot be loaded: .*no data"), (True, "holds no rows")):
        with pytest.raises((TrainingError, DataError), match=told):
            train(config(tmp_path / "data", tmp_path / "run", model=model, streaming=streaming))


def test_rows_of_another_kind(model: str, tmp_path: Path) -> None:
    texts = questions(tmp_path / "texts")
    with pytest.raises(TrainingError, match="has no column id, instruction, source_image, target_image"):
        train(config(texts, tmp_path / "run", model=model, split="train"))

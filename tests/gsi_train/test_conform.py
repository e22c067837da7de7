"""The proof of parity, and that it notices when something is off."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gsi_datasets.cli import main
from gsi_train.conform import EXACT, GRADIENT, IMAGE, STATE, ConformError, Recording, Report, conform_bagel
from tests.gsi_train.bagel.tiny import FOLDER


SHARED = ("config", "llm_config", "vit_config", "model", "model_keys", "vae", "images", "resized", "resize_table")


def copied(folder: Path, *recordings: str) -> Path:
    for path in FOLDER.iterdir():
        if path.stem in (*SHARED, *recordings):
            shutil.copy(path, folder)
    return folder


def change(path: Path, name: str, by: Callable[[Tensor], Tensor]) -> None:
    tensors = load_file(path)
    tensors[name] = by(tensors[name]).contiguous()
    save_file(tensors, path)


def spoil(value: Tensor) -> Tensor:
    value = value.clone()
    value.view(-1)[0] += 1e-2
    return value


def test_everything_recorded_is_reproduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "bagel", str(FOLDER)]) == 0
    out = capsys.readouterr().out
    assert "all 1355 agree" in out
    assert "infer_vqa" in out


@pytest.mark.parametrize(
    ("recording", "weight"),
    [
        ("train_multiturn", "language_model.model.layers.1.mlp_moe_gen.up_proj.weight"),
        ("train_multiturn", "vit_model.vision_model.post_layernorm.bias"),
        ("infer_vqa", "language_model.lm_head.weight"),
        ("infer_vqa", "language_model.model.layers.2.self_attn.k_norm.weight"),
    ],
)
def test_one_spoilt_weight_is_found(tmp_path: Path, recording: str, weight: str) -> None:
    folder = copied(tmp_path, recording)
    assert conform_bagel(folder).ok
    change(folder / "model.safetensors", weight, spoil)
    report = conform_bagel(folder)
    assert {file for file, _ in report.problems} == {recording}


def test_the_program_says_what_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tmp_path, "infer_vqa")
    change(folder / "infer_vqa.safetensors", "out.tokens", lambda tokens: tokens + 1)
    assert main(["conform", "bagel", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "infer_vqa  out.tokens: off by 1.00e+00 of values differ, allowed 0e+00" in out
    assert "1 mismatches" in out


def test_a_spoilt_mask_is_found(tmp_path: Path) -> None:
    folder = copied(tmp_path, "train_multiturn")
    name = "in.attention_allowed_sample1"
    change(folder / "train_multiturn.safetensors", name, lambda mask: mask ^ (torch.arange(len(mask)) == 3))
    assert [text.split(":")[0] for _, text in conform_bagel(folder).problems] == [name]


def test_a_recorded_value_that_nobody_computes_is_found(tmp_path: Path) -> None:
    folder = copied(tmp_path, "infer_vqa")
    path = folder / "infer_vqa.safetensors"
    save_file({**load_file(path), "out.more": torch.zeros(1)}, path)
    assert conform_bagel(folder).problems == [("infer_vqa", "out.more: recorded, but nothing here computes it")]


def test_what_cannot_be_checked_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(tmp_path)
    assert main(["conform", "bagel", str(folder)]) == 1
    assert f"gsi-bench: {folder}: no train_* and no infer_* in it" in capsys.readouterr().err
    copied(folder, "infer_vqa")
    (folder / "resized.safetensors").rename(folder / "other.safetensors")
    with pytest.raises(ConformError, match=r"resized.safetensors: .*golden format has it"):
        conform_bagel(folder)
    (folder / "other.safetensors").rename(folder / "resized.safetensors")
    change(folder / "model.safetensors", "llm2vae.bias", lambda bias: bias[:-1])
    with pytest.raises(ConformError, match=r"(?s)model.safetensors: .*llm2vae.bias"):
        conform_bagel(folder)
    change(folder / "model.safetensors", "llm2vae.bias", lambda bias: torch.cat([bias, bias[:1]]))
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ConformError, match=r"model.safetensors"):
        conform_bagel(folder)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (STATE, 0.9e-4, 1.1e-4),
        (STATE, 0.0, float("nan")),
        (GRADIENT, 1.9e-5, 2.1e-5),
        (EXACT, 0.0, 1e-9),
        (IMAGE, 0.0, 1.0),
    ],
)
def test_limits(kind: str, good: float, bad: float) -> None:
    for off, ok in ((good, True), (bad, False)):
        report = Report()
        recording = Recording(FOLDER, "images", report)
        recording.judge("value", torch.tensor([2.0 + off, 1.0], dtype=torch.float64), torch.tensor([2.0, 1.0]), kind)
        assert report.ok is ok

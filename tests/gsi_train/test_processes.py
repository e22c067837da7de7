"""Training by two processes, with whole and with shared weights (FSDP2), is training by one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from safetensors.torch import load_file

from gsi_train import sft
from gsi_train.recipe import TrainConfig
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_train.runs import config, questions


pytestmark = pytest.mark.slow
WORLD = 2
WRAPPED = ("BagelDecoderLayer", "SiglipEncoderLayer")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triplets, texts and a tiny BAGEL."""
    folder = tmp_path_factory.mktemp("base")
    built_split(folder / "data", rows=4)
    questions(folder / "texts")
    tiny_bagel(1).save_pretrained(folder / "tiny")
    return folder


def recipe(base: Path, out: Path, **fields: Any) -> TrainConfig:
    """Four packs a step, two for each of two processes, of one sample or two."""
    known = {"steps": 4, "packs_per_step": 4, "pack_tokens": 150, "max_pack_tokens": 300, "validate_every": 4}
    return config(base / "data", out, model=str(base / "tiny"), **{**known, **fields})


def share_weights() -> None:
    """Switch FSDP2 on, as the configuration of accelerate does where there are GPUs."""
    plain = sft._accelerator

    def sharded(config: TrainConfig) -> Accelerator:
        accelerator = plain(config)
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=[*WRAPPED],
            cpu_ram_efficient_loading=False,
        )
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = plugin
        return accelerator

    sft._accelerator = sharded


def work(rank: int, port: int, config: TrainConfig, shared: bool) -> None:
    """One of the processes."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(WORLD), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    os.environ["ACCELERATE_USE_CPU"] = "true"
    torch.set_num_threads(1)
    if shared:
        share_weights()
    sft.train(config)


def by_two(config: TrainConfig, shared: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, config, shared), nprocs=WORLD)


def log(config: TrainConfig) -> list[Mapping[str, float]]:
    return [json.loads(line) for line in (Path(config.out) / "log.jsonl").read_text().splitlines()]


def agree(one: TrainConfig, other: TrainConfig) -> None:
    """Both learned the same from the same."""
    for left, right in zip(log(one), log(other), strict=True):
        assert left["tokens"] == right["tokens"]
        for name in ("loss", "grad_norm"):
            assert left[name] == pytest.approx(right[name], rel=2e-5), (left["step"], name)
    files = [sorted(Path(it.out).glob("[am]*/*model*.safetensors")) for it in (one, other)]
    assert len(files[0]) == len(files[1]) == 1
    weights = [load_file(found[0]) for found in files]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[0].items():
        # A bias of keys that no norm follows changes no attention: its gradient is rounding, which Adam makes large.
        if name.startswith("vit_model.") and name.endswith("k_proj.bias"):
            continue
        # All others have moved by about 3e-3.
        torch.testing.assert_close(weights[1][name], weight, atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_two_are_one(base: Path, tmp_path: Path, mode: str) -> None:
    one, whole, shared = (recipe(base, tmp_path / name, mode=mode) for name in ("one", "whole", "shared"))
    sft.train(one)
    by_two(whole, shared=False)
    by_two(shared, shared=True)
    for several in (whole, shared):
        agree(one, several)
        assert (Path(several.out) / "pictures" / "step-0000004.png").is_file()


def test_one_goes_on_where_two_were(base: Path, tmp_path: Path) -> None:
    one, part = (recipe(base, tmp_path / name) for name in ("one", "part"))
    sft.train(one)
    by_two(recipe(base, tmp_path / "part", steps=2), shared=True)
    sft.train(part)
    agree(one, part)


def test_texts_in_the_packs_of_one_process_only(base: Path, tmp_path: Path) -> None:
    fields = {"text_data": str(base / "texts"), "text_share": 0.5, "packs_per_step": 2, "pack_tokens": 20}
    one, shared = (recipe(base, tmp_path / name, **fields) for name in ("one", "shared"))
    sft.train(one)
    by_two(shared, shared=True)
    # Two packs of a sample each: one with a text and one with a triplet is one text among two.
    assert any({"ce", "mse"} <= entry.keys() for entry in log(one))
    agree(one, shared)

"""Two processes that share the weights (FSDP2), one with a vision view and one without, learn what one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from gsi_train.bagel.packing import Text, VitImage
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel import tiny


def learn(rank: int, folder: str) -> None:
    """One of the processes."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    both = [tiny.edit(), [item for item in tiny.edit() if not isinstance(item, VitImage)]]
    alone, model = (Golden.read(tiny.FOLDER).model.train() for _ in range(2))
    for layer in (*model.language_model.model.layers, *model.vit_model.vision_model.encoder.layers):
        fully_shard(layer)
    fully_shard(model)
    latents = [tiny.inputs([items], model.config, seed) for seed, items in enumerate(both)]
    learned = sum(len(pack.mse_loss_indexes) for pack, _, _ in latents)
    model(*latents[rank], mse_tokens=learned / 2).loss.backward()
    for inputs in latents:
        alone(*inputs, mse_tokens=learned).loss.backward()
    compared = 0
    for (name, shard), weight in zip(model.named_parameters(), alone.parameters(), strict=True):
        if shard.grad is not None:
            expected = torch.zeros_like(weight) if weight.grad is None else weight.grad
            torch.testing.assert_close(shard.grad.full_tensor(), expected, msg=name)  # type: ignore[attr-defined]
            compared += 1
    assert compared > 100

    for name in ("append", "denoise"):
        register_fsdp_forward_method(model, name)
    [context] = model.eval().append([model.new_context()], [Text(ids=[1, 2, 3])])
    noise = torch.ones(6, 16)
    [found], [expected] = (it.denoise([context], [noise], [(2, 3)], 0.5) for it in (model, alone.eval()))
    torch.testing.assert_close(found, expected)
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(learn, (str(tmp_path),), nprocs=2)

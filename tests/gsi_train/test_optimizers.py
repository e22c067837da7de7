"""Optimisers: the same as torch's where they should be, learn in bfloat16, and go on exactly from a checkpoint."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import Optimizer

from gsi_train.checkpoints import Learner
from gsi_train.optimizers import OptimizerError, make_optimizer


KINDS = [
    pytest.param("adamw", False, torch.float32, id="float"),
    pytest.param("adamw", True, torch.bfloat16, id="host"),
    pytest.param(
        "adamw8bit",
        False,
        torch.bfloat16,
        id="8bit",
        marks=[
            # It is compiled at first use.
            pytest.mark.slow,
            pytest.mark.skipif(
                find_spec("torchao") is None or not any(map(shutil.which, ("g++", "clang++"))),
                reason="needs torchao and a compiler for C++",
            ),
        ],
    ),
]


def layer(dtype: torch.dtype) -> nn.Linear:
    """A layer whose matrix is large enough for eight bits."""
    return nn.Linear(64, 64).to(dtype)


def plain(value: Any) -> torch.Tensor:
    """A moment as numbers, also where it is held in eight bits."""
    return value.dequantize() if hasattr(value, "codes") else value


def learn(model: nn.Linear, optimizer: Optimizer, first: int, count: int) -> None:
    """Steps with gradients that follow from their number."""
    for number in range(first, first + count):
        torch.manual_seed(number)
        for weight in model.parameters():
            weight.grad = torch.randn_like(weight)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize(("name", "offload", "dtype"), KINDS)
def test_goes_on_exactly_from_a_checkpoint(tmp_path: Path, name: str, offload: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    whole, again = layer(dtype), layer(dtype)
    optimizer = make_optimizer(whole.parameters(), name=name, learning_rate=1e-2, offload=offload)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 / (1 + n))
    learn(whole, optimizer, 0, 3)
    scheduler.step()
    dcp.save({"optimizer": get_optimizer_state_dict(whole, optimizer)}, checkpoint_id=tmp_path)
    again.load_state_dict(whole.state_dict())
    second = make_optimizer(again.parameters(), name=name, learning_rate=1e-2, offload=offload)
    state = {"optimizer": get_optimizer_state_dict(again, second)}
    dcp.load(state, checkpoint_id=tmp_path)
    set_optimizer_state_dict(again, second, state["optimizer"])
    assert float(second.param_groups[0]["lr"]) == pytest.approx(5e-3)
    for model, own in ((whole, optimizer), (again, second)):
        learn(model, own, 3, 2)
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
        for key, value in optimizer.state[one].items():
            found = second.state[other][key]
            assert found.dtype == value.dtype
            assert torch.equal(plain(found), plain(value))


@pytest.mark.parametrize(("name", "offload", "dtype"), KINDS)
def test_a_state_made_ahead_changes_nothing(name: str, offload: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    one, other = layer(dtype), layer(dtype)
    other.load_state_dict(one.state_dict())
    for model in (one, other):
        optimizer = make_optimizer(model.parameters(), name=name, learning_rate=1e-2, offload=offload)
        if model is other:
            before = [weight.detach().clone() for weight in model.parameters()]
            Learner(model, optimizer, None).begin()
            assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
        learn(model, optimizer, 0, 2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(("name", "offload", "dtype"), KINDS[1:])
def test_small_updates_of_bfloat16_weights_add_up(name: str, offload: bool, dtype: torch.dtype) -> None:
    model = layer(dtype)
    nn.init.ones_(model.weight)
    optimizer = make_optimizer(model.parameters(), name=name, learning_rate=1e-4, offload=offload)
    torch.manual_seed(0)
    for _ in range(100):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
    # Each of them is a fortieth of the distance to the next number below 1; the limit is half of that distance.
    assert model.weight.float().mean().item() == pytest.approx(0.99, abs=2e-3)


def test_in_host_memory_it_is_what_torch_computes() -> None:
    torch.manual_seed(0)
    one, other = layer(torch.float32), layer(torch.float32)
    other.load_state_dict(one.state_dict())
    learn(one, make_optimizer(one.parameters(), name="adamw", learning_rate=1e-2, weight_decay=0.1), 0, 5)
    learn(
        other,
        make_optimizer(other.parameters(), name="adamw", learning_rate=1e-2, weight_decay=0.1, offload=True),
        0,
        5,
    )
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=1e-7, rtol=1e-6)


def test_a_state_of_other_weights_is_refused() -> None:
    optimizer = make_optimizer(layer(torch.float32).parameters(), name="adamw", learning_rate=1, offload=True)
    other = make_optimizer([nn.Parameter(torch.ones(2))], name="adamw", learning_rate=1, offload=True)
    with pytest.raises(ValueError, match="of 1 weights, the optimiser has 2"):
        optimizer.load_state_dict(other.state_dict())


def test_bad_choices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [nn.Parameter(torch.ones(2))]
    with pytest.raises(OptimizerError, match="no 'sgd'; there are adamw, adamw8bit"):
        make_optimizer(weights, name="sgd", learning_rate=1)
    with pytest.raises(OptimizerError, match="nothing learns"):
        make_optimizer([], name="adamw", learning_rate=1)
    with pytest.raises(OptimizerError, match="stay on the GPU"):
        make_optimizer(weights, name="adamw8bit", learning_rate=1, offload=True)
    with pytest.raises(OptimizerError, match="would lose its updates"):
        make_optimizer([nn.Parameter(torch.ones(2).bfloat16())], name="adamw", learning_rate=1)
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(OptimizerError, match="pip install torchao"):
        make_optimizer(weights, name="adamw8bit", learning_rate=1)

"""Optimisers for weights that barely fit: float AdamW, AdamW with 8-bit moments, AdamW in host memory.

Bytes on the GPU for each weight that learns, besides its gradient:

| weights | optimiser | weight | moments | host |
| --- | --- | --- | --- | --- |
| float32 | `adamw` | 4 | 8 | 0 |
| bfloat16 | `adamw8bit` | 2 | 2 | 0 |
| bfloat16 | `adamw`, offloaded | 2 | 0 | 12 |

bfloat16 has 8 significant bits: an update below 1/512 of a weight is lost when it is rounded to nearest. The second
row rounds up or down at random instead, right on average; the third keeps a float32 copy in host memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn import Parameter
from torch.optim.adamw import adamw
from torch.optim.optimizer import Optimizer


OPTIMIZERS = ("adamw", "adamw8bit")
BETAS = (0.9, 0.95)
EPS = 1e-15
"""Of the released trainer."""
EPS_8BIT = 1e-8
"""A second moment that eight bits round to zero would, with `EPS`, let a weight without gradient jump anywhere."""


class OptimizerError(ValueError):
    """No such optimiser for these weights; the message names the field and the remedy."""


def make_optimizer(
    parameters: Iterable[Parameter],
    *,
    name: str,
    learning_rate: float,
    offload: bool = False,
    betas: tuple[float, float] = BETAS,
    weight_decay: float = 0.0,
) -> Optimizer:
    """An AdamW.

    Args:
        parameters: the weights that learn.
        name: `adamw` or `adamw8bit`.
        learning_rate: of the first step.
        offload: keep moments and float32 copies in host memory and update there (`adamw` only; not for weights that
            are sharded, whose plugin in accelerate has an offload of its own).
        betas: decay of the moments.
        weight_decay: share of the weight, times the learning rate, that is taken off in a step.

    Raises:
        OptimizerError: there is no such optimiser, it would lose its updates, or a package is missing.
    """
    weights = list(parameters)
    if name not in OPTIMIZERS:
        raise OptimizerError(f"optimizer: there is no {name!r}; there are {', '.join(OPTIMIZERS)}")
    if not weights:
        raise OptimizerError("optimizer: nothing learns; choose another mode")
    if name == "adamw8bit":
        if offload:
            raise OptimizerError(
                "offload_optimizer: 8-bit moments stay on the GPU; set optimizer to adamw, or leave it"
            )
        return _adamw_8bit()(
            weights,
            lr=learning_rate,
            betas=betas,
            eps=EPS_8BIT,
            weight_decay=weight_decay,
            bf16_stochastic_round=True,
        )
    if offload:
        return HostAdamW(weights, learning_rate, betas=betas, eps=EPS, weight_decay=weight_decay)
    if any(weight.dtype == torch.bfloat16 for weight in weights):
        raise OptimizerError(
            "optimizer: adamw would lose its updates in bfloat16 weights; set optimizer to adamw8bit (random "
            "rounding), offload_optimizer to true (a float32 copy in host memory) or dtype to float32"
        )
    fused = all(weight.is_cuda for weight in weights)
    return torch.optim.AdamW(
        weights, learning_rate, betas=betas, eps=EPS, weight_decay=weight_decay, fused=fused or None
    )


def _adamw_8bit() -> Callable[..., Optimizer]:
    try:
        from torchao.optim import AdamW8bit
    except ImportError as error:
        raise OptimizerError(f"optimizer: adamw8bit needs torchao ({error}): pip install torchao") from error
    return AdamW8bit


class HostAdamW(Optimizer):
    """AdamW whose moments and float32 copies of the weights live in host memory, where it computes.

    (torchao's takes gradients to the host before they are clipped, and its state is in no form that
    `torch.distributed.checkpoint` reads.)

    Args:
        parameters: on any device, of any floating type.
        lr: learning rate.
        betas: decay of the moments.
        eps: added to the root of the second moment.
        weight_decay: see [`make_optimizer`].
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            # The gradient of the next weight travels while the processor works on this one.
            gradients = [_to_host(weights[0].grad)] if weights else []
            for number, weight in enumerate(weights):
                gradient, ready = gradients.pop()
                if number + 1 < len(weights):
                    gradients.append(_to_host(weights[number + 1].grad))
                if ready is not None:
                    ready.synchronize()
                self._update(weight, gradient.float(), group)
        if torch.cuda.is_available():
            # What is on its way to the GPU must not be overwritten by the next step.
            torch.cuda.synchronize()
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            if isinstance(weight, DTensor):
                raise OptimizerError(
                    "offload_optimizer: the weights are sharded; leave it off and set fsdp_offload_params to true in "
                    "the configuration of accelerate"
                )
            state["step"] = torch.zeros(())
            state["weight"] = _host_like(weight).copy_(weight)
            state["exp_avg"] = _host_like(weight).zero_()
            state["exp_avg_sq"] = _host_like(weight).zero_()
        beta1, beta2 = group["betas"]
        adamw(
            [state["weight"]],
            [gradient],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        # Rounded before it travels: half of the way's bytes.
        weight.copy_(state["weight"].to(weight.dtype), non_blocking=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As of any optimiser, but what is loaded stays float32 and in host memory.

        Raises:
            ValueError: it is of other weights.
        """
        mine = [weight for group in self.param_groups for weight in group["params"]]
        theirs = [key for group in state_dict["param_groups"] for key in group["params"]]
        if len(mine) != len(theirs) or len(self.param_groups) != len(state_dict["param_groups"]):
            raise ValueError(f"the state is of {len(theirs)} weights, the optimiser has {len(mine)}")
        for weight, key in zip(mine, theirs, strict=True):
            if found := state_dict["state"].get(key):
                self.state[weight] = {
                    name: torch.empty_like(value, device="cpu", pin_memory=weight.is_cuda).copy_(value)
                    for name, value in found.items()
                }
        for group, loaded in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({name: value for name, value in loaded.items() if name != "params"})


def _host_like(weight: Tensor) -> Tensor:
    """Room for a weight in float32 and host memory, pinned where it serves a GPU."""
    return torch.empty(weight.shape, dtype=torch.float32, device="cpu", pin_memory=weight.is_cuda)


def _to_host(gradient: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A gradient on its way to host memory, and what tells when it is there."""
    if not gradient.is_cuda:
        return gradient, None
    host = torch.empty(gradient.shape, dtype=gradient.dtype, pin_memory=True).copy_(gradient, non_blocking=True)
    ready = torch.cuda.Event()
    ready.record()
    return host, ready

"""The average of weights over the steps, which is what a run gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter


class WeightAverage:
    """Exponential moving average in float32; decays less in the first steps, so that a short run is no mean of chance.

    After step n the average is `d * average + (1 - d) * weights`, with `d = min(decay, (1 + n) / (10 + n))`. With a
    plain decay of 0.9999 the average of 1,000 steps would still be nine tenths what the run began with.

    Args:
        weights: that learn, by name.
        decay: of later steps.
        device: where the average lies (default: each beside its weight).
    """

    def __init__(
        self, weights: Mapping[str, Parameter], decay: float, device: torch.device | str | None = None
    ) -> None:
        self.weights, self.decay, self.updates = weights, decay, 0
        self.values = {
            name: weight.detach().to(device=device or weight.device, dtype=torch.float32, copy=True)
            for name, weight in weights.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, weight in self.weights.items():
            value = self.values[name]
            value.mul_(decay).add_(weight.detach().to(value), alpha=1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights, and its own again afterwards."""
        kept = {name: self._swapped(weight, self.values[name]) for name, weight in self.weights.items()}
        try:
            yield
        finally:
            for name, weight in self.weights.items():
                self._swapped(weight, kept[name])

    @staticmethod
    @torch.no_grad()
    def _swapped(weight: Parameter, value: Tensor) -> Tensor:
        """Give a weight another value; gives the old one, kept in host memory so that nothing is twice on a GPU."""
        old = weight.detach().to("cpu", copy=True)
        weight.copy_(value.to(weight.device))
        return old

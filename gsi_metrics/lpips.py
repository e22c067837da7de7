"""LPIPS v0.1 with AlexNet (Zhang et al. 2018, arXiv 1801.03924), built once and batched; needs torch.

A picture that is compared with several others goes through the network once: take `Lpips.features` of each, then
`Lpips.map` or `Lpips.distance` of pairs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gsi_metrics.lpips_weights import LAYERS, read_weights, weights_path


# (out channels, kernel, stride, padding); a pool stands before the second and the third.
CONVOLUTIONS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
POOLED = (1, 2)


class Lpips(nn.Module):
    """Learned perceptual distance; inference only.

    Args:
        path: safetensors file of the weights; see `gsi_metrics.lpips_weights`.

    Raises:
        LpipsWeightsError: the weights are missing or damaged.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        tensors = {name: torch.from_numpy(value) for name, value in read_weights(path).items()}
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])
        self.convolutions = nn.ModuleList()
        self.heads = nn.ParameterList()
        channels = 3
        for number, (layer, (out, kernel, stride, padding)) in enumerate(zip(LAYERS, CONVOLUTIONS, strict=True)):
            convolution = nn.Conv2d(channels, out, kernel, stride, padding)
            # Channels last: a fifth faster on CPUs than the default layout.
            weight = tensors[f"features.{layer}.weight"].contiguous(memory_format=torch.channels_last)
            convolution.weight = nn.Parameter(weight)
            convolution.bias = nn.Parameter(tensors[f"features.{layer}.bias"])
            self.convolutions.append(convolution)
            self.heads.append(tensors[f"heads.{number}"])
            channels = out
        self.requires_grad_(False).eval()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Features after each of the five layers, of unit length per pixel: (B, H_i, W_i, C_i).

        Args:
            pictures: (B, 3, H, W), -1 to 1, RGB unless the caller wants something else.
        """
        values = ((pictures - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        maps = []
        for number, convolution in enumerate(self.convolutions):
            if number in POOLED:
                values = functional.max_pool2d(values, 3, 2)
            values = functional.relu_(convolution(values))
            last = values.permute(0, 2, 3, 1)
            maps.append(last / (torch.linalg.vector_norm(last, dim=3, keepdim=True) + 1e-10))
        return maps

    def layers(self, first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
        """Distance per layer, (B, H_i, W_i), of two results of `features`; batches of 1 are compared with all."""
        return [(a - b).square_() @ head for a, b, head in zip(first, second, self.heads, strict=True)]

    def map(self, first: list[Tensor], second: list[Tensor], size: tuple[int, int]) -> Tensor:
        """(B, H, W) distance per pixel, the layers enlarged to `size` (height, width) and added (``spatial=True``)."""
        total = torch.zeros(())
        for layer in self.layers(first, second):
            large = functional.interpolate(layer[:, None], size=size, mode="bilinear", align_corners=False)
            total = total + large[:, 0]
        return total

    def distance(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """(B,) distance per pair: mean of each layer, added (``spatial=False``, the plain LPIPS)."""
        return torch.stack([layer.mean(dim=(1, 2)) for layer in self.layers(first, second)]).sum(dim=0)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B,) plain LPIPS of two (B, 3, H, W) batches, RGB, -1 to 1."""
        return self.distance(self.features(first), self.features(second))


def load() -> Lpips:
    """The one instance of this process for the weights at `weights_path`.

    Raises:
        LpipsWeightsError: the weights are missing or damaged.
    """
    return _load(weights_path())


@lru_cache(maxsize=1)
def _load(path: Path) -> Lpips:
    return Lpips(path)

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
from gsi_metrics.winograd import WinogradConv2d


# Per channel, of inputs from -1 to 1.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# A pool stands before the second and the third layer.
POOLED = (1, 2)
# Side that leaves one pixel after the second pool.
SMALLEST = 31


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
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        weights = [(tensors[f"features.{layer}.weight"], tensors[f"features.{layer}.bias"]) for layer in LAYERS]
        self.first = nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2)
        self.first.load_state_dict(dict(zip(("weight", "bias"), weights[0], strict=True)))
        self.first.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.others = nn.ModuleList(WinogradConv2d(*pair) for pair in weights[1:])
        self.heads = nn.ParameterList(tensors[f"heads.{number}"] for number in range(len(LAYERS)))
        self.requires_grad_(False).eval()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Features after each of the five layers, of unit length per pixel: (B, H_i, W_i, C_i).

        Args:
            pictures: (B, 3, H, W), -1 to 1, RGB unless the caller wants something else.

        Raises:
            ValueError: the pictures are too small for the network.
        """
        height, width = pictures.shape[2:]
        if min(height, width) < SMALLEST:
            raise ValueError(f"LPIPS needs pictures of {SMALLEST} pixels a side, not {width}x{height}")
        scaled = ((pictures - self.shift) / self.scale).contiguous(memory_format=torch.channels_last)
        values = self.first(scaled).permute(0, 2, 3, 1).relu_()
        maps = [_unit(values)]
        for number, convolution in enumerate(self.others, 1):
            if number in POOLED:
                values = functional.max_pool2d(values.permute(0, 3, 1, 2), 3, 2).permute(0, 2, 3, 1)
            values = convolution(values).relu_()
            maps.append(_unit(values))
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


def _unit(values: Tensor) -> Tensor:
    return values / (torch.linalg.vector_norm(values, dim=3, keepdim=True) + 1e-10)


def load() -> Lpips:
    """The one instance of this process for the weights at `weights_path`.

    Raises:
        LpipsWeightsError: the weights are missing or damaged.
    """
    return _load(weights_path())


@lru_cache(maxsize=1)
def _load(path: Path) -> Lpips:
    return Lpips(path)

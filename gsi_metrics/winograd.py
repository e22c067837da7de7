"""Convolutions with fewer multiplications (Lavin & Gray 2016, arXiv 1509.09308), for CPUs; needs torch.

The direct convolutions of torch already run at the peak speed of a CPU; what is left to save is multiplications. A
tile of the picture and the kernel are evaluated as polynomials at a few points, multiplied there, and the product is
interpolated: for 4 x 4 results, 36 products instead of 144 with a 3 x 3 kernel, 64 instead of 400 with a 5 x 5 one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


# Side of the square of results that one tile gives.
RESULTS = 4
# Where polynomials are evaluated, besides at infinity; small numbers and their opposites keep rounding small.
POINTS = {3: (0.0, 1.0, -1.0, 0.5, -0.5), 5: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)}


class WinogradConv2d(nn.Module):
    """Convolution of stride 1 that keeps the size, for inference; within 1e-5 of the largest result of `nn.Conv2d`.

    Args:
        weight: (O, C, K, K) with K of 3 or 5.
        bias: (O,).
    """

    kernels: Tensor
    to_points: Tensor
    to_results: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.size = weight.shape[-1]
        self.tile = RESULTS + self.size - 1
        to_points, kernel_to_points, to_results = _transforms(self.size)
        evaluated = np.einsum("ax,by,ocxy->abco", kernel_to_points, kernel_to_points, weight.double().numpy())
        self.register_buffer("kernels", torch.from_numpy(evaluated).flatten(0, 1).float().contiguous())
        self.register_buffer("to_points", torch.from_numpy(to_points).float())
        self.register_buffer("to_results", torch.from_numpy(to_results).float())
        self.register_buffer("bias", bias)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, O) of (B, H, W, C)."""
        # One by one: what lies between the steps then stays in the cache.
        return torch.stack([self._convolve(picture) for picture in pictures])

    def _convolve(self, picture: Tensor) -> Tensor:
        height, width, channels = picture.shape
        border = self.size // 2
        rows, columns = -(-height // RESULTS), -(-width // RESULTS)
        below, right = (RESULTS * tiles - side + border for tiles, side in ((rows, height), (columns, width)))
        padded = functional.pad(picture, (0, 0, border, right, border, below))
        tiles = padded.unfold(0, self.tile, RESULTS).unfold(1, self.tile, RESULTS).permute(3, 4, 0, 1, 2)
        values = _both_sides(self.to_points, tiles.reshape(self.tile, -1))
        products = torch.bmm(values.view(self.tile**2, -1, channels), self.kernels)
        results = _both_sides(self.to_results, products.view(self.tile, -1))
        whole = results.view(RESULTS, RESULTS, rows, columns, -1).permute(2, 0, 3, 1, 4)
        return whole.reshape(rows * RESULTS, columns * RESULTS, -1)[:height, :width] + self.bias


def _both_sides(matrix: Tensor, squares: Tensor) -> Tensor:
    """(M, M, N) = matrix @ square @ matrix.T for each of N squares, given as (T, T * N)."""
    return matrix @ (matrix @ squares).view(len(matrix), matrix.shape[1], -1)


def _transforms(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Matrices, one dimension each: tile to points, kernel to points, points to results (Toom and Cook)."""
    points = np.array(POINTS[size])
    others = [np.delete(points, index) for index in range(points.size)]
    scale = np.array([np.prod(point - rest) for point, rest in zip(points, others, strict=True)])
    count = points.size + 1
    tile, kernel, results = np.zeros((count, count)), np.zeros((count, size)), np.zeros((RESULTS, count))
    for index, rest in enumerate(others):
        tile[index, :-1] = np.polynomial.polynomial.polyfromroots(rest)
    tile[-1] = np.polynomial.polynomial.polyfromroots(points)
    kernel[:-1] = points[:, None] ** np.arange(size) / scale[:, None]
    results[:, :-1] = points ** np.arange(RESULTS)[:, None]
    kernel[-1, -1] = results[-1, -1] = 1
    return tile, kernel, results

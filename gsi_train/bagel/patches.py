"""Pictures and latents as tokens: cutting, putting together, numbering, and where each token is."""

from __future__ import annotations

import torch
from torch import Tensor


def patchify(picture: Tensor, patch: int) -> Tensor:
    """Cut into square patches.

    Args:
        picture: pixels or a latent, [channels, rows * patch, columns * patch]; what is over at the right and at the
            bottom is left out.
        patch: values along a side of a patch.

    Returns:
        [rows * columns, patch * patch * channels]: patches row by row; in each, values by row, column, channel.
    """
    channels, height, width = picture.shape
    rows, columns = height // patch, width // patch
    picture = picture[:, : rows * patch, : columns * patch].reshape(channels, rows, patch, columns, patch)
    return picture.permute(1, 3, 2, 4, 0).reshape(rows * columns, patch * patch * channels)


def unpatchify(tokens: Tensor, grid: tuple[int, int], patch: int) -> Tensor:
    """The picture that [`patchify`] cut.

    Args:
        tokens: [rows * columns, patch * patch * channels].
        grid: (rows, columns).
        patch: values along a side of a patch.

    Returns:
        [channels, rows * patch, columns * patch].
    """
    rows, columns = grid
    pieces = tokens.reshape(rows, columns, patch, patch, -1).permute(4, 0, 2, 1, 3)
    return pieces.reshape(-1, rows * patch, columns * patch)


def patch_ids(grid: tuple[int, int], side: int, interpolate: bool = False) -> Tensor:
    """Rows of a table of positions, for the patches of a picture.

    Args:
        grid: (rows, columns) of the picture.
        side: of the table.
        interpolate: spread the picture over the whole table, instead of laying it into its first corner.

    Returns:
        [rows * columns], int64.
    """
    row, column = (torch.arange(count) * (side if interpolate else count) // count for count in grid)
    return (row[:, None] * side + column[None, :]).flatten()


def sincos_table(side: int, width: int) -> Tensor:
    """The fixed table of two-dimensional positions.

    Args:
        side: of the grid.
        width: of a row, a multiple of 4.

    Returns:
        [side * side, width], float32: sines and cosines of the column, then those of the row.
    """
    rates = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns, rows = waves.repeat(side, 1), waves.repeat_interleave(side, 0)
    return torch.cat([columns, rows], dim=1).float()

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from gsi_metrics.protocols.v1.pictures import MEAN, STD, compared_pixels, load, process
from gsi_metrics.protocols.v1.similarity import lpips_input, masked_mean, moments, mse, ssim
from tests.gsi_metrics.v1 import VECTORS


def process_whole(picture: np.ndarray) -> np.ndarray:
    """The published steps one by one: the whole picture is resized before most of it is thrown away."""
    height, width = picture.shape[:2]
    scale = 896 / max(height, width)
    rows, columns = int(height * scale + 0.5), int(width * scale + 0.5)
    values = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    values = functional.interpolate(values, size=(rows, columns), mode="bilinear", align_corners=False, antialias=True)
    cut_rows, cut_columns = rows // 14 * 14, columns // 14 * 14
    top, left = rows // 2 - cut_rows // 2, columns // 2 - cut_columns // 2
    values = values[..., top : top + cut_rows, left : left + cut_columns]
    mean, std = (torch.from_numpy(row)[:, None, None] for row in (MEAN, STD))
    canvas = functional.pad((values - mean) / std, (0, 896 - cut_columns, 0, 896 - cut_rows))
    return (canvas * std + mean)[0, :, :height, :width].permute(1, 2, 0).numpy()[..., ::-1]


@pytest.mark.parametrize(
    "size",
    [
        (512, 512),
        (240, 320),
        (100, 900),
        (896, 895),
        (333, 77),
        (1440, 1920),
        (1000, 999),
        (31, 500),
        (2, 700),
        (97, 97),
    ],
)
def test_resizing_what_is_kept_gives_the_pixels_of_the_whole(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(process(picture), process_whole(picture))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_ssim_is_that_of_scikit_image(seed: int, kind: type) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(0, 256, (9, 12, 3)), np.ones((8, 8, 1)))
    first, second = (np.clip(smooth + rng.normal(0, 9, smooth.shape), 0, 255).astype(kind) for _ in range(2))
    mask = rng.random(first.shape[:2]) < 0.7
    _, full = metrics.structural_similarity(
        first, second, channel_axis=-1, full=True, data_range=second.max() - second.min()
    )
    assert ssim(moments(first), moments(second), mask) == pytest.approx(full[mask].mean(), abs=1e-6)
    squared = (first.astype(np.float64) - second) ** 2
    assert mse(first, second, mask) == pytest.approx(squared[mask].mean(), rel=1e-6)


def test_where_nothing_can_be_compared() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    nothing, everything = np.zeros((20, 20), dtype=bool), np.ones((20, 20), dtype=bool)
    same = moments(picture)
    assert np.isnan(ssim(same, same, nothing))
    assert np.isnan(mse(picture, picture, nothing))
    assert masked_mean(np.ones((20, 20), dtype=np.float32), nothing) == 0
    assert np.isnan(ssim(same, moments(np.full_like(picture, 9)), everything))
    with pytest.raises(ValueError, match="6x20 pixels is too small"):
        moments(picture[:, :6])


def test_boxes_that_leave_the_picture() -> None:
    whole = compared_pixels((10, 20), [None])
    assert whole.all()
    assert compared_pixels((10, 20), [(2.9, 3.2, 5.9, 100)]).sum() == 200 - 3 * 7
    # A box that ends left of the picture excludes all but the last columns, as in the published program.
    left = compared_pixels((10, 20), [(-9, 0, -5, 10)])
    assert left[:, 15:].all()
    assert not left[:, :15].any()
    assert compared_pixels((10, 20), [(30, 0, 40, 10)]).all()


def test_dark_pictures_are_not_divided() -> None:
    dark = np.ones((8, 8, 3), dtype=np.uint8)
    assert lpips_input(dark).unique().tolist() == [1.0]
    assert lpips_input(dark * 255).unique().tolist() == [1.0]
    assert lpips_input(dark * 2).unique().item() == pytest.approx(4 / 255 - 1)


def test_edited_pictures_are_fitted_as_pillow_does() -> None:
    path = VECTORS / "images" / "p13_a.png"
    whole = load(path)
    assert load(path, whole.shape[:2]).shape == whole.shape
    expected = np.asarray(Image.open(path).convert("RGB").resize((50, 40), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(load(path, (40, 50)), expected)

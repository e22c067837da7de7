from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gsi_metrics import lpips
from gsi_metrics.lpips_weights import LAYERS
from gsi_metrics.winograd import WinogradConv2d
from tests.gsi_metrics.v1 import needs_weights


SHAPES = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))


@pytest.fixture
def tensors(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Weights of the right shapes, so that the network is tested without the trained ones."""
    rng = np.random.default_rng(0)
    made = {}
    for number, (layer, (out, channels, size)) in enumerate(zip(LAYERS, SHAPES, strict=True)):
        fan = channels * size**2
        made[f"features.{layer}.weight"] = rng.normal(0, (2 / fan) ** 0.5, (out, channels, size, size))
        made[f"features.{layer}.bias"] = rng.normal(0, 0.1, out)
        made[f"heads.{number}"] = rng.random(out)
    made = {name: value.astype(np.float32) for name, value in made.items()}
    monkeypatch.setattr(lpips, "read_weights", lambda path: made)
    return made


def plain(tensors: dict[str, np.ndarray], first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
    """Distance per layer, in double precision and torch's own convolutions."""
    weights = {name: torch.from_numpy(value).double() for name, value in tensors.items()}
    shift, scale = (torch.tensor(row).double()[:, None, None] for row in (lpips.SHIFT, lpips.SCALE))
    values = [(picture.double() - shift) / scale for picture in (first, second)]
    distances = []
    for number, layer in enumerate(LAYERS):
        if number in (1, 2):
            values = [functional.max_pool2d(value, 3, 2) for value in values]
        stride, padding = (4, 2) if number == 0 else (1, SHAPES[number][2] // 2)
        names = (weights[f"features.{layer}.weight"], weights[f"features.{layer}.bias"])
        values = [functional.conv2d(value, *names, stride=stride, padding=padding).relu() for value in values]
        a, b = (value / (value.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for value in values)
        distances.append(((a - b) ** 2 * weights[f"heads.{number}"][:, None, None]).sum(1))
    return distances


@pytest.mark.parametrize("size", [(64, 64), (97, 131)])
def test_is_the_plain_network(tensors: dict[str, np.ndarray], size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.rand(3, 3, *size, generator=generator) * 2 - 1 for _ in range(2))
    model = lpips.Lpips()
    expected = plain(tensors, first, second)
    torch.testing.assert_close(
        model(first, second).double(), sum(layer.mean((1, 2)) for layer in expected), rtol=1e-4, atol=1e-5
    )
    large = [
        functional.interpolate(layer[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        for layer in expected
    ]
    found = model.map(model.features(first), model.features(second), size)
    torch.testing.assert_close(found.double(), sum(large), rtol=1e-3, atol=1e-3)
    assert found.shape == (3, *size)
    # One picture against several.
    one = [layer[:1] for layer in model.features(first)]
    torch.testing.assert_close(model.map(one, model.features(second), size)[0], found[0], rtol=1e-4, atol=1e-5)


def test_pictures_must_be_large_enough(tensors: dict[str, np.ndarray]) -> None:
    model = lpips.Lpips()
    assert model.features(torch.zeros(1, 3, 31, 31))[-1].shape == (1, 1, 1, 256)
    with pytest.raises(ValueError, match="31 pixels a side, not 40x30"):
        model.features(torch.zeros(1, 3, 30, 40))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (6, 13), (31, 31)])
def test_convolution_is_that_of_torch(size: int, shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(size)
    weight, bias = torch.randn(7, 5, size, size, generator=generator), torch.randn(7, generator=generator)
    pictures = torch.randn(2, 5, *shape, generator=generator)
    expected = functional.conv2d(pictures.double(), weight.double(), bias.double(), padding=size // 2)
    found = WinogradConv2d(weight, bias)(pictures.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@needs_weights
def test_a_picture_is_no_distance_from_itself_and_some_from_another() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.rand(1, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    model = lpips.load()
    assert model is lpips.load()
    assert model(first, first).item() == pytest.approx(0, abs=1e-7)
    assert 0.05 < model(first, second).item() < 1.5

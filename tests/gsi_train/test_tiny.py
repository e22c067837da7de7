"""The tiny BAGEL: small, whole, the same every time, and its autoencoder learns pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.vae import encode
from gsi_train.tiny import SIDE, fit_vae, tiny_bagel


def picture(seed: int) -> Image.Image:
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def test_small_whole_and_reproducible(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    bagel = tiny_bagel()
    assert torch.equal(torch.get_rng_state(), state)
    bagel.save_pretrained(tmp_path / "tiny")
    assert sum(path.stat().st_size for path in (tmp_path / "tiny").rglob("*")) < 5e6
    again = BagelPipeline.from_pretrained(tmp_path / "tiny")
    for name, weight in tiny_bagel().model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name
    text = "Move the cup 5 cm to the left — 向左."
    assert again.processor.decode(again.processor.encode(text)) == text
    [one], [two] = (item.edit([[picture(0), text]], seeds=[3]) for item in (bagel, again))
    assert one.size == (SIDE, SIDE)
    assert one.tobytes() == two.tobytes()


def test_the_autoencoder_learns_pictures() -> None:
    bagel = tiny_bagel()
    errors: list[float] = []
    last = fit_vae(bagel, [picture(0), picture(1)], steps=80, on_step=lambda _, error: errors.append(error))
    assert last < errors[0] / 4
    assert bagel.vae is not None
    pixels = torch.stack([bagel.processor.image_processor.vae_view(picture(number)) for number in (0, 1)])
    latents = encode(bagel.vae, pixels)
    assert abs(latents.mean().item()) < 1e-4
    assert abs(latents.std().item() - 1) < 1e-3

"""Small packs of random pictures for the recorded tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.packing import Item, Pack, Text, VaeImage, VitImage, build_pack, chain_items, edit_items


FOLDER = Path(__file__).parents[2] / "data" / "bagel"


def vae(height: int = 32, width: int = 48, **kwargs: float | int | bool | None) -> VaeImage:
    return VaeImage(pixels=torch.rand(3, height, width) * 2 - 1, **kwargs)  # type: ignore[arg-type]


def vit(height: int = 28, width: int = 42) -> VitImage:
    return VitImage(pixels=torch.rand(3, height, width) * 2 - 1)


def edit(words: str = "move it", logit: float = 0.3, seed: int | None = None) -> list[Item]:
    return edit_items(vae(), vit(), list(words.encode()), vae(timestep_logit=logit, seed=seed))


def chain() -> list[Item]:
    first, second = vae(timestep_logit=0.5), vae(timestep_logit=-0.5)
    return chain_items((vae(), vit()), [(list(b"a"), first, vit(14, 14)), (list(b"bc"), second, None)])


def answer() -> list[Item]:
    return [vit(42, 28), Text(ids=list(b"how many?")), Text(ids=list(b"two"), loss=True)]


def inputs(samples: Sequence[Sequence[Item]], config: BagelConfig, seed: int = 0) -> tuple[Pack, Tensor, Tensor]:
    """A pack with random latents and noise."""
    pack = build_pack(samples, config)
    random = torch.Generator().manual_seed(seed)
    size = (len(pack.latent_indexes), config.latent_token_size)
    return pack, torch.randn(size, generator=random), torch.randn(size, generator=random)

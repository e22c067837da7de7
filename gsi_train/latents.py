"""What the autoencoder makes of pictures, kept on disk: it never learns, so that each picture needs it once.

Kept are the moments of the posterior; what is drawn from them differs from sample to sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gsi_datasets.storage import storing, write_atomically
from gsi_train.bagel.processing_bagel import ResizeRule
from gsi_train.bagel.vae import Moments, posterior, scaled


def noise_seed(seed: int) -> int:
    """The seed of what is drawn from a posterior; another one than of the noise that the model learns to remove."""
    return seed + 2**31


def scaled_latent(vae: AutoencoderKL, moments: Moments, seed: int) -> Tensor:
    """Draw from the posterior of one picture: [channels, H / 8, W / 8], scaled, float32, on the device of it."""
    noise = torch.randn(moments.mean.shape, generator=torch.Generator().manual_seed(seed))
    return scaled(vae, moments, noise)


class LatentCache:
    """Moments of pictures by content; another autoencoder or resize rule never finds them.

    Args:
        folder: is made; several runs and processes may share it.
        vae: computes what is not there yet.
        rule: by which pictures are resized before.
    """

    def __init__(self, folder: Path, vae: AutoencoderKL, rule: ResizeRule) -> None:
        self.vae = vae
        digest = hashlib.sha256(json.dumps([dict(vae.config), repr(rule), str(vae.dtype)], default=str).encode())
        for name, weight in sorted(vae.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        self.folder = folder / digest.hexdigest()[:16]
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, picture: bytes) -> bool:
        return self._path(picture).is_file()

    def moments(self, picture: bytes, view: Callable[[], Tensor]) -> Moments:
        """Those of a picture.

        Args:
            picture: its file.
            view: gives it as the autoencoder sees it, [3, H, W]; only asked where it is not known.

        Raises:
            StorageError: they cannot be written.
        """
        path = self._path(picture)
        try:
            return _moments(load(path.read_bytes()))
        except (OSError, SafetensorError, KeyError):
            # Not there, or damaged: made again.
            found = posterior(self.vae, view()[None])
        found = Moments(found.mean[0].cpu(), found.std[0].cpu())
        with storing(path):
            path.parent.mkdir(exist_ok=True)
        write_atomically(path, save({"mean": found.mean, "std": found.std}))
        return found

    def _path(self, picture: bytes) -> Path:
        name = hashlib.sha256(picture).hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"


def _moments(tensors: Mapping[str, Any]) -> Moments:
    return Moments(tensors["mean"], tensors["std"])

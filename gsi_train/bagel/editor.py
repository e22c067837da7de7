"""BAGEL as an [`edit.Editor`]."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from gsi_train.bagel.convert import local_folders
from gsi_train.bagel.pipeline import BagelPipeline, Turn
from gsi_train.edit import EditingError


PROBES = 256
PROBE_BYTES = 1 << 16


class BagelEditor:
    """Edits pictures with a BAGEL.

    Args:
        name_or_path: a folder, or a repository of the Hub; also that of an adapter, which names its model.
        device: where it computes (default: a GPU if there is one).
        dtype: of the weights (default: bfloat16 on a GPU, else as stored).
        adapter: folder or repository of a LoRA adapter.
        revision: of the repository `name_or_path`.
        settings: fields of [`EditSettings`] that are not the checkpoint's.

    Raises:
        CheckpointError: it cannot be read.
        GenerationError: a setting makes no sense.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str],
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        adapter: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        **settings: Any,
    ) -> None:
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if dtype is None and torch.device(device).type != "cpu":
            dtype = torch.bfloat16
        folder, worn = local_folders(name_or_path, adapter, revision=revision)
        self.pipeline = BagelPipeline.from_pretrained(folder, dtype=dtype, device=device, adapter=worn)
        self.settings = replace(self.pipeline.edit_settings, **settings)
        self.about = {
            "model": _told(name_or_path),
            "adapter": None if adapter is None else _told(adapter),
            "weights": fingerprint(weight_files(folder, worn)),
            "dtype": str(self.pipeline.model.dtype).removeprefix("torch."),
            **asdict(self.settings),
        }

    def describe(self) -> dict[str, Any]:
        """See [`edit.Editor`]."""
        return self.about

    def edit(
        self,
        sources: Sequence[Image.Image],
        instructions: Sequence[str],
        seeds: Sequence[int],
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Image.Image]:
        """See [`edit.Editor`]."""
        turns: list[Turn] = [[source, text] for source, text in zip(sources, instructions, strict=True)]
        try:
            return self.pipeline.edit(turns, seeds, settings=self.settings, on_step=on_step)
        except torch.OutOfMemoryError as error:
            raise EditingError(
                f"{len(turns)} pictures at once are too many for the memory of the GPU ({error}); lower --batch, or "
                "take a GPU with more memory"
            ) from error


def _told(name_or_path: str | os.PathLike[str]) -> str:
    """A repository, or a folder without the place where it lies."""
    return Path(name_or_path).resolve().name if Path(name_or_path).is_dir() else str(name_or_path)


def weight_files(folder: Path, adapter: Path | None) -> list[Path]:
    """All files of weights of a checkpoint, its autoencoder's among them, then those of its adapter."""
    return [*sorted(folder.rglob("*.safetensors")), *(sorted(adapter.glob("*.safetensors")) if adapter else ())]


def fingerprint(files: Sequence[Path]) -> str:
    """Tells weights apart, without reading all of them: of each file its size and bytes at many places."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size} ".encode())
        with file.open("rb") as stream:
            for place in range(0, size, max(PROBE_BYTES, size // PROBES)):
                stream.seek(place)
                digest.update(stream.read(PROBE_BYTES))
    return digest.hexdigest()[:16]

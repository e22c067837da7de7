"""Pictures and texts in, pictures or texts out: model, autoencoder and processor together.

bagel = BagelPipeline.from_pretrained("ByteDance-Seed/BAGEL-7B-MoT", dtype=torch.bfloat16, device="cuda")
[edited] = bagel.edit([[picture, "Move the red cup 10 cm to the left."]], seeds=[42])
[text] = bagel.answer([[picture, "How many cups are there?"]])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from gsi_train.bagel import convert
from gsi_train.bagel.generation import (
    AnswerSettings,
    Branches,
    EditSettings,
    GenerationError,
    Picture,
    answer,
    build_branches,
    draw,
)
from gsi_train.bagel.modeling_bagel import BagelContext, BagelForConditionalGeneration
from gsi_train.bagel.packing import Item, Text, VaeImage, VitImage
from gsi_train.bagel.patches import unpatchify
from gsi_train.bagel.processing_bagel import BagelProcessor, to_image
from gsi_train.bagel.saving import load_settings, save_checkpoint
from gsi_train.bagel.vae import decode, encode


Turn = Sequence[Image.Image | str]
"""What is given: pictures and texts in their order, e.g. a picture and an instruction."""


@dataclass
class BagelPipeline:
    """Everything that is needed to edit and to answer.

    Attributes:
        model: reads and draws.
        vae: its autoencoder; None where only texts are wanted.
        processor: makes tokens and views of pictures.
        edit_settings: how pictures are drawn, unless a call says otherwise.
        answer_settings: how texts are said, unless a call says otherwise.
    """

    model: BagelForConditionalGeneration
    vae: AutoencoderKL | None
    processor: BagelProcessor
    edit_settings: EditSettings = field(default_factory=EditSettings)
    answer_settings: AnswerSettings = field(default_factory=AnswerSettings)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        adapter: str | os.PathLike[str] | None = None,
        understanding_only: bool = False,
        weights: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
    ) -> BagelPipeline:
        """Read a checkpoint of our own or of the released layout.

        Args:
            name_or_path: a folder, or a repository of the Hub (`owner/name`), which is downloaded then. That of an
                adapter will do, too: it names the model that it is for.
            dtype: of the weights (default: as stored).
            device: where they go.
            adapter: folder or repository of a LoRA adapter, which is merged into the weights.
            understanding_only: for answers: neither read nor keep the generation expert and the autoencoder.
            weights: another file of weights in the folder, e.g. `model.safetensors` beside `ema.safetensors`.
            revision: of the repository `name_or_path`: a tag, a branch, or a commit.
            local_files_only: do not download.

        Raises:
            CheckpointError: it cannot be read, or is not what it says it is.
            ValueError: processor and model do not belong together.
        """
        folder, worn = convert.local_folders(
            name_or_path, adapter, revision=revision, local_files_only=local_files_only
        )
        processor = BagelProcessor.from_pretrained(folder)
        model = convert.load_model(
            folder, weights=weights, dtype=dtype, device=device, understanding_only=understanding_only
        )
        processor.check(model.config)
        model.name_or_path = str(name_or_path)
        if worn is not None:
            from gsi_train.bagel.adapters import load_adapter, merge_adapter

            model = merge_adapter(load_adapter(model, worn))
        vae = None
        if not model.config.understanding_only:
            vae = convert.load_vae(folder, dtype=model.dtype, device=device)
        return cls(model, vae, processor, *load_settings(folder))

    def save_pretrained(self, folder: str | os.PathLike[str], *, max_shard_size: str = "5GB") -> None:
        """Write a folder of our own layout, whole or not at all; see [`saving.save_checkpoint`]."""
        save_checkpoint(
            Path(folder),
            self.model,
            self.vae,
            self.processor,
            edit_settings=self.edit_settings,
            answer_settings=self.answer_settings,
            max_shard_size=max_shard_size,
        )

    @torch.no_grad()
    def edit(
        self,
        turns: Sequence[Turn],
        seeds: Sequence[int] | None = None,
        *,
        settings: EditSettings | None = None,
        size: tuple[int, int] | None = None,
        progress: bool = False,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Image.Image]:
        """Draw what is asked for, several pictures in one go.

        Args:
            turns: what is given for each picture; the last text says what to draw. The same object several times is
                read once.
            seeds: for each; the same seed gives the same picture, whatever else is drawn beside it, up to the
                rounding of the device (default: 0, 1, 2, ...).
            settings: how.
            size: (width, height) of the pictures; by default that of the last one given, after the resize rule.
            progress: show a bar.
            on_step: is told how many updates are done, and of how many.

        Raises:
            GenerationError: nothing can be drawn of this.
        """
        settings = settings or self.edit_settings
        seeds = range(len(turns)) if seeds is None else seeds
        if self.vae is None:
            raise GenerationError("this BAGEL was loaded with understanding_only; load it without, to draw")
        if len(seeds) != len(turns):
            raise GenerationError(f"{len(seeds)} seeds for {len(turns)} pictures; give one for each")
        known: dict[int, tuple[Branches, tuple[int, int]]] = {}
        branches, grids, noise = [], [], []
        for turn, seed in zip(turns, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed)
            # Drawn from the posterior, given pictures differ by seed; else they are read once for all seeds.
            if settings.sample_latents or id(turn) not in known:
                known[id(turn)] = self._read(turn, size, generator if settings.sample_latents else None)
            branch, (rows, columns) = known[id(turn)]
            branches.append(branch)
            grids.append((rows, columns))
            noise.append(torch.randn(rows * columns, self.model.config.latent_token_size, generator=generator))
        with tqdm(
            total=settings.points - 1, desc="draw", unit="step", disable=not progress, dynamic_ncols=True
        ) as bar:

            def step(done: int, total: int) -> None:
                bar.update()
                if on_step is not None:
                    on_step(done, total)

            drawn = draw(self.model, branches, noise, grids, settings, step)
        return [self._decoded(tokens, grid) for tokens, grid in zip(drawn, grids, strict=True)]

    @torch.no_grad()
    def answer(
        self, turns: Sequence[Turn], seeds: Sequence[int] | None = None, *, settings: AnswerSettings | None = None
    ) -> list[str]:
        """Answer questions about pictures.

        Args:
            turns: what is given for each answer; the last text is the question.
            seeds: for each; only for a temperature above 0 (default: 0, 1, 2, ...).
            settings: how.
        """
        seeds = range(len(turns)) if seeds is None else seeds
        if len(seeds) != len(turns):
            raise GenerationError(f"{len(seeds)} seeds for {len(turns)} answers; give one for each")
        contexts = [self._seen(turn) for turn in turns]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        said = answer(self.model, contexts, settings or self.answer_settings, generators)
        return [self.processor.decode(ids) for ids in said]

    def _seen(self, turn: Turn) -> BagelContext:
        """What is given, for an answer: pictures by the vision tower only, straight from the original."""
        context = self.model.new_context()
        for part in turn:
            item: Item
            if isinstance(part, str):
                item = Text(ids=self.processor.encode(part))
            else:
                item = VitImage(pixels=self.processor.image_processor.vit_view(part))
            [context] = self.model.append([context], [item])
        return context

    def _read(
        self, turn: Turn, size: tuple[int, int] | None, generator: torch.Generator | None
    ) -> tuple[Branches, tuple[int, int]]:
        """Contexts of what is given, for a drawing, and (rows, columns) of what will be drawn."""
        assert self.vae is not None
        config = self.model.config
        items: list[Picture | Text] = []
        grid = None
        for part in turn:
            if isinstance(part, str):
                items.append(Text(ids=self.processor.encode(part)))
                continue
            for_vae, for_vit = self.processor.image_processor.edit_views(part)
            latent = encode(self.vae, for_vae[None], generator)[0]
            items.append(Picture(VaeImage(latent=latent), VitImage(pixels=for_vit)))
            unit = config.latent_patch_size
            grid = (latent.shape[1] // unit, latent.shape[2] // unit)
        if size is not None:
            unit = config.pixels_per_latent_token
            if size[0] % unit or size[1] % unit:
                raise GenerationError(f"size: {size[0]} x {size[1]} are no multiples of {unit}")
            config.check_image_sizes(max(size))
            grid = (size[1] // unit, size[0] // unit)
        if grid is None:
            raise GenerationError("size: needed where no picture is given")
        return build_branches(self.model, items), grid

    def _decoded(self, tokens: Tensor, grid: tuple[int, int]) -> Image.Image:
        assert self.vae is not None
        latent = unpatchify(tokens, grid, self.model.config.latent_patch_size)
        return to_image(decode(self.vae, latent[None])[0])

"""From what a sample says (texts and pictures) to the one sequence that the model reads.

A sample is a list of items, each of which becomes one split of the sequence. For a triplet:

    items = edit_items(source_for_vae, source_for_vit, instruction_ids, target_for_vae)
    items = drop_conditions(items, rng, text=0.1, vit=0.3, vae=0.3)
    pack = build_pack([items, ...], config).to(device)

Positions: a sample starts at 0. A text moves on by its length, a clean picture by one, a noised picture by nothing.
All tokens of a picture share a position. A dropped picture has no tokens but still moves on by one; a dropped text
does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsi_train.bagel.attention import CAUSAL, FULL, NOISE, Layout, moved
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.patches import patch_ids, patchify


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text span; its start and end tokens are added.

    Attributes:
        ids: its tokens.
        loss: the model learns to say it.
        markers: add the start and end tokens; a text that is being written has none.
        dropped: left out, to learn what guidance needs.
    """

    ids: Sequence[int]
    loss: bool = False
    markers: bool = True
    dropped: bool = False


@dataclass(frozen=True, kw_only=True)
class VitImage:
    """A picture as the vision tower sees it.

    Attributes:
        pixels: [3, H, W] in [-1, 1], sides multiples of 14.
        dropped: see [`Text`].
    """

    pixels: Tensor
    dropped: bool = False


@dataclass(frozen=True, kw_only=True)
class VaeImage:
    """A picture as latents: pixels that the trainer encodes, a scaled latent, or only its size.

    Attributes:
        pixels: [3, H, W] in [-1, 1], sides multiples of 16.
        latent: [channels, H / 8, W / 8], scaled.
        grid: (rows, columns) of latent tokens; needed only without `pixels` and `latent`.
        noised: it is what the model learns to draw.
        timestep_logit: how much noise, before the sigmoid; needed where it is noised.
        seed: of the noise, see [`Pack.draw_noise`].
        dropped: see [`Text`]; never with `noised`.
    """

    pixels: Tensor | None = None
    latent: Tensor | None = None
    grid: tuple[int, int] | None = None
    noised: bool = False
    timestep_logit: float | None = None
    seed: int | None = None
    dropped: bool = False


Item = Text | VitImage | VaeImage


@dataclass
class Pack:
    """One sequence of one or several samples.

    `T` tokens, of which `N` latents in `I` pictures, `P` patches and `X` texts and markers. Indexes are places in the
    sequence.

    Attributes:
        text_ids: [X].
        text_indexes: [X].
        vit_tokens: [P, 588], float32.
        vit_position_ids: [P], rows of the tables.
        vit_indexes: [P].
        vit_lens: patches of each picture.
        latent_position_ids: [N], rows of the table.
        latent_indexes: [N].
        latent_grids: (rows, columns) of tokens of each picture for the autoencoder.
        timestep_logits: [I], -inf where the picture is clean.
        position_ids: [T].
        mse_loss_indexes: latents that are learned.
        ce_loss_indexes: texts that say something learned next.
        label_ids: what they say, as long as `ce_loss_indexes`.
        ce_loss_weights: one over the square root of the length of the span, as long as `ce_loss_indexes`.
        sample_lens: tokens of each sample.
        split_lens: tokens of each split.
        attn_modes: of each split.
        layout: where each token comes from.
        pixels: of each picture for the autoencoder, None where there is none.
        latents: of each picture for the autoencoder, None where there is none.
        seeds: of the noise of each picture.
    """

    text_ids: Tensor
    text_indexes: Tensor
    vit_tokens: Tensor
    vit_position_ids: Tensor
    vit_indexes: Tensor
    vit_lens: list[int]
    latent_position_ids: Tensor
    latent_indexes: Tensor
    latent_grids: list[tuple[int, int]]
    timestep_logits: Tensor
    position_ids: Tensor
    mse_loss_indexes: Tensor
    ce_loss_indexes: Tensor
    label_ids: Tensor
    ce_loss_weights: Tensor
    sample_lens: list[int]
    split_lens: list[int]
    attn_modes: list[str]
    layout: Layout
    pixels: list[Tensor | None]
    latents: list[Tensor | None]
    seeds: list[int | None]
    order: Tensor = field(init=False)
    """[T], indexes in the order in which the model computes: latents, patches, texts."""
    rank: Tensor = field(init=False)
    """[T], its inverse."""
    sample_rows: list[Tensor] = field(init=False)
    """Of each sample: its tokens as places in `order`, in their order in the sequence."""

    def __post_init__(self) -> None:
        self.order = torch.cat([self.latent_indexes, self.vit_indexes, self.text_indexes])
        self.rank = self.order.argsort()
        self.sample_rows = list(self.rank.split(self.sample_lens))

    def __len__(self) -> int:
        return sum(self.sample_lens)

    def to(self, device: torch.device | str) -> Pack:
        """The same on a device."""

        def on_device(value: Any) -> Any:
            if isinstance(value, Tensor):
                return moved(value, device)
            if isinstance(value, Layout):
                return value.to(device)
            return [on_device(entry) for entry in value] if isinstance(value, list) else value

        return replace(self, **{item.name: on_device(getattr(self, item.name)) for item in fields(self) if item.init})

    @property
    def latent_lens(self) -> list[int]:
        """Tokens of each picture for the autoencoder."""
        return [rows * columns for rows, columns in self.latent_grids]

    def latent_tokens(self, latents: Sequence[Tensor], patch: int) -> Tensor:
        """Latents as tokens in the order of the pack.

        Args:
            latents: of each picture for the autoencoder, [channels, >= rows * patch, >= columns * patch], scaled.
            patch: latent values per token side.

        Returns:
            [N, patch * patch * channels].
        """
        cut = [
            patchify(latent[:, : rows * patch, : columns * patch], patch)
            for latent, (rows, columns) in zip(latents, self.latent_grids, strict=True)
        ]
        return torch.cat(cut)

    def draw_noise(self, size: int) -> Tensor:
        """Noise that depends on the seeds of the pictures and on nothing else, neither the pack nor the machine.

        Args:
            size: values per token.

        Returns:
            [N, size], float32, on the CPU.

        Raises:
            ValueError: if a noised picture has no seed.
        """
        noise = []
        for length, seed, logit in zip(self.latent_lens, self.seeds, self.timestep_logits.tolist(), strict=True):
            if logit == -np.inf:
                noise.append(torch.zeros(length, size))
            elif seed is None:
                raise ValueError("VaeImage.seed: needed to draw the noise of a noised picture")
            else:
                noise.append(torch.randn(length, size, generator=torch.Generator().manual_seed(seed)))
        return torch.cat(noise) if noise else torch.zeros(0, size)


def edit_items(
    source_vae: VaeImage, source_vit: VitImage | None, instruction: Sequence[int], target: VaeImage
) -> list[Item]:
    """The items of a triplet: source twice, instruction, target."""
    sources: list[Item] = [source_vae] if source_vit is None else [source_vae, source_vit]
    return [*sources, Text(ids=instruction), replace(target, noised=True)]


def chain_items(
    start: tuple[VaeImage, VitImage], steps: Sequence[tuple[Sequence[int], VaeImage, VitImage | None]]
) -> list[Item]:
    """The items of several edits in a row.

    Args:
        start: the first picture in both views.
        steps: instruction, picture for the autoencoder, picture for the vision tower (needed in all but the last).

    Returns:
        Every picture but the first is learned, and all but the last come once more, clean, as conditions.

    Raises:
        ValueError: if a picture that is a condition has no view for the vision tower.
    """
    items: list[Item] = [*start]
    for number, (instruction, vae, vit) in enumerate(steps, 1):
        items += [Text(ids=instruction), replace(vae, noised=True)]
        if number < len(steps):
            if vit is None:
                raise ValueError(f"step {number}: only the last picture goes without a view for the vision tower")
            items += [replace(vae, noised=False, timestep_logit=None), vit]
    return items


def drop_conditions(
    items: Sequence[Item], rng: np.random.Generator, *, text: float, vit: float, vae: float
) -> list[Item]:
    """Leave out conditions at random, each by itself, so that guidance has something to compare with.

    Args:
        items: of a sample.
        rng: asked once for each condition, whatever the rates.
        text: share of texts without loss that are left out.
        vit: share of pictures for the vision tower that are left out.
        vae: share of clean pictures for the autoencoder that are left out.

    Returns:
        The same items, some of them dropped; what is learned is never dropped.
    """
    dropped = []
    for item in items:
        learned = item.loss if isinstance(item, Text) else isinstance(item, VaeImage) and item.noised
        if not learned:
            rate = text if isinstance(item, Text) else vit if isinstance(item, VitImage) else vae
            item = replace(item, dropped=bool(rng.random() < rate))
        dropped.append(item)
    return dropped


def position_step(item: Item) -> int:
    """By how much positions move on after an item."""
    if isinstance(item, Text):
        return 0 if item.dropped else len(item.ids) + 2 * item.markers
    return 0 if isinstance(item, VaeImage) and item.noised else 1


def token_estimate(items: Sequence[Item], config: BagelConfig) -> int:
    """Tokens of a sample without markers, dropped items included: what decides what fits a pack."""
    return sum(_item_tokens(item, config) for item in items)


def _item_tokens(item: Item, config: BagelConfig) -> int:
    if isinstance(item, Text):
        return len(item.ids)
    rows, columns = _grid(item, config)
    return rows * columns


def _grid(item: VitImage | VaeImage, config: BagelConfig) -> tuple[int, int]:
    """Tokens of a picture down and across; refuses pictures that do not fit the table of positions."""
    if isinstance(item, VitImage):
        picture, unit, what = item.pixels, config.vision_config.patch_size, "VitImage.pixels"
        name, table = "vit_max_num_patch_per_side", config.vit_max_num_patch_per_side
    else:
        name, table = "max_latent_size", config.max_latent_size
        if item.latent is not None:
            picture, unit, what = item.latent, config.latent_patch_size, "VaeImage.latent"
        elif item.pixels is not None:
            picture, unit, what = item.pixels, config.pixels_per_latent_token, "VaeImage.pixels"
        elif item.grid is not None:
            picture, unit, what = torch.empty((1, *item.grid), device="meta"), 1, "VaeImage.grid"
        else:
            raise ValueError("VaeImage: needs pixels, a latent or a grid")
    height, width = picture.shape[-2:]
    if height % unit or width % unit or not height * width:
        raise ValueError(f"{what}: sides must be multiples of {unit}, not {height} x {width}; resize first")
    grid = (height // unit, width // unit)
    if max(grid) > table:
        raise ValueError(
            f"{what}: {grid[0]} x {grid[1]} tokens, but {name} is {table}; resize to at most {unit * table} a side"
        )
    return grid


_INTEGERS = (
    "text_ids",
    "text_indexes",
    "vit_indexes",
    "latent_indexes",
    "position_ids",
    "mse_loss_indexes",
    "ce_loss_indexes",
    "label_ids",
)
_FLOATS = ("timestep_logits", "ce_loss_weights")
_IDS = ("vit_position_ids", "latent_position_ids")
_FACTS = ("vit_lens", "latent_grids", "sample_lens", "split_lens", "attn_modes", "pixels", "latents", "seeds")


class _Sequence:
    """A pack in the making: a list for each of its fields."""

    def __init__(self, config: BagelConfig) -> None:
        self.config = config
        self.length = 0
        self.lists: dict[str, list[Any]] = {name: [] for name in _INTEGERS + _FLOATS + _IDS + _FACTS}
        self.patches: list[Tensor] = []

    def add(self, items: Sequence[Item], position: int) -> None:
        """Add a sample."""
        start = self.length
        for item in items:
            if not item.dropped:
                before = self.length
                mode = self._text(item, position) if isinstance(item, Text) else self._picture(item, position)
                self.lists["split_lens"].append(self.length - before)
                self.lists["attn_modes"].append(mode)
            position += position_step(item)
        if self.length == start:
            raise ValueError("a sample without tokens: every item of it is dropped, or it has none")
        self.lists["sample_lens"].append(self.length - start)

    def _text(self, item: Text, position: int) -> str:
        ids = list(item.ids)
        if item.markers:
            ids = [self.config.bos_token_id, *ids, self.config.eos_token_id]
        places = range(self.length, self.length + len(ids))
        if item.loss:
            labels = ids[1:]
            self.lists["ce_loss_indexes"] += places[:-1]
            self.lists["label_ids"] += labels
            self.lists["ce_loss_weights"] += [len(labels) ** -0.5] * len(labels)
        self.lists["text_ids"] += ids
        self.lists["text_indexes"] += places
        self.lists["position_ids"] += range(position, position + len(ids))
        self.length += len(ids)
        return CAUSAL

    def _picture(self, item: VitImage | VaeImage, position: int) -> str:
        config, lists = self.config, self.lists
        rows, columns = grid = _grid(item, config)
        count = rows * columns
        places = range(self.length + 1, self.length + 1 + count)
        lists["text_ids"] += [config.start_of_image_token_id, config.end_of_image_token_id]
        lists["text_indexes"] += [places.start - 1, places.stop]
        lists["position_ids"] += [position] * (count + 2)
        self.length += count + 2
        if isinstance(item, VitImage):
            self.patches.append(patchify(item.pixels, config.vision_config.patch_size))
            ids = patch_ids(grid, config.vit_max_num_patch_per_side, config.interpolate_pos)
            lists["vit_position_ids"].append(ids)
            lists["vit_indexes"] += places
            lists["vit_lens"].append(count)
            return FULL
        if item.noised and item.timestep_logit is None:
            raise ValueError("VaeImage.timestep_logit: needed for a noised picture; draw it from a standard normal")
        lists["latent_position_ids"].append(patch_ids(grid, config.max_latent_size, config.interpolate_pos))
        lists["latent_indexes"] += places
        lists["mse_loss_indexes"] += places if item.noised else []
        lists["timestep_logits"].append(item.timestep_logit if item.noised else -np.inf)
        lists["latent_grids"].append(grid)
        lists["pixels"].append(item.pixels)
        lists["latents"].append(item.latent)
        lists["seeds"].append(item.seed)
        return NOISE if item.noised else FULL

    def pack(self) -> Pack:
        """All samples as tensors."""
        lists, vision = self.lists, self.config.vision_config
        no_ids = torch.zeros(0, dtype=torch.int64)
        made: dict[str, Any] = {name: lists[name] for name in _FACTS}
        made |= {name: torch.tensor(lists[name], dtype=torch.int64) for name in _INTEGERS}
        made |= {name: torch.tensor(lists[name], dtype=torch.float32) for name in _FLOATS}
        made |= {name: torch.cat([no_ids, *lists[name]]) for name in _IDS}
        no_patches = torch.zeros(0, vision.num_channels * vision.patch_size**2)
        made["vit_tokens"] = torch.cat([no_patches, *self.patches])
        made["layout"] = Layout.of(lists["sample_lens"], lists["split_lens"], lists["attn_modes"])
        return Pack(**made)


def build_pack(samples: Sequence[Sequence[Item]], config: BagelConfig, positions: Sequence[int] | None = None) -> Pack:
    """Lay samples out as one sequence.

    Args:
        samples: items of each sample.
        config: of the model.
        positions: where each sample starts to count (default: 0); a sample that goes on says where it is.

    Raises:
        ValueError: if a picture does not fit the tables of positions, or an item lacks something; the message says
            which.
    """
    sequence = _Sequence(config)
    for items, position in zip(samples, positions or [0] * len(samples), strict=True):
        sequence.add(items, position)
    return sequence.pack()

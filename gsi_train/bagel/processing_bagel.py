"""What a person gives, a picture or a text, as BAGEL reads it. Pictures need PIL and nothing else.

A picture has two views: `vae` for the autoencoder (sides multiples of 16) and `vit` for the vision tower (multiples
of 14). They differ in nothing but the resize rule.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.image_processing_base import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from gsi_train.bagel.configuration_bagel import BagelConfig


SPECIAL_TOKENS = {
    "bos_token_id": "<|im_start|>",
    "eos_token_id": "<|im_end|>",
    "start_of_image_token_id": "<|vision_start|>",
    "end_of_image_token_id": "<|vision_end|>",
}
"""What a tokenizer must know already, by the name of the id in [`BagelConfig`]."""


class ProcessingError(ValueError):
    """A picture or a tokenizer that BAGEL cannot read; the message names the remedy."""


@dataclass(frozen=True)
class ResizeRule:
    """How large a picture becomes.

    Attributes:
        max_size: of the long side, pixels.
        min_size: of the short side, pixels; a smaller picture is scaled up, and this wins over `max_size` at first.
        stride: sides become multiples of it.
        max_pixels: of all pictures of a sample together.
    """

    max_size: int
    min_size: int
    stride: int
    max_pixels: int = 14 * 14 * 9 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.min_size <= self.max_size or self.stride < 1 or self.max_pixels < 1:
            raise ProcessingError(f"{self}: 0 < min_size <= max_size, stride >= 1 and max_pixels >= 1 are needed")

    def size(self, width: int, height: int, pictures: int = 1) -> tuple[int, int]:
        """Width and height after the rule.

        Args:
            width: of the picture, pixels.
            height: of the picture, pixels.
            pictures: in the sample; they share `max_pixels`.
        """
        scale = max(min(self.max_size / max(width, height), 1.0), self.min_size / min(width, height))
        width, height = self._scaled(width, scale), self._scaled(height, scale)
        share = self.max_pixels / pictures
        if width * height > share:
            # A ratio of areas, where its root would do: the released model knows pictures of this size.
            scale = share / (width * height)
            width, height = self._scaled(width, scale), self._scaled(height, scale)
        if max(width, height) > self.max_size:
            scale = self.max_size / max(width, height)
            width, height = self._scaled(width, scale), self._scaled(height, scale)
        return width, height

    def _scaled(self, side: int, scale: float) -> int:
        return max(self.stride, round(round(side * scale) / self.stride) * self.stride)

    def resize(self, image: Image.Image, pictures: int = 1) -> Image.Image:
        """The picture at its size, in RGB; see [`size`] and [`to_rgb`]."""
        image = to_rgb(image)
        return image.resize(self.size(*image.size, pictures), Image.Resampling.BICUBIC)


VAE_RULE = ResizeRule(1024, 512, 16)
"""Of the autoencoder, in training and later."""
VIT_RULE = ResizeRule(980, 224, 14)
"""Of the vision tower when the released model edits or answers."""
VIT_TRAIN_RULE = ResizeRule(518, 224, 14)
"""Of the vision tower when the released model learned to edit."""
VIT_EVALUATION_RULE = ResizeRule(980, 378, 14, 2_007_040)
"""Of the vision tower in the published evaluations of understanding."""


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture in RGB; what is transparent becomes white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture as the model reads it, [3, H, W], float32 in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)
    return ((pixels / 255 - 0.5) / 0.5).contiguous()


def to_image(pixels: Tensor) -> Image.Image:
    """The picture of what a decoder gave.

    Args:
        pixels: [3, H, W], float; what is outside of [-1, 1] is cut off.
    """
    levels = (pixels.float() * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0) * 255
    return Image.fromarray(levels.to(torch.uint8).cpu().numpy())


def _rule(rule: ResizeRule | dict[str, int]) -> ResizeRule:
    return rule if isinstance(rule, ResizeRule) else ResizeRule(**rule)


class BagelImageProcessor(BaseImageProcessor):
    """Makes the two views of a picture.

    Args:
        vae: resize rule of the view for the autoencoder.
        vit: resize rule of the view for the vision tower.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012  (the name and type are transformers')

    def __init__(
        self, vae: ResizeRule | dict[str, int] = VAE_RULE, vit: ResizeRule | dict[str, int] = VIT_RULE, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.vae = _rule(vae)
        self.vit = _rule(vit)

    def to_dict(self) -> dict[str, Any]:
        """What `preprocessor_config.json` holds."""
        return {"image_processor_type": type(self).__name__, "vae": asdict(self.vae), "vit": asdict(self.vit)}

    def vae_view(self, image: Image.Image, pictures: int = 1) -> Tensor:
        """For the autoencoder: [3, H, W] in [-1, 1]; `pictures` as in [`ResizeRule.size`]."""
        return to_tensor(self.vae.resize(image, pictures))

    def vit_view(self, image: Image.Image, pictures: int = 1) -> Tensor:
        """For the vision tower: [3, H, W] in [-1, 1]; `pictures` as in [`ResizeRule.size`]."""
        return to_tensor(self.vit.resize(image, pictures))

    def edit_views(self, image: Image.Image) -> tuple[Tensor, Tensor]:
        """Both views as at inference, where the second is made of the first: for vae, for vit."""
        resized = self.vae.resize(image)
        return to_tensor(resized), self.vit_view(resized)

    def preprocess(
        self, images: Image.Image | Sequence[Image.Image], view: str = "vit", pictures: int = 1, **kwargs: Any
    ) -> BatchFeature:
        """Views of pictures, as processors of transformers give them.

        Args:
            images: one or several.
            view: `vae` or `vit`.
            pictures: see [`ResizeRule.size`].
            kwargs: none is known.

        Returns:
            `pixel_values`: a list of [3, H, W], for each picture has its own size.
        """
        if view not in ("vae", "vit") or kwargs:
            raise ProcessingError(f"view {view!r}, {sorted(kwargs)}: the views are vae and vit, nothing else is known")
        several = [images] if isinstance(images, Image.Image) else images
        look = self.vae_view if view == "vae" else self.vit_view
        return BatchFeature({"pixel_values": [look(image, pictures) for image in several]})

    def check(self, config: BagelConfig) -> None:
        """Refuse rules that a model's tables of positions cannot follow.

        Raises:
            ValueError: naming the rule or the table, and the remedy.
        """
        units = {"vae": config.pixels_per_latent_token, "vit": config.vision_config.patch_size}
        for name, unit in units.items():
            stride = getattr(self, name).stride
            if stride % unit:
                raise ProcessingError(f"{name}: a stride of {stride} is no multiple of {unit}, the pixels of a token")
        config.check_image_sizes(self.vae.max_size, self.vit.max_size)


class BagelProcessor:
    """Image processor and tokenizer together.

    Args:
        image_processor: makes the views of pictures.
        tokenizer: Qwen2.5's; no token is ever added to it.

    Raises:
        ProcessingError: the tokenizer lacks a special token.
    """

    def __init__(self, image_processor: BagelImageProcessor, tokenizer: PreTrainedTokenizerBase) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        if missing := [token for token in SPECIAL_TOKENS.values() if token not in vocabulary]:
            raise ProcessingError(
                f"tokenizer {tokenizer.name_or_path or type(tokenizer).__name__}: does not know {', '.join(missing)}; "
                "take the one of the checkpoint (adding tokens would change the model)"
            )
        self.special_ids = {name: vocabulary[token] for name, token in SPECIAL_TOKENS.items()}

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> BagelProcessor:
        """Read a folder: tokenizer files and, unless it is of the released layout, `preprocessor_config.json`.

        Raises:
            ProcessingError: it has no tokenizer, or a file cannot be read.
        """
        folder = Path(folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except Exception as error:
            # What a tokenizer's files raise has no class in common.
            raise ProcessingError(
                f"{folder}: no tokenizer can be read ({error}); copy the tokenizer files of the checkpoint into it"
            ) from error
        stored = folder / "preprocessor_config.json"
        images = BagelImageProcessor.from_pretrained(folder) if stored.is_file() else BagelImageProcessor()
        return cls(images, tokenizer)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer files and `preprocessor_config.json`."""
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without those around it ([`packing.Text`] adds them)."""
        return [int(token) for token in self.tokenizer.encode(text, add_special_tokens=False)]

    def span(self, text: str) -> list[int]:
        """Tokens of a text with the ones that start and end it; there is no template besides."""
        return [self.special_ids["bos_token_id"], *self.encode(text), self.special_ids["eos_token_id"]]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def check(self, config: BagelConfig) -> None:
        """Refuse a model of which this is not the processor.

        Raises:
            ValueError: a special token has another id, the vocabulary is too small, or pictures would be too large.
        """
        for name, number in self.special_ids.items():
            if getattr(config, name) != number:
                raise ProcessingError(
                    f"{name}: {SPECIAL_TOKENS[name]} is {number} for the tokenizer, {getattr(config, name)} for the "
                    "model; take tokenizer and config.json of the same checkpoint"
                )
        largest = max(self.tokenizer.get_vocab().values())
        if largest >= config.text_config.vocab_size:
            raise ProcessingError(
                f"tokenizer: its largest id is {largest}, the model knows "
                f"{config.text_config.vocab_size} tokens; take the tokenizer of the checkpoint"
            )
        self.image_processor.check(config)

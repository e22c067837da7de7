"""The recorded tiny model as a whole: with its autoencoder and a tokenizer of bytes."""

from __future__ import annotations

import copy
import json
from functools import cache

from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gsi_train.bagel.convert import load_flux_vae
from gsi_train.bagel.generation import EditSettings
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.processing_bagel import SPECIAL_TOKENS, BagelImageProcessor, BagelProcessor
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel.tiny import FOLDER


SETTINGS = EditSettings(points=5)


def byte_tokenizer(special: tuple[str, ...] = tuple(SPECIAL_TOKENS.values())) -> PreTrainedTokenizerFast:
    """Its tokens are the bytes of a text; special ones start at 300, as in the recordings."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(byte): byte for byte in shown}
    letters |= {chr(256 + number): byte for number, byte in enumerate(sorted(set(range(256)) - set(shown)))}
    unused = {f"<unused {number}>": number for number in range(256, 300)}
    tokenizer = Tokenizer(models.BPE(vocab=letters | unused, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def processor() -> BagelProcessor:
    rules = json.loads((FOLDER / "config.json").read_text())["transforms"]
    return BagelProcessor(BagelImageProcessor(rules["vae"], rules["vit_infer"]), byte_tokenizer())


def pipeline() -> BagelPipeline:
    """A new one every time."""
    return BagelPipeline(
        copy.deepcopy(_golden().model), load_flux_vae(FOLDER / "vae.safetensors"), processor(), SETTINGS
    )


@cache
def _golden() -> Golden:
    return Golden.read(FOLDER)


@cache
def picture(name: str) -> Image.Image:
    """A recorded picture as given."""
    return Image.fromarray(load_file(FOLDER / "images.safetensors")[f"image_{name}"].numpy())

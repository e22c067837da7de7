"""Sizes and pixels as recorded, transparency, special tokens, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.patches import patchify
from gsi_train.bagel.processing_bagel import (
    SPECIAL_TOKENS,
    BagelImageProcessor,
    BagelProcessor,
    ProcessingError,
    ResizeRule,
    to_image,
    to_rgb,
    to_tensor,
)
from tests.gsi_train.bagel.tiny import FOLDER
from tests.gsi_train.bagel.whole import byte_tokenizer, picture, processor


VIEWS = ("vae", "vit_train", "vit_infer")


def test_every_recorded_size() -> None:
    table = json.loads((FOLDER / "resize_table.json").read_text())
    assert len(table) > 300
    for row in table:
        rule = ResizeRule(row["max_size"], row["min_size"], row["stride"], row["max_pixels"])
        assert rule.size(*row["in_wh"], row["img_num"]) == tuple(row["out_wh"]), row


def test_every_recorded_picture_is_equal() -> None:
    rules = json.loads((FOLDER / "config.json").read_text())["transforms"]
    resized = load_file(FOLDER / "resized.safetensors")
    for name, levels in resized.items():
        view = next(view for view in VIEWS if name.startswith(view))
        image = ResizeRule(**rules[view]).resize(picture(name.removeprefix(f"{view}_")))
        assert np.array_equal(np.asarray(image), levels.numpy()), name


def test_patches_as_recorded() -> None:
    recorded = load_file(FOLDER / "modules.safetensors")["vit_tokens"]
    rules = json.loads((FOLDER / "config.json").read_text())["transforms"]
    images = BagelImageProcessor(vit=rules["vit_train"])
    tokens = torch.cat([patchify(images.vit_view(picture(name)), 14) for name in ("src", "src2")])
    assert torch.equal(tokens, recorded)


def test_the_second_view_of_an_edit_is_made_of_the_first() -> None:
    images = processor().image_processor
    large = picture("src").resize((301, 173))
    for_vae, for_vit = images.edit_views(large)
    assert torch.equal(for_vae, images.vae_view(large))
    assert torch.equal(for_vit, images.vit_view(images.vae.resize(large)))
    assert not torch.equal(for_vit, images.vit_view(large))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    if mode == "P":
        image = Image.new("P", (2, 1))
        image.putpalette([0, 0, 0, 9, 9, 9])
        image.putpixel((1, 0), 1)
        image.info["transparency"] = 1
    elif mode == "LA":
        image = image.convert("LA")
    assert np.asarray(to_rgb(image)).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_half_transparent_is_half_white() -> None:
    image = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert to_rgb(image).getpixel((0, 0)) == (127, 127, 127)


def test_there_and_back() -> None:
    image = picture("src")
    assert to_tensor(image).amin() >= -1
    # A decoder's values are cut to levels, not rounded: half a level more makes them the same.
    assert np.array_equal(np.asarray(to_image(to_tensor(image) + 1 / 255)), np.asarray(image))
    assert np.asarray(to_image(torch.full((3, 1, 1), 9.0))).tolist() == [[[255, 255, 255]]]


def test_saved_and_read_again(tmp_path: Path) -> None:
    before = processor()
    before.save_pretrained(tmp_path)
    after = BagelProcessor.from_pretrained(tmp_path)
    assert after.image_processor.vae == before.image_processor.vae
    assert after.image_processor.vit == before.image_processor.vit
    assert after.special_ids == before.special_ids
    assert after.encode("Mové <|im_end|>") == before.encode("Mové <|im_end|>")


def test_a_text_is_its_bytes_between_start_and_end() -> None:
    text = processor()
    assert text.encode("Mové") == list("Mové".encode())
    assert text.span("a b") == [300, *b"a b", 301]
    assert text.decode([300, *"a é".encode(), 301]) == "a é"


def test_as_processors_of_transformers() -> None:
    images = processor().image_processor
    views = images([picture("src"), picture("src2")], view="vae")["pixel_values"]
    assert torch.equal(views[1], images.vae_view(picture("src2")))
    with pytest.raises(ProcessingError, match="views are vae and vit"):
        images(picture("src"), view="other")


def test_a_tokenizer_without_the_special_tokens_is_refused() -> None:
    some = tuple(SPECIAL_TOKENS.values())[:3]
    with pytest.raises(ProcessingError, match=r"<\|vision_end\|>"):
        BagelProcessor(BagelImageProcessor(), byte_tokenizer(some))


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProcessingError, match="copy the tokenizer files"):
        BagelProcessor.from_pretrained(tmp_path)


def test_a_processor_of_another_model_is_refused(config: BagelConfig) -> None:
    mine = processor()
    mine.check(config)
    config.eos_token_id = 299
    with pytest.raises(ProcessingError, match=r"eos_token_id: <\|im_end\|> is 301 .* 299"):
        mine.check(config)


def test_pictures_larger_than_the_tables_are_refused(config: BagelConfig) -> None:
    mine = processor()
    mine.image_processor.vae = ResizeRule(1024, 512, 16)
    with pytest.raises(ValueError, match="max_latent_size"):
        mine.check(config)


def test_rules_that_make_no_sense() -> None:
    with pytest.raises(ProcessingError, match="min_size"):
        ResizeRule(10, 20, 2)

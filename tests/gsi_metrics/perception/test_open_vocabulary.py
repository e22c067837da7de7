"""The whole path on tiny models with random weights, made from configuration classes: nothing is downloaded."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gsi_metrics.perception import open_observer
from gsi_metrics.perception.detections import DetectionError
from gsi_metrics.perception.open_vocabulary import (
    DEVIATION,
    MEAN,
    OpenVocabulary,
    _apart,
    _depth_size,
    _detector_size,
    _pixels,
    _prompts,
    _said,
    _spans,
)
from tests.gsi_metrics.perception.seen import moving


pytest.importorskip("torch")
pytest.importorskip("transformers")

WORDS = ["mug", "bowl", "book", "apple", "box", "table", "toy", "block"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three models, saved as the Hub would hold them."""
    import torch
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
        SwinConfig,
    )

    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    # The model knows the ends of phrases by BERT's own numbers: 101, 102, 1012 and 1029.
    names = [f"[unused{k}]" for k in range(1030)]
    for number, name in ((0, "[PAD]"), (100, "[UNK]"), (101, "[CLS]"), (102, "[SEP]"), (103, "[MASK]"), (1012, ".")):
        names[number] = name
    names[1029] = "?"
    names += WORDS
    (root / "vocab.txt").write_text("\n".join(names))
    BertTokenizerFast(str(root / "vocab.txt")).save_pretrained(root / "detector")
    swin = SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
    )
    bert = BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        num_queries=12,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_text_len=24,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(root / "detector")

    hiera = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[128, 128],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=32,
    )
    decoder = Sam2MaskDecoderConfig(hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16)
    prompts = Sam2PromptEncoderConfig(hidden_size=32, image_size=128, patch_size=16, mask_input_channels=4)
    sam = Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    Sam2Model(sam).save_pretrained(root / "segmenter")

    dino = Dinov2Config(
        image_size=56,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    for kind in ("metric", "relative"):
        measure = DepthAnythingConfig(
            backbone_config=dino,
            reassemble_hidden_size=16,
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            head_hidden_size=4,
            depth_estimation_type=kind,
            max_depth=20,
        )
        DepthAnythingForDepthEstimation(measure).save_pretrained(root / f"depth_{kind}")
    return root


@pytest.fixture
def make(folder: Path) -> Callable[..., OpenVocabulary]:
    def build(**options: Any) -> OpenVocabulary:
        paths = {"detector": folder / "detector", "segmenter": folder / "segmenter", "depth": folder / "depth_metric"}
        settings = {name: str(path) for name, path in paths.items()} | {"threshold": 0.0, "shortest": 128}
        return OpenVocabulary(**(settings | options))

    return build


def test_from_a_picture_to_boxes_in_space(make: Callable[..., OpenVocabulary]) -> None:
    sample, detector = moving(size=96), make()
    picture = np.ascontiguousarray(sample.source[:80])
    up = sample.source_extrinsics[:3, 2]
    seen = detector.detect(picture, sample.intrinsics, ["mug", "Toy block."], up)
    assert (seen.height, seen.width, seen.observer) == (80, 96, "open_vocabulary")
    assert seen.yaw_period == pytest.approx(math.pi / 2)
    assert seen.objects
    for item in seen.objects:
        assert item.category in ("mug", "toy block")
        assert item.mask is not None
        assert item.box.rotation[:, 2] == pytest.approx(up, abs=1e-6)
        left, top, right, bottom = item.bbox_2d
        assert 0 <= left < right <= 96
        assert 0 <= top < bottom <= 80
    assert detector.detect(picture, sample.intrinsics, ["mug", "Toy block."], up) == seen
    assert "torchvision" not in sys.modules


def test_nothing_named_nothing_seen(make: Callable[..., OpenVocabulary]) -> None:
    sample = moving(size=64)
    assert make(threshold=1.0).detect(sample.source, sample.intrinsics, ["mug"]).objects == ()
    assert make().detect(sample.source, sample.intrinsics, ["", " . "]).objects == ()


def test_more_words_than_a_prompt_holds(make: Callable[..., OpenVocabulary]) -> None:
    sample, detector = moving(size=64), make()
    seen = detector.detect(sample.source, sample.intrinsics, WORDS * 3)
    assert {item.category for item in seen.objects} <= set(WORDS)
    tokenizer = detector._load("tokenizer")
    prompts = _prompts(tokenizer, WORDS * 3, 24)
    assert [word for prompt in prompts for word in prompt] == WORDS * 3
    assert len(prompts) > 1
    assert all(len(tokenizer(_said(prompt))["input_ids"]) <= 24 for prompt in prompts)


def test_tokens_belong_to_their_phrases(make: Callable[..., OpenVocabulary]) -> None:
    tokenizer = make()._load("tokenizer")
    phrases = ["toy block", "mug"]
    text = tokenizer(_said(phrases), return_offsets_mapping=True)
    words = tokenizer.convert_ids_to_tokens(text["input_ids"])
    spans = _spans(phrases, text["offset_mapping"])
    assert [[words[k] for k in span] for span in spans] == [["toy", "block"], ["mug"]]


def test_one_box_for_one_object() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9.5], [20, 0, 30, 10], [5, 5, 5, 9]], dtype=float)
    assert _apart(boxes, np.array([0.5, 0.9, 0.1, 0.99])) == [1, 2]


def test_nothing_is_loaded_before_it_is_needed() -> None:
    detector = OpenVocabulary("no/such-model")
    assert detector._parts == {}
    sample = moving(size=64)
    with pytest.raises(DetectionError, match=r"cannot load .* no/such-model; pass local_files_only=False"):
        detector.detect(sample.source, sample.intrinsics, ["mug"])


def test_depth_must_be_metric(make: Callable[..., OpenVocabulary], folder: Path) -> None:
    sample = moving(size=64)
    with pytest.raises(DetectionError, match="gives relative depth"):
        make(depth=str(folder / "depth_relative")).detect(sample.source, sample.intrinsics, ["mug"])


def test_weights_must_be_safetensors(make: Callable[..., OpenVocabulary], folder: Path, tmp_path: Path) -> None:
    import shutil

    import torch

    shutil.copytree(folder / "detector", tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    sample = moving(size=64)
    with pytest.raises(DetectionError, match="cannot load detector"):
        make(detector=str(tmp_path / "pickled")).detect(sample.source, sample.intrinsics, ["mug"])


def test_the_version_names_what_was_pinned() -> None:
    pinned = OpenVocabulary(detector_revision="abc", threshold=0.4)
    assert "grounding-dino-base@abc" in pinned.version
    assert pinned.version != OpenVocabulary().version


def test_the_front_door(make: Callable[..., OpenVocabulary], folder: Path, tmp_path: Path) -> None:
    """Random weights find nothing of use; that is said, and nothing breaks."""
    sample = moving(size=64)
    assert sample.target is not None
    ready = make()
    observe = open_observer(
        "open_vocabulary",
        detector=ready.detector,
        segmenter=ready.segmenter,
        depth=ready.depth,
        threshold=0.0,
        shortest=128,
        cache=tmp_path,
    )
    it = observe(sample, sample.target)
    assert it.sample == sample.id
    assert it.observer.startswith("open_vocabulary")
    assert len(list(tmp_path.glob("*/*.json"))) == 3


@pytest.mark.parametrize(("height", "width"), [(128, 128), (96, 128), (128, 96), (50, 160), (37, 61)])
def test_pictures_are_prepared_as_the_models_own_processors_do(height: int, width: int) -> None:
    dino = pytest.importorskip("transformers.models.grounding_dino.image_processing_pil_grounding_dino")
    dpt = pytest.importorskip("transformers.models.dpt.image_processing_pil_dpt")
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    whole = dino.GroundingDinoImageProcessorPil(size={"shortest_edge": 80, "longest_edge": 133})
    meant = whole(picture, return_tensors="np")["pixel_values"]
    assert np.array_equal(_pixels(picture, *_detector_size(height, width, 80, 133)).numpy(), meant)
    patches = dpt.DPTImageProcessorPil(
        size={"height": 98, "width": 98},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=list(MEAN),
        image_std=list(DEVIATION),
        resample=3,
    )
    meant = patches(picture, return_tensors="np")["pixel_values"]
    assert np.array_equal(_pixels(picture, *_depth_size(height, width, 98, 14), bicubic=True).numpy(), meant)

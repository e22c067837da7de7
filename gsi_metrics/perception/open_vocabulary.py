"""A detector of parts that load with `from_pretrained`: boxes from words, masks from boxes, metric depth, lifting.

Grounding DINO (or MM Grounding DINO, LLMDet) names boxes, SAM 2 outlines them, Depth Anything V2 (metric) measures,
`lifting` fits upright boxes. Nothing is loaded before the first picture; nothing is downloaded unless asked; weights
are safetensors and no code of a repository is run. Pictures are prepared here with Pillow and numpy, as the models'
own processors do it: some of those need torchvision, which would be a large dependency for three resizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsi_metrics.perception.association import iou
from gsi_metrics.perception.detections import DetectionError, Detections, Mask
from gsi_metrics.perception.lifting import lift, support_up
from gsi_metrics.sample import Array, Picture


# Of ImageNet; all three families were trained with them.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SAME_BOX = 0.7
"""2D overlap above which two boxes are one object, the surer name being kept."""
MOST = 100
"""Boxes that are followed up in one picture."""


@dataclass
class OpenVocabulary:
    """Finds named things in a picture and lifts them into space.

    Attributes:
        detector: id on the Hub or folder of a model for `AutoModelForZeroShotObjectDetection` that is prompted with
            phrases ended by dots.
        segmenter: of a `Sam2Model`.
        depth: of a model for `AutoModelForDepthEstimation` that gives metres.
        detector_revision: commit or tag; part of the version, by which detections are kept. Give a commit.
        segmenter_revision: the same.
        depth_revision: the same.
        threshold: least score of a box.
        shortest: side to which pictures are scaled for the detector, unless `longest` forbids.
        longest: the same for the other side.
        device: of torch.
        local_files_only: False allows downloads.
    """

    detector: str = "IDEA-Research/grounding-dino-base"
    segmenter: str = "facebook/sam2.1-hiera-large"
    depth: str = "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"
    detector_revision: str = "main"
    segmenter_revision: str = "main"
    depth_revision: str = "main"
    threshold: float = 0.3
    shortest: int = 800
    longest: int = 1333
    device: str = "cpu"
    local_files_only: bool = True
    name: str = field(default="open_vocabulary", init=False)
    _parts: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def version(self) -> str:
        """All that the answer depends on besides the picture."""
        parts = ((self.detector, self.detector_revision), (self.segmenter, self.segmenter_revision))
        models = [f"{name}@{revision}" for name, revision in (*parts, (self.depth, self.depth_revision))]
        return "+".join([*models, f"{self.threshold:g}", f"{self.shortest}/{self.longest}"])

    def detect(self, image: Picture, K: Array, queries: list[str], up: Array | None = None) -> Detections:
        """See `Detector`. Without `up`, the largest support plane tells it."""
        try:
            return self._detect(image, K, queries, up)
        except (RuntimeError, ValueError) as error:
            # Of torch, e.g. out of memory; one picture less must not end the run.
            if isinstance(error, DetectionError):
                raise
            raise DetectionError(f"{self.name}: the models fail on this picture: {error}") from error

    def _detect(self, image: Picture, K: Array, queries: list[str], up: Array | None) -> Detections:
        boxes, names, scores = self._boxes(image, queries)
        depth = self._depths(image)
        masks = self._masks(image, boxes)
        level = support_up(depth, K) if up is None else up
        objects = []
        for box, name, score, mask in zip(boxes, names, scores, masks, strict=True):
            lifted = lift(mask, depth, K, level)
            if lifted is not None:
                objects.append(
                    {
                        "category": name,
                        "score": float(score),
                        "bbox_2d": box.tolist(),
                        "centre": lifted.centre,
                        "size": lifted.size,
                        "rotation": lifted.rotation,
                        "mask": Mask.encode(mask),
                    }
                )
        return Detections.model_validate(
            {
                "height": image.shape[0],
                "width": image.shape[1],
                "intrinsics": K,
                "objects": objects,
                "observer": self.name,
                "version": self.version,
                "yaw_period": math.pi / 2,
            }
        )

    def _boxes(self, image: Picture, queries: list[str]) -> tuple[Array, list[str], Array]:
        """(N, 4) pixels, names and (N,) scores of what the words name; each object once."""
        import torch

        model = self._load("detector")
        tokenizer = self._load("tokenizer")
        phrases = [" ".join(query.lower().replace(".", " ").split()) for query in queries]
        prompts = _prompts(tokenizer, [phrase for phrase in phrases if phrase], int(model.config.max_text_len))
        height, width = image.shape[:2]
        pixels = _pixels(image, *_detector_size(height, width, self.shortest, self.longest)).to(self.device)
        boxes, scores, names = [np.zeros((0, 4))], [np.zeros(0)], []
        for prompt in prompts:
            text = tokenizer(_said(prompt), return_tensors="pt", return_offsets_mapping=True)
            spans = _spans(prompt, text.pop("offset_mapping")[0].tolist())
            with torch.inference_mode():
                out = model(pixel_values=pixels, **{key: value.to(self.device) for key, value in text.items()})
            chances = out.logits[0].sigmoid().float().cpu().numpy()
            # A phrase is as likely as its words are on average.
            each = np.stack([chances[:, span].mean(1) for span in spans], axis=1)
            keep = each.max(1) >= self.threshold
            centre, size = np.split(out.pred_boxes[0].float().cpu().numpy().astype(np.float64)[keep], 2, axis=1)
            boxes.append(
                np.concatenate([centre - size / 2, centre + size / 2], axis=1) * [width, height, width, height]
            )
            scores.append(each[keep].max(1))
            names += [prompt[k] for k in each[keep].argmax(1)]
        found, sure = np.concatenate(boxes), np.concatenate(scores)
        found = found.clip(0, [width, height, width, height])
        kept = _apart(found, sure)
        return found[kept], [names[k] for k in kept], sure[kept]

    def _masks(self, image: Picture, boxes: Array) -> list[NDArray[np.bool_]]:
        """(H, W) silhouettes of what is in (N, 4) boxes."""
        import torch

        if len(boxes) == 0:
            return []
        model = self._load("segmenter")
        height, width = image.shape[:2]
        side = int(model.config.prompt_encoder_config.image_size)
        # SAM 2 sees a square, whatever the shape of the picture.
        scaled = torch.tensor(boxes / [width, height, width, height] * side, dtype=torch.float32)[None]
        with torch.inference_mode():
            out = model(
                pixel_values=_pixels(image, side, side).to(self.device),
                input_boxes=scaled.to(self.device),
                multimask_output=False,
            )
            large = torch.nn.functional.interpolate(out.pred_masks[0].float(), (height, width), mode="bilinear")
        return list((large[:, 0] > 0).cpu().numpy())

    def _depths(self, image: Picture) -> NDArray[np.float32]:
        """(H, W) metres along the optical axis."""
        import torch

        model = self._load("depth")
        if getattr(model.config, "depth_estimation_type", "metric") != "metric":
            raise DetectionError(f"{self.name}: {self.depth} gives relative depth; choose a metric model")
        patch, side = int(model.config.patch_size), int(model.config.backbone_config.image_size)
        height, width = image.shape[:2]
        pixels = _pixels(image, *_depth_size(height, width, side, patch), bicubic=True).to(self.device)
        with torch.inference_mode():
            out = model(pixel_values=pixels).predicted_depth
            full = torch.nn.functional.interpolate(out[:, None].float(), (height, width), mode="bilinear")
        return np.asarray(full[0, 0].cpu().numpy(), dtype=np.float32).clip(0)

    def _load(self, part: str) -> Any:
        """A part, loaded when it is first needed.

        Raises:
            DetectionError: it is not on this machine, or not in the safetensors format.
        """
        if part in self._parts:
            return self._parts[part]
        try:
            import transformers
        except ImportError as error:
            raise DetectionError(
                f"{self.name} needs transformers and torch: pip install transformers torch"
            ) from error
        source = "detector" if part == "tokenizer" else part
        model_id = getattr(self, source)
        options = {
            "revision": getattr(self, f"{source}_revision"),
            "local_files_only": self.local_files_only,
            "trust_remote_code": False,
        }
        try:
            if part == "tokenizer":
                loaded: Any = transformers.AutoTokenizer.from_pretrained(model_id, **options)
            else:
                kind: Any = {
                    "detector": transformers.AutoModelForZeroShotObjectDetection,
                    "segmenter": transformers.Sam2Model,
                    "depth": transformers.AutoModelForDepthEstimation,
                }[part]
                loaded = kind.from_pretrained(model_id, use_safetensors=True, **options).eval().to(self.device)
        except (OSError, ValueError) as error:
            hint = "; pass local_files_only=False to download it" if self.local_files_only else ""
            raise DetectionError(f"{self.name}: cannot load {part} {model_id}{hint} ({error})") from error
        self._parts[part] = loaded
        return loaded


def _said(phrases: list[str]) -> str:
    return " ".join(f"{phrase} ." for phrase in phrases)


def _prompts(tokenizer: Any, phrases: list[str], longest: int) -> list[list[str]]:
    """The phrases in as few prompts as the text encoder's length allows."""
    if not phrases:
        return []
    if len(phrases) == 1 or len(tokenizer(_said(phrases))["input_ids"]) <= longest:
        return [phrases]
    half = len(phrases) // 2
    return _prompts(tokenizer, phrases[:half], longest) + _prompts(tokenizer, phrases[half:], longest)


def _spans(phrases: list[str], offsets: list[list[int]]) -> list[list[int]]:
    """Which tokens are of which phrase, from where they stand in the prompt."""
    spans, start = [], 0
    for phrase in phrases:
        end = start + len(phrase)
        spans.append([k for k, (a, b) in enumerate(offsets) if start <= a < b <= end])
        start = end + len(" . ")
    return spans


def _apart(boxes: Array, scores: Array) -> list[int]:
    """Which boxes to keep, surest first: those with an area that overlap no surer one much."""
    kept: list[int] = []
    for k in np.argsort(-scores, kind="stable").tolist():
        left, top, right, bottom = boxes[k]
        if right - left < 1 or bottom - top < 1 or len(kept) == MOST:
            continue
        if all(iou(tuple(boxes[k]), tuple(boxes[other])) < SAME_BOX for other in kept):
            kept.append(k)
    return kept


def _detector_size(height: int, width: int, shortest: int, longest: int) -> tuple[int, int]:
    """Of the picture that Grounding DINO sees."""
    scale = min(shortest / min(height, width), longest / max(height, width))
    # The shorter side is rounded and the longer cut; a hair more keeps exact products whole.
    short, long = round(min(height, width) * scale), int(max(height, width) * scale + 1e-6)
    return (short, long) if height <= width else (long, short)


def _depth_size(height: int, width: int, side: int, patch: int) -> tuple[int, int]:
    """Of the picture that Depth Anything sees: one side fits, that which changes less; both are whole patches."""
    scale = min((side / height, side / width), key=lambda factor: abs(1 - factor))
    rows, columns = (max(1, round(length * scale / patch)) * patch for length in (height, width))
    return rows, columns


def _pixels(image: Picture, height: int, width: int, bicubic: bool = False) -> Any:
    """(1, 3, height, width) float32 tensor, resized and normalised."""
    import torch
    from PIL import Image

    how = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    resized = np.asarray(Image.fromarray(image).resize((width, height), how), dtype=np.float32)
    normal = (resized / 255 - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))[None]

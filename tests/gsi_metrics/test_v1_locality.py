"""What of the recorded localities does not need LPIPS, so that it is tested everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from gsi_metrics.conform import MSE, SSIM
from gsi_metrics.protocols.v1.formats import Detection, Edit
from gsi_metrics.protocols.v1.locality import compare, localities, view_score
from gsi_metrics.protocols.v1.operations import origin_box
from gsi_metrics.protocols.v1.pictures import compared_pixels, load, new_box, process
from tests.gsi_metrics.v1 import VECTORS, Blind, cases


@pytest.mark.parametrize("case", cases("locality"), ids=lambda case: case["tag"])
def test_ssim_mse_and_mask(case: dict) -> None:
    given, expected = case["input"], case["expected"]["value"]
    edit = Edit.model_validate(given["edit"])
    origin, new = (
        [Detection.model_validate(item) for item in given[name]] for name in ("origin_detections", "new_detections")
    )
    original, edited = (load(VECTORS / given[name]) for name in ("original", "edited"))
    mask = compared_pixels(process(original).shape[:2], [origin_box(edit, origin), new_box(edit, new)])
    assert mask.sum() == expected["evaluated_pixels"]
    found = localities(original, [edited], [mask], Blind())[0]
    assert SSIM.holds(float(expected["ssim"]), found.ssim)
    assert MSE.holds(float(expected["mse"]), found.mse)
    assert found.lpips == 0


def test_several_edits_at_once_score_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    first, *others = (rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(4))
    masks = [rng.random((40, 50)) < 0.5 for _ in others]
    together = compare(first, others, masks, Blind())
    alone = [compare(first, [other], [mask], Blind())[0] for other, mask in zip(others, masks, strict=True)]
    assert together == alone


def test_view_needs_pictures_of_one_size() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert view_score(picture, picture, Blind()) == pytest.approx(1)
    with pytest.raises(ValueError, match="true result"):
        view_score(picture, picture[:30], Blind())

"""What the tests of the published protocol share."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gsi_metrics.lpips_weights import weights_path


if TYPE_CHECKING:
    import torch

VECTORS = Path(__file__).parents[1] / "data" / "v1"
# LPIPS needs 10 MB of trained weights that are not in the repository and that no test may fetch: tests run without
# network. `gsi-bench install lpips` brings them; all that can be tested without them is tested without.
needs_weights = pytest.mark.skipif(
    not weights_path().is_file(), reason="the weights of LPIPS are not in the cache and tests fetch nothing"
)
NEED_WEIGHTS = {"locality", "eval_view", "masked_metrics", "lpips_standard"}


def cases(kind: str) -> list[dict[str, Any]]:
    """The stored cases of one kind."""
    files = sorted(VECTORS.glob("*.jsonl.gz"))
    lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [case for case in map(json.loads, lines) if case["kind"] == kind]


class Blind:
    """Stands in for LPIPS: sees no difference between any pictures."""

    def features(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        return [pictures]

    def map(self, first: list[torch.Tensor], second: list[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        import torch

        return torch.zeros(len(second[0]), *size)

"""What a page counts: of the whole data set where its manifest is given, of what is shown where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gsi_datasets.gallery.facts import read_json
from gsi_datasets.record import Rejection
from gsi_datasets.schema import EditRow
from gsi_datasets.storage import Manifest


@dataclass(frozen=True)
class Tally:
    """Numbers and names of a data set.

    Attributes:
        accepted: operation -> triplets kept.
        rejected: (operation, reason) -> candidates that were not; operation is empty for whole scenes.
        scenes: how many were tried, or are shown.
        config: name of the spec.
        split: name of the split.
        facts: what made it, in words, to show as they are.
        credits: assets with author, licence and source.
    """

    accepted: Mapping[str, int]
    rejected: Mapping[tuple[str, str], int]
    scenes: int
    config: str = ""
    split: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    credits: Sequence[Mapping[str, str]] = ()

    @property
    def kept(self) -> int:
        """All triplets."""
        return sum(self.accepted.values())

    @property
    def lost(self) -> int:
        """All candidates that were not kept."""
        return sum(self.rejected.values())

    @classmethod
    def of(cls, manifest: Manifest | None, rows: Sequence[EditRow], rejections: Sequence[Rejection]) -> Tally:
        """Count from the manifest, or from what is shown."""
        provenance = read_json(rows[0].provenance) if rows else {}
        versions = provenance.get("versions", {}) if isinstance(provenance, dict) else {}
        if manifest is None:
            return cls(
                Counter(row.operation for row in rows),
                Counter((item.operation, item.reason) for item in rejections),
                len({row.scene for row in rows}),
                facts=versions,
            )
        rejected = {
            ("" if operation == "scene" else operation, reason): count
            for operation, reasons in manifest.rejected.items()
            for reason, count in reasons.items()
        }
        facts = {
            "data version": manifest.version,
            "seed": str(manifest.spec.get("seed", "")),
            "spec": manifest.digest,
            "renderer": manifest.renderer,
        }
        return cls(
            manifest.counts,
            rejected,
            manifest.scenes,
            manifest.config,
            manifest.split,
            facts | versions,
            [credit.model_dump() for credit in manifest.credits],
        )

"""What a build says when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gsi_datasets.storage import Manifest


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        manifest: what stands in the folder now: counts, rejections, files.
        paths: the shards, then the manifest.
        seconds: wall time of this run.
        profile: seconds per step, summed over all scenes, those of earlier runs included.
        made: scenes that were made in this run; the others were staged before.
        finished_before: whether there was nothing to do.
    """

    manifest: Manifest
    paths: list[Path]
    seconds: float
    profile: Mapping[str, float] = field(default_factory=dict)
    made: int = 0
    finished_before: bool = False

    @property
    def rows(self) -> int:
        """How many triplets there are."""
        return self.manifest.rows

    def summary(self) -> str:
        """Counts, reasons of rejection and time per step, as a table."""
        it = self.manifest
        size = sum(file.bytes for file in it.files) / 1e6
        lines = [f"{it.config}/{it.split}: {it.rows} triplets from {it.scenes} scenes, {size:.0f} MB"]
        if self.finished_before:
            return f"{lines[0]}; complete already, nothing to do"
        speed = f" ({3600 * self.made / self.seconds:.0f} scenes/h)" if self.made else ""
        lines[0] += f", {self.made} scenes made in {self.seconds:.0f} s{speed}"
        lines.append(f"{'':<7}{'kept':>7}{'rejected':>10}  reasons")
        for name in [*it.counts, *(name for name in it.rejected if name not in it.counts)]:
            reasons = it.rejected.get(name, {})
            kept = it.counts.get(name, "")
            words = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            lines.append(f"{name:<7}{kept:>7}{sum(reasons.values()):>10}  {words}".rstrip())
        steps = sorted(self.profile.items(), key=lambda item: -item[1])
        if steps and it.scenes:
            lines.append("seconds per scene: " + ", ".join(f"{name} {t / it.scenes:.2f}" for name, t in steps))
        return "\n".join(lines)

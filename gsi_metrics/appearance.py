"""Appearance consistency (AC) of `gsi-bench-v2`: is it the same object as before?"""

from __future__ import annotations

from gsi_metrics.measurement import Measurement
from gsi_metrics.sample import Sample


# Likeness that another object of the same kind reaches, and that a re-encoded true result reaches.
DIFFERENT, SAME = 0.0, 1.0


def appearance(
    sample: Sample, measurement: Measurement, judged: float | None = None, unjudged: str | None = None
) -> tuple[float | None, str | None]:
    """Scores the look of the target after the edit.

    Args:
        sample: the row.
        measurement: what happened; its `likeness` compares the target before and after, aligned.
        judged: verdict of a judge in [0, 1]; it is taken if there is one, for it also knows what a likeness cannot:
            whether an unseen side looks plausible.
        unjudged: why a judge that was asked gave no verdict; then AC is unscored, not measured by another yardstick.

    Returns:
        AC in [0, 1], or None and why it is unscored.

    Raises:
        ValueError: the verdict lies outside [0, 1].
    """
    if sample.operation == "SR":
        return None, "nothing is left to compare after a removal"
    if unjudged is not None:
        return None, unjudged
    if judged is not None:
        if not 0 <= judged <= 1:
            raise ValueError(f"row {sample.id}: the judge's verdict is {judged}; rescale it to [0, 1]")
        return judged, None
    if measurement.cause is not None:
        return None, measurement.cause
    if measurement.found is False:
        # Not a missing measurement: an object that is gone has not kept its looks.
        return 0.0, None
    return min(max((measurement.likeness - DIFFERENT) / (SAME - DIFFERENT), 0.0), 1.0), None

"""Measures an edit from its pixels, by analysis by synthesis and without a detector.

A row knows what the scene looked like and, in metres, where everything was. So the target's known surface is carried
through hypothesised motions - another place, a turn, another size - drawn over the scene without it, and compared with
the edited picture; the motion that explains most wins. Camera moves are estimated from points of known depth.
"""

from __future__ import annotations

from gsi_metrics.measurement import Measurement
from gsi_metrics.sample import Picture, Sample


def measure(sample: Sample, edited: Picture) -> Measurement:
    """What happened between a row's source and an edited picture. Deterministic.

    The requested motion is one of the starts of the search, which looks everywhere else as well. Of the true result,
    if the row has one, the looks and the shape of the target are used, carried back to where it stood before.

    Args:
        sample: the row.
        edited: (h, w, 3) RGB; another size of the same shape is resized.

    Returns:
        The measurement; its `cause` says why, if nothing could be measured.
    """
    from gsi_metrics.perception.registration.camera import measure_camera
    from gsi_metrics.perception.registration.evidence import fit_size
    from gsi_metrics.perception.registration.objects import OBSERVER, measure_objects

    fitted = fit_size(edited, sample.size)
    if fitted is None:
        cause = (
            f"the picture is {edited.shape[1]} x {edited.shape[0]}, the source {sample.size[1]} x {sample.size[0]}: "
            "not the same view at another size"
        )
        return Measurement(sample.id, OBSERVER, cause=cause)
    return measure_camera(sample, fitted) if sample.operation == "PC" else measure_objects(sample, fitted)


__all__ = ["measure"]

"""Edit Locality as an `evaluate` module; `gsi_metrics.load("edit_locality")` finds it offline."""

import evaluate

import gsi_metrics.module


DESCRIPTION = """\
Edit Locality: is everything else as it was? Structure and colour of all pixels outside the object's places,
compared with the source at its own resolution, or with the true result where the edit changes light and shadow.
Global colour shifts of a codec are taken out; the other objects weigh as much as the background.
"""


class EditLocality(gsi_metrics.module.OnRows, evaluate.Metric):
    """Edit Locality: is everything else as it was?"""

    metric = "el"
    description = DESCRIPTION

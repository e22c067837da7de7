"""Edit Locality as an `evaluate` module; `gsi_metrics.load("edit_locality")` finds it offline."""

import evaluate


try:
    # Indented: `evaluate` would ask for an unindented import by its name, which is not that of the package.
    import gsi_metrics.module
except ImportError as error:
    raise ImportError(f"{error}; this metric needs its package: pip install 'gsi-bench[metrics]'") from error


DESCRIPTION = """\
Edit Locality: is everything else as it was? Structure and colour of all pixels outside the object's places,
compared with the source at its own resolution, or with the true result where the edit changes light and shadow.
Global colour shifts of a codec are taken out; the other objects weigh as much as the background.
"""


class EditLocality(gsi_metrics.module.OnRows, evaluate.Metric):
    """Edit Locality: is everything else as it was?"""

    metric = "el"
    description = DESCRIPTION

"""Spatial Accuracy as an `evaluate` module; `gsi_metrics.load("spatial_accuracy")` finds it offline."""

import evaluate


try:
    # Indented: `evaluate` would ask for an unindented import by its name, which is not that of the package.
    import gsi_metrics.module
except ImportError as error:
    raise ImportError(f"{error}; this metric needs its package: pip install 'gsi-bench[metrics]'") from error


DESCRIPTION = """\
Spatial Accuracy: how exactly was the edit done? How much better than doing nothing: `(n - f - e) / (n - 2f)`,
clipped to [0, 1], of the error `e` of the edit, the error `n` of doing nothing and the observer's noise floor
`f`, in metres, radians or logarithm of a ratio. Perfect is 1, doing nothing 0, half of a move 0.5, the opposite
0.
"""


class SpatialAccuracy(gsi_metrics.module.OnRows, evaluate.Metric):
    """Spatial Accuracy: how exactly was the edit done?"""

    metric = "sa"
    description = DESCRIPTION

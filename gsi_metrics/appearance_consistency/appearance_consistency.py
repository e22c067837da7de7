"""Appearance Consistency as an `evaluate` module; `gsi_metrics.load("appearance_consistency")` finds it offline."""

import evaluate


try:
    # Indented: `evaluate` would ask for an unindented import by its name, which is not that of the package.
    import gsi_metrics.module
except ImportError as error:
    raise ImportError(f"{error}; this metric needs its package: pip install 'gsi-bench[metrics]'") from error


DESCRIPTION = """\
Appearance Consistency: is it still the same object? How like itself the object looks after the edit, aligned by
its measured motion; or, if one is asked, what a multimodal model says of its shape, material, texture and
markings.
"""


class AppearanceConsistency(gsi_metrics.module.OnRows, evaluate.Metric):
    """Appearance Consistency: is it still the same object?"""

    metric = "ac"
    description = DESCRIPTION

"""Instruction Compliance as an `evaluate` module; `gsi_metrics.load("instruction_compliance")` finds it offline."""

import evaluate


try:
    # Indented: `evaluate` would ask for an unindented import by its name, which is not that of the package.
    import gsi_metrics.module
except ImportError as error:
    raise ImportError(f"{error}; this metric needs its package: pip install 'gsi-bench[metrics]'") from error


DESCRIPTION = """\
Instruction Compliance: was the edit done, the right way, to the right object, and nothing else? The share of
edits without a fault: the request is met within a stated tolerance (25 % of the distance, turn or ratio, in the
right direction), the object is there once and has left its old place, nothing of it changed that was not asked
for, and every other object stays.
"""


class InstructionCompliance(gsi_metrics.module.OnRows, evaluate.Metric):
    """Instruction Compliance: was the edit done, the right way, to the right object, and nothing else?"""

    metric = "ic"
    description = DESCRIPTION

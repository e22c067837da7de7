"""How edits are scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import evaluate

MODULES = ("instruction_compliance", "spatial_accuracy", "edit_locality", "appearance_consistency")


def load(name: str, /, **options: Any) -> evaluate.EvaluationModule:
    """One of our metrics as an `evaluate` module, from this installation, offline.

    Args:
        name: one of `MODULES`.
        options: of the metric (see its card: `data`, `config`, `split`, `protocol`, ...) and of `evaluate.load`.

    Raises:
        ValueError: there is no such metric.
        ImportError: `evaluate` is not installed.
    """
    if name not in MODULES:
        raise ValueError(f"no metric named {name!r}; there are {', '.join(MODULES)}")
    from pathlib import Path

    try:
        import evaluate
    except ImportError as error:
        raise ImportError(f"{error}; pip install 'gsi-bench[metrics]'") from error
    return evaluate.load(str(Path(__file__).with_name(name) / f"{name}.py"), **options)

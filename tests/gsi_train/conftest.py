"""Leaves out, and says so, what only torch and transformers can run: the extra `dev` does without them."""

from __future__ import annotations

from importlib.util import find_spec


NEEDED = ("torch", "transformers", "safetensors", "diffusers", "peft")
MISSING = [name for name in NEEDED if not find_spec(name)]
collect_ignore_glob = ["*"] if MISSING else []


def pytest_report_header() -> str | None:
    """One line at the top of the run."""
    if not MISSING:
        return None
    return f"{', '.join(MISSING)} not installed: tests of gsi_train left out (pip install 'gsi-bench[train]')"

"""Leaves out, and says so, what only torch can run: it is no small download, so the extra `dev` does without."""

from __future__ import annotations

from importlib.util import find_spec


NEED_TORCH = [
    "test_conform.py",
    "test_lpips.py",
    "test_v1_driver.py",
    "test_v1_locality.py",
    "test_v1_pictures.py",
    "test_v1_vectors.py",
]
collect_ignore = [] if find_spec("torch") else NEED_TORCH


def pytest_report_header() -> str | None:
    """One line at the top of the run."""
    if not collect_ignore:
        return None
    return f"torch is not installed: {len(NEED_TORCH)} files of gsi_metrics left out (pip install 'gsi-bench[v1]')"

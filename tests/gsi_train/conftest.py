"""Leaves out, and says so, what only torch and transformers can run: the extra `dev` does without them."""

from __future__ import annotations

from importlib.util import find_spec

import datasets
import pytest


NEEDED = ("torch", "transformers", "safetensors", "diffusers", "peft", "accelerate", "trl")
MISSING = [name for name in NEEDED if not find_spec(name)]
collect_ignore_glob = ["*"] if MISSING else []


def pytest_report_header() -> str | None:
    """One line at the top of the run."""
    if not MISSING:
        return None
    return f"{', '.join(MISSING)} not installed: tests of gsi_train left out (pip install 'gsi-bench[train]')"


@pytest.fixture(autouse=True)
def _streams_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits five seconds at every end of a stream, here after every few rows."""
    monkeypatch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)

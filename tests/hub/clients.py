"""Python processes that know the loopback Hub; the clients' constants are read when they are imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.hub import stub


ROOT = Path(__file__).parents[2]


def client(server: stub.Hub, home: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python against the Hub.

    Args:
        server: the Hub.
        home: folder for the caches of the clients.
        command: arguments of Python.
        variables: of the environment; an empty one is taken away.
    """
    home.mkdir(parents=True, exist_ok=True)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    # `evaluate` would tell another server which metrics are loaded.
    own = {"PYTHONPATH": str(ROOT), "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    environment = inherited | server.environment(home) | own | variables
    return subprocess.run(
        [sys.executable, *command],
        env={key: value for key, value in environment.items() if value},
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )

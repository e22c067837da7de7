"""The commands of `gsi-bench` that train and run models. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


class MissingPackageError(RuntimeError):
    """A package that a command needs is not installed."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(f"{error}; this command needs more packages: pip install 'gsi-bench[train]'")


def add(commands: Any, conform: Any) -> None:
    """Add the sub-commands.

    Args:
        commands: what `ArgumentParser.add_subparsers` gave.
        conform: the sub-commands of `gsi-bench conform`.
    """
    _add_conform(conform)


def _add_conform(conform: Any) -> None:
    bagel = conform.add_parser(
        "bagel",
        help="BAGEL: training and inference of its released implementation",
        description="Run recorded batches, edits and answers of a tiny BAGEL and compare packs, masks, states, "
        "losses, gradients and pictures with what the released implementation gave.",
    )
    bagel.add_argument("folder", type=Path, help="a folder in the golden format (tests/data/bagel is one)")
    bagel.set_defaults(run=_conform)


def _conform(options: argparse.Namespace) -> int:
    try:
        from gsi_train.conform import run
    except ImportError as error:
        raise MissingPackageError(error) from error
    return run(options.folder)

"""`gsi-bench publish`: says what would go to the Hub and, with --yes, sends it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any


NOTHING_SENT = "nothing was sent; next:  add --yes (the token is read from HF_TOKEN, or of `hf auth login`)"


def add(commands: Any) -> Any:
    """Add the command.

    Args:
        commands: what `ArgumentParser.add_subparsers` gave.

    Returns:
        Its sub-commands, where other packages add what they publish.
    """
    publish = commands.add_parser(
        "publish",
        help="bring data sets, metrics and models to the Hugging Face Hub (says first what would go)",
        description="Publish to the Hub, in one commit and with a tag for the version. Without --yes it only says "
        "what would go. The same again sends nothing; a run that was cut off is finished by the same command.",
    )
    kinds = publish.add_subparsers(title="what to publish", metavar="", required=True)
    dataset = kinds.add_parser("dataset", help="a built folder", description="Publish a built folder as a data set.")
    dataset.add_argument("folder", type=Path, help="a built repository folder")
    dataset.add_argument("--repo", required=True, help="e.g. your-org/gsi-bench")
    add_switches(dataset)
    dataset.set_defaults(run=_dataset)
    return kinds


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Options that all kinds have."""
    parser.add_argument("--yes", action="store_true", help="really send it")
    parser.add_argument("--public", action="store_true", help="make a new repository public (default: private)")


def show(publications: Iterable[object], *, sent: bool, card: str = "") -> int:
    """Print what goes or went to the Hub.

    Args:
        publications: one a repository.
        sent: whether it went.
        card: text to look at before it goes.
    """
    print("\n\n".join(str(item) for item in publications))
    if not sent:
        if card:
            print(f"\nREADME.md:\n\n{card}")
        print(f"\n{NOTHING_SENT}")
    return 0


def _dataset(options: argparse.Namespace) -> int:
    from gsi_datasets import hub

    result = hub.publish(options.folder, options.repo, private=not options.public, dry_run=not options.yes)
    return show([result], sent=options.yes, card=result.card)

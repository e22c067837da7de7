"""`gsi-bench publish`: says what would go to the Hub and, with --yes, sends it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
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


def show(publications: Iterable[object], *, sent: bool, card: str = "", notes: Sequence[str] = ()) -> int:
    """Print what goes or went to the Hub.

    Args:
        publications: one a repository.
        sent: whether it went.
        card: text to look at before it goes.
        notes: lines that come last, where they are seen.
    """
    print("\n\n".join(str(item) for item in publications))
    if card and not sent:
        # The types of all columns of all configs are hundreds of lines that nobody edits or checks.
        short = re.sub(r"^dataset_info:\n(?:(?:- | ).*\n)+", "dataset_info: ...\n", card, flags=re.MULTILINE)
        print(f"\nREADME.md, the card{' (without dataset_info)' if short != card else ''}:\n\n{short.rstrip()}")
    if notes:
        print("\n" + "\n".join(notes))
    if not sent:
        print(f"\n{NOTHING_SENT}")
    return 0


def _dataset(options: argparse.Namespace) -> int:
    from gsi_datasets import hub

    result = hub.publish(options.folder, options.repo, private=not options.public, dry_run=not options.yes)
    notes = list(result.notes)
    if options.yes:
        config = min(path.split("/")[0] for path in result.files if path.endswith(".parquet"))
        notes.append(f'next:  load_dataset("{options.repo}", "{config}", revision="{result.tag}")')
    else:
        new = "public" if options.public else "private (--public makes it public)"
        notes.append(
            f"a repository that does not exist yet would be {new}; of one that does, only what differs is sent"
        )
    return show([result], sent=options.yes, card=result.card, notes=notes)

"""``gsi-bench gate``: a multimodal model checks the rows of a built folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the sub-command to what `ArgumentParser.add_subparsers` gave."""
    gate = commands.add_parser(
        "gate",
        help="let a multimodal model check the rows of a built folder",
        description="Ask a multimodal model about every row (is the edit right, plausible, visible, unambiguous?) and "
        "write the rows that pass into another folder. The others are kept with their cause, to look at with "
        "`gsi-bench show`. Rows without a usable answer pass and are counted. Answers are kept in OUT/.gate: a killed "
        "run asks only the rest. Candidates that `build --keep-rejects` kept are asked about too, to see whether "
        "model and rules agree.",
    )
    gate.add_argument("folder", type=Path, help="a built folder")
    gate.add_argument("--config", help="which config (default: the only one)")
    gate.add_argument("--split", default="test", help="which split (default: %(default)s)")
    gate.add_argument("--model", required=True, help="as the server calls it, e.g. Qwen/Qwen3-VL-30B-A3B-Instruct")
    gate.add_argument("--url", help="OpenAI-compatible server, e.g. http://localhost:8000/v1 (default: Hub providers)")
    gate.add_argument("--key", metavar="VARIABLE", help="environment variable that holds the server's key")
    gate.add_argument("--out", type=Path, help="folder for what passes (default: FOLDER-gated)")
    gate.add_argument("--workers", type=int, default=4, help="requests at a time (default: %(default)s)")
    gate.add_argument("--limit", type=int, help="ask about the first rows only, and write nothing")
    gate.add_argument("--dry-run", action="store_true", help="only say how many requests there would be")
    gate.add_argument("--strict", action="store_true", help="exit with 1 if a row got no verdict")
    gate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run it; gives the exit code."""
    from gsi_datasets.gate import GateError, gate
    from gsi_datasets.mllm import Endpoint, HubProvider
    from gsi_datasets.reading import only_config
    from gsi_datasets.storage import manifest_path, read_manifest

    config = options.config or only_config(options.folder)
    manifest = read_manifest(manifest_path(options.folder, config, options.split))
    out = options.out or options.folder.with_name(f"{options.folder.resolve().name}-gated")
    if options.workers < 1 or (options.limit is not None and options.limit < 1):
        raise GateError("--workers, --limit: must be at least 1")
    count = manifest.rows if options.limit is None else min(options.limit, manifest.rows)
    print(
        f"{config}/{options.split}: {count} rows to ask {options.model} about, each with up to four pictures (and as"
    )
    print(
        "many candidates that the rules rejected, if they were kept; a request that fails is tried up to four times)"
    )
    if options.dry_run:
        print("\nnothing was asked; next:  leave out --dry-run")
        return 0
    try:
        if options.url:
            client: Endpoint | HubProvider = Endpoint(options.url, options.model, options.key)
        else:
            client = HubProvider(options.model, **({"key_variable": options.key} if options.key else {}))
    except ValueError as error:
        raise GateError(f"--url, --key: {error}") from error
    report = gate(options.folder, config, options.split, client, out, workers=options.workers, limit=options.limit)
    print(report.summary())
    if report.manifest is not None:
        print(f"\n{report.manifest.rows} of {manifest.rows} rows pass: {out}")
        print(f"\nnext:  gsi-bench show {out} --config {config} --split {options.split}     # the rejected ones too")
    unjudged = sum(count for (_, outcome), count in report.verdicts.items() if outcome == "unjudged")
    return int(bool(options.strict and unjudged))

"""The commands of `gsi-bench` that score. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsi_metrics.official import command as exchange


if TYPE_CHECKING:
    from gsi_metrics.scoring import Summary

SHOWN = 8
"""Problems that are printed; all are in `problems.txt`."""


def add(commands: Any) -> Any:
    """Add the sub-commands.

    Args:
        commands: what `ArgumentParser.add_subparsers` gave.

    Returns:
        The sub-commands of `conform`, where other packages add what they can prove.
    """
    _add_score(commands)
    _add_report(commands)
    conform = commands.add_parser(
        "conform",
        help="prove that what was published is reproduced",
        description="Run recorded cases of what was published and print every mismatch; 1 on any.",
    )
    kinds = conform.add_subparsers(title="what to check", metavar="", required=True)
    metrics = kinds.add_parser("metrics", help="the metrics of gsi-bench-v1", description="Check the metrics.")
    metrics.add_argument("folder", type=Path, help="a folder of recorded cases (*.jsonl.gz, pipeline/)")
    metrics.set_defaults(run=_conform)
    _add_validity(commands)
    exchange.add(commands)
    return kinds


def add_publish(kinds: Any) -> None:
    """Add what this package publishes.

    Args:
        kinds: the sub-commands of `gsi-bench publish`.
    """
    from gsi_datasets.publishing.command import add_switches

    metrics = kinds.add_parser(
        "metrics",
        help="the four metrics, as Spaces",
        description='Publish the four metrics as static Spaces, for evaluate.load("ORG/spatial_accuracy").',
    )
    metrics.add_argument("--org", required=True, help="owner of the Spaces")
    add_switches(metrics)
    metrics.set_defaults(run=_publish)


def _add_score(commands: Any) -> None:
    score = commands.add_parser(
        "score",
        help="score a folder of edited pictures",
        description="Score a folder of edited pictures, named by the ids of the rows (<id>.png). A killed run goes on "
        "where it was. Bad inputs are listed and the rest is scored; the exit code then is 1.",
    )
    score.add_argument("edits", type=Path, help="folder of edited pictures")
    score.add_argument("--data", required=True, help="a built folder, or a name for datasets.load_dataset")
    score.add_argument("--config", help="of the data set (default: the only one)")
    score.add_argument("--split", default="test", help="of the data set (default: %(default)s)")
    score.add_argument("--out", type=Path, help="folder for the results (default: scores/<name of EDITS>)")
    score.add_argument(
        "--protocol",
        choices=("gsi-bench-v1", "gsi-bench-v2"),
        help="how to score (default: v1 where DATA has the published layout, else v2)",
    )
    score.add_argument(
        "--perception",
        default="registration",
        choices=("registration", "truth", "recorded", "open_vocabulary", "external"),
        help="who looks at the pictures (default: %(default)s, which needs no detector)",
    )
    score.add_argument("--recordings", type=Path, help="recorded detections, for --perception recorded and for v1")
    score.add_argument("--perception-command", help="program of --perception external")
    score.add_argument("--perception-url", help="server of --perception external")
    score.add_argument("--perception-cache", type=Path, help="folder that keeps what detectors said")
    score.add_argument("--judge-model", help="ask this multimodal model about appearance (AC)")
    score.add_argument("--judge-url", help="OpenAI-compatible server of the judge (default: the Hub's providers)")
    score.add_argument("--judge-key", metavar="VARIABLE", help="environment variable that holds the judge's key")
    score.add_argument("--partial", action="store_true", help="leave rows without an edited picture out")
    score.add_argument("--workers", type=int, help="processes (default: one per core, or 1 where a detector looks)")
    score.set_defaults(run=_score)


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="a page about one scored run, or a comparison of several",
        description="Write one self-contained page (HTML), its numbers (JSON) and an overview (PNG) of scored runs. "
        "With several runs the differences to the first are paired, row by row.",
    )
    report.add_argument("runs", type=Path, nargs="+", metavar="OUT", help="folders that gsi-bench score wrote")
    report.add_argument("--out", type=Path, help="folder for the page (default: the first OUT)")
    report.add_argument("--examples", type=int, default=3, help="best and worst of each operation (default: 3)")
    report.set_defaults(run=_report)


def _add_validity(commands: Any) -> None:
    validity = commands.add_parser(
        "validity",
        help="what each protocol says of edits whose truth is known",
        description="Score cheating editors and controlled errors of your rows by each protocol; tables and a plot. A "
        "killed run goes on where it was. The exit code is 1 if a target is missed.",
    )
    validity.add_argument("data", type=Path, help="a built folder")
    validity.add_argument("--config", help="of the data set (default: the only one)")
    validity.add_argument("--split", default="test", help="of the data set (default: %(default)s)")
    validity.add_argument("--out", type=Path, default=Path("validity"), help="folder (default: %(default)s)")
    validity.add_argument("--count", type=int, default=210, help="triplets (default: %(default)s)")
    validity.add_argument("--workers", type=int, help="processes (default: one per core)")
    validity.add_argument(
        "--protocols",
        nargs="+",
        choices=("v1", "v2-known", "v2"),
        default=("v1", "v2-known", "v2"),
        help="by which to score: v2-known is v2 with an observer that makes no mistake (default: all)",
    )
    validity.set_defaults(run=_validity)


def _publish(options: argparse.Namespace) -> int:
    from gsi_datasets.publishing.command import show
    from gsi_metrics.publishing import publish_metrics

    published = publish_metrics(options.org, upload=options.yes, public=options.public)
    one = published[0]
    following = f'next:  evaluate.load("{one.repo_id}", revision="{one.tag}", data="ORG/DATASET or a folder")'
    return show(published, sent=options.yes, notes=[following] if options.yes else ())


def _score(options: argparse.Namespace) -> int:
    from gsi_metrics.scoring import score_edits
    from gsi_metrics.worker import JudgeSettings, ScoringError

    judge = None
    if options.judge_model:
        judge = JudgeSettings(options.judge_model, options.judge_url, options.judge_key)
    elif options.judge_url:
        raise ScoringError("--judge-url: also name the model that the server holds, with --judge-model")
    if options.perception == "recorded" and options.recordings is None:
        raise ScoringError("--perception recorded: name the file of recorded detections, with --recordings")
    if options.perception == "external" and (options.perception_command is None) == (options.perception_url is None):
        raise ScoringError("--perception external: name either --perception-command or --perception-url")
    given = {
        "path": options.recordings,
        "command": options.perception_command,
        "url": options.perception_url,
        "cache": options.perception_cache,
    }
    out = options.out or Path("scores", options.edits.resolve().name)
    try:
        summary = score_edits(
            options.edits,
            options.data,
            out=out,
            config=options.config,
            split=options.split,
            protocol=options.protocol,
            observer=options.perception,
            options={name: value for name, value in given.items() if value is not None},
            judge=judge,
            partial=options.partial,
            workers=options.workers,
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"stopped; the same command goes on where it was ({out})") from stop
    print(_told(summary))
    print(f"\nnext:  gsi-bench report {out}")
    return 1 if summary.problems else 0


def _told(summary: Summary) -> str:
    """What came of a run: a table, what is not in it, and where it is."""
    from gsi_metrics.aggregate import METRICS, OVERALL

    lines = [f"{'':<8} {'rows':>5}  " + "".join(f"{metric.upper():<22}" for metric in METRICS)]
    for operation in sorted(summary.table, key=lambda name: (name == OVERALL, name)):
        group = summary.table[operation]
        cells = "".join(f"{_cell(group[metric]):<22}" for metric in METRICS)
        lines.append(f"{operation:<8} {group['count']:>5}  {cells}".rstrip())
    counts = summary.counts
    again = f" ({summary.again} known from an earlier run)" if summary.again else ""
    lines.append(f"\n{summary.protocol}: {counts['rows']} rows, {counts['scored']} scored{again}")
    lines += [f"{counts[state]:>6} {text}" for state, text in _STATES.items() if counts[state]]
    for metric, causes in summary.causes.items():
        lines += [f"{count:>6} without {metric.upper()}: {cause}" for cause, count in [*causes.items()][:3]]
    if summary.notes:
        lines.append(f"{len(summary.notes):>6} resized, e.g. {summary.notes[0]}")
    if summary.problems:
        lines.append(f"\n{len(summary.problems)} problems, all in {summary.out / 'problems.txt'}:")
        lines += [f"  {text}" for text in summary.problems[:SHOWN]]
        if len(summary.problems) > SHOWN:
            lines.append(f"  and {len(summary.problems) - SHOWN} more")
    lines.append(f"\nscores     {summary.out / 'scores.jsonl'}\nsummary    {summary.out / 'summary.json'}")
    return "\n".join(lines)


_STATES = {"missing": "without an edited picture", "problem": "with a bad input"}


def _cell(metric: dict[str, Any]) -> str:
    """Mean and interval, e.g. ``0.812 [0.77, 0.85]``; the scored share where it is not all."""
    if metric["mean"] is None:
        return "-"
    interval = f" [{metric['interval'][0]:.2f}, {metric['interval'][1]:.2f}]" if metric["interval"] else ""
    share = f" {metric['validity']:.0%}" if metric["validity"] < 1 else ""
    return f"{metric['mean']:.3f}{interval}{share}"


def _report(options: argparse.Namespace) -> int:
    from gsi_metrics.report import write_report

    files = write_report(options.runs, options.out, options.examples)
    print(f"page       {files.page.resolve().as_uri()}\nnumbers    {files.numbers}\noverview   {files.overview}")
    others = "" if len(options.runs) > 1 else "\n\nnext:  gsi-bench report OUT OTHER_OUT     # compares two models"
    print(f"\nopen the page in a browser{others}")
    return 0


def _conform(options: argparse.Namespace) -> int:
    from gsi_metrics.worker import ScoringError

    try:
        from gsi_metrics.conform import run
    except ImportError as error:
        raise ScoringError(f"{error}; this check needs more packages: pip install 'gsi-bench[v1]'") from error
    return run(options.folder)


def _validity(options: argparse.Namespace) -> int:
    import os

    from gsi_datasets.reading import only_config
    from gsi_metrics.worker import ScoringError

    try:
        from gsi_metrics import validity
    except ImportError as error:
        raise ScoringError(f"{error}; the study needs more packages: pip install 'gsi-bench[v1,sim]'") from error
    config = options.config or only_config(options.data)
    workers = options.workers or os.cpu_count() or 1
    return validity.run(
        options.data, config, options.split, options.out, options.count, workers, tuple(options.protocols)
    )


def install_lpips() -> int:
    """Fetch the weights that the published protocol needs, once."""
    from gsi_metrics.worker import ScoringError

    try:
        from gsi_metrics.lpips_weights import fetch_weights
    except ImportError as error:
        raise ScoringError(f"{error}; LPIPS needs more packages: pip install 'gsi-bench[v1]'") from error
    print(f"installed  {fetch_weights()}\n\nnext:  gsi-bench score EDITS --data ORIGINALS --protocol gsi-bench-v1")
    return 0

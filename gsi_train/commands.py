"""The commands of `gsi-bench` that train and run models. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from gsi_train.edit import EditSummary

SHOWN = 8
"""Problems that are printed."""


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
    _add_edit(commands)
    _add_train(commands)
    _add_conform(conform)


def add_publish(kinds: Any) -> None:
    """Add what this package publishes.

    Args:
        kinds: the sub-commands of `gsi-bench publish`.
    """
    from gsi_datasets.publishing.command import add_switches

    model = kinds.add_parser(
        "model",
        help="what gsi-bench train made",
        description="Publish a model or an adapter with card, curve, pictures and scores.",
        epilog="gsi-bench publish model RUN --repo my-org/bagel-gsi --scores scores/edits --dataset my-org/gsi-bench",
    )
    model.add_argument("folder", type=Path, help="folder of a run, or of a model or adapter itself")
    model.add_argument("--repo", required=True, help="e.g. your-org/bagel-gsi")
    model.add_argument(
        "--scores", type=Path, nargs="+", default=[], metavar="OUT", help="folders that gsi-bench score wrote"
    )
    model.add_argument("--dataset", help="repository of the data set, where it learned and was scored from a folder")
    model.add_argument("--base", help="repository of the model that it was made of, where that was a folder")
    model.add_argument("--tag", help="of this version, e.g. v1.0.0 (default: none)")
    add_switches(model)
    model.set_defaults(run=_publish)


def _add_edit(commands: Any) -> None:
    edit = commands.add_parser(
        "edit",
        help="edit every row of a data set with a BAGEL",
        description="Write <id>.png for every row of a data set, edited by its instruction. A killed run goes on "
        "where it was. Settings that are not given are the checkpoint's (released model: 50 points, text 4, image 2).",
    )
    edit.add_argument(
        "--model", required=True, help="folder of a BAGEL (ours or as released) or of a run, or a repository"
    )
    edit.add_argument("--data", required=True, help="a built folder, or a name for datasets.load_dataset")
    edit.add_argument("--config", help="of the data set (default: the only one)")
    edit.add_argument("--split", default="test", help="of the data set (default: %(default)s)")
    edit.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    edit.add_argument("--count", type=int, help="only the first rows (default: all)")
    edit.add_argument("--seed", type=int, default=42, help="of every picture (default: %(default)s)")
    edit.add_argument("--revision", help="of the Hub repository: a tag, a branch or a commit (default: the newest)")
    edit.add_argument("--adapter", help="folder of a LoRA adapter, or a Hub repository")
    edit.add_argument("--points", type=int, help="of time; one update less than that")
    edit.add_argument("--text-scale", type=float, help="how strongly the instruction guides")
    edit.add_argument("--image-scale", type=float, help="how strongly the source guides")
    edit.add_argument("--renorm", choices=("text_channel", "channel", "global"), help="how guidance is kept in bounds")
    edit.add_argument("--renorm-min", type=float, help="lower limit of its factor; 1 switches it off")
    edit.add_argument("--interval", type=float, nargs=2, metavar=("LOW", "HIGH"), help="times at which guidance acts")
    edit.add_argument("--shift", type=float, help="of times towards noise")
    edit.add_argument("--sample-latents", action="store_true", default=None, help="draw the source's latents")
    edit.add_argument("--batch", type=int, default=1, help="pictures in one go (default: %(default)s)")
    edit.add_argument("--device", help="e.g. cuda:1 (default: a GPU if there is one)")
    edit.add_argument("--dtype", choices=("bfloat16", "float32"), help="default: bfloat16 on a GPU, else as stored")
    edit.set_defaults(run=_edit)


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="fine-tune a BAGEL on triplets",
        description="Run a recipe; every field of it can be changed (field=value). A run that was cut off goes on "
        "from its last checkpoint when the same command is given again.",
        epilog="gsi-bench train --recipe tiny-cpu --data data --out run steps=400",
    )
    train.add_argument("--recipe", default="tiny-cpu", help="name of a shipped one, or a file (default: %(default)s)")
    train.add_argument("--data", required=True, help="a built folder, or a name for datasets.load_dataset")
    train.add_argument("--config", help="of the data set (default: the only one)")
    train.add_argument("--split", help="of the data set (default: what the recipe says)")
    train.add_argument("--out", required=True, help="folder for checkpoints, log, pictures and the result")
    train.add_argument(
        "--accelerate", help="several processes or machines: name of a shipped configuration of accelerate, or a file"
    )
    train.add_argument("fields", nargs="*", metavar="field=value", help="of the recipe, e.g. learning_rate=1e-5")
    train.set_defaults(run=_train)


def _add_conform(conform: Any) -> None:
    bagel = conform.add_parser(
        "bagel",
        help="BAGEL: training and inference of its released implementation",
        description="Run recorded batches, edits and answers of a tiny BAGEL and compare packs, masks, states, "
        "losses, gradients and pictures with what the released implementation gave.",
    )
    bagel.add_argument("folder", type=Path, help="a folder in the golden format (tests/data/bagel is one)")
    bagel.set_defaults(run=_conform)


def _publish(options: argparse.Namespace) -> int:
    from gsi_datasets.publishing.command import show

    try:
        from gsi_train.publishing import publish_model
    except ImportError as error:
        raise MissingPackageError(error) from error
    publication = publish_model(
        options.folder,
        options.repo,
        scores=options.scores,
        dataset=options.dataset,
        base=options.base,
        tag=options.tag,
        upload=options.yes,
        public=options.public,
    )
    revision = f" --revision {options.tag}" if options.tag else ""
    following = f"next:  gsi-bench edit --model {options.repo}{revision} --data DATA --out EDITS"
    return show([publication], sent=options.yes, card=publication.card, notes=[following] if options.yes else ())


def _edit(options: argparse.Namespace) -> int:
    try:
        import torch

        from gsi_train.bagel.editor import BagelEditor
        from gsi_train.edit import edit_rows
    except ImportError as error:
        raise MissingPackageError(error) from error
    names = ("points", "text_scale", "image_scale", "renorm", "renorm_min", "interval", "shift", "sample_latents")
    settings = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    dtype = getattr(torch, options.dtype) if options.dtype else None
    editor = BagelEditor(
        options.model,
        device=options.device,
        dtype=dtype,
        adapter=options.adapter,
        revision=options.revision,
        **settings,
    )
    try:
        summary = edit_rows(
            editor,
            options.data,
            options.out,
            config=options.config,
            split=options.split,
            seed=options.seed,
            count=options.count,
            together=options.batch,
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"stopped; the same command goes on where it was ({options.out})") from stop
    print(_told(summary))
    config = f" --config {options.config}" if options.config else ""
    partial = " --partial" if options.count else ""
    print(f"\nnext:  gsi-bench score {options.out} --data {options.data}{config} --split {options.split}{partial}")
    return 1 if summary.problems else 0


def _train(options: argparse.Namespace) -> int:
    try:
        from gsi_train.recipe import TrainingError, read_config
        from gsi_train.sft import report, train
    except ImportError as error:
        raise MissingPackageError(error) from error
    arguments = ["--config", str(_shipped("--recipe", "recipes", options.recipe)), "--data", options.data]
    arguments += ["--out", options.out]
    arguments += ["--data_config", options.config] if options.config else []
    arguments += ["--split", options.split] if options.split else []
    for field in options.fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise TrainingError(f"{field}: fields of the recipe are given as field=value")
        arguments += [f"--{name}", value]
    config = read_config(arguments)
    if options.accelerate:
        file = _shipped("--accelerate", "recipes/accelerate", options.accelerate)
        command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file)]
        return subprocess.run([*command, "-m", "gsi_train.sft", *arguments], check=False).returncode
    print(report(train(config), config))
    return 0


def _shipped(option: str, folder: str, name: str) -> Path:
    """A file that comes with the package, by name, or any other, by path."""
    here = Path(__file__).parent / folder
    for path in (here / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    from gsi_train.recipe import TrainingError

    names = ", ".join(sorted(path.stem for path in here.glob("*.yaml")))
    raise TrainingError(f"{option}: {name} is no file; shipped are {names}")


def _told(summary: EditSummary) -> str:
    """What came of a run of edits, and where it is."""
    speed = f", {summary.seconds / summary.made:.1f} s each" if summary.made else ""
    known = f" ({summary.kept} of an earlier run)" if summary.kept else ""
    lines = [f"edited     {summary.kept + summary.made} of {summary.rows} rows{known}{speed}"]
    lines.append(f"pictures   {summary.out}")
    if summary.problems:
        lines.append(f"\n{len(summary.problems)} problems:")
        lines += [f"  {text}" for text in summary.problems[:SHOWN]]
        if len(summary.problems) > SHOWN:
            lines.append(f"  and {len(summary.problems) - SHOWN} more")
    return "\n".join(lines)


def _conform(options: argparse.Namespace) -> int:
    try:
        from gsi_train.conform import run
    except ImportError as error:
        raise MissingPackageError(error) from error
    return run(options.folder)

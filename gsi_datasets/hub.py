"""A built folder meets the Hugging Face ecosystem: check it, install it under its bare name, publish it.

A built folder is a dataset repository already: shards and manifests (`gsi_datasets.storage`) and the card README.md
(`gsi_datasets.card`).
"""

from __future__ import annotations

import glob
import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gsi_datasets.card import pictures, render_card, write_card
from gsi_datasets.card_pictures import FOLDER
from gsi_datasets.handwritten import merged
from gsi_datasets.publishing.benchmark import eval_yaml
from gsi_datasets.publishing.limits import exceeded
from gsi_datasets.publishing.repository import HubError, Publication, check_name, checked_token, push
from gsi_datasets.schema import features
from gsi_datasets.storage import Manifest, StorageError, damaged, manifest_path, manifests


__all__ = ["HubError", "Publication", "install", "publish", "verify", "write_card"]

NAME = "gsi-bench"
HOMEPAGE = "https://arxiv.org/abs/2604.20570"


def verify(folder: Path) -> list[Manifest]:
    """Check that a built folder is whole.

    Returns:
        The manifests of its splits, by config and split.

    Raises:
        StorageError: if there is no finished split, a split is unfinished, or a shard is missing or altered.
    """
    found = manifests(folder)
    if not found:
        raise StorageError(f"{folder}: holds no finished split; build one first (gsi-bench build SPEC --out {folder})")
    known = {file.path for item in found for file in item.files}
    for path in sorted(folder.glob("[!.]*/*.parquet")):
        if path.relative_to(folder).as_posix() not in known:
            raise StorageError(
                f"{path}: belongs to no manifest, so its split is not finished; run the build of "
                f"{path.parent.name} again, or remove the file"
            )
    for item in found:
        if problem := damaged(folder, item):
            manifest = manifest_path(folder, item.config, item.split)
            raise StorageError(f"{problem}; remove {manifest} and build {item.config} again")
    return found


def release(found: Sequence[Manifest]) -> str:
    """The version of a folder as a whole: the highest among its splits."""
    return max((item.version for item in found), key=lambda version: tuple(map(int, version.split("."))))


def install(folder: Path, cache_dir: Path | None = None) -> list[str]:
    """Make ``load_dataset("gsi-bench", config, split=...)`` work on this machine, in any codebase, also offline.

    `datasets` falls back to its cache for a name that the Hub does not know. The folder's configs are prepared beside
    that cache and take the place of earlier installations of the same configs, each by renames: a kill leaves the old
    rows, the new ones, or for the blink between two renames none, but never half of them.

    Args:
        folder: a built folder.
        cache_dir: the cache of `datasets`; by default its own (``HF_DATASETS_CACHE``).

    Returns:
        The names of the installed configs.

    Raises:
        StorageError: if the folder is unfinished or damaged.
        HubError: if the cache cannot be written.
    """
    found = verify(folder)
    import datasets
    from filelock import FileLock

    cache = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser().absolute()
    # Not below <cache>/gsi-bench: whatever folder lies there three levels deep, `datasets` takes for an installation.
    staging = cache / f".{NAME}-installing"
    configs = sorted({item.config for item in found})
    # One version and hash for all configs: only then does `datasets` ask for a config name instead of guessing.
    place = Path(release(found), content_digest(found))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{staging}.lock"):
            shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
            try:
                staging.mkdir()
                for config in configs:
                    _prepare(folder, [item for item in found if item.config == config], staging / config)
                for config in configs:
                    _swap(staging / config, cache / NAME / config, place, staging / "old" / config)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except (OSError, datasets.exceptions.DatasetGenerationError) as error:
        raise HubError(
            f"{cache}: the datasets cache cannot be filled ({error.__cause__ or error}); free some space, make it "
            "writable, or choose another cache (cache_dir, HF_DATASETS_CACHE)"
        ) from error
    return configs


def _prepare(folder: Path, splits: Sequence[Manifest], target: Path) -> None:
    """Write the splits of one config as `datasets` keeps them in its cache."""
    import datasets
    from datasets.packaged_modules.parquet.parquet import Parquet

    config = splits[0].config
    builder = Parquet(
        cache_dir=str(target.with_name(f"{config}.work")),
        dataset_name=NAME,
        config_name=config,
        version=splits[0].version,
        data_files={
            item.split: [glob.escape(str((folder / file.path).absolute())) for file in item.files] for item in splits
        },
        info=datasets.DatasetInfo(
            license="cc-by-4.0" if splits[0].kind == "simulated" else "other", homepage=HOMEPAGE
        ),
        features=features(),
    )
    builder.download_and_prepare(str(target))


def _swap(new: Path, config: Path, place: Path, old: Path) -> None:
    """Move a prepared config into the cache and whatever else was installed of it out of the way."""
    final = config / place
    old.mkdir(parents=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        final.rename(old / "same")
    new.rename(final)
    for number, other in enumerate(sorted(config.glob("*/*"))):
        if other.is_dir() and other != final:
            other.rename(old / str(number))
    for version in config.iterdir():
        if version.is_dir() and not any(version.iterdir()):
            version.rmdir()


def content_digest(found: Sequence[Manifest]) -> str:
    """Hex digest of the rows, so that other rows are never mistaken for these by what `datasets` caches."""
    content = sorted(f"{file.path} {file.sha256}" for item in found for file in item.files)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def publish(
    folder: Path, repo_id: str, *, token: str | None = None, private: bool = True, dry_run: bool = True
) -> Publication:
    """Publish a built folder as a dataset repository: one commit, then the tag ``v<version>``; see `push`.

    The repository's shards and manifests become those of the folder, others are deleted; earlier versions stay under
    their tags.

    Args:
        folder: a built folder; its card is written anew with `repo_id` in it.
        repo_id: ``owner/name``; created if it does not exist.
        token: of the Hub; by default that of the environment or of ``hf auth login``.
        private: whether a repository created here is private.
        dry_run: only tell what would be sent.

    Raises:
        StorageError: if the folder is unfinished or damaged.
        HubError: if the name is not one of the Hub's, the version is published with other rows, `datasets` cannot load
            the folder, or the Hub refuses.
    """
    check_name(repo_id)
    if not dry_run:
        token = checked_token(repo_id, token)  # before minutes of work for nothing
    found = verify(folder)
    data = sorted(
        [file.path for item in found for file in item.files]
        + [manifest_path(folder, item.config, item.split).relative_to(folder).as_posix() for item in found]
    )
    here = folder / "README.md"
    card = merged(render_card(folder, repo_id), here.read_text(encoding="utf-8") if here.is_file() else "")
    files: dict[str, Path | bytes] = {"README.md": card.encode()}
    files |= pictures(folder)
    if tasks := eval_yaml(found):
        files["eval.yaml"] = tasks
    files |= {path: folder / path for path in data}
    if not dry_run:
        write_card(folder, repo_id)
        _load(folder, found)
    publication = push(
        repo_id,
        "dataset",
        files,
        tag=f"v{release(found)}",
        message=f"Version {release(found)}",
        private=private,
        delete=("*/*.parquet", "*/*.json", f"{FOLDER}/*.jpg"),
        keep=merged,
        token=token,
        dry_run=dry_run,
    )
    return replace(publication, notes=(_licences(card, found), *exceeded(folder, found, files)))


def _licences(card: str, found: Sequence[Manifest]) -> str:
    """Under what the rows and the models that they show stand; who made which is in the card."""
    from huggingface_hub import DatasetCard

    licences = {credit.id: credit.licence for item in found for credit in item.credits}
    counts = [f"{name} {count}" for name, count in sorted(Counter(licences.values()).items())]
    rows = DatasetCard(card, ignore_metadata_errors=True).data.get("license", "unknown")
    if found[0].kind == "published":
        return (
            f"licences: rows {rows}; warning: the pictures are others', look up whether their terms let you pass them "
            "on (the frames of fine are ScanNet++'s), and leave the repository private otherwise"
        )
    return f"licences: rows {rows}; 3D models in them: {', '.join(counts) or 'none'} (the authors: README.md)"


def _load(folder: Path, found: Sequence[Manifest]) -> None:
    """Load a row of each split as everybody will, before it is sent.

    Raises:
        HubError: it cannot be loaded.
    """
    import datasets

    for item in found:
        try:
            rows = datasets.load_dataset(str(folder), item.config, split=item.split, streaming=True)
            next(iter(rows))
        except Exception as error:
            # The library and its file systems have no error class in common.
            raise HubError(
                f"{folder}: load_dataset cannot read {item.config}/{item.split} ({error}); build it again"
            ) from error

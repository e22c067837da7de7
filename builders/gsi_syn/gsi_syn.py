"""GSI-Syn as a `datasets` builder: rows from a built folder, or built on the spot.

`datasets` runs no code from repositories any more, so nobody needs this class to *read* GSI-Syn. It is for pipelines
that want the rows made where they are used, with everything that `datasets` does around a builder (cache, splits,
streaming, ``num_proc``):

    GsiSyn(config_name="gsi_syn_demo").download_and_prepare()
    GsiSyn(spec="my_table.yaml", renderer="gl").as_streaming_dataset("train")
    GsiSyn(config_name="gsi_syn_table", data_dir="data").download_and_prepare()
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq

from gsi_datasets import hub
from gsi_datasets.schema import features
from gsi_datasets.spec import DatasetSpec, load_spec, shipped_specs
from gsi_datasets.storage import ROWS_PER_GROUP, Manifest, manifests


@dataclass
class GsiSynConfig(datasets.BuilderConfig):
    """What to build, or where it lies.

    Attributes:
        spec: a YAML file, or the name of a shipped spec; by default the one named like the config.
        renderer: ``auto``, ``gl``, ``warp`` or ``photo``; decides pixels.
        data_dir: a built folder to read from; then `spec` and `renderer` are not used.
    """

    spec: str | None = None
    renderer: str = "auto"


class GsiSyn(datasets.GeneratorBasedBuilder):
    """Builder of GSI-Syn; the arguments that are not listed are those of `datasets.DatasetBuilder`.

    Args:
        cache_dir: the cache of `datasets`. What is built on the spot is kept in its folder ``gsi-bench-builds``; a
            killed build goes on from there.
        config_name: a shipped spec, or a config of `data_dir`.
        workers: processes that build; never changes the rows.
        config_kwargs: fields of `GsiSynConfig`.

    Raises:
        SpecError: if there is no such spec, or it cannot be built.
        StorageError: if `data_dir` has no such config.
    """

    BUILDER_CONFIG_CLASS = GsiSynConfig
    BUILDER_CONFIGS = [  # noqa: RUF012 - as `datasets` wants it
        GsiSynConfig(name=name, version=load_spec(name).version) for name in shipped_specs()
    ]
    DEFAULT_WRITER_BATCH_SIZE = ROWS_PER_GROUP

    def __init__(
        self,
        cache_dir: str | None = None,
        *,
        config_name: str | None = None,
        dataset_name: str = hub.NAME,
        hash: str | None = None,
        workers: int = 1,
        **config_kwargs: Any,
    ) -> None:
        self.workers = workers
        if config_kwargs.get("data_dir") is not None:
            found = _of_config(Path(config_kwargs["data_dir"]), config_name)
            name, version, digest = found[0].config, found[0].version, hub.content_digest(found)
        elif config_name is None and config_kwargs.get("spec") is None:
            raise ValueError(f"name a config: config_name= one of {sorted(shipped_specs())}, or spec= a YAML file")
        else:
            self.spec = load_spec(config_kwargs.get("spec") or config_name or "")
            self.renderer = _renderer(config_kwargs.get("renderer", "auto"))
            name, version, digest = self.spec.name, self.spec.version, _digest(self.spec, self.renderer)
        shipped = name in self.builder_configs
        if not shipped:
            # `datasets` takes a name that is not among BUILDER_CONFIGS only as a field of a new config.
            config_kwargs |= {"name": name, "version": version}
        # There is no hash of a packaged builder's code: without this one, stale rows would come back from the cache.
        super().__init__(
            cache_dir=cache_dir,
            dataset_name=dataset_name,
            config_name=name if shipped else None,
            hash=hash or digest,
            **config_kwargs,
        )
        self._builds = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser() / f"{hub.NAME}-builds"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=features(), license="cc-by-4.0", homepage=hub.HOMEPAGE)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        folder = Path(self.config.data_dir) if self.config.data_dir else self._build()
        hub.verify(folder)
        return [
            datasets.SplitGenerator(item.split, {"files": [str(folder / file.path) for file in item.files]})
            for item in _of_config(folder, self.config.name)
        ]

    def _build(self) -> Path:
        from gsi_datasets.build import build
        from gsi_datasets.pipeline import make_scene

        folder = self._builds / f"{self.spec.name}-{self.hash}"
        for split in self.spec.splits:
            build(self.spec, split, folder, renderer=self.renderer, workers=self.workers, make_scene=make_scene)
        return folder

    def _generate_examples(self, files: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(ROWS_PER_GROUP):
                for row in batch.to_pylist():
                    yield row["id"], row


def _of_config(folder: Path, config: str | None) -> list[Manifest]:
    """The finished splits of one config of a built folder; None stands for the only one."""
    found = manifests(folder)
    names = sorted({item.config for item in found})
    if config is None and len(names) == 1:
        config = names[0]
    if config not in names:
        raise hub.StorageError(f"{folder}: has no finished config '{config}'; config_name must be one of {names}")
    return [item for item in found if item.config == config]


def _renderer(name: str) -> str:
    from gsi_datasets import renderers

    return renderers.choose(name)


def _digest(spec: DatasetSpec, renderer: str) -> str:
    """Hex digest of all that decides the rows of all splits."""
    splits = {name: [spec.digest(name, renderer), split.counts] for name, split in spec.splits.items()}
    return hashlib.sha256(json.dumps(splits, sort_keys=True).encode()).hexdigest()[:16]

"""The dataset card: README.md of a built folder, from its manifests and a template in `builders/`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from gsi_datasets.card_pictures import FOLDER, card_pictures, path_of
from gsi_datasets.handwritten import marked, merged
from gsi_datasets.schema import OPERATIONS, features
from gsi_datasets.storage import Manifest, StorageError, manifests, write_atomically


if TYPE_CHECKING:
    from datasets import DatasetInfo
    from huggingface_hub import CardData

DEFAULT_CONFIG = "gsi_syn_table"
SPLIT_ORDER = ("train", "validation", "test")
LICENCE_PAGES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC-BY-NC-SA-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}


def write_card(out: Path, repo: str = "gsi-bench") -> None:
    """Write README.md of a built folder anew, whole or not at all, and the pictures that it shows.

    What people wrote above or below the generated part stays, as do header fields of their own.

    Args:
        out: a built folder.
        repo: what readers pass to `load_dataset`.

    Raises:
        StorageError: if the folder holds no finished split, a manifest cannot be read or the card not be written.
    """
    path = out / "README.md"
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    text = merged(render_card(out, repo), old)
    (out / FOLDER).mkdir(exist_ok=True)
    shown = pictures(out)
    for name, data in shown.items():
        write_atomically(out / name, data)
    for stale in set((out / FOLDER).glob("*.jpg")) - {out / name for name in shown}:
        stale.unlink()
    write_atomically(path, text.encode())


def pictures(out: Path) -> dict[str, bytes]:
    """Path -> JPEG of each picture that the card of a built folder shows."""
    return {path_of(key): data for key, (_, data) in card_pictures(out, _shown(manifests(out))).items()}


def render_card(out: Path, repo: str = "gsi-bench") -> str:
    """The text of the card; the same folder content gives the same text.

    Its YAML names every config, split and column type: with that, any `datasets` from 2.14 on and the Hub's viewer
    read the folder without guessing.
    """
    from huggingface_hub import DatasetCard

    import builders

    found = manifests(out)
    if not found:
        raise StorageError(f"{out}: holds no finished split; build one first (gsi-bench build SPEC --out {out})")
    if len(kinds := {item.kind for item in found}) > 1:
        raise StorageError(f"{out}: holds splits that are {' and '.join(sorted(kinds))}; give each a folder")
    folder = {"simulated": "gsi_syn", "published": "gsi_published"}[found[0].kind]
    template = (Path(builders.__file__).parent / folder / "README.md").read_text(encoding="utf-8")
    card = DatasetCard(template)
    _describe(card.data, found)
    first = min((item for item in found if item.config == _default(found)), key=_order)
    text = Template(card.text).substitute(
        repo=repo,
        config=first.config,
        split=first.split,
        summary=_summary(found),
        configs=_configs(found),
        rejections=_rejections(found),
        renderers=_renderers(found),
        attribution=_attribution(found),
        pictures=_pictures(out, found),
    )
    card.text = "\n" + marked(text)
    return str(card)


def _shown(found: Sequence[Manifest]) -> list[Manifest]:
    """Manifests in the order in which pictures are looked for: the default config's first."""
    return sorted(found, key=lambda item: (item.config != _default(found), item.config, _order(item)))


def _pictures(out: Path, found: Sequence[Manifest]) -> str:
    """A picture of each operation under its instruction."""
    lines = [
        f"**{operation}** {instruction}\n\n![{operation}: before and after]({path_of(operation)})"
        for operation, (instruction, _) in card_pictures(out, _shown(found)).items()
    ]
    return "\n\n".join(lines)


def _describe(data: CardData, found: Sequence[Manifest]) -> None:
    """Fill in the part of the YAML that `datasets` and the Hub read."""
    # Importable, but not documented: nothing else in the package uses them.
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs

    configs, infos = MetadataConfigs(), DatasetInfosDict()
    for config, splits in _by_config(found).items():
        files = [{"split": item.split, "path": f"{config}/{item.split}-*.parquet"} for item in splits]
        configs[config] = {"data_files": files} | ({"default": True} if config == _default(found) else {})
        infos[config] = _info(config, splits)
    data["size_categories"] = [_size_category(sum(item.rows for item in found))]
    configs.to_dataset_card_data(data)
    infos.to_dataset_card_data(data)


def _info(config: str, splits: Sequence[Manifest]) -> DatasetInfo:
    from datasets import DatasetInfo, SplitDict, SplitInfo

    # The shards keep a shared picture once, readers unpack it into every row; next to pictures, the rest is nothing.
    sizes = {item.split: item.picture_bytes for item in splits}
    return DatasetInfo(
        config_name=config,
        features=features(),
        splits=SplitDict(
            {item.split: SplitInfo(item.split, num_bytes=sizes[item.split], num_examples=item.rows) for item in splits}
        ),
        download_size=sum(file.bytes for item in splits for file in item.files),
        dataset_size=sum(sizes.values()),
    )


def _default(found: Sequence[Manifest]) -> str:
    names = sorted({item.config for item in found})
    return DEFAULT_CONFIG if DEFAULT_CONFIG in names else names[0]


def _order(item: Manifest) -> tuple[int, str]:
    place = SPLIT_ORDER.index(item.split) if item.split in SPLIT_ORDER else len(SPLIT_ORDER)
    return place, item.split


def _by_config(found: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    names = sorted({item.config for item in found})
    return {name: sorted((item for item in found if item.config == name), key=_order) for name in names}


def _size_category(rows: int) -> str:
    """The Hub's name for how many rows there are."""
    bounds = [(10**3, "1K"), (10**4, "10K"), (10**5, "100K"), (10**6, "1M"), (10**7, "10M")]
    lower = ""
    for bound, name in bounds:
        if rows < bound:
            return f"{lower}<n<{name}" if lower else f"n<{name}"
        lower = name
    return f"n>{lower}"


def _summary(found: Sequence[Manifest]) -> str:
    versions = sorted({item.version for item in found})
    rows, scenes = sum(item.rows for item in found), sum(item.scenes for item in found)
    if found[0].kind == "published":
        return f"Version {', '.join(versions)}: {rows:,} edits of {scenes:,} pictures."
    sizes = sorted({item.spec["image_size"] for item in found})
    pixels = ", ".join(f"{size} x {size}" for size in sizes)
    return f"Version {', '.join(versions)}: {rows:,} rows from {scenes:,} scenes tried, images of {pixels} pixels."


def _configs(found: Sequence[Manifest]) -> str:
    used = [name for name in OPERATIONS if any(item.counts.get(name) for item in found)]
    lines = []
    for splits in _by_config(found).values():
        for item in splits:
            size = sum(file.bytes for file in item.files) / 1e6
            counts = [f"{item.counts.get(name, 0):,}" for name in used]
            lines.append([f"`{item.config}`", f"`{item.split}`", f"{item.rows:,}", *counts, f"{size:,.1f} MB"])
    return _table(["config", "split", "rows", *used, "size"], lines)


def _rejections(found: Sequence[Manifest]) -> str:
    parts = []
    for splits in _by_config(found).values():
        for item in splits:
            lines = []
            for operation in (*OPERATIONS, "scene"):
                reasons = sorted(item.rejected.get(operation, {}).items(), key=lambda pair: (-pair[1], pair[0]))
                kept = item.counts.get(operation, 0)
                if not reasons and not kept:
                    continue
                told = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
                total = sum(count for _, count in reasons)
                name = "whole scene" if operation == "scene" else f"`{operation}`"
                lines.append([name, "" if operation == "scene" else f"{kept:,}", f"{total:,}", told])
            table = _table(["operation", "kept", "rejected", "reasons"], lines)
            parts.append(f"`{item.config}`, `{item.split}`, {item.scenes:,} scenes tried:\n\n{table}")
            if gate := item.gate:
                away = ", ".join(f"{cause} {count:,}" for cause, count in gate["rejected"].items()) or "none"
                parts.append(
                    f"Afterwards, `{gate['model']}` looked at {gate['asked']:,} rows, asked by `{gate['prompt']}`. "
                    f"It turned away: {away}. {gate['unjudged']:,} rows without a usable answer were kept."
                )
    return "\n\n".join(parts)


def _renderers(found: Sequence[Manifest]) -> str:
    lines = [
        [f"`{item.config}`", f"`{item.split}`", item.version, f"`{item.renderer}`", item.package, f"`{item.digest}`"]
        for splits in _by_config(found).values()
        for item in splits
    ]
    header = ["config", "split", "data version", "colours by", "gsi-bench", "digest"]
    return (
        _table(header, lines)
        + "\n\nThe versions of everything that decides pixels and physics are in each row's `provenance`."
    )


def _attribution(found: Sequence[Manifest]) -> str:
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for item in found:
        for credit in item.credits:
            groups[credit.author, credit.licence, credit.source].add(credit.id)
    if not groups:
        return "No models of others are shown: every object was generated by the package."
    lines = []
    for (author, licence, source), assets in sorted(groups.items()):
        page = LICENCE_PAGES.get(licence)
        named = f"[{licence}]({page})" if page else licence
        lines.append([author, named, source, ", ".join(f"`{asset}`" for asset in sorted(assets))])
    return (
        _table(["author", "licence", "source", "models"], lines)
        + "\n\nModels were scaled and simplified; all other objects were generated by the package."
    )


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *([cell.replace("|", r"\|") for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)

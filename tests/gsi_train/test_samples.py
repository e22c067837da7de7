"""The stream of samples: the same for every number of processes, wherever it goes on, however rows come."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from gsi_train.bagel.packing import VaeImage, VitImage
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.vae import encode
from gsi_train.latents import LatentCache, noise_seed, scaled_latent
from gsi_train.samples import EDIT_COLUMNS, DataError, Rates, Samples, Step
from gsi_train.tiny import tiny_bagel
from tests.folders import built_split
from tests.gsi_train.runs import questions


ROWS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    built_split(folder, rows=ROWS)
    return folder


@pytest.fixture(scope="module")
def bagel() -> BagelPipeline:
    return tiny_bagel()


def undecoded(rows: Any) -> Any:
    for name in ("source_image", "target_image"):
        rows = rows.cast_column(name, datasets.Image(decode=False))
    return rows.select_columns(list(EDIT_COLUMNS))


def samples(data: Path, bagel: BagelPipeline, *, streaming: bool = False, **fields: Any) -> Samples:
    rows = undecoded(datasets.load_dataset(str(data), split="test", streaming=streaming))
    known: dict[str, Any] = {
        "seed": 3,
        "rates": Rates(),
        "pack_tokens": 400,
        "max_pack_tokens": 440,
        "shuffle_buffer": 4,
    }
    return Samples(rows, bagel.processor, bagel.model.config, **{**known, **fields})


def take(stream: Samples, count: int, *processes: int) -> list[Step]:
    return list(islice(stream.steps(2, *processes), count))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def same_packs(one: Step, other: Step) -> bool:
    names = ("text_ids", "vit_tokens", "position_ids", "timestep_logits", "seeds", "pixels", "mse_loss_indexes")
    return len(one.packs) == len(other.packs) and all(
        same(getattr(a, name), getattr(b, name)) for a, b in zip(one.packs, other.packs, strict=True) for name in names
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_every_epoch_has_all_rows_in_another_order(data: Path, bagel: BagelPipeline, streaming: bool) -> None:
    ids = [name for step in take(samples(data, bagel, streaming=streaming), 12) for name in step.ids]
    # What waits for room comes a little later than its place, so that epochs overlap at their ends.
    assert {ids.count(name) for name in set(ids[: 2 * ROWS])} <= {ids.count(ids[0]) + k for k in (-1, 0, 1)}
    assert len(set(ids)) == ROWS
    assert ids[:ROWS] != ids[ROWS : 2 * ROWS]


@pytest.mark.parametrize("streaming", [False, True])
def test_goes_on_exactly_anywhere(data: Path, bagel: BagelPipeline, streaming: bool) -> None:
    whole = take(samples(data, bagel, streaming=streaming), 9)
    assert any(step.state["buffer"]["waiting"] for step in whole)
    for number, step in enumerate(whole[:-1]):
        again = samples(data, bagel, streaming=streaming)
        again.load_state(step.state)
        [following] = take(again, 1)
        assert following.ids == whole[number + 1].ids
        assert following.state == whole[number + 1].state
        assert same_packs(following, whole[number + 1])


def test_processes_share_the_packs_of_a_step(data: Path, bagel: BagelPipeline) -> None:
    alone = take(samples(data, bagel), 3)
    shared = [take(samples(data, bagel), 3, process, 2) for process in range(2)]
    for number, step in enumerate(alone):
        parts = [steps[number] for steps in shared]
        assert [len(part.packs) for part in parts] == [1, 1]
        assert same(step.packs[1].text_ids, parts[1].packs[0].text_ids)
        for part in parts:
            assert (part.ids, part.tokens, part.learned, part.state) == (
                step.ids,
                step.tokens,
                step.learned,
                step.state,
            )
        assert step.tokens == sum(len(pack) for pack in step.packs)
        assert step.learned == sum(len(pack.mse_loss_indexes) for pack in step.packs)


def test_only_the_pictures_of_this_process_are_decoded(
    data: Path, bagel: BagelPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    look = type(bagel.processor.image_processor).vae_view
    monkeypatch.setattr(
        type(bagel.processor.image_processor),
        "vae_view",
        lambda self, image, pictures=1: seen.append(1) or look(self, image, pictures),
    )
    stream = samples(data, bagel)
    step = stream._step(stream._stream(), 2, 0, 2)
    assert len(seen) == len(step.packs[0].latent_grids) < 2 * len(step.ids)


def test_rates_are_followed(data: Path, bagel: BagelPipeline) -> None:
    texts = datasets.load_dataset(str(questions(data.parent / "texts")), split="train")
    texts = texts.cast_column("image", datasets.Image(decode=False))
    rates = Rates(drop_text=0.3, drop_vit=1.0, drop_vae=0.0, text_share=0.4)
    stream = samples(data, bagel, rates=rates, texts=texts)
    drafts = [item.sample for item in islice(stream._stream(), 400)]
    asked = [draft for draft in drafts if draft.id.startswith("text_data")]
    edits = [draft for draft in drafts if not draft.id.startswith("text_data")]
    assert 0.33 < len(asked) / 400 < 0.47
    assert all(draft.said > 1 and draft.learned == 0 for draft in asked)
    assert all(item.dropped for draft in edits for item in draft.items if isinstance(item, VitImage))
    clean = [item for draft in edits for item in draft.items if isinstance(item, VaeImage)]
    assert not any(item.dropped for item in clean)
    assert 0.2 < sum(draft.items[2].dropped for draft in edits) / len(edits) < 0.4
    # Packs that only draw, and packs without a patch.
    step = take(samples(data, bagel, rates=rates), 1)[0]
    assert all(not pack.vit_lens and not len(pack.ce_loss_indexes) for pack in step.packs)
    assert step.said == 0


def test_kept_latents_are_those_that_would_be_computed(data: Path, bagel: BagelPipeline, tmp_path: Path) -> None:
    assert bagel.vae is not None
    images = bagel.processor.image_processor
    cache = LatentCache(tmp_path, bagel.vae, images.vae)
    stream = samples(data, bagel, latents=cache)
    row = stream.rows[0]
    stream.keep_latents(row)
    assert row["source_image"]["bytes"] in cache
    kept = len(list(tmp_path.rglob("*.safetensors")))
    assert kept == 2
    for pack, plain in zip(take(stream, 1)[0].packs, take(samples(data, bagel), 1)[0].packs, strict=True):
        for latent, pixels, seed in zip(pack.latents, plain.pixels, plain.seeds, strict=True):
            assert pixels is not None
            assert seed is not None
            generator = torch.Generator().manual_seed(noise_seed(seed))
            assert torch.equal(latent, encode(bagel.vae, pixels[None], generator)[0])
    # Another rule or autoencoder never finds them; a damaged file is made again.
    other = tiny_bagel(5).vae
    assert other is not None
    picture = row["source_image"]["bytes"]
    assert picture not in LatentCache(tmp_path, other, images.vae)
    assert picture not in LatentCache(tmp_path, bagel.vae, images.vit)
    moments = cache.moments(picture, lambda: pytest.fail("it is known"))
    cache._path(picture).write_bytes(b"damaged")
    [source] = [images.vae_view(datasets.Image().decode_example(row["source_image"]))]
    again = cache.moments(picture, lambda: source)
    assert torch.equal(scaled_latent(bagel.vae, moments, 1), scaled_latent(bagel.vae, again, 1))


def test_a_picture_that_cannot_be_read_is_named(data: Path, bagel: BagelPipeline) -> None:
    stream = samples(data, bagel)
    row = dict(stream.rows[2])
    cutoff = {"bytes": row["target_image"]["bytes"][:100], "path": None}
    for broken, told in (
        (cutoff, "target_image cannot be read"),
        ({"bytes": b"x", "path": None}, "target_image"),
        (7, "is no picture"),
    ):
        stream.rows = datasets.Dataset.from_list([row]) if broken == 7 else stream.rows
        with pytest.raises(DataError, match=f"row {row['id']}: .*{told}|{told}"):
            stream._filled(stream._edit({**row, "target_image": broken}, stream._random(0)))

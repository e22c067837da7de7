"""From rows to an endless stream of samples, and from the stream to the packs of each step, made ahead of time.

Everything random about a sample (order, dropped conditions, times, noise) follows from the seed and from its place in
the stream, and a step takes a fixed number of packs of the stream, however many processes share them. So a run that
goes on does exactly what it would have done, and the number of processes changes nothing but rounding.

Every process follows the whole stream, but what a sample costs can be told from the headers of its pictures and its
texts: pictures are decoded only by the process that computes them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsi_train.bagel.buffer import PackingBuffer, Sized
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.packing import Item, Pack, Text, VaeImage, VitImage, build_pack, drop_conditions, edit_items
from gsi_train.bagel.processing_bagel import BagelProcessor
from gsi_train.bagel.vae import Moments
from gsi_train.latents import LatentCache, noise_seed, scaled_latent


EDIT_COLUMNS = ("id", "instruction", "source_image", "target_image")
TEXT_COLUMNS = ("image", "question", "answer")
SOURCES = ("source_image", "source_image", None, "target_image")
"""Columns of the items of a triplet."""
ORDER, SAMPLE = 0, 1
"""What a seed is for."""

Row = Mapping[str, Any]


class DataError(ValueError):
    """Rows that cannot be trained on; the message names the row, the field and the remedy."""


class Place(NamedTuple):
    """Where a sample is taken from.

    Attributes:
        number: of the sample in the stream; decides everything random about it.
        epoch: how often all rows were seen before.
        offset: of its row in the order of the epoch.
    """

    number: int
    epoch: int
    offset: int


@dataclass(frozen=True)
class Rates:
    """What a stream is made of.

    Attributes:
        drop_text: share of instructions that are left out.
        drop_vit: share of sources for the vision tower that are left out.
        drop_vae: share of sources for the autoencoder that are left out.
        text_share: share of samples that are questions to be answered.
    """

    drop_text: float = 0.1
    drop_vit: float = 0.5
    drop_vae: float = 0.1
    text_share: float = 0.0


@dataclass(frozen=True)
class Draft:
    """A sample whose pictures have a size but no content yet.

    Attributes:
        id: of its row.
        items: with pictures on the meta device.
        row: as stored.
        columns: of the pictures, one for each item.
        learned: latent tokens that are learned.
        said: text tokens that are learned.
    """

    id: str
    items: Sequence[Item]
    row: Row
    columns: Sequence[str | None]
    learned: int
    said: int


@dataclass(frozen=True)
class Step:
    """What one update of the weights learns from.

    Attributes:
        packs: of this process.
        ids: of all rows, of all processes.
        tokens: of all packs of all processes.
        learned: latent tokens that are learned, in all of them.
        said: text tokens that are learned, in all of them.
        state: of the stream after it, plain data for [`Samples.load_state`].
    """

    packs: list[Pack]
    ids: list[str]
    tokens: int
    learned: int
    said: int
    state: dict[str, Any]


@dataclass
class Samples:
    """The stream, and packs from it.

    Args:
        rows: triplets, pictures not decoded.
        processor: makes views of pictures and tokens.
        model: configuration of the model.
        seed: of everything random.
        rates: what the stream is made of.
        pack_tokens: a pack is full when it holds as many.
        max_pack_tokens: it never holds more; a larger sample is an error.
        shuffle_buffer: rows among which the next is drawn, where rows come as a stream.
        texts: questions about pictures with answers, pictures not decoded.
        latents: cache of what the autoencoder makes of pictures.
    """

    rows: datasets.Dataset | datasets.IterableDataset
    processor: BagelProcessor
    model: BagelConfig
    seed: int
    rates: Rates
    pack_tokens: int
    max_pack_tokens: int
    shuffle_buffer: int = 1000
    texts: datasets.Dataset | None = None
    latents: LatentCache | None = None
    next: Place = field(default=Place(0, 0, 0), init=False)

    def __post_init__(self) -> None:
        self.buffer: PackingBuffer[Draft] = PackingBuffer(self.pack_tokens, self.max_pack_tokens, self.max_pack_tokens)

    def steps(self, packs: int, process: int = 0, processes: int = 1) -> Iterator[Step]:
        """Steps without end from where the stream is; the next one is made while one is worked on.

        Args:
            packs: of a step, of all processes together.
            process: number of this one; it gets every `processes`-th pack.
            processes: how many there are.
        """
        stream = self._stream()
        with ThreadPoolExecutor(1, "samples") as thread:
            ahead = thread.submit(self._step, stream, packs, process, processes)
            while True:
                step = ahead.result()
                ahead = thread.submit(self._step, stream, packs, process, processes)
                yield step

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where a step was (`Step.state`)."""
        self.next = Place(*state["next"])
        waiting = [Place(*place) for place in state["buffer"]["waiting"]]
        found = {place: self._draft(place, row) for place, row in self._rows_at(waiting)}
        self.buffer.load_state_dict({**state["buffer"], "waiting": waiting}, found.__getitem__)

    def keep_latents(self, row: Row) -> None:
        """Fill the cache of latents with both pictures of a row."""
        if self.latents is not None:
            for column in ("source_image", "target_image"):
                self._moments(self.latents, row, column, str(row["id"]))

    def _step(self, stream: Iterator[Sized[Draft]], packs: int, process: int, processes: int) -> Step:
        chosen = [[item.sample for item in self.buffer.next_pack(stream)] for _ in range(packs)]
        drafts = [draft for pack in chosen for draft in pack]
        mine = chosen[process::processes]
        return Step(
            [build_pack([self._filled(draft) for draft in pack], self.model) for pack in mine],
            [draft.id for draft in drafts],
            sum(_tokens(draft.items, self.model) for draft in drafts),
            sum(draft.learned for draft in drafts),
            sum(draft.said for draft in drafts),
            {"next": list(self.next), "buffer": self.buffer.state_dict()},
        )

    def _stream(self) -> Iterator[Sized[Draft]]:
        rows = self._rows(self.next.epoch, self.next.offset)
        while True:
            place = self.next
            if self._is_text(place.number):
                self.next = place._replace(number=place.number + 1)
                yield self._draft(place, None)
                continue
            epoch, offset, row = next(rows)
            self.next = Place(place.number + 1, epoch, offset + 1)
            yield self._draft(Place(place.number, epoch, offset), row)

    def _rows(self, epoch: int, offset: int) -> Iterator[tuple[int, int, Row]]:
        """Rows from a place on, epoch after epoch."""
        while True:
            seen = offset
            for seen, row in enumerate(self._epoch(epoch, offset), offset + 1):
                yield epoch, seen - 1, row
            if seen == 0:
                raise DataError("data: the stream holds no rows; check name and split")
            epoch, offset = epoch + 1, 0

    def _epoch(self, epoch: int, offset: int) -> Iterator[Row]:
        rows = self.rows
        if isinstance(rows, datasets.Dataset):
            order = np.random.default_rng([self.seed, ORDER, epoch]).permutation(len(rows))
            return (rows[int(number)] for number in order[offset:])
        shuffled = rows.shuffle(self.seed, buffer_size=self.shuffle_buffer)
        shuffled.set_epoch(epoch)
        return islice(iter(shuffled), offset, None)

    def _rows_at(self, places: Sequence[Place]) -> Iterator[tuple[Place, Row | None]]:
        """The rows of some places; a streamed epoch is read once, up to the last of them."""
        wanted: dict[int, dict[int, Place]] = {}
        for place in places:
            if self._is_text(place.number):
                yield place, None
            else:
                wanted.setdefault(place.epoch, {})[place.offset] = place
        for epoch, offsets in wanted.items():
            if isinstance(self.rows, datasets.Dataset):
                yield from ((place, next(self._epoch(epoch, offset))) for offset, place in offsets.items())
            else:
                rows = islice(self._epoch(epoch, 0), max(offsets) + 1)
                yield from ((offsets[number], row) for number, row in enumerate(rows) if number in offsets)

    def _is_text(self, number: int) -> bool:
        return self.texts is not None and bool(self._random(number).random() < self.rates.text_share)

    def _random(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, SAMPLE, number])

    def _draft(self, place: Place, row: Row | None) -> Sized[Draft]:
        rng = self._random(place.number)
        draft = self._question(rng) if row is None else self._edit(row, rng)
        if (tokens := _tokens(draft.items, self.model)) > self.max_pack_tokens:
            raise DataError(
                f"max_pack_tokens: {self.max_pack_tokens}, but row {draft.id} has {tokens} tokens; raise it, or lower "
                "image_size"
            )
        return Sized(tuple(place), tokens, draft)

    def _edit(self, row: Row, rng: np.random.Generator) -> Draft:
        rng.random()  # whether it is a text
        images, name = self.processor.image_processor, str(row["id"])
        source, target = (_opened(row, column, name).size for column in ("source_image", "target_image"))
        items = edit_items(
            VaeImage(pixels=_empty(images.vae.size(*source)), seed=_seed(rng)),
            VitImage(pixels=_empty(images.vit.size(*source))),
            self.processor.encode(row["instruction"]),
            VaeImage(
                pixels=_empty(images.vae.size(*target)),
                timestep_logit=float(rng.standard_normal()),
                seed=_seed(rng),
            ),
        )
        rates = self.rates
        items = drop_conditions(items, rng, text=rates.drop_text, vit=rates.drop_vit, vae=rates.drop_vae)
        return Draft(name, items, row, SOURCES, _item_tokens(items[-1], self.model), 0)

    def _question(self, rng: np.random.Generator) -> Draft:
        assert self.texts is not None
        rng.random()
        number = int(rng.integers(len(self.texts)))
        row, name = self.texts[number], f"text_data {number}"
        size = self.processor.image_processor.vit.size(*_opened(row, "image", name).size)
        question, answer = (self.processor.encode(str(row[column])) for column in ("question", "answer"))
        items: list[Item] = [VitImage(pixels=_empty(size)), Text(ids=question), Text(ids=answer, loss=True)]
        return Draft(name, items, row, ("image", None, None), 0, len(answer) + 1)

    def _filled(self, draft: Draft) -> list[Item]:
        """The items of a draft, pictures decoded."""
        items: list[Item] = []
        for item, column in zip(draft.items, draft.columns, strict=True):
            if column is not None and not item.dropped:
                item = self._picture(item, draft, column)
            items.append(item)
        return items

    def _picture(self, item: Item, draft: Draft, column: str) -> Item:
        if isinstance(item, VaeImage) and self.latents is not None:
            assert item.seed is not None
            moments = self._moments(self.latents, draft.row, column, draft.id)
            return replace(item, pixels=None, latent=scaled_latent(self.latents.vae, moments, noise_seed(item.seed)))
        assert not isinstance(item, Text)
        images = self.processor.image_processor
        look = images.vae_view if isinstance(item, VaeImage) else images.vit_view
        return replace(item, pixels=_viewed(look, draft.row, column, draft.id))

    def _moments(self, cache: LatentCache, row: Row, column: str, name: str) -> Moments:
        look = self.processor.image_processor.vae_view
        return cache.moments(_bytes(row, column, name), lambda: _viewed(look, row, column, name))


def _viewed(look: Callable[[Image.Image], Tensor], row: Row, column: str, name: str) -> Tensor:
    image = _opened(row, column, name)
    try:
        return look(image)
    except (OSError, SyntaxError) as error:
        raise DataError(f"row {name}: {column} cannot be read ({error}); build the row again") from error


def _bytes(row: Row, column: str, name: str) -> bytes:
    value = row[column]
    if not isinstance(value, Mapping):
        raise DataError(f"row {name}: {column} is no picture; is this a gsi-bench data set?")
    if value.get("bytes") is not None:
        return bytes(value["bytes"])
    try:
        with open(value["path"], "rb") as stream:
            return stream.read()
    except (OSError, TypeError) as error:
        raise DataError(f"row {name}: {column} cannot be read ({error}); build the row again") from error


def _opened(row: Row, column: str, name: str) -> Image.Image:
    """A picture of which only the header was read."""
    try:
        return Image.open(io.BytesIO(_bytes(row, column, name)))
    except OSError as error:
        raise DataError(f"row {name}: {column} cannot be read ({error}); build the row again") from error


def _empty(size: tuple[int, int]) -> Tensor:
    """[3, H, W] without content, of (width, height)."""
    return torch.empty(3, size[1], size[0], device="meta")


def _item_tokens(item: Item, config: BagelConfig) -> int:
    if isinstance(item, Text):
        return len(item.ids)
    assert item.pixels is not None
    unit = config.vision_config.patch_size if isinstance(item, VitImage) else config.pixels_per_latent_token
    return item.pixels.shape[1] // unit * (item.pixels.shape[2] // unit)


def _tokens(items: Sequence[Item], config: BagelConfig) -> int:
    """What a sample takes in a pack, markers included."""
    return sum(_item_tokens(item, config) + 2 for item in items if not item.dropped)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))

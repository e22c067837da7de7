"""Who may look at whom: one rule, and three ways to compute attention under it.

The rule is [`allowed`]; [`dense_mask`] writes it out for SDPA and for eager attention, [`block_mask`] for
FlexAttention. The tokens may stand in any order, for each carries where it comes from ([`Layout`]).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2.modeling_qwen2 import eager_attention_forward


CAUSAL, FULL, NOISE = MODES = ("causal", "full", "noise")
"""How the tokens of a split see each other: only earlier ones; all; all, and nobody outside sees them."""


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; what goes to a GPU is queued, so that nothing waits for the work under way there."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True)
class Layout:
    """Where each token of a pack comes from; all tensors are [tokens].

    Attributes:
        index: its place in the sequence.
        sample: which sample it belongs to.
        split: which split (counted over the whole pack) it belongs to.
        two_way: its split is a picture, in which everything sees everything.
        hidden: its split is a noised picture, which nobody else sees.
    """

    index: Tensor
    sample: Tensor
    split: Tensor
    two_way: Tensor
    hidden: Tensor

    @classmethod
    def of(cls, sample_lens: Sequence[int], split_lens: Sequence[int], modes: Sequence[str]) -> Layout:
        """The layout of a pack in its own order.

        Args:
            sample_lens: tokens of each sample.
            split_lens: tokens of each split, those of the first sample first.
            modes: of each split, out of [`MODES`].

        Raises:
            ValueError: if the lengths do not add up or a mode is unknown.
        """
        if sum(sample_lens) != sum(split_lens) or len(split_lens) != len(modes):
            raise ValueError(f"splits of {list(split_lens)} tokens, {len(modes)} modes: no samples of {sample_lens}")
        if unknown := set(modes) - set(MODES):
            raise ValueError(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
        lens = torch.tensor(split_lens)
        return cls(
            index=torch.arange(sum(split_lens)),
            sample=torch.arange(len(sample_lens)).repeat_interleave(torch.tensor(sample_lens)),
            split=torch.arange(len(split_lens)).repeat_interleave(lens),
            two_way=torch.tensor([mode != CAUSAL for mode in modes]).repeat_interleave(lens),
            hidden=torch.tensor([mode == NOISE for mode in modes]).repeat_interleave(lens),
        )

    def __getitem__(self, order: Tensor) -> Layout:
        """Some of the tokens, in some order."""
        return replace(self, **{field.name: getattr(self, field.name)[order] for field in fields(self)})

    def to(self, device: torch.device | str) -> Layout:
        """The same on a device."""
        return replace(self, **{field.name: moved(getattr(self, field.name), device) for field in fields(self)})


def allowed(layout: Layout) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The rule, as FlexAttention wants it: (batch, head, query, key) -> may this query look at this key."""

    # Bare tensors, which is what FlexAttention's compiler expects to find in a rule.
    index, sample, split, two_way, hidden = (getattr(layout, field.name) for field in fields(layout))

    def rule(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        one_split = split[query] == split[key]
        earlier = index[key] <= index[query]
        seen = earlier | (one_split & two_way[query])
        return (sample[query] == sample[key]) & seen & (one_split | ~hidden[key])

    return rule


def dense_mask(layout: Layout) -> Tensor:
    """The rule written out: bool [tokens, tokens], query by key."""
    everyone = torch.arange(len(layout.index), device=layout.index.device)
    nothing = everyone[:1]
    return allowed(layout)(nothing, nothing, everyone[:, None], everyone[None, :])


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


def block_mask(layout: Layout) -> BlockMask:
    """The rule for FlexAttention, which skips blocks of tokens where nothing is allowed."""
    device = layout.index.device
    count = len(layout.index)
    # Uncompiled, all pairs would be in memory at once, several times.
    create: Callable[..., Any] = create_block_mask
    if device.type == "cuda":
        create = _compiled(create_block_mask)
    return create(allowed(layout), B=None, H=None, Q_LEN=count, KV_LEN=count, device=device)


class BlockAttention:
    """FlexAttention over a whole pack. Key and value heads are shared by the kernel, never copied.

    (The wrapper in transformers copies them where the number of heads is no power of two, as here: 28 for 4.)
    """

    def __init__(self, mask: BlockMask) -> None:
        self.mask = mask

    def __call__(self, module: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See [`SampleAttention`]."""
        # On the CPU, where it has no backward pass, it is for tests: compiling would take longer than it saves.
        # In a layer that is compiled as a whole it already is.
        flex: Callable[..., Any] = flex_attention
        if query.is_cuda and not torch.compiler.is_compiling():
            flex = _compiled(flex_attention)
        out = flex(query[None], key[None], value[None], block_mask=self.mask, scale=module.scaling, enable_gqa=True)
        return out[0].transpose(0, 1).flatten(1)


@dataclass
class Part:
    """The tokens of one sample in a call, and what they see.

    Attributes:
        rows: which tokens of the call, [n]; None: all.
        mask: bool [n, past + n]; None: everything.
        keys: what came before, for each layer [key heads, past, head size]; none: nothing did.
        values: see `keys`.
    """

    rows: Tensor | None
    mask: Tensor | None
    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()


class SampleAttention:
    """Attention sample by sample, with SDPA or eagerly; also over what earlier calls left (a context).

    Attributes:
        seen: with `keep`, for each layer and each part the keys and values, the earlier ones included.
    """

    def __init__(self, parts: Sequence[Part], implementation: str, *, keep: bool = False) -> None:
        self.parts = parts
        self.implementation = implementation
        self.keep = keep
        rows = [part.rows for part in parts if part.rows is not None]
        self.rank = torch.cat(rows).argsort() if rows else None
        """[tokens], where each token is among those of all parts."""
        self.seen: list[list[tuple[Tensor, Tensor]]] = []

    def __call__(self, module: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend.

        Args:
            module: the attention layer, which knows its number, its scale and how many queries share a key.
            query: [heads, tokens, head size].
            key: [key heads, tokens, head size].
            value: as `key`.

        Returns:
            [tokens, heads * head size].
        """
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.implementation, eager_attention_forward)
        outs, seen = [], []
        for part in self.parts:
            q, k, v = (x if part.rows is None else x[:, part.rows] for x in (query, key, value))
            if part.keys:
                k = torch.cat([part.keys[module.layer_idx], k], dim=1)
                v = torch.cat([part.values[module.layer_idx], v], dim=1)
            seen.append((k, v))
            mask = part.mask
            if mask is not None and self.implementation == "eager":
                mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, torch.finfo(q.dtype).min)
            mask = mask if mask is None else mask[None, None]
            out, _ = attend(module, q[None], k[None], v[None], mask, scaling=module.scaling, is_causal=False)
            outs.append(out[0].flatten(1))
        if self.keep:
            self.seen.append(seen)
        if self.rank is None:
            return outs[0]
        return torch.cat(outs)[self.rank]

"""The pieces of BAGEL: layers with two experts, the vision tower, time and position.

Tokens of each kind travel in a stream of their own and meet only in attention, so that routing costs nothing: the
streams are `(generation, understanding)`, each [tokens of that kind, hidden]. Latents go through the generation
expert, whose weights have names with `_moe_gen`; text, markers and patches of the vision tower through the
understanding expert. The latents come first because their number is mostly a multiple of FlexAttention's blocks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2MLP,
    Qwen2RMSNorm,
    Qwen2RotaryEmbedding,
    apply_rotary_pos_emb,
)
from transformers.models.siglip.modeling_siglip import SiglipEncoder

from gsi_train.bagel.attention import moved
from gsi_train.bagel.patches import sincos_table


GENERATION, UNDERSTANDING = "_moe_gen", ""
"""The experts, by the end of their weights' names."""

Streams = tuple[Tensor, ...]
Attend = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
"""Computes attention over all tokens of a call, see [`attention.SampleAttention`]."""


def _detached(expert: str, freeze_und: bool) -> AbstractContextManager[None]:
    """What the understanding expert does leaves no trace for gradients where it is frozen."""
    return torch.no_grad() if freeze_und and expert == UNDERSTANDING else nullcontext()


class BagelAttention(nn.Module):
    """Attention of all tokens to all, with projections and query/key norms of each token's expert."""

    def __init__(self, config: Any, layer_idx: int, experts: Sequence[str]) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.experts = tuple(experts)
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = self.head_dim**-0.5
        queries, keys = config.num_attention_heads * self.head_dim, config.num_key_value_heads * self.head_dim
        for expert in self.experts:
            self.add_module(f"q_proj{expert}", nn.Linear(config.hidden_size, queries))
            self.add_module(f"k_proj{expert}", nn.Linear(config.hidden_size, keys))
            self.add_module(f"v_proj{expert}", nn.Linear(config.hidden_size, keys))
            self.add_module(f"o_proj{expert}", nn.Linear(queries, config.hidden_size, bias=False))
            self.add_module(f"q_norm{expert}", Qwen2RMSNorm(self.head_dim, config.rms_norm_eps))
            self.add_module(f"k_norm{expert}", Qwen2RMSNorm(self.head_dim, config.rms_norm_eps))

    def forward(
        self, streams: Streams, rotary: tuple[Tensor, Tensor], attend: Attend, freeze_und: bool = False
    ) -> Streams:
        """Let all streams look at each other.

        Args:
            streams: normed hidden states, each [tokens, hidden].
            rotary: cosines and sines of all tokens, in the order of the streams, each [tokens, head size].
            attend: computes attention over all tokens, e.g. [`SampleAttention`].
            freeze_und: keep gradients out of the understanding expert.
        """
        pieces = []
        for expert, x in zip(self.experts, streams, strict=True):
            with _detached(expert, freeze_und):
                query, key, value = (
                    self.get_submodule(f"{name}_proj{expert}")(x).unflatten(-1, (-1, self.head_dim)) for name in "qkv"
                )
                query = self.get_submodule(f"q_norm{expert}")(query)
                key = self.get_submodule(f"k_norm{expert}")(key)
                pieces.append((query, key, value))
        query, key, value = (torch.cat(kind).transpose(0, 1) for kind in zip(*pieces, strict=True))
        query, key = apply_rotary_pos_emb(query, key, *rotary, unsqueeze_dim=0)
        # Norms of float32 weights give float32 under autocast.
        out = attend(self, query.to(value.dtype), key.to(value.dtype), value)
        outs = []
        for expert, x in zip(self.experts, out.split([len(x) for x in streams]), strict=True):
            with _detached(expert, freeze_und):
                outs.append(self.get_submodule(f"o_proj{expert}")(x))
        return tuple(outs)


class BagelDecoderLayer(GradientCheckpointingLayer):
    """A Qwen2 layer with two complete sets of weights."""

    mlp_checkpointing = False

    def __init__(self, config: Any, layer_idx: int, experts: Sequence[str]) -> None:
        super().__init__()
        self.experts = tuple(experts)
        self.self_attn = BagelAttention(config, layer_idx, experts)
        for expert in self.experts:
            self.add_module(f"mlp{expert}", Qwen2MLP(config))
            self.add_module(f"input_layernorm{expert}", Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps))
            self.add_module(f"post_attention_layernorm{expert}", Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps))

    def forward(
        self, *streams: Tensor, rotary: tuple[Tensor, Tensor], attend: Attend, freeze_und: bool = False
    ) -> Streams:
        """See [`BagelAttention.forward`]."""
        normed = []
        for expert, x in zip(self.experts, streams, strict=True):
            with _detached(expert, freeze_und):
                normed.append(self.get_submodule(f"input_layernorm{expert}")(x))
        attended = self.self_attn(tuple(normed), rotary, attend, freeze_und)
        outs = []
        for expert, x, change in zip(self.experts, streams, attended, strict=True):
            with _detached(expert, freeze_und):
                if self.mlp_checkpointing and self.training and torch.is_grad_enabled():
                    outs.append(checkpoint(self._mlp, expert, x + change, use_reentrant=False))
                else:
                    outs.append(self._mlp(expert, x + change))
        return tuple(outs)

    def _mlp(self, expert: str, h: Tensor) -> Tensor:
        norm, mlp = (self.get_submodule(f"{name}{expert}") for name in ("post_attention_layernorm", "mlp"))
        return h + mlp(norm(h))


class BagelDecoder(nn.Module):
    """Embedding, layers, final norms."""

    def __init__(self, config: Any, experts: Sequence[str]) -> None:
        super().__init__()
        self.experts = tuple(experts)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(BagelDecoderLayer(config, i, experts) for i in range(config.num_hidden_layers))
        for expert in self.experts:
            self.add_module(f"norm{expert}", Qwen2RMSNorm(config.hidden_size, config.rms_norm_eps))
        self.rotary_emb = Qwen2RotaryEmbedding(config)

    def compile_layers(self, backend: str = "inductor") -> None:
        """Compile the layers for training on a GPU: norms, rotary positions and activations become few kernels.

        To be called last, when adapters are in place and weights are sharded: what those change would not be seen.

        Args:
            backend: of `torch.compile`.
        """
        for layer in self.layers:
            # Only `forward`, so that the hooks of a sharded model stay outside. Packs have all lengths.
            layer.forward = torch.compile(layer.forward, dynamic=True, fullgraph=True, backend=backend)

    def checkpoint_mlps(self) -> None:
        """Compute the MLPs again for the backward pass instead of keeping their states.

        They are two thirds of what a layer keeps, and half of its work: a middle between all and nothing
        (`gradient_checkpointing_enable`, which keeps only what comes into a layer).
        """
        for layer in self.layers:
            assert isinstance(layer, BagelDecoderLayer)
            layer.mlp_checkpointing = True

    def forward(
        self,
        streams: Streams,
        position_ids: Tensor,
        attend: Attend,
        freeze_und: bool = False,
        states: list[Tensor] | None = None,
    ) -> Streams:
        """Run all layers.

        Args:
            streams: embedded tokens, each [tokens, hidden].
            position_ids: of all tokens, in the order of the streams.
            attend: see [`BagelAttention.forward`].
            freeze_und: see there.
            states: is given the input of the first layer and the output of each, all streams in one tensor.

        Returns:
            Normed states of each stream.
        """
        cos, sin = self.rotary_emb(streams[0], position_ids[None])
        rotary = (cos[0], sin[0])
        if freeze_und:
            streams = (*streams[:-1], streams[-1].detach())
        for layer in self.layers:
            if states is not None:
                states.append(torch.cat(streams))
            streams = layer(*streams, rotary=rotary, attend=attend, freeze_und=freeze_und)
        if states is not None:
            states.append(torch.cat(streams))
        normed = []
        for expert, x in zip(self.experts, streams, strict=True):
            with _detached(expert, freeze_und):
                normed.append(self.get_submodule(f"norm{expert}")(x))
        return tuple(normed)


class BagelLanguageModel(nn.Module):
    """Decoder and head."""

    def __init__(self, config: Any, experts: Sequence[str]) -> None:
        super().__init__()
        self.model = BagelDecoder(config, experts)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)


class BagelVisionEmbeddings(nn.Module):
    """Patches and their learned positions."""

    def __init__(self, config: Any, positions: int) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(config.num_channels * config.patch_size**2, config.hidden_size)
        self.position_embedding = nn.Embedding(positions, config.hidden_size)

    def forward(self, tokens: Tensor, position_ids: Tensor) -> Tensor:
        """[patches, values], [patches] -> [patches, hidden]."""
        return self.patch_embedding(tokens.to(self.patch_embedding.weight.dtype)) + self.position_embedding(
            position_ids
        )


class BagelVisionTransformer(nn.Module):
    """SigLIP on pictures of any size: patches of a picture see each other and nothing else."""

    def __init__(self, config: Any, positions: int) -> None:
        super().__init__()
        # Its attention knows pictures only by length, which is what SDPA is good at; FlexAttention is for the decoder.
        config = copy.copy(config)
        config._attn_implementation = "eager" if config._attn_implementation == "eager" else "sdpa"
        self.embeddings = BagelVisionEmbeddings(config, positions)
        self.encoder = SiglipEncoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, tokens: Tensor, position_ids: Tensor, lens: Sequence[int]) -> Tensor:
        """Encode pictures.

        Args:
            tokens: patches of all pictures, [patches, values].
            position_ids: rows of the table of positions, [patches].
            lens: patches of each picture.

        Returns:
            [patches, hidden].
        """
        hidden = self.embeddings(tokens, position_ids)
        # One call whatever the sizes, so that the processes of a sharded model stay in step.
        longest = max(lens)
        batch = nn.utils.rnn.pad_sequence(hidden.split(list(lens)), batch_first=True)
        mask = None
        if min(lens) < longest:
            real = torch.arange(longest, device=hidden.device) < moved(torch.tensor(lens), hidden.device)[:, None]
            mask = torch.zeros(real.shape, dtype=hidden.dtype, device=hidden.device)
            mask = mask.masked_fill_(~real, torch.finfo(hidden.dtype).min)[:, None, None, :]
            mask = mask.expand(-1, 1, longest, -1)
        batch = self.encoder(batch, mask).last_hidden_state
        return self.post_layernorm(torch.cat([x[:length] for x, length in zip(batch, lens, strict=True)]))


class BagelVisionModel(nn.Module):
    """The level of names that the released weights have."""

    def __init__(self, config: Any, positions: int) -> None:
        super().__init__()
        self.vision_model = BagelVisionTransformer(config, positions)


class BagelConnector(nn.Module):
    """From the vision tower to the language model."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, outputs)
        self.activation = ACT2FN[activation]
        self.fc2 = nn.Linear(outputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """[patches, vision hidden] -> [patches, hidden]."""
        return self.fc2(self.activation(self.fc1(features)))


class BagelTimestepEmbedder(nn.Module):
    """How noisy a picture is, as a vector; time is in [0, 1] and used as it is."""

    frequencies = 256

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(self.frequencies, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def waves(self, times: Tensor) -> Tensor:
        """[n] -> [n, 256], float32: cosines, then sines."""
        half = self.frequencies // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=times.device) / half)
        angles = times.float()[:, None] * rates
        return torch.cat([angles.cos(), angles.sin()], dim=1)

    def forward(self, times: Tensor) -> Tensor:
        """[n] -> [n, hidden]."""
        return self.mlp(self.waves(times).to(next(self.mlp.parameters()).dtype))


class BagelPositions(nn.Module):
    """The fixed table of two-dimensional positions; it never learns but lies in every checkpoint."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side, self.width = side, width
        self.pos_embed = nn.Parameter(torch.empty(side * side, width), requires_grad=False)

    def table(self) -> Tensor:
        """What the parameter holds."""
        return sincos_table(self.side, self.width)

    def forward(self, position_ids: Tensor) -> Tensor:
        """[n] -> [n, width]."""
        return self.pos_embed[position_ids]

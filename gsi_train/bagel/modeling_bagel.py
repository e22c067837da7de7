"""BAGEL: reads text and pictures, answers in text and draws pictures (arXiv 2505.14683).

Training: `model(pack, latents)` reads one packed sequence ([`packing.Pack`]) and gives losses ([`BagelOutput`]).

Inference: a [`BagelContext`] is what has been said so far; it never changes, and what is appended gives a new one, so
that a context can be kept, branched and shared. All calls take several contexts at once.

    nothing = model.new_context()
    [seen] = model.append([nothing], [VaeImage(latent=latent)])   # keys and values of the picture, clean
    [seen] = model.append([seen], [VitImage(pixels=pixels)])
    [full] = model.append([seen], [Text(ids=instruction)])
    [v] = model.denoise([full], [noisy_tokens], [(rows, columns)], t)   # velocity [rows * columns, 64]; keeps nothing
    logits, [full] = model.next_token([full], [bos])                # [1, vocabulary]

Weights have the names of the released checkpoint; the autoencoder is no part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, initialization
from transformers.utils import ModelOutput

from gsi_train.bagel.attention import BlockAttention, Layout, Part, SampleAttention, block_mask, dense_mask, moved
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.layers import (
    GENERATION,
    UNDERSTANDING,
    Attend,
    BagelConnector,
    BagelLanguageModel,
    BagelPositions,
    BagelTimestepEmbedder,
    BagelVisionModel,
    Streams,
)
from gsi_train.bagel.packing import Item, Pack, Text, VaeImage, build_pack, position_step


_FAULTS = ("missing_keys", "unexpected_keys")

GENERATION_MODULES = ("time_embedder", "vae2llm", "llm2vae")
"""Modules outside the layers that only drawing needs and that learn."""


def is_generation_weight(name: str) -> bool:
    """Whether a weight belongs to the generation side and learns: the second expert and what leads in and out."""
    return GENERATION in name or any(f"{module}." in name for module in GENERATION_MODULES)


def shift_timesteps(times: Tensor, shift: float) -> Tensor:
    """Move times in [0, 1] towards noise (1): `shift * t / (1 + (shift - 1) * t)`."""
    return shift * times / (1 + (shift - 1) * times)


@dataclass
class BagelOutput(ModelOutput):
    """What a training pass gives; a loss without tokens is None.

    `S` latents are learned, `C` text tokens are learned.

    Attributes:
        loss: weighted sum of the two.
        mse_loss: sum over `mse_per_token` divided by the normaliser.
        ce_loss: the same of `ce_per_token`.
        mse_per_token: squared error of the velocity, mean over channels, [S], float32.
        ce_per_token: cross-entropy, [C], float32; not weighted.
        velocity: predicted, [S, 64], float32.
        logits: [C, vocabulary], float32.
        timesteps: of each picture for the autoencoder, after the shift.
        hidden_states: on request: the input of the first layer, the output of each, and the normed output, each
            [T, hidden] in the order of the sequence.
    """

    loss: Tensor | None = None
    mse_loss: Tensor | None = None
    ce_loss: Tensor | None = None
    mse_per_token: Tensor | None = None
    ce_per_token: Tensor | None = None
    velocity: Tensor | None = None
    logits: Tensor | None = None
    timesteps: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class BagelContext:
    """What has been said so far: keys and values of all its tokens. It never changes.

    Attributes:
        keys: of each layer, normed and rotated, [key heads, tokens, head size].
        values: of each layer, as `keys`.
        position: of what comes next; not the number of tokens, for a picture takes one position.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    position: int = 0

    def __len__(self) -> int:
        return self.keys[0].shape[1]


class BagelForConditionalGeneration(PreTrainedModel):
    """The whole model but for the autoencoder: 14,607,260,128 weights in 1,223 tensors for BAGEL-7B-MoT.

    Attention implementations: `sdpa` (default), `flex_attention` (for training on GPUs), `eager` (for reading).
    """

    config: BagelConfig
    config_class = BagelConfig
    base_model_prefix = ""
    main_input_name = "pack"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _no_split_modules = ["BagelDecoderLayer", "SiglipEncoderLayer"]  # noqa: RUF012  (the name and type are transformers')

    def __init__(self, config: BagelConfig) -> None:
        super().__init__(config)
        text, vision = config.text_config, config.vision_config
        hidden = text.hidden_size
        experts = (UNDERSTANDING,) if config.understanding_only else (GENERATION, UNDERSTANDING)
        self.language_model = BagelLanguageModel(text, experts)
        self.vit_model = BagelVisionModel(vision, config.vit_max_num_patch_per_side**2)
        self.connector = BagelConnector(vision.hidden_size, hidden, config.connector_act)
        self.vit_pos_embed = BagelPositions(config.vit_max_num_patch_per_side, hidden)
        if config.understanding_only:
            self._keys_to_ignore_on_load_unexpected = [GENERATION, *GENERATION_MODULES, "latent_pos_embed"]
        else:
            self.time_embedder = BagelTimestepEmbedder(hidden)
            self.vae2llm = nn.Linear(config.latent_token_size, hidden)
            self.llm2vae = nn.Linear(hidden, config.latent_token_size)
            self.latent_pos_embed = BagelPositions(config.max_latent_size, hidden)
        # All steps of a drawing read the same pack, and to make it takes a good part of a step.
        self._drawn: tuple[Any, Pack] | None = None
        self.post_init()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As in transformers, but strict, and the released layout too, from a folder or the Hub.

        Of the released layout these options are understood: `dtype`, `device_map` (one device), `attn_implementation`,
        `config`, `revision`, `local_files_only`.

        Raises:
            ValueError: weights are missing or left over; the message lists them. (RuntimeError: of another shape.)
        """
        from gsi_train.bagel import convert  # it reads this module

        hub = {name: kwargs[name] for name in ("revision", "local_files_only") if name in kwargs}
        if convert.names_released(pretrained_model_name_or_path, **hub):
            model = convert.load_released(pretrained_model_name_or_path, **kwargs)
            return (model, {kind: set() for kind in _FAULTS}) if output_loading_info else model
        loaded: Any = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        model, info = loaded
        wrong = [
            f"{len(info[kind])} {kind.replace('_', ' ')}: {', '.join(sorted(info[kind]))}"
            for kind in _FAULTS
            if info[kind]
        ]
        if wrong:
            raise ValueError(f"{pretrained_model_name_or_path}: not the weights of this model; {'; '.join(wrong)}")
        return (model, info) if output_loading_info else model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, BagelPositions):
            initialization.copy_(module.pos_embed, module.table())
        elif not self.config.understanding_only and module is self.llm2vae:
            # The first velocities are zero, the mean of what they should be.
            initialization.zeros_(module.weight)

    def get_input_embeddings(self) -> nn.Module:
        """The table of text tokens."""
        return self.language_model.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        """The head that says text."""
        return self.language_model.lm_head

    def forward(
        self,
        pack: Pack,
        latents: Tensor | None = None,
        noise: Tensor | None = None,
        *,
        timestep_shift: float | None = None,
        mse_weight: float = 1.0,
        ce_weight: float = 1.0,
        ce_reweighting: bool = False,
        mse_tokens: float | Tensor | None = None,
        ce_tokens: float | Tensor | None = None,
        freeze_und: bool = False,
        output_hidden_states: bool = False,
    ) -> BagelOutput:
        """Read a pack, predict its noised pictures and its learned texts.

        Args:
            pack: the sequence, on the device of the model.
            latents: its pictures as clean, scaled latent tokens, [N, 64] ([`Pack.latent_tokens`]).
            noise: as `latents` (default: drawn from torch's generator). Only noised pictures use it.
            timestep_shift: moves times towards noise (default: the configuration's).
            mse_weight: of the picture loss.
            ce_weight: of the text loss.
            ce_reweighting: weigh text tokens by one over the square root of their span's length.
            mse_tokens: what the sum of `mse_per_token` is divided by (default: the learned latents of this pack). For
                an exact mean over several processes and steps: all their latents over the number of processes.
            ce_tokens: the same for text; a sum of weights with `ce_reweighting`. Given, it says that some pack of the
                step has texts to learn, if not this one.
            freeze_und: keep gradients out of the whole understanding side, as the paper's trainer does.
                This is more than weights that need no gradients: none flows through its states either.
            output_hidden_states: also give the states after each layer.

        Raises:
            ValueError: if latents and pack do not belong together.
        """
        shift = self.config.timestep_shift if timestep_shift is None else timestep_shift
        times = shift_timesteps(pack.timestep_logits.float().sigmoid(), shift)
        latents = self._checked(pack, latents)
        noise = torch.randn_like(latents) if noise is None else noise.float()
        if noise.shape != latents.shape:
            raise ValueError(f"noise: as large as the latents, {tuple(latents.shape)}, not {tuple(noise.shape)}")
        per_token = times.repeat_interleave(self._lens(pack), output_size=len(latents))[:, None]
        noised = (1 - per_token) * latents + per_token * noise
        with torch.set_grad_enabled(torch.is_grad_enabled() and not freeze_und):
            understanding = self._embed_understanding(pack)
        streams = self._streams(pack, noised, times, understanding)
        states: list[Tensor] | None = [] if output_hidden_states else None
        streams = self.language_model.model(
            streams, pack.position_ids[pack.order], self._attention(pack), freeze_und=freeze_und, states=states
        )
        out = BagelOutput(timesteps=times)
        if states is not None:
            out.hidden_states = tuple(state[pack.rank] for state in (*states, torch.cat(streams)))
        losses = []
        if len(pack.mse_loss_indexes):
            rows = pack.rank[pack.mse_loss_indexes]
            out.velocity = self.llm2vae(streams[0][rows]).float()
            out.mse_per_token = (out.velocity - (noise - latents)[rows]).square().mean(-1)
            out.mse_loss = out.mse_per_token.sum() / (len(rows) if mse_tokens is None else mse_tokens)
            losses.append(mse_weight * out.mse_loss)
        if len(pack.ce_loss_indexes):
            rows = pack.rank[pack.ce_loss_indexes] - len(latents)
            out.logits = self.language_model.lm_head(streams[-1][rows]).float()
            out.ce_per_token = nn.functional.cross_entropy(out.logits, pack.label_ids, reduction="none")
            weights = pack.ce_loss_weights if ce_reweighting else torch.ones_like(pack.ce_loss_weights)
            out.ce_loss = (out.ce_per_token * weights).sum() / (weights.sum() if ce_tokens is None else ce_tokens)
            losses.append(ce_weight * out.ce_loss)
        if self.training and ce_tokens is not None:
            losses.append(0 * self._reached(streams, pack))
        if losses:
            out.loss = torch.stack(losses).sum()
        return out

    def _reached(self, streams: Streams, pack: Pack) -> Tensor:
        """A sum that every weight has a part in, where some packs of a step have texts and others pictures to learn.

        Processes that share weights must all have gradients of the same ones, be they zero.
        """
        sums = [stream.float().sum() for stream in streams]
        if not len(pack.ce_loss_indexes):
            sums.append(self.language_model.lm_head(streams[-1][:1]).float().sum())
        if not len(pack.mse_loss_indexes) and not self.config.understanding_only:
            sums.append(self.llm2vae(streams[0]).float().sum())
        return torch.stack(sums).sum()

    def _checked(self, pack: Pack, latents: Tensor | None) -> Tensor:
        """Latents in float32; empty ones for a pack without pictures to draw."""
        count = len(pack.latent_indexes)
        if latents is None and count == 0:
            latents = torch.zeros(0, self.config.latent_token_size, device=pack.order.device)
        shape = (count, self.config.latent_token_size)
        if latents is None or latents.shape != shape:
            found = "none" if latents is None else f"{tuple(latents.shape)}"
            raise ValueError(f"latents: the pack needs {shape}, given are {found}; see Pack.latent_tokens")
        if count and self.config.understanding_only:
            raise ValueError(
                "understanding_only: this model has no generation expert; load it with understanding_only=False"
            )
        return latents.float()

    @staticmethod
    def _lens(pack: Pack) -> Tensor:
        return moved(torch.tensor(pack.latent_lens, dtype=torch.int64), pack.order.device)

    def _embed_understanding(self, pack: Pack) -> Tensor:
        """Patches and texts of a pack as the language model reads them, [P + X, hidden]."""
        text = self.language_model.model.embed_tokens(pack.text_ids)
        if not pack.vit_lens:
            if not self.training:
                return text
            # Other processes may have pictures: all must call the same modules, or a sharded model waits for ever.
            # One alone does so, too: Adam moves weights without gradient, but leaves those that have none at all.
            patch = torch.zeros(1, self.vit_model.vision_model.embeddings.patch_embedding.in_features)
            none = torch.zeros(1, dtype=torch.int64)
            return text + 0 * self._embed_patches(patch.to(text.device), none.to(text.device), [1]).to(text.dtype)
        patches = self._embed_patches(pack.vit_tokens, pack.vit_position_ids, pack.vit_lens)
        return torch.cat([patches.to(text.dtype), text])

    def _embed_patches(self, tokens: Tensor, position_ids: Tensor, lens: list[int]) -> Tensor:
        features = self.connector(self.vit_model.vision_model(tokens, position_ids, lens))
        return features + self.vit_pos_embed(position_ids).to(features.dtype)

    def _streams(self, pack: Pack, noised: Tensor, times: Tensor, understanding: Tensor) -> Streams:
        """All tokens as the language model reads them, by expert.

        Args:
            pack: says what is where.
            noised: latent tokens at their times, [N, 64].
            times: of each picture, [I].
            understanding: see `_embed_understanding`.
        """
        if self.config.understanding_only:
            return (understanding,)
        latents = self.vae2llm(noised.to(self.vae2llm.weight.dtype))
        lens = self._lens(pack)
        latents = latents + self.time_embedder(times).repeat_interleave(lens, 0, output_size=len(noised))
        latents = latents + self.latent_pos_embed(pack.latent_position_ids).to(latents.dtype)
        return (latents.to(understanding.dtype), understanding)

    def _attention(self, pack: Pack) -> Attend:
        """The rule of attention on a pack, as the model's implementation wants it."""
        if self.config._attn_implementation == "flex_attention":
            return BlockAttention(block_mask(pack.layout[pack.order]))
        if len(pack.sample_rows) == 1:
            parts = [Part(None, dense_mask(pack.layout[pack.order]))]
        else:
            parts = [Part(rows, dense_mask(pack.layout[pack.order[rows]])) for rows in pack.sample_rows]
        return SampleAttention(parts, str(self.config._attn_implementation))

    def new_context(self) -> BagelContext:
        """A context in which nothing has been said."""
        text = self.config.text_config
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        nothing = torch.empty(text.num_key_value_heads, 0, size, device=self.device, dtype=self.dtype)
        return BagelContext((nothing,) * text.num_hidden_layers, (nothing,) * text.num_hidden_layers)

    @torch.no_grad()
    def append(self, contexts: Sequence[BagelContext], items: Sequence[Item]) -> list[BagelContext]:
        """Say something in each context.

        Args:
            contexts: any number; of any length.
            items: one for each: a text, a picture for the vision tower, or a clean picture as a latent.

        Returns:
            The contexts with it.
        """
        pack = self._pack(contexts, items)
        latents = [item.latent for item in items if isinstance(item, VaeImage) and item.latent is not None]
        tokens = pack.latent_tokens(latents, self.config.latent_patch_size) if latents else None
        _, attention = self._read(pack, contexts, tokens, torch.zeros(len(latents), device=self.device), keep=True)
        return self._grown(contexts, items, attention)

    @torch.no_grad()
    def next_token(self, contexts: Sequence[BagelContext], tokens: Sequence[int]) -> tuple[Tensor, list[BagelContext]]:
        """Say one token in each context and ask for the next.

        Args:
            contexts: any number.
            tokens: one for each; an answer starts with the start token.

        Returns:
            Logits [contexts, vocabulary], float32, and the contexts with the tokens.
        """
        items = [Text(ids=[int(token)], markers=False) for token in tokens]
        pack = self._pack(contexts, items)
        streams, attention = self._read(pack, contexts, None, torch.zeros(0, device=self.device), keep=True)
        return self.language_model.lm_head(streams[-1]).float(), self._grown(contexts, items, attention)

    @torch.no_grad()
    def denoise(
        self,
        contexts: Sequence[BagelContext],
        noised: Sequence[Tensor],
        grids: Sequence[tuple[int, int]],
        time: float | Tensor,
    ) -> list[Tensor]:
        """The velocity of a noised picture in each context (from data to noise); the contexts stay as they are.

        Args:
            contexts: any number, for example the branches of guidance, and several samples of each.
            noised: a picture for each, as latent tokens [rows * columns, 64].
            grids: (rows, columns) for each.
            time: how noisy the pictures are, in [0, 1] (after the shift); one for all or one for each.

        Returns:
            Velocities as `noised`, float32.
        """
        key = (tuple(grids), tuple(context.position for context in contexts), self.device)
        if self._drawn is None or self._drawn[0] != key:
            items = [VaeImage(grid=grid, noised=True, timestep_logit=0.0) for grid in grids]
            self._drawn = (key, self._pack(contexts, items))
        pack = self._drawn[1]
        times = moved(torch.as_tensor(time, dtype=torch.float32), self.device).expand(len(contexts))
        streams, _ = self._read(pack, contexts, torch.cat(list(noised)), times, keep=False)
        return list(self.llm2vae(streams[0]).float().split(pack.latent_lens))

    def _pack(self, contexts: Sequence[BagelContext], items: Sequence[Item]) -> Pack:
        """What is appended: every context goes on where it is, as a sample of one split."""
        positions = [context.position for context in contexts]
        return build_pack([[item] for item in items], self.config, positions).to(self.device)

    def _read(
        self,
        pack: Pack,
        contexts: Sequence[BagelContext],
        latents: Tensor | None,
        times: Tensor,
        *,
        keep: bool,
    ) -> tuple[Streams, SampleAttention]:
        """Run the model on what is appended to contexts; gives normed states, and keys and values with `keep`."""
        streams = self._streams(pack, self._checked(pack, latents), times, self._embed_understanding(pack))
        parts = []
        for rows, context, mode in zip(pack.sample_rows, contexts, pack.attn_modes, strict=True):
            mask = None
            if mode == "causal" and len(rows) > 1:
                past = len(context)
                layout = Layout.of([past + len(rows)], [past, len(rows)], ["causal", mode])
                mask = dense_mask(layout.to(self.device))[past:]
            # An empty context is no reason to copy, nor to take its dtype where autocast has chosen another.
            past_states = (context.keys, context.values) if len(context) else ()
            parts.append(Part(rows, mask, *past_states))
        # A picture sees all that came before: without a mask SDPA takes its fastest kernels.
        implementation = "eager" if self.config._attn_implementation == "eager" else "sdpa"
        attention = SampleAttention(parts, implementation, keep=keep)
        return self.language_model.model(streams, pack.position_ids[pack.order], attention), attention

    @staticmethod
    def _grown(
        contexts: Sequence[BagelContext], items: Sequence[Item], attention: SampleAttention
    ) -> list[BagelContext]:
        grown = []
        for number, (context, item) in enumerate(zip(contexts, items, strict=True)):
            keys, values = zip(*(layer[number] for layer in attention.seen), strict=True)
            grown.append(BagelContext(keys, values, context.position + position_step(item)))
        return grown

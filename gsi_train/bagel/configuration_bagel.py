"""What a BAGEL is made of: the facts of its four parts, with those of BAGEL-7B-MoT as defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig, Qwen2Config, SiglipVisionConfig
from transformers.configuration_utils import SubConfigSpec


TEXT_7B = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "tie_word_embeddings": False,
}
"""The language model, Qwen2.5-7B."""

VISION_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 26,
    "num_attention_heads": 16,
    "image_size": 980,
    "patch_size": 14,
    "vision_use_head": False,
}
"""The vision tower, SigLIP so400m; only the layers that are used (the released file states one more)."""


class BagelVaeConfig(PretrainedConfig):
    """The autoencoder (FLUX.1's), which is no part of the model: latents come in, velocities of latents go out.

    Args:
        in_channels: of a picture.
        base_channels: width of the first stage.
        channel_multipliers: width of each stage over the first; each stage but the last halves the picture.
        layers_per_block: residual blocks of a stage.
        latent_channels: of a latent.
        norm_groups: of its group norms.
        scaling_factor: a latent is `scaling_factor * (what the encoder says - shift_factor)`.
        shift_factor: see there.
    """

    model_type = "bagel_vae"
    base_config_key = "vae_config"

    in_channels: int = 3
    base_channels: int = 128
    channel_multipliers: list[int] | tuple[int, ...] = (1, 2, 4, 4)
    layers_per_block: int = 2
    latent_channels: int = 16
    norm_groups: int = 32
    scaling_factor: float = 0.3611
    shift_factor: float = 0.1159

    @property
    def downsample(self) -> int:
        """Pixels per latent value along a side (8)."""
        return 2 ** (len(self.channel_multipliers) - 1)


class BagelConfig(PretrainedConfig):
    """Configuration of [`BagelForConditionalGeneration`]; the defaults are BAGEL-7B-MoT (paper: arXiv 2505.14683).

    Args:
        text_config: the language model. Its query/key norms and the second expert of each layer are not stated
            there: they are what makes it BAGEL's.
        vision_config: the vision tower, with the layers that are used.
        vae_config: the autoencoder that makes the latents.
        latent_patch_size: latent values per token side.
        max_latent_size: side of the table of latent positions, in tokens.
        vit_max_num_patch_per_side: side of the table of patch positions, in patches.
        connector_act: activation between vision tower and language model.
        interpolate_pos: spread a small picture over the whole table (released weights: no).
        timestep_shift: of training; inference chooses its own.
        bos_token_id: starts a text span (`<|im_start|>`).
        eos_token_id: ends a text span (`<|im_end|>`).
        start_of_image_token_id: starts a picture (`<|vision_start|>`).
        end_of_image_token_id: ends a picture (`<|vision_end|>`).
        understanding_only: build no generation expert (half of the weights): text answers, no pictures.
    """

    model_type = "bagel"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "text_config": SubConfigSpec(Qwen2Config, init_kwargs=TEXT_7B),
        "vision_config": SubConfigSpec(SiglipVisionConfig, init_kwargs=VISION_SO400M),
        "vae_config": SubConfigSpec(BagelVaeConfig),
    }

    # Given as a dict, an object or not at all; from then on a Qwen2Config, SiglipVisionConfig and BagelVaeConfig.
    text_config: Any = None
    vision_config: Any = None
    vae_config: Any = None
    latent_patch_size: int = 2
    max_latent_size: int = 64
    vit_max_num_patch_per_side: int = 70
    connector_act: str = "gelu_pytorch_tanh"
    interpolate_pos: bool = False
    timestep_shift: float = 1.0
    bos_token_id: int = 151644
    eos_token_id: int = 151645
    start_of_image_token_id: int = 151652
    end_of_image_token_id: int = 151653
    understanding_only: bool = False
    tie_word_embeddings: bool = False

    @classmethod
    def from_released(
        cls, llm: dict[str, Any], vit: dict[str, Any], vae: dict[str, Any] | None = None, **kwargs: Any
    ) -> BagelConfig:
        """The configuration of a checkpoint in the released layout.

        Args:
            llm: content of `llm_config.json`.
            vit: content of `vit_config.json`, which states one layer more than is used.
            vae: facts of the autoencoder under the names of its own code (`ch`, `ch_mult`, `z_channels`, ...); the
                released folder has none.
            kwargs: the other fields of this class.

        Raises:
            ValueError: if a file does not state what every checkpoint must.
        """
        for name, part in (("llm_config.json", llm), ("vit_config.json", vit)):
            missing = sorted({"hidden_size", "num_hidden_layers", "num_attention_heads"} - part.keys())
            if missing:
                raise ValueError(f"{name}: {', '.join(missing)} missing; is this folder a BAGEL checkpoint?")
        text = {name: value for name, value in llm.items() if name not in _NOT_KEPT}
        vision = {name: value for name, value in vit.items() if name not in _NOT_KEPT}
        vision.update(num_hidden_layers=vit["num_hidden_layers"] - 1, vision_use_head=False)
        return cls(
            text_config={**text, "tie_word_embeddings": False},
            vision_config=vision,
            vae_config={ours: vae[theirs] for ours, theirs in _VAE_NAMES.items() if theirs in vae} if vae else None,
            **kwargs,
        )

    @property
    def latent_token_size(self) -> int:
        """Values of a latent token (64)."""
        return self.latent_patch_size**2 * self.vae_config.latent_channels

    @property
    def pixels_per_latent_token(self) -> int:
        """Pixels that a latent token covers along a side (16)."""
        return self.latent_patch_size * self.vae_config.downsample

    def check_image_sizes(self, vae_side: int, vit_side: int | None = None) -> None:
        """Refuse pictures that the position tables cannot hold, before a run starts.

        Args:
            vae_side: longest side of a picture for the autoencoder, pixels.
            vit_side: longest side of a picture for the vision tower, pixels.

        Raises:
            ValueError: naming the table, what it holds and the remedy.
        """
        patch = self.vision_config.patch_size
        for what, side, unit, table in (
            ("max_latent_size", vae_side, self.pixels_per_latent_token, self.max_latent_size),
            ("vit_max_num_patch_per_side", vit_side, patch, self.vit_max_num_patch_per_side),
        ):
            if side is not None and side > unit * table:
                raise ValueError(
                    f"{what}: a table of {table} x {table} positions holds pictures of at most {unit * table} pixels "
                    f"a side, not {side}; lower the longest side, or load a checkpoint with a larger table"
                )


AutoConfig.register(BagelConfig.model_type, BagelConfig, exist_ok=True)


_NOT_KEPT = ("architectures", "model_type", "qk_norm", "layer_module", "torch_dtype", "rope")
"""Said by the released files, and always so or said elsewhere."""

_VAE_NAMES = {
    "in_channels": "in_channels",
    "base_channels": "ch",
    "channel_multipliers": "ch_mult",
    "layers_per_block": "num_res_blocks",
    "latent_channels": "z_channels",
    "scaling_factor": "scale_factor",
    "shift_factor": "shift_factor",
}

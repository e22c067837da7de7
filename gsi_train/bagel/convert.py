"""Checkpoints: our own folders and the released layout, read strictly, and the way back to the released layout.

Own: `config.json`, `model.safetensors` (or shards with an index), `vae/`, tokenizer, processor; see [`saving`].
Released: `llm_config.json`, `vit_config.json`, `ema.safetensors`, `ae.safetensors`, tokenizer.

Whatever is missing, left over or of another shape is one error that lists it, raised before any weight is read.
Nothing is initialised at random first, and what is not needed is never read.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding
from transformers.utils import cached_file

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.processing_bagel import BagelProcessor
from gsi_train.bagel.vae import config_of, diffusers_name, new_vae, to_diffusers
from gsi_train.record import LOG


INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
RELEASED_WEIGHTS, RELEASED_VAE = "ema.safetensors", "ae.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
OWN_VAE = Path("vae", "diffusion_pytorch_model.safetensors")
REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w.-]+")
SHOWN = 20
"""Names of weights in a message, of each kind of fault."""
TABLES_APART = 1e-2
"""By how much a stored table of positions may differ from the computed one: more than bfloat16 rounds off."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message names files and weights and the remedy."""


@dataclass(frozen=True)
class Stored:
    """A weight in a file.

    Attributes:
        file: which.
        name: there.
        shape: of the tensor.
    """

    file: Path
    name: str
    shape: tuple[int, ...]


def local_folder(
    name_or_path: str | os.PathLike[str], *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """The folder of a checkpoint, downloaded from the Hub if it is named as a repository there.

    Args:
        name_or_path: a folder, of the run that made it, too; or `owner/name`.
        revision: of the repository.
        local_files_only: take only what was downloaded before.

    Raises:
        CheckpointError: it is neither, or the download failed.
    """
    if Path(name_or_path).is_dir():
        return result_of_run(Path(name_or_path)) or Path(name_or_path)
    if not REPOSITORY.fullmatch(str(name_or_path)):
        raise CheckpointError(
            f"{name_or_path}: there is no such folder, and it is no name of a repository (owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            str(name_or_path),
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=["*.json", "*.txt", "*.jinja", "*.safetensors"],
        )
    except Exception as error:
        # What the Hub's client raises, offline and on, has no class in common.
        raise CheckpointError(
            f"{name_or_path}: there is no such folder, and the Hub did not give it ({error}); check name and network, "
            "or give the folder of a downloaded checkpoint"
        ) from error
    return Path(folder)


def local_folders(
    name_or_path: str | os.PathLike[str],
    adapter: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    local_files_only: bool = False,
) -> tuple[Path, Path | None]:
    """The folder of a checkpoint and that of the adapter on it, downloaded where they are repositories of the Hub.

    Args:
        name_or_path: of a checkpoint, or of an adapter, which names the checkpoint that it is for.
        adapter: folder or repository of an adapter.
        revision: of `name_or_path`.
        local_files_only: take only what was downloaded before.

    Raises:
        CheckpointError: one of them cannot be had, or there would be two adapters.
    """
    folder = local_folder(name_or_path, revision=revision, local_files_only=local_files_only)
    if not is_adapter(folder):
        if adapter is None:
            return folder, None
        return folder, local_folder(adapter, local_files_only=local_files_only)
    if adapter is not None:
        raise CheckpointError(f"{name_or_path}: is an adapter itself; name the model, or leave {adapter} out")
    facts = _json(folder / ADAPTER_CONFIG)
    base = facts.get("base_model_name_or_path")
    try:
        if not base:
            raise CheckpointError(f"{ADAPTER_CONFIG} names no base_model_name_or_path")
        return local_folder(base, revision=facts.get("revision"), local_files_only=local_files_only), folder
    except CheckpointError as error:
        raise CheckpointError(
            f"{name_or_path}: is an adapter, and the model that it is for cannot be had ({error}); name that model, "
            f"with adapter={str(name_or_path)!r}"
        ) from error


def result_of_run(folder: Path) -> Path | None:
    """The folder of the model or adapter that a run has made; None if `folder` is of no run, or the run made none."""
    places = (folder / name for name in ("model", "adapter") if holds_weights(folder / name))
    return next(places, None) if (folder / LOG).is_file() else None


def holds_weights(folder: Path) -> bool:
    """Whether a folder is that of a model or an adapter, of either layout."""
    return any((folder / name).is_file() for name in (ADAPTER_CONFIG, "config.json", "llm_config.json"))


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def is_released(folder: Path) -> bool:
    """Whether a folder has the released layout."""
    return (folder / "llm_config.json").is_file() and not (folder / INDEX).is_file()


def names_released(name_or_path: Any, *, revision: str | None = None, local_files_only: bool = False) -> bool:
    """Whether this is a folder or a repository of the released layout; a small file of the latter is downloaded."""
    if Path(name_or_path).is_dir():
        return is_released(Path(name_or_path))
    if not REPOSITORY.fullmatch(str(name_or_path)):
        return False
    found = cached_file(
        str(name_or_path),
        "llm_config.json",
        revision=revision,
        local_files_only=local_files_only,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return found is not None and not (Path(found).parent / INDEX).is_file()


def load_released(
    name_or_path: str | os.PathLike[str],
    *,
    config: BagelConfig | None = None,
    dtype: torch.dtype | str | None = None,
    device_map: torch.device | str | Mapping[str, Any] | None = None,
    attn_implementation: str | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    **others: Any,
) -> BagelForConditionalGeneration:
    """[`load_model`] with the options of transformers' `from_pretrained`.

    Raises:
        CheckpointError: see the module; also for an option that is not understood.
    """
    device: Any = device_map[""] if isinstance(device_map, Mapping) and device_map.keys() == {""} else device_map
    if isinstance(device, Mapping) or device == "auto":
        others["device_map"] = device
    if others:
        asked = ", ".join(others)
        raise CheckpointError(
            f"{name_or_path}: has the released layout, for which these options are not understood: {asked}. Save it "
            "in our own layout first: BagelPipeline.from_pretrained(...).save_pretrained(FOLDER)"
        )
    folder = local_folder(name_or_path, revision=revision, local_files_only=local_files_only)
    if isinstance(dtype, str):
        dtype = None if dtype == "auto" else getattr(torch, dtype)
    model = load_model(folder, config=config, dtype=dtype, device="cpu" if device is None else device)
    if attn_implementation is not None:
        model.set_attn_implementation(attn_implementation)
    model.name_or_path = str(name_or_path)
    return model


def load_model(
    folder: Path,
    *,
    config: BagelConfig | None = None,
    weights: str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    understanding_only: bool = False,
) -> BagelForConditionalGeneration:
    """Read a model, strictly.

    Args:
        folder: of our own layout or the released one.
        config: instead of what the folder says.
        weights: file in it (default: what the layout says; of a released folder of training that is the average).
        dtype: of the weights (default: as stored).
        device: where they go, without a stop elsewhere.
        understanding_only: do not build and do not read the generation expert.

    Returns:
        The model, in evaluation mode.

    Raises:
        CheckpointError: see the module.
    """
    stored = _stored_model(folder, weights)
    if config is None:
        config = released_config(folder, stored) if is_released(folder) else _own_config(folder)
    config.understanding_only = config.understanding_only or understanding_only
    if config.understanding_only:
        stored = {name: weight for name, weight in stored.items() if not _only_drawing(name)}
    with torch.device("meta"):
        model = BagelForConditionalGeneration(config)
    _fill(model, stored, dtype, device, folder)
    # Its numbers are no weights but follow from the configuration.
    with torch.device(device):
        model.language_model.model.rotary_emb = Qwen2RotaryEmbedding(config.text_config)
    _check_tables(model, folder)
    config.dtype = model.dtype
    return model.eval()


def load_vae(folder: Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> AutoencoderKL:
    """Read the autoencoder of a folder, strictly; see [`load_model`]."""
    if (folder / RELEASED_VAE).is_file():
        return load_flux_vae(folder / RELEASED_VAE, dtype=dtype, device=device)
    stored = stored_weights([folder / OWN_VAE])
    config = _json(folder / "vae" / "config.json")
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(config)
    _fill(vae, stored, dtype, device, folder / "vae")
    return vae.eval()


def load_flux_vae(
    file: Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> AutoencoderKL:
    """Read an autoencoder under FLUX names, strictly; its configuration follows from the shapes.

    Raises:
        CheckpointError: see the module.
    """
    flux = stored_weights([file])
    try:
        config = config_of({name: weight.shape for name, weight in flux.items()})
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}") from error
    with torch.device("meta"):
        vae = new_vae(config)
    stages = len(config.channel_multipliers)
    stored = {diffusers_name(name, stages): weight for name, weight in flux.items()}
    _fill(vae, stored, dtype, device, file, lambda weights: to_diffusers(weights, stages))
    return vae.eval()


def released_config(folder: Path, stored: Mapping[str, Stored]) -> BagelConfig:
    """The configuration of a released folder; the tables of positions say their sizes themselves."""
    try:
        config = BagelConfig.from_released(_json(folder / "llm_config.json"), _json(folder / "vit_config.json"))
    except ValueError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    for name, table in (
        ("max_latent_size", "latent_pos_embed.pos_embed"),
        ("vit_max_num_patch_per_side", "vit_pos_embed.pos_embed"),
    ):
        if table in stored:
            setattr(config, name, math.isqrt(stored[table].shape[0]))
    if (folder / RELEASED_VAE).is_file():
        flux = stored_weights([folder / RELEASED_VAE])
        config.vae_config = config_of({name: weight.shape for name, weight in flux.items()})
    if "vae2llm.weight" in stored:
        values = stored["vae2llm.weight"].shape[1]
        config.latent_patch_size = math.isqrt(values // config.vae_config.latent_channels)
    for name, number in BagelProcessor.from_pretrained(folder).special_ids.items():
        setattr(config, name, number)
    return config


def stored_weights(files: Collection[Path]) -> dict[str, Stored]:
    """What is in files of weights, by name; no weight is read."""
    found: dict[str, Stored] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118  (it is no mapping)
                    if name in found:
                        raise CheckpointError(f"{file}: {name} lies in {found[name].file.name} too; keep one of them")
                    found[name] = Stored(file, name, tuple(opened.get_slice(name).get_shape()))
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{file}: cannot be read ({error}); download or save the checkpoint again"
            ) from error
    return found


def check_names(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], where: Path) -> None:
    """Compare names and shapes of weights.

    Raises:
        CheckpointError: they differ; all differences are in the message.
    """
    faults = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unknown": sorted(found.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {list(found[name])} for {list(shape)}"
            for name, shape in sorted(wanted.items())
            if name in found and found[name] != shape
        ],
    }
    texts = [f"{len(names)} {kind}: {_some(names)}" for kind, names in faults.items() if names]
    if texts:
        raise CheckpointError(
            f"{where}: these are not the weights of this configuration. {'. '.join(texts)}. Nothing was loaded; take "
            "weights and configuration of the same checkpoint"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _stored_model(folder: Path, weights: str | None) -> dict[str, Stored]:
    if weights is not None:
        return stored_weights([folder / weights])
    if (folder / INDEX).is_file():
        try:
            files = {folder / file for file in _json(folder / INDEX)["weight_map"].values()}
        except (KeyError, AttributeError) as error:
            raise CheckpointError(f"{folder / INDEX}: has no weight_map; download or save it again") from error
        return stored_weights(sorted(files))
    for name in (RELEASED_WEIGHTS, SINGLE):
        if (folder / name).is_file():
            return stored_weights([folder / name])
    raise CheckpointError(
        f"{folder}: holds neither {SINGLE} (or its index) nor {RELEASED_WEIGHTS}; is it the folder of a BAGEL?"
    )


def _own_config(folder: Path) -> BagelConfig:
    facts = _json(folder / "config.json")
    if facts.get("model_type") != BagelConfig.model_type:
        raise CheckpointError(
            f"{folder / 'config.json'}: model_type is {facts.get('model_type')!r}, not {BagelConfig.model_type!r}; is "
            "it the folder of a BAGEL?"
        )
    return BagelConfig.from_dict(facts)


def _only_drawing(name: str) -> bool:
    return is_generation_weight(name) or name.startswith("latent_pos_embed.")


def _unreadable(file: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{file}: cannot be read ({error}); download or save the checkpoint again")


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror}); is the checkpoint complete?") from error
    except ValueError as error:
        raise CheckpointError(f"{file}: is no JSON ({error}); download or save the checkpoint again") from error


def _fill(
    module: nn.Module,
    stored: Mapping[str, Stored],
    dtype: torch.dtype | None,
    device: torch.device | str,
    where: Path,
    converted: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
) -> None:
    """Give a module on the meta device its weights, file by file; on the CPU they stay mapped until they are used."""
    wanted = {name: tuple(weight.shape) for name, weight in module.state_dict().items()}
    found = {name: weight.shape for name, weight in stored.items()}
    if converted is not None:
        # What it does to shapes, it does to tensors without content.
        flux = {weight.name: torch.empty(weight.shape, device="meta") for weight in stored.values()}
        found = {name: tuple(weight.shape) for name, weight in converted(flux).items()}
    check_names(found, wanted, where)
    # Of several processes on a CPU, accelerate calls it cpu:0, cpu:1, ..., which safetensors does not know.
    place = "cpu" if torch.device(device).type == "cpu" else str(device)
    for file in sorted({weight.file for weight in stored.values()}):
        names = {weight.name: name for name, weight in stored.items() if weight.file == file}
        try:
            with safe_open(file, framework="pt", device=place) as opened:
                weights = {name: opened.get_tensor(name).to(dtype) for name in names}
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{file}: cannot be read ({error}); download or save the checkpoint again"
            ) from error
        weights = (
            {names[name]: weight for name, weight in weights.items()} if converted is None else converted(weights)
        )
        module.load_state_dict(weights, strict=False, assign=True)


def _check_tables(model: BagelForConditionalGeneration, folder: Path) -> None:
    """Stored tables of positions must be what they should be; the model would see pictures scrambled."""
    for name in ("latent_pos_embed", "vit_pos_embed"):
        if (module := getattr(model, name, None)) is None:
            continue
        stored, table = module.pos_embed, module.table().to(module.pos_embed)
        apart = (stored.float() - table.float()).abs().max().item()
        if not apart <= TABLES_APART:
            raise CheckpointError(
                f"{folder}: {name}.pos_embed is no table of positions of {module.side} x {module.side} (off by "
                f"{apart:.1e}); these weights are damaged or of another model"
            )

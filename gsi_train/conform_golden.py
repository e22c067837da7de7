"""A folder in the golden format: the tiny model and what its batches are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.convert import CheckpointError, load_flux_vae
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.packing import Item, Text, VaeImage, VitImage, chain_items, edit_items
from gsi_train.conform import ConformError, read_json, read_tensors


@dataclass
class Golden:
    """What all recordings share.

    Attributes:
        folder: where it lies.
        facts: content of `config.json`.
        model: with the recorded weights, float32.
        vae: as `model`.
        pictures: `image_<name>` as given; `vae_<name>`, `vit_train_<name>` and `vit_infer_<name>` resized; uint8.
    """

    folder: Path
    facts: dict[str, Any]
    model: BagelForConditionalGeneration
    vae: AutoencoderKL
    pictures: dict[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> Golden:
        """Read a folder.

        Raises:
            ConformError: a file is missing or broken, or the weights are not those of the configuration.
        """
        facts = read_json(folder / "config.json")
        config = golden_config(folder)
        model = BagelForConditionalGeneration(config).eval()
        weights = read_tensors(folder / "model.safetensors")
        named = {name: list(weight.shape) for name, weight in model.state_dict().items()}
        if named != read_json(folder / "model_keys.json"):
            raise ConformError(f"{folder / 'model_keys.json'}: not the weights that {folder / 'config.json'} asks for")
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ConformError(f"{folder / 'model.safetensors'}: {error}") from error
        try:
            vae = load_flux_vae(folder / "vae.safetensors")
        except CheckpointError as error:
            raise ConformError(str(error)) from error
        pictures = read_tensors(folder / "images.safetensors") | read_tensors(folder / "resized.safetensors")
        return cls(folder, facts, model, vae, pictures)

    def pixels(self, name: str) -> Tensor:
        """A picture as a model sees it, [3, H, W] in [-1, 1]."""
        return (self.pictures[name].permute(2, 0, 1).float() / 255 - 0.5) / 0.5

    def ids(self, text: str) -> list[int]:
        """Tokens of a text: its bytes."""
        return list(text.encode())

    def samples(self, batch: str, logits: Sequence[float], dropped: Sequence[Sequence[str]]) -> list[list[Item]]:
        """The samples of a training batch, as its recording describes them.

        Args:
            batch: name of the recording.
            logits: of the time of each noised picture, in order.
            dropped: of each sample, the kinds of conditions that are left out.
        """
        strings, times = self.facts["strings"], iter(logits)

        def vae(name: str) -> VaeImage:
            return VaeImage(pixels=self.pixels(f"vae_{name}"))

        def vit(name: str) -> VitImage:
            return VitImage(pixels=self.pixels(f"vit_train_{name}"))

        def edit(number: str, text: str) -> list[Item]:
            source, target = f"src{number}", f"tgt{number}"
            return edit_items(vae(source), vit(source), self.ids(strings[text]), vae(target))

        first, second = edit("", "text"), edit("2", "text2")
        question: list[Item] = [vit("vqa"), Text(ids=self.ids(strings["q"]))]
        answer = Text(ids=self.ids(strings["a"]), loss=True)
        steps = [self.ids(text) for text in strings["multi_text"]]
        chain = chain_items(
            (vae("multi0"), vit("multi0")),
            [(steps[0], vae("multi1"), vit("multi1")), (steps[1], vae("multi2"), None)],
        )
        batches: dict[str, list[list[Item]]] = {
            "train_edit": [first],
            "train_batch": [first, second, first, second, [*question, answer]],
            "train_multiturn": [chain, second],
        }
        samples = []
        for items, left_out in zip(batches[batch], dropped, strict=True):
            samples.append([_recorded(item, times, left_out) for item in items])
        return samples


def golden_config(folder: Path) -> BagelConfig:
    """The configuration of the tiny model, read as a released folder is."""
    facts = read_json(folder / "config.json")
    llm, vit = (read_json(folder / f"{part}_config.json") for part in ("llm", "vit"))
    special = facts["special_token_ids"]
    return BagelConfig.from_released(
        llm,
        vit,
        facts["vae_config"],
        **{name: facts[name] for name in _NAMES},
        bos_token_id=special["bos_token_id"],
        eos_token_id=special["eos_token_id"],
        start_of_image_token_id=special["start_of_image"],
        end_of_image_token_id=special["end_of_image"],
    )


_NAMES = ("latent_patch_size", "max_latent_size", "vit_max_num_patch_per_side", "connector_act", "interpolate_pos")


def _recorded(item: Item, times: Iterator[float], left_out: Sequence[str]) -> Item:
    """An item with its recorded time, or dropped as recorded."""
    if isinstance(item, VaeImage) and item.noised:
        return replace(item, timestep_logit=next(times))
    kind = {Text: "text", VitImage: "vit", VaeImage: "vae"}[type(item)]
    return replace(item, dropped=kind in left_out and not (isinstance(item, Text) and item.loss))

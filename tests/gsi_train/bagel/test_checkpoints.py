"""Checkpoints of both layouts: read as written, bit for bit; whatever is wrong with one is one clear error."""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from gsi_train.bagel import convert
from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.convert import CheckpointError, load_model, load_vae
from gsi_train.bagel.generation import EditSettings
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration, is_generation_weight
from gsi_train.bagel.pipeline import BagelPipeline
from gsi_train.bagel.saving import export_released, released_configs
from gsi_train.conform_golden import golden_config
from tests.gsi_train.bagel import whole
from tests.gsi_train.bagel.tiny import FOLDER


RELEASED_FILES = {"ae.safetensors", "ema.safetensors", "llm_config.json", "vit_config.json"}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the released layout: do not change it."""
    folder = tmp_path_factory.mktemp("released") / "bagel"
    pipeline = whole.pipeline()
    assert pipeline.vae is not None
    export_released(folder, pipeline.model, pipeline.vae, pipeline.processor)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of our layout, in shards: do not change it."""
    folder = tmp_path_factory.mktemp("own") / "bagel"
    whole.pipeline().save_pretrained(folder, max_shard_size="500KB")
    return folder


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(request.getfixturevalue("released"), tmp_path / "copy")


def same(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def spoil(file: Path, **changes: torch.Tensor | None) -> None:
    weights = load_file(file) | changes
    save_file({name: weight.contiguous() for name, weight in weights.items() if weight is not None}, file)


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file can become larger than `free` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_released_layout_there_and_back(released: Path) -> None:
    assert {path.name for path in released.iterdir()} >= RELEASED_FILES
    for ours, recorded in (("ema.safetensors", "model.safetensors"), ("ae.safetensors", "vae.safetensors")):
        a, b = load_file(released / ours), load_file(FOLDER / recorded)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    length = int.from_bytes((released / "ema.safetensors").read_bytes()[:8], "little")
    assert "__metadata__" not in json.loads((released / "ema.safetensors").read_bytes()[8 : 8 + length])


def test_released_layout_says_all_by_itself(released: Path) -> None:
    pipeline, recorded = BagelPipeline.from_pretrained(released), whole.pipeline()
    assert same(pipeline.model, recorded.model)
    config, expected = pipeline.model.config.to_dict(), recorded.model.config.to_dict()
    config["dtype"] = expected["dtype"] = None
    assert config == expected
    assert pipeline.edit_settings == EditSettings()


def test_own_layout_there_and_back(own: Path) -> None:
    pipeline, recorded = BagelPipeline.from_pretrained(own), whole.pipeline()
    assert len(list(own.glob("model-*.safetensors"))) > 1
    assert same(pipeline.model, recorded.model)
    assert pipeline.vae is not None
    assert recorded.vae is not None
    assert same(pipeline.vae, recorded.vae)
    assert pipeline.edit_settings == whole.SETTINGS
    assert pipeline.processor.image_processor.vit == recorded.processor.image_processor.vit
    assert not pipeline.model.training


def test_own_layout_is_that_of_transformers(own: Path) -> None:
    assert same(BagelForConditionalGeneration.from_pretrained(own), whole.pipeline().model)


def test_the_class_itself_reads_the_released_layout(released: Path) -> None:
    model, info = BagelForConditionalGeneration.from_pretrained(
        released, dtype="bfloat16", attn_implementation="eager", device_map={"": "cpu"}, output_loading_info=True
    )
    assert not any(info.values())
    assert model.dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"
    assert same(BagelForConditionalGeneration.from_pretrained(released), whole.pipeline().model)
    for options in ({"device_map": "auto"}, {"load_in_8bit": True}):
        with pytest.raises(CheckpointError, match=f"not understood: {next(iter(options))}"):
            BagelForConditionalGeneration.from_pretrained(released, **options)


def test_the_class_itself_asks_the_hub(released: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def cached(name: str, file: str, **kwargs: Any) -> str:
        asked.append((name, file, kwargs["revision"]))
        return str(released / file)

    monkeypatch.setattr(convert, "cached_file", cached)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(released))
    model = BagelForConditionalGeneration.from_pretrained("someone/bagel", revision="v1")
    assert asked == [("someone/bagel", "llm_config.json", "v1")]
    assert same(model, whole.pipeline().model)
    monkeypatch.setattr(convert, "cached_file", lambda *_, **__: None)
    assert not convert.names_released("someone/bagel")
    assert not convert.names_released(own)


def test_a_card_and_the_settings_lie_beside(own: Path) -> None:
    card = (own / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert re.search(r"\d+,\d+ weights in float32", card)
    assert json.loads((own / "generation_config.json").read_text())["edit"]["points"] == 5


def test_all_that_differs_from_the_configuration_is_listed(folder: Path) -> None:
    file = folder / "ema.safetensors"
    bias = load_file(file)["connector.fc1.bias"]
    spoil(file, **{"connector.fc1.bias": bias[1:], "llm2vae.bias": None, "vae2llm.bias": None, "more": bias + 1})
    with pytest.raises(CheckpointError) as error:
        BagelPipeline.from_pretrained(folder)
    text = str(error.value)
    assert "2 missing: llm2vae.bias, vae2llm.bias" in text
    assert "1 unknown: more" in text
    assert "1 of another shape: connector.fc1.bias [63] for [64]" in text


def test_the_autoencoder_is_read_strictly(folder: Path) -> None:
    file = folder / "ae.safetensors"
    spoil(file, **{"decoder.norm_out.bias": None, "decoder.norm_in.bias": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"1 missing: decoder\.conv_norm_out\.bias.*1 unknown"):
        load_vae(folder)


def test_a_scrambled_table_of_positions_is_refused(folder: Path) -> None:
    file = folder / "ema.safetensors"
    spoil(file, **{"latent_pos_embed.pos_embed": load_file(file)["latent_pos_embed.pos_embed"].flip(0)})
    with pytest.raises(CheckpointError, match="latent_pos_embed"):
        load_model(folder)


def test_damaged_and_missing_files(folder: Path) -> None:
    file = folder / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"ema\.safetensors: cannot be read"):
        load_model(folder)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(folder)
    (folder / "vit_config.json").write_text("{")
    shutil.copy(FOLDER / "model.safetensors", file)
    with pytest.raises(CheckpointError, match=r"vit_config\.json: is no JSON"):
        load_model(folder)


def test_a_missing_shard(own: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(own, tmp_path / "copy")
    next(folder.glob("model-00002-*")).unlink()
    with pytest.raises(CheckpointError, match="model-00002"):
        load_model(folder)


def test_the_folder_of_another_model(own: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(own, tmp_path / "copy")
    (folder / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(CheckpointError, match="model_type is 'qwen2'"):
        load_model(folder)


def test_without_the_generation_expert(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = convert.safe_open

    class Watched:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.opened = original(*args, **kwargs)

        def __enter__(self) -> Watched:
            self.opened.__enter__()
            return self

        def __exit__(self, *error: Any) -> None:
            self.opened.__exit__(*error)

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.opened.get_tensor(name)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.opened, name)

    monkeypatch.setattr(convert, "safe_open", Watched)
    pipeline = BagelPipeline.from_pretrained(own, understanding_only=True)
    assert read
    assert not any(is_generation_weight(name) for name in read)
    assert pipeline.vae is None
    turn = [whole.picture("vqa"), "How many cups?"]
    assert pipeline.answer([turn]) == whole.pipeline().answer([turn])
    with pytest.raises(ValueError, match="understanding_only"):
        pipeline.edit([turn])


def test_an_understanding_model_is_saved_and_read_again(own: Path, tmp_path: Path) -> None:
    pipeline = BagelPipeline.from_pretrained(own, understanding_only=True)
    pipeline.save_pretrained(tmp_path / "half")
    again = BagelPipeline.from_pretrained(tmp_path / "half")
    assert again.vae is None
    assert same(again.model, pipeline.model)


def test_another_type(released: Path) -> None:
    pipeline = BagelPipeline.from_pretrained(released, dtype=torch.bfloat16)
    assert {weight.dtype for weight in pipeline.model.parameters()} == {torch.bfloat16}
    assert pipeline.model.language_model.model.rotary_emb.inv_freq.dtype == torch.float32
    exact = whole.pipeline().model.state_dict()
    assert all(torch.equal(weight, exact[name].bfloat16()) for name, weight in pipeline.model.state_dict().items())


def test_from_half_to_single(released: Path, tmp_path: Path) -> None:
    half = BagelPipeline.from_pretrained(released, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "half")
    single = load_model(tmp_path / "half", dtype=torch.float32)
    stored = half.model.state_dict()
    assert all(torch.equal(weight, stored[name].float()) for name, weight in single.state_dict().items())
    assert load_model(tmp_path / "half").dtype == torch.bfloat16


def test_training_does_not_touch_the_file(own: Path) -> None:
    model = load_model(own)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert same(load_model(own), whole.pipeline().model)


def test_other_weights_of_a_folder_of_training(folder: Path) -> None:
    weights = load_file(folder / "ema.safetensors")
    save_file(weights | {"llm2vae.bias": weights["llm2vae.bias"] + 1}, folder / "model.safetensors")
    average, raw = load_model(folder), load_model(folder, weights="model.safetensors")
    assert torch.equal(average.llm2vae.bias + 1, raw.llm2vae.bias)


def test_released_configuration_of_full_size() -> None:
    llm, vit = released_configs(BagelConfig(), torch.bfloat16)
    assert llm["rope_theta"] == 1e6
    assert vit["num_hidden_layers"] == 27
    again = BagelConfig.from_released(llm, vit)
    for part in ("text_config", "vision_config"):
        a, b = getattr(again, part).to_dict(), getattr(BagelConfig(), part).to_dict()
        a["dtype"] = b["dtype"] = None
        assert a == b


def test_saving_again_leaves_nothing_old(tmp_path: Path) -> None:
    pipeline = whole.pipeline()
    folder = tmp_path / "bagel"
    pipeline.save_pretrained(folder, max_shard_size="300KB")
    (folder / "notes.txt").write_text("mine")
    with torch.no_grad():
        pipeline.model.llm2vae.bias += 1
    pipeline.save_pretrained(folder)
    assert [path.name for path in folder.glob("model*")] == ["model.safetensors"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert same(BagelPipeline.from_pretrained(folder).model, pipeline.model)
    assert [path.name for path in tmp_path.iterdir()] == ["bagel"]


@pytest.mark.parametrize("way", ["own", "released"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, way: str) -> None:
    pipeline, folder = whole.pipeline(), tmp_path / "bagel"
    assert pipeline.vae is not None

    def save() -> None:
        if way == "own":
            pipeline.save_pretrained(folder)
        else:
            assert pipeline.vae is not None
            export_released(folder, pipeline.model, pipeline.vae, pipeline.processor)

    save()
    with torch.no_grad():
        pipeline.model.llm2vae.bias += 1
    with full_disk(1_000_000), pytest.raises(CheckpointError, match="cannot be written"):
        save()
    assert [path.name for path in tmp_path.iterdir()] == ["bagel"]
    assert same(BagelPipeline.from_pretrained(folder).model, whole.pipeline().model)


def test_too_little_space_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 9))  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"0\.0 GB are free"):
        whole.pipeline().save_pretrained(tmp_path / "bagel")
    assert not list(tmp_path.iterdir())


def test_names_that_are_neither_folder_nor_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="owner/name"):
        convert.local_folder("no/such/folder")

    def offline(*args: Any, **kwargs: Any) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match="no network"):
        convert.local_folder("someone/bagel")


def test_a_repository_is_downloaded(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def download(name: str, **kwargs: Any) -> str:
        asked.append((name, kwargs["revision"]))
        return str(released)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    pipeline = BagelPipeline.from_pretrained("someone/bagel", revision="v1")
    assert asked == [("someone/bagel", "v1")]
    assert pipeline.model.name_or_path == "someone/bagel"


def test_golden_folder_with_a_given_configuration() -> None:
    assert same(load_model(FOLDER, config=golden_config(FOLDER)), whole.pipeline().model)

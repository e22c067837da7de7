"""A published model: card, results that the Hub's own parsers read, nothing of this machine, one clear error each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from gsi_datasets.cli import main
from gsi_datasets.publishing.repository import Files, HubError
from gsi_metrics.module import NAMES
from gsi_metrics.runs import RunError
from gsi_train.bagel.convert import CheckpointError
from gsi_train.bagel.editor import fingerprint, weight_files
from gsi_train.publishing import model_files, publish_model
from gsi_train.results import PublishingError
from tests.gsi_train.published import Made, make


REPO = "someone/bagel-gsi"
DATASET = "someone/gsi-bench"
BASE = "someone/bagel"
RESULTS = ".eval_results/gsi-bench-gsi_syn_table.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("made"))


def content(files: Files) -> dict[str, bytes]:
    return {path: it if isinstance(it, bytes) else it.read_bytes() for path, it in files.items()}


def card(files: Files) -> ModelCard:
    return ModelCard(content(files)["README.md"].decode())


def test_a_model_with_its_run_and_scores(made: Made) -> None:
    given: dict[str, Any] = {"scores": [made.scores], "dataset": DATASET, "base": BASE, "tag": "v1.0.0"}
    files = model_files(made.full, REPO, **given)
    assert set(files) == {
        *(path.relative_to(made.full / "model").as_posix() for path in (made.full / "model").rglob("*.*")),
        RESULTS,
        *(f"training/{name}" for name in ("recipe.yaml", "log.jsonl", "loss.png", "edits.png")),
    }
    assert content(files) == content(model_files(made.full / "model", REPO, **given))
    facts = card(files).data
    assert (facts.base_model, facts["base_model_relation"], facts.datasets) == (BASE, "finetune", [DATASET])
    assert (facts.license, facts.pipeline_tag) == ("apache-2.0", "image-to-image")
    text = card(files).text
    assert f'BagelPipeline.from_pretrained("{REPO}", revision="v1.0.0"' in text
    assert all(f"]({path})" in text for path in files if path.startswith("training/"))
    steps = [json.loads(line)["step"] for line in content(files)["training/log.jsonl"].splitlines()]
    assert steps == [1, 2]
    assert yaml.safe_load(content(files)["training/recipe.yaml"])["learning_rate"] == 1e-3


def test_results_are_what_was_scored_for_the_parsers_of_the_hub(made: Made) -> None:
    files = content(model_files(made.full, REPO, scores=[made.scores], dataset=DATASET))
    entries = parse_eval_result_entries(yaml.safe_load(files[RESULTS]))
    wanted = {f"gsi_syn_table_{NAMES[short]}": mean for short, mean in made.means.items()}
    assert {entry.task_id: entry.value for entry in entries} == wanted
    assert len(wanted) == 4
    assert {entry.dataset_id for entry in entries} == {DATASET}
    assert all("gsi-bench-v2, perception truth" in str(entry.notes) for entry in entries)
    found = card(files).data
    assert found.model_name == "bagel-gsi"
    assert found.eval_results is not None
    assert {it.metric_type: it.metric_value for it in found.eval_results} == {
        NAMES[short]: mean for short, mean in made.means.items()
    }
    assert {(it.dataset_type, it.dataset_config, it.dataset_split) for it in found.eval_results} == {
        (DATASET, "gsi_syn_table", "test")
    }
    row = next(line for line in card(files).text.splitlines() if line.startswith("| **all** |"))
    assert f"{made.means['sa']:.3f}" in row


def test_scores_of_learned_rows_say_so(made: Made, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made.full, run)
    ids = (run / "rows.jsonl").read_text().splitlines(keepends=True)
    assert len(ids) == 4

    def told() -> tuple[str, str, Any]:
        files = content(model_files(run, REPO, scores=[made.scores], dataset=DATASET))
        [head] = [line for line in card(files).text.splitlines() if line.startswith(f"[`{DATASET}`]")]
        [notes] = {it["notes"].split(", ")[3] for it in yaml.safe_load(files[RESULTS])}
        found = card(files).data.eval_results
        assert found is not None
        [number] = {(it.metric_args or {}).get("rows_learned_from") for it in found}
        return head.split(" rows. ")[1], notes, number

    assert told() == ("**The model learned from 4 of them.**", "the model learned from 4 of them", 4)
    (run / "rows.jsonl").write_text(ids[0] + '"another"\n')
    assert told() == ("**The model learned from 1 of them.**", "the model learned from 1 of them", 1)
    (run / "rows.jsonl").write_text('"another"\n')
    assert told() == ("The model learned from none of them.", "the model learned from none of them", 0)
    (run / "rows.jsonl").unlink()
    text, notes, number = told()
    assert (text, number) == ("Whether the model learned from some of them is not recorded.", None)
    assert "learned" not in notes


def test_only_the_test_split_stands_on_leaderboards(made: Made, tmp_path: Path) -> None:
    scores = tmp_path / "scores"
    shutil.copytree(made.scores, scores)
    about = json.loads((scores / "run.json").read_text())
    (scores / "run.json").write_text(json.dumps(about | {"split": "validation"}))
    files = model_files(made.full, REPO, scores=[scores], dataset=DATASET)
    assert not [path for path in files if path.startswith(".eval_results/")]
    assert "`validation`" in card(files).text


def test_an_adapter_names_the_published_model(made: Made) -> None:
    with pytest.raises(
        PublishingError, match=r"model that this adapter is for is a folder; publish it first .*--base"
    ):
        model_files(made.lora, REPO)
    files = model_files(made.lora, REPO, base=BASE)
    weights = {path for path in files if not path.startswith("training/")}
    assert weights == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    facts = json.loads(content(files)["adapter_config.json"])
    assert (facts["base_model_name_or_path"], facts["r"]) == (BASE, 4)
    assert facts["target_modules"] == sorted(facts["target_modules"])
    found = card(files).data
    assert (found.base_model, found["base_model_relation"], found.library_name) == (BASE, "adapter", "peft")
    assert "lora" in found.tags


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_nothing_tells_where_it_was_made(made: Made, mode: str) -> None:
    run = made.full if mode == "full" else made.lora
    place = str(made.data.parent).encode()
    assert place in (run / "config.json").read_bytes()
    for path, it in content(model_files(run, REPO, base=BASE, scores=[made.scores], dataset=DATASET)).items():
        assert place not in it, path


def test_a_checkpoint_without_a_run(made: Made) -> None:
    files = model_files(made.start, REPO)
    assert not [path for path in files if path.startswith(("training/", ".eval_results/"))]
    text = card(files).text
    assert "Nothing was recorded of it." in text
    assert "None were given." in text
    # What it says of itself: `start` was saved with the released model as its base.
    assert card(files).data.base_model == "ByteDance-Seed/BAGEL-7B-MoT"


def test_scores_of_other_weights_are_refused(made: Made, tmp_path: Path) -> None:
    scores, edits = tmp_path / "scores", tmp_path / "edits"
    shutil.copytree(made.scores, scores)
    about = json.loads((scores / "run.json").read_text())
    (scores / "run.json").write_text(json.dumps(about | {"edits": str(edits)}))
    edits.mkdir()
    given: dict[str, Any] = {"scores": [scores], "dataset": DATASET, "base": BASE}
    for run, folder, adapter in (
        (made.full, made.full / "model", None),
        (made.lora, made.start, made.lora / "adapter"),
    ):
        drew = fingerprint(weight_files(folder, adapter))
        (edits / "edits.json").write_text(json.dumps({"editor": {"weights": drew}}))
        assert model_files(run, REPO, **given)
        (edits / "edits.json").write_text(json.dumps({"editor": {"weights": "0123456789abcdef"}}))
        with pytest.raises(PublishingError, match=r"gsi_syn_table/test: are of edits by other weights"):
            model_files(run, REPO, **given)


def test_what_cannot_be_published_is_one_clear_error(made: Made, tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="neither the folder of a run nor of a model"):
        model_files(tmp_path, REPO)
    with pytest.raises(PublishingError, match=r"data, which is no repository .*--dataset your-org/gsi-bench"):
        model_files(made.full, REPO, scores=[made.scores])
    with pytest.raises(PublishingError, match="two runs are of someone/gsi-bench/gsi_syn_table/test"):
        model_files(made.full, REPO, scores=[made.scores] * 2, dataset=DATASET)
    with pytest.raises(RunError, match="gsi-bench score first"):
        model_files(made.full, REPO, scores=[tmp_path], dataset=DATASET)
    for name, given in (("bagel", {}), (REPO, {"dataset": "../data"}), (REPO, {"base": "bagel"})):
        with pytest.raises(HubError, match="is not a repository name"):
            model_files(made.full, name, **given)
    run = tmp_path / "run"
    shutil.copytree(made.full, run)
    weights = run / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"model.safetensors: cannot be read"):
        model_files(run, REPO)
    shutil.rmtree(run / "model")
    with pytest.raises(PublishingError, match="holds neither model nor adapter; let the run come to its end"):
        model_files(run, REPO)
    shutil.copytree(made.full / "model", run / "model")
    (run / "log.jsonl").write_text('{"step": 1, "loss"')
    with pytest.raises(PublishingError, match=r"config.json, log.jsonl or rows.jsonl cannot be read"):
        model_files(run, REPO)
    shutil.rmtree(run / "pictures")
    with pytest.raises(PublishingError, match="no curve or no pictures"):
        model_files(run, REPO)


def test_a_dry_run_says_what_would_go_and_asks_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    told = str(publish_model(made.full, REPO, tag="v1.0.0")).splitlines()
    assert told[0] == f"{REPO}, tag v1.0.0"
    assert any(line.endswith(" MB  model.safetensors") for line in told)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(HubError, match=r"no token of the Hub; .*HF_TOKEN"):
        publish_model(made.full, REPO, upload=True)


def test_the_command_shows_the_card_first(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    scores = ["--scores", str(made.scores), "--dataset", DATASET, "--tag", "v1.0.0"]
    assert main(["publish", "model", str(made.full), "--repo", REPO, *scores]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{REPO}, tag v1.0.0\n")
    assert "\n# bagel-gsi\n" in told
    assert told.endswith("add --yes (the token is read from HF_TOKEN, or of `hf auth login`)\n")
    assert main(["publish", "model", str(made.lora), "--repo", REPO]) == 1
    assert capsys.readouterr().err.startswith("gsi-bench: ")

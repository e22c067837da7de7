"""Everything through the Hub: rows there, metrics there, a model there with its results; every value as at home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gsi_datasets import hub
from gsi_metrics.scoring import score_edits
from tests.folders import built_split
from tests.gsi_metrics.scored import edits_folder
from tests.hub import stub
from tests.hub.clients import client


pytestmark = pytest.mark.slow
pytest.importorskip("torch")
pytest.importorskip("trl")
PUBLISH = """
import sys
from gsi_datasets.cli import main
for line in sys.argv[1:]:
    assert main(["publish", *line.split("|"), "--yes"]) == 0, line
"""
READ = """
import json, sys, time
from pathlib import Path
import datasets, evaluate
import gsi_metrics
from gsi_metrics.scoring import score_edits

edits, here = Path(sys.argv[1]), Path(sys.argv[2])
rows = datasets.load_dataset("someone/gsi-bench", "gsi_syn_table", split="test", revision="v1.0.0")
for number in range(2):
    start = time.perf_counter()
    streamed = datasets.load_dataset(
        "someone/gsi-bench", "gsi_syn_table", split="test", streaming=True, revision="v1.0.0"
    )
    first = next(iter(streamed))
    seconds = time.perf_counter() - start
assert first["target_image"].tobytes() == rows[0]["target_image"].tobytes()
assert [row["id"] for row in streamed] == rows["id"]
given = {"predictions": [str(edits / f"{name}.png") for name in rows["id"]], "references": list(rows["id"])}
options = {"data": "someone/gsi-bench", "config": "gsi_syn_table", "perception": "truth", "progress": False}
metrics = {
    name: evaluate.load(f"someone/{name}", revision="v" + sys.argv[3], cache=str(here / "cache"), **options)
    for name in gsi_metrics.MODULES
}
values = {name: metric.compute(**given)[name] for name, metric in metrics.items()}
score_edits(edits, "someone/gsi-bench", config="gsi_syn_table", out=here / "scores", observer="truth", workers=1)
print(json.dumps({"ids": list(rows["id"]), "values": values, "seconds": seconds}))
"""
RESULTS = """
import json
from pathlib import Path
import yaml
from huggingface_hub import hf_hub_download, parse_eval_result_entries
from gsi_train.bagel.pipeline import BagelPipeline

BagelPipeline.from_pretrained("someone/bagel-gsi", revision="v1.0.0")
file = hf_hub_download("someone/bagel-gsi", ".eval_results/gsi-bench-gsi_syn_table.yaml", revision="v1.0.0")
tasks = yaml.safe_load(Path(hf_hub_download("someone/gsi-bench", "eval.yaml", repo_type="dataset")).read_text())
names = {task["id"] for task in tasks["tasks"]}
found = parse_eval_result_entries(yaml.safe_load(Path(file).read_text()))
assert {entry.dataset_id for entry in found} == {"someone/gsi-bench"}
assert {entry.task_id for entry in found} == names
print(json.dumps({entry.task_id.removeprefix("gsi_syn_table_"): entry.value for entry in found}))
"""


def test_every_value_comes_back_as_it_was(tmp_path: Path) -> None:
    from gsi_datasets import __version__
    from gsi_metrics.module import NAMES
    from gsi_train.tiny import tiny_bagel

    data, edits, model, home = (tmp_path / name for name in ("data", "edits", "model", "home"))
    built_split(data, rows=6)
    hub.write_card(data)
    ids = [*edits_folder(data, edits).entries]
    # One that nobody edited, so that no mean is simply 1.
    edits_folder(data, tmp_path / "sources", "source_image")
    (tmp_path / "sources" / f"{ids[0]}.png").replace(edits / f"{ids[0]}.png")
    at_home = score_edits(edits, data, out=tmp_path / "scores", observer="truth", workers=1, progress=False)
    wanted = {name: at_home.table["all"][short]["mean"] for short, name in NAMES.items()}
    assert 0 < wanted["instruction_compliance"] < 1
    assert 0 < wanted["spatial_accuracy"] < 1
    tiny_bagel(1).save_pretrained(model)
    with stub.running() as server:
        done = client(
            server,
            home,
            "-c",
            PUBLISH,
            f"dataset|{data}|--repo|someone/gsi-bench",
            "metrics|--org|someone",
        )
        assert done.returncode == 0, done.stderr
        assert (
            f'next:  evaluate.load("someone/instruction_compliance", revision="v{__version__}", data=' in done.stdout
        )
        done = client(server, tmp_path / "elsewhere", "-c", READ, str(edits), str(tmp_path / "there"), __version__)
        assert done.returncode == 0, done.stderr
        read = json.loads(done.stdout.splitlines()[-1])
        assert (read["ids"], read["values"]) == (ids, wanted)
        print(f"first streamed row, warm: {read['seconds']:.2f} s")

        # Which data set the scores are of, they know themselves.
        line = f"model|{model}|--repo|someone/bagel-gsi|--tag|v1.0.0|--scores|{tmp_path / 'there' / 'scores'}"
        done = client(server, home, "-c", PUBLISH, line)
        assert done.returncode == 0, done.stderr
        assert "next:  gsi-bench edit --model someone/bagel-gsi --revision v1.0.0 --data " in done.stdout
        done = client(server, tmp_path / "elsewhere", "-c", RESULTS)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == wanted

"""Models on the Hub and back: equal weights at a revision, results that the clients' own parsers read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub import stub
from tests.hub.clients import client


pytestmark = pytest.mark.slow
pytest.importorskip("torch")
pytest.importorskip("trl")
PUBLISH = """
import json, sys
from pathlib import Path
from gsi_datasets.publishing.repository import HubError
from gsi_train.publishing import publish_model
try:
    for folder, repo, given in json.loads(sys.argv[1]):
        scores = [Path(item) for item in given.pop("scores", [])]
        item = publish_model(Path(folder), repo, scores=scores, upload=True, **given)
        print(item.repo_id, len(item.sent))
except HubError as error:
    sys.exit(f"HubError: {error}")
"""
READ = """
import json, sys
from pathlib import Path
import torch, yaml
from huggingface_hub import ModelCard, hf_hub_download, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.bagel.pipeline import BagelPipeline

def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(weight, other[name]) for name, weight in one.items())

full, start, adapter = sys.argv[1:]
local = BagelPipeline.from_pretrained(full)
for given in ({"revision": "v1.0.0"}, {"revision": "v1.0.0", "local_files_only": True}):
    read = BagelPipeline.from_pretrained("someone/bagel-gsi", **given)
    assert same(read.model, local.model)
    assert same(read.vae, local.vae)
    assert read.edit_settings == local.edit_settings
assert same(BagelForConditionalGeneration.from_pretrained("someone/bagel-gsi", revision="v1.0.0"), local.model)
newest = BagelPipeline.from_pretrained("someone/bagel-gsi").model
assert not same(newest, local.model)
assert same(newest, BagelPipeline.from_pretrained(start).model)

worn = BagelPipeline.from_pretrained(start, adapter=adapter).model
assert not same(worn, newest)
assert same(BagelPipeline.from_pretrained("someone/bagel-lora", revision="v1.0.0").model, worn)
assert same(BagelPipeline.from_pretrained("someone/bagel", adapter="someone/bagel-lora").model, worn)

file = hf_hub_download("someone/bagel-gsi", ".eval_results/gsi-bench-gsi_syn_table.yaml", revision="v1.0.0")
entries = parse_eval_result_entries(yaml.safe_load(Path(file).read_text()))
card = ModelCard.load(hf_hub_download("someone/bagel-gsi", "README.md", revision="v1.0.0"))
print(json.dumps({
    "entries": {entry.task_id: entry.value for entry in entries},
    "index": {item.metric_type: item.metric_value for item in card.data.eval_results},
    "base": ModelCard.load("someone/bagel-lora").data.base_model,
}))
"""


def test_published_read_back_and_published_again(tmp_path: Path) -> None:
    from gsi_metrics.module import NAMES
    from tests.gsi_train.published import make

    made = make(tmp_path / "made")
    scores = {"scores": [str(made.scores)], "dataset": "someone/gsi-bench"}
    first = [
        (str(made.start), "someone/bagel", {}),
        (str(made.full), "someone/bagel-gsi", {"base": "someone/bagel", "tag": "v1.0.0", **scores}),
        (str(made.lora), "someone/bagel-lora", {"base": "someone/bagel", "tag": "v1.0.0"}),
    ]
    with stub.running() as server:
        done = client(server, tmp_path / "home", "-c", PUBLISH, json.dumps(first))
        assert done.returncode == 0, done.stderr
        assert all(repo.private and len(repo.commits) == 2 for repo in server.repos.values())
        assert server.repos["someone/bagel-gsi"].tags == {"v1.0.0": 1}
        files = server.repos["someone/bagel-gsi"].commits[1][1]
        assert files["model.safetensors"] == (made.full / "model" / "model.safetensors").read_bytes()
        assert not [path for path, content in files.items() if str(tmp_path).encode() in content]

        server.requests.clear()
        again = client(server, tmp_path / "home", "-c", PUBLISH, json.dumps(first))
        assert [line.split()[1] for line in again.stdout.splitlines()] == ["0", "0", "0"], again.stderr
        assert not [
            request for request in server.requests if any(mark in request for mark in ("PUT ", "/commit/", "/tag/"))
        ]

        # Another version: what the first one had and this one has not goes; what others put there stays.
        repo = server.repos["someone/bagel-gsi"]
        extra = {".eval_results/other.yaml": b"[]", "NOTES.md": b"by hand"}
        repo.commits.append(("by hand", repo.commits[-1][1] | extra))
        done = client(
            server, tmp_path / "home", "-c", PUBLISH, json.dumps([(str(made.start), "someone/bagel-gsi", {})])
        )
        assert done.returncode == 0, done.stderr
        assert len(repo.commits) == 4
        left = set(repo.commits[-1][1])
        assert set(extra) < left
        assert not [path for path in left if path.startswith(("training/", ".eval_results/gsi-bench-"))]

        read = client(
            server,
            tmp_path / "elsewhere",
            "-c",
            READ,
            *(str(it) for it in (made.full / "model", made.start, made.lora / "adapter")),
        )
        assert read.returncode == 0, read.stderr
        found = json.loads(read.stdout.splitlines()[-1])
        assert found["entries"] == {f"gsi_syn_table_{NAMES[short]}": mean for short, mean in made.means.items()}
        assert found["index"] == {NAMES[short]: mean for short, mean in made.means.items()}
        assert found["base"] == "someone/bagel"


@pytest.mark.parametrize("cut", ["PUT /blobs/", "/commit/"])
def test_an_upload_that_is_cut_leaves_nothing_and_goes_on(tmp_path: Path, cut: str) -> None:
    from gsi_train.tiny import tiny_bagel

    tiny_bagel(1).save_pretrained(tmp_path / "model")
    wanted = json.dumps([(str(tmp_path / "model"), "someone/bagel", {"tag": "v1.0.0"})])
    with stub.running() as server:
        server.refuse, server.only = 503, cut
        done = client(server, tmp_path / "home", "-c", PUBLISH, wanted, HF_TOKEN="hf_verysecret")
        assert done.returncode == 1
        assert "HubError: someone/bagel: the Hub failed with status 503" in done.stderr
        assert "verysecret" not in done.stderr
        assert [title for title, _ in server.repos["someone/bagel"].commits] == ["initial"]
        server.refuse = 0
        server.requests.clear()
        done = client(server, tmp_path / "home", "-c", PUBLISH, wanted)
        assert done.returncode == 0, done.stderr
        assert server.repos["someone/bagel"].tags == {"v1.0.0": 1}

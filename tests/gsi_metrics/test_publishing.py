from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

import gsi_metrics
from gsi_datasets import __version__
from gsi_datasets.cli import main
from gsi_datasets.publishing.benchmark import METRICS, eval_yaml
from gsi_datasets.publishing.repository import HubError
from gsi_metrics.module import NAMES
from gsi_metrics.publishing import publish_metrics, space_files


@pytest.mark.parametrize("name", gsi_metrics.MODULES)
def test_a_space_holds_all_that_evaluate_and_a_browser_want(name: str) -> None:
    files = space_files(name, "someone")
    assert sorted(files) == sorted(["README.md", "index.html", f"{name}.py", "requirements.txt"])
    assert files == space_files(name, "someone")
    _, front, text = files["README.md"].decode().split("---\n", 2)
    facts = yaml.safe_load(front)
    # No compute is asked for: what a static Space names is there.
    assert facts["sdk"] == "static"
    assert facts["app_file"] in files
    assert {"evaluate", "metric"} <= set(facts["tags"])
    assert facts["license"] == "apache-2.0"
    assert f'evaluate.load("someone/{name}", revision="v{__version__}")' in text
    assert files["requirements.txt"].decode() == f"gsi-bench[metrics]=={__version__}\n"
    for content in files.values():
        assert b"<org>/" + name.encode() not in content


@pytest.mark.parametrize("name", gsi_metrics.MODULES)
def test_the_page_is_whole(name: str) -> None:
    page = space_files(name, "someone")["index.html"].decode()
    opened: list[str] = []
    links: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for key, value in attrs if key == "href")
            if tag not in ("meta", "br"):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(page)
    assert opened == []
    assert links == [
        f"https://huggingface.co/spaces/someone/{other}" for other in gsi_metrics.MODULES if other != name
    ]
    assert "$" not in page
    assert "`" not in page
    assert f'evaluate.load("someone/{name}", revision="v{__version__}")' in page


def test_a_dry_run_says_what_would_go_and_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    told = [str(publication) for publication in publish_metrics("someone")]
    assert [text.splitlines()[0] for text in told] == [
        f"spaces/someone/{name}, tag v{__version__}" for name in gsi_metrics.MODULES
    ]
    assert all(re.search(r"0\.0 kB  requirements.txt\n", text) for text in told)
    with pytest.raises(HubError, match=r"'some one/instruction_compliance' is not a repository name"):
        publish_metrics("some one")
    with pytest.raises(ValueError, match="no metric named 'beauty'"):
        space_files("beauty", "someone")


def test_without_a_token_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    with pytest.raises(HubError, match=r"no token of the Hub; make a token with write permission .*HF_TOKEN"):
        publish_metrics("someone", upload=True)


LOAD = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Gone())
import evaluate

try:
    evaluate.load(sys.argv[1])
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_missing_package_is_named_as_pip_knows_it(tmp_path: Path) -> None:
    name = "spatial_accuracy"
    folder = tmp_path / name
    folder.mkdir()
    for path, content in space_files(name, "someone").items():
        (folder / path).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), "gsi_metrics"],
        env={"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "No module named 'gsi_metrics'; this metric needs its package: pip install 'gsi-bench[metrics]'"
    )


def test_the_command_says_what_would_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "metrics", "--org", "someone"]) == 0
    told = capsys.readouterr().out
    assert all(f"spaces/someone/{name}, tag v{__version__}" in told for name in gsi_metrics.MODULES)
    assert "nothing was sent; next:  add --yes" in told


def test_leaderboards_of_the_data_set_are_those_of_the_metrics() -> None:
    assert METRICS == gsi_metrics.MODULES == tuple(NAMES.values())
    splits = [
        SimpleNamespace(config=config, split=split, kind="simulated")
        for config in ("b", "a")
        for split in ("train", "test")
    ]
    facts = yaml.safe_load(eval_yaml(cast(Any, splits)))
    assert [task["id"] for task in facts["tasks"]] == [f"{config}_{name}" for config in "ab" for name in METRICS]
    assert {task["split"] for task in facts["tasks"]} == {"test"}
    assert eval_yaml(cast(Any, splits[:1])) == b""
    assert eval_yaml(cast(Any, [SimpleNamespace(config="fine", split="test", kind="published")])) == b""

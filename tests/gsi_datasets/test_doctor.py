"""What the doctor says of where scenes can come from."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

from gsi_datasets import doctor_worlds
from gsi_datasets.doctor import Finding


def finding(kind: str) -> Finding:
    return {item.name: item for item in doctor_worlds.sources()}[f"scenes {kind}"]


@pytest.fixture(autouse=True)
def nothing_prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("MESATASK_ROOT", "MOLMOSPACES_ROOT", "GSI_BENCH_SCENES", "GSI_BENCH_THOR_PLAYER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def test_nothing_of_others_is_needed_and_each_source_says_how_to_get_it() -> None:
    found = [item for item in doctor_worlds.sources() if not item.ok]
    assert {item.name for item in found} >= {"scenes mesatask", "scenes molmospaces", "scenes folder"}
    assert all(item.remedy and not item.needed for item in found)


def test_a_folder_that_holds_the_parts_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESATASK_ROOT", str(tmp_path))
    (tmp_path / "Layout_info").mkdir()
    assert "no Assets_library" in finding("mesatask").detail
    (tmp_path / "Assets_library").mkdir()
    assert finding("mesatask").ok
    monkeypatch.setenv("MOLMOSPACES_ROOT", str(tmp_path / "missing"))
    assert not finding("molmospaces").ok


def test_the_client_the_right_version_and_the_player_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "gsi-bench[thor]" in finding("thor").remedy
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.3.0")
    assert finding("thor").remedy == "pip install ai2thor==5.0.0"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "5.0.0")
    assert "no Unity player" in finding("thor").detail
    (tmp_path / "home" / ".ai2thor" / "releases" / "thor-CloudRendering-0123").mkdir(parents=True)
    assert finding("thor").ok
    monkeypatch.setenv("GSI_BENCH_THOR_PLAYER", str(tmp_path / "player"))
    assert "no executable" in finding("thor").detail
    (tmp_path / "player").write_text("#!/bin/sh\n")
    (tmp_path / "player").chmod(0o755)
    assert finding("thor").ok

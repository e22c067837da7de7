"""Controllers for the tests of the stand-in player."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import thor
from tests.thor.reading import HEIGHT, WIDTH


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One controller for all tests."""
    folder = tmp_path_factory.mktemp("thor")
    rendered = {"renderDepthImage": True, "renderInstanceSegmentation": True, "renderSemanticSegmentation": True}
    with pytest.MonkeyPatch.context() as patch:
        thor.home(patch, folder)
        arguments = thor.arguments(thor.install(folder))
        started = thor.controller_class()(
            **arguments, scene="FloorPlan1", width=WIDTH, height=HEIGHT, fieldOfView=70, **rendered
        )
    yield started
    started.stop()


@pytest.fixture
def kitchen(shared: Any) -> Any:
    """The shared controller in a fresh FloorPlan1."""
    shared.reset("FloorPlan1")
    return shared


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Starts controllers of one plan of faults; they give up after one second."""
    kind = thor.controller_class()
    thor.home(monkeypatch, tmp_path)
    started = []

    def start(plan: str) -> Any:
        arguments = {**thor.arguments(thor.install(tmp_path, plan)), "server_timeout": 1.0}
        started.append(kind(**arguments, scene="FloorPlan1"))
        return started[-1]

    yield start
    for controller in started:
        controller.stop()
        controller.server.unity_proc.wait(5)

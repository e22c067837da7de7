from __future__ import annotations

import base64
import gc
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gsi_metrics.perception import open_observer
from gsi_metrics.perception.detections import DetectionError
from gsi_metrics.perception.external import ExternalProgram, ExternalServer, open_external
from gsi_metrics.perception.truth import measure
from tests.gsi_metrics.perception.seen import around, moving
from tests.loopback import Answer, loopback


PICTURE = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
K = np.array([[10.0, 0, 4], [0, 10.0, 3], [0, 0, 1]])
MUG: dict[str, Any] = {
    "category": "mug",
    "score": 0.9,
    "bbox_2d": [1, 2, 3, 4],
    "centre": [0, 0, 2],
    "size": [0.1, 0.1, 0.1],
    "rotation": np.eye(3).tolist(),
}
PUBLISHED = {"label": "mug", "bbox_3d": [0, 0, 2, 0.1, 0.2, 0.3, 0.5], "bbox_2d": [0, 0, 448, 336]}

# A detector of a few lines; what it does is the first argument, where it notes its starts the second.
PROGRAM = """
import json, os, sys, time
how, notes = sys.argv[1], sys.argv[2]
with open(notes, "a") as stream:
    stream.write("start\\n")
starts = len(open(notes).readlines())
mug = json.loads(sys.argv[3])
print("loading weights", file=sys.stderr, flush=True)
if how == "gone":
    sys.exit(3)
for line in sys.stdin:
    question = json.loads(line)
    if how == "dying" or (how == "dying once" and starts == 1):
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(9)
    if how == "slow" or (how == "slow once" and starts == 1):
        time.sleep(60)
    if how == "chatty":
        print("detecting ...", flush=True)
    if how == "nan":
        mug["centre"][1] = float("nan")
    reply = {"id": question["id"], "objects": [dict(mug, category=query) for query in question["queries"]]}
    if how == "old id":
        reply["id"] -= 1
    if how == "cut":
        sys.stdout.write(json.dumps(reply)[:20])
        sys.exit(0)
    if how == "error":
        reply = {"id": question["id"], "error": "no such query"}
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., ExternalProgram]]:
    made: list[ExternalProgram] = []
    script = tmp_path / "detector.py"
    script.write_text(PROGRAM)

    def make(how: str, **options: Any) -> ExternalProgram:
        command = [sys.executable, "-S", str(script), how, str(tmp_path / "starts"), json.dumps(MUG)]
        made.append(ExternalProgram(command, "tiny", "1", **({"timeout": 30.0, "start_timeout": 30.0} | options)))
        return made[-1]

    yield make
    for item in made:
        item.close()


def starts(tmp_path: Path) -> int:
    return len((tmp_path / "starts").read_text().splitlines())


def test_a_good_program(program: Callable[..., ExternalProgram], tmp_path: Path) -> None:
    detector = program("good")
    for queries in (["mug"], ["mug", "bowl"], []):
        seen = detector.detect(PICTURE, K, queries)
        assert [item.category for item in seen.objects] == queries
        assert (seen.observer, seen.version, seen.height, seen.width) == ("tiny", "1", 6, 8)
    assert starts(tmp_path) == 1


@pytest.mark.parametrize("how", ["dying once", "slow once"])
def test_a_program_is_started_anew_once(how: str, program: Callable[..., ExternalProgram], tmp_path: Path) -> None:
    detector = program(how, start_timeout=3.0)
    assert len(detector.detect(PICTURE, K, ["mug"]).objects) == 1
    assert starts(tmp_path) == 2


@pytest.mark.parametrize(
    ("how", "said", "started"),
    [
        ("dying", r"tiny: ended with exit code 9 \(it last said: out of memory\)", 2),
        ("gone", "tiny: ended with exit code 3", 2),
        ("slow", "tiny: no reply within 1 s", 2),
        ("chatty", "'detecting ...', which is no JSON; only replies belong on standard output", 1),
        ("nan", r"tiny: objects\[0\].centre\[1\]: Input should be a finite number", 1),
        ("old id", "the reply has id 0, the question had 1", 1),
        ("cut", "cut off", 1),
        ("error", "tiny: no such query", 1),
    ],
)
def test_a_program_that_fails(
    how: str, said: str, started: int, program: Callable[..., ExternalProgram], tmp_path: Path
) -> None:
    detector = program(how, **({"start_timeout": 1.0} if how == "slow" else {}))
    with pytest.raises(DetectionError, match=said):
        detector.detect(PICTURE, K, ["mug"])
    assert starts(tmp_path) == started


def test_a_failed_program_may_be_asked_again(program: Callable[..., ExternalProgram], tmp_path: Path) -> None:
    """What it wrote too late or too much is not taken for the next answer."""
    detector = program("chatty")
    for _ in range(2):
        with pytest.raises(DetectionError):
            detector.detect(PICTURE, K, ["mug"])
    assert starts(tmp_path) == 2


def test_no_program() -> None:
    with pytest.raises(DetectionError, match="cannot start no-such-program"):
        ExternalProgram("no-such-program --fast").detect(PICTURE, K, [])
    with pytest.raises(ValueError, match="command is empty"):
        ExternalProgram("")


def test_a_large_picture_that_nobody_reads_does_not_block() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    sleeper = ExternalProgram([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_timeout=0.5)
    with pytest.raises(DetectionError, match=r"no reply within 0\.5 s"):
        sleeper.detect(noise, K, [])


def test_the_program_ends_with_its_detector(program: Callable[..., ExternalProgram]) -> None:
    detector = ExternalProgram(program("good").command, start_timeout=30)
    detector.detect(PICTURE, K, [])
    assert detector._running is not None
    process = detector._running.process
    del detector
    gc.collect()
    assert process.wait(10) is not None


def test_threads_share_a_program(program: Callable[..., ExternalProgram], tmp_path: Path) -> None:
    detector, results = program("good"), {}

    def ask(name: str) -> None:
        results[name] = detector.detect(PICTURE, K, [name]).objects[0].category

    threads = [threading.Thread(target=ask, args=(f"thing {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(name == category for name, category in results.items())
    assert len(results) == 8
    assert starts(tmp_path) == 1


def reply(body: Any, **changes: Any) -> dict[str, Any]:
    return {"id": body["id"], "objects": [MUG]} | changes


def asked(answer: Callable[[Any, int], Answer], **options: Any) -> Any:
    with loopback(answer) as server:
        detector = ExternalServer(server.url + "/detect", "web", "3", **({"pause": 0.01, "timeout": 10.0} | options))
        return detector.detect(PICTURE, K, ["mug"]), server


def test_a_good_server() -> None:
    seen, server = asked(lambda body, _: Answer(reply(body, yaw_period=3.14)))
    assert seen.objects[0].bbox_2d == (1, 2, 3, 4)
    assert (seen.observer, seen.version, seen.yaw_period) == ("web", "3", 3.14)
    (question,) = server.seen
    sent = np.asarray(Image.open(io.BytesIO(base64.b64decode(question["image"]))))
    assert np.array_equal(sent, PICTURE)
    assert question["intrinsics"] == K.tolist()
    assert (question["queries"], question["height"], question["width"]) == (["mug"], 6, 8)


def test_the_published_form_is_understood() -> None:
    seen, _ = asked(lambda body, _: Answer({"id": body["id"], "detections": [PUBLISHED]}))
    (item,) = seen.objects
    assert item.size == (0.1, 0.3, 0.2)
    # Half of the working picture is half of ours.
    assert item.bbox_2d == pytest.approx((0, 0, 4, 3))
    assert seen.version == "3"


def test_a_busy_server_is_asked_again() -> None:
    _, server = asked(lambda body, number: Answer("busy", 503) if number < 2 else Answer(reply(body)))
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("make", "said", "count"),
    [
        (lambda body: Answer("oops"), "does not answer in JSON", 3),
        (lambda body: Answer("no", 404), "answers 404", 1),
        (lambda body: Answer("no", 500), "answers 500", 3),
        (lambda body: Answer([1]), "no JSON object", 1),
        (lambda body: Answer({"id": body["id"]}), "neither objects nor detections", 1),
        (lambda body: Answer(reply(body, id=99)), "has id 99", 1),
        (lambda body: Answer(reply(body, error="cuda")), "web: cuda", 1),
        (lambda body: Answer(reply(body, objects="all")), "objects", 1),
        (lambda body: Answer(reply(body, objects=[MUG | {"size": [1, -1, 1]}])), r"objects\[0\]\.size\[1\]", 1),
        (lambda body: Answer(reply(body, objects=[MUG | {"centre": [0, float("nan"), 1]}])), "finite", 1),
        (lambda body: Answer(reply(body, objects=[MUG | {"rotation": [[1, 0, 0]] * 3}])), "not a rotation", 1),
        (lambda body: Answer(reply(body, objects=[MUG] * 1001)), "at most 1000", 1),
        (lambda body: Answer(reply(body, yaw_period=0)), "yaw_period", 1),
        (lambda body: Answer({"id": 1, "detections": [PUBLISHED | {"bbox_3d": [float("inf")] * 7}]}), "web: det", 1),
    ],
)
def test_a_server_that_answers_wrongly(make: Callable[[Any], Answer], said: str, count: int) -> None:
    numbers: list[int] = []

    def answer(body: Any, number: int) -> Answer:
        numbers.append(number)
        return make(body)

    with pytest.raises(DetectionError, match=said):
        asked(answer)
    assert len(numbers) == count


@pytest.mark.parametrize("slow", [{"delay": 3.0}, {"drip": 0.05}])
def test_a_slow_server(slow: dict[str, float]) -> None:
    with pytest.raises(DetectionError, match=r"no reply within 0\.3 s"):
        asked(lambda body, _: Answer(reply(body), **slow), timeout=0.3, tries=1)


def test_settings() -> None:
    with pytest.raises(ValueError, match="give either command"):
        open_external()
    with pytest.raises(ValueError, match="give either command"):
        open_external("a", "http://b")
    with pytest.raises(ValueError, match="no http address"):
        open_external(url="ftp://example.org")


def test_the_front_door_measures_with_it(tmp_path: Path) -> None:
    """From the pictures alone to a measurement; a second run asks nothing."""
    sample = moving()
    assert sample.target is not None
    known = [(sample.source, around(sample)[0]), (sample.target, around(sample)[1])]

    def look(body: Any, _: int) -> Answer:
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["image"])))).astype(int)
        seen = min(known, key=lambda pair: np.abs(pair[0] - image).mean())[1]
        return Answer({"id": body["id"], "objects": json.loads(seen.to_json())["objects"]})

    with loopback(look) as server:
        observe = open_observer("external", url=server.url, cache=tmp_path / "seen", name="web")
        it = observe(sample, sample.target)
        assert it.cause is None
        assert it.shift == pytest.approx(measure(sample, sample.target).shift, abs=1e-6)
        assert observe(sample, sample.target).shift == pytest.approx(it.shift)
        assert len(server.seen) == 3
    gone = open_observer("external", url=server.url, name="web", tries=1)(sample, sample.target)
    assert "web: cannot reach" in str(gone.cause)

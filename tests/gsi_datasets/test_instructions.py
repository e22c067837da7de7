"""Words: every number, unit and direction that the geometry needs is in every phrasing."""

from __future__ import annotations

import pytest

from gsi_datasets.camera_control import MOVES, TURNS
from gsi_datasets.instructions import CAMERA_MOVES, DIRECTIONS_ZH, PLACES, SPOTS, UNITS, number, word


MUG, BOWL = ("the red mug", "红色马克杯"), ("the bowl", "碗")
# First words that the published protocol maps to each operation (its move covers placement too).
FIRST_WORDS = {
    "move": {"move", "shift", "relocate", "place", "put", "push", "pull"},
    "rotate": {"rotate", "turn", "spin"},
    "remove": {"remove"},
    "scale": {"scale", "resize", "make", "shrink", "reduce", "enlarge", "expand", "increase"},
}
KINDS = {"CM": "move", "OP": "move", "RP": "move", "OR": "rotate", "SR": "remove", "OS": "scale"}
CASES = [
    *[("CM", {"direction": d, "distance": 12.0, "unit": u, "surface": "table"}) for d in CAMERA_MOVES for u in UNITS],
    *[("OP", {"place": p, "distance": 12.0, "unit": u, "surface": "floor"}) for p in PLACES for u in UNITS],
    *[("OR", {"degrees": d}) for d in (-45.0, 120.0)],
    *[("OS", {"factor": f}) for f in (0.75, 1.5)],
    *[("SR", {"surface": s}) for s in ("floor", "table", "bookcase")],
    *[("RP", {"relation": r, "spot": s}) for r in ("in", "on") for s in ("centre", *SPOTS)],
    *[("PC", {"motion": "move", "direction": d, "distance": 12.0, "unit": "cm"}) for d in MOVES],
    *[("PC", {"motion": m, "direction": d, "degrees": 15.0}) for m, ways in TURNS.items() for d in ways],
]


@pytest.mark.parametrize(("operation", "parameters"), CASES)
def test_every_phrasing_says_all_of_it(operation: str, parameters: dict) -> None:
    english, chinese = word(operation, parameters, MUG, BOWL)
    assert len(english) == len(chinese) >= 4
    assert len(set(english)) == len(english)
    assert len(set(chinese)) == len(chinese)
    for text in english:
        assert "{" not in text
        assert (MUG[0] in text) == (operation != "PC")
        assert ("the camera" in text) >= (operation == "PC")
        assert ("the bowl" in text) == (operation in ("OP", "RP"))
    for text in chinese:
        assert "{" not in text
        assert (MUG[1] in text) == (operation != "PC")
        assert ("碗" in text) == (operation in ("OP", "RP"))
    for texts, unit_column, space in ((english, 1, " "), (chinese, 2, "")):
        for text in texts:
            if "distance" in parameters:
                assert f"12{space}{UNITS[parameters['unit']][unit_column]}" in text
            if "degrees" in parameters:
                assert number(abs(parameters["degrees"])) in text
            if "factor" in parameters:
                percent, factor = number(100 * parameters["factor"]), number(parameters["factor"])
                assert f"{percent}%" in text or factor in text


@pytest.mark.parametrize(("operation", "parameters"), CASES)
def test_the_published_protocol_reads_the_same_operation(operation: str, parameters: dict) -> None:
    for text in word(operation, parameters, MUG, BOWL)[0]:
        tokens = text.lower().split(" ")
        first = tokens[1] if tokens[0] == "please" else tokens[0]
        if operation == "PC":  # told by the word "camera" alone, whatever the verb
            assert "camera" in text
            assert "from the camera" not in text
            assert "to the camera" not in text
            continue
        assert first in FIRST_WORDS[KINDS[operation]]
        # A sentence with "camera" but neither of these is taken for a view change there.
        assert "camera" not in text or "from the camera" in text or "to the camera" in text


def test_opposite_directions_and_senses_are_worded_apart() -> None:
    move = {"distance": 10.0, "unit": "cm", "surface": "table"}
    texts = [tuple(word("CM", move | {"direction": d}, MUG)[0]) for d in CAMERA_MOVES]
    assert len(set(texts)) == 4
    left, right = word("OR", {"degrees": 90.0}, MUG), word("OR", {"degrees": -90.0}, MUG)
    assert all("counterclockwise" in text for text in left[0])
    assert all("counterclockwise" not in text and "clockwise" in text for text in right[0])
    assert all("逆时针" in text for text in left[1])
    assert all("顺时针" in text for text in right[1])


@pytest.mark.parametrize("motion", ["move", *TURNS])
def test_opposite_camera_motions_are_worded_apart(motion: str) -> None:
    ways = TURNS.get(motion, MOVES)
    amount = {"distance": 10.0, "unit": "cm"} if motion == "move" else {"degrees": 10.0}
    for number_of, language in enumerate(("english", "chinese")):
        texts = [tuple(word("PC", {"motion": motion, "direction": way} | amount, MUG)[number_of]) for way in ways]
        assert len(set(texts)) == len(ways), language
        marks = [way if number_of == 0 else DIRECTIONS_ZH[way] for way in ways]
        assert all(mark in text for mark, group in zip(marks, texts, strict=True) for text in group)


def test_numbers_have_no_needless_zeros() -> None:
    assert [number(x) for x in (15.0, 7.5, 0.75, 100 * 1.3)] == ["15", "7.5", "0.75", "130"]

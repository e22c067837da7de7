from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gsi_datasets.gallery import contact_sheet, fonts, html_page, write_page, write_sheet
from gsi_datasets.gallery.adapter import as_triplet
from gsi_datasets.gallery.card import chosen_rejections, pretty
from gsi_datasets.gallery.drawing import COLORS, View, box_edges, draw_triplet, edit_path
from gsi_datasets.gallery.facts import facts
from gsi_datasets.gallery.overlays import colour_depth, depth_image, draw_boxes, instance_image
from gsi_datasets.images import decode_png
from gsi_datasets.record import Rejection
from gsi_datasets.schema import OPERATIONS, BoxRecord, ObjectRecord, Triplet, features
from gsi_datasets.storage import Manifest
from tests.factories import fake_triplet


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'
EYE = np.eye(3).tolist()
# 100 pixels wide, 90 degrees: a point at (x, y, z) is seen at 50 + 50 x / z.
PINHOLE = View(np.array([[50.0, 0, 50], [0, 50, 50], [0, 0, 1]]), np.eye(4))


def an_object(identity: int, centre: list[float], size: list[float]) -> ObjectRecord:
    return ObjectRecord(
        id=identity,
        name=f"box_{identity}",
        category="box",
        caption="box",
        caption_zh="盒子",
        asset="param/box/1",
        centre=centre,
        size=size,
        rotation=EYE,
        symmetry=4,
        visibility=1.0,
        support="",
        movable=True,
    )


# ------------------------------------------------------------------------------------------------------- drawing


def test_edges_of_a_box_seen_head_on() -> None:
    edges = box_edges(BoxRecord(centre=[0, 0, 5], size=[2, 2, 2], rotation=EYE), PINHOLE)
    assert len(edges) == 12
    front = [pixels for pixels, hidden in edges if not hidden]
    # Only the face at z = 4 is seen: a square of half width 50 / 4 about the middle.
    assert len(front) == 4
    corners = np.unique(np.concatenate(front).round(6), axis=0)
    np.testing.assert_allclose(corners, [[37.5, 37.5], [37.5, 62.5], [62.5, 37.5], [62.5, 62.5]])
    back = np.concatenate([pixels for pixels, hidden in edges if hidden])
    assert np.isclose(back, 50 - 50 / 6).any()


def test_edges_behind_the_camera_are_cut_not_mirrored() -> None:
    edges = box_edges(BoxRecord(centre=[0, 2, 0], size=[1, 1, 4], rotation=EYE), PINHOLE)
    points = np.concatenate([pixels for pixels, _ in edges])
    assert np.isfinite(points).all()
    # All of it lies below the optical axis, and so must its image.
    assert (points[:, 1] > 50).all()
    assert box_edges(BoxRecord(centre=[0, 0, -5], size=[1, 1, 1], rotation=EYE), PINHOLE) == []


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("after", [False, True])
def test_drawn_box_encloses_the_stored_mask(seed: int, after: bool) -> None:
    row = fake_triplet(seed, "OS", 256)
    ids = decode_png(row.target_instances if after else row.source_instances)
    v, u = np.nonzero(ids == row.target_ids[0])
    strokes = [s.points for s in draw_triplet(row, after).strokes if s.role == "target"]
    points = np.concatenate(strokes)
    assert (points.min(axis=0) <= (u.min() + 0.5, v.min() + 0.5)).all()
    assert (points.max(axis=0) >= (u.max() + 0.5, v.max() + 0.5)).all()
    if _unoccluded(row, ids):
        np.testing.assert_allclose(points.min(axis=0), (u.min(), v.min()), atol=1.5)


def _unoccluded(row: Triplet, ids: np.ndarray) -> bool:
    """Whether nothing but the table touches the target's mask."""
    mask = ids == row.target_ids[0]
    grown = np.zeros_like(mask)
    for dv, du in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        grown |= np.roll(mask, (dv, du), (0, 1))
    return set(np.unique(ids[grown & ~mask])) <= {0, 1}


def test_boxes_are_drawn_where_the_camera_says() -> None:
    grey = Image.new("RGB", (400, 400), (90, 90, 90))
    intrinsics = np.array([[200.0, 0, 200], [0, 200, 200], [0, 0, 1]])
    target, reference = an_object(3, [0, 0, 5], [2, 2, 2]), an_object(4, [3, 3, 5], [1, 1, 1])
    picture = np.asarray(draw_boxes(grey, [target, reference], intrinsics, np.eye(4), [3], [4]), dtype=int)
    # The left edge of the target's front face is the line u = 150, the reference's is u = 200 + 200 * 2.5 / 4.5.
    red, green, blue = picture[165, 149:151].mean(axis=0)
    assert red > 200 > green > 120 > blue
    red, green, blue = picture[333, 310:312].mean(axis=0)
    assert red < 130 < green < blue
    assert (picture[20, 20] == 90).all()
    assert (picture[165, 160] == 90).all()


def test_path_of_a_move_leads_from_foot_to_foot() -> None:
    row = fake_triplet(1, "CM")
    path, before = edit_path(row), next(o for o in row.objects_before if o.id in row.target_ids)
    assert path is not None
    assert row.ideal is not None
    np.testing.assert_allclose(path[0], np.array(before.centre) - (0, 0, before.size[2] / 2), atol=1e-9)
    np.testing.assert_allclose(path[-1][:2], row.ideal.centre[:2], atol=1e-9)
    assert path[:, 2].max() > path[0, 2]


@pytest.mark.parametrize("seed", range(4))
def test_path_of_a_turn_is_an_arc_of_the_signed_angle(seed: int) -> None:
    row = fake_triplet(seed, "OR")
    path, before = edit_path(row), next(o for o in row.objects_before if o.id in row.target_ids)
    assert path is not None
    arms = path[:, :2] - before.centre[:2]
    np.testing.assert_allclose(np.linalg.norm(arms, axis=1), np.linalg.norm(arms[0]))
    steps = np.unwrap(np.arctan2(arms[:, 1], arms[:, 0]))
    asked = json.loads(row.parameters)["amount"] * 5 * (-1 if "counter" not in row.instruction else 1)
    assert np.degrees(steps[-1] - steps[0]) == pytest.approx(asked)


def test_what_is_removed_or_seen_anew_has_no_path() -> None:
    assert edit_path(fake_triplet(0, "SR")) is None
    assert edit_path(fake_triplet(0, "PC")) is None
    assert {s.role for s in draw_triplet(fake_triplet(0, "SR"), after=True).strokes} == {"ghost"}


def test_every_role_of_a_line_has_a_colour() -> None:
    drawings = [draw_triplet(fake_triplet(1, operation), after) for operation in OPERATIONS for after in (False, True)]
    assert {stroke.role for drawing in drawings for stroke in drawing.strokes} == set(COLORS)


# ------------------------------------------------------------------------------------------------------ overlays


def test_depth_gets_darker_with_distance_and_grey_where_nothing_was_hit() -> None:
    depth = np.tile(np.linspace(500, 3000, 64), (8, 1)).astype(np.uint16)
    depth[:, 0] = 0
    picture = np.asarray(colour_depth(depth, (500, 3000)).convert("L"), dtype=int)
    assert (np.diff(picture[0, 1:]) <= 0).all()
    assert picture[0, 1] > 220
    assert picture[0, -1] < 30
    colors = np.asarray(colour_depth(depth, (500, 3000)))
    assert (colors[:, 0] == (128, 132, 140)).all()
    assert depth_image(depth.repeat(16, axis=0)).size == (64, 128)
    assert depth_image(np.zeros((64, 64), np.uint16)).size == (64, 64)


def test_instances_keep_their_colour_and_are_outlined() -> None:
    first, second = np.zeros((40, 40), np.uint16), np.zeros((40, 40), np.uint16)
    first[5:15, 5:15], first[5:15, 15:25] = 7, 8
    second[25:35, 25:35] = 7
    a, b = (np.asarray(instance_image(ids)) for ids in (first, second))
    assert (a[10, 10] == b[30, 30]).all()
    assert (a[10, 10] != a[10, 20]).any()
    assert (a[10, 15] == 255).all()
    assert (a[0, 0] != a[10, 10]).any()


def test_many_instances_still_make_a_picture() -> None:
    ids = np.arange(1600, dtype=np.uint16).reshape(40, 40).repeat(4, axis=0).repeat(4, axis=1)
    assert instance_image(ids).size == (160, 160)


# ---------------------------------------------------------------------------------------------------------- rows


def test_rows_are_taken_in_every_form(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [fake_triplet(0, "CM"), fake_triplet(0, "SR")]
    assert [as_triplet(row) for row in rows] == rows
    assert [as_triplet(row.to_example()) for row in rows] == rows
    loaded = Dataset.from_list([row.to_example() for row in rows], features=features())
    for row, again in zip(rows, loaded, strict=True):
        assert isinstance(again["source_depth"], Image.Image)
        triplet = as_triplet(again)
        np.testing.assert_array_equal(decode_png(triplet.source_depth), decode_png(row.source_depth))
        assert triplet.ideal == row.ideal
        assert triplet.objects_after == row.objects_after
    hollow = rows[1].to_example() | {"ideal": {"centre": None, "size": None, "rotation": None}}
    assert as_triplet(hollow).ideal is None


def test_facts_measure_the_rows_own_numbers() -> None:
    move = {fact.label: fact for fact in facts(fake_triplet(2, "CM"))}
    amount = json.loads(fake_triplet(2, "CM").parameters)["amount"]
    assert move["Displacement of the centre"].value.startswith(f"{amount * 10:.1f} mm")
    assert move["Ideal vs actual"].value == "0.00 mm, 0.00°, 0.00 %"
    turn = fake_triplet(2, "OR")
    degrees = json.loads(turn.parameters)["amount"] * 5 * (1 if "counter" in turn.instruction else -1)
    assert {fact.short for fact in facts(turn)} >= {f"{degrees:+d}°"}
    row = fake_triplet(2, "CM")
    assert row.ideal is not None
    x, y, z = row.ideal.centre
    moved = row.ideal.model_copy(update={"centre": [x, y, z + 0.004]})
    off = {fact.label: fact.value for fact in facts(row.model_copy(update={"actual": moved}))}
    assert off["Ideal vs actual"].startswith("4.00 mm")


# --------------------------------------------------------------------------------------------------------- sheet


def test_sheet_shows_every_operation_at_the_expected_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gsi_datasets.gallery.sheet.chinese", lambda size: None)
    rows = [fake_triplet(seed, operation) for operation in ("CM", "OS") for seed in range(3)]
    sheet = contact_sheet(rows, "two operations", columns=2, image_size=224)
    assert sheet.width == 2 * (2 * 224 + 3 + 28) + 28
    # Two groups of two lines each; a third line would not fit in what is left.
    assert 4 * 224 < sheet.height < 5 * 224 + 400
    # A bracket stands at the corner of the first row's target, in the first image of the sheet.
    mask = decode_png(rows[0].source_instances) == rows[0].target_ids[0]
    v, u = (int(axis.min() * 224 / 64) for axis in np.nonzero(mask))
    left, top = 28, 164
    corner = np.asarray(sheet, dtype=int)[top + v - 8 : top + v + 8, left + u - 8 : left + u + 8]
    red, green, blue = np.moveaxis(corner, -1, 0)
    assert ((red > 210) & (abs(green - 165) < 30) & (blue < 80)).sum() > 8


def test_sheet_of_a_sample_repeats_itself(tmp_path: Path) -> None:
    rows = [fake_triplet(seed, "CM") for seed in range(12)]
    path = write_sheet(rows, tmp_path / "sheet.png", "a sample", limit=5, seed=3)
    again = write_sheet(rows, tmp_path / "again.png", "a sample", limit=5, seed=3)
    other = write_sheet(rows, tmp_path / "other.png", "a sample", limit=5, seed=4)
    assert path.read_bytes() == again.read_bytes() != other.read_bytes()
    assert Image.open(path).size == contact_sheet(rows[:5]).size


def test_text_is_wrapped_within_its_room() -> None:
    pen, font = ImageDraw.Draw(Image.new("RGB", (1, 1))), fonts.latin(15)
    text = "Place the yellow apple nearest to the camera 15 cm in front of the blue bowl, as seen from the camera."
    lines = fonts.wrap(pen, text, font, 300, 9)
    assert " ".join(lines) == text
    assert max(pen.textlength(line, font) for line in lines) <= 300
    short = fonts.wrap(pen, text, font, 300, 2)
    assert len(short) == 2
    assert short[1].endswith("…")
    assert pen.textlength(short[1], font) <= 300
    mixed = "从相机视角看，把黄色的苹果（最左边的）向左移动75 毫米，再向右移动3.5 英寸。"
    lines = fonts.wrap(pen, mixed, font, 75, 40)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", mixed)
    assert max(pen.textlength(line, font) for line in lines) <= 75
    assert not any(line[0] in "，。）" for line in lines)


# ---------------------------------------------------------------------------------------------------------- page


class Page(HTMLParser):
    """What a browser would make of the page; fails on elements that are not closed in order."""

    VOID = frozenset({"meta", "input", "img", "br", "path", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: dict[str, str] = {}
        self._inside = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        identity = dict(attrs).get("id")
        if identity:
            self.ids.append(identity)
        if tag not in self.VOID:
            self.open.append(tag)
        self._inside = identity or tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text[self._inside] = self.text.get(self._inside, "") + data


def some_rejections() -> list[Rejection]:
    picture = fake_triplet(0).source_image
    return [
        Rejection("CM", "collision", "mug_1 overlaps bowl_1 by 13.4 mm", "Move the mug.", picture, picture),
        *[Rejection("OP", "occluded", f"bowl_1 is seen by {n} %", HOSTILE) for n in range(9)],
        Rejection("", "unstable", "3 objects are left standing"),
    ]


@pytest.fixture(scope="module")
def rows() -> list[Triplet]:
    return [fake_triplet(seed, operation) for operation in OPERATIONS for seed in range(2)]


@pytest.fixture(scope="module")
def text(rows: list[Triplet]) -> str:
    return html_page(rows, some_rejections(), commands=("gsi-bench build",))


def test_page_is_well_formed_and_holds_every_row(text: str, rows: list[Triplet]) -> None:
    page = Page(text)
    assert [name for name in page.ids if name.startswith("row-")] == [f"row-{row.id}" for row in rows]
    assert len(page.ids) == len(set(page.ids))
    for row in rows:
        assert row.instruction in text
        assert row.instruction_zh in text
    assert page.tags["details"] == len(rows)
    assert "13.4 mm" in text
    assert "gsi-bench build" in text


def test_page_asks_nobody_for_anything(text: str) -> None:
    page = Page(text)
    for tag, name, value in page.attributes:
        assert name not in {"src", "srcset", "action", "poster"}, (tag, name, value)
        if name == "href":
            assert value.startswith("#")
        assert "http:" not in value
        assert "https:" not in value
    assert "@import" not in text
    assert not re.search(r"url\(", text)


def test_pictures_of_the_page_are_there_and_stored_once(rows: list[Triplet], text: str) -> None:
    images = json.loads(Page(text).text["images"])
    used = {value for _, name, value in Page(text).attributes if name == "data-image"}
    assert used == set(images)
    for uri in images.values():
        picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert picture.size == (64, 64)
    one = html_page([fake_triplet(5, "CM")], [])
    two = html_page([fake_triplet(5, "CM"), fake_triplet(5, "OR")], [])
    added = len(json.loads(Page(two).text["images"])) - len(json.loads(Page(one).text["images"]))
    # Source picture, depth, instances and (for the same target) background are shared; the target's three are not.
    assert added == 3


def test_only_the_pages_own_script_may_run(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]


def test_hostile_words_stay_words() -> None:
    row = fake_triplet(0, "CM")
    bad = [item.model_copy(update={"caption": HOSTILE, "caption_zh": HOSTILE}) for item in row.objects_before]
    parts = {"instruction": HOSTILE, "instruction_zh": HOSTILE, "instructions": [HOSTILE, HOSTILE + "2"]}
    row = row.model_copy(
        update=parts | {"objects_before": bad, "checks": json.dumps({HOSTILE: [HOSTILE]}), "provenance": HOSTILE}
    )
    manifest = a_manifest(config=HOSTILE, rejected={"CM": {HOSTILE: 3}})
    text = html_page([row], [Rejection("CM", HOSTILE, HOSTILE, HOSTILE)], manifest, commands=(HOSTILE,))
    page = Page(text)
    assert page.tags["script"] == 2
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert "<img src=x" not in text
    assert "&lt;/script&gt;" in text


def a_manifest(**changes: object) -> Manifest:
    values = {
        "config": "gsi_syn_table",
        "split": "test",
        "version": "1.2.3",
        "digest": "0123456789abcdef",
        "package": "0.1.0",
        "renderer": "gl",
        "wanted": {"CM": 300},
        "counts": {"CM": 300},
        "rows": 300,
        "picture_bytes": 1,
        "scenes": 77,
        "rejected": {"CM": {"collision": 80, "occluded": 20}, "scene": {"unstable": 5}},
        "files": [],
        "credits": [
            {"id": "pack/mug", "name": "Mug", "author": "An Author", "licence": "CC-BY-3.0", "source": "somewhere"}
        ],
        "spec": {"seed": 7},
    }
    return Manifest.model_validate(values | changes)


def test_numbers_of_the_whole_data_set_come_from_its_manifest(rows: list[Triplet]) -> None:
    text = html_page(rows[:2], [], a_manifest())
    assert "300 verified spatial edits" in text
    assert "kept of 405 candidates" in text
    assert "<dd>74 %</dd>" in text
    assert "<dd>77</dd>" in text
    assert "0123456789abcdef" in text
    assert "An Author" in text
    assert "load_dataset(&quot;gsi-bench&quot;, &quot;gsi_syn_table&quot;, split=&quot;test&quot;)" in text
    table = re.sub(r"<[^>]+>", " ", re.search(r'<table class="reasons">.*?</table>', text, re.DOTALL)[0])  # type: ignore[index]
    assert re.search(r"collision the place is taken\s+80\s+80", table)
    assert re.search(r"Kept\s+74 %\s+75 %", table)


def test_page_of_nothing() -> None:
    text = html_page([], [])
    assert "0 verified spatial edits" in text
    assert "No candidate was rejected" in text
    Page(text)


def test_examples_of_rejections_take_turns() -> None:
    many = [Rejection("CM", "collision", str(n)) for n in range(500)] + [Rejection("OS", "size", "big")]
    chosen = chosen_rejections(many, most=4)
    assert len(chosen) == 4
    assert chosen[-1].operation == "OS"
    assert chosen_rejections(some_rejections(), 3)[0].after is not None
    assert chosen_rejections([]) == []


def test_json_is_shown_prettily() -> None:
    assert pretty({"a_b": 0.1234567891}) == "<dl><div><dt>a b</dt><dd>0.123457</dd></div></dl>"
    assert "<td>1</td>" in pretty([{"x": 1}, {"x": 2}])
    assert pretty([True, None, 3]) == "yes, –, 3"


# ------------------------------------------------------------------------------------------------------- browser

PROBE = """<script>
addEventListener("error", (event) => { document.title = "error " + event.message; });
const probe = () => {
  const found = {};
  const cards = [...document.querySelectorAll("#triplets > .card")];
  const shown = () => cards.filter((card) => card.checkVisibility({ contentVisibilityAuto: false })).length;
  const press = (selector, inside = document) => inside.querySelector(selector).click();
  const card = cards[0], slider = card.querySelector("input");
  const clip = () => getComputedStyle(card.querySelector(".side.before")).clipPath;
  const see = (name) => getComputedStyle(card.querySelector(name)).display !== "none";
  found.start = [shown(), see(".depth"), see(".boxes"), clip()];
  found.loaded = [...card.querySelectorAll("img[src]")].map((img) => img.className + img.naturalWidth);
  slider.value = 20;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  found.slid = clip();
  press(".layers [data-layer=depth]", card);
  found.depth = [see(".depth"), card.querySelector(".before .depth").hasAttribute("src"), cards[1].dataset.layer];
  press(".layers [data-boxes]", card);
  found.boxes = [see(".boxes"), document.body.classList.contains("boxes-on")];
  press(".toolbar [data-layer=instances]");
  found.instances = cards.every((each) => each.dataset.layer === "instances") && see(".numbers");
  press(".toolbar [data-op=OR]");
  found.rotations = [shown(), location.hash];
  const search = document.getElementById("search");
  search.value = "no such thing";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  found.nothing = [shown(), document.getElementById("count").textContent];
  location.hash = "#op=SR&at=80";
  setTimeout(() => {
    found.hash = [shown(), clip(), card.dataset.layer, search.value];
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "2", bubbles: true }));
    found.key = card.dataset.layer;
    const out = document.createElement("pre");
    out.id = "found";
    out.textContent = JSON.stringify(found);
    document.body.append(out);
  }, 100);
};
// Pictures are loaded when they come into view, which takes a busy machine a while.
const whenLoaded = (tries) => {
  const there = document.querySelector("#triplets > .card").querySelectorAll("img[src]").length;
  if (there >= 2 || tries === 0) probe();
  else setTimeout(() => whenLoaded(tries - 1), 100);
};
addEventListener("load", () => setTimeout(() => whenLoaded(20), 300));
</script>"""


def browse(folder: Path, address: str) -> tuple[str, str]:
    """The page after its scripts ran, and what the browser logged."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1200,1000"]
    command += ["--disable-background-networking", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=4000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_page_works_in_a_browser(tmp_path: Path, rows: list[Triplet]) -> None:
    path = write_page(rows, some_rejections(), None, tmp_path / "page.html")
    dom, log = browse(tmp_path, f"{path.as_uri()}#op=CM&layer=background&boxes=1")
    # Only the policy's own script ran, and it did not complain.
    assert "CONSOLE" not in log
    assert re.search(r'id="row-fake-0-cm-0"[^>]*data-layer="background"[^>]*data-boxes=""', dom)

    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", path.read_text(encoding="utf-8"))
    probed = tmp_path / "probed.html"
    probed.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom, log = browse(tmp_path, probed.as_uri())
    assert "CONSOLE" not in log
    match = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert match, dom[-2000:]
    found = json.loads(match[1].replace("&amp;", "&"))
    assert found["start"] == [len(rows), False, False, "inset(0px 50% 0px 0px)"]
    assert found["loaded"] == ["photo64", "photo64"]
    assert found["slid"] == "inset(0px 80% 0px 0px)"
    assert found["depth"] == [True, True, "photo"]
    assert found["boxes"] == [True, True]
    assert found["instances"] is True
    assert found["rotations"] == [2, "#op=OR&layer=instances"]
    assert found["nothing"] == [0, f"0 of {len(rows)} triplets"]
    assert found["hash"] == [2, "inset(0px 20% 0px 0px)", "photo", ""]
    assert found["key"] == "depth"

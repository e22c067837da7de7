"""Every renderer that works here, against the rays, against itself and against the others."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from gsi_datasets import renderers
from gsi_datasets.renderers import RendererError
from gsi_datasets.renderers.base import Renderer
from gsi_datasets.renderers.probe import REMEDIES
from gsi_datasets.renderers.rays import RayCaster
from gsi_datasets.scene import Light, Scene
from tests.gsi_datasets.renderers import toys


# The module, which the package's function of the same name hides.
PROBING = importlib.import_module("gsi_datasets.renderers.probe")


@cache
def opened(name: str) -> Renderer:
    found = renderers.probe(name)
    if not found.ok:
        pytest.skip(f"{name} does not work here: {found.detail}")
    return renderers.open_renderer(name, found.backend, toys.lookup)


@pytest.fixture(params=list(REMEDIES))
def renderer(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    return opened(request.param)


def lit(objects: tuple, camera: toys.Camera) -> Scene:
    """Light without shadows, so that pictures differ only where an object is."""
    lamp = Light((0.5, -2.0, 2.5), (0.0, 0.0, 0.1), shadows=False)
    return Scene("lit", objects, camera, (lamp,), (0.3, 0.3, 0.3))


def grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    padded = np.pad(mask, pixels)
    shifts = range(2 * pixels + 1)
    height, width = mask.shape
    return np.any([padded[i : i + height, j : j + width] for i in shifts for j in shifts], axis=0)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (31.4, -22.7)])
def test_silhouettes_agree_with_the_rays(renderer: Renderer, shift: tuple[float, float]) -> None:
    # Floating in front of an empty background: neither shadows nor reflections on anything else.
    ball = replace(toys.place("ball", (0.1, 0.0, 0.0), 1), scale=1.4)
    cube = toys.place("cube", (-0.35, 0.2, -0.15), 2, yaw=0.6, scale=0.35)
    camera = toys.look((0.1, -1.6, 0.7), (0.0, 0.0, 0.1), 256, 192, 240.0, shift)
    scene = lit((ball, cube), camera)
    with_both, without_cube, empty = renderer.render(
        [scene, scene.without("cube_2"), scene.without("cube_2", "ball_1")]
    )
    ids = RayCaster(toys.lookup).layers(scene).instances
    for picture, mask in [(with_both, ids > 0), (without_cube, visible_alone(scene, "ball_1"))]:
        difference = np.abs(picture.astype(int) - empty).max(axis=-1)
        # Half of what the darker faces differ by: where an edge covers half a pixel.
        changed = difference > np.percentile(difference[mask], 25) / 2
        assert (changed & mask).sum() / (changed | mask).sum() > 0.97
        assert not (changed & ~grown(mask, 1)).any()
        # The middle of what changed is where the rays see it: no shift of half a pixel.
        middle = [np.argwhere(it).mean(axis=0) for it in (changed, mask)]
        np.testing.assert_allclose(*middle, atol=0.35)


def visible_alone(scene: Scene, name: str) -> NDArray[np.bool_]:
    return RayCaster(toys.lookup).layers(replace(scene, objects=(scene[name],))).instances > 0


def test_an_edit_changes_its_own_pixels_only(renderer: Renderer) -> None:
    scene = toys.tabletop(size=192)
    scene = replace(scene, lights=tuple(replace(lamp, shadows=False) for lamp in scene.lights))
    caster = RayCaster(toys.lookup)
    before, after = renderer.render([scene, scene.without("carton_4")])
    mask = caster.layers(scene).instances == 4
    difference = np.abs(before.astype(int) - after).max(axis=-1)
    assert (difference[mask] > 8).mean() > 0.7
    if renderer.name != "photo":  # where light bounces, an edit is felt all around
        far = ~grown(mask, 24)
        assert np.percentile(difference[far], 99) <= 12


def test_a_picture_does_not_depend_on_its_company(renderer: Renderer) -> None:
    scene = toys.tabletop(size=96)
    moved = replace(scene["mug_2"], position=scene["mug_2"].position + np.array([0.08, 0.02, 0.0]), scale=1.25)
    edited = scene.with_objects([moved])
    alone = renderer.render([scene])[0]
    together = renderer.render([edited, scene, scene.without("can_5")])
    assert together[1].tobytes() == alone.tobytes()
    assert renderer.render([edited])[0].tobytes() == together[0].tobytes()
    assert alone.shape == (96, 96, 3)
    assert alone.dtype == np.uint8


def test_textures_are_the_right_way_up(renderer: Renderer) -> None:
    # The checkerboard's top left quarter is dark; the board faces the camera.
    board = toys.asset(
        "board",
        toys.quads(
            np.array([[[-0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 1], [-0.5, 0, 1]]], dtype=float),
            toys.Material(texture=toys.checker((230, 230, 230), (200, 200, 200))),
        ),
    )
    item = replace(toys.place("cube", (0, 0, 0), 1), asset="board", local_size=np.array([1.0, 0.0, 1.0]))
    camera = toys.look((0.0, -2.0, 0.5), (0.0, 0.0, 0.5), 128, 128, 200.0)
    lookup = {"board": board}.__getitem__
    found = renderers.probe(renderer.name)
    picture = renderers.open_renderer(renderer.name, found.backend, lookup).render([lit((item,), camera)])[0]
    quarters = {
        (v, u): picture[34 + 34 * v : 44 + 34 * v, 34 + 34 * u : 44 + 34 * u].mean() for v in (0, 1) for u in (0, 1)
    }
    dark = quarters.pop((0, 0))
    assert dark < 0.75 * min(quarters.values())


def test_glass_lets_through_what_is_behind_it(renderer: Renderer) -> None:
    upright = np.array([[[-0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 1], [-0.5, 0, 1]]], dtype=float)
    materials = {
        "board": toys.Material(texture=toys.checker((230, 230, 230), (40, 40, 40), 4)),
        "clear": toys.Material((0.5, 0.6, 0.6), opacity=0.25),
        "opaque": toys.Material((0.5, 0.6, 0.6)),
    }
    library = {name: toys.asset(name, toys.quads(upright, material)) for name, material in materials.items()}
    camera = toys.look((0.0, -2.0, 0.5), (0.0, 0.0, 0.5), 96, 96, 150.0)
    found = renderers.probe(renderer.name)
    drawing = renderers.open_renderer(renderer.name, found.backend, library.__getitem__)
    flat = {"local_size": np.array([1.0, 0.0, 1.0])}
    board = replace(toys.place("cube", (0, 0, 0), 1, name="board"), asset="board", **flat)
    pane = replace(toys.place("cube", (0, -0.3, 0), 2, name="pane"), **flat)
    contrast = {}
    for behind in ("bare", "clear", "opaque"):
        items = (board,) if behind == "bare" else (board, replace(pane, asset=behind))
        contrast[behind] = drawing.render([lit(items, camera)])[0][30:66, 30:66].mean(axis=-1).std()
    assert contrast["opaque"] < 0.2 * contrast["bare"]
    assert 0.4 * contrast["bare"] < contrast["clear"] < 0.95 * contrast["bare"]


def test_shadows_fall_and_are_soft(renderer: Renderer) -> None:
    floor = toys.place("sheet", (0, 0, -0.02), 0, name="floor")
    cube = toys.place("cube", (0, 0, 0), 1, scale=0.3)
    camera = toys.look((0.0, -1.2, 2.6), (0.0, 0.1, 0.0), 160, 160, 200.0)
    lamp = Light((-1.6, 0.2, 1.6), (0.0, 0.0, 0.0), radius=0.25)
    scene = Scene("shadow", (floor, cube), camera, (lamp,), (0.3, 0.3, 0.3))
    dark, bright = (
        renderer.render([replace(scene, lights=(replace(lamp, shadows=flag),))])[0].mean(axis=-1)
        for flag in (True, False)
    )
    if renderer.name == "photo":
        bright = renderer.render([scene.without("cube_1")])[0].mean(axis=-1)
    shaded = dark < bright - 25
    ids = RayCaster(toys.lookup).layers(scene).instances
    shaded &= ~grown(ids > 0, 2)
    rows, columns = np.nonzero(shaded)
    assert len(rows) > 300
    assert columns.mean() > np.nonzero(ids)[1].mean()  # away from the lamp
    # Black nowhere: ambient light reaches into the shadow.
    assert dark[shaded].min() > 20


@pytest.mark.slow
def test_brightness_agrees_between_renderers() -> None:
    scene = toys.tabletop(size=256)
    pictures = {}
    for name in REMEDIES:
        if renderers.probe(name).ok:
            pictures[name] = opened(name).render([scene])[0].astype(float)
    if len(pictures) < 2:
        pytest.skip("fewer than two renderers work here")
    luminance = {name: picture @ [0.2126, 0.7152, 0.0722] for name, picture in pictures.items()}
    means = {name: float(values.mean()) for name, values in luminance.items()}
    spreads = {name: float(values.std()) for name, values in luminance.items()}
    assert max(means.values()) / min(means.values()) < 1.12, means
    assert max(spreads.values()) / min(spreads.values()) < 1.3, spreads
    for name, values in luminance.items():
        assert (values > 252).mean() < 0.01, name
        assert (values < 3).mean() < 0.02, name


def test_versions_say_what_decides_the_pixels(renderer: Renderer) -> None:
    versions = renderer.versions()
    assert versions
    assert all(isinstance(key, str) and isinstance(value, str) and value for key, value in versions.items())


def ask(code: str, **environment: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_broken_opengl_is_said_clearly() -> None:
    code = (
        "from gsi_datasets import renderers\n"
        "try:\n    renderers.create('gl')\nexcept renderers.RendererError as error:\n    print(error)"
    )
    # EGL without a single vendor to load is how a machine without drivers looks.
    message = ask(code, MUJOCO_GL="egl", __EGL_VENDOR_LIBRARY_FILENAMES="/nonexistent.json")
    assert "no OpenGL context by egl" in message
    assert "libosmesa6" in message


def test_unknown_names_are_refused() -> None:
    with pytest.raises(RendererError, match=r"no renderer 'povray': choose auto, gl, warp, photo"):
        renderers.choose("povray")


def test_auto_takes_the_first_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "gl": renderers.Probe(False, "no driver", REMEDIES["gl"]),
        "warp": renderers.Probe(True, "fine"),
    }
    monkeypatch.setattr(PROBING, "probe", answers.__getitem__)
    assert renderers.choose("auto") == "warp"
    answers["warp"] = renderers.Probe(False, "not installed", REMEDIES["warp"])
    with pytest.raises(RendererError) as caught:
        renderers.choose("auto")
    for words in ("no driver", "libosmesa6", "not installed", "pip install 'gsi-bench[sim]'"):
        assert words in str(caught.value)


def test_workers_inherit_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(PROBING, "probe", lambda name: renderers.Probe(True, "fine", backend="osmesa"))
    assert renderers.choose("gl") == "gl"
    assert os.environ["MUJOCO_GL"] == "osmesa"

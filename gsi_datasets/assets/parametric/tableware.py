"""What one drinks from and eats off: mugs, cups, glasses, bowls, plates, teapots."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import CERAMIC, GLASS, Array, Family, Shell, assemble, dish, shell
from gsi_datasets.assets.parametric.hulls import tube_hulls, turned_hulls, wedge_hulls
from gsi_datasets.assets.parametric.primitives import Mesh, arc, curve, lathe, merge, tube
from gsi_datasets.assets.parametric.words import Color, Words, accent, named, phrase, pick


Trait = tuple[str, str]


def ceramic_color(rng: np.random.Generator) -> Color:
    """A colour as dishes have them: white more often than not chance alone would give."""
    return named(rng, "white") if rng.random() < 0.15 else pick(rng)


def decorate(
    rng: np.random.Generator,
    section: Shell,
    base: Color,
    span: tuple[float, float],
    around: float,
    speckle: bool = True,
) -> tuple[textures.Texture, Trait | None, int]:
    """Glaze a turned thing and perhaps paint a pattern on it.

    Args:
        rng: source of chance.
        section: its cross-section.
        base: colour of the glaze.
        span: heights in v that the pattern may fill.
        around: metres around at the pattern.
        speckle: whether the glaze may have specks.

    Returns:
        The texture, words for the pattern, and the order of symmetry of the look (0 any angle).
    """
    image = textures.plain(base.rgb, 256, 256)
    length = float(np.linalg.norm(np.diff(section.profile, axis=0), axis=1).sum())
    aspect = around / length
    tall = (span[1] - span[0]) / aspect
    other = accent(rng, base)
    trait, symmetry = None, 0
    kind = str(rng.choice(["plain", "inside", "stripes", "band", "columns", "dots", "zigzag", "speckle", "dipped"]))
    low, high = span
    reach = high - low
    if kind == "inside":
        textures.bands(image, [(section.wall[1], 1.0)], other.rgb)
        trait = (f"with {other.name} inside", f"内壁{other.zh}的")
    elif kind == "stripes":
        count = int(rng.integers(3, 5))
        textures.bands(
            image,
            [(low + reach * (i + 0.25) / count, low + reach * (i + 0.7) / count) for i in range(count)],
            other.rgb,
        )
        trait = (f"with {other.name} stripes", f"带{other.zh}条纹的")
    elif kind == "band":
        middle, half = low + reach * rng.uniform(0.45, 0.6), reach * rng.uniform(0.12, 0.18)
        textures.bands(image, [(middle - half, middle + half)], other.rgb)
        trait = (f"with {other.name} band", f"带{other.zh}环带的")
    elif kind == "columns":
        symmetry = int(rng.integers(10, 17))
        textures.columns(image, span, other.rgb, symmetry, rng.uniform(0.3, 0.5))
        trait = (f"with {other.name} vertical stripes", f"带{other.zh}竖条纹的")
    elif kind == "dots":
        symmetry = int(rng.integers(8, 13))
        rows = max(1, round(tall * symmetry * 0.95))
        textures.dots(image, span, other.rgb, symmetry, rows, aspect, rng.uniform(0.22, 0.32))
        trait = (f"with {other.name} dots", f"带{other.zh}圆点的")
    elif kind == "zigzag":
        symmetry = int(rng.integers(9, 14))
        middle, half = low + reach * 0.55, min(reach * 0.3, 0.9 * aspect / symmetry)
        textures.zigzag(image, (middle - half, middle + half), other.rgb, symmetry)
        trait = (f"with {other.name} zigzag", f"带{other.zh}锯齿纹的")
    elif kind == "dipped":
        textures.bands(image, [(0.0, low + reach * rng.uniform(0.25, 0.4))], other.rgb)
        trait = (f"with {other.name} base", f"{other.zh}底部的")
    share = 0.004 if speckle and (kind == "speckle" or rng.random() < 0.3) else 0.0
    return textures.speckled(rng, image, share), trait, symmetry


def handle(attach: Array, reach: float, thick: float, flat: float, steps: int = 12) -> tuple[Mesh, Array]:
    """An ear in the xz plane.

    Args:
        attach: (2, 2) upper and lower point of (x, z) inside the wall.
        reach: how far it stands off, metres.
        thick: half its thickness, metres.
        flat: thickness by half width.
        steps: pieces along.

    Returns:
        The mesh and its (P, 3) path.
    """
    (x0, z0), (x1, z1) = attach
    drop = z0 - z1
    points = [
        (x0, z0),
        (x0 + 0.6 * reach, z0 + 0.04 * drop),
        (max(x0, x1) + reach, z0 - 0.25 * drop),
        (max(x0, x1) + 0.9 * reach, z0 - 0.62 * drop),
        (x1 + 0.45 * reach, z1 + 0.08 * drop),
        (x1, z1),
    ]
    line = curve(points, max(2, steps // 5))
    path = np.column_stack([line[:, 0], np.zeros(len(line)), line[:, 1]])
    return tube(path, thick / flat, 10, flat, up=(0.0, 1.0, 0.0)), path


def eared(section: Shell, low: float, high: float, reach: float, thick: float) -> tuple[Mesh, list[Array]]:
    """A handle between two heights of a hollow turned thing, with its hulls."""
    wall = 0.0012
    attach = np.array([[np.interp(z, section.outer[:, 1], section.outer[:, 0]) - wall, z] for z in (high, low)])
    mesh, path = handle(attach, reach, thick, 0.62)
    return mesh, tube_hulls(path, thick, 4, 1 / 0.62)


def mug_outline(rng: np.random.Generator, height: float, radius: float) -> Array:
    """(K, 2) straight, tapered or bellied outside."""
    kind = rng.choice(["straight", "taper", "barrel", "waist"])
    foot = 0.004
    if kind == "straight":
        body = [(radius, 0.15 * height), (radius, 0.5 * height), (radius, height)]
        base = radius - 0.004
    elif kind == "taper":
        base = radius * rng.uniform(0.72, 0.82)
        body = [(base + (radius - base) * t, t * height) for t in (0.15, 0.5, 1.0)]
    elif kind == "barrel":
        base = radius * 0.78
        body = [(radius * 0.95, 0.2 * height), (radius * 1.03, 0.5 * height), (radius * 0.93, height)]
    else:
        base = radius * 0.9
        body = [(radius * 0.97, 0.12 * height), (radius * 0.9, 0.55 * height), (radius, height)]
    return np.concatenate([[(base - foot, 0.0)], curve([(base, foot), *body], 4)])


def mug(asset_id: str, rng: np.random.Generator) -> Asset:
    """A mug with one handle."""
    height, radius = rng.uniform(0.078, 0.105), rng.uniform(0.037, 0.046)
    base = ceramic_color(rng)
    section = shell(mug_outline(rng, height, radius), rng.uniform(0.003, 0.0042), 0.006)
    span = (section.v_at(0.12 * height), section.v_at(0.93 * height))
    texture, trait, _ = decorate(rng, section, base, span, 2 * np.pi * radius)
    low, high = rng.uniform(0.18, 0.28), rng.uniform(0.76, 0.86)
    ear, ear_hulls = eared(section, low * height, high * height, rng.uniform(0.024, 0.032), rng.uniform(0.0038, 0.005))
    v = section.v_at(0.0) if trait and "base" in trait[0] else section.v_at(0.05 * height)
    mesh = merge(lathe(section.profile, 40), ear.painted((0.0, 0.3 * v, 1.0, 0.7 * v)))
    material = Material((1.0, 1.0, 1.0), texture, roughness=rng.uniform(0.2, 0.35))
    hulls = wedge_hulls(section.outer, section.inner) + ear_hulls
    words = phrase(("mug", "马克杯"), base, (), trait)
    return assemble(asset_id, "mug", words, [(mesh, material)], hulls, density=CERAMIC)


def cup(asset_id: str, rng: np.random.Generator) -> Asset:
    """A teacup, often on its saucer."""
    height, radius = rng.uniform(0.052, 0.066), rng.uniform(0.042, 0.05)
    base = ceramic_color(rng)
    foot = radius * rng.uniform(0.5, 0.6)
    side = [(foot, 0.005), (radius * 0.8, 0.3 * height), (radius * 0.93, 0.62 * height), (radius, height)]
    section = shell(np.concatenate([[(foot, 0.0)], curve(side, 4)]), 0.0026, 0.008)
    span = (section.v_at(0.4 * height), section.v_at(0.95 * height))
    texture, trait, _ = decorate(rng, section, base, span, 2 * np.pi * radius)
    ear, ear_hulls = eared(section, 0.42 * height, 0.88 * height, rng.uniform(0.018, 0.023), 0.0032)
    v = section.v_at(0.0)
    mesh = merge(lathe(section.profile, 36), ear.painted((0.0, 0.3 * v, 1.0, 0.7 * v)))
    hulls = wedge_hulls(section.outer, section.inner) + ear_hulls
    noun = ("teacup", "茶杯")
    if rng.random() < 0.6:
        # The cup stands on the saucer's floor: 4 mm up.
        saucer = plate_section(radius * 1.62, 0.015, 0.004, radius)
        rest = lathe(saucer.profile, 40).painted((0.0, 0.3 * v, 1.0, 0.7 * v))
        mesh = merge(mesh.moved(z=0.004), rest)
        hulls = [points + np.array([0.0, 0.0, 0.004]) for points in hulls] + wedge_hulls(saucer.outer, saucer.inner)
        noun = ("teacup on a saucer", "带茶碟的茶杯")
    words = phrase(noun, base, (), trait)
    if noun[0] != "teacup":
        words = Words(
            f"{base.name} teacup {trait[0] + ' ' if trait else ''}on a saucer",
            f"{trait[1] if trait else ''}{base.zh}茶杯（配茶碟）",
            base.name,
        )
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.22)
    return assemble(asset_id, "cup", words, [(mesh, material)], hulls, density=CERAMIC)


def glass(asset_id: str, rng: np.random.Generator) -> Asset:
    """A drinking glass of coloured glass: a tumbler, fluted or plain, or a goblet."""
    color = pick(rng, ["green", "blue", "turquoise", "purple", "pink", "orange", "yellow", "red"])
    goblet = rng.random() < 0.4
    if goblet:
        height, radius = rng.uniform(0.13, 0.17), rng.uniform(0.034, 0.042)
        stem = 0.42 * height
        bowl = curve(
            [(0.006, stem), (radius * 0.72, stem + 0.02), (radius, 0.72 * height), (radius * 0.88, height)], 5
        )
        inside = bowl[2:] - (0.0022, 0.0)
        inside = np.concatenate([[[0.0, inside[0, 1]]], inside])
        foot = [
            (0.0, 0.0),
            (radius * 0.9, 0.0),
            (radius * 0.9, 0.003),
            (0.008, 0.009),
            (0.0042, 0.02),
            (0.004, stem - 0.01),
        ]
        profile = np.concatenate([foot, bowl, inside[::-1]])
        outer = np.concatenate([foot[1:], bowl])
        hulls = turned_hulls(outer[outer[:, 1] <= inside[0, 1] + 1e-9])
        start = outer[outer[:, 1] > inside[0, 1]]
        rim = np.concatenate([[[np.interp(inside[0, 1], outer[:, 1], outer[:, 0]), inside[0, 1]]], start])
        hulls += wedge_hulls(
            rim, np.concatenate([[[inside[1, 0] * 0.999, inside[0, 1]]], inside[1:] + np.array([0.0, 1e-6])])
        )
        flutes, words = 0, phrase(("glass goblet", "高脚玻璃杯"), color)
    else:
        height, radius = rng.uniform(0.085, 0.13), rng.uniform(0.033, 0.04)
        base = radius * rng.uniform(0.75, 0.95)
        side = [(base - 0.003, 0.0), *curve([(base, 0.003), ((base + radius) / 2, height / 2), (radius, height)], 4)]
        section = shell(np.array(side), 0.0026, 0.009)
        profile, hulls = section.profile, wedge_hulls(section.outer, section.inner)
        flutes = int(rng.choice([0, 8, 10, 12]))
        tall = [("tall", "高的")] if height > 0.115 else []
        noun = ("fluted glass tumbler", "竖棱玻璃杯") if flutes else ("glass tumbler", "玻璃杯")
        words = phrase(noun, color, tall)
    mesh = lathe(profile, 4 * flutes if flutes else 36)
    if flutes:
        # Flutes press the outside in between the foot and a smooth band below the rim.
        x, y, z = mesh.vertices.T
        outside = np.einsum("ij,ij->i", mesh.normals[:, :2], mesh.vertices[:, :2]) > 0.5 * np.hypot(x, y)
        depth = 0.0012 * np.clip((z - 0.008) / 0.004, 0, 1) * np.clip((0.82 * height - z) / 0.004, 0, 1) * outside
        factor = 1 - depth * (0.5 - 0.5 * np.cos(flutes * np.arctan2(x, -y))) / np.maximum(np.hypot(x, y), 1e-6)
        mesh = mesh.bent(np.column_stack([x * factor, y * factor, z]))
    shade = textures.plain(color.rgb, 64, 4)
    shade *= np.linspace(1.12, 0.8, 64, dtype=np.float32)[:, None, None]
    material = Material((1.0, 1.0, 1.0), textures.to_texture(shade), roughness=0.08, opacity=0.75)
    return assemble(asset_id, "glass", words, [(mesh, material)], hulls, density=GLASS, symmetry=flutes)


def bowl(asset_id: str, rng: np.random.Generator) -> Asset:
    """An open bowl with a flat floor, for things to lie in."""
    radius = rng.uniform(0.065, 0.11)
    height = radius * rng.uniform(0.65, 0.85)
    base = ceramic_color(rng)
    foot = radius * rng.uniform(0.5, 0.58)
    flare = rng.uniform(0.86, 0.95)
    side = [(foot, 0.005), (radius * 0.78, 0.28 * height), (radius * flare, 0.62 * height), (radius, height)]
    section = shell(np.concatenate([[(foot - 0.001, 0.0)], curve(side, 5)]), rng.uniform(0.0035, 0.005), 0.009)
    span = (section.v_at(0.3 * height), section.v_at(0.96 * height))
    texture, trait, symmetry = decorate(rng, section, base, span, 2 * np.pi * radius)
    material = Material((1.0, 1.0, 1.0), texture, roughness=rng.uniform(0.2, 0.4))
    words = phrase(("bowl", "碗"), base, (), trait)
    return assemble(
        asset_id,
        "bowl",
        words,
        [(lathe(section.profile, 48), material)],
        wedge_hulls(section.outer, section.inner),
        density=CERAMIC,
        symmetry=symmetry,
        receptacle=dish(section, "in"),
    )


def plate_section(radius: float, height: float, thickness: float, flat: float) -> Shell:
    """A plate of outer `radius` with a flat floor of radius `flat`."""
    floor = thickness
    mid = (flat + radius) / 2
    side = curve(
        [(flat + 0.003, 0.001), (flat + 0.4 * (mid - flat), 0.2 * height), (mid, 0.55 * height), (radius, height)], 4
    )
    return shell(np.concatenate([[(flat, 0.0)], side]), thickness * 0.8, floor)


def plate(asset_id: str, rng: np.random.Generator) -> Asset:
    """A flat plate with a raised rim."""
    radius, height = rng.uniform(0.085, 0.135), rng.uniform(0.014, 0.024)
    base = ceramic_color(rng)
    section = plate_section(radius, height, 0.0045, radius * rng.uniform(0.58, 0.7))
    image = textures.plain(base.rgb, 256, 256)
    other = accent(rng, base)
    inside, length = section.inside, 1.0 - section.inside[0]
    kind = rng.choice(["plain", "rim", "rings", "center", "dots"])
    trait, symmetry = None, 0
    if kind == "rim":
        textures.bands(image, [(section.wall[1] - 0.01, inside[0] + 0.08 * length)], other.rgb)
        trait = (f"with {other.name} rim", f"带{other.zh}边的")
    elif kind == "rings":
        for start in (0.06, 0.15, 0.24):
            textures.bands(image, [(inside[0] + start * length, inside[0] + (start + 0.04) * length)], other.rgb)
        trait = (f"with {other.name} rings", f"带{other.zh}圆环的")
    elif kind == "center":
        textures.bands(image, [(1.0 - 0.55 * length, 1.0)], other.rgb)
        trait = (f"with {other.name} center", f"{other.zh}中心的")
    elif kind == "dots":
        symmetry = int(rng.integers(14, 22))
        profile = float(np.linalg.norm(np.diff(section.profile, axis=0), axis=1).sum())
        span = (inside[0] + 0.05 * length, inside[0] + 0.24 * length)
        textures.dots(image, span, other.rgb, symmetry, 1, 2 * np.pi * radius * 0.88 / profile, 0.28)
        trait = (f"with {other.name} dots", f"带{other.zh}圆点的")
    texture = textures.speckled(rng, image, 0.004 if rng.random() < 0.4 else 0.0)
    material = Material((1.0, 1.0, 1.0), texture, roughness=rng.uniform(0.2, 0.35))
    return assemble(
        asset_id,
        "plate",
        phrase(("plate", "盘子"), base, (), trait),
        [(lathe(section.profile, 56), material)],
        wedge_hulls(section.outer, section.inner),
        density=CERAMIC,
        symmetry=symmetry,
        receptacle=dish(section, "on"),
    )


def teapot(asset_id: str, rng: np.random.Generator) -> Asset:
    """A teapot: body, lid with a knob, spout to the left, handle to the right."""
    radius = rng.uniform(0.06, 0.078)
    height = radius * rng.uniform(1.35, 1.7)
    base = ceramic_color(rng)
    mouth, foot = radius * 0.52, radius * 0.62
    side = curve([(foot, 0.004), (radius * 0.96, 0.35 * height), (radius * 0.97, 0.6 * height), (mouth, height)], 5)
    body = np.concatenate([[(foot - 0.002, 0.0)], side])
    knob = arc((0.0, height + 0.026), 0.0095, -1.1, np.pi / 2, 6)
    knob[-1, 0] = 0.0
    lid = np.concatenate(
        [[(mouth + 0.003, height), (mouth + 0.003, height + 0.004), (mouth * 0.5, height + 0.013)], knob]
    )
    profile = np.concatenate([[(0.0, 0.0)], body, lid])
    section = Shell(profile, body, body, (0.02, 0.6), (1.0, 1.0))
    span = (section.v_at(0.2 * height), section.v_at(0.8 * height))
    texture, trait, _ = decorate(rng, section, base, span, 2 * np.pi * radius)
    if trait and "inside" in trait[0]:
        # What would be the inside of a cup is the lid here.
        trait = (trait[0].replace("inside", "lid"), trait[1].replace("内壁", "盖子"))
    x0 = -radius * 0.9
    spout_line = curve(
        [(x0, 0.34 * height), (x0 - 0.022, 0.42 * height), (x0 - 0.036, 0.7 * height), (x0 - 0.056, 0.93 * height)], 4
    )
    spout_path = np.column_stack([spout_line[:, 0], np.zeros(len(spout_line)), spout_line[:, 1]])
    spout_radius = np.linspace(0.016, 0.0075, len(spout_path))
    spout = tube(spout_path, spout_radius, 12, up=(0.0, 1.0, 0.0))
    attach = np.array([[np.interp(z, body[:, 1], body[:, 0]) - 0.003, z] for z in (0.8 * height, 0.3 * height)])
    ear, path = handle(attach, 0.036, 0.0055, 0.7)
    v = section.v_at(0.0)
    patch = (0.0, 0.3 * v, 1.0, 0.7 * v)
    mesh = merge(lathe(profile, 40), spout.painted(patch), ear.painted(patch))
    hulls = turned_hulls(
        np.concatenate([body, [(mouth + 0.003, height + 0.004)], [(0.0095, height + 0.026), (0.004, height + 0.0355)]])
    )
    hulls += tube_hulls(path, 0.0055, 4, 1.4) + tube_hulls(spout_path, spout_radius, 2)
    material = Material((1.0, 1.0, 1.0), texture, roughness=0.25)
    words = phrase(("teapot", "茶壶"), base, (), trait)
    return assemble(asset_id, "teapot", words, [(mesh, material)], hulls, density=1000.0)


FAMILIES: dict[str, Family] = {
    "mug": mug,
    "cup": cup,
    "glass": glass,
    "bowl": bowl,
    "plate": plate,
    "teapot": teapot,
}

"""Picture frames and clocks that stand on a desk."""

from __future__ import annotations

import numpy as np

from gsi_datasets.assets.asset import Asset, Material
from gsi_datasets.assets.parametric import textures
from gsi_datasets.assets.parametric.build import WOOD, assemble
from gsi_datasets.assets.parametric.finishes import STEEL, WHITE, grained, paint, timber
from gsi_datasets.assets.parametric.hulls import box_hull
from gsi_datasets.assets.parametric.pictures import artwork
from gsi_datasets.assets.parametric.primitives import Mesh, arc, box, extrude, lathe, merge, shade
from gsi_datasets.assets.parametric.words import RGB, Words, accent, phrase, pick


def picture_frame(asset_id: str, rng: np.random.Generator) -> Asset:
    """A framed picture that leans back on a strut."""
    tall, wide = rng.uniform(0.15, 0.22), rng.uniform(0.11, 0.15)
    landscape = rng.random() < 0.4
    if landscape:
        tall, wide = wide, tall
    border, thick = rng.uniform(0.012, 0.022), rng.uniform(0.012, 0.017)
    lean = np.tan(np.radians(rng.uniform(9.0, 15.0)))
    bars = [
        box((wide, thick, border), 0.002),
        box((wide, thick, border), 0.002).moved(z=tall - border),
        box((border, thick, tall - 2 * border + 0.003), 0.002).moved(x=-(wide - border) / 2, z=border - 0.0015),
        box((border, thick, tall - 2 * border + 0.003), 0.002).moved(x=(wide - border) / 2, z=border - 0.0015),
    ]
    inner = (wide - 2 * border, tall - 2 * border)
    picture = box((inner[0] + 0.004, 0.004, inner[1] + 0.004), 0.0003).moved(z=border - 0.002)
    back = box((wide - 0.008, 0.004, tall - 0.008), 0.0005).moved(y=thick / 2 - 0.001, z=0.004)

    def leant(mesh: Mesh) -> Mesh:
        # Sheared rather than turned, so that the lower edge stays flat on the ground.
        return mesh.bent(mesh.vertices + mesh.vertices[:, 2:] * (0.0, lean, 0.0))

    foot, joint = 0.42 * tall, 0.62 * tall
    strut_wide = 0.24 * wide
    top = thick / 2 + lean * joint
    corners = np.array([(top - 0.001, joint), (top + 0.004, joint), (foot, 0.0), (foot - 0.005, 0.0)])
    strut = np.concatenate([np.column_stack([np.full(4, x), corners]) for x in (-strut_wide / 2, strut_wide / 2)])
    quads = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    faces = np.array([(q[0], q[i], q[i + 1]) for q in quads for i in (1, 2)])
    prop = shade(strut, faces, np.zeros((8, 2)))
    if prop.volume() < 0:
        prop = shade(strut, faces[:, ::-1], np.zeros((8, 2)))

    image = artwork(rng, inner[0] / inner[1])
    if rng.random() < 0.45:
        wood = timber(rng)
        rim, frame_words, color = grained(rng, wood.rgb), wood.words, ""
    else:
        paintwork = pick(rng, ("white", "black", "grey", "red", "blue", "green", "yellow", "brown", "turquoise"))
        rim, frame_words, color = paint(paintwork.rgb, 0.4), (paintwork.name, paintwork.zh), paintwork.name
    panel = np.array(
        [(x, y, z) for x in (-wide / 2, wide / 2) for y in (-thick / 2, thick / 2 + 0.003) for z in (0.0, tall)]
    )
    panel[:, 1] += lean * panel[:, 2]
    frame = leant(merge(*bars))
    return assemble(
        asset_id,
        "picture frame",
        Words(f"{frame_words[0]} picture frame", f"{frame_words[1]}相框", color),
        [
            (frame, rim),
            (leant(picture), Material(WHITE, image, roughness=0.35)),
            (merge(leant(back), prop), Material((0.16, 0.13, 0.11), roughness=0.8)),
        ],
        [panel, strut],
        density=WOOD,
    )


def _dial(rng: np.random.Generator, ground: RGB, hand: RGB, accent_color: RGB) -> textures.Texture:
    """A clock's face at some time of day: ticks, hour and minute hands, perhaps figures."""
    face = textures.Print(ground, 256, 256)
    figures = rng.random() < 0.5
    for i in range(60):
        angle = np.radians(6.0 * i)
        inner, half = (0.40, 0.011) if i % 5 == 0 else (0.44, 0.004)
        if i % 5 == 0 and figures:
            inner = 0.435
        out, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
        ends = [0.5 + r * out + s * half * across for r, s in ((inner, -1), (inner, 1), (0.465, 1), (0.465, -1))]
        face.polygon([(float(x), float(y)) for x, y in ends], hand)
    if figures:
        for hour in range(1, 13):
            angle = np.radians(30.0 * hour)
            face.word(
                str(hour), 0.5 + 0.35 * np.sin(angle), 0.5 + 0.35 * np.cos(angle), 0.05 * len(str(hour)), hand, 0.085
            )
    minutes = float(rng.integers(0, 720))
    for turn, length, half in ((minutes / 720, 0.23, 0.020), (minutes / 60 % 1, 0.36, 0.013)):
        angle = 2 * np.pi * turn
        out, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
        ends = [
            0.5 + r * out + s * across
            for r, s in ((-0.06, -half), (-0.06, half), (length, 0.5 * half), (length, -0.5 * half))
        ]
        face.polygon([(float(x), float(y)) for x, y in ends], hand)
    face.disc(0.5, 0.5, 0.028, accent_color)
    return textures.to_texture(face.done())


def clock(asset_id: str, rng: np.random.Generator) -> Asset:
    """A desk clock: a round case on a foot or two legs, or a box."""
    radius, thick = rng.uniform(0.045, 0.07), rng.uniform(0.028, 0.042)
    color = pick(rng)
    dark = rng.random() < 0.2
    ground: RGB = (0.11, 0.11, 0.13) if dark else (0.95, 0.94, 0.90)
    hand: RGB = (0.93, 0.92, 0.88) if dark else (0.10, 0.10, 0.12)
    dial = Material(WHITE, _dial(rng, ground, hand, accent(rng, color).rgb), roughness=0.3)
    kind = str(rng.choice(["round", "alarm", "box"]))
    finish, words = paint(color.rgb, 0.35), phrase(("desk clock", "座钟"), color)
    angle = np.arange(48) * 2 * np.pi / 48
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    parts: list[tuple[Mesh, Material]]
    if kind == "box":
        wood = timber(rng)
        if rng.random() < 0.5:
            finish, words = grained(rng, wood.rgb), phrase(("desk clock", "座钟"), None, [wood.words])
        wide, tall = 2.5 * radius, 2.35 * radius
        case = box((wide, thick, tall), 0.003)
        parts = [(case, finish)]
        hulls = [box_hull((-wide / 2, -thick / 2, 0.0), (wide / 2, thick / 2, tall))]
        centre, front, size = tall / 2, thick / 2, radius
        bezel = lathe([(size, 0.0), (size + 0.004, 0.0), (size + 0.003, 0.003), (size, 0.003), (size, 0.0)], 48)
        parts.append(
            (bezel.turned("x", np.pi / 2).moved(y=-front, z=centre), Material(STEEL, roughness=0.25, metallic=1.0))
        )
    else:
        lift = 0.012 if kind == "round" else 0.02
        centre, front, size = radius + lift, thick / 2 - 0.004, radius - 0.006
        edge = [
            (radius - 0.003, 0.0),
            (radius, 0.003),
            (radius, thick - 0.003),
            (radius - 0.002, thick),
            (size, thick),
        ]
        drum = lathe(np.array([(0.0, 0.0), *edge, (size, thick - 0.004), (0.0, thick - 0.004)]), 48)
        drum = drum.turned("x", np.pi / 2).moved(y=thick / 2, z=centre)
        disc = np.column_stack([circle[:, 0] * radius, circle[:, 1] * radius + centre])
        hulls = [
            np.concatenate(
                [np.column_stack([disc[:, 0], np.full(48, y), disc[:, 1]]) for y in (-thick / 2, thick / 2)]
            )
        ]
        if kind == "round":
            foot = (1.15 * radius, thick * 1.15, lift + 0.1 * radius)
            base = box(foot, 0.002)
            hulls.append(box_hull((-foot[0] / 2, -foot[1] / 2, 0.0), (foot[0] / 2, foot[1] / 2, foot[2])))
            parts = [(merge(drum, base), finish)]
        else:
            legs, bells = [], []
            for side in (-1, 1):
                knee, toe = (
                    np.array([side * 0.55 * radius, centre - 0.8 * radius]),
                    np.array([side * 0.78 * radius, 0.0]),
                )
                for y in (-0.32 * thick, 0.32 * thick):
                    shape = [(0.0045, 0.0), (0.006, float(knee[1]))]
                    leg = lathe([(0.0, 0.0), *shape, (0.0, float(knee[1]))], 12)
                    slant = (knee[0] - toe[0]) / knee[1]
                    leg = leg.bent(leg.vertices + leg.vertices[:, 2:] * (slant, 0.0, 0.0)).moved(x=toe[0], y=y)
                    legs.append(leg)
                    hulls.append(np.unique(leg.vertices, axis=0))
                bell = lathe(
                    [(0.0, 0.0), *(arc((0.0, 0.0), 0.36 * radius, 0.0, np.pi / 2, 6)[:-1]), (0.0, 0.36 * radius)], 20
                )
                bell = bell.turned("y", side * 0.62).moved(side * 0.62 * radius, 0.0, centre + 0.88 * radius)
                bells.append(bell)
                hulls.append(np.unique(bell.vertices, axis=0))
            metal = Material(STEEL, roughness=0.25, metallic=1.0)
            parts = [(drum, finish), (merge(*legs, *bells), metal)]
            words = phrase(("alarm clock", "闹钟"), color)
    face = extrude(circle * size, 0.0012).turned("x", np.pi / 2).moved(y=-front + 0.0002, z=centre)
    return assemble(asset_id, "clock", words, [*parts, (face, dial)], hulls, density=700.0)

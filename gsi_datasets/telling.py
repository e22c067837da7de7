"""Whether a turn can be told from the two views: a question put to what is seen, before any picture is drawn.

The surface seen in the source, turned as the instruction says, must fit the surface seen in the target, and the other
way round; turned by any other angle it must not. Surfaces are compared by place and by own colour (no light, no
shadow), so a plain mug whose handle is hidden in one of the views fails, and so does a wheel that looks the same all
around.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.geometry import rotation_z
from gsi_datasets.renderers.rays import Layers
from gsi_datasets.scene import Camera, Scene, SceneObject


Array = NDArray[np.float64]
POINTS = 500  # per view
THICKNESS = 0.008  # surfaces nearer than this are the same, metres
CONTRAST = 0.2  # colours as different as this contradict each other
# Turns that leave little in common count as this bad, with the weight of this share of the points: a turn that shows
# nothing twice explains nothing.
PRIOR, PRIOR_SHARE = 0.35, 0.15
# A wrong turn may come with a small shift: the eye does not know the axis.
SHIFTS = 0.006 * np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
# By how much the true turn must win. Below, an observer who looks at the pictures alone mistakes turns.
ENOUGH = 0.22
# Where the views have little in common the turn fits about as badly as the prior; it must then be told from turns that
# are nearly the same, or nobody can say by how many degrees a picture frame was turned that shows its back.
LITTLE_IN_COMMON, NEARLY, SHARP = 0.33, np.radians(4), 0.04
OTHER_TURNS = tuple(np.radians(np.arange(30, 331, 15)))


@dataclass(frozen=True, eq=False)
class Surface:
    """What one view shows of one object.

    Attributes:
        layers: the view's depth and ids.
        instance: the object's id.
        colours: (H, W, 3) own colour of the object's pixels, sRGB 0 to 1; 0 elsewhere.
        points: (N, 3) metres, world: some of its pixels.
        point_colours: (N, 3) their own colours.
    """

    layers: Layers
    instance: int
    colours: Array
    points: Array
    point_colours: Array


def surface(item: SceneObject, layers: Layers, camera: Camera) -> Surface:
    """The seen surface of an object with the colours of its asset, averaged over patches."""
    from gsi_datasets.assets.look import patch_colours

    rows, columns = np.nonzero(layers.instances == item.instance)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    seen = (np.linalg.inv(camera.intrinsics) @ pixels) * layers.depth[rows, columns]
    points = (seen.T - camera.extrinsics[:3, 3]) @ camera.extrinsics[:3, :3]
    own = patch_colours(item.asset, (points - item.position) @ item.rotation / item.scale)
    colours = np.zeros((*layers.depth.shape, 3))
    colours[rows, columns] = own
    keep = np.unique(np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).round().astype(int))
    return Surface(layers, item.instance, colours, points[keep], own[keep])


def contradiction(points: Array, colours: Array, camera: Camera, seen: Surface) -> tuple[float, float]:
    """How much points of the object contradict a view: the sum over the points that say anything, and their number.

    A point contradicts the view where it floats in front of what is seen or where the background is seen behind it,
    and where it lies on the seen surface but has another colour. One behind the seen surface says nothing.
    """
    at = points @ camera.extrinsics[:3, :3].T + camera.extrinsics[:3, 3]
    pixels = at @ camera.intrinsics.T
    columns, rows = (np.floor(pixels[:, :2] / pixels[:, 2:]).astype(int)).T
    height, width = seen.layers.depth.shape
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    where = (rows[inside], columns[inside])
    gap = at[inside, 2] - seen.layers.depth[where]
    colour = np.abs(colours[inside] - seen.colours[where]).max(axis=1) / CONTRAST
    on = (seen.layers.instances[where] == seen.instance) & (np.abs(gap) <= THICKNESS)
    hidden = gap > THICKNESS
    cost = np.where(on, np.minimum(colour, 1), 1.0)[~hidden]
    return float(cost.sum()) + float((~inside).sum()), float(len(cost)) + float((~inside).sum())


def turn_margin(scene_before: Scene, scene_after: Scene, name: str, before: Layers, after: Layers) -> float:
    """By how much the true turn explains the two views better than the best other turn, at least -1, at most 1.

    Args:
        scene_before: the source.
        scene_after: the target; the object stands turned there.
        name: of the object that is turned.
        before: what is seen of the source.
        after: what is seen of the target.

    Turns that the object's declared symmetry makes equal are left out. -1 also stands for a turn that cannot be told
    from one of a few degrees more or less.
    """
    from gsi_datasets import assets

    order = assets.info(scene_before[name].asset).symmetry
    old, new, camera = scene_before[name], scene_after[name], scene_before.camera
    a, b = surface(old, before, camera), surface(new, after, camera)
    motion = new.rotation @ old.rotation.T

    def misfit(further: float, shift: Array) -> float:
        turn = rotation_z(further) @ motion
        forth = (a.points - old.box.centre) @ turn.T + new.box.centre + shift
        back = (b.points - new.box.centre - shift) @ turn + old.box.centre
        cost, count = np.add(
            contradiction(forth, a.point_colours, camera, b), contradiction(back, b.point_colours, camera, a)
        )
        prior = PRIOR_SHARE * (len(a.points) + len(b.points))
        return float((cost + PRIOR * prior) / (count + prior))

    step = 2 * np.pi / order if order > 1 else 2 * np.pi
    others = [angle for angle in OTHER_TURNS if min(angle % step, step - angle % step) > np.radians(29)]
    if not others:
        # A pumpkin of ten ribs: any turn is near one that looks the same.
        return -1.0
    fit = misfit(0.0, np.zeros(3))
    if fit > LITTLE_IN_COMMON and min(misfit(angle, np.zeros(3)) for angle in (-NEARLY, NEARLY)) - fit < SHARP:
        return -1.0
    return min(misfit(angle, shift) for angle in others for shift in SHIFTS) - fit

"""Small valid rows for tests: boxes on a table, ray-traced by a few lines of numpy, so pictures and numbers agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsi_datasets import __version__
from gsi_datasets.images import encode_depth, encode_png
from gsi_datasets.record import Rejection, SceneResult
from gsi_datasets.scene import Array, Camera
from gsi_datasets.schema import BoxRecord, ObjectRecord, Triplet


THINGS = (
    # category, colour in English and Chinese, Chinese noun, sRGB, size in metres
    ("mug", "red", "红色", "马克杯", (200, 60, 50), (0.09, 0.08, 0.10)),
    ("bowl", "blue", "蓝色", "碗", (60, 90, 200), (0.16, 0.16, 0.07)),
    ("book", "green", "绿色", "书", (70, 160, 80), (0.21, 0.15, 0.03)),
    ("apple", "yellow", "黄色", "苹果", (220, 190, 60), (0.08, 0.08, 0.08)),
    ("box", "purple", "紫色", "盒子", (140, 70, 170), (0.14, 0.10, 0.12)),
)
SPOTS = ((-0.30, -0.12), (-0.05, 0.16), (0.22, -0.08), (-0.28, 0.20), (0.26, 0.22))
TABLE_HEIGHT = 0.75


@dataclass(frozen=True)
class Block:
    """A coloured box: its row in `THINGS`, centre (3,), size (3,), turn about the vertical and what holds it."""

    instance: int
    thing: int
    centre: Array
    size: Array
    yaw: float
    support: str = "table_1"

    @property
    def name(self) -> str:
        return f"{THINGS[self.thing][0]}_1"

    @property
    def rotation(self) -> Array:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    @property
    def box(self) -> BoxRecord:
        return BoxRecord(centre=self.centre.tolist(), size=self.size.tolist(), rotation=self.rotation.tolist())


def fake_camera(seed: int, size: int = 64) -> Camera:
    """A camera in front of the table that looks down at its middle."""
    rng = np.random.default_rng([seed, 1])
    position = np.array([rng.uniform(-0.2, 0.2), -1.0, TABLE_HEIGHT + rng.uniform(0.6, 0.8)])
    forward = np.array([0.0, 0.05, TABLE_HEIGHT]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    extrinsics[:3, 3] = -extrinsics[:3, :3] @ position
    focal = 1.1 * size
    intrinsics = np.array([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    return Camera(intrinsics, extrinsics, size, size)


def fake_triplet(
    seed: int, operation: str = "CM", size: int = 64, *, scene: str | None = None, number: int = 0
) -> Triplet:
    """A valid row whose pictures, boxes, camera and transform belong together.

    Args:
        seed: decides the scene and the edit.
        operation: one of the seven actions.
        size: width and height, pixels.
        scene: name of the scene; rows of one `seed` share it.
        number: tells rows of one scene and operation apart.
    """
    rng = np.random.default_rng([seed, 2])
    camera = fake_camera(seed, size)
    before = [
        Block(
            instance=index + 2,
            thing=thing,
            centre=np.array([*(SPOTS[index] + rng.uniform(-0.02, 0.02, 2)), TABLE_HEIGHT + THINGS[thing][5][2] / 2]),
            size=np.array(THINGS[thing][5]),
            yaw=float(rng.uniform(-np.pi, np.pi)),
        )
        for index, thing in enumerate(rng.permutation(len(THINGS))[: rng.integers(3, 6)].tolist())
    ]
    target, reference = before[number % len(before)], before[(number + 1) % len(before)]
    noun, noun_zh = _words(target)
    other, other_zh = _words(reference)
    sign = -1.0 if rng.random() < 0.5 else 1.0
    amount = int(rng.integers(5, 20))
    transform: Array | None = np.eye(4)
    moved, target_camera, references = target, camera, [reference.instance]
    match operation:
        case "CM":
            right = camera.extrinsics[0, :3] * (1, 1, 0)
            moved = replace(target, centre=target.centre + sign * amount / 100 * right / np.linalg.norm(right))
            side, side_zh = ("right", "右") if sign > 0 else ("left", "左")
            english, chinese = (
                f"Move the {noun} {amount} cm to the {side}.",
                f"将{noun_zh}向{side_zh}移动{amount}厘米。",
            )
            references = []
        case "OP":
            level = TABLE_HEIGHT + target.size[2] / 2
            moved = replace(target, centre=np.array([*(reference.centre[:2] - (0.0, 0.2)), level]))
            english = f"Place the {noun} in front of the {other}, 20 cm from it."
            chinese = f"把{noun_zh}放在{other_zh}前方20厘米处。"
        case "RP":
            lift = reference.centre[2] + reference.size[2] / 2 + target.size[2] / 2
            moved = replace(target, centre=np.array([*reference.centre[:2], lift]), support=reference.name)
            english, chinese = f"Put the {noun} on the {other}.", f"把{noun_zh}放到{other_zh}上。"
        case "OR":
            moved = replace(target, yaw=target.yaw + sign * np.radians(amount * 5))
            way, way_zh = ("counter-clockwise", "逆时针") if sign > 0 else ("clockwise", "顺时针")
            english = f"Rotate the {noun} {amount * 5} degrees {way}, seen from above."
            chinese, references = f"从上方看，将{noun_zh}{way_zh}旋转{amount * 5}度。", []
        case "OS":
            factor = 1 + amount / 40
            centre = target.centre + np.array([0.0, 0.0, (factor - 1) * target.size[2] / 2])
            moved = replace(target, size=target.size * factor, centre=centre)
            english, chinese = f"Scale the {noun} by {factor:g}.", f"将{noun_zh}缩放到{factor:g}倍。"
            references = []
        case "SR":
            transform, references = None, []
            english, chinese = f"Remove the {noun}.", f"移除{noun_zh}。"
        case "PC":
            target_camera, references = fake_camera(seed + 1, size), []
            english, chinese = "Move the camera sideways.", "将相机向侧面移动。"
        case _:
            raise ValueError(f"no operation named {operation}")
    rest = [block for block in before if block is not target]
    after = rest if operation == "SR" else sorted([*rest, moved], key=lambda block: block.instance)
    if operation == "PC":
        transform = np.linalg.inv(target_camera.extrinsics) @ camera.extrinsics
    elif transform is not None:
        transform = _pose(moved, target.size[2]) @ np.linalg.inv(_pose(target, target.size[2]))
    source, target_picture = _draw(before, camera), _draw(after, target_camera)
    still = operation in ("SR", "PC")
    extrinsics = camera.extrinsics
    return Triplet(
        id=f"fake-{seed}-{operation.lower()}-{number}",
        scene=scene or f"fake-{seed}",
        operation=operation,
        instruction=english,
        instruction_zh=chinese,
        instructions=[english, f"Please {english[0].lower()}{english[1:]}"],
        instructions_zh=[chinese, f"请{chinese}"],
        source_image=encode_png(source[0]),
        target_image=encode_png(target_picture[0]),
        background_image=encode_png(_draw(rest, camera)[0]),
        source_depth=encode_depth(source[1]),
        target_depth=encode_depth(target_picture[1]),
        source_instances=encode_png(source[2]),
        target_instances=encode_png(target_picture[2]),
        objects_before=[_table(), *(_record(block) for block in before)],
        objects_after=[_table(), *(_record(block) for block in after)],
        target_ids=[target.instance],
        reference_ids=references,
        intrinsics=camera.intrinsics.tolist(),
        source_extrinsics=extrinsics.tolist(),
        target_extrinsics=target_camera.extrinsics.tolist(),
        transform_world=[] if transform is None else transform.tolist(),
        transform_camera=[] if transform is None else (extrinsics @ transform @ np.linalg.inv(extrinsics)).tolist(),
        ideal=None if still else moved.box,
        actual=None if still else moved.box,
        parameters=json.dumps({"amount": amount}),
        checks=json.dumps({"position_error_mm": 0.0, "changed_pixels": 0.1}),
        provenance=json.dumps(
            {
                "spec": "0123456789abcdef",
                "split": "test",
                "seed": seed,
                "renderer": "gl",
                "versions": {"gsi-bench": __version__},
                "assets": [
                    {"id": "pack/mug", "licence": "CC-BY-3.0", "author": "An Author", "source": "Poly by Google"},
                    {
                        "id": "param/box/1",
                        "licence": "Apache-2.0",
                        "author": "gsi-bench",
                        "source": "gsi-bench parametric",
                    },
                ],
            }
        ),
    )


def fake_scene_result(index: int, operations: Iterable[str], seed: int = 0, size: int = 64) -> SceneResult:
    """What a scene gives: about one row in six fails, the others are kept.

    Args:
        index: number of the scene.
        operations: one candidate each, in the fixed order of the schema.
        seed: of the dataset.
        size: of pictures, pixels.
    """
    result = SceneResult(index, seconds={"render": 0.25, "settle": 0.05})
    own = int(np.random.default_rng([seed, index]).integers(2**31))
    for operation in sorted(operations):
        rng = np.random.default_rng([seed, index, *operation.encode()])
        row = fake_triplet(own, operation, size, scene=f"fake-{seed}-{index}", number=int(rng.integers(8)))
        if rng.random() < 1 / 6:
            reason = ("collision", "occluded", "unstable")[rng.integers(3)]
            picture = row.source_image
            result.rejections.append(Rejection(operation, reason, "measured 13.4 mm", row.instruction, picture))
            continue
        name = f"fake-{seed}-{index}-{operation.lower()}"
        objects = [record.model_copy(update={"asset": f"pack/{own}-{record.id}"}) for record in row.objects_before]
        result.rows.append(row.model_copy(update={"id": name, "objects_before": objects}))
    return result


def _words(block: Block) -> tuple[str, str]:
    category, colour, colour_zh, noun_zh = THINGS[block.thing][:4]
    return f"{colour} {category}", f"{colour_zh}{noun_zh}"


def _pose(block: Block, height: float) -> Array:
    """(4, 4) similarity from the block as it was before, centred in its frame, to the world."""
    pose = np.eye(4)
    pose[:3, :3] = block.size[2] / height * block.rotation
    pose[:3, 3] = block.centre
    return pose


def _table() -> ObjectRecord:
    return ObjectRecord(
        id=1,
        name="table_1",
        category="table",
        caption="brown table",
        caption_zh="棕色桌子",
        asset="param/table/1",
        centre=[0.0, 0.0, TABLE_HEIGHT - 0.02],
        size=[1.4, 1.0, 0.04],
        rotation=np.eye(3).tolist(),
        symmetry=2,
        visibility=0.8,
        support="",
        movable=False,
    )


def _record(block: Block) -> ObjectRecord:
    caption, caption_zh = _words(block)
    category = THINGS[block.thing][0]
    return ObjectRecord(
        id=block.instance,
        name=block.name,
        category=category,
        caption=caption,
        caption_zh=caption_zh,
        asset=f"pack/{category}",
        **block.box.model_dump(),
        symmetry=1,
        visibility=1.0,
        support=block.support,
        movable=True,
    )


def _draw(
    blocks: Sequence[Block], camera: Camera
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.uint16]]:
    """(H, W, 3) colours, (H, W) depth in metres and (H, W) ids by intersecting every pixel's ray with every box."""
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.intrinsics).T @ camera.extrinsics[:3, :3]
    colours = np.full((camera.height, camera.width, 3), 225, dtype=np.uint8)
    depth = np.full(u.shape, np.inf)
    ids = np.zeros(u.shape, dtype=np.uint16)
    table = _table()
    table_box = (1, np.array(table.centre), np.array(table.size), np.eye(3), (150, 115, 85))
    boxes = [(b.instance, b.centre, b.size, b.rotation, THINGS[b.thing][4]) for b in blocks]
    for instance, centre, size, rotation, colour in [table_box, *boxes]:
        origin, direction = rotation.T @ (camera.position - centre), rays @ rotation
        with np.errstate(divide="ignore"):
            first, second = (-size / 2 - origin) / direction, (size / 2 - origin) / direction
        near = np.minimum(first, second)
        entry, leave = near.max(axis=-1), np.maximum(first, second).min(axis=-1)
        hit = (entry < leave) & (entry > 0) & (entry < depth)
        shade = np.array([0.8, 0.65, 1.0])[near.argmax(axis=-1)]
        colours[hit] = (shade[..., None] * colour)[hit].astype(np.uint8)
        depth[hit], ids[hit] = entry[hit], instance
    return colours, depth, ids

"""Words for an operation, in English and Chinese.

Phrasings say everything the geometry needs: the amount, the unit, the direction and whose left it is. Their first
word is one the published protocol understands, and where the camera is named it is "from the camera" or "to the
camera": other phrases with that word are read as a view change there.
"""

from __future__ import annotations

from typing import Any

from gsi_datasets.assets.vocabulary import noun


UNITS = {
    # metres per unit, English and Chinese name, step that instructions use
    "cm": (0.01, "cm", "厘米", 1.0),
    "mm": (0.001, "mm", "毫米", 5.0),
    "in": (0.0254, "inches", "英寸", 0.5),
}

CAMERA_MOVES = {
    # direction: (English phrase, Chinese verb phrase); the Chinese takes the distance behind it
    "left": ("to the left", "向左"),
    "right": ("to the right", "向右"),
    "forward": ("away from the camera", "沿远离相机的方向"),
    "back": ("closer to the camera", "沿靠近相机的方向"),
}
PLACES = {
    "left": ("to the left of", "左侧"),
    "right": ("to the right of", "右侧"),
    "front": ("in front of", "前方（靠近相机一侧）"),
    "behind": ("behind", "后方（远离相机一侧）"),
}

# Where on a receptacle; the words "camera" and "from the camera" are read by the published protocol.
SPOTS = {
    "leftmost": ("its leftmost spot, as seen from the camera", "最左端（以相机视角为准）"),
    "rightmost": ("its rightmost spot, as seen from the camera", "最右端（以相机视角为准）"),
    "nearest": ("the spot nearest to the camera", "离相机最近的一端"),
    "farthest": ("the spot farthest from the camera", "离相机最远的一端"),
}
DIRECTIONS_ZH = {"left": "左", "right": "右", "up": "上", "down": "下", "forward": "前", "backward": "后"}

TEMPLATES: dict[str, tuple[list[str], list[str]]] = {
    "CM-side": (
        [
            "Move {target} {distance} {direction}, as seen from the camera.",
            "Shift {target} {direction} by {distance}, as seen from the camera.",
            "Please move {target} {distance} {direction}, seen from the camera.",
            "Relocate {target} {distance} {direction}, from the camera's point of view.",
        ],
        [
            "从相机视角看，把{target}{direction}移动{distance}。",
            "将{target}{direction}平移{distance}（以相机视角为准）。",
            "请把{target}{direction}移动{distance}，方向以相机视角为准。",
            "以相机视角为准，将{target}{direction}挪动{distance}。",
        ],
    ),
    "CM-depth": (
        [
            "Move {target} {distance} {direction}.",
            "Shift {target} {distance} {direction} on the {surface}.",
            "Please move {target} {distance} {direction}.",
            "{push} {target} {distance} {direction}.",
        ],
        [
            "把{target}{direction}移动{distance}。",
            "将{target}{direction}平移{distance}。",
            "请把{target}{direction}移动{distance}。",
            "在{surface}上将{target}{direction}挪动{distance}。",
        ],
    ),
    "CM-both": (
        [
            "Move {target} {distance} {direction} and {distance2} {direction2}, as seen from the camera.",
            "Shift {target} {direction} by {distance} and {direction2} by {distance2}, as seen from the camera.",
            "Please move {target} {distance} {direction} and {distance2} {direction2} on the {surface}, as seen from "
            "the camera.",
            "Move {target} {distance2} {direction2} and {distance} {direction}, from the camera's point of view.",
        ],
        [
            "从相机视角看，把{target}{direction}移动{distance}，再{direction2}移动{distance2}。",
            "将{target}{direction}平移{distance}并{direction2}平移{distance2}（以相机视角为准）。",
            "请在{surface}上把{target}{direction}移动{distance}、{direction2}移动{distance2}，方向以相机视角为准。",
            "以相机视角为准，将{target}{direction2}挪动{distance2}，{direction}挪动{distance}。",
        ],
    ),
    "OP": (
        [
            "Place {target} {distance} {place} {reference}, measured from centre to centre, as seen from the camera.",
            "Move {target} so that it is {distance} {place} {reference}, centre to centre, as seen from the camera.",
            "Put {target} on the {surface} {distance} {place} {reference} (centre to centre, seen from the camera).",
            "Please place {target} {place} {reference}, {distance} apart centre to centre, as seen from the camera.",
        ],
        [
            "从相机视角看，把{target}放到{reference}{place}，两者中心相距{distance}。",
            "将{target}移到{reference}{place}，中心间距为{distance}（以相机视角为准）。",
            "把{target}放在{surface}上，位于{reference}{place}{distance}处（按中心计算，以相机视角为准）。",
            "请把{target}摆到{reference}{place}，中心相距{distance}，方向以相机视角为准。",
        ],
    ),
    "OR": (
        [
            "Rotate {target} {angle} degrees {sense} about the vertical axis, seen from above.",
            "Turn {target} {sense} by {angle} degrees, seen from above.",
            "Please rotate {target} {sense} through {angle} degrees about its vertical axis, seen from above.",
            "Spin {target} {angle} degrees {sense} in place, seen from above.",
        ],
        [
            "从上往下看，将{target}绕竖直轴{sense}旋转{angle}度。",
            "把{target}原地{sense}转动{angle}度（俯视方向）。",
            "请将{target}绕自身竖直轴{sense}旋转{angle}度，以俯视为准。",
            "俯视时，把{target}{sense}转{angle}度。",
        ],
    ),
    "OS": (
        [
            "Scale {target} to {percent}% of its current size, keeping its base in place.",
            "Make {target} {factor} times its current size, standing on the same spot.",
            "Resize {target} to {percent}% of its size without moving its base.",
            "{change} {target} to {factor} times its current size, with its base staying in place.",
        ],
        [
            "将{target}缩放到当前大小的{percent}%，底部位置不变。",
            "把{target}变为当前大小的{factor}倍，仍立在原处。",
            "在不移动底部的情况下，把{target}调整为原来大小的{percent}%。",
            "请把{target}{change}到当前尺寸的{factor}倍，底部保持不动。",
        ],
    ),
    "SR": (
        [
            "Remove {target}.",
            "Please remove {target}.",
            "Remove {target} from the {surface}.",
            "Remove {target} and leave everything else as it is.",
        ],
        [
            "移除{target}。",
            "请把{target}移走。",
            "把{target}从{surface}上拿走。",
            "移除{target}，其他物体保持不变。",
        ],
    ),
    "RP": (
        [
            "Put {target} {relation} {reference}.",
            "Place {target} {middle} {reference}.",
            "Please put {target} {relation} {reference}, in the middle.",
            "Move {target} {relation} {reference}, at its centre.",
        ],
        [
            "把{target}放{relation}{reference}{inside}。",
            "将{target}放在{reference}{inside}正中。",
            "请把{target}放{relation}{reference}{inside}，居中放置。",
            "将{target}移{relation}{reference}{inside}的中央。",
        ],
    ),
    "RP-spot": (
        [
            "Put {target} {relation} {reference}, at {spot}.",
            "Place {target} {inside_en} {reference}, at {spot}.",
            "Please put {target} {relation} {reference}, level with its middle at {spot}.",
            "Move {target} {relation} {reference}, to {spot}.",
        ],
        [
            "把{target}放{relation}{reference}{inside}{spot}。",
            "将{target}放在{reference}{inside}{spot}。",
            "请把{target}放{relation}{reference}{inside}，位于{spot}。",
            "将{target}移{relation}{reference}{inside}{spot}。",
        ],
    ),
    "PC-move": (
        [
            "Move the camera {distance} {direction}.",
            "Shift the camera {direction} by {distance}.",
            "Please move the camera {direction} by {distance}.",
            "Move the camera {direction} {distance} without turning it.",
        ],
        [
            "将相机{direction}移动{distance}。",
            "把相机{direction}平移{distance}。",
            "请将相机{direction}移动{distance}。",
            "相机{direction}移动{distance}，不要转动。",
        ],
    ),
    "PC-yaw": (
        [
            "Rotate the camera {angle} degrees to the {direction}.",
            "Turn the camera {direction} by {angle} degrees.",
            "Please rotate the camera {direction} by {angle} degrees about the vertical.",
            "Pan the camera {angle} degrees to the {direction}.",
        ],
        [
            "将相机向{direction}转动{angle}度。",
            "把相机水平向{direction}旋转{angle}度。",
            "请将相机绕竖直轴向{direction}转{angle}度。",
            "相机向{direction}摇{angle}度。",
        ],
    ),
    "PC-pitch": (
        [
            "Tilt the camera {direction} by {angle} degrees.",
            "Rotate the camera {direction} by {angle} degrees.",
            "Please tilt the camera {angle} degrees {direction}.",
            "Turn the camera {angle} degrees {direction}.",
        ],
        [
            "将相机向{direction}倾斜{angle}度。",
            "把相机向{direction}转动{angle}度。",
            "请将相机镜头向{direction}转{angle}度。",
            "相机向{direction}俯仰{angle}度。",
        ],
    ),
}


def number(value: float) -> str:
    """A number without needless zeros: 15, 7.5, 0.75."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def length(value: float, unit: str) -> tuple[str, str]:
    """A distance in words, English and Chinese; `value` is in `unit`."""
    _, english, chinese, _ = UNITS[unit]
    if unit == "in" and value == 1:
        english = "inch"
    return f"{number(value)} {english}", f"{number(value)}{chinese}"


def word(
    operation: str, parameters: dict[str, Any], target: tuple[str, str], reference: tuple[str, str] = ("", "")
) -> tuple[list[str], list[str]]:
    """All phrasings of an operation.

    Args:
        operation: one of the seven actions.
        parameters: as `gsi_datasets.operations` made them.
        target: English and Chinese noun phrase of the target; not used for PC.
        reference: the same of the reference, if there is one.

    Returns:
        English and Chinese sentences, in a fixed order.
    """
    key = operation
    slots: list[dict[str, str]] = [{"target": target[k], "reference": reference[k]} for k in (0, 1)]
    if "surface" in parameters:
        surface = parameters["surface"]
        slots[0]["surface"] = surface
        slots[1]["surface"] = "地板" if surface == "floor" else "桌子" if surface == "table" else noun(surface).zh
    if "distance" in parameters:
        for slot, text in zip(slots, length(parameters["distance"], parameters["unit"]), strict=True):
            slot["distance"] = text
    match operation:
        case "CM":
            direction = parameters["direction"]
            key = "CM-side" if direction in ("left", "right") else "CM-depth"
            slots[0] |= {"direction": CAMERA_MOVES[direction][0], "push": "Pull" if direction == "back" else "Push"}
            slots[1] |= {"direction": CAMERA_MOVES[direction][1]}
            if second := parameters.get("direction2"):
                key, texts = "CM-both", length(parameters["distance2"], parameters["unit"])
                for language, (slot, text) in enumerate(zip(slots, texts, strict=True)):
                    slot |= {"direction2": CAMERA_MOVES[second][language], "distance2": text}
        case "OP":
            for slot, place in zip(slots, PLACES[parameters["place"]], strict=True):
                slot["place"] = place
        case "OR":
            counter = parameters["degrees"] > 0
            angle = number(abs(parameters["degrees"]))
            slots[0] |= {"angle": angle, "sense": "counterclockwise" if counter else "clockwise"}
            slots[1] |= {"angle": angle, "sense": "逆时针" if counter else "顺时针"}
        case "OS":
            factor = parameters["factor"]
            amount = {"percent": number(100 * factor), "factor": number(factor)}
            slots[0] |= amount | {"change": "Enlarge" if factor > 1 else "Shrink"}
            slots[1] |= amount | {"change": "放大" if factor > 1 else "缩小"}
        case "RP":
            inside = parameters["relation"] == "in"
            slots[0] |= {
                "relation": "into" if inside else "onto",
                "middle": "inside" if inside else "on the middle of",
            }
            slots[1] |= {"relation": "到", "inside": "里" if inside else "上"}
            if (spot := parameters["spot"]) in SPOTS:
                key = "RP-spot"
                slots[0] |= {"spot": SPOTS[spot][0], "inside_en": "inside" if inside else "on"}
                slots[1] |= {"spot": SPOTS[spot][1]}
        case "PC":
            key, direction = f"PC-{parameters['motion']}", parameters["direction"]
            slots[0] |= {"direction": direction}
            slots[1] |= {"direction": DIRECTIONS_ZH[direction]}
            if key == "PC-move":
                slots[0]["direction"] = {"left": "to the left", "right": "to the right"}.get(direction, direction)
                slots[1]["direction"] = f"向{DIRECTIONS_ZH[direction]}"
            else:
                slots[0]["angle"] = slots[1]["angle"] = number(parameters["degrees"])
    english, chinese = TEMPLATES[key]
    return [text.format(**slots[0]) for text in english], [text.format(**slots[1]) for text in chinese]

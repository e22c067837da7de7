"""Words for an operation, in English and Chinese.

Phrasings say everything the geometry needs: the amount, the unit, the direction and whose left it is. Their first
word is one the published protocol understands, and where the camera is named it is "from the camera" or "to the
camera": other phrases with that word are read as a view change there.
"""

from __future__ import annotations

from typing import Any


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
            "Shift {target} {distance} {direction} on the table.",
            "Please move {target} {distance} {direction}.",
            "{push} {target} {distance} {direction}.",
        ],
        [
            "把{target}{direction}移动{distance}。",
            "将{target}{direction}平移{distance}。",
            "请把{target}{direction}移动{distance}。",
            "在桌面上将{target}{direction}挪动{distance}。",
        ],
    ),
    "OP": (
        [
            "Place {target} {distance} {place} {reference}, measured from centre to centre, as seen from the camera.",
            "Move {target} so that it is {distance} {place} {reference}, centre to centre, as seen from the camera.",
            "Put {target} on the table {distance} {place} {reference} (centre to centre, as seen from the camera).",
            "Please place {target} {place} {reference}, {distance} apart centre to centre, as seen from the camera.",
        ],
        [
            "从相机视角看，把{target}放到{reference}{place}，两者中心相距{distance}。",
            "将{target}移到{reference}{place}，中心间距为{distance}（以相机视角为准）。",
            "把{target}放在桌上，位于{reference}{place}{distance}处（按中心计算，以相机视角为准）。",
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
            "Remove {target} from the table.",
            "Remove {target} and leave everything else as it is.",
        ],
        [
            "移除{target}。",
            "请把{target}移走。",
            "把{target}从桌上拿走。",
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
        operation: CM, OP, OR, OS, SR or RP.
        parameters: as `gsi_datasets.operations` made them.
        target: English and Chinese noun phrase of the target.
        reference: the same of the reference, if there is one.

    Returns:
        English and Chinese sentences, in a fixed order.
    """
    key = operation
    slots: list[dict[str, str]] = [{"target": target[k], "reference": reference[k]} for k in (0, 1)]
    if operation in ("CM", "OP"):
        for slot, text in zip(slots, length(parameters["distance"], parameters["unit"]), strict=True):
            slot["distance"] = text
    match operation:
        case "CM":
            direction = parameters["direction"]
            key = "CM-side" if direction in ("left", "right") else "CM-depth"
            slots[0] |= {"direction": CAMERA_MOVES[direction][0], "push": "Pull" if direction == "back" else "Push"}
            slots[1] |= {"direction": CAMERA_MOVES[direction][1]}
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
    english, chinese = TEMPLATES[key]
    return [text.format(**slots[0]) for text in english], [text.format(**slots[1]) for text in chinese]

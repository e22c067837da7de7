"""Type for pictures: Pillow's own scalable font, and a Chinese one where the machine has it."""

from __future__ import annotations

import re
from functools import cache

from PIL import ImageDraw, ImageFont


Font = ImageFont.FreeTypeFont

# Looked up by Pillow in the system's font folders; collections (.ttc) are searched for their simplified face.
CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "STHeiti Light.ttc",
    "msyh.ttc",
    "simhei.ttf",
)

# A run of letters or one Chinese character, with the space before and the marks after that stay with it.
_WORDS = re.compile(r"\s*(?:[^\s\u2e80-\uffff]+|[\u2e80-\uffff])[，。、；：！？）」』”]*")


@cache
def latin(size: float) -> Font:
    """The font of everything but Chinese."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType and draws no scalable text: pip install -U pillow")
    return font


@cache
def chinese(size: float) -> Font | None:
    """A font with Chinese letters; None if the machine has none of those known."""
    for name in CHINESE_FONTS:
        try:
            faces = [ImageFont.truetype(name, size)]
        except OSError:
            continue
        for index in range(1, 10 if name.endswith(".ttc") else 1):
            try:
                faces.append(ImageFont.truetype(name, size, index=index))
            except OSError:
                break
        return next((face for face in faces if " SC" in f" {face.getname()[0]}"), faces[0])
    return None


def wrap(pen: ImageDraw.ImageDraw, text: str, font: Font, width: float, lines: int) -> list[str]:
    """Break a text into at most so many lines of at most so many pixels; what does not fit ends in an ellipsis.

    Lines break at spaces and between Chinese characters, but not before a closing punctuation mark.
    """
    done: list[str] = []
    line = ""
    for word in _WORDS.findall(text):
        longer = line + word if line else word.lstrip()
        if pen.textlength(longer, font) <= width or not line:
            line = longer
            continue
        if len(done) == lines - 1:
            while line and pen.textlength(f"{line}…", font) > width:
                line = line[:-1].rstrip()
            return [*done, f"{line}…"]
        done.append(line)
        line = word.lstrip()
    return [*done, line] if line else done

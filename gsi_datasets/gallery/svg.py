"""Drawings as SVG, so that lines stay sharp at any size and weigh little."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from gsi_datasets.gallery.drawing import Drawing


def svg(drawing: Drawing, width: int, height: int) -> str:
    """An SVG of the image's pixels; looks come from the page's style sheet by class.

    Lines of one role and kind are one path; all dark rims lie under all lines.
    """
    paths: dict[str, list[str]] = {}
    for stroke in drawing.strokes:
        if len(stroke.points) < 2:
            continue
        kinds = [kind for kind in ("hidden", "dashed", "filled") if getattr(stroke, kind)]
        path = "L".join(f"{u:.1f} {v:.1f}" for u, v in stroke.points)
        paths.setdefault(" ".join([stroke.role, *kinds]), []).append(f"M{path}" + ("Z" if stroke.filled else ""))
    rims = [f'<path class="rim {kind}" d="{"".join(path)}"/>' for kind, path in paths.items()]
    lines = [f'<path class="{kind}" d="{"".join(path)}"/>' for kind, path in paths.items()]
    letters = [
        f'<text class="{role}" x="{u:.1f}" y="{v:.1f}">{escape(text)}</text>' for text, role, u, v in drawing.letters
    ]
    return _svg("boxes", width, height, [*rims, *lines, *letters])


def number_tags(ids: NDArray[np.integer], smallest: int = 150) -> str:
    """An SVG with each instance's number in the middle of its pixels; slivers get none."""
    present, counts = np.unique(ids[ids > 0], return_counts=True)
    tags = []
    for instance in present[counts * 512 * 512 >= smallest * ids.size]:
        v, u = np.nonzero(ids == instance)
        # The pixel of the object nearest to its centroid: rings and arches have none of their own there.
        nearest = np.argmin((u - u.mean()) ** 2 + (v - v.mean()) ** 2)
        tags.append(f'<text x="{u[nearest]}" y="{v[nearest]}">{int(instance)}</text>')
    return _svg("numbers", ids.shape[1], ids.shape[0], tags)


def _svg(name: str, width: int, height: int, content: list[str]) -> str:
    # Letters and lines are sized for 512 pixels; the class scales them to the image's own.
    frame = f'viewBox="0 0 {width} {height}" style="--unit:{max(width, height) / 512:.4g}"'
    return f'<svg class="{name}" {frame} aria-hidden="true">{"".join(content)}</svg>'

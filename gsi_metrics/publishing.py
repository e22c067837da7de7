"""The four metrics as Spaces, so that ``evaluate.load("<org>/spatial_accuracy")`` finds them.

`evaluate` fetches a metric as raw files of a Space and never asks it to run, so a static one will do: card, a page,
the thin module that imports this package, and what to install.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from string import Template

from gsi_datasets import __version__
from gsi_datasets.publishing.repository import Publication, push
from gsi_metrics import MODULES


HERE = Path(__file__).parent
SPACES = "https://huggingface.co/spaces"
REQUIREMENT = f"gsi-bench[metrics]=={__version__}"
TAG = f"v{__version__}"


def space_files(name: str, org: str) -> dict[str, bytes]:
    """A metric as the content of a Space.

    Args:
        name: one of `MODULES`.
        org: owner of the Space; it stands in card and page.

    Returns:
        Path in the repository to content; the same package gives the same bytes.

    Raises:
        ValueError: there is no such metric.
    """
    if name not in MODULES:
        raise ValueError(f"no metric named {name!r}; there are {', '.join(MODULES)}")
    card = (HERE / name / "README.md").read_text(encoding="utf-8")
    card = card.replace("<org>", org).replace("<version>", TAG)
    return {
        "README.md": card.encode(),
        "index.html": _page(name, org, card).encode(),
        f"{name}.py": (HERE / name / f"{name}.py").read_bytes(),
        "requirements.txt": f"{REQUIREMENT}\n".encode(),
    }


def publish_metrics(
    org: str, *, upload: bool = False, public: bool = False, token: str | None = None
) -> list[Publication]:
    """Publish the four metrics as static Spaces ``<org>/<name>``, each in one commit, tagged by version.

    What the Hub has already is not sent again, so the same command finishes what was cut off.

    Args:
        org: owner of the Spaces, a user or an organisation.
        upload: without it, nothing is sent.
        public: whether Spaces created here are public.
        token: of the Hub; by default that of the environment or of ``hf auth login``.

    Returns:
        What goes, or went, to each Space.

    Raises:
        HubError: see `push`.
    """
    return [
        push(
            f"{org}/{name}",
            "space",
            space_files(name, org),
            tag=TAG,
            message=f"Version {__version__}",
            private=not public,
            space_sdk="static",
            token=token,
            dry_run=not upload,
        )
        for name in MODULES
    ]


def _page(name: str, org: str, card: str) -> str:
    """What a browser shows: the beginning of the card, and how to load the metric."""
    found = re.search(r"^# (.+)\n\n(.+)\n\n((?:.+\n)+)", card, re.MULTILINE)
    assert found is not None, "a card begins with its title, one question and one paragraph"
    title, question, meaning = (html.escape(" ".join(part.split())) for part in found.groups())
    others = ", ".join(f'<a href="{SPACES}/{org}/{other}">{other}</a>' for other in MODULES if other != name)
    return Template((HERE / "templates" / "space.html").read_text(encoding="utf-8")).substitute(
        title=title,
        question=question,
        meaning=re.sub(r"`(.+?)`", r"<code>\1</code>", meaning),
        repo=f"{org}/{name}",
        tag=TAG,
        others=others,
    )

"""What was rejected, written out to look at: a line of JSON each, and the pictures there were."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from gsi_datasets.record import Rejection
from gsi_datasets.storage import storing


class RejectFolder:
    """Collects rejections in a folder that is started anew; ``rejects.jsonl`` names the PNG files beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with storing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "rejects.jsonl").touch()

    def add(self, scene: int, rejections: Iterable[Rejection]) -> None:
        """Add the rejections of a scene."""
        with storing(self.folder), (self.folder / "rejects.jsonl").open("a", encoding="utf-8") as stream:
            for number, item in enumerate(rejections):
                record: dict[str, object] = {"scene": scene}
                for name, value in vars(item).items():
                    record[name] = value
                    if isinstance(value, bytes):
                        record[name] = f"{scene:08d}-{number:03d}-{name}.png"
                        (self.folder / f"{scene:08d}-{number:03d}-{name}.png").write_bytes(value)
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def move_to(self, folder: Path) -> None:
        """Put the collection in its final place, instead of an older one."""
        with storing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.rename(folder)

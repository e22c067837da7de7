"""The observer that reads: detections made earlier, elsewhere, from our own JSON or the published `infer_cache.json`.

Our own file holds, for each row, what was seen in the source, in the edited picture and, if somebody looked, in the
re-encoded source (which gives the noise floor)::

    {"format": "gsi-bench-detections-1",
     "recordings": {"<id of the row>": {"before": {...}, "after": {...}, "untouched": {...} or null}}}

Entries are validated one by one, when they are asked for: a bad one leaves its row unscored, not the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gsi_datasets.storage import write_atomically
from gsi_metrics.measurement import Measurement
from gsi_metrics.perception.association import measurement_from_detections
from gsi_metrics.perception.detections import DetectionError, Detections, explained, published
from gsi_metrics.sample import Picture, Sample


FORMAT = "gsi-bench-detections-1"


class Recording(BaseModel):
    """What was seen around one edit.

    Attributes:
        before: in the source.
        after: in the edited picture.
        untouched: in the re-encoded source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: Detections
    after: Detections
    untouched: Detections | None = None


class Recorded:
    """A file of recorded detections; measures like any observer.

    Args:
        path: our own file or an ``infer_cache.json``.

    Raises:
        DetectionError: the file cannot be read or is neither.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            content = json.loads(self.path.read_bytes())
        except OSError as error:
            raise DetectionError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise DetectionError(f"{path}: is not JSON: {error}") from error
        self.own = isinstance(content, dict) and content.get("format") == FORMAT
        entries = content.get("recordings") if self.own else content
        if not isinstance(entries, dict) or (not self.own and "format" in content):
            raise DetectionError(f"{path}: is neither {FORMAT} nor an infer_cache.json; it must be an object by id")
        self.entries: Mapping[str, Any] = entries

    def recording(self, sample: Sample) -> Recording:
        """The entry of a row.

        The published form holds neither the size of the picture nor K: both are the row's. Its 2D boxes are taken to
        original pixels. Its positions are taken as they are: where the detector was given a K of another resolution
        they are off, and nothing in the file tells.

        Raises:
            DetectionError: there is none, or it cannot be used.
        """
        entry = self.entries.get(sample.id)
        if entry is None:
            raise DetectionError(f"{self.path}: no detections for {sample.id}")
        try:
            if self.own:
                return Recording.model_validate_json(json.dumps(entry))
            before, after = (
                published(entry[part]["detections"], sample.size, sample.intrinsics, "infer_cache")
                for part in ("origin_result", "new_result")
            )
            return Recording(before=before, after=after)
        except ValidationError as error:
            raise DetectionError(f"{self.path}: {sample.id}: {explained(error)}") from error
        except KeyError as error:
            raise DetectionError(f"{self.path}: {sample.id}: field {error} is missing") from error
        except (DetectionError, TypeError) as error:
            raise DetectionError(f"{self.path}: {sample.id}: {error}") from error

    def __call__(self, sample: Sample, edited: Picture) -> Measurement:
        """What the recorded detections say happened; a cause if they say nothing."""
        try:
            it = self.recording(sample)
        except DetectionError as error:
            return Measurement(sample.id, "recorded", cause=str(error))
        return measurement_from_detections(sample, edited, it.before, it.after, it.untouched)


def write_recordings(path: Path, recordings: Mapping[str, Recording]) -> None:
    """Writes our own file, whole or not at all; keys are ids of rows."""
    entries = {name: item.model_dump(exclude_none=True) for name, item in sorted(recordings.items())}
    write_atomically(path, json.dumps({"format": FORMAT, "recordings": entries}).encode())

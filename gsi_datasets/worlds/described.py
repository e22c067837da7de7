"""Reading the JSON file of a scene into its model, or one error that names the file and the field."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gsi_datasets.worlds.specs import SceneError


Described = TypeVar("Described", bound=BaseModel)


def read(model: type[Described], path: Path, remedy: str = "") -> Described:
    """What a file describes.

    Args:
        model: the form of the file.
        path: of the file.
        remedy: what to do where it is not of that form, if the field alone does not say it.

    Raises:
        SceneError: it cannot be read; names the file, the first wrong field and what is wrong.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        told = first["msg"].removeprefix("Value error, ")
        raise SceneError(f"{path}: {where}: {told}{f'; {remedy}' if remedy else ''}") from error

"""Who sees: from a row and an edited picture to a `Measurement`. `open_observer` is the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from gsi_metrics.perception.observing import Observer

OBSERVERS = ("registration", "truth", "recorded", "open_vocabulary", "external")


def open_observer(name: str, /, **options: Any) -> Observer:
    """The observer of this name.

    Args:
        name: ``registration`` measures from pixels, with no detector; ``truth`` knows the answer to the true result
            and the source; ``recorded`` reads detections from a file (`path`); ``open_vocabulary`` runs models of
            `transformers` (options of `OpenVocabulary`); ``external`` asks a program (`command`) or a server (`url`).
        options: of the observer. The last two take `cache`, a folder in which detections are kept, and `floor=False`
            to save the noise floor.

    Raises:
        ValueError: there is no such observer, or the options do not fit it.
    """
    if name not in OBSERVERS:
        raise ValueError(f"no observer named {name!r}; there are {', '.join(OBSERVERS)}")
    try:
        return _open(name, options)
    except TypeError as error:
        raise ValueError(f"observer {name}: {error}") from error


def _open(name: str, options: dict[str, Any]) -> Observer:
    if name == "registration":
        from functools import partial

        from gsi_metrics.perception.registration import measure

        return partial(measure, **options)
    if name == "truth":
        from gsi_metrics.perception import truth

        return truth.measure if not options else _refuse(options)
    if name == "recorded":
        from gsi_metrics.perception.recorded import Recorded

        return Recorded(**options)

    from pathlib import Path

    from gsi_metrics.perception.cache import Cached
    from gsi_metrics.perception.detections import Detector
    from gsi_metrics.perception.observing import observer

    options = dict(options)
    cache, floor = options.pop("cache", None), options.pop("floor", True)
    detector: Detector
    if name == "open_vocabulary":
        from gsi_metrics.perception.open_vocabulary import OpenVocabulary

        detector = OpenVocabulary(**options)
    else:
        from gsi_metrics.perception.external import open_external

        detector = open_external(**options)
    return observer(Cached(detector, Path(cache)) if cache else detector, floor)


def _refuse(options: dict[str, Any]) -> Observer:
    raise TypeError(f"takes no options, got {', '.join(options)}")

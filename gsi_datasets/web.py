"""One careful POST of JSON: no redirects, a deadline for the whole, a largest reply, secrets kept out of messages."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit


PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses that may be gone at the next try."""


class WebError(Exception):
    """A request that brought no JSON.

    Attributes:
        status: of HTTP; None if it did not come to that.
        passing: whether it may work at another time.
        wait: seconds the server asks to wait; 0 if it does not say.
    """

    def __init__(self, message: str, status: int | None = None, passing: bool = True, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.passing, self.wait = status, passing, wait


def checked_url(url: str) -> str:
    """The address.

    Raises:
        ValueError: it is no http address, or it carries a password, which would turn up in messages.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http address; give e.g. http://localhost:8000/v1")
    if parts.username or parts.password:
        raise ValueError("the address carries a password; put it into an environment variable")
    return url


def post_json(url: str, body: Any, timeout: float, largest: int, key: str | None = None) -> Any:
    """Sends JSON, returns the JSON that comes back.

    Args:
        url: where to.
        body: what.
        timeout: seconds for all of it.
        largest: reply that is read, bytes.
        key: sent as a bearer token, and hidden in messages.

    Raises:
        WebError: no reply, another status than 200, or no JSON.
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    deadline = time.monotonic() + timeout
    late = WebError(f"no reply within {timeout:g} s")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout) as response:
            return json.loads(_read(response, deadline, largest))
    except urllib.error.HTTPError as error:
        with error:
            said = hidden(_beginning(error), key)
        wait = _seconds(error.headers.get("Retry-After", ""))
        message = f"{urlsplit(url).netloc} answers {error.code} {error.reason}: {said}"
        raise WebError(message, error.code, error.code in PASSING, wait) from None
    except TimeoutError:
        raise late from None
    except (urllib.error.URLError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise late from None
        raise WebError(f"cannot reach {url}: {hidden(str(reason), key)}") from None
    except (ValueError, RecursionError) as error:
        raise WebError(f"{urlsplit(url).netloc} does not answer in JSON: {error}") from None


def hidden(text: str, key: str | None) -> str:
    """A server's words in one line, without the key that some servers repeat and what would steer a terminal."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return (line.replace(key, "***") if key else line)[:300]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _beginning(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(2000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""


def _read(response: HTTPResponse, deadline: float, largest: int) -> bytes:
    """The whole body, unless it is too long or drips in too slowly (a socket's timeout is for each packet)."""
    pieces, length = [], 0
    while piece := response.read1(65536):
        pieces.append(piece)
        length += len(piece)
        if length > largest:
            raise WebError(f"the reply is longer than {largest} bytes", passing=False)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(pieces)


def _seconds(value: str) -> float:
    """Of Retry-After, a minute at most; dates are not read."""
    return min(float(value), 60.0) if value.isascii() and value.isdigit() else 0.0

"""How a multimodal model is reached: chat completions over HTTP. Keys come from the environment and go nowhere else.

`Endpoint` is any server that speaks OpenAI's chat completions (vLLM, llama.cpp, a provider's own). It is written on
`urllib`, for `huggingface_hub.InferenceClient` with a `base_url` does two things that are not wanted here: without a
key it sends the user's Hub token to that address, and it rewrites a JSON schema into a form that other servers do
not know. For models that the Hub routes to its providers it is the right tool, and `HubProvider` uses it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from gsi_datasets.web import PASSING, WebError, checked_url, hidden, post_json


LARGEST_REPLY = 1 << 20
"""Bytes; a verdict is a few hundred."""


class MllmError(Exception):
    """A request that brought no usable reply.

    Attributes:
        passing: whether it may work at another time.
        wait: seconds the server asks to wait; 0 if it does not say.
    """

    def __init__(self, message: str, passing: bool = True, wait: float = 0.0) -> None:
        super().__init__(message)
        self.passing, self.wait = passing, wait


class Client(Protocol):
    """Anything that completes a chat.

    Attributes:
        model: names it in the cache; verdicts of different models are not mixed.
    """

    @property
    def model(self) -> str: ...

    def complete(self, messages: list[dict[str, Any]], schema: dict[str, Any]) -> str:
        """The text of the reply.

        Args:
            messages: OpenAI's form, pictures as data URLs.
            schema: JSON schema that the reply should follow, where the server can hold the model to it.

        Raises:
            MllmError: no reply.
        """
        ...


@dataclass
class Endpoint:
    """A server that speaks OpenAI's chat completions.

    Attributes:
        base_url: up to and with the version, e.g. ``http://localhost:8000/v1``.
        model: as the server calls it.
        key_variable: name of the environment variable that holds the key; None if the server wants none.
        timeout: seconds for one request, all in all.
        max_tokens: longest reply; room for models that think first.
        options: more fields of the request, e.g. ``{"seed": 0}``.
    """

    base_url: str
    model: str
    key_variable: str | None = None
    timeout: float = 120.0
    max_tokens: int = 2048
    options: dict[str, Any] = field(default_factory=dict)
    _schema_refused: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def __post_init__(self) -> None:
        checked_url(self.base_url)
        _key(self.key_variable)

    def complete(self, messages: list[dict[str, Any]], schema: dict[str, Any]) -> str:
        """See `Client`. A server that does not know JSON schemas is asked once more, and then always, without."""
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": self.max_tokens}
        body |= self.options
        if not self._schema_refused.is_set():
            try:
                return _content(self._post(body | {"response_format": _response_format(schema)}))
            except _RefusedError as error:
                text = self._post_plain(body, error)
                self._schema_refused.set()
                return text
        return _content(self._post(body))

    def _post_plain(self, body: dict[str, Any], first: _RefusedError) -> str:
        try:
            return _content(self._post(body))
        except _RefusedError as error:
            # It was not the schema.
            raise first from error

    def _post(self, body: dict[str, Any]) -> Any:
        url = self.base_url.rstrip("/") + "/chat/completions"
        try:
            return post_json(url, body, self.timeout, LARGEST_REPLY, _key(self.key_variable))
        except WebError as error:
            kind = _RefusedError if error.status in (400, 422, 501) else MllmError
            raise kind(str(error), error.passing, error.wait) from None


@dataclass
class HubProvider:
    """A model that the Hub routes to one of its inference providers.

    Attributes:
        model: id on the Hub.
        provider: which one; ``auto`` takes the first in the user's settings.
        key_variable: name of the environment variable that holds the token.
        timeout: seconds for one request.
        max_tokens: longest reply.
    """

    model: str
    provider: str = "auto"
    key_variable: str = "HF_TOKEN"
    timeout: float = 120.0
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        _key(self.key_variable)

    def complete(self, messages: list[dict[str, Any]], schema: dict[str, Any]) -> str:
        """See `Client`."""
        from huggingface_hub import InferenceClient
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

        key = _key(self.key_variable)
        client: Any = InferenceClient(self.model, provider=self.provider, token=key, timeout=self.timeout)  # type: ignore[arg-type]
        options = {"temperature": 0, "max_tokens": self.max_tokens, "response_format": _response_format(schema)}
        try:
            return _content(client.chat_completion(messages, **options))
        except MllmError:
            raise
        except InferenceTimeoutError:
            raise MllmError(f"no reply within {self.timeout:g} s") from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            said = hidden(str(error), key)
            raise MllmError(f"{self.provider} answers {status}: {said}", status in PASSING) from None
        except ValueError as error:
            raise MllmError(f"{self.provider}: {hidden(str(error), key)}", passing=False) from None
        except Exception as error:
            # The transport's own errors; the library does not say which one it uses.
            raise MllmError(f"cannot reach {self.provider}: {hidden(str(error), key)}") from None


class _RefusedError(MllmError):
    """The server does not understand the request as it is put."""


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ValueError(f"the environment variable {variable} is not set; it should hold the judge's key")
    return value


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def _content(reply: Any) -> str:
    """The text of the first choice."""
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"]
        reason = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise MllmError("the judge's server answers in JSON that is no chat completion") from None
    if reason == "length":
        raise MllmError("the judge's reply was cut off; raise max_tokens", passing=False)
    if not isinstance(text, str) or not text.strip():
        raise MllmError(f"the judge's reply is empty (finish reason {reason})")
    return text

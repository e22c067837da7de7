"""A little web server on the loopback address whose answers a test decides."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent back.

    Attributes:
        body: JSON if it is no string.
        status: of HTTP.
        headers: more of them.
        delay: seconds before it.
        drip: seconds between the bytes of the body.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0


@dataclass
class Loopback:
    """The running server.

    Attributes:
        url: its address.
        seen: bodies of requests, parsed, in order of arrival.
        headers: of these.
        most: largest number of requests that were under way at a time.
    """

    url: str = ""
    seen: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most: int = 0


@contextmanager
def loopback(answer: Callable[[Any, int], Answer]) -> Iterator[Loopback]:
    """Serves until the block ends.

    Args:
        answer: from a request's body and its number.
    """
    state, lock = Loopback(), threading.Lock()
    busy = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal busy
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(state.seen)
                state.seen.append(body)
                state.headers.append(dict(self.headers) | {"path": self.path})
                busy += 1
                state.most = max(state.most, busy)
            try:
                self._send(answer(body, number))
            except OSError:
                pass  # The client has given up, as some tests want.
            finally:
                with lock:
                    busy -= 1

        def _send(self, reply: Answer) -> None:
            time.sleep(reply.delay)
            data = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for start in range(0, len(data), 1 if reply.drip else max(len(data), 1)):
                time.sleep(reply.drip)
                self.wfile.write(data[start : start + 1] if reply.drip else data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

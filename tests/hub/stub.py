"""A Hub of a few dozen lines on the loopback interface: enough to publish to and to load from.

Repositories live in memory: per revision a dict from path to content. Uploads go the LFS way, so clients need
``HF_HUB_DISABLE_XET=1``. Ask `environment()` for what a client process must be told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


@dataclass
class Repo:
    """One repository, of any kind.

    Attributes:
        private: as it was created.
        commits: title and files of each commit, oldest first.
        tags: name -> number of the commit.
    """

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=lambda: [("initial", {})])
    tags: dict[str, int] = field(default_factory=dict)

    def number(self, revision: str) -> int:
        """The commit that a branch, tag or hash stands for."""
        if revision in self.tags:
            return self.tags[revision]
        return int(revision, 16) if re.fullmatch("[0-9a-f]{40}", revision) else len(self.commits) - 1


@dataclass
class Hub:
    """The state: repositories by id, blobs by SHA-256, and what was asked.

    Attributes:
        repos: by id.
        blobs: by SHA-256.
        requests: method and path, in order.
        refuse: status of every answer; 0 for what is due.
        cut: bytes of a request after which the connection is closed; none of it is carried out.
        lose: whether requests are carried out and the connection is closed without an answer.
        garble: answer with status 200 in the place of what is due.
        only: pattern of requests that this befalls; all by default.
        times: how many more requests it befalls.
        endpoint: its address.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refuse: int = 0
    cut: int | None = None
    lose: bool = False
    garble: bytes = b""
    only: str = ""
    times: int = sys.maxsize
    endpoint: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def struck(self, request: str) -> bool:
        """Whether a fault befalls this request, which then counts."""
        with self.lock:
            faulty = self.refuse or self.lose or self.garble or self.cut is not None
            if not faulty or self.times <= 0 or not re.search(self.only, request):
                return False
            self.times -= 1
            return True

    def heal(self) -> None:
        """No more faults; forget what was asked."""
        self.refuse, self.cut, self.lose, self.garble, self.only, self.times = 0, None, False, b"", "", sys.maxsize
        self.requests.clear()

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that make a client process use this Hub and leave its traces in `home`."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": "hf_stub",
            "NO_PROXY": "127.0.0.1",
        }


@contextmanager
def running() -> Iterator[Hub]:
    """A Hub that answers until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hub
        server.shutdown()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that has read enough just leaves
            super().handle_error(request, client_address)


@lru_cache(maxsize=512)  # clients ask for every range with its name
def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    mute = False

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{method} {path}"
        self.hub.requests.append(request)
        struck = self.hub.struck(request)
        if struck and self.hub.cut is not None:
            self.rfile.read(min(self.hub.cut, int(self.headers.get("Content-Length") or 0)))
            return self._hang_up()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if struck and self.hub.refuse:
            # What a careless server may do: repeat the token.
            said = f"refused by the test ({self.headers.get('Authorization')})"
            return self._send(self.hub.refuse, {"error": "refused"}, {"X-Error-Message": said})
        if struck and self.hub.garble:
            return self._send(200, self.hub.garble)
        self.mute = struck and self.hub.lose
        for verb, pattern, action in _ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                return action(self, body, *match.groups())
        return self._send(404, {"error": "no such route"}, {"X-Error-Code": "EntryNotFound"})

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        if self.mute:
            return self._hang_up()
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
        return None

    def _files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repo = self.hub.repos.get(name)
        if repo is None:
            self._send(404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        number = repo.number(revision)
        return f"{number:040x}", repo.commits[number][1]

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        private = asked.get("private") or asked.get("visibility") == "private"
        status = 409 if name in self.hub.repos else 200
        self.hub.repos.setdefault(name, Repo(bool(private)))
        prefix = {"dataset": "datasets/", "space": "spaces/"}.get(asked.get("type"), "")
        self._send(status, {"url": f"{self.hub.endpoint}/{prefix}{name}", "name": name, "id": name})

    def validate(self, body: bytes) -> None:
        front = json.loads(body)["content"].split("---\n")
        try:
            yaml.safe_load(front[1] if len(front) > 2 else "")
        except yaml.YAMLError as error:
            return self._send(400, {"errors": [{"message": str(error)}], "warnings": []})
        return self._send(200, {"errors": [], "warnings": []})

    def info(self, body: bytes, name: str, revision: str | None) -> None:
        if (found := self._files(name, revision or "main")) is not None:
            files = [{"rfilename": path} for path in found[1]]
            self._send(
                200, {"id": name, "sha": found[0], "private": False, "gated": False, "tags": [], "siblings": files}
            )

    def refs(self, body: bytes, name: str) -> None:
        if self._files(name, "main") is not None:
            repo = self.hub.repos[name]
            last = len(repo.commits) - 1
            tags = [_ref("tags", tag, number) for tag, number in repo.tags.items()]
            self._send(200, {"branches": [_ref("heads", "main", last)], "tags": tags, "converts": []})

    def tree(self, body: bytes, name: str, revision: str, folder: str | None) -> None:
        if (found := self._files(name, revision)) is None:
            return None
        inside = f"{folder}/" if folder else ""
        below = {path: content for path, content in found[1].items() if path.startswith(inside)}
        if folder and not below:
            return self._send(404, {}, {"X-Error-Code": "EntryNotFound"})
        entries = []
        if "recursive=true" not in urlsplit(self.path).query.lower():
            folders = {path[len(inside) :].split("/")[0] for path in below if "/" in path[len(inside) :]}
            entries = [{"type": "directory", "path": inside + name, "oid": "0" * 40} for name in sorted(folders)]
            below = {path: content for path, content in below.items() if "/" not in path[len(inside) :]}
        return self._send(200, entries + [_entry(path, content) for path, content in below.items()])

    def paths_info(self, body: bytes, name: str, revision: str) -> None:
        if (found := self._files(name, revision)) is not None:
            # Older clients send a form.
            form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            asked = parse_qs(body.decode()).get("paths", []) if form else json.loads(body)["paths"]
            folders = {"/".join(path.split("/")[:k]) for path in found[1] for k in range(1, path.count("/") + 1)}
            entries = [_entry(path, found[1][path]) for path in asked if path in found[1]]
            entries += [{"type": "directory", "path": path, "oid": "0" * 40} for path in asked if path in folders]
            self._send(200, entries)

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(_LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self._send(200, {"files": files})

    def lfs_batch(self, body: bytes, name: str) -> None:
        objects = [
            # What is there already has no action.
            item
            if item["oid"] in self.hub.blobs
            else item | {"actions": {"upload": {"href": f"{self.hub.endpoint}/blobs/{item['oid']}"}}}
            for item in json.loads(body)["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def put_blob(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._send(400, {"error": "content is not what its name says"})
        self.hub.blobs[oid] = body
        return self._send(200, {})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        repo = self.hub.repos[name]
        parent = json.loads(body.splitlines()[0])["value"].get("parentCommit")
        if parent and parent != f"{len(repo.commits) - 1:040x}":
            return self._send(412, {"error": "somebody else was faster"})
        title, files = "", dict(repo.commits[-1][1])
        for line in body.splitlines():
            key, value = (item := json.loads(line))["key"], item["value"]
            if key == "header":
                title = value["summary"]
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        repo.commits.append((title, files))
        oid = f"{len(repo.commits) - 1:040x}"
        return self._send(200, {"commitOid": oid, "commitUrl": f"{self.hub.endpoint}/{name}/commit/{oid}"})

    def tag(self, body: bytes, name: str, revision: str) -> None:
        repo, tag = self.hub.repos[name], json.loads(body)["tag"]
        if tag in repo.tags:
            return self._send(409, {"error": "exists"})
        repo.tags[tag] = repo.number(revision)
        return self._send(200, {})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        if (found := self._files(name, revision)) is None:
            return None
        commit, files = found
        if path not in files:
            return self._send(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        content = files[path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_oid(content)}"', "Accept-Ranges": "bytes"}
        if self.command == "GET" and (span := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))):
            first, last = int(span[1]), min(int(span[2] or len(content) - 1), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return self._send(206, content[first : last + 1], headers)
        return self._send(200, content, headers)


def _ref(kind: str, name: str, number: int) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": f"{number:040x}"}


def _entry(path: str, content: bytes) -> dict[str, Any]:
    if not path.endswith(_LARGE):
        return {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()
    large = {"oid": digest, "size": len(content), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(content), "oid": _oid(pointer), "lfs": large}


_LARGE = (".parquet", ".safetensors", ".png")
_NAME = "([^/]+/[^/]+)"
_KIND = "(?:datasets|models|spaces)"
_PREFIX = "(?:datasets/|spaces/)?"
_ROUTES = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", f"/api/{_KIND}/{_NAME}/refs", _Handler.refs),
    ("GET", f"/api/{_KIND}/{_NAME}/tree/([^/]+)(?:/(.+))?", _Handler.tree),
    ("GET", f"/api/{_KIND}/{_NAME}(?:/revision/(.+))?", _Handler.info),
    ("POST", f"/api/{_KIND}/{_NAME}/paths-info/(.+)", _Handler.paths_info),
    ("POST", f"/api/{_KIND}/{_NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", f"/api/{_KIND}/{_NAME}/commit/(.+)", _Handler.commit),
    ("POST", f"/api/{_KIND}/{_NAME}/tag/(.+)", _Handler.tag),
    ("POST", f"/{_PREFIX}{_NAME}\\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", "/blobs/([0-9a-f]{64})", _Handler.put_blob),
    ("GET", f"/{_PREFIX}{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("HEAD", f"/{_PREFIX}{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
]

"""Files become a repository of the Hub: one commit of what differs, then a tag; the same again sends nothing."""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gsi_datasets.storage import file_digest
from gsi_datasets.web import hidden


if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

Kind = Literal["dataset", "model", "space"]
Files = Mapping[str, "Path | bytes"]
"""Path in the repository to a file of this machine, or to its content."""

LOG_IN = (
    "make a token with write permission at https://huggingface.co/settings/tokens, then run `hf auth login` or set "
    "the environment variable HF_TOKEN"
)
AGAIN = "nothing of it is visible before the one commit; run the same command again, which sends what is missing"


class HubError(RuntimeError):
    """An installation or publication that failed; the message names what is at fault and the remedy."""


@dataclass(frozen=True)
class Publication:
    """What goes, or went, to a repository.

    Attributes:
        repo_id: ``owner/name``.
        kind: of the repository.
        tag: of the version; None for no tag.
        files: path in the repository -> bytes.
        url: of the commit or, where nothing was to be sent, of the repository; empty for a dry run.
        sent: paths that were sent or deleted.
        card: text of README.md; empty if there is none.
        notes: what else there is to know, a line each.
    """

    repo_id: str
    kind: Kind
    tag: str | None
    files: dict[str, int]
    url: str = ""
    sent: tuple[str, ...] = ()
    card: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.repo_id if self.kind == "model" else f"{self.kind}s/{self.repo_id}"
        lines = [place + (f", tag {self.tag}" if self.tag else "")]
        lines += [f"{_size(size):>12}  {path}" for path, size in self.files.items()]
        lines.append(f"{_size(sum(self.files.values())):>12}  in {len(self.files)} files")
        if self.url:
            lines.append(f"{len(self.sent)} files changed: {self.url}" if self.sent else f"all there: {self.url}")
        return "\n".join(lines)


def _size_of(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def push(
    repo_id: str,
    kind: Kind,
    files: Files,
    *,
    tag: str | None,
    message: str,
    private: bool,
    delete: Sequence[str] = (),
    space_sdk: str | None = None,
    keep: Callable[[str, str], str] | None = None,
    token: str | None = None,
    dry_run: bool = True,
) -> Publication:
    """Bring files into a repository, which is created if it does not exist.

    What is there already is not sent. All changes are one commit on top of the state that they were compared with, and
    the tag comes last, so that a run that is cut off leaves the repository as it was, or lacking no more than its tag.

    Args:
        repo_id: ``owner/name``.
        kind: of the repository.
        files: what it shall hold.
        tag: of the version. One that exists is never moved.
        message: of the commit.
        private: whether a repository created here is private.
        delete: globs of paths that are deleted unless they are among `files`; other files stay.
        space_sdk: of a Space, e.g. ``static``.
        keep: makes the card that is sent, of the one in `files` and the one that is there (empty if none); by default
            it is the one in `files`.
        token: of the Hub; by default that of the environment or of ``hf auth login``.
        dry_run: only tell what would be there; asks nothing of the Hub.

    Raises:
        HubError: the name is none of the Hub's, there is no token, the tag stands for other content, or the Hub
            refuses.
    """
    check_name(repo_id)
    sizes = {path: _size_of(content) for path, content in files.items()}
    readme = files.get("README.md", b"")
    card = (readme if isinstance(readme, bytes) else readme.read_bytes()).decode()
    publication = Publication(repo_id, kind, tag, sizes, card=card)
    if dry_run:
        return publication

    from huggingface_hub import HfApi

    token = checked_token(repo_id, token)
    api = HfApi(token=token)
    rest = AGAIN
    try:
        home = api.create_repo(repo_id, repo_type=kind, private=private, space_sdk=space_sdk, exist_ok=True)
        tags = {item.name: item.target_commit for item in api.list_repo_refs(repo_id, repo_type=kind).tags}
        if tag in tags:
            # The card may have been edited since; it decides no row, weight or score.
            decisive = {path: content for path, content in files.items() if path != "README.md"}
            if apart := [path for part in _apart(api, repo_id, kind, tags[tag], decisive, delete) for path in part]:
                raise HubError(
                    f"{repo_id}: {tag} is already published with another {apart[0]} ({len(apart)} files differ); "
                    "raise the version"
                )
            return replace(publication, url=str(home))
        head = api.repo_info(repo_id, repo_type=kind).sha
        assert head is not None
        if keep and card:
            # Of the same state that the commit goes on top of: an edit in between is a conflict, never lost.
            card = keep(card, _card(repo_id, kind, head, token))
            files = {**files, "README.md": card.encode()}
            publication = replace(publication, card=card, files=sizes | {"README.md": len(card.encode())})
        changed, stale = _apart(api, repo_id, kind, head, files, delete)
        url = str(home)
        if changed or stale:
            commit = api.create_commit(
                repo_id,
                _operations(files, changed, stale),
                repo_type=kind,
                commit_message=message,
                parent_commit=head,
            )
            head, url = commit.oid, commit.commit_url
        rest = f"all files are there, only the tag {tag} is not; run the same command again, which sets it"
        if tag:
            api.create_tag(repo_id, tag=tag, revision=head, repo_type=kind)
    except HubError:
        raise
    except Exception as error:
        # Its client trusts what a server answers: nonsense comes as any error there is.
        failure = _told(error, repo_id, rest, token)
    else:
        return replace(publication, url=url, sent=(*changed, *stale))
    gc.collect()  # progress bars of what was cut off close with it, not below the message
    # Not chained: a server may repeat the token in its answer.
    raise HubError(failure)


def checked_token(repo_id: str, token: str | None = None) -> str:
    """The token to publish with: the one given, else that of the environment or of ``hf auth login``.

    Raises:
        HubError: there is none, or it cannot be one.
    """
    from huggingface_hub import get_token

    token = token or get_token()
    if not token:
        raise HubError(f"{repo_id}: there is no token of the Hub; {LOG_IN}")
    if not (token.isascii() and token.isprintable()) or " " in token:
        # Clients would name it in their complaint, in a form in which it is not found and hidden.
        raise HubError(f"{repo_id}: the token holds letters that no token of the Hub has; {LOG_IN}")
    return token


def check_name(repo_id: str) -> None:
    """Check the name of a repository.

    Raises:
        HubError: it is none of the Hub's, or without an owner.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise HubError(f"'{repo_id}' is not a repository name ({error}); use owner/name") from error
    if repo_id.count("/") != 1:
        raise HubError(f"'{repo_id}' is not a repository name; use owner/name")


def _card(repo_id: str, kind: Kind, revision: str, token: str) -> str:
    """README.md at a revision; empty if there is none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # A cache of its own: where the Hub does not answer, clients take what they find in the common one.
    with tempfile.TemporaryDirectory() as cache:
        try:
            path = hf_hub_download(
                repo_id, "README.md", repo_type=kind, revision=revision, token=token, cache_dir=cache
            )
        except LocalEntryNotFoundError:
            raise  # it could not be asked for
        except EntryNotFoundError:
            return ""
        return Path(path).read_text(encoding="utf-8", errors="replace")


def _apart(
    api: HfApi, repo_id: str, kind: Kind, revision: str, files: Files, delete: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Paths whose content differs from that of a revision, and paths there that are to go."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type=kind, revision=revision, recursive=True)
    there = {item.path: item for item in tree if isinstance(item, RepoFile)}
    changed = [path for path, content in files.items() if path not in there or not _same(content, there[path])]
    stale = [path for path in there if path not in files and any(fnmatch(path, pattern) for pattern in delete)]
    return changed, stale


def _same(content: Path | bytes, there: RepoFile) -> bool:
    """Whether a file of the repository has this content: by SHA-256 in large file storage, else as git hashes it."""
    if _size_of(content) != there.size:
        return False
    if there.lfs is not None:
        digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else file_digest(content)
        return digest == there.lfs.sha256
    data = content if isinstance(content, bytes) else content.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == there.blob_id


def _operations(files: Files, changed: Sequence[str], stale: Sequence[str]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        *(CommitOperationAdd(path_in_repo=path, path_or_fileobj=files[path]) for path in changed),
        *(CommitOperationDelete(path_in_repo=path) for path in stale),
    ]


def _told(error: Exception, repo_id: str, rest: str, token: str) -> str:
    """A message: what went wrong, what to do, and the words of the client and the Hub.

    Args:
        error: of the client.
        repo_id: ``owner/name``.
        rest: what is there and what finishes it.
        token: hidden in the message.
    """
    chain: list[Any] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    answered = [item for item in chain if getattr(item, "response", None) is not None][:1]
    advice = _advice(chain, answered[0].response.status_code if answered else 0, repo_id, rest)
    said = dict.fromkeys(hidden(str(item), token) or type(item).__name__ for item in (error, *answered))
    return f"{repo_id}: {advice} ({'; '.join(said)})"


def _advice(chain: Sequence[BaseException], status: int, repo_id: str, rest: str) -> str:
    """What went wrong and what to do, by the status of the answer (0: there is none) or the innermost error."""
    owner = repo_id.split("/")[0]
    if status == 401:
        return f"the Hub does not accept the token; {LOG_IN}"
    if status == 403:
        return (
            f"the token may not write there; take one with write permission for {owner}, ask an owner of {owner} for "
            "it, or choose another name"
        )
    if status == 404:
        return f"the Hub shows this token no such owner or repository; check the name and its rights for {owner}"
    if status in (409, 412):
        return f"somebody else changed the repository meanwhile; {rest}"
    if status in (408, 429) or status >= 500:
        return f"the Hub failed with status {status}; {rest}"
    if status:
        return f"the Hub refused with status {status}; mend what it names and run the same command again"
    if any(isinstance(item, OSError) and item.filename is not None for item in chain):
        return f"a file of this machine cannot be read or written; {rest}"
    if isinstance(chain[-1], ValueError | LookupError | TypeError | AttributeError | AssertionError):
        return f"the Hub's answer makes no sense to its client; check HF_ENDPOINT and what stands between; {rest}"
    return f"the Hub cannot be reached, or the connection was cut; {rest}"

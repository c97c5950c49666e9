"""A file of the Hugging Face Hub: what the server says about it, and its bytes, verified.

huggingface_hub knows where (HF_ENDPOINT), with which token, whether to ask at all (HF_HUB_OFFLINE), how long to wait
(HF_HUB_ETAG_TIMEOUT); `fetch` resumes, verifies and keeps two downloads of one file apart.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from tokenizer.fetch.server import check_redirect, hopeless, in_one_line, origin, wait
from tokenizer.fetch.transfer import Progress, fetch
from tokenizer.fetch.verify import right

PAUSES = (1.0, 2.0)  # seconds before the second and the third try


@dataclass(frozen=True)
class RemoteFile:
    """What the server says about a file before sending it."""

    url: str
    commit: str
    etag: str  # SHA-256 of a large file, Git's SHA-1 of a small one
    size: int | None  # bytes

    @property
    def checksum(self) -> str | None:
        """The SHA-256, or Git's SHA-1, if the server promises one."""
        return self.etag if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", self.etag) else None


def remote_file(repo: str, name: str, revision: str = "main") -> RemoteFile | None:
    """What the Hub says about a file, or None if the repository does not have it; an OSError says why in one line."""
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, so the Hub was not asked")
    url = hf_hub_url(repo, name, revision=revision)
    for pause in (*PAUSES, None):
        try:
            found = get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT)
            break
        except errors.EntryNotFoundError:
            return None
        except Exception as error:  # from huggingface_hub, or from the client that its version is built on
            if pause is None or hopeless(status_of(error) or 0):
                raise OSError(f"{repo}: {explain(error, url)}") from None
            wait(url, pause, getattr(getattr(error, "response", None), "headers", None))
    commit, etag = found.commit_hash or "", found.etag or ""
    is_a_hubs = re.fullmatch("[0-9a-f]{40,64}", commit) and re.fullmatch("[A-Za-z0-9_-]{1,128}", etag)
    if not is_a_hubs or (found.size is not None and found.size < 0):
        raise OSError(f"{url}: the answer is not a Hub's (a login page, or a wrong HF_ENDPOINT?)")
    place = urljoin(url, found.location)
    check_redirect(url, place)
    return RemoteFile(place, commit, etag, found.size)


def bring(found: RemoteFile, destination: Path, lock: Path, on_progress: Progress | None = None) -> Path:
    """The file at `destination`, verified; a process that finds another download holding `lock` waits for that one.

    The token goes to the Hub only, not to the servers that it redirects to.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # no __all__

    headers = build_hf_headers() if origin(found.url) == origin(constants.ENDPOINT) else {}
    try:
        return fetch(found.url, destination, found.checksum, found.size, on_progress, headers, lock)
    except (OSError, ValueError):
        if not right(destination, found.checksum, found.size):  # else a program without the lock has fetched it
            raise
        return destination


def status_of(error: Exception) -> int | None:
    """The HTTP status that an error is about, or None if no server answered."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def explain(error: Exception, url: str) -> str:
    """One line for what went wrong at the Hub."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "its owner wants a licence accepted: do so on its page, then set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such model on the Hub, or a private one: check the name, or set HF_TOKEN"
    host, status = urlsplit(url).netloc, status_of(error)
    if status:
        return f"{host}: HTTP status {status}"
    return f"{host} does not answer ({in_one_line(error)})"

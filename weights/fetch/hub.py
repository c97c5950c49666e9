"""What the Hugging Face Hub says of a file before sending it, and what went wrong, in one line.

huggingface_hub knows where (HF_ENDPOINT), with which token, and whether to ask at all (HF_HUB_OFFLINE).
"""

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

PAUSES = (1.0, 2.0)  # seconds before the second and the third try


@dataclass(frozen=True)
class RemoteFile:
    """What the server says of a file before sending it."""

    url: str
    commit: str
    etag: str  # SHA-256 of a large file, git's SHA-1 of a small one
    size: int | None

    @property
    def sha256(self) -> str | None:
        """The SHA-256 where the server promises one."""
        return self.etag if re.fullmatch("[0-9a-f]{64}", self.etag) else None


def remote_file(repo: str, name: str, revision: str = "main") -> RemoteFile | None:
    """What the Hub says of a file, or None where the repository does not have it."""
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, so the Hub was not asked")
    url = hf_hub_url(repo, name, revision=revision)
    for pause in (*PAUSES, None):
        try:
            found = get_hf_file_metadata(url)
            break
        except errors.EntryNotFoundError:
            return None
        except Exception as error:  # of huggingface_hub, or of the client that its version is built on
            status = getattr(getattr(error, "response", None), "status_code", None)
            if pause is None or status is None or status < 500:
                raise OSError(f"{repo}: {explain(error, url)}") from None
            time.sleep(pause)
    commit, etag = found.commit_hash or "", found.etag or ""
    if not re.fullmatch("[0-9a-f]{40,64}", commit) or not re.fullmatch(r"[\w-]+", etag):
        raise OSError(f"{url}: the answer is not a Hub's (a login page, or a wrong HF_ENDPOINT?)")
    return RemoteFile(found.location, commit, etag, found.size)


def explain(error: Exception, url: str) -> str:
    """One line for what went wrong at the Hub."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "its owner wants a licence accepted: do so on its page, then set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such model on the Hub, or a private one: check the name, or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = f"HTTP status {status}" if status else (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{urlsplit(url).netloc} does not answer ({reason})" if not status else f"{urlsplit(url).netloc}: {reason}"

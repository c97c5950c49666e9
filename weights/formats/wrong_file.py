"""What is often found in place of weights, said in one line."""

from pathlib import Path
from typing import Any

from tokenizer.fetch.wrong_file import what_it_is
from tokenizer.formats.text import each_once

AGAIN = "delete it and fetch it again"  # the way out if a file is damaged
LOGIN = f"{AGAIN} (a web page came instead: is there a login page on the network?)"
WAYS_OUT = {
    "an HTML page": LOGIN,
    "an XML page": LOGIN,
    "a Git LFS pointer": "run `git lfs pull`, or fetch it again",
    "zeros": AGAIN,
}
OTHERS = ((b"PK\x03\x04", "a PyTorch .bin or zip file"), (b"GGUF", "a GGUF file"))


def check_beginning(path: Path, start: bytes) -> None:
    """A ValueError if a file's first bytes are a web page's, a pointer's, zeros, or another format's."""
    instead = what_it_is(start)
    if instead:
        raise ValueError(f"{path}: found {instead} in its place: {WAYS_OUT[instead]}")
    for magic, kind in OTHERS:
        if start.startswith(magic) and path.suffix == ".safetensors":
            raise ValueError(f"{path}: found {kind} under the name of a safetensors file: give it its own ending")


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are the names of tensors, for `json.loads`.

    >>> named_once([("a\\n", 1)])
    Traceback (most recent call last):
    ValueError: 'a\\n' is no name
    """
    found = each_once(pairs)
    for name in found:
        if not name.isprintable():
            raise ValueError(f"{name!r:.80} is no name")
    return found

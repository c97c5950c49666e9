"""tiktoken's files: a token in base64 and its rank on each line, and nothing else."""

import base64
from pathlib import Path

from tokenizer.formats.text import LARGEST, read_text
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN
from tokenizer.vocabulary import Vocabulary

END = "<|endoftext|>"
CL100K_SPECIAL = {
    END: 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}
# The file says neither its pattern nor its special tokens; its name is what is left.
KNOWN = {
    "r50k_base": (GPT2_PATTERN, {END: 50256}),
    "p50k_base": (GPT2_PATTERN, {END: 50256}),
    "cl100k_base": (CL100K_PATTERN, CL100K_SPECIAL),
}


def read(path: Path, pattern: str | None = None) -> Vocabulary:
    """The vocabulary of a .tiktoken file; pattern and special tokens go by its name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cl100k_base.tiktoken")
    ...     _ = path.write_text("YQ== 0")
    ...     read(path).ranks
    {b'a': 0}
    """
    if path.stem not in KNOWN and pattern is None:
        raise ValueError(f"{path}: the file does not say its pattern; load it with pattern=…")
    known, special = KNOWN.get(path.stem, ("", {}))
    ranks = {}
    for line in read_text(path, limit=LARGEST).splitlines():
        token, _, rank = line.partition(" ")
        try:
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError:
            raise ValueError(f"{path}: {line[:60]!r} is not a token in base64 and its rank") from None
    return Vocabulary(ranks, pattern or known, dict(special))

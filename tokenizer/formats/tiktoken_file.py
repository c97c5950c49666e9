"""tiktoken's files: a token in base64 and its rank on each line, and nothing else."""

import base64
import os
import tempfile
from pathlib import Path

from tokenizer.formats.text import LARGEST, read_text
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN
from tokenizer.vocabulary import Vocabulary

_ANY, _BEFORE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K_PATTERN = "|".join(  # cl100k, but words end where lower case ends, and keep their marks and contractions
    [
        rf"{_BEFORE}{_UPPER}*{_LOWER}+{_ANY}",
        rf"{_BEFORE}{_UPPER}+{_LOWER}*{_ANY}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
END = "<|endoftext|>"
CL100K_SPECIAL = {
    END: 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}
# The file says neither its pattern nor its special tokens; only its name tells them.
KNOWN = {
    "r50k_base": (GPT2_PATTERN, {END: 50256}),
    "p50k_base": (GPT2_PATTERN, {END: 50256}),
    "cl100k_base": (CL100K_PATTERN, CL100K_SPECIAL),
    "o200k_base": (O200K_PATTERN, {END: 199999, "<|endofprompt|>": 200018}),
}
# Where tiktoken keeps a file that it fetched, under the SHA-1 of its URL; and the SHA-256 that the file must have.
CACHED = {
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    )
}


def read(path: Path, pattern: str | None = None) -> Vocabulary:
    """The vocabulary of a .tiktoken file; pattern and special tokens depend on its name.

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


def from_cache(name: str) -> Path:
    """The file of a vocabulary that is not fetched here, from tiktoken's own cache, copied under its name.

    >>> from_cache("o200k_base")  # doctest: +SKIP
    PosixPath('/home/me/.cache/minigpt/vocabularies/o200k_base/o200k_base.tiktoken')
    """
    from tokenizer.fetch.verify import cache_dir, copy, right

    key, sha256 = CACHED[name]
    usual = os.environ.get("DATA_GYM_CACHE_DIR", os.path.join(tempfile.gettempdir(), "data-gym-cache"))  # noqa: PTH118
    kept = Path(os.environ.get("TIKTOKEN_CACHE_DIR", usual), key)
    own = cache_dir() / "vocabularies" / name / f"{name}.tiktoken"
    if not right(own, sha256):
        if not right(kept, sha256):
            raise ValueError(
                f"{name}: not in tiktoken's cache ({kept}): fetch it there, or load {name}.tiktoken itself"
            )
        copy(kept, own, sha256)
    return own

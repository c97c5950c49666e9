"""GPT-2's pair of files: vocab.json with merges.txt, which its first release named encoder.json and vocab.bpe."""

from pathlib import Path

from tokenizer.formats.assemble import assemble
from tokenizer.formats.text import read_json, read_text
from tokenizer.patterns import GPT2_PATTERN
from tokenizer.vocabulary import Vocabulary


def read(vocab_path: Path, merges_path: Path, pattern: str | None = None) -> Vocabulary:
    """The ids of the tokens from one file, the merges, one a line, from the other; the pattern is GPT-2's if not given.

    Tokens that no merge makes, and that are no bytes, are the special ones.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "v").write_text('{"a": 0, "b": 1, "ab": 2, "<x>": 3}')
    ...     _ = Path(folder, "m").write_text("a b")
    ...     vocabulary = read(Path(folder, "v"), Path(folder, "m"))
    >>> vocabulary.ranks, vocabulary.special_tokens
    ({b'a': 0, b'b': 1, b'ab': 2}, {'<x>': 3})
    """
    lines = read_text(merges_path).replace("\r\n", "\n").split("\n")
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    bad = next((merge for merge in merges if len(merge) != 2), None)
    if bad:
        raise ValueError(f"{merges_path}: {' '.join(bad)!r} is not two tokens with a space between them")
    return assemble(read_json(vocab_path), merges, {}, pattern or GPT2_PATTERN, None, str(vocab_path))

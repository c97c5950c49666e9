"""Vocabularies on disk: which format a file or folder is in, and the formats that are lists of tokens."""

import base64
import json
from pathlib import Path

from tokenizer.bpe import Tokenizer
from tokenizer.formats.byte_alphabet import bytes_to_unicode
from tokenizer.formats.merges import recover_merges
from tokenizer.formats.tokenizer_json import assemble, from_json, to_json, vocab_of
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN

END = "<|endoftext|>"
CL100K_SPECIAL = {
    END: 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}
# A .tiktoken file says neither its pattern nor its special tokens; the file's name is what is left.
TIKTOKEN = {
    "r50k_base": (GPT2_PATTERN, {END: 50256}),
    "p50k_base": (GPT2_PATTERN, {END: 50256}),
    "cl100k_base": (CL100K_PATTERN, CL100K_SPECIAL),
}


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes vocab.json, merges.txt and tokenizer.json, each beside its name first and then renamed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Tokenizer({b"a": 0}), Path(folder))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['merges.txt', 'tokenizer.json', 'vocab.json']
    """
    merges = (f"{bytes_to_unicode(a)} {bytes_to_unicode(b)}\n" for a, b in recover_merges(tokenizer.ranks))
    contents = {
        "vocab.json": json.dumps(vocab_of(tokenizer), ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(merges),
        "tokenizer.json": json.dumps(to_json(tokenizer), ensure_ascii=False, indent=1),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        part = folder / (name + ".part")
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(folder / name)


def load_path(path: Path, pattern: str | None = None) -> Tokenizer:
    """The tokenizer in a folder or file; `pattern` for formats that do not say theirs.

    >>> load_path(Path("/nowhere"))
    Traceback (most recent call last):
    ValueError: /nowhere: no such file or folder
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_file():
        return load_file(path, pattern)
    for vocab, merges in (("tokenizer.json", ""), ("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")):
        if (path / vocab).is_file() and (path / merges).exists():
            return load_lists(path / vocab, path / merges, pattern) if merges else load_file(path / vocab, pattern)
    raise ValueError(f"{path} holds no vocabulary: tokenizer.json, or vocab.json with merges.txt, is needed")


def load_file(path: Path, pattern: str | None = None) -> Tokenizer:
    """The tokenizer of a tokenizer.json, a .tiktoken or a .gguf file.

    >>> load_file(Path("notes.txt"))
    Traceback (most recent call last):
    ValueError: notes.txt: not a tokenizer.json, a .tiktoken or a .gguf file
    """
    if path.suffix == ".tiktoken":
        return load_tiktoken(path, pattern)
    if path.suffix == ".gguf":
        from tokenizer.formats.gguf import load_gguf

        return load_gguf(path)
    if path.suffix == ".json":
        return from_json(read_json(path), str(path))
    raise ValueError(f"{path}: not a tokenizer.json, a .tiktoken or a .gguf file")


def load_lists(vocab_path: Path, merges_path: Path, pattern: str | None = None) -> Tokenizer:
    """GPT-2's pair of files: the ids of the tokens, and the merges, one a line; the pattern is GPT-2's if not given.

    Tokens that no merge makes, and that are no bytes, are the special ones.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "v").write_text('{"a": 0, "b": 1, "ab": 2, "<x>": 3}')
    ...     _ = Path(folder, "m").write_text("a b")
    ...     tok = load_lists(Path(folder, "v"), Path(folder, "m"))
    >>> tok.ranks, tok.special_tokens
    ({b'a': 0, b'b': 1, b'ab': 2}, {'<x>': 3})
    """
    vocab = read_json(vocab_path)
    lines = read_text(merges_path).split("\n")
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    bad = next((merge for merge in merges if len(merge) != 2), None)
    if bad:
        raise ValueError(f"{merges_path}: {' '.join(bad)!r} is not two tokens with a space between them")
    return assemble(vocab, merges, {}, pattern or GPT2_PATTERN, None, str(vocab_path))


def load_tiktoken(path: Path, pattern: str | None = None) -> Tokenizer:
    """A .tiktoken file: a token in base64 and its rank on each line; pattern and special tokens go by its name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cl100k_base.tiktoken")
    ...     _ = path.write_text("YQ== 0")
    ...     load_tiktoken(path).ranks
    {b'a': 0}
    """
    if path.stem not in TIKTOKEN and pattern is None:
        raise ValueError(f"{path}: the file does not say its pattern; load it with pattern=…")
    known, special = TIKTOKEN.get(path.stem, ("", {}))
    ranks = {}
    for line in read_text(path).splitlines():
        token, _, rank = line.partition(" ")
        try:
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError:
            raise ValueError(f"{path}: {line[:60]!r} is not a token in base64 and its rank") from None
    return Tokenizer(ranks, pattern or known, special)


def read_text(path: Path) -> str:
    """The text of a file; a ValueError where it is not UTF-8.

    >>> import os
    >>> read_text(Path(os.devnull))
    ''
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None


def read_json(path: Path) -> dict[str, int]:
    """The object in a JSON file; a ValueError where there is none.

    >>> import os
    >>> read_json(Path(os.devnull))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...null is not JSON (Expecting value: line 1 column 1 (char 0))
    """
    text = read_text(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds a JSON {type(data).__name__}, not an object")
    return data

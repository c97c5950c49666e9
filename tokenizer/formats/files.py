"""Vocabularies on disk: where a name leads, which format a file or folder is in, and saving.

The rarer formats are imported only when needed: a short command takes little longer than its imports.
"""

import json
from pathlib import Path

from tokenizer.fetch.atomic import exclusive, finish_writing, replacing_files, write_text
from tokenizer.fetch.official import VOCABULARIES, locate, storyteller
from tokenizer.formats import gpt2_files
from tokenizer.formats.byte_alphabet import bytes_to_unicode
from tokenizer.formats.companions import obey, read_companions
from tokenizer.formats.merges import recover_merges
from tokenizer.formats.text import read_json
from tokenizer.formats.tokenizer_json import from_json, to_json, vocab_of
from tokenizer.vocabulary import Vocabulary


def find(name_or_path: str | Path) -> Path:
    """The file or folder of a name or path; a name takes precedence over a folder of that name, "./gpt2" is the folder.

    >>> find("gpt5")
    Traceback (most recent call last):
    ValueError: no vocabulary 'gpt5': there are gpt2, cl100k_base, storyteller, files and folders
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in VOCABULARIES:
        folder = locate(name)
        return folder / f"{name}.tiktoken" if name == "cl100k_base" else folder
    if name == "storyteller":
        return storyteller()
    if name == "o200k_base" and not Path(name).exists():
        from tokenizer.formats.tiktoken_file import from_cache

        return from_cache(name)
    try:
        path = Path(name_or_path).expanduser()
    except RuntimeError:  # "~someone", and there is no such user
        raise ValueError(f"{name}: no home folder of that name is known; give the whole path") from None
    if path.name == name and not (name and path.exists()):
        raise ValueError(f"no vocabulary {name!r}: there are {', '.join(VOCABULARIES)}, storyteller, files and folders")
    return path


def load(name_or_path: str | Path, pattern: str | None = None) -> Vocabulary:
    """The vocabulary of a name or path; official ones come from their compact form once they have been read.

    >>> load("storyteller").n_vocab
    4096
    """
    path = find(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in VOCABULARIES and pattern is None:
        from tokenizer.formats import compact

        return compact.load(name_or_path, path if path.is_dir() else path.parent, lambda: read(path))
    return read(path, pattern)


def read(path: Path, pattern: str | None = None) -> Vocabulary:
    """The vocabulary in a folder or file; `pattern` is for formats that do not store one.

    >>> read(Path("/nowhere"))
    Traceback (most recent call last):
    ValueError: /nowhere: no such file or folder
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_dir():
        finish_writing(path)
        if (path / "tokenizer.json").exists():
            return obey(read(path / "tokenizer.json"), read_companions(path), has_ends=True)
        for vocab, merges in (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")):
            if (path / vocab).exists() and (path / merges).exists():
                return gpt2_files.read(path / vocab, path / merges, pattern)
        raise ValueError(f"{path} holds no vocabulary: tokenizer.json, or vocab.json with merges.txt, is needed")
    if path.suffix == ".tiktoken":
        from tokenizer.formats import tiktoken_file

        return tiktoken_file.read(path, pattern)
    if path.suffix == ".gguf":
        from tokenizer.formats import gguf

        return gguf.read(path)
    if path.suffix == ".json":
        return from_json(read_json(path), str(path))
    raise ValueError(f"{path}: not a tokenizer.json, a .tiktoken or a .gguf file")


def save(vocabulary: Vocabulary, folder: Path) -> None:
    """Writes vocab.json, merges.txt and tokenizer.json, which transformers and `tokenizers` read too: all or none.

    Raises ValueError if other files in the folder, such as added_tokens.json, would change what is read from it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Vocabulary({b"a": 0}), Path(folder))
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['merges.txt', 'tokenizer.json', 'vocab.json']
    """
    merges = (f"{bytes_to_unicode(a)} {bytes_to_unicode(b)}\n" for a, b in recover_merges(vocabulary.ranks))
    contents = {
        "vocab.json": json.dumps(vocab_of(vocabulary), ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "".join(merges),
        "tokenizer.json": json.dumps(to_json(vocabulary), ensure_ascii=False, indent=1),
    }
    if folder.is_dir() and obey(vocabulary, read_companions(folder), has_ends=True) != vocabulary:
        raise ValueError(f"{folder} holds files of another tokenizer, such as added_tokens.json: name another folder")
    with exclusive(folder), replacing_files(folder) as part:
        for name, text in contents.items():
            write_text(part / name, text)

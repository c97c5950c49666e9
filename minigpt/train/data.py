"""From a text file to batches: x holds T tokens, y the same ones shifted by one, the tokens to be predicted.

B batch, T tokens in a block.
"""

import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minigpt.train.answers import Chats
from tokenizer import Tokenizer

END = "<|endoftext|>"
Ids = Tensor | np.ndarray[tuple[int], np.dtype[np.integer]]  # of one text, (N,); np.memmap is such an array


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The text of a file, see `text_of`; raises ValueError, saying what to do, if there is no such file."""
    path = Path(path)
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a stream, which --resume could not read again"
        raise ValueError(f"{path} is {what}: give the path of a text file")
    try:
        return text_of(path.read_bytes(), str(path), encoding)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give the path of a text, as in --text my.txt") from None


def text_of(data: bytes, name: str, encoding: str = "utf-8") -> str:
    """The text of bytes, with line ends as \\n and without a byte-order mark.

    Raises ValueError, with the place and what to do, if they are not text in the encoding; `name` says where they are.
    """
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except LookupError:
        raise ValueError(f"unknown encoding {encoding!r}: common ones are utf-8, cp1252, latin-1, utf-16") from None
    except UnicodeDecodeError as error:
        what = "UTF-8 text" if encoding == "utf-8" else encoding
        place = f"byte {error.object[error.start]:#04x} at offset {error.start} ({error.reason})"
        marked = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        likely = "utf-16" if marked and encoding != "utf-16" else "cp1252"
        way_out = f"name the right one, as in encoding {likely} (--encoding {likely})"
        if b"\0" in data and not marked:
            way_out = "it contains NUL bytes, so it is a binary file, not text: name another"
        raise ValueError(f"{name} is not {what}: {place}; {way_out}") from None
    if "\0" in text:
        raise ValueError(f"{name} holds NUL characters: it is no text, or in another encoding (--encoding utf-16)")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_documents(text: str) -> list[str]:
    """The documents of a text, separated by <|endoftext|>, without the line ends around the separators.

    >>> split_documents("one\\n<|endoftext|>\\ntwo\\n")
    ['one', 'two']
    """
    return [document.strip("\n") for document in text.split(END) if document.strip("\n")]


def hold_out(text: str, share: float = 0.05) -> tuple[str, str]:
    """The text without its last `share`, and that share: cut at a line end, or anywhere where lines are longer.

    >>> hold_out("a\\nb\\nc\\nd\\n", share=0.3)
    ('a\\nb\\n', 'c\\nd\\n')
    """
    cut = int(len(text) * (1 - share))
    cut = text.rfind("\n", cut // 2, cut) + 1 or cut
    return text[:cut], text[cut:]


def sha256_of(text: str) -> str:
    """The SHA-256 by which a resumed run recognizes its text.

    >>> sha256_of("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Texts:
    """The texts to train on and to validate on, each as one row of ids (N,), with the second's length in bytes."""

    train: Tensor | Chats
    validation: Tensor | Chats
    validation_bytes: int

    @classmethod
    def of(cls, train: str, validation: str, tokenizer: Tokenizer) -> "Texts":
        """Both texts encoded; a ValueError where the second is empty."""
        documents = split_documents(validation)
        if not documents:
            raise ValueError("there is no text to validate on: give more text, or a file with --val")
        n_bytes = sum(len(document.encode()) for document in documents)
        train_ids = encode_documents(split_documents(train), tokenizer)
        return cls(train_ids, encode_documents(documents, tokenizer), n_bytes)


def encode_documents(documents: Sequence[str], tokenizer: Tokenizer) -> Tensor:
    """All documents as one row of ids (N,) int64, each after an <|endoftext|>, which precedes every text."""
    if END not in tokenizer.special_tokens:
        raise ValueError(f"the tokenizer has no special token {END}, which separates documents")
    end = tokenizer.special_tokens[END]
    ids = [i for document in documents for i in (end, *tokenizer.encode(document))]
    return torch.tensor([*ids, end])


def draw_batch(ids: Ids, block_size: int, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """x and y, (B, T) int64 each: blocks that start anywhere in the ids (N,); y[b, t] is the token after x[b, t].

    The ids are of any integer type, in the CPU's memory or a mapped file, of which only the blocks are read.

    >>> x, y = draw_batch(torch.arange(9), 4, 2, torch.Generator().manual_seed(0))
    >>> bool((y == x + 1).all())
    True
    """
    row = np.asarray(ids)  # no copy
    if row.ndim != 1 or row.dtype.kind not in "iu":
        raise ValueError(f"ids of shape {row.shape} and type {row.dtype}; expected (N,) whole numbers, a text's tokens")
    check_length(ids, block_size)
    starts = torch.randint(len(ids) - block_size, (batch_size,), generator=generator)  # (B,)
    places = starts[:, None] + torch.arange(block_size + 1)
    blocks = torch.from_numpy(row[places.numpy()].astype(np.int64))  # (B, T + 1)
    return blocks[:, :-1], blocks[:, 1:]


def check_length(ids: Ids, block_size: int) -> None:
    """Refuse ids (N,) that do not fill one block and the token to be predicted after it."""
    if len(ids) <= block_size:
        raise ValueError(
            f"the text has {len(ids)} tokens, but a block of {block_size} needs at least {block_size + 1}: "
            f"give more text or a smaller block"
        )

"""The tokenizer of a new model: trained on its text, one that exists, or one of single characters."""

import tokenizer
from minigpt.train.data import END, split_documents
from tokenizer import Tokenizer

CHAR = "char"
ONE_CHARACTER = r"[\s\S]"  # as a pattern: nothing merges but the bytes of one character


def choose_tokenizer(name: str | None, text: str, vocab_size: int | None = None, plain: bool = False) -> Tokenizer:
    """The tokenizer by name, see `Tokenizer.load`; "char" has the text's characters, None trains one on the text.

    With "char", too, what the text does not hold is spelled in bytes, so nothing is lost.
    Raises ValueError where there is none of that name, or it cannot separate documents.

    >>> len(choose_tokenizer("char", "naïve").encode("an ï"))
    4
    """
    documents = split_documents(text)
    if name == CHAR:
        enough = 257 + sum(len(char.encode()) - 1 for char in set(text))
        return tokenizer.train(documents, enough, ONE_CHARACTER, plain=plain)
    if name is None:
        return tokenizer.train(documents, vocab_size or usual_size(len(text)), plain=plain)
    tok = Tokenizer.load(name, plain=plain)
    if END not in tok.special_tokens:
        raise ValueError(f"--tokenizer {name} has no special token {END}, which separates documents: name another")
    return tok


def usual_size(n_characters: int) -> int:
    """How many tokens a vocabulary has that is trained on so many characters: with whole words among them, a small
    model invents fewer.

    >>> usual_size(10_000), usual_size(100_000), usual_size(5_000_000)
    (512, 2000, 4096)
    """
    return min(4096, max(512, n_characters // 50))

"""A misspelt name: which of the known ones was probably meant."""

from collections.abc import Iterable, Mapping


def did_you_mean(word: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str:
    """A question that names the closest known word, or "" if none is close.

    `synonyms` gives the known word for names that other programs use.

    >>> did_you_mean("gtp2", ["storyteller", "gpt2", "gpt2-xl"]), did_you_mean("bert", ["gpt2"])
    ("did you mean 'gpt2'?", '')
    >>> did_you_mean("max_length", ["length_penalty", "max_new_tokens"], {"max_length": "max_new_tokens"})
    "did you mean 'max_new_tokens'?"
    """
    from difflib import get_close_matches  # only errors need it, and it takes milliseconds to import

    close = [(synonyms or {}).get(word) or "", *get_close_matches(word, known, n=1)]
    found = next(filter(None, close), "")
    return f"did you mean {found!r}?" if found else ""

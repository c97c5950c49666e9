"""A misspelt name: which of the known ones was probably meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the closest known word, or "" where none is close.

    >>> did_you_mean("gtp2", ["storyteller", "gpt2", "gpt2-xl"])
    "did you mean 'gpt2'?"
    >>> did_you_mean("bert", ["gpt2"])
    ''
    """
    from difflib import get_close_matches  # only errors need it, and it takes milliseconds to import

    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""

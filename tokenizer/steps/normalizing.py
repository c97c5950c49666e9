"""What a tokenizer.json does to a text before anything else: Unicode's normal forms, lower case, replacements."""

import re
from functools import lru_cache

from tokenizer.splitting import spans
from tokenizer.steps.unicode16 import Form, lower, normal_form
from tokenizer.unicode import members

Normalizer = str | tuple[tuple[str, ...], ...] | None  # one by its name, or several, each a name and its arguments
FORMS: dict[str, Form] = {"NFC": "NFC", "NFD": "NFD", "NFKC": "NFKC", "NFKD": "NFKD"}
NAMES = (*FORMS, "Lowercase")
NEEDS = {"Prepend": 1, "Replace": 2, "Strip": 1} | dict.fromkeys(NAMES, 0)


def check_normalizer(normalizer: Normalizer) -> None:
    """A ValueError if there is no such normalizer.

    >>> check_normalizer("NFE")
    Traceback (most recent call last):
    ValueError: no normalizer 'NFE': there are NFC, NFD, NFKC, NFKD, Lowercase and None
    """
    for name, *needs in steps_of(normalizer):
        if name not in NEEDS or len(needs) != NEEDS[name]:
            raise ValueError(f"no normalizer {normalizer!r:.80}: there are {', '.join(NAMES)} and None")


def steps_of(normalizer: Normalizer) -> tuple[tuple[str, ...], ...]:
    """The steps of a normalizer.

    >>> steps_of("NFC"), steps_of(None)
    ((('NFC',),), ())
    """
    return ((normalizer,),) if isinstance(normalizer, str) else normalizer or ()


def normalize(text: str, normalizer: Normalizer) -> str:
    """The text after all steps.

    >>> normalize("E\\u0301 a", (("NFC",), ("Lowercase",), ("Prepend", "_"), ("Replace", " +", "-")))
    '_é-a'
    """
    for name, *needs in steps_of(normalizer):
        if name in FORMS:
            text = normal_form(FORMS[name], text)
        elif name == "Lowercase":
            text = lower(text)
        elif name == "Prepend":
            text = needs[0] + text if text else text
        elif name == "Strip":
            text = _white(needs[0]).sub("", text)
        else:
            parts, end = [], 0
            for start, stop in spans(text, needs[0]):
                parts += [text[end:start], needs[1]]
                end = stop
            text = "".join([*parts, text[end:]])
    return text


@lru_cache
def _white(sides: str) -> re.Pattern[str]:
    white = f"[{members('s')}]+"
    return re.compile(
        {"left": rf"\A{white}", "right": rf"{white}\Z"}.get(sides, rf"\A{white}|(?<![{members('s')}]){white}\Z")
    )

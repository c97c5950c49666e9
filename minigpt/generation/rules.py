"""What each setting may be: one rule per name, which returns the value to store or says what is allowed."""

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NamedTuple

LARGEST = 1e38  # no setting needs more, and every kind of float can hold it
CONTEXT_POLICIES = ("error", "stop", "slide")


class Rule(NamedTuple):
    """How a value is stored, and what the error says if it is refused."""

    allowed: str
    kept: Callable[[Any], Any]  # raises ValueError, TypeError or ArithmeticError for what is not allowed
    optional: bool = False  # None is allowed


def checked(name: str, value: object) -> Any:
    """The value of a setting as it is stored; a one-line ValueError if its rule does not allow it.

    >>> checked("top_k", 2.5)
    Traceback (most recent call last):
    ValueError: top_k must be a whole number, 0 (off) or more, not 2.5
    """
    rule = RULES[name]
    if value is None and rule.optional:
        return None
    try:
        return rule.kept(value)
    except (ValueError, TypeError, ArithmeticError):
        raise ValueError(f"{name} must be {rule.allowed}, not {shown(value)}") from None


def shown(value: object) -> str:
    """A value as an error shows it: in one line, shortened if it is long.

    >>> shown(10**400)[-18:], shown(0.5)
    ('… (401 characters)', '0.5')
    """
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python prints no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def allow(right: bool) -> None:
    """Raises ValueError, whose text `checked` writes, unless `right` is true."""
    if not right:
        raise ValueError


def unboxed(value: Any) -> Any:
    """A NumPy scalar, or a tensor without dimensions, as Python's own number."""
    return value.item() if getattr(value, "shape", None) == () else value


def whole(value: Any, low: float = -math.inf) -> int:
    """A whole number from `low` up; neither True nor 3.0 is one."""
    value = unboxed(value)
    allow(isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= low)
    return int(value)


def number(value: Any, low: float = -LARGEST, high: float = LARGEST) -> float:
    """A number from `low` to `high`, neither infinite nor nan; Fraction and Decimal are numbers, texts are not."""
    value = unboxed(value)
    right = isinstance(value, Real | Decimal) and not isinstance(value, bool)
    allow(right and low <= value <= high)
    return float(value)


def truth(value: Any) -> bool:
    """True or False."""
    value = unboxed(value)
    allow(isinstance(value, bool))
    return bool(value)


def one_or_several(value: Any, low: float = -math.inf) -> tuple[int, ...]:
    """An id, or several, as a tuple."""
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes) and unboxed(value) is value
    return tuple(whole(id, low) for id in (value if several else (value,)))


def words(value: Any) -> tuple[tuple[int, ...], ...]:
    """Several sequences of ids, none of them empty."""
    found = tuple(tuple(whole(id, 0) for id in word) for word in value)
    allow(all(found))
    return found


def biases(value: Any) -> tuple[tuple[tuple[int, ...], float], ...]:
    """Pairs of a sequence of ids and its bias, or a mapping from one to the other; -inf forbids."""
    pairs = [(word, bias) for word, bias in (value.items() if isinstance(value, Mapping) else value)]
    numbers = [bias if bias == -math.inf else number(bias) for _, bias in pairs]
    return tuple(dict(zip(words(word for word, _ in pairs), numbers, strict=True)).items())


def decay(value: Any) -> tuple[int, float]:
    """Where an exponential penalty starts, and its base."""
    start, base = value
    return whole(start), number(base)


def texts(value: Any) -> tuple[str, ...]:
    """A text, or several, none of them empty."""
    found = (value,) if isinstance(value, str) else tuple(value)
    allow(all(isinstance(text, str) and text for text in found))
    return found


def one_of(*values: object) -> Callable[[Any], Any]:
    """One of these values, and of their types: 1 is not True."""
    return lambda value: values[[(type(other), other) for other in values].index((type(value), value))]


def at_least(low: int, allowed: str = "", optional: bool = False) -> Rule:
    """The rule of whole numbers from `low` up."""
    return Rule(f"a whole number, {allowed or f'{low} or more'}", lambda value: whole(value, low), optional)


def share(allowed: str, low: float = 0.0) -> Rule:
    """The rule of numbers from `low` to 1."""
    return Rule(allowed, lambda value: number(value, low, 1))


ID = Rule("a whole number", whole, optional=True)
IDS = Rule("an id or several", one_or_several)
FLAG = Rule("True or False", truth)
RULES = {
    "max_new_tokens": at_least(0, optional=True),
    "max_length": at_least(1, optional=True),
    "usual_new_tokens": at_least(0),
    "min_new_tokens": at_least(0, optional=True),
    "min_length": at_least(0),
    "temperature": Rule("a finite number from 0 (greedy) up", lambda value: number(value, 0)),
    "top_k": at_least(0, "0 (off) or more"),
    "top_p": share("from 0 (the best token only) to 1 (off)"),
    "min_p": share("from 0 (off) to 1"),
    "top_h": share("from 0 (off) to 1"),
    "typical_p": share("above 0, up to 1 (off)", math.ulp(0.0)),
    "epsilon_cutoff": Rule("from 0 (off) up to below 1", lambda value: number(value, 0, 1 - 2**-53)),
    "eta_cutoff": Rule("from 0 (off) up to below 1", lambda value: number(value, 0, 1 - 2**-53)),
    "repetition_penalty": Rule("a finite number above 0 (1 is off)", lambda value: number(value, math.ulp(0.0))),
    "no_repeat_ngram_size": at_least(0, "0 (off) or more"),
    "bad_words_ids": Rule("a list of lists of ids, none of them empty", words),
    "sequence_bias": Rule("a list of pairs of a list of ids and a number", biases),
    "suppress_tokens": IDS,
    "begin_suppress_tokens": IDS,
    "forced_bos_token_id": at_least(0, optional=True),
    "forced_eos_token_id": Rule("an id or several, 0 or more", lambda value: one_or_several(value, 0)),
    "exponential_decay_length_penalty": Rule("a whole number and a number, [start, factor]", decay, optional=True),
    "remove_invalid_values": FLAG,
    "renormalize_logits": FLAG,
    "num_beams": at_least(1),
    "length_penalty": Rule("a finite number", number),
    "early_stopping": Rule('False, True or "never"', one_of(False, True, "never")),
    "num_return_sequences": at_least(1),
    "seed": ID,
    "stop": Rule("a text or several", texts),
    "eos_token_id": IDS,
    "bos_token_id": ID,
    "context": Rule(f"one of {', '.join(CONTEXT_POLICIES)}", one_of(*CONTEXT_POLICIES)),
    "top_logprobs": at_least(0),
    "prompt_lookup_num_tokens": at_least(0),
    "plain": FLAG,
    "do_sample": Rule("True or False", truth, optional=True),
    "k": Rule("a whole number", whole),  # of next_tokens
}

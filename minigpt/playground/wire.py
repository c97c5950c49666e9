"""What the page may send: JSON with every field checked, and one clear line if something is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minigpt.generation.rules import checked, shown

LIMITS: dict[str, float] = {"max_new_tokens": 1000, "num_beams": 16, "seed": 2**53 - 1, "no_repeat_ngram_size": 1000}
SETTINGS = (
    *("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram_size"),
    *("num_beams", "seed"),
)
LARGEST_BODY = 1 << 20  # bytes
LONGEST_PROMPT = 200_000  # characters, or ids; the model's own context is far shorter


class Refused(ValueError):
    """A request that is refused: its HTTP status, and why in one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What to do with a text: a model's name, the text or its ids, settings under their Python names."""

    model: str
    prompt: str | list[int]
    settings: dict[str, Any]
    more: dict[str, Any]  # the route's own fields


def read(body: bytes, more: Mapping[str, type] | None = None) -> Request:
    """The request in a body of JSON; `more` names the fields that one route alone takes, with their types.

    Raises `Refused`: 400 for what is not a JSON object, 422 for a field that is missing, unknown or wrong.

    >>> read(b'{"model": "storyteller", "prompt": "Once", "settings": {"top_k": 5}}').settings
    {'top_k': 5}
    >>> read(b'{"model": "storyteller", "prompt": "Once", "settings": {"top_k": "5"}}')
    Traceback (most recent call last):
    minigpt.playground.wire.Refused: top_k must be a whole number, 0 (off) or more, not '5'
    """
    more = more or {}
    sent = fields(body, {"model": str, "prompt": str, "ids": list, "settings": dict, **more})
    if ("prompt" in sent) == ("ids" in sent):
        raise Refused(422, "give either prompt, a text, or ids, a list of token ids")
    prompt = sent["prompt"] if "prompt" in sent else sent["ids"]
    if len(prompt) > LONGEST_PROMPT:
        raise Refused(422, f"the prompt is {len(prompt):,} long: {LONGEST_PROMPT:,} is the most")
    if isinstance(prompt, list):
        check_ids(prompt)
    else:
        check_text("prompt", prompt)
    return Request(sent["model"], prompt, settings(sent.get("settings", {})), {n: sent[n] for n in more if n in sent})


KINDS = {str: "a text", list: "a list", dict: "an object", int: "a whole number", bool: "true or false"}


def fields(body: bytes, known: Mapping[str, type]) -> dict[str, Any]:
    """The fields in a body of JSON, a model among them, each known and of its type; raises as `read` does."""
    sent = parse(body)
    for name, value in sent.items():
        if name not in known:
            raise Refused(422, f"unknown field {shown(name)}: there are {', '.join(known)}")
        if type(value) is not known[name]:
            raise Refused(422, f"{name} must be {KINDS[known[name]]}, not {shown(value)}")
    if "model" not in sent:
        raise Refused(422, "the field model is missing: name a model")
    return sent


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body of JSON."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of thousands of digits; too deep
        raise Refused(400, f"the body is not JSON: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(sent, dict):
        raise Refused(400, f"the body must be a JSON object, not {shown(sent)}")
    return sent


def settings(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given, each as its rule in `minigpt.generation.rules` keeps it; null means not given."""
    unknown = next((name for name in sent if name not in SETTINGS), None)
    if unknown is not None:
        raise Refused(422, f"unknown setting {shown(unknown)}: there are {', '.join(SETTINGS)}")
    found = {}
    for name in SETTINGS:
        value = sent.get(name)
        if value is None:
            continue
        try:
            found[name] = checked(name, value)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        if not found[name] <= LIMITS.get(name, found[name]) or (name == "seed" and found[name] < 0):
            least = "from 0 " if name == "seed" else ""
            raise Refused(422, f"{name} must be {least}up to {LIMITS[name]:,} here, not {shown(value)}")
    return found


def check_ids(ids: list[Any]) -> None:
    """Refuse a list that contains anything but ids; whether the model has them is checked later."""
    wrong = next((id for id in ids if type(id) is not int or not 0 <= id < 2**31), None)
    if wrong is not None or None in ids:
        raise Refused(422, f"ids must be whole numbers from 0 up, not {shown(wrong)}")


def check_text(name: str, text: str) -> None:
    """Refuse half of a surrogate pair, which is not a character and has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused(422, f"{name} is not Unicode text: half a character at place {error.start}") from None

"""What a tokenizer.json puts before and after every text: its post_processor, often with <s> or <|im_end|>."""

from collections.abc import Mapping
from typing import Any

from tokenizer.formats.text import expect

Json = dict[str, Any]
Around = tuple[tuple[int, ...], tuple[int, ...]]


def read_template(part: Any, name: str) -> Around:
    """The ids before and after a single text; a ValueError names an unknown kind of post_processor.

    >>> read_template({"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]}, "tokenizer.json")
    ((0,), (2,))
    >>> read_template({"type": "Other"}, "tokenizer.json")
    Traceback (most recent call last):
    ValueError: tokenizer.json: the post_processor is {'type': 'Other'}, which this tokenizer cannot represent exactly
    """
    if part is None:
        return (), ()
    kind = expect(name, "the post_processor", part, dict).get("type")
    if kind == "Sequence":  # each puts its ids around what the one before it gave
        before: tuple[int, ...] = ()
        after: tuple[int, ...] = ()
        for step in expect(name, "the post_processor's processors", part.get("processors"), list):
            left, right = read_template(step, name)
            before, after = left + before, after + right
        return before, after
    if kind == "ByteLevel":  # moves offsets only
        return (), ()
    if kind in ("RobertaProcessing", "BertProcessing"):
        return (_pair(part, "cls", name),), (_pair(part, "sep", name),)
    if kind == "TemplateProcessing":
        return _template(part, name)
    what = f"{name}: the post_processor is {str(part)[:120]}"
    raise ValueError(f"{what}, which this tokenizer cannot represent exactly")


def _pair(part: Json, key: str, name: str) -> int:
    pair = expect(name, f"the post_processor's {key}", part.get(key), list)
    found = expect(name, f"the id in the post_processor's {key}", pair[1] if len(pair) == 2 else None, int)
    return int(found)


def _template(part: Json, name: str) -> Around:
    what = "the post_processor's template"
    tokens = expect(name, f"{what}'s special_tokens", part.get("special_tokens") or {}, dict)
    around: list[list[int]] = [[]]
    for piece in expect(name, f"{what} for one text", part.get("single"), list):
        if isinstance(piece, dict) and piece.keys() == {"Sequence"}:
            around.append([])
            continue
        token = expect(name, f"a piece of {what}", piece, dict).get("SpecialToken")
        key = expect(name, f"a piece of {what}", token, dict).get("id")
        ids = expect(name, f"the token {key!r:.80} of {what}", tokens.get(key), dict).get("ids")
        for i in expect(name, f"the ids of {key!r:.80} in {what}", ids, list):
            around[-1].append(expect(name, f"an id of {key!r:.80} in {what}", i, int))
    if len(around) != 2:
        raise ValueError(f"{name}: {what} holds the text {len(around) - 1} times: write it once")
    return tuple(around[0]), tuple(around[1])


def write_template(before: tuple[int, ...], after: tuple[int, ...], tokens: Mapping[int, bytes]) -> Json | None:
    """The post_processor that puts these ids around a text, or None if there are none.

    >>> write_template((), (), {}) is None
    True
    >>> post = write_template((5,), (), {5: b"<s>"})
    >>> post["single"], read_template(post, "")
    ([{'SpecialToken': {'id': '<s>', 'type_id': 0}}, {'Sequence': {'id': 'A', 'type_id': 0}}], ((5,), ()))
    """
    if not before and not after:
        return None
    name = {i: tokens[i].decode("utf-8", "replace") for i in (*before, *after)}

    def text(which: str, type_id: int) -> Json:
        return {"Sequence": {"id": which, "type_id": type_id}}

    def special(ids: tuple[int, ...], type_id: int) -> list[Json]:
        return [{"SpecialToken": {"id": name[i], "type_id": type_id}} for i in ids]

    single = [*special(before, 0), text("A", 0), *special(after, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *special(before, 1), text("B", 1), *special(after, 1)],
        "special_tokens": {name[i]: {"id": name[i], "ids": [i], "tokens": [name[i]]} for i in (*before, *after)},
    }

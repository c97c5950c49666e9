"""What comes before the merges in a tokenizer.json, read and written: its normalizer and its pre_tokenizer."""

import re
from typing import Any

from tokenizer.formats.text import expect
from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN
from tokenizer.steps.cutting import BEHAVIORS, WHOLE, Cut, PrefixSpace, Step
from tokenizer.steps.normalizing import NAMES, Normalizer, steps_of
from tokenizer.steps.unicode16 import DIGITS

Json = dict[str, Any]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
ONE_DIGIT = {"type": "Digits", "individual_digits": True}
KNOWN = (GPT2_PATTERN, CL100K_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN)  # these match every text completely


def refuse(name: str, what: str, found: object) -> ValueError:
    """The error for what is known but cannot be done.

    >>> refuse("tokenizer.json", "the model", "WordPiece")
    ValueError('tokenizer.json: the model is WordPiece, which this tokenizer cannot represent exactly')
    """
    return ValueError(f"{name}: {what} is {str(found)[:120]}, which this tokenizer cannot represent exactly")


def steps(part: Any, what: str, several: str, name: str) -> list[Json]:
    """The steps of a part that is one step or a Sequence of them, nested or not.

    >>> steps({"type": "Sequence", "normalizers": [{"type": "NFC"}]}, "the normalizer", "normalizers", "x")
    [{'type': 'NFC'}]
    """
    if part is None:
        return []
    if expect(name, what, part, dict).get("type") != "Sequence":
        return [part]
    inside = expect(name, f"{what}'s {several}", part.get(several), list)
    return [step for one in inside for step in steps(one or {}, f"a step of {what}", several, name)]


def flags(*values: object) -> bool:
    """Whether all are true or false, and none a number or a list, which `tokenizers` refuses.

    >>> flags(True, False), flags(0), flags([True])
    (True, False, False)
    """
    return all(isinstance(value, bool) for value in values)


def read_normalizer(part: Any, name: str) -> Normalizer:
    """The normalizer; a ValueError names one that is unknown here.

    >>> read_normalizer({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]}, "x")
    (('NFD',), ('Lowercase',))
    """
    found: list[tuple[str, ...]] = []
    for step in steps(part, "the normalizer", "normalizers", name):
        kind = step.get("type")
        if kind in NAMES:
            found.append((kind,))
        elif kind == "Prepend":
            found.append(("Prepend", expect(name, "the normalizer's prepend", step.get("prepend"), str)))
        elif kind == "Replace":
            content = expect(name, "the normalizer's content", step.get("content"), str)
            found.append(("Replace", read_pattern(step.get("pattern"), "the normalizer's pattern", name), content))
        elif kind == "Strip" and flags(step.get("strip_left"), step.get("strip_right")):
            sides = {(True, True): "both", (True, False): "left", (False, True): "right"}
            side = sides.get((step["strip_left"], step["strip_right"]))
            found += [("Strip", side)] if side else []
        else:
            raise refuse(name, "the normalizer", part)
    return found[0][0] if len(found) == 1 and len(found[0]) == 1 else tuple(found) or None


def write_normalizer(normalizer: Normalizer) -> Json | None:
    """A normalizer as tokenizer.json writes it.

    >>> write_normalizer((("Replace", "a", "b"),))
    {'type': 'Replace', 'pattern': {'Regex': 'a'}, 'content': 'b'}
    """
    found: list[Json] = []
    for kind, *needs in steps_of(normalizer):
        step: Json = {"type": kind}
        if kind == "Prepend":
            step["prepend"] = needs[0]
        elif kind == "Replace":
            step |= {"pattern": {"Regex": writable(needs[0])}, "content": needs[1]}
        elif kind == "Strip":
            step |= {"strip_left": needs[0] != "right", "strip_right": needs[0] != "left"}
        found.append(step)
    return {"type": "Sequence", "normalizers": found} if len(found) > 1 else found[0] if found else None


def read_pattern(part: Any, what: str, name: str) -> str:
    """The pattern of a step, given as an Oniguruma regular expression or as plain text.

    >>> read_pattern({"String": "a.b"}, "the pattern", "x"), read_pattern({"Regex": "a{2}+"}, "the pattern", "x")
    ('a\\\\.b', '(?:a{2})+')
    """
    found = expect(name, what, part, dict)
    text = expect(name, what, next(iter(found.values()), None), str)
    if len(found) != 1 or found.keys() - {"Regex", "String"} or not text:
        raise refuse(name, what, part)
    if "String" in found or text in KNOWN:
        return re.escape(text) if "String" in found else text
    from tokenizer.formats.oniguruma import translate

    try:
        return translate(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def writable(pattern: str) -> str:
    """A pattern, if it means the same in a tokenizer.json; else a ValueError.

    >>> writable("a{1,2}+")
    Traceback (most recent call last):
    ValueError: the pattern 'a{1,2}+' means something else in a tokenizer.json: write it in another way to save it
    """
    if pattern not in KNOWN:
        from tokenizer.formats.oniguruma import same_in_both

        if not same_in_both(pattern):
            what = f"the pattern {pattern!r:.120} means something else in a tokenizer.json"
            raise ValueError(f"{what}: write it in another way to save it")
    return pattern


def read_cuts(part: Any, name: str) -> tuple[str, tuple[Step, ...]]:
    """The pattern, and the cuts before it; a ValueError names a pre_tokenizer that is unknown here.

    >>> read_cuts({"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}, "x")[1]
    (PrefixSpace(),)
    """
    *before, last = steps(part, "the pre_tokenizer", "pretokenizers", name) or [{}]
    if last.get("type") != "ByteLevel":
        raise refuse(name, "the pre_tokenizer", part)
    prefix, regex, trim = (last.get(key, True) for key in ("add_prefix_space", "use_regex", "trim_offsets"))
    if not flags(prefix, regex, trim):  # trimming changes no id
        raise refuse(name, "a step of the pre_tokenizer", last)
    if before == [ONE_DIGIT] and regex and not prefix:
        return SMOLLM2_PATTERN, ()
    found: list[Step] = [read_cut(step, name) for step in before]
    if prefix:
        return GPT2_PATTERN if regex else WHOLE, (*found, PrefixSpace())
    if regex:
        return GPT2_PATTERN, tuple(found)
    if found and isinstance(found[-1], Cut) and found[-1] == Cut(found[-1].pattern):
        return found[-1].pattern, tuple(found[:-1])
    return WHOLE, tuple(found)


def read_cut(step: Json, name: str) -> Cut:
    """One step before the bytes.

    >>> read_cut({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": True}, "x")
    Cut(pattern='a', behavior='Removed', invert=True)
    """
    kind, behavior, invert = step.get("type"), step.get("behavior"), step.get("invert")
    if kind == "Digits" and flags(step.get("individual_digits")):
        return Cut(DIGITS, "Isolated" if step["individual_digits"] else "Contiguous")
    if kind == "WhitespaceSplit":
        return Cut(r"\s", "Removed")
    if kind != "Split" or behavior not in BEHAVIORS or not flags(invert):
        raise refuse(name, "a step of the pre_tokenizer", step)
    pattern = read_pattern(step.get("pattern"), "the pre_tokenizer's pattern", name)
    if behavior == "Isolated" or (pattern in KNOWN and behavior == "Removed" and invert):
        return Cut(pattern)
    return Cut(pattern, behavior, bool(invert))


def write_cuts(pattern: str, cuts: tuple[Step, ...]) -> Json:
    """A pattern and the cuts before it, as tokenizer.json writes them.

    >>> write_cuts(GPT2_PATTERN, ()) == BYTES
    True
    """
    last = BYTES | {"add_prefix_space": PrefixSpace() in cuts, "use_regex": pattern == GPT2_PATTERN}
    if PrefixSpace() in cuts[:-1] or (PrefixSpace() in cuts and pattern not in (GPT2_PATTERN, WHOLE)):
        raise ValueError("a space put before anything but the last cut cannot be saved in a tokenizer.json")
    before = [write_cut(cut) for cut in cuts if isinstance(cut, Cut)]
    if pattern == SMOLLM2_PATTERN:
        before, last = [*before, ONE_DIGIT], BYTES
    elif pattern not in (GPT2_PATTERN, WHOLE):
        before.append(write_cut(Cut(pattern)))
    return {"type": "Sequence", "pretokenizers": [*before, last]} if before else last


def write_cut(cut: Cut) -> Json:
    """One cut as tokenizer.json writes it.

    >>> write_cut(Cut("a"))
    {'type': 'Split', 'behavior': 'Isolated', 'invert': False, 'pattern': {'Regex': 'a'}}
    """
    if cut.pattern == DIGITS and cut.behavior in ("Isolated", "Contiguous") and not cut.invert:
        return {"type": "Digits", "individual_digits": cut.behavior == "Isolated"}
    regex = {"Regex": writable(cut.pattern)}
    return {"type": "Split", "behavior": cut.behavior, "invert": cut.invert, "pattern": regex}

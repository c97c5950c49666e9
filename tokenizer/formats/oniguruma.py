r"""The regular expressions of a tokenizer.json, which are Oniguruma's, in syntax that Python's share.

Some syntax means something else there: `{1,3}+` repeats a repetition, `$` ends a line, `[a[bc]&&\p{L}]` is an
intersection of sets. What has an equivalent is written as that; what has none, or none known here, is refused by name.
Source: `doc/RE` of Oniguruma 6.9, syntax ONIG_SYNTAX_ONIGURUMA.
"""

import re

from tokenizer.formats.oniguruma_sets import ANY, WORDS, Sets

EDGE = rf"(?:(?<=[{WORDS}])(?![{WORDS}])|(?<![{WORDS}])(?=[{WORDS}]))"
ANCHORS = {"A": f"(?<!{ANY})", "z": f"(?!{ANY})", "Z": rf"(?=\n?(?!{ANY}))", "b": EDGE}
OPEN = re.compile(r"\((?:\?(?::|=|!|<=|<!|>|i:|<[A-Za-z_]\w*>))?(?!\?)")
TIMES = re.compile(r"([*+?])([?+]?)|\{(\d*)(,?)(\d*)\}([?+]?)")
FOLDS_TWO = re.compile(r"(?i)[sf]\]?[stfli]|i")  # ß is a case of ss, ﬁ of fi; and engines differ on the dotted i
Node = tuple[str, int, int | None]  # the text, the fewest and the most characters that it takes


class Translator(Sets):
    """Reads a pattern once from left to right; `translate` uses it.

    >>> Translator("a|b").either()
    ('a|b', 1, 1)
    """

    def either(self) -> Node:
        """Alternatives, up to a closing parenthesis or the end."""
        nodes = [self.sequence()]
        while self.text.startswith("|", self.at):
            self.at += 1
            nodes.append(self.sequence())
        most = [node[2] for node in nodes]
        longest = None if None in most else max(m or 0 for m in most)
        return "|".join(node[0] for node in nodes), min(node[1] for node in nodes), longest

    def sequence(self) -> Node:
        """Items with their repetitions, up to a bar, a closing parenthesis or the end."""
        text, least = "", 0
        longest: int | None = 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            start = self.at
            item = self.item()
            item = self.repeated(item, self.text[start : self.at])
            text, least = text + item[0], least + item[1]
            longest = None if longest is None or item[2] is None else longest + item[2]
        return text, least, longest

    def repeated(self, node: Node, source: str) -> Node:
        """An item with the repetition after it, if there is one."""
        found = TIMES.match(self.text, self.at)
        if not found:
            return node
        text, least, most = node
        self.at = found.end()
        mark, manner, low, comma, high, behind = found.groups()
        if mark:
            fewest, many = (1 if mark == "+" else 0), (1 if mark == "?" else None)
            text += mark + manner
        else:
            if not low and not (comma and high):
                raise self.refuse(f"{found.group()!r}")
            fewest = int(low or 0)
            many = int(high) if high else None if comma else fewest
            if max(fewest, many or 0) > 10_000 or (many is not None and many < fewest) or (behind == "?" and not comma):
                raise self.refuse(f"the repetition {found.group()!r}")
            text += f"{{{low}{comma}{high}}}" + (behind if behind == "?" else "")
            if behind == "+":  # not possessive: a repetition of the repetition
                text, many = f"(?:{text})+", None
        if least == 0 and mark != "?":
            raise self.refuse(f"a repetition of {source!r:.40}, which may be empty,")
        if self.at < len(self.text) and TIMES.match(self.text, self.at):
            raise self.refuse("a repetition of a repetition")
        if least * max(fewest, many or 0) > 10_000:
            raise self.refuse("repetitions that take more than 10,000 characters")
        return text, least * fewest, None if most is None or many is None else most * many

    def item(self) -> Node:
        """One group, set, escape, anchor or character."""
        char = self.text[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return self.set(), 1, 1
        if char == "\\":
            return self.escape()
        if char in "*+?{":
            raise self.refuse(f"{char!r} with nothing to repeat")
        self.at += 1
        if char in "^$":  # of lines, in Oniguruma
            return rf"(?<!.)(?={ANY})" if char == "^" else "(?!.)", 0, 0
        return ("\\" + char if char in "]}" else char), 1, 1

    def group(self) -> Node:
        """Parentheses; what they capture is never used."""
        opened = OPEN.match(self.text, self.at)
        if not opened:
            raise self.refuse(f"the group {self.text[self.at : self.at + 4]!r}")
        mark, start = opened.group(), opened.end()
        self.at, self.depth = start, self.depth + 1
        if self.depth > 50:
            raise self.refuse("more than 50 groups within each other")
        text, least, most = self.either()
        if not self.text.startswith(")", self.at):
            raise self.refuse("no closing parenthesis")
        inside = self.text[start : self.at]
        self.at, self.depth = self.at + 1, self.depth - 1
        if mark == "(?i:" and (
            not inside.isascii() or FOLDS_TWO.search(inside) or re.search(r"\\|\(|-", inside + text)
        ):
            raise self.refuse(f"(?i:{inside:.40}), whose other cases are not plain,")
        if mark in ("(?<=", "(?<!") and least != most:
            raise self.refuse("a look-behind of no one width")
        if mark in ("(?=", "(?!", "(?<=", "(?<!"):
            least, most = 0, 0
        return (mark if (mark[:2] == "(?" and mark[-1] in ":=!") or mark == "(?>" else "(?:") + text + ")", least, most

    def escape(self) -> Node:
        r"""A backslash outside of sets."""
        if self.text[self.at + 1 : self.at + 2] in ANCHORS:
            self.at += 2
            return ANCHORS[self.text[self.at - 1]], 0, 0
        inside, single = self.escaped(outside=True)
        return (inside if single else f"[{inside}]"), 1, 1


def translate(pattern: str) -> str:
    r"""The pattern with the same matches in Python; a second translation leaves it unchanged.

    >>> translate(r"\p{N}{1,3}+|[\p{L}&&[^\p{Han}]]+$")
    '(?:\\p{N}{1,3})+|(?:(?=[\\p{L}])(?:[^\\p{Han}]))+(?!.)'
    >>> translate("a++|(?>b)|(?R)")
    Traceback (most recent call last):
    ValueError: not a pattern that runs here as in Oniguruma: 'a++|(?>b)|(?R)' has the group '(?R)' at character 11
    """
    if len(pattern) > 20_000:
        raise ValueError(f"not a pattern that runs here: it has {len(pattern):,} characters, where 20,000 are the most")
    reader = Translator(pattern)
    text, least, _ = reader.either()
    if reader.at < len(pattern):
        raise reader.refuse("a closing parenthesis too many")
    if least == 0:
        raise reader.refuse("nothing that it must take, so that it fits everywhere,")
    return text


def same_in_both(pattern: str) -> bool:
    """Whether a pattern means in Oniguruma what it means in Python, so that a file can hold it.

    >>> same_in_both("a{2}|b"), same_in_both("a{2}+|b")
    (True, False)
    """
    try:
        return translate(pattern) == pattern
    except ValueError:
        return False

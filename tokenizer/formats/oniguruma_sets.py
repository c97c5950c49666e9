r"""Sets of characters in the regular expressions of a tokenizer.json: `[a[bc]&&\p{L}]`, `[[:alpha:]]`, `\w`."""

import re

# Properties whose members are the same in Oniguruma and in `regex`, as of Unicode 16: a test compares all code points.
NAMES = """
L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Cf Alphabetic Uppercase
Lowercase White_Space Han Hiragana Katakana Hangul Latin Cyrillic Greek Arabic Hebrew Thai Devanagari Armenian
Georgian Bengali Tamil Telugu Khmer Lao Myanmar Tibetan Ethiopic Mongolian Bopomofo Common Inherited
"""
PROPERTIES = frozenset(NAMES.split())
WORD = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"  # \w in a set
WORDS = WORD + "²³¹¼½¾"  # outside a set it has these too
POSIX = {
    "alpha": r"\p{Alphabetic}",
    "alnum": r"\p{Alphabetic}\p{Nd}",
    "digit": r"\d",
    "space": r"\s",
    "upper": r"\p{Uppercase}",
    "lower": r"\p{Lowercase}",
    "xdigit": "0-9a-fA-F",
}
ESCAPE = re.compile(
    r"\\(?:[pP]\{\^?[A-Za-z_]+\}|x[0-7][0-9A-Fa-f]|x\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|[^\w]|[A-Za-z])"
)
ANY = r"[\s\S]"


class Sets:
    """A pattern and the place up to which it has been read; reads escapes and sets.

    >>> Sets("[a[bc]]").set()
    '(?:(?:[a]|[bc]))'
    """

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def refuse(self, what: str) -> ValueError:
        """The error that names a construct and where it is.

        >>> Sets("a").refuse("x")
        ValueError("not a pattern that runs here as in Oniguruma: 'a' has x at character 1")
        """
        where = f"{self.text!r:.80} has {what} at character {self.at + 1}"
        return ValueError(f"not a pattern that runs here as in Oniguruma: {where}")

    def escaped(self, outside: bool = False) -> tuple[str, bool]:
        r"""An escape as written inside a set, and whether it may be used alone outside one."""
        found = ESCAPE.match(self.text, self.at)
        if not found:
            raise self.refuse(f"{self.text[self.at : self.at + 2]!r}")
        text, letter = found.group(), found.group()[1]
        if text in (r"\x", r"\u"):
            raise self.refuse(f"{text} without two digits below 80, or four, or some in braces")
        if letter in "pP":
            name = text[3:-1].removeprefix("^")
            if name not in PROPERTIES:
                raise self.refuse(f"the property {text}")
            if "^" in text:
                text = rf"\{'P' if letter == 'p' else 'p'}{{{name}}}"
        elif (letter == "x" and text[2:3] == "{") or letter == "u":
            code = int(text.strip("\\xu{}"), 16)
            if code > 0x10FFFF or 0xD800 <= code < 0xE000 or code < 0x80:
                raise self.refuse(text)
            text = chr(code)
        elif letter in "wWhH":
            members = (WORDS if outside else WORD) if letter in "wW" else "0-9a-fA-F"
            if letter in "WH" and not outside:
                raise self.refuse(f"{text} inside a set")
            self.at = found.end()
            return ("^" if letter in "WH" else "") + members, False
        elif letter == "e":
            text = r"\x1b"
        elif letter.isalpha() and letter not in "sSdDnrtfvax":
            raise self.refuse(text)
        self.at = found.end()
        return text, True

    def set(self) -> str:
        """A set in brackets: sets inside it are joined, `&&` intersects."""
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        operands: list[tuple[str, list[str]]] = [("", [])]
        while not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                raise self.refuse("no closing bracket")
            flat, nested = operands[-1]
            if self.text.startswith("&&", self.at):
                self.at += 2
                operands.append(("", []))
            elif self.text.startswith("[:", self.at):
                found = re.compile(r"\[:([a-z]+):\]").match(self.text, self.at)
                if not found or found[1] not in POSIX:
                    raise self.refuse(f"{self.text[self.at : self.at + 9]!r} in a set")
                self.at = found.end()
                operands[-1] = (flat + POSIX[found[1]], nested)
            elif self.text.startswith("[", self.at):
                nested.append(self.set())
            else:
                operands[-1] = (flat + self.member(), nested)
        if self.text[self.at - 1] == "[" or any(not flat and not nested for flat, nested in operands):
            raise self.refuse("an empty set")
        self.at += 1
        if len(operands) == 1 and not operands[0][1]:
            return f"[{'^' if negated else ''}{operands[0][0]}]"
        sets = ["|".join([f"[{flat}]"] * bool(flat) + nested) for flat, nested in operands]
        text = "".join(f"(?={one})" for one in sets[:-1]) + f"(?:{sets[-1]})"
        return f"(?:(?!{text}){ANY})" if negated else f"(?:{text})"

    def member(self) -> str:
        """A character, an escape or a range in a set."""
        first, plain = self.one()
        if not self.text.startswith("-", self.at) or self.text.startswith("-]", self.at):
            return first
        self.at += 1
        last, also = self.one()
        if not plain or not also or ord(first[-1]) > ord(last[-1]):
            raise self.refuse(f"the range {first}-{last}")
        return f"{first}-{last}"

    def one(self) -> tuple[str, bool]:
        """A character or escape in a set, and whether it may bound a range."""
        char = self.text[self.at : self.at + 1]
        if char == "\\":
            text, _ = self.escaped()
            return text, len(text) == 1 or (len(text) == 2 and not text[1].isalnum())
        if not char or char in "[]" or self.text.startswith(("--", "~~", "||"), self.at):
            raise self.refuse(f"{char!r} in a set")
        self.at += 1
        return char, char != "-"

"""Lesson 03: special tokens in a text.

Plain text gets the ids of its bytes here, so that the exercise is about nothing but the special tokens.
"""

import re

from minigpt.exercises.exercise import Case, Exercise, bug


def encode_special(text: str, allowed: list[str]) -> list[int]:
    """The ids of a text in which the allowed special tokens have their own ids; everything else is
    plain text.

    Plain text gets the ids of its bytes: list("hi".encode()) is [104, 105]. Special tokens that are
    not allowed are plain text, too. Where two fit at the same place, the longer one counts.
    encode_special("hi<|end|>", ["<|end|>"]) is [104, 105, 256].
    """
    special = {"<|end|>": 256, "<|user|>": 257, "<|end|><|user|>": 258, "<|bot|>": 259}
    # BEGIN SOLUTION
    names = sorted(allowed, key=len, reverse=True)
    any_name = "|".join(re.escape(name) for name in names) or "(?!)"
    ids: list[int] = []
    last = 0
    for match in re.finditer(any_name, text):
        ids += text[last : match.start()].encode()
        ids.append(special[match.group()])
        last = match.end()
    ids += text[last:].encode()
    return ids
    # END SOLUTION


END, USER, BOTH, BOT = "<|end|>", "<|user|>", "<|end|><|user|>", "<|bot|>"


def cases() -> list[Case]:
    """One token, none allowed, none there; inside a word, side by side, the longer of two, in either order; é; one that
    is not allowed alone, and with nothing but allowed ones around it."""
    some: tuple[tuple[str, list[str]], ...] = (
        ("<|end|>", [END]),
        ("hi", [END]),
        ("", [BOT]),
        ("<|user|>", [END]),
        ("a <|end|> b", [END]),
        ("a <|end|> b", []),
        ("a<|bot|>b", [BOT]),
        ("<|user|>é<|bot|>", [USER]),
        ("<|bot|> <|bot|>x", [BOT]),
        ("<|user|> hi  you \n<|bot|>", [BOT, USER]),
        ("a<|end|><|user|>b", [END, BOTH, USER]),
        ("<|end|><|user|>", [BOTH, END]),
        ("<|end|><|bot|><|end|>", [END]),
        ("<|end|><|user|> 日 <|end|>", [END, USER]),
        ("<|end|><|user|><|end|> <|END|> <|end", [BOT, USER, END, BOTH]),
    )
    return [Case(pair) for pair in some]


NAMES = "names = sorted(allowed, key=len, reverse=True)"
FIT = '"|".join(re.escape(name) for name in names)'
BEFORE = "ids += text[last : match.start()].encode()"
TAIL = "ids += text[last:].encode()"
OWN = "ids.append(special[match.group()])"
LOOKED_UP = "[special[{0}]] if {0} in special else {0}.encode()"  # in `special`, where `allowed` is meant
REFUSE = "if any(name in text for name in special if name not in allowed):\n        raise ValueError"
LOOP = "in re.finditer(any_name, text):"

EXERCISE = Exercise(
    lesson="03",
    part=encode_special,
    make_cases=cases,
    hints=(
        "Find the allowed names in the text; between them is plain text. What is before the first, behind the last?",
        "A pattern of names joined by | takes the first that fits: put the longer ones first, and re.escape each.",
        'for match in re.finditer("|".join(…), text): the bytes of text[last : match.start()], the id of the name, '
        "last = match.end(); behind the loop the bytes of text[last:]. With no names the pattern must fit nothing.",
    ),
    bugs=(
        bug(
            *("always", "gives every special token its id, allowed or not"),
            *(NAMES, "names = sorted(special, key=len, reverse=True)"),
        ),
        bug(
            *("never", "takes special tokens for plain text even where they are allowed"),
            *(NAMES, "names = []", TAIL, "ids += text.encode()"),
        ),
        bug(
            *(
                "looked_up_anyway",
                "gives a special token that is not allowed its id where no plain text stands beside it",
            ),
            *(
                BEFORE,
                BEFORE.replace("text[last : match.start()].encode()", LOOKED_UP.format("text[last : match.start()]")),
            ),
            *(TAIL, TAIL.replace("text[last:].encode()", LOOKED_UP.format("text[last:]"))),
        ),
        bug(
            *("all_if_empty", "takes an empty list for all special tokens"),
            *(NAMES, "names = sorted(allowed or special, key=len, reverse=True)"),
        ),
        bug("first_name_only", "looks for the first of the allowed names alone", NAMES, "names = allowed[:1]"),
        bug(
            *("inside_word", "finds a special token only where white space stands around it"),
            *(FIT, r'"|".join(rf"(?<!\S){re.escape(name)}(?!\S)" for name in names)'),
        ),
        bug(
            *("overlapping_short_first", "takes the shorter of two special tokens that fit at the same place"),
            *(NAMES, "names = sorted(allowed, key=len)"),
        ),
        bug(
            *("in_order_given", "takes, of two that fit, the one that comes first in the list, not the longer one"),
            *(NAMES, "names = allowed"),
        ),
        bug(
            *("raises", "raises an error where a special token is not allowed, instead of taking it for plain text"),
            *(NAMES, f"{NAMES}\n    {REFUSE}"),
        ),
        bug(
            "first_only",
            "finds the first special token of a text alone",
            LOOP,
            "in list(re.finditer(any_name, text))[:1]:",
        ),
        bug("no_tail", "loses the text behind the last special token", TAIL, ""),
        bug("text_lost", "loses the text before a special token", BEFORE, ""),
        bug(
            *("text_repeated", "repeats what comes before: it begins each piece of text at 0"),
            *("text[last : match.start()]", "text[: match.start()]"),
        ),
        bug("special_lost", "leaves special tokens out", OWN, ""),
        bug(
            "special_kept",
            "keeps the text of a special token beside its id",
            OWN,
            f"ids += match.group().encode(); {OWN}",
        ),
        bug(
            *("stripped", "takes the white space off the text beside a special token"),
            *("text[last : match.start()]", "text[last : match.start()].strip()", "text[last:]", "text[last:].strip()"),
        ),
        bug(
            *("code_points", "gives code points, not bytes: é is one of these, but two bytes"),
            *(BEFORE, "ids += map(ord, text[last : match.start()])", "text[last:].encode()", "map(ord, text[last:])"),
        ),
        bug(
            "ignores_case",
            "takes capitals for small letters",
            "in re.finditer(any_name, text):",
            "in re.finditer(any_name, text.lower()):",
        ),
    ),
)

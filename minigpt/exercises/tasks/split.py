"""Lesson 03: the cuts before any merge.

With `regex` or with `re`: what is compared are letters, numbers and white space that both know. A list is asked for,
and together its pieces are the text.
"""

from collections.abc import Callable
from typing import Any

import regex

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def split(text: str, pattern: str) -> list[str]:
    r"""The pieces of a text as "gpt2" or as "cl100k_base" cuts it: the first rule that fits takes
    all it can.

    "gpt2": 's 't 'd 'm 'll 've 're
      letters, with one space before them (where there is one)
      numbers, likewise
      anything else but white space, likewise
      white space, but for its last character where something follows
      white space
    "cl100k_base": the first, small or capital
      letters, with any character before them (where there is one) but letters, numbers, \r and \n
      one to three numbers
      the fourth, with the line ends behind them (where there are)
      line ends, with the white space before and between them
      the last two

    split("We'll see", "gpt2") is ["We", "'ll", " see"]; the classes of regex are \p{L}, \p{N} and \s.
    """
    # BEGIN SOLUTION
    if pattern == "gpt2":
        rules = [
            r"'(?:[sdmt]|ll|ve|re)",
            r" ?\p{L}+",
            r" ?\p{N}+",
            r" ?[^\s\p{L}\p{N}]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    else:
        rules = [
            r"(?i:'s|'t|'d|'m|'ll|'ve|'re)",
            r"[^\r\n\p{L}\p{N}]?\p{L}+",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    pieces: list[str] = regex.findall("|".join(rules), text)
    return pieces
    # END SOLUTION


def acts(writer: Any, part: Callable[[str, str], list[str]]) -> None:
    """The prompt is cut by the learner's rules, and each piece is encoded."""
    writer.encode = lambda text: [id for piece in part(text, "gpt2") for id in writer.tokenizer.encode(piece)]


def cases() -> list[Case]:
    """Contractions, spaces, numbers, line ends, white space, letters beyond ASCII, no text; then a real one."""
    texts = (
        *("We'll see", "IT'S", "he'd 'tis", "'tis", "'Twas", "we'llgo", "a b", "a  b", " 12345", "in 1234,5", "x!\n"),
        *("a\nb", "hi!?\n\n\nyes", "a\n  b", "a\n\n  b", "1\t!\t2\n3", "(word", "\ta\r\nb \n", "a  \nb", "a!\r\nb"),
        *("a\rb", "2½", "GPT2345 4all", "snake_case_1"),
        *("naïve 漢字 ٣", "", " ", "end  ", "I'VE   '2' ... ?!", material.TEXTS[1]),
    )
    return [Case((text, pattern)) for text in texts for pattern in ("gpt2", "cl100k_base")]


FIND = 'regex.findall("|".join(rules), text)'
RULES = '"|".join(rules)'
RETURN = "return pieces"
INSIDE = r""""|".join(["'([sdmt]|ll|ve|re)" if pattern == "gpt2" else "(?i:'([sdmt]|ll|ve|re))", *rules[1:]])"""

WORD, CL_WORD = r'r" ?\p{L}+"', r"[^\r\n\p{L}\p{N}]?\p{L}+"
NUMBER, CL_NUMBER = r'r" ?\p{N}+"', r"\p{N}{1,3}"
OTHER, CL_OTHER = r'r" ?[^\s\p{L}\p{N}]+",', r" ?[^\s\p{L}\p{N}]+[\r\n]*"
ENDING, CL_ENDING = r"'(?:[sdmt]|ll|ve|re)", r"(?i:'s|'t|'d|'m|'ll|'ve|'re)"

EXERCISE = Exercise(
    lesson="03",
    part=split,
    make_cases=cases,
    acts=acts,
    hints=(
        "Write each rule as a pattern, and put | between them: what stands first wins. findall does the rest.",
        r"A space that may be there is ' ?'; letters \p{L}+; none of the three [^\s\p{L}\p{N}]+; "
        r"one to three {1,3}; capitals, too (?i:…).",
        r"gpt2: '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+. "
        r"cl100k_base has [^\r\n\p{L}\p{N}]?\p{L}+, \p{N}{1,3}, …[\r\n]*, \s*[\r\n]+.",
    ),
    bugs=(
        bug("strip", "takes the white space off the pieces", FIND, f"[piece.strip() for piece in {FIND}]"),
        bug(
            *("white_space_lost", "loses the pieces that are nothing but white space"),
            *(RETURN, "return [piece for piece in pieces if piece.strip()]"),
        ),
        bug("by_white_space", "cuts at white space, and loses it, whatever the pattern", RETURN, "return text.split()"),
        bug(
            *("no_leading_space", "does not take the space before a word, a number or a mark into its piece"),
            *(WORD, r'r"\p{L}+"', NUMBER, r'r"\p{N}+"', OTHER, OTHER.replace(" ?", "")),
            *(CL_WORD, r"\p{L}+", CL_OTHER, CL_OTHER.replace(" ?", "")),
        ),
        bug(
            *("space_only", "takes nothing but a space before a word, where cl100k_base takes any one character"),
            *(CL_WORD, r" ?\p{L}+"),
        ),
        bug(
            *("newline_in_word", "takes a line end before a word into it, where cl100k_base takes any other character"),
            *(CL_WORD, r"[^\p{L}\p{N}]?\p{L}+"),
        ),
        bug("number_space", "takes a space before a number, where cl100k_base takes none", CL_NUMBER, r" ?\p{N}{1,3}"),
        bug(
            *("contractions_upper", "cuts off 'S and 'LL in capitals, where gpt2 knows small ones alone"),
            *(ENDING, r"(?i:'(?:[sdmt]|ll|ve|re))"),
        ),
        bug(
            *("contractions_lower", "leaves out 'S and 'LL in capitals, which cl100k_base knows"),
            *(CL_ENDING, CL_ENDING.replace("?i:", "?:")),
        ),
        bug("no_contractions", "does not know 's and 'll", RULES, '"|".join(rules[1:])'),
        bug(
            "captured",
            "gives what stands in parentheses alone, which findall does: write (?:…)",
            RULES,
            '"|".join([f"({rules[0]})", *rules[1:]])',
        ),
        bug("captured_ending", "gives the s of 's alone, what findall has in parentheses: write (?:…)", RULES, INSIDE),
        bug(
            *(
                "captured_line_ends",
                "gives of each piece its (…) alone, a line end or nothing, as findall does: write [\\r\\n]*",
            ),
            *(CL_OTHER, CL_OTHER.replace(r"[\r\n]*", r"(\r|\n)*")),
        ),
        bug(
            *(
                "captured_line_end",
                "gives of each piece its (…) alone, the last line end or nothing, as findall does: write [\\r\\n]+",
            ),
            *(r'r"\s*[\r\n]+"', r'r"\s*(\r|\n)+"'),
        ),
        bug("digits_joined", "keeps numbers whole, where cl100k_base cuts them into threes", CL_NUMBER, r"\p{N}+"),
        bug("digits_single", "cuts numbers into single digits, where cl100k_base takes three", CL_NUMBER, r"\p{N}"),
        bug("digits_by_three", "cuts numbers into threes, where gpt2 keeps them whole", NUMBER, r'r" ?\p{N}{1,3}"'),
        bug(
            *("newline_joined", "joins line ends with the white space behind them, where cl100k_base cuts"),
            *(r'r"\s*[\r\n]+",', ""),
        ),
        bug(
            *("space_cut_off", "cuts white space off the line ends behind it, where cl100k_base keeps them together"),
            *(r'r"\s*[\r\n]+"', r'r"[\r\n]+"'),
        ),
        bug(
            *("newline_only", "takes \\n alone for a line end, where cl100k_base has \\r, too"),
            *(CL_WORD, CL_WORD.replace(r"\r", ""), CL_OTHER, CL_OTHER.replace(r"\r", "")),
            *(r'r"\s*[\r\n]+"', r'r"\s*\n+"'),
        ),
        bug(
            *("digits_only", "takes digits alone for numbers, as \\d does: \\p{N} has ½, too"),
            *(RULES, RULES + r'.replace(r"\p{N}", r"\d")'),
        ),
        bug(
            *("newline_cut_off", "cuts line ends off the marks before them, where cl100k_base keeps them together"),
            *(CL_OTHER, CL_OTHER.replace(r"[\r\n]*", "")),
        ),
        bug(
            *(
                "line_end_needed",
                "asks for a line end behind marks, so that it loses those without: [\\r\\n]* takes none, too",
            ),
            *(CL_OTHER, CL_OTHER.replace("*", "+")),
        ),
        bug(
            *("line_end_single", "takes one line end behind marks, where cl100k_base takes all of them"),
            *(CL_OTHER, CL_OTHER.replace("*", "?")),
        ),
        bug(
            *("no_lookahead", "keeps white space whole: its last character belongs to what follows"),
            *(RULES, '"|".join(rule for rule in rules if "(?!" not in rule)'),
        ),
        bug("always_gpt2", "cuts as gpt2 does, whatever pattern says", 'pattern == "gpt2"', "pattern"),
        bug("always_cl100k", "cuts as cl100k_base does, whatever pattern says", 'pattern == "gpt2"', "not pattern"),
        bug("patterns_swapped", "has the two patterns swapped", 'pattern == "gpt2"', 'pattern != "gpt2"'),
        bug(
            *("ascii_letters", "knows no letters but a to z, so that é counts as a mark"),
            *(RULES, RULES + r'.replace(r"\p{L}", "a-zA-Z").replace("a-zA-Z+", "[a-zA-Z]+")'),
        ),
        bug(
            *("underscore", "takes the underscore for a letter, as \\w does"),
            *(RULES, RULES + r'.replace(r"\p{L}", r"\p{L}_").replace(r"?\p{L}_+", r"?[\p{L}_]+")'),
        ),
    ),
)

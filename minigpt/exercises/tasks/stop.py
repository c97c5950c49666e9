"""Lesson 11: where an answer ends."""

from minigpt.exercises.exercise import Case, Exercise, bug


def stop(tokens: list[str], stops: list[str]) -> tuple[str, bool]:
    """What may be shown of a text that is still being written, and whether it has ended; tokens are
    its texts so far.

    It ends before the first place where one of the stop strings stands. Until then everything is
    shown but an end that may be the beginning of a stop string: with the stop string "END",
    of "the E" only "the ".
    """
    # BEGIN SOLUTION
    text = "".join(tokens)
    cuts = [text.find(s) for s in stops if s in text]
    if cuts:
        return text[: min(cuts)], True
    held = [n for s in stops for n in range(1, len(s)) if text.endswith(s[:n])]
    return text[: len(text) - max(held, default=0)], False
    # END SOLUTION


def cases() -> list[Case]:
    """Texts as they grow: stop strings within a token, over several, twice, within another; mere beginnings of them.

    None ends with a stop string that is hidden from who looks at tokens alone: some would hold it back, some not.
    """
    given = [
        *(([], ["b"]), (["a"], ["b"]), (["b"], ["b"]), (["a", "b"], ["b"]), (["abc"], ["b"])),
        *((["a", "b", "c"], ["b"]), (["an", " E"], ["END"]), (["an", " E", "N", "ergy"], ["END"]), (["a"], [])),
        *((["an", " E", "N", "D."], ["END"]), (["an", " E", "ND", " and"], ["END"]), (["so", " END"], ["END", "so"])),
        *((["one\n", "two", "\n\n", "three\n\n"], ["\n\n"]), (["one\n"], ["\n\n"]), (["the", " end"], ["END"])),
        *(
            (["ab", "cb", "d"], ["b"]),
            (["x", "aa"], ["aab"]),
            (["x", "aab"], ["aab"]),
            (["wo", "rd.", " User", ":", " Hi"], ["Q:", "User:"]),
        ),
        *((["wo", "rd.", " Us"], ["Q:", "User:"]), (["Q", ":", "a"], ["User:", "Q:"]), ([" a ", " b "], ["c", "dd"])),
        *(
            (["User", ": Q: "], ["Q:", "User:"]),
            (["a bo", "nd"], ["and"]),
            (["x", "aa"], ["ab", "aab"]),
            (["x", "aa"], ["aab", "ab"]),
            (["Hi there", ". You? "], ["?", "."]),
            (["no", " Qu"], ["Quit", "Q:", "User:"]),
            (["ab", "cX", "Yd"], ["XY"]),
        ),
    ]
    return [Case((list(tokens), list(stops))) for tokens, stops in given]


CUTS, FOUND = "[text.find(s) for s in stops if s in text]", "text[: min(cuts)], True"
HELD, SHOWN = "[n for s in stops for n in range(1, len(s)) if text.endswith(s[:n])]", "max(held, default=0)"
WHOLE_TOKENS = """"".join(t for i, t in enumerate(tokens) if len("".join(tokens[: i + 1])) <= min(cuts)), True"""

EXERCISE = Exercise(
    lesson="11",
    part=stop,
    make_cases=cases,
    hints=(
        "A stop string may be spread over several tokens: join them first. Where does it stand?",
        "No stop string yet? The text may still end with the beginning of one: hold that back until it is decided.",
        "text[: min(text.find(s) …)], True; else hold back the largest n with text.endswith(s[:n]), n below len(s).",
    ),
    bugs=(
        bug(
            *("late", "shows the stop string, too"),
            *(CUTS, "[text.find(s) + len(s) for s in stops if s in text]"),
        ),
        bug(
            *("drops_stop_twice", "takes off as many characters again as the stop string has"),
            *(CUTS, "[max(0, text.find(s) - len(s)) for s in stops if s in text]"),
        ),
        bug("prefix_shown", "shows what may be the beginning of a stop string", SHOWN, "0"),
        bug("half_word", "drops the whole token in which the stop string begins", FOUND, WHOLE_TOKENS),
        bug(
            *(
                "ids_not_text",
                "compares token by token: a stop string that is spread over two, or part of one, is not seen",
            ),
            *(CUTS, CUTS.replace("s in text]", "s in tokens]")),
        ),
        bug(
            *("one_token", "looks into each token alone: a stop string that is spread over two is not seen"),
            *(CUTS, CUTS.replace("s in text]", "any(s in t for t in tokens)]")),
        ),
        bug(
            *("newest_token", "looks into the newest token alone"),
            *(CUTS, CUTS.replace("s in text]", "s in ''.join(tokens[-1:])]")),
        ),
        bug(
            *("ends_only", "looks at the end of the text alone: what comes with the stop string hides it"),
            *(CUTS, "[len(text) - len(s) for s in stops if text.endswith(s)]"),
        ),
        bug("first_listed", "cuts at the first stop string of the list, not of the text", "min(cuts)", "cuts[0]"),
        bug("last_place", "cuts at the last stop string of the text", "min(cuts)", "max(text.rfind(s) for s in stops)"),
        bug(
            *("rfind", "takes the last place of a stop string, where it stands twice, not its first"),
            *(CUTS, CUTS.replace("find", "rfind")),
        ),
        bug(
            *("minus_one", "takes -1, which find gives where there is nothing, for a place"),
            *(CUTS, "[text.find(s) for s in stops]"),
        ),
        bug(
            "one_stop",
            "looks at the first stop string of the list alone",
            'text = "".join(tokens)',
            'text, stops = "".join(tokens), stops[:1]',
        ),
        bug(
            *("holds_too_much", "holds back as much as the longest stop string less one, whatever it is"),
            *(HELD, "[min(len(text), len(s) - 1) for s in stops]"),
        ),
        bug("holds_one", "holds back one character at most", "range(1, len(s))", "range(1, min(2, len(s)))"),
        bug(
            "holds_shortest",
            "holds back the shortest beginning, where a longer one may go on",
            SHOWN,
            "min(held, default=0)",
        ),
        bug(
            *("holds_first", "holds back the beginning of the first stop string that fits: another's may be longer"),
            *(SHOWN, "next((n for s in stops for n in range(len(s) - 1, 0, -1) if text.endswith(s[:n])), 0)"),
        ),
        bug(
            *("holds_middle", "holds back what stands anywhere in a stop string, not just its beginning"),
            *("text.endswith(s[:n])", "text[-n:] in s"),
        ),
        bug(
            *("held_anywhere", "holds back as many characters as a beginning has that stands anywhere in the text"),
            *("text.endswith(s[:n])", "s[:n] in text"),
        ),
        bug(
            *("minus_zero", "shows nothing where nothing is held back: text[:-0] is empty"),
            *("len(text) - max(held", "-max(held"),
        ),
        bug("flag_missing", "returns the text alone, not whether it has ended", FOUND, FOUND[:-6], "], False", "]"),
        bug("holds_all", "shows nothing as long as a beginning waits", SHOWN, "(len(text) if held else 0)"),
        bug("never_ends", "never says that the text has ended", FOUND, FOUND.replace("True", "False")),
        bug(
            "prefix_ends",
            "ends at what may be the beginning of a stop string",
            SHOWN + "], False",
            SHOWN + "], bool(held)",
        ),
        bug(
            "ignores_case",
            "takes small letters for capitals",
            CUTS,
            "[text.lower().find(s.lower()) for s in stops if s.lower() in text.lower()]",
        ),
        bug("blanks", "joins the tokens with blanks, which they have already", '"".join(tokens)', '" ".join(tokens)'),
        bug("strips", "takes the blanks away from the ends of the text", '"".join(tokens)', '"".join(tokens).strip()'),
        bug("empties", "shows nothing once the text has ended", FOUND, '"", True'),
    ),
)

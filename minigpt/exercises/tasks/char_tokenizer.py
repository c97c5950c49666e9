"""Lesson 01: characters as ids.

What counts is what encode and decode give; how the vocabulary is kept is free.
"""

from string import ascii_lowercase, ascii_uppercase
from typing import Any

from minigpt.exercises.exercise import Case, Exercise, bug


class CharTokenizer:
    """Characters as ids: [PAD] is 0, [UNK] is 1, then come a to z and A to Z, 54 in all.

    CharTokenizer().encode("Hello") is [35, 6, 13, 13, 16]; every other character is [UNK].
    decode([35, 10, 1, 0]) is "Hi[UNK]", without [PAD].
    """

    def __init__(self) -> None:
        # BEGIN SOLUTION
        letters = ascii_lowercase + ascii_uppercase
        self.vocab = ["[PAD]", "[UNK]", *letters]
        self.ids = {char: i for i, char in enumerate(self.vocab)}
        # END SOLUTION

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        # BEGIN SOLUTION
        return [self.ids.get(char, self.ids["[UNK]"]) for char in text]
        # END SOLUTION

    def decode(self, ids: list[int]) -> str:
        """The text of some ids."""
        # BEGIN SOLUTION
        chars = [self.vocab[i] for i in ids]
        return "".join(char for char in chars if char != "[PAD]")
        # END SOLUTION


def cases() -> list[Case]:
    """The ends of the alphabet, then words, spaces, what is no letter; the same the other way round."""
    texts = ("b", "Z", "", "Hello", "aZ zA", "a fox", "naïve, 2+2", "  Tab\tand\nline ")
    ids: tuple[list[int], ...] = ([3], [53], [], [35, 6, 13, 13, 16], [35, 10, 1, 0], [0, 2, 0, 27, 28, 1, 1], [0, 0])
    return [*(Case(("encode", text)) for text in texts), *(Case(("decode", some)) for some in ids)]


def use(part: Any, method: str, arg: Any) -> Any:
    """One call of encode or decode."""
    return getattr(part(), method)(arg)


IDS = 'self.ids.get(char, self.ids["[UNK]"]) for char in text'
LETTERS = "letters = ascii_lowercase + ascii_uppercase"
VOCAB = '["[PAD]", "[UNK]", *letters]'
CHARS = "chars = [self.vocab[i] for i in ids]"
SHOWN = 'if char != "[PAD]"'

EXERCISE = Exercise(
    lesson="01",
    part=CharTokenizer,
    make_cases=cases,
    use=use,
    hints=(
        "The vocabulary is a list: the two special tokens, then the letters. A character's id is its place in it.",
        "A dict from characters to ids makes encode one line; dict.get(char, …) says what an unknown character gets.",
        'vocab = ["[PAD]", "[UNK]", *ascii_letters]; ids.get(char, 1); "".join(vocab[i] for i in ids if i != 0).',
    ),
    bugs=(
        bug(
            *("starts_at_0", "counts the letters from 0 when it encodes: 0 and 1 are [PAD] and [UNK]"),
            *("enumerate(self.vocab)}", 'enumerate(letters)} | {"[UNK]": 1}'),
        ),
        bug(
            *("decode_from_0", "counts the letters from 0 when it decodes: 0 and 1 are [PAD] and [UNK]"),
            *(CHARS, "chars = [self.vocab[i + 2] for i in ids if i != 0]"),
        ),
        bug("order_upper_first", "puts A to Z before a to z", LETTERS, "letters = ascii_uppercase + ascii_lowercase"),
        bug(
            *("letters_interleaved", "puts each capital beside its small letter"),
            *(LETTERS, 'letters = "".join(a + b for a, b in zip(ascii_lowercase, ascii_uppercase))'),
        ),
        bug("pad_unk_swapped", "has [PAD] and [UNK] swapped", '"[PAD]", "[UNK]",', '"[UNK]", "[PAD]",'),
        bug("specials_last", "puts [PAD] and [UNK] behind the letters", VOCAB, '[*letters, "[PAD]", "[UNK]"]'),
        bug(
            *("one_string", "has each character of [PAD] and [UNK] in its vocabulary: begin a list with the two"),
            *(VOCAB, '"[PAD][UNK]" + letters', 'self.ids["[UNK]"]', "1", "for i in ids]", "for i in ids if i != 0]"),
        ),
        bug("no_capitals", "knows no capital letters", LETTERS, "letters = ascii_lowercase"),
        bug("lower", "lowers the text, which loses the capitals", "in text]", "in text.lower()]"),
        bug("space_known", "has the space among its letters", LETTERS, f'{LETTERS} + " "'),
        bug(
            *("unk_raises", "raises an error for a character that it does not know"),
            *(IDS, "self.ids[char] for char in text"),
        ),
        bug(
            *("unk_dropped", "drops a character that it does not know, where it should say [UNK]"),
            *(IDS, "self.ids[char] for char in text if char in self.ids"),
        ),
        bug("unk_to_pad", "gives a character that it does not know the id of [PAD]", 'self.ids["[UNK]"]', "0"),
        bug("space_lost", "drops the white space of a text", "in text]", 'in "".join(text.split())]'),
        bug(
            "words",
            "looks up the words of the text, not its characters",
            "in text]",
            "in text.split()]",
        ),
        bug("join_with_space", "decodes with a space between the characters", '"".join', '" ".join'),
        bug("pad_kept", "keeps [PAD] in the decoded text", SHOWN, ""),
        bug("unk_left_out", "leaves [UNK] out of the decoded text", SHOWN, 'if char not in ("[PAD]", "[UNK]")'),
        bug("decode_list", "decodes to a list of characters, not to a text", '"".join', "list"),
        bug(
            *("ids_from_1", "counts ids from 1, where [PAD] should be 0"),
            *("enumerate(self.vocab)}", "enumerate(self.vocab, 1)}"),
            *(CHARS, "chars = [dict(enumerate(self.vocab, 1))[i] for i in ids]"),
        ),
        bug(
            *("encode_from_1", "counts ids from 1 when it encodes, from 0 when it decodes"),
            *("enumerate(self.vocab)}", "enumerate(self.vocab, 1)}"),
        ),
    ),
)

"""Lesson 01: words as ids.

What counts is what encode and decode give; how the vocabulary is kept is free. Words in the order in which they first
appear are one bug; those in any other order but the alphabetical are another, whichever order it is, since that of a
set changes from run to run.
"""

from typing import Any

from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.exercises.outcomes import Reordered


class WordTokenizer:
    """Words between white space, in lower case, as ids: [PAD] is 0, [UNK] is 1, then the corpus's
    words, sorted.

    With tok = WordTokenizer(["The cat", "a dog"]): tok.encode("The dog barks") is [5, 4, 1], with 1
    for the word that is not in the corpus, and tok.decode([5, 4, 1, 0]) is "the dog [UNK]", without
    [PAD].
    """

    def __init__(self, corpus: list[str]) -> None:
        # BEGIN SOLUTION
        words: set[str] = set()
        for text in corpus:
            words.update(text.lower().split())
        self.vocab = ["[PAD]", "[UNK]", *sorted(words)]
        self.ids = {word: i for i, word in enumerate(self.vocab)}
        # END SOLUTION

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        # BEGIN SOLUTION
        words = text.lower().split()
        return [self.ids.get(word, self.ids["[UNK]"]) for word in words]
        # END SOLUTION

    def decode(self, ids: list[int]) -> str:
        """The text of some ids."""
        # BEGIN SOLUTION
        words = [self.vocab[i] for i in ids]
        return " ".join(word for word in words if word != "[PAD]")
        # END SOLUTION


CORPUS = [
    "The quick brown fox jumps over the lazy dog",
    "Tokenization converts text to numbers",
    "Large language models predict the next token",
]
ODD = ["b  A", *CORPUS, "\tc a\n"]
CALLS: tuple[tuple[str, Any], ...] = (
    *(("encode", "brown fox"), ("encode", "The brown unicorn jumps"), ("encode", ""), ("encode", "TEXT  to\nnumbers ")),
    *(("decode", [2, 1, 0, 5]), ("decode", [17, 2, 1, 6]), ("decode", [16, 0, 0]), ("decode", [0, 9, 0, 11, 20])),
    *(("decode", []), ("encode", "[PAD] the dog, fox")),
)


def cases() -> list[Case]:
    """A corpus of one word, then that of the source notebook, then one with odd white space."""
    few = [Case((["low"], "encode", "low")), Case((["low"], "encode", "high"))]
    return [
        *few,
        *(Case((CORPUS, *call)) for call in CALLS),
        Case((ODD, "encode", "a b c")),
        Case((ODD, "decode", [2])),
    ]


def use(part: Any, corpus: list[str], method: str, arg: Any) -> Any:
    """One call of encode or decode; where the words stand in another order, with their ids in the right one."""
    tok = part(corpus)
    words = sorted({word for text in corpus for word in text.lower().split()})
    try:
        own = [tok.decode([i]) for i in range(2, 2 + len(words))]
        known = sorted(own) == words != own
    except Exception:  # the call below shows what is wrong
        known = False
    if not known:
        return getattr(tok, method)(arg)
    right = {i: 2 + words.index(word) for i, word in enumerate(own, 2)}
    back = {new: i for i, new in right.items()}
    given = arg if method == "encode" else [back.get(i, i) for i in arg]
    found = getattr(tok, method)(given)
    order = "as they appear" if all(as_they_appear(part, one) for one in (corpus, ODD)) else "another"
    return Reordered(found, order=order, sorted=[right.get(i, i) for i in found] if method == "encode" else found)


def as_they_appear(part: Any, corpus: list[str]) -> bool:
    """Whether a tokenizer has the words of a corpus in the order in which they first appear."""
    words = list(dict.fromkeys(word for text in corpus for word in text.lower().split()))
    try:
        tok = part(corpus)
        return [tok.decode([i]) for i in range(2, 2 + len(words))] == words
    except Exception:
        return False


ORDERED = """class Ordered(dict):
            def update(self, new):
                super().update(dict.fromkeys(new))
        words = Ordered()"""
CORPUS_WORDS = "words.update(text.lower().split())"
WORDS = "words = text.lower().split()"
VOCAB = '["[PAD]", "[UNK]", *sorted(words)]'
IDS = 'self.ids.get(word, self.ids["[UNK]"]) for word in words'
SHOWN = 'if word != "[PAD]"'

EXERCISE = Exercise(
    lesson="01",
    part=WordTokenizer,
    make_cases=cases,
    use=use,
    hints=(
        "Collect the words of all texts, each once, and sort them behind [PAD] and [UNK]; a word's id is its place.",
        "text.lower().split() in both places. A dict from words to ids; its get says what an unknown word gets.",
        'vocab = ["[PAD]", "[UNK]"] + sorted(words); encode: ids.get(word, 1); decode: " ".join, leaving [PAD] out.',
    ),
    bugs=(
        bug("lower_missing", "does not lower the text that it encodes", WORDS, "words = text.split()"),
        bug("corpus_not_lowered", "does not lower the corpus", CORPUS_WORDS, "words.update(text.split())"),
        bug(
            *(
                "order_of_appearance",
                "has its words in the order in which they first appear, not in alphabetical order",
            ),
            *("words: set[str] = set()", ORDERED, "*sorted(words)", "*words"),
        ),
        bug(
            *(
                "set_unsorted",
                "does not put its words in alphabetical order: where a set gives them, it changes from run to run",
            ),
            *("*sorted(words)", "*words"),
        ),
        bug("pad_unk_swapped", "has [PAD] and [UNK] swapped", '"[PAD]", "[UNK]",', '"[UNK]", "[PAD]",'),
        bug("specials_last", "puts [PAD] and [UNK] behind the words", VOCAB, '[*sorted(words), "[PAD]", "[UNK]"]'),
        bug("unk_raises", "raises an error for a word that it does not know", IDS, "self.ids[word] for word in words"),
        bug(
            *("unk_dropped", "drops a word that it does not know, where it should say [UNK]"),
            *(IDS, "self.ids[word] for word in words if word in self.ids"),
        ),
        bug("unk_to_pad", "gives a word that it does not know the id of [PAD]", 'self.ids["[UNK]"]', "0"),
        bug("pad_kept_in_decode", "keeps [PAD] in the decoded text", SHOWN, ""),
        bug("unk_left_out", "leaves [UNK] out of the decoded text", SHOWN, 'if word not in ("[PAD]", "[UNK]")'),
        bug("no_space", "decodes without spaces between the words", '" ".join', '"".join'),
        bug("decode_list", "decodes to a list of words, not to a text", '" ".join', "list"),
        bug(
            *(
                "split_on_space",
                'cuts the text at each single space: split(" ") gives empty words, and keeps line ends',
            ),
            *(WORDS, 'words = text.lower().split(" ")'),
        ),
        bug(
            *("corpus_on_space", 'cuts the corpus at each single space: split(" ") gives empty words, too'),
            *(CORPUS_WORDS, 'words.update(text.lower().split(" "))'),
        ),
        bug("last_text_only", "knows the words of the last text alone", "words.update(", "words = set("),
        bug("first_text_only", "knows the words of the first text alone", "in corpus:", "in corpus[:1]:"),
        bug(
            "corpus_of_chars", "takes the corpus's characters for its words", CORPUS_WORDS, "words.update(text.lower())"
        ),
        bug("text_of_chars", "looks up the characters of the text, not its words", WORDS, "words = list(text.lower())"),
        bug(
            *("repeats_kept", "keeps a word once for each time it occurs, so that later words get too large ids"),
            *("words: set[str] = set()", "words = []", "words.update", "words.extend"),
        ),
        bug(
            *("repeats_first", "keeps a word once for each time it occurs, and gives each the id of its first time"),
            *("words: set[str] = set()", "words = []", "words.update", "words.extend"),
            *("word: i for i, word in enumerate(self.vocab)", "word: self.vocab.index(word) for word in self.vocab"),
        ),
        bug(
            *("repeats_gaps", "counts a word once for each time it occurs, so that some ids have no word"),
            *("words: set[str] = set()", "words = []", "words.update", "words.extend"),
            *("[self.vocab[i] for i in ids]", "[{i: word for word, i in self.ids.items()}[i] for i in ids]"),
        ),
        bug(
            *("ids_from_1", "counts ids from 1, where [PAD] should be 0"),
            *("enumerate(self.vocab)", "enumerate(self.vocab, 1)"),
            *("[self.vocab[i] for i in ids]", "[dict(enumerate(self.vocab, 1))[i] for i in ids]"),
        ),
        bug(
            *("encode_from_1", "counts ids from 1 when it encodes, from 0 when it decodes"),
            *("enumerate(self.vocab)", "enumerate(self.vocab, 1)"),
        ),
    ),
)

"""Answers to the exercises of lesson 01 as learners write them: right in several styles, and what goes wrong in each.

A style is a whole answer; its bugs are changes of it, so that each bug of a bank is met in code unlike the solution's.
"""

from typing import NamedTuple

Edits = tuple[str, ...]  # what stands in the source, once, and what stands there instead, in turn


class Style(NamedTuple):
    """A right answer from scratch; its bugs by the bank's names, and others, with the name that may be given if any."""

    exercise: str
    source: str
    bugs: dict[str, Edits] = {}  # noqa: RUF012
    outside: dict[str, Edits] = {}  # noqa: RUF012


class Wrong(NamedTuple):
    """A wrong answer from scratch, and its name; None for one that the bank has not."""

    exercise: str
    bug: str | None
    source: str


def changed(source: str, edits: Edits) -> str:
    """A source with its edits."""
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times"
        source = source.replace(old, new)
    return source


NAMES = '        self.word2id["[PAD]"] = 0\n        self.word2id["[UNK]"] = 1\n'
ELSE = '            else:\n                out.append(self.word2id["[UNK]"])\n'
SPACE = '            if text:\n                text += " "\n'
SKIP = '            if w == "[PAD]":\n                continue\n'

STYLES = [
    Style(
        "WordTokenizer",
        """
class WordTokenizer:
    def __init__(self, corpus):
        seen = []
        for line in corpus:
            for w in line.split():
                w = w.lower()
                if w not in seen:
                    seen.append(w)
        seen.sort()
        self.word2id = {}
        self.word2id["[PAD]"] = 0
        self.word2id["[UNK]"] = 1
        for w in seen:
            self.word2id[w] = len(self.word2id)
        self.id2word = {}
        for w in self.word2id:
            self.id2word[self.word2id[w]] = w

    def encode(self, text):
        out = []
        for w in text.split():
            key = w.lower()
            if key in self.word2id:
                out.append(self.word2id[key])
            else:
                out.append(self.word2id["[UNK]"])
        return out

    def decode(self, ids):
        text = ""
        for i in ids:
            w = self.id2word[i]
            if w == "[PAD]":
                continue
            if text:
                text += " "
            text += w
        return text
""",
        {
            "lower_missing": ("key = w.lower()", "key = w"),
            "corpus_not_lowered": ("                w = w.lower()\n", ""),
            "order_of_appearance": ("        seen.sort()\n", ""),
            "set_unsorted": ("seen.sort()", "seen = list(set(seen))"),
            "pad_unk_swapped": ('["[PAD]"] = 0', '["[PAD]"] = 1', '["[UNK]"] = 1', '["[UNK]"] = 0'),
            "specials_last": (
                NAMES,
                "",
                "(self.word2id)\n",
                "(self.word2id)\n" + NAMES.replace(" 0", " len(seen)").replace(" 1", " len(seen) + 1"),
            ),
            "unk_raises": ('out.append(self.word2id["[UNK]"])', "raise ValueError(w)"),
            "unk_dropped": (ELSE, ""),
            "unk_to_pad": ('self.word2id["[UNK]"])', 'self.word2id["[PAD]"])'),
            "pad_kept_in_decode": (SKIP, ""),
            "unk_left_out": ('if w == "[PAD]"', 'if w[0] == "["'),
            "no_space": (SPACE, ""),
            "decode_list": (SPACE, "", 'text = ""', "text = []", "text += w", "text.append(w)"),
            "split_on_space": ("in text.split()", 'in text.split(" ")'),
            "corpus_on_space": ("in line.split()", 'in line.split(" ")'),
            "last_text_only": ("in corpus:\n", "in corpus:\n            seen = []\n"),
            "first_text_only": ("        seen.sort()", "            break\n        seen.sort()"),
            "corpus_of_chars": ("in line.split()", "in line"),
            "text_of_chars": ("in text.split()", "in text"),
            "ids_from_1": (
                NAMES,
                NAMES.replace(" 1", " 2").replace(" 0", " 1"),
                "len(self.word2id)",
                "len(self.word2id) + 1",
            ),
            "encode_from_1": (
                "out.append(self.word2id[key])",
                "out.append(self.word2id[key] + 1)",
                '(self.word2id["[UNK]"])',
                "(2)",
            ),
        },
        {
            "reversed when decoded": ("text += w", "text = w + text"),
            "padded": ("        return out", "        return out + [0]"),
            "each id once": ("        return out", "        return list(dict.fromkeys(out))"),
            "sorted ids": ("        return out", "        return sorted(out)"),
            "short words left out": ("if w not in seen", "if len(w) > 2 and w not in seen"),
            "capital at the beginning": ("        return text", "        return text.capitalize()"),
            "space at the end": (SPACE, "", "text += w", 'text += w + " "'),
            "marks taken off": ("key = w.lower()", 'key = w.lower().strip(".,!?")'),
            "no return in decode": ("        return text", ""),
            "words for ids": ("out.append(self.word2id[key])", "out.append(key)"),
            "typo": ("key = w.lower()", "key = word.lower()"),
            "repeats counted anew": (" not in seen", ""),
        },
    ),
    Style(
        "WordTokenizer",
        """
class WordTokenizer:
    def __init__(self, corpus):
        text = " ".join(corpus).lower()
        self.itos = dict(enumerate(["[PAD]", "[UNK]"] + sorted(set(text.split()))))
        self.stoi = {s: i for i, s in self.itos.items()}

    encode = lambda self, text: [self.stoi[w] if w in self.stoi else self.stoi["[UNK]"] for w in text.lower().split()]
    decode = lambda self, ids: " ".join(filter("[PAD]".__ne__, map(self.itos.get, ids)))
""",
        {
            "lower_missing": ("text.lower().split()]", "text.split()]"),
            "corpus_not_lowered": ("(corpus).lower()", "(corpus)"),
            "set_unsorted": ("sorted(set(text.split()))", "list(set(text.split()))"),
            "order_of_appearance": ("sorted(set(text.split()))", "list(dict.fromkeys(text.split()))"),
            "pad_unk_swapped": ('["[PAD]", "[UNK]"]', '["[UNK]", "[PAD]"]'),
            "specials_last": (
                '["[PAD]", "[UNK]"] + sorted(set(text.split()))',
                'sorted(set(text.split())) + ["[PAD]", "[UNK]"]',
            ),
            "unk_raises": (' if w in self.stoi else self.stoi["[UNK]"]', ""),
            "unk_dropped": (
                ' if w in self.stoi else self.stoi["[UNK]"]',
                "",
                ".split()]",
                ".split() if w in self.stoi]",
            ),
            "unk_to_pad": ('else self.stoi["[UNK]"]', "else 0"),
            "pad_kept_in_decode": ('filter("[PAD]".__ne__, map(self.itos.get, ids))', "map(self.itos.get, ids)"),
            "unk_left_out": ('"[PAD]".__ne__', 'lambda s: s not in {"[PAD]", "[UNK]"}'),
            "no_space": ('" ".join(filter', '"".join(filter'),
            "decode_list": ('" ".join(filter', "list(filter"),
            "split_on_space": ("text.lower().split()]", 'text.lower().split(" ")]'),
            "corpus_on_space": ("set(text.split())", 'set(text.split(" "))'),
            "last_text_only": ('" ".join(corpus)', "corpus[-1]"),
            "first_text_only": ('" ".join(corpus)', "corpus[0]"),
            "corpus_of_chars": ("set(text.split())", "set(text)"),
            "text_of_chars": ("text.lower().split()]", "text.lower()]"),
            "repeats_kept": ("sorted(set(text.split()))", "sorted(text.split())"),
            "ids_from_1": ("(set(text.split()))))", "(set(text.split())), 1))"),
            "encode_from_1": ("{s: i for", "{s: i + 1 for"),
        },
        {
            "joined without a space": ('" ".join(corpus)', '"".join(corpus)'),
            "text in capitals": ("text.lower().split()]", "text.upper().split()]"),
            "unknown is 2": ('else self.stoi["[UNK]"]', "else 2"),
            "no [UNK]": ('["[PAD]", "[UNK]"]', '["[PAD]"]'),
        },
    ),
    Style(
        "WordTokenizer",
        """
import collections

class WordTokenizer:
    PAD, UNK = 0, 1

    def __init__(self, corpus):
        words = collections.Counter(w for doc in corpus for w in doc.lower().split())
        self.vocab = ("[PAD]", "[UNK]", *sorted(words.keys()))

    def encode(self, text):
        def look_up(word):
            try:
                return self.vocab.index(word)
            except ValueError:
                return self.UNK
        return tuple(look_up(word.lower()) for word in text.split())

    def decode(self, ids):
        return " ".join([self.vocab[i] for i in ids if i != self.PAD])
""",
        {
            "order_of_appearance": ("sorted(words.keys())", "words.keys()"),
            "repeats_first": ("sorted(words.keys())", "sorted(words.elements())"),
        },
    ),
]
FREQUENT = ("sorted(words.keys())", "[w for w, n in words.most_common()]")  # is named: it is no alphabetical order

STYLES += [  # a generator counts as the list that it gives
    Style(
        "WordTokenizer",
        changed(STYLES[1].source, ("lambda self, text: [", "lambda self, text: (", ".split()]", ".split())")),
    ),
]

NO_SET = """
class WordTokenizer:
    def __init__(self, corpus):
        words = []
        for text in corpus:
            for word in text.lower().split():
                words.append(word)
        self.vocab = ["[PAD]", "[UNK]"]
        self.vocab += words
        self.ids = {word: i for i, word in enumerate(self.vocab)}

    def encode(self, text):
        return [self.ids.get(word, 1) for word in text.lower().split()]

    def decode(self, ids):
        return " ".join(self.vocab[i] for i in ids if i != 0)
"""
GET_INDEX = ("self.ids.get(word, 1)", "self.vocab.index(word) if word in self.vocab else 1")
TURNED = ("self.vocab[i] for", "{i: word for word, i in self.ids.items()}[i] for")
WRONG = [
    Wrong(
        *("WordTokenizer", "repeats_kept"),
        """
class WordTokenizer:
    def __init__(self, corpus):
        all_words = ["[PAD]", "[UNK]"]
        rest = []
        for doc in corpus:
            rest += doc.lower().split()
        all_words += sorted(rest)
        self.w2i, self.i2w = {}, {}
        for n, w in enumerate(all_words):
            self.w2i[w] = n
            self.i2w[n] = w

    def encode(self, text):
        return [self.w2i.get(w, 1) for w in text.lower().split()]

    def decode(self, ids):
        return " ".join(self.i2w[i] for i in ids if i)
""",
    ),
    Wrong("WordTokenizer", "set_unsorted", changed(STYLES[2].source, FREQUENT)),
    Wrong("WordTokenizer", "set_unsorted+repeats_kept", NO_SET),
    Wrong("WordTokenizer", "repeats_kept", changed(NO_SET, ("+= words", "+= sorted(words)"))),
    Wrong("WordTokenizer", "set_unsorted+repeats_first", changed(NO_SET, GET_INDEX)),
    Wrong("WordTokenizer", "repeats_first", changed(NO_SET, (*GET_INDEX, "+= words", "+= sorted(words)"))),
    Wrong(
        *("WordTokenizer", "repeats_gaps"),
        """
class WordTokenizer:
    def __init__(self, corpus):
        every_word = sorted(" ".join(corpus).lower().split())
        self.stoi = dict(zip(["[PAD]", "[UNK]"] + every_word, range(99)))
        self.itos = {number: word for word, number in self.stoi.items()}

    def encode(self, text):
        return [self.stoi[w] if w in self.stoi else 1 for w in text.lower().split()]

    def decode(self, ids):
        return " ".join([self.itos[i] for i in ids if self.itos[i] != "[PAD]"])
""",
    ),
    Wrong("WordTokenizer", "repeats_gaps", changed(NO_SET, (*TURNED, "+= words", "+= sorted(words)"))),
]

CHARS = '["[PAD]", "[UNK]"] + list(string.ascii_lowercase + string.ascii_uppercase)'
ORD = "ord(c) - ord('a') + 2"

STYLES += [
    Style(
        "CharTokenizer",
        """
import string

class CharTokenizer:
    def __init__(self):
        vocab = ["[PAD]", "[UNK]"] + list(string.ascii_lowercase + string.ascii_uppercase)
        self.char2id = {ch: idx for idx, ch in enumerate(vocab)}
        self.id2char = {idx: ch for ch, idx in self.char2id.items()}

    def encode(self, text):
        unk = self.char2id["[UNK]"]
        return [self.char2id.get(ch, unk) for ch in text]

    def decode(self, ids):
        return "".join(self.id2char[i] for i in ids if i != self.char2id["[PAD]"])
""",
        {
            "starts_at_0": (
                "enumerate(vocab)}",
                "enumerate(vocab)}\n        self.own = {c: i for i, c in enumerate(vocab[2:])}",
                "[self.char2id.get(ch",
                "[self.own.get(ch",
            ),
            "order_upper_first": (
                "string.ascii_lowercase + string.ascii_uppercase",
                "string.ascii_uppercase + string.ascii_lowercase",
            ),
            "letters_interleaved": (
                "string.ascii_lowercase + string.ascii_uppercase",
                "c for a in string.ascii_lowercase for c in (a, a.upper())",
            ),
            "pad_unk_swapped": ('["[PAD]", "[UNK]"] +', '["[UNK]", "[PAD]"] +'),
            "specials_last": (CHARS, 'list(string.ascii_lowercase + string.ascii_uppercase) + ["[PAD]", "[UNK]"]'),
            "one_string": (
                CHARS,
                '"[PAD][UNK]" + string.ascii_letters',
                "{idx: ch for ch, idx in self.char2id.items()}",
                "vocab",
                'unk = self.char2id["[UNK]"]',
                "unk = 1",
                'if i != self.char2id["[PAD]"]',
                "if i",
            ),
            "no_capitals": (" + string.ascii_uppercase", ""),
            "lower": ("for ch in text", "for ch in text.lower()"),
            "space_known": ("string.ascii_uppercase", 'string.ascii_uppercase + " "'),
            "unk_raises": ("self.char2id.get(ch, unk)", "self.char2id[ch]"),
            "unk_dropped": (
                "self.char2id.get(ch, unk) for ch in text",
                "self.char2id[ch] for ch in text if ch in self.char2id",
            ),
            "unk_to_pad": ('unk = self.char2id["[UNK]"]', 'unk = self.char2id["[PAD]"]'),
            "space_lost": ("for ch in text]", "for ch in text if not ch.isspace()]"),
            "words": ("for ch in text]", "for ch in text.split()]"),
            "join_with_space": ('"".join', '" ".join'),
            "pad_kept": (' if i != self.char2id["[PAD]"]', ""),
            "unk_left_out": ('if i != self.char2id["[PAD]"]', "if i > 1"),
            "decode_list": (
                '"".join(self.id2char[i] for i in ids if i != self.char2id["[PAD]"])',
                '[self.id2char[i] for i in ids if i != self.char2id["[PAD]"]]',
            ),
            "ids_from_1": ("enumerate(vocab)", "enumerate(vocab, start=1)"),
            "encode_from_1": ("self.char2id.get(ch, unk)", "self.char2id.get(ch, unk) + 1"),
        },
        {
            "all printable": ("string.ascii_lowercase + string.ascii_uppercase", "string.printable"),
            "with digits": ("string.ascii_uppercase", "string.ascii_uppercase + string.digits"),
            "no [UNK]": ('["[PAD]", "[UNK]"] +', '["[PAD]"] +'),
            "reversed": ("        return [self", "        text = text[::-1]\n        return [self"),
            "swapped case": ("for ch in text", "for ch in text.swapcase()"),
            "each once": ("for ch in text", "for ch in dict.fromkeys(text)"),
            "no return": (
                "        return [self.char2id.get(ch, unk) for ch in text]",
                "        [self.char2id.get(ch, unk) for ch in text]",
            ),
            "typo": ("self.char2id.get(ch, unk)", "self.charid.get(ch, unk)"),
        },
    ),
    Style(
        "CharTokenizer",
        """
class CharTokenizer:
    def encode(self, text):
        ids = []
        for c in text:
            if "a" <= c <= "z":
                ids.append(ord(c) - ord('a') + 2)
            elif "A" <= c <= "Z":
                ids.append(ord(c) - ord('A') + 28)
            else:
                ids.append(1)
        return ids

    def decode(self, ids):
        out = ""
        for i in ids:
            if i == 0:
                continue
            if i == 1:
                out += "[UNK]"
            elif i < 28:
                out += chr(ord("a") + i - 2)
            else:
                out += chr(ord("A") + i - 28)
        return out
""",
        {
            "starts_at_0": ("ord('a') + 2", "ord('a')", "ord('A') + 28", "ord('A') + 26"),
            "order_upper_first": (
                "ord('a') + 2",
                "ord('a') + 28",
                "ord('A') + 28",
                "ord('A') + 2",
                'ord("a") + i',
                'ord("A") + i',
                'chr(ord("A") + i - 28)',
                'chr(ord("a") + i - 28)',
            ),
            "pad_unk_swapped": (
                "i == 0",
                "i == 1!",
                "            if i == 1:",
                "            if i == 0:",
                "i == 1!",
                "i == 1",
                "ids.append(1)",
                "ids.append(0)",
            ),
            "unk_raises": ("ids.append(1)", "raise KeyError(c)"),
            "unk_dropped": ("            else:\n                ids.append(1)\n", ""),
            "unk_to_pad": ("ids.append(1)", "ids.append(0)"),
            "lower": ("for c in text:", "for c in text.lower():"),
            "space_lost": ("for c in text:", 'for c in text.replace(" ", "").replace("\\t", "").replace("\\n", ""):'),
            "join_with_space": (
                "        return out",
                '        return " ".join(out.replace("[UNK]", "?")).replace("?", "[UNK]")',
            ),
            "pad_kept": ("                continue", '                out += "[PAD]"\n                continue'),
            "unk_left_out": ('out += "[UNK]"', "pass"),
            "decode_list": ('out = ""', "out = []", 'out += "[UNK]"', 'out += ["[UNK]"]'),
            "encode_from_1": (
                "ord('a') + 2",
                "ord('a') + 3",
                "ord('A') + 28",
                "ord('A') + 29",
                "ids.append(1)",
                "ids.append(2)",
            ),
            "letters_interleaved": (
                "ord(c) - ord('a') + 2",
                "2 * (ord(c) - ord('a')) + 2",
                "ord(c) - ord('A') + 28",
                "2 * (ord(c) - ord('A')) + 3",
                "elif i < 28",
                "elif i % 2 == 0",
                'ord("a") + i - 2',
                'ord("a") + i // 2 - 1',
                'ord("A") + i - 28',
                'ord("A") + i // 2 - 1',
            ),
            "space_known": (
                "            else:\n                ids",
                '            elif c == " ":\n                ids.append(54)\n            else:\n                ids',
            ),
            "words": ("for c in text:", "for c in [w if len(w) == 1 else '?' for w in text.split()]:"),
        },
        {
            "code points": ("ord(c) - ord('a') + 2", "ord(c)", "ord(c) - ord('A') + 28", "ord(c)"),
            "isalpha": ('"a" <= c <= "z"', "c.islower()"),
            "z left out": ('"a" <= c <= "z"', '"a" <= c < "z"'),
            "capitals one too far": ("ord('A') + 28", "ord('A') + 29"),
            "decode by chr": ('chr(ord("a") + i - 2)', "chr(i)"),
        },
    ),
    Style(
        "CharTokenizer",
        """
from string import ascii_letters

class CharTokenizer:
    def encode(self, text):
        return [ascii_letters.find(c) + 2 if c in ascii_letters else 1 for c in text]

    def decode(self, ids):
        return "".join({0: "", 1: "[UNK]"}.get(i) if i < 2 else ascii_letters[i - 2] for i in ids)
""",
        {
            "decode_from_0": (
                '"".join({0: "", 1: "[UNK]"}.get(i) if i < 2 else ascii_letters[i - 2] for i in ids)',
                '"".join(ascii_letters[i] for i in ids if i)',
            ),
            "unk_dropped": (
                "+ 2 if c in ascii_letters else 1 for c in text",
                "+ 2 for c in text if c in ascii_letters",
            ),
        },
        {"0 for unknown": ("else 1", "else 2")},
    ),
]

WRONG += [
    Wrong(
        *("CharTokenizer", "one_string"),
        """
class CharTokenizer:
    def __init__(self):
        self.chars = "[PAD][UNK]abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def encode(self, text):
        return [1 if self.chars.rfind(c) < 0 else self.chars.rfind(c) for c in text]

    def decode(self, ids):
        return "".join(self.chars[i] for i in ids if i > 0)
""",
    ),
    Wrong(
        *("CharTokenizer", "specials_last"),
        """
from string import ascii_letters

class CharTokenizer:
    def encode(self, text):
        return [ascii_letters.index(c) if c in ascii_letters else 53 for c in text]

    def decode(self, ids):
        return "".join((ascii_letters[i] if i < 52 else "[UNK]") for i in ids if i != 52)
""",
    ),
    Wrong(
        *("CharTokenizer", "decode_from_0"),
        """
class CharTokenizer:
    def __init__(self):
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        self.ids = {c: i + 2 for i, c in enumerate(letters)}
        self.chars = {i: c for i, c in enumerate(letters)}

    def encode(self, text):
        return [self.ids.get(c, 1) for c in text]

    def decode(self, ids):
        return "".join([self.chars[i] for i in ids if i != 0])
""",
    ),
    Wrong(
        *("CharTokenizer", "starts_at_0+decode_from_0"),
        """
class CharTokenizer:
    def __init__(self):
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        self.ids = {"[PAD]": 0, "[UNK]": 1, **{c: i for i, c in enumerate(letters)}}
        self.chars = {i: c for c, i in self.ids.items()}

    def encode(self, text):
        return [self.ids.get(c, self.ids["[UNK]"]) for c in text]

    def decode(self, ids):
        return "".join([self.chars[i] for i in ids if i != self.ids["[PAD]"]])
""",
    ),
    Wrong(
        *("CharTokenizer", "no_capitals"),
        """
class CharTokenizer:
    abc = "[] abcdefghijklmnopqrstuvwxyz"[1:]

    def encode(self, text):
        return [self.abc.index(c) if c.isascii() and c.islower() else 1 for c in text]

    def decode(self, ids):
        return "".join(("[PAD]", "[UNK]", *self.abc[2:])[i] for i in ids if i)
""",
    ),
    Wrong(
        *("CharTokenizer", "ids_from_1"),
        """
class CharTokenizer:
    def __init__(self):
        self.char_to_id = {"[PAD]": 1, "[UNK]": 2}
        for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
            self.char_to_id[c] = len(self.char_to_id) + 1
        self.id_to_char = {v: k for k, v in self.char_to_id.items()}

    def encode(self, text):
        return [self.char_to_id[c] if c in self.char_to_id else 2 for c in text]

    def decode(self, ids):
        return "".join(map(lambda i: "" if i == 1 else self.id_to_char[i], ids))
""",
    ),
]

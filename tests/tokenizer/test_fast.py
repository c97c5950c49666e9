"""The fast forms give what the plain ones give, and where an edit makes the plain ones differ, these serve."""

import copy
import inspect
import pickle
import textwrap
from collections import Counter
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tests.tokenizer.test_training import cjk, ours, theirs
from tokenizer import GPT2_PATTERN, Tokenizer, bpe, merging, splitting, training
from tokenizer.fast import training as fast_training
from tokenizer.fast.units import UNITS

PATTERNS = [*UNITS, r"\p{Lu}|\p{Ll}+|[^\p{L}]+", r"\p{L}+", r"\w+|\W", "a*"]
LETTERS = " \n\r\t\x0b\x1c\x85\xa0\u3000'sStlLve.!-aabZé中文1٣½🌟𝒳\u0301"
TEXT = st.text(st.sampled_from(LETTERS), max_size=60)
TOK = tokenizer.train(TEXTS["mixed"] * 2, 700, special_tokens=("<|endoftext|>",))
TALE = (
    "Once upon a time there was a wolf; he said: 'I'll eat 12 sheep!'  Hmmm, ooo, wellwell, nononono!!!!!...\n\n"
    + "Unputdownablebreadandbutter. "
    + TEXTS["english"]
)


@settings(deadline=None, max_examples=150)
@given(text=TEXT, corpus=TEXT, size=st.integers(256, 400), pattern=st.sampled_from(PATTERNS))
def test_plain_and_fast_encode_alike(text, corpus, size, pattern):
    """Random texts, with vocabularies trained on random texts by either trainer."""
    tok = tokenizer.train(corpus * 3, size, pattern, ())
    plain = tokenizer.train(corpus * 3, size, pattern, (), plain=True)
    assert tok.vocabulary == plain.vocabulary
    assert (tok.plain, plain.plain) == (False, True)
    assert tok.encode(text) == tok._fast.fast(text) == plain.encode(text) == tok.encode_by_hand(text)
    assert "_fast" not in vars(plain)


@pytest.mark.parametrize("name", ["TOK", "gpt2", "cl100k", "storyteller"])
def test_plain_and_fast_on_whole_texts(name, request, capsys):
    tok = {"TOK": lambda: TOK, "storyteller": lambda: Tokenizer.load("storyteller")}.get(
        name, lambda: request.getfixturevalue(name)
    )()
    tok = Tokenizer.of(tok.vocabulary)
    for text in [*TEXTS.values(), cjk()[:2000]]:
        fast = tok.encode(text, allow_special="all")
        tok.plain = True
        assert tok.encode(text, allow_special="all") == fast
        tok.plain = False
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [*TEXTS, "chinese"])
def test_train_by_hand_is_the_fast_trainer_and_hugging_faces(kind):
    text = (cjk()[:3000] if kind == "chinese" else TEXTS[kind]).replace("<|endoftext|>", "")
    by_hand = training.train_by_hand([text], 400, special_tokens=["<|endoftext|>"])
    assert by_hand == tokenizer.train(text, 400).vocabulary
    assert ours(Tokenizer.of(by_hand)) == theirs([text], 400)


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str) -> None:
    """Replaces a function by itself with one part of its source changed, wherever the path uses it."""
    owner = Tokenizer if module is bpe else module
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert source.count(old) == 1
    made: dict[str, object] = {}
    exec(source.replace(old, new), vars(module), made)
    for holder in (owner, bpe, training):
        if hasattr(holder, name):
            monkeypatch.setattr(holder, name, made[name])


ENCODER_EDITS = {
    "highest rank": (merging, "merge_steps", "min(pairs)", "max([r for r in pairs if r < NONE], default=NONE)"),
    "last of equals": (merging, "merge_steps", "pairs.index(lowest)", "len(pairs) - 1 - pairs[::-1].index(lowest)"),
    "one merge only": (merging, "merge_steps", "yield lowest, parts", "yield lowest, parts; return"),
    "three parts stay": (merging, "merge_steps", "len(parts) > 1", "len(parts) > 3"),
    "long tokens dropped": (merging, "merge_steps", "NONE) for left", "NONE) if len(left) < 4 else NONE for left"),
    "first pair forgotten": (merging, "merge_steps", "lowest = min(pairs)", "pairs[0] = NONE; lowest = min(pairs)"),
    "no merging": (merging, "merge", "merge_steps(piece, ranks)", "[]"),
    "cut at blanks": (bpe, "encode_by_hand", "split(text, self.pattern)", "text.split(' ')"),
    "in reverse": (bpe, "encode_by_hand", "ids.append(self.whole[token])", "ids.insert(0, self.whole[token])"),
    "one token each": (bpe, "encode_by_hand", "merge(data, self.ranks)", "merge(data, self.ranks)[:1]"),
    "lower case": (bpe, "encode_by_hand", "piece.encode()", "piece.lower().encode()"),
    "stripped": (splitting, "split", "text[start:end]]", "text[start:end].lstrip() or ' ']"),
    "letters one by one": (splitting, "split", "return [", "return [char for piece in pieces for char in piece] or ["),
}


@pytest.fixture
def vocabularies(gpt2, cl100k):
    return [tok.vocabulary for tok in (TOK, gpt2, cl100k, Tokenizer.load("storyteller"))]


@pytest.mark.parametrize("edit", ENCODER_EDITS.values(), ids=ENCODER_EDITS)
@pytest.mark.parametrize("first", ["Hi", "né"])
def test_an_edit_of_the_encoders_path_is_what_runs(edit, first, vocabularies, monkeypatch, capsys):
    """Seen at the first use, whatever the first text; the plain form serves from then on; one line on stderr."""
    texts = [TALE, *([] if first.isascii() else TEXTS.values())]
    before = [[Tokenizer.of(vocabulary).encode(text) for text in texts] for vocabulary in vocabularies]
    plant(monkeypatch, *edit)
    changed = 0
    for vocabulary, unedited in zip(vocabularies, before, strict=True):
        tok = Tokenizer.of(vocabulary)
        tok.encode(first)
        by_hand = [tok.encode_by_hand(text) for text in texts]
        assert [tok.encode(text) for text in texts] == by_hand
        lines = capsys.readouterr().err.count("\n")
        assert lines <= 1
        if by_hand != unedited:  # some edits change nothing for some vocabularies
            changed += 1
            assert lines == 1
    assert changed


def test_the_line_on_stderr_says_where(monkeypatch, capsys):
    plant(monkeypatch, *ENCODER_EDITS["no merging"])
    Tokenizer.of(TOK.vocabulary).encode("the")
    err = capsys.readouterr().err
    assert err.startswith("minigpt: the fast encoder differs from tokenizer/bpe.py on '")
    assert err.endswith("': the plain one is used\n")


def test_a_difference_in_the_first_text_is_seen(monkeypatch, capsys):
    """An edit that no probe can foresee: one word is left out."""
    plant(
        monkeypatch, bpe, "encode_by_hand", "split(text, self.pattern)", "split(text.replace('wolf', ''), self.pattern)"
    )
    tok = Tokenizer.of(TOK.vocabulary)
    assert tok.encode("a wolf came") == tok.encode_by_hand("a wolf came") == tok.encode_by_hand("a  came")
    assert "'wolf'" in capsys.readouterr().err


@pytest.mark.parametrize("part", range(5))  # without the last, one blank is left over, which is a piece too
def test_a_changed_pattern_is_what_cuts(part, capsys):
    """A pattern without one of its parts: fast and plain cut alike, without a word, and other than before."""
    parts = GPT2_PATTERN.replace("sdmt]|ll", "sdmt]/ll").replace("ll|ve|re", "ll/ve/re").split("|")
    pattern = "|".join(parts[:part] + parts[part + 1 :]).replace("/", "|")
    tok = Tokenizer(TOK.ranks, pattern)
    cuts = [splitting.split(text, pattern) for text in TEXTS.values()]
    assert cuts != [splitting.split(text, GPT2_PATTERN) for text in TEXTS.values()]
    assert [tok.encode(text) for text in TEXTS.values()] == [tok.encode_by_hand(text) for text in TEXTS.values()]
    assert capsys.readouterr().err == ""


TRAINER_EDITS = {
    "least frequent": (training, "find_merges", "-counts[pair]", "counts[pair]"),
    "ties the other way": (training, "find_merges", "(-counts[pair], pair)", "(-counts[pair], -pair[0], -pair[1])"),
    "any order of ties": (training, "find_merges", "(-counts[pair], pair)", "-counts[pair]"),
    "no recount": (training, "find_merges", "    counts: Counter[tuple[int, int]] = Counter()\n", ""),
    "pieces counted once": (training, "find_merges", "+= pieces[piece]", "+= 1"),
    "words not replaced": (training, "find_merges", "replace_pair(ids, best, token)", "ids[1:]"),
    "from the right": (training, "replace_pair", "for id in ids", "for id in ids[::-1]"),
    "special tokens merge": (training, "count_pieces", "special.split(join_surrogates(text))", "[text]"),
    "pieces cut at blanks": (training, "count_pieces", "split(part, pattern)", "part.split(' ')"),
}
TRAINER_EDITS["no recount"] = (
    training,
    "find_merges",
    "        counts: Counter[tuple[int, int]] = Counter()\n",
    "        counts = locals().get('counts', Counter()); counts.pop(locals().get('best'), 0)\n",
)


@pytest.mark.parametrize("edit", TRAINER_EDITS.values(), ids=TRAINER_EDITS)
def test_an_edit_of_the_trainers_path_is_what_runs(edit, monkeypatch, capsys):
    before = tokenizer.train(TALE, 300).vocabulary
    plant(monkeypatch, *edit)
    after = tokenizer.train(TALE, 300)
    assert capsys.readouterr().err == (
        "minigpt: the fast trainer differs from tokenizer/training.py: the plain one is used\n"
    )
    assert not after.plain
    assert after.vocabulary == tokenizer.train(TALE, 300, plain=True).vocabulary
    if edit != TRAINER_EDITS["special tokens merge"]:  # of which this text has none
        assert after.vocabulary != before


def test_an_edit_of_what_both_trainers_share_is_what_runs(monkeypatch):
    plant(monkeypatch, training, "train_by_hand", "tokens[left] + tokens[right]", "tokens[right] + tokens[left]")
    assert tokenizer.train("low lower", 257, special_tokens=()).ranks.keys() >= {b"ol"}


def test_the_counts_are_those_of_the_path(monkeypatch):
    texts = [*TEXTS.values(), TALE]
    names = ["<|endoftext|>", "<|im_start|>"]
    ends = ["a b\n", "a 5", "a é\t", "a 5 "]  # where SmolLM2's pattern takes white space with the one before a digit
    for pattern in UNITS:
        for some in (texts, ends):
            counts = fast_training.count_pieces(some, pattern, names)
            assert counts == training.count_pieces(some, pattern, names)
    monkeypatch.setattr(fast_training, "MANY", 3)  # the tables are cut and emptied several times
    assert fast_training.count_pieces(texts, GPT2_PATTERN, names) == training.count_pieces(texts, GPT2_PATTERN, names)
    assert training.count_pieces([], GPT2_PATTERN, []) == Counter()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies(copied):
    TOK.encode("the tables are filled")
    for it in (TOK, Tokenizer(TOK.ranks, normalizer="NFC", plain=True)):
        tok = copied(it)
        assert (tok.vocabulary, tok.plain) == (it.vocabulary, it.plain)
        assert tok.encode(TALE) == it.encode(TALE)
    assert copied(TOK.vocabulary) == TOK.vocabulary
    assert "_fast" not in vars(copied(TOK))


def test_repr():
    assert repr(TOK) == f"Tokenizer({len(TOK.tokens):,} tokens, pattern GPT2_PATTERN, 1 special token)"
    assert repr(Tokenizer({b"a": 0}, "a+", {"<x>": 7, "<y>": 8}, "NFC")) == (
        "Tokenizer(3 tokens, pattern 'a+', 2 special tokens, NFC)"
    )

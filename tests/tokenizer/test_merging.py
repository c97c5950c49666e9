"""Four ways to merge, one result; and the files' merges against the ranks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizer
from tokenizer.fast.merging import merge, merge_long, merge_short, mergeable_pairs, split_unmergeable
from tokenizer.formats.assemble import complain
from tokenizer.formats.byte_alphabet import BYTES, CHARS, bytes_to_unicode, unicode_to_bytes
from tokenizer.formats.merges import RanksBelow, check_merges, joins_earlier, recover_merges
from tokenizer.merging import NONE, merge_steps
from tokenizer.merging import merge as merge_by_hand

CORPUS = "banana bandana abba babab aaaa aaaaaaaa ananan née né où déjà 中文中文字 文字 日本語 日本 本語"
TOK = tokenizer.train(CORPUS * 3, 330)
PIECES = st.text(st.sampled_from("abn é中文日本"), max_size=40).map(str.encode) | st.binary(max_size=30)


def by_hand(piece, ranks):
    parts = [piece[i : i + 1] for i in range(len(piece))]
    for _, parts in merge_steps(piece, ranks):  # noqa: B007
        pass
    return parts


@settings(deadline=None, max_examples=500)
@given(piece=PIECES)
def test_all_ways_agree(piece):
    expected = by_hand(piece, TOK.ranks)
    assert merge_by_hand(piece, TOK.ranks) == expected
    assert merge(piece, TOK.ranks) == merge_short(piece, TOK.ranks) == merge_long(piece, TOK.ranks) == expected
    parts = split_unmergeable(piece, mergeable_pairs(TOK.ranks))
    assert b"".join(parts) == piece
    assert [token for part in parts for token in merge(part, TOK.ranks)] == expected


def test_every_token_merges_to_itself():
    for token in TOK.ranks:
        assert merge(token, TOK.ranks) == [token]


PLACES = st.tuples(st.integers(0, 99), st.integers(0, 99))


@settings(deadline=None, max_examples=300)
@given(st.lists(PLACES, min_size=1, max_size=12), st.lists(PLACES, max_size=1))
def test_the_short_way_of_checking_merges_says_what_the_long_one_says(pairs, swaps):
    """Merges in the order of the ids, all of which happen, are looked at once; any others as carefully as ever."""
    ranks = {bytes([byte]): i for i, byte in enumerate(b"abc")}
    merges: list[tuple[bytes, bytes]] = []
    for i, j in pairs:
        a, b = ([*ranks][place % len(ranks)] for place in (i, j))
        if a + b not in ranks:
            ranks[a + b] = len(ranks)
            merges.append((a, b))
    for i, j in swaps:
        i, j = i % len(merges), j % len(merges)
        merges[i], merges[j] = merges[j], merges[i]

    def told() -> object:
        try:
            return check_merges(ranks, merges)
        except ValueError as error:
            return str(error)

    short = told()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tokenizer.formats.merges.in_order", lambda *_: {})
        assert short == told()


def test_merges_and_ranks_agree():
    merges = recover_merges(TOK.ranks)
    assert [a + b for a, b in merges] == [token for token in TOK.ranks if len(token) > 1]
    check_merges(TOK.ranks, merges)


@settings(deadline=None, max_examples=500)
@given(a=st.sampled_from(sorted(TOK.ranks)), b=st.sampled_from(sorted(TOK.ranks)))
def test_the_seam_walk_equals_merging(a, b):
    """`joins_earlier` says what merging the two tokens' bytes would do, for any two tokens."""
    halves = {x + y: (x, y) for x, y in recover_merges(TOK.ranks)}
    limit = TOK.ranks.get(a + b, NONE)
    assert joins_earlier(a, b, TOK.ranks, halves) == (merge(a + b, RanksBelow(TOK.ranks, limit)) != [a, b])


def test_wrong_merges_are_refused():
    ranks = {bytes([i]): i for i in range(256)} | {b"ab": 256, b"abc": 257}
    assert check_merges(ranks, [(b"a", b"b"), (b"ab", b"c")]) == set()
    assert check_merges(ranks, [(b"a", b"b")]) == {b"abc"}
    with pytest.raises(ValueError, match="comes from no merge"):
        complain(ranks, check_merges(ranks, [(b"a", b"b")]), all_made=False)
    with pytest.raises(ValueError, match="can never happen"):
        check_merges({**ranks, b"ab": 257, b"abc": 256}, [(b"a", b"b"), (b"ab", b"c")])
    with pytest.raises(ValueError, match="lacks"):
        check_merges(ranks, [(b"a", b"b"), (b"ab", b"d")])
    with pytest.raises(ValueError, match="not the merge of two others"):
        recover_merges({b"a": 0, b"abc": 1})


def test_the_alphabet():
    assert sorted(BYTES) == list(range(256))
    assert len(set(CHARS)) == 256
    assert sorted(CHARS) == list(CHARS)
    assert all(unicode_to_bytes(bytes_to_unicode(bytes([i]))) == bytes([i]) for i in range(256))
    with pytest.raises(ValueError, match="stands for no byte"):
        unicode_to_bytes("a b")


class Counting(dict):
    """Ranks that count how often they are asked."""

    asked = 0

    def get(self, *args):
        self.asked += 1
        return super().get(*args)


@pytest.mark.parametrize("unit", ["a", "banana", "中", " "])
def test_look_ups_grow_linearly(unit):
    asked = []
    for n in (1000, 2000, 4000):
        ranks = Counting(TOK.ranks)
        merge((unit * n).encode(), ranks)
        asked.append(ranks.asked / n)
    assert max(asked) < 1.2 * min(asked)

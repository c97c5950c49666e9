"""A vocabulary from what files list: printable tokens, merges, added tokens, checked against each other."""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, pairwise

from tokenizer.fast.merging import merge
from tokenizer.formats.byte_alphabet import CHARS, bytes_to_unicode, unicode_to_bytes
from tokenizer.formats.merges import MORE, RanksBelow, check_merges
from tokenizer.formats.template import Around
from tokenizer.formats.text import expect
from tokenizer.steps.added import Flags
from tokenizer.steps.cutting import Step
from tokenizer.steps.normalizing import Normalizer
from tokenizer.vocabulary import Vocabulary


def assemble(
    vocab: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    special: Mapping[str, int],
    pattern: str,
    normalizer: Normalizer,
    name: str,
    all_made: bool = False,
    ignore_merges: bool = False,
    around: Around = ((), ()),
    cuts: tuple[Step, ...] = (),
    flags: Flags | None = None,
) -> Vocabulary:
    r"""A vocabulary from a printable vocabulary and its merges, checked against each other.

    A token that no merge makes is, with `ignore_merges`, one that a whole piece can be; with `all_made`, or if two
    other tokens would make it, a ValueError, since the merges are incomplete; otherwise special.

    >>> assemble({"a": 0, "b": 1, "ab": 2}, [["a", "b"]], {}, r"\S+", None, "x").ranks[b"ab"]
    2
    """
    for text, i in (*vocab.items(), *special.items()):
        if type(i) is not int:
            expect(name, f"the id of {text!r:.80}", i, int)
    for pair in merges:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not type(pair[0]) is type(pair[1]) is str:
            raise ValueError(f"{name}: the merge {pair!r:.120} is not two tokens: save the tokenizer anew")
    made = {*CHARS, *(a + b for a, b in merges)}
    try:
        texts = [text for text in vocab if text not in special or text in made]
        token = dict(zip(texts, _all_bytes(texts, all_made), strict=True))
        unspelled = {text: vocab[text] for text, data in token.items() if not data}
        ranks = {data: vocab[text] for text, data in token.items() if data}
        unmade = check_merges(ranks, [(token[a], token[b]) for a, b in merges])
        unmerged = {data: ranks.pop(data) for data in sorted(unmade, key=ranks.__getitem__)}
        if not ignore_merges:
            complain(ranks | unmerged, unmerged, all_made)
            unspelled |= {bytes_to_unicode(data): i for data, i in unmerged.items()}
            unmerged = {}
        special = dict(sorted(unspelled.items(), key=lambda item: item[1])) | dict(special)
        return Vocabulary(ranks, pattern, special, normalizer, *around, cuts, flags, unmerged)
    except KeyError as error:
        raise ValueError(f"{name}: a merge names {error.args[0]!r:.80}, which is not in the vocabulary") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _all_bytes(texts: Sequence[str], all_made: bool) -> list[bytes]:
    try:
        data = unicode_to_bytes("".join(texts))  # at once, which takes a fifth of the time
    except ValueError:
        return [_bytes(text, all_made) for text in texts]
    return [data[start:end] for start, end in pairwise(accumulate(map(len, texts), initial=0))]


def _bytes(text: str, all_made: bool) -> bytes:
    try:
        return unicode_to_bytes(text)
    except ValueError:
        if all_made:
            raise
        return b""  # no piece is spelled like this: only a name can be


def complain(ranks: Mapping[bytes, int], unmade: Collection[bytes], all_made: bool) -> None:
    """A ValueError if a token should have been made by a merge.

    >>> complain({b"a": 0, b"b": 1, b"ab": 2}, [b"ab"], False)
    Traceback (most recent call last):
    ValueError: token b'ab' comes from no merge, though b'a' and b'b' would make it: the list of merges is cut short
    """
    for token in unmade:
        if all_made:
            raise ValueError(f"token {token!r:.80} comes from no merge: {MORE}")
        parts = merge(token, RanksBelow(ranks, ranks[token]))
        if len(parts) == 2:
            would = f"{parts[0]!r:.80} and {parts[1]!r:.80} would make it"
            raise ValueError(
                f"token {token!r:.80} comes from no merge, though {would}: the list of merges is cut short"
            )

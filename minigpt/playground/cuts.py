"""A text cut into tokens by any vocabulary on this machine, and what there is to say about each token."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from minigpt.playground import wire
from minigpt.playground.guard import body_of
from minigpt.playground.vocabularies import AnyTokenizer
from minigpt.playground.wire import Refused
from tokenizer import Tokenizer
from tokenizer.display import count, label
from tokenizer.merging import merge_steps
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import WordPiece

SHOWN = 1000  # tokens that are described; all are counted
CODE_OF: dict[type[AnyTokenizer], str] = {Tokenizer: "merges", WordPiece: "wordpiece", Unigram: "unigram"}


def cut(tokenizer: AnyTokenizer, text: str, special: bool) -> dict[str, Any]:
    """A text as `encode` cuts it: how many tokens, characters and bytes, the first tokens, and the merges that made
    them, by their ids. Special tokens are read as such if `special` is true. 422 for a text that it cannot encode.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"hi": 256})
    >>> told = cut(tok, "hi!", special=False)
    >>> told["tokens"][0], told["merges"][256]
    ({'id': 256, 'label': 'hi', 'bytes': '68 69', 'special': False, 'part_of': ''}, [['h', 'i', 256]])
    """
    try:
        ids = tokenizer.encode(text, "all" if special else ())
    except ValueError as error:
        raise Refused(422, " ".join(str(error).split())) from None
    each = f", {len(text.encode()) / len(ids):.2f} bytes a token" if ids else ""
    return {
        "told": f"{count(text, ids)}{each}; vocabulary of {tokenizer.n_vocab:,}",
        "n_tokens": len(ids),
        "tokens": tokens_of(tokenizer, ids)[:SHOWN],
        "merges": merges_of(tokenizer, ids[:SHOWN]) if isinstance(tokenizer, Tokenizer) else {},
        "code": CODE_OF[type(tokenizer)],
    }


def tokens_of(tokenizer: AnyTokenizer, ids: Sequence[int]) -> list[dict[str, Any]]:
    """What there is to say about each of the first tokens; those of WordPiece and Unigram are text and have no bytes of
    their own."""
    special = {*tokenizer.special_tokens.values()}
    few = ids[: SHOWN + 4]  # so that a character that continues after the last token is whole
    if not isinstance(tokenizer, Tokenizer):
        names = [(label(tokenizer.tokens[id].encode()), "", "") for id in few]
    else:
        data = [tokenizer.tokens[id] for id in few]
        names = [(label(token), token.hex(" "), part) for token, part in zip(data, characters(data), strict=True)]
    return [
        {"id": id, "label": name, "bytes": own, "special": id in special, "part_of": part}
        for id, (name, own, part) in zip(few, names, strict=True)
    ]


def characters(tokens: Sequence[bytes]) -> list[str]:
    """For each token that begins or ends within a character: the characters that it contains part of.

    >>> star = "🌟".encode()
    >>> characters([b"a", star[:2], star[2:] + b"!"])
    ['', '🌟', '🌟!']
    """
    data, end, found = b"".join(tokens), 0, list[str]()
    inside = [byte & 0xC0 == 0x80 for byte in data] + [False]  # bytes that continue a character
    for token in tokens:
        start = first = end
        end = last = start + len(token)
        while inside[first] and first:
            first -= 1
        while inside[last]:
            last += 1
        whole = (first, last) == (start, end)
        found.append("" if whole else data[first:last].decode("utf-8", "replace"))
    return found


def merges_of(tokenizer: Tokenizer, ids: Sequence[int]) -> dict[int, list[list[str | int]]]:
    """How the bytes of each token were merged: left, right, and the rank of the pair, in order; empty for a token that
    no merge makes. Within a text it is the same: a merge across the token's ends would have made another token."""
    tokens = {id: tokenizer.tokens[id] for id in sorted({*ids} - {*tokenizer.special_tokens.values()})}
    return {id: joins(token, tokenizer.ranks) for id, token in tokens.items() if len(token) > 1}


def joins(token: bytes, ranks: Mapping[bytes, int]) -> list[list[str | int]]:
    """The pairs that become the token.

    >>> joins(b"ana", {b"a": 0, b"n": 1, b"an": 2, b"ana": 3})
    [['a', 'n', 2], ['an', 'a', 3]]
    """
    before, found = [token[i : i + 1] for i in range(len(token))], list[list[str | int]]()
    for rank, after in merge_steps(token, ranks):
        n = next(n for n, part in enumerate(after) if part != before[n])
        found.append([label(before[n]), label(before[n + 1]), rank])
        before = after
    return found if before == [token] else []


async def vocabularies(request: Request) -> Response:
    """The names of the vocabularies on this machine."""
    return JSONResponse(await run_in_threadpool(request.app.state.vocabularies.names))


async def tokens(request: Request) -> Response:
    """A text cut by the vocabulary that the field model names, which needs no model to be loaded."""
    asked = wire.read(await body_of(request), {"special": bool})
    if not isinstance(asked.prompt, str) or asked.settings:
        raise Refused(422, "give prompt, a text: ids are tokens already, and no settings change how a text is cut")
    tokenizer = await run_in_threadpool(request.app.state.vocabularies.get, asked.model)
    special = asked.more.get("special", False)
    return JSONResponse(await run_in_threadpool(cut, tokenizer, asked.prompt, special))

"""`minigpt tokens`: the tokens of a text, coloured, with their ids."""

import argparse
import codecs
import json
import sys

from minigpt.commands.flags import UsageError
from minigpt.commands.stdin import read_stdin
from minigpt.terminal import columns
from tokenizer import Tokenizer, display


def run(args: argparse.Namespace) -> int:
    """Writes the tokens of the text to stdout; returns 0."""
    names = [args.tokenizer] if args.compare is None else args.compare.split(",")
    if "" in names:
        given = f"--tokenizer {args.tokenizer!r}" if args.compare is None else f"--compare {args.compare!r}"
        raise UsageError(f"{given} has an empty name: give a name, folder or file, as in gpt2")
    if args.text is None and sys.stdin is None:
        raise ValueError("no text: give one, as in minigpt tokens Wolf, or pipe one in")
    text = read_stdin() if args.text is None else args.text
    loaded = {name: Tokenizer.load(name, plain=args.plain) for name in names}
    if args.json:
        results = [as_json(name, tok, text) for name, tok in loaded.items()]
        utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
        print(json.dumps(results[0] if args.compare is None else results, ensure_ascii=not utf8))
        return 0
    if args.ids:
        print("\n".join(" ".join(map(str, tok.encode(text))) for tok in loaded.values()))
        return 0
    width, color = columns(), display.use_color(args.color)
    if args.trace:
        print("\n\n".join(display.show_trace(tok, text, width, color) for tok in loaded.values()))
    else:
        print(display.compare(text, loaded, color, width, args.raw))
    return 0


def as_json(name: str, tok: Tokenizer, text: str) -> dict[str, object]:
    """One vocabulary's view of a text; bytes in hexadecimal, since a token need not be text.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)})
    >>> as_json("bytes", tok, "A")["tokens"]
    [{'id': 65, 'text': 'A', 'bytes': '41'}]
    """
    ids = tok.encode(text)
    tokens = [{"id": i, "text": tok.decode([i]), "bytes": tok.decode_bytes([i]).hex()} for i in ids]
    return {"tokenizer": name, "n_vocab": tok.n_vocab, "n_tokens": len(ids), "tokens": tokens}

"""The tokens of a text, tinted, with their ids; what a model reads instead of letters."""

import argparse
import codecs
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizer import Tokenizer

HELP = "the tokens of a text, coloured, with ids"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments.

    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["hi", "--ids"]).ids
    True
    """
    parser.add_argument("text", nargs="?", help="the text; standard input if left out")
    parser.add_argument(
        "--tokenizer", metavar="NAME", default="storyteller", help="a name, folder or file (default: %(default)s)"
    )
    parser.add_argument("--compare", metavar="A,B,…", help="several vocabularies, one below the other")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--ids", action="store_true", help="bare ids only")
    form.add_argument("--trace", action="store_true", help="every merge in order, with its rank")
    form.add_argument("--json", action="store_true", help="ids, texts and bytes as JSON")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="tint the tokens (auto)")


def run(args: argparse.Namespace) -> int:
    """Writes the tokens of the text to stdout; returns 0.

    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["Once upon a time", "--ids"]))
    2627 590 258 542
    0
    """
    from tokenizer import Tokenizer, display  # here, so that the other commands do not wait for it

    text = read_stdin() if args.text is None else args.text
    names = [args.tokenizer] if args.compare is None else args.compare.split(",")
    if "" in names:
        given = f"--tokenizer {args.tokenizer!r}" if args.compare is None else f"--compare {args.compare!r}"
        raise ValueError(f"{given} has an empty name: give a name, folder or file, as in gpt2")
    loaded = {name: Tokenizer.load(name) for name in names}
    if args.json:
        results = [as_json(name, tok, text) for name, tok in loaded.items()]
        utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
        print(json.dumps(results[0] if args.compare is None else results, ensure_ascii=not utf8))
        return 0
    if args.ids:
        print("\n".join(" ".join(map(str, tok.encode(text))) for tok in loaded.values()))
        return 0
    color = display.use_color(args.color)
    width = os.get_terminal_size().columns if sys.stdout.isatty() else 80
    if args.trace:
        print("\n\n".join(display.show_trace(tok, text) for tok in loaded.values()))
    else:
        print(display.compare(text, loaded, color, width))
    return 0


def as_json(name: str, tok: "Tokenizer", text: str) -> dict[str, object]:
    """One vocabulary's view of a text; bytes in hexadecimal, since a token need not be text.

    >>> from tokenizer import Tokenizer
    >>> tok = Tokenizer({bytes([i]): i for i in range(256)})
    >>> as_json("bytes", tok, "A")["tokens"]
    [{'id': 65, 'text': 'A', 'bytes': '41'}]
    """
    ids = tok.encode(text)
    tokens = [{"id": i, "text": tok.decode([i]), "bytes": tok.decode_bytes([i]).hex()} for i in ids]
    return {"tokenizer": name, "n_vocab": tok.n_vocab, "n_tokens": len(ids), "tokens": tokens}


def read_stdin() -> str:
    """All of standard input, byte for byte; a ValueError where it is not UTF-8.

    >>> import io
    >>> sys.stdin, before = io.TextIOWrapper(io.BytesIO(b"caf\\xe9")), sys.stdin
    >>> read_stdin()
    Traceback (most recent call last):
    ValueError: standard input is not UTF-8 (unexpected end of data at byte 3)
    >>> sys.stdin = before
    """
    if sys.stdin is None:
        raise ValueError("no text: give one, as in minigpt tokens Wolf, or pipe one in")
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input is not UTF-8 ({error.reason} at byte {error.start})") from None

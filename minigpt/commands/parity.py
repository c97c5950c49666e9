"""`minigpt parity`: a model beside transformers' own, layer by layer."""

import argparse

from minigpt.analysis.parity import compare_layers, worst
from minigpt.commands.common import note_fetch
from minigpt.prompts import encode
from minigpt.terminal import ENDLESS, columns, table
from tokenizer.display import use_color
from weights.checkpoint import load_checkpoint

HEAD = ("place", "max difference", "max value", "")


def run(args: argparse.Namespace) -> int:
    """Print the differences; 1 where the models differ by more than rounding."""
    note_fetch(args.model)
    c = load_checkpoint(args.model, "cpu", args.dtype, force=True)
    size = c.model.config.vocab_size
    ids = encode(c.tokenizer, args.text) if c.tokenizer else [7919 * i % size for i in range(1, 11)]
    if not ids:
        raise ValueError(f"--text {args.text!r} has no tokens to compare: name a text, or leave --text out")
    ids = ids[: c.model.config.n_ctx]
    found = compare_layers(c.model, c.path, ids)
    print(f"{c.name} in {args.dtype}, {len(ids)} tokens{'' if c.tokenizer else ' (no vocabulary: fixed ids)'}")
    rows = [
        (layer.name, f"{layer.difference:.1e}", f"{layer.size:.4g}", "" if layer.equal else "differs")
        for layer in (found if args.all else worst(found))
    ]
    print("\n".join(table([HEAD, *rows], columns(unknown=ENDLESS), numbers=(1, 2), color=use_color())))
    parted = next((layer for layer in found if not layer.equal), None)
    if parted is not None:
        print(f"differs: first at {parted.name}, by {parted.difference:.1e}")
        return 1
    print(f"equal: {len(found)} places differ by no more than rounding")
    return 0

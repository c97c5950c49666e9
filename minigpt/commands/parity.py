"""Compare a model with transformers' own, layer by layer: the ladder of differences, and the verdict."""

import argparse

HELP = "compare with transformers, layer by layer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `minigpt parity`."""
    parser.add_argument("name", nargs="?", default="storyteller", metavar="MODEL", help="a name, a folder, a GGUF file")
    parser.add_argument("--text", default="Once upon a time there was a little girl", help="what both models read")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"), help="(default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="every block's layers, not only the worst one's")


def run(args: argparse.Namespace) -> int:
    """Print the ladder; 1 where the models differ by more than rounding."""
    from minigpt.analysis.parity import compare_layers, worst
    from weights.checkpoint import load_checkpoint

    c = load_checkpoint(args.name, "cpu", args.dtype, force=True)
    size = c.model.config.vocab_size
    ids = c.tokenizer.encode(args.text) if c.tokenizer else [7919 * i % size for i in range(1, 11)]
    if not ids:
        raise ValueError(f"--text {args.text!r} has no tokens to compare: name a text, or leave --text out")
    ids = ids[: c.model.config.n_ctx]
    layers = compare_layers(c.model, c.path, ids)
    print(f"{c.name} in {args.dtype}, {len(ids)} tokens{'' if c.tokenizer else ' (no vocabulary: fixed ids)'}")
    print(f"{'place':<30}{'max difference':>15}{'max value':>12}")
    for layer in layers if args.all else worst(layers):
        print(f"{layer.name:<30}{layer.difference:>15.1e}{layer.size:>12.4g}{'' if layer.equal else '  differs'}")
    parted = next((layer for layer in layers if not layer.equal), None)
    if parted is not None:
        print(f"differs: first at {parted.name}, by {parted.difference:.1e}")
        return 1
    print(f"equal: {len(layers)} places differ by no more than rounding")
    return 0

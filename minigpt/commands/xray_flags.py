"""The flags of `minigpt xray`."""

import argparse

from minigpt.commands import flags

PARTS = (  # those of minigpt/analysis/xray_parts.py
    *("attention", "softmax", "causal_mask", "split_heads", "merge_heads", "linear", "embedding", "layer_norm"),
    *("gelu", "mlp", "block", "cache", "hidden", "unembed", "gpt2"),
    *("llama", "rms_norm", "silu", "swiglu", "rope", "rope_angles", "apply_rope"),
)


def xray(parser: argparse.ArgumentParser) -> None:
    """The tensor X-ray: line by line through the real forward pass of the plain model, one value at a time.

    At each step: the source with its line marked, the name, the shape with its letters, a heat-map with numbers, what
    changed. On a terminal it is a screen with keys (? lists them); into a pipe or a file all steps are written one
    below the other. WHAT is a part: attention, softmax, causal_mask, split_heads, merge_heads, linear, embedding,
    layer_norm, gelu, mlp, block, cache, hidden, unembed, gpt2; in a Llama also rms_norm, silu, swiglu, rope,
    rope_angles, apply_rope, llama; or a module's name, such as mlp.c_fc or ln_f. Calls within a part are stepped over,
    unless they belong to it: those of attention are the projections around it and the attention itself.
    """
    add = parser.add_argument
    add("what", nargs="?", metavar="WHAT", help="the part, see above")
    add("prompt", nargs="?", metavar="PROMPT", help="the text; standard input if left out")
    add("--layer", type=flags.at_least(0), metavar="N", help="in this layer (default: 0, the first)")
    add("--cache", action="store_true", help="the decode step of the last token, after a prefill of those before it")
    add("--html", type=flags.path, metavar="FILE", help="write a page instead, which works without a network")
    flags.add_model(parser)
    flags.add_device(parser, dtype=False)
    parser.set_defaults(check=check_xray)


def check_xray(args: argparse.Namespace) -> None:
    """Check that a part was named; raises UsageError if none was."""
    if args.what is None:
        raise flags.UsageError(f"name a part to look into: {', '.join(PARTS)}")

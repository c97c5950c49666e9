"""A model drawn from its configuration: what happens to a tensor from ids to logits, with its shapes."""

from collections.abc import Mapping

from minigpt.models.config import GPT2Config
from minigpt.models.llama_config import LlamaConfig
from minigpt.pictures.drawing import ADVANCE, SIZE, Box, Drawing, Line, Shape, Text

WIDTH, ROW, GAP = 420.0, 40.0, 14.0  # of a step
Step = tuple[str, str, str]  # the part's name in the checkpoint, what it does, the shape after it


def architecture(config: GPT2Config | LlamaConfig, name: str = "", seen: Mapping[str, str] | None = None) -> Drawing:
    """The parts in the order of a forward pass, from the bottom up as in the papers; one block stands for all.

    `seen` has the shapes of a real forward pass, by the part's name and "ids"; without it they are in letters.

    >>> drawing = architecture(GPT2Config(vocab_size=50257, n_ctx=1024, n_layer=12, n_head=12, n_embd=768))
    >>> drawing.table[1][0]
    ['wte', 'embedding of the token: 50,257 × 768', '(B, T, 768)']
    """
    gpt2 = isinstance(config, GPT2Config)
    before, block, after = gpt2_steps(config) if isinstance(config, GPT2Config) else llama_steps(config)
    title = (
        f"{name or ('GPT-2' if gpt2 else 'Llama')}: {config.n_layer} blocks, {config.n_head} heads, C = {config.n_embd}"
    )
    steps = [*before, *block, *after]
    if seen:
        title += f", ids {seen['ids']}"
        steps = [(part, what, seen[part]) for part, what, _ in steps]
    height = 3 * SIZE + (len(steps) + 1) * (ROW + GAP) + 2 * GAP
    shapes: list[Shape] = [Text(SIZE, 1.6 * SIZE, title, bold=True)]
    left = 2.5 * SIZE + max(len(part.removeprefix("+ ")) for part, _, _ in steps) * ADVANCE * 12
    right = left + WIDTH
    y = height - SIZE - ROW
    shapes += [
        Text(SIZE, y + 25, "ids", "soft"),
        Text(right + 16, y + 25, seen["ids"] if seen else "(B, T)", "soft", size=12),
    ]
    shapes.append(Text((left + right) / 2, y + 25, "the text's tokens", "soft", "middle"))
    bottom = y
    for n, (part, what, shape) in enumerate(steps):
        y -= ROW + GAP
        if n in (len(before), len(before) + len(block)):
            y -= GAP
        adds = part.startswith("+")
        shapes.append(Line((((left + right) / 2, y + ROW), ((left + right) / 2, bottom)), "soft"))
        shapes.append(Box(left, y, right - left, ROW, "second" if adds else "tint", 0.12, edge="rule"))
        shapes.append(Text(SIZE, y + 25, part.removeprefix("+ "), size=12))
        shapes.append(Text((left + right) / 2, y + 25, what, align="middle", size=13))
        shapes.append(Text(right + 16, y + 25, shape, "soft", size=12))
        bottom = y
        if n == len(before):
            start = y + ROW + GAP / 2
        if n == len(before) + len(block) - 1:
            shapes.append(Box(left - 8, y - GAP / 2, right - left + 16, start - y + GAP / 2, "paper", 0, edge="ink"))
            shapes.append(Text(right + 16, y + 2, f"× {config.n_layer}", bold=True))
    told = f"{title}. From below: {'; '.join(f'{part}: {what}, {shape}' for part, what, shape in steps)}."
    width = right + 2 * SIZE + max(len(shape) for _, _, shape in steps) * ADVANCE * 12
    return Drawing(
        width, height, title, told, (["part", "what it does", "shape after it"], [list(s) for s in steps]), shapes
    )


def gpt2_steps(c: GPT2Config) -> tuple[list[Step], list[Step], list[Step]]:
    """What comes before the blocks, one block, and what comes after, for GPT-2."""
    stream = f"(B, T, {c.n_embd})"
    before = [
        ("wte", f"embedding of the token: {c.vocab_size:,} × {c.n_embd}", stream),
        ("+ wpe", f"add that of its place: {c.n_ctx:,} × {c.n_embd}", stream),
    ]
    heads = f"(B, {c.n_head}, T, {c.head_dim})"
    block = [
        ("ln_1", "LayerNorm of a copy", stream),
        ("attn.c_attn", f"query, key, value: {c.n_embd} → 3 × {c.n_embd}", heads),
        ("attn", f"softmax(q kᵀ / √{c.head_dim}) v, causal", heads),
        ("+ attn.c_proj", f"{c.n_embd} → {c.n_embd}, add to the stream", stream),
        ("ln_2", "LayerNorm of a copy", stream),
        ("mlp.c_fc", f"{c.n_embd} → {c.n_inner}, {getattr(c, 'activation', 'gelu_new')}", f"(B, T, {c.n_inner})"),
        ("+ mlp.c_proj", f"{c.n_inner} → {c.n_embd}, add to the stream", stream),
    ]
    head = (
        "wte again, as a matrix" if getattr(c, "tied", True) else f"a matrix of its own: {c.n_embd} → {c.vocab_size:,}"
    )
    return before, block, [("ln_f", "LayerNorm", stream), ("logits", head, f"(B, T, {c.vocab_size})")]


def llama_steps(c: LlamaConfig) -> tuple[list[Step], list[Step], list[Step]]:
    """The same for Llama, Mistral, Qwen2 and Qwen3."""
    stream = f"(B, T, {c.n_embd})"
    heads, groups = f"(B, {c.n_head}, T, {c.head_dim})", f"{c.n_head} queries, {c.n_kv_head} keys and values"
    turned = "norm of each head, then rotary positions" if c.qk_norm else "rotary positions"
    scaling = f" ({c.rope_scaling.rope_type})" if c.rope_scaling else ""
    block = [
        ("input_layernorm", "RMSNorm of a copy", stream),
        ("q k v_proj", f"{groups} of {c.head_dim}", heads),
        ("rope", f"{turned}{scaling}", heads),
        ("self_attn", f"softmax(q kᵀ / √{c.head_dim}) v, causal", heads),
        ("+ o_proj", f"{c.n_head * c.head_dim} → {c.n_embd}, add to the stream", stream),
        ("post_attention_layernorm", "RMSNorm of a copy", stream),
        ("gate up_proj", f"{c.activation}(gate) × up: {c.n_embd} → {c.n_inner}", f"(B, T, {c.n_inner})"),
        ("+ down_proj", f"{c.n_inner} → {c.n_embd}, add to the stream", stream),
    ]
    head = "embed_tokens again, as a matrix" if c.tied else f"lm_head: {c.n_embd} → {c.vocab_size:,}"
    before = [("embed_tokens", f"embedding of the token: {c.vocab_size:,} × {c.n_embd}", stream)]
    return before, block, [("norm", "RMSNorm", stream), ("logits", head, f"(B, T, {c.vocab_size})")]

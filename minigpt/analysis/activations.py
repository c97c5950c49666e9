"""Every tensor of a forward pass by name, to read or to change, in the plain model as it stands.

B batch, T new tokens, S slots, C channels, H heads, D head size, V vocabulary. Hooks on the model's own modules see
their inputs and outputs; the models' code does not know about them, and the plain form runs while they are there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from minigpt.analysis.hooks import Change, Place, changing, listen, split_index
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from tokenizer.suggest import did_you_mean


def places(model: nn.Module) -> dict[str, Place]:
    """The names of all activations, in the order in which a forward pass computes them, for both families alike.

    >>> from minigpt.models.config import GPT2Config
    >>> names = list(places(GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, n_embd=2))))
    >>> names[:5], names[-2:]
    (['wte', 'wpe', 'h.0.in', 'h.0.ln_1', 'h.0.attn.q'], ['ln_f', 'logits'])
    """
    if isinstance(model, GPT2):
        found = {"wte": Place(model.wte, "B T C"), "wpe": Place(model.wpe, "B T C")}
        final: nn.Module = model.ln_f
        blocks, names = model.h, ("ln_1", "attn", "ln_2")
        inner, down = {"mlp.pre": "c_fc"}, "c_proj"
    elif isinstance(model, Llama):
        found = {"wte": Place(model.embed_tokens, "B T C")}
        final = model.norm
        blocks, names = model.layers, ("input_layernorm", "self_attn", "post_attention_layernorm")
        inner, down = {"mlp.gate": "gate_proj", "mlp.up": "up_proj"}, "down_proj"
    else:
        raise ValueError(f"activations are those of a GPT2 or a Llama, not of a {type(model).__name__}: give lm.model")
    for i, block in enumerate(blocks):
        ln_1, attn, ln_2 = (getattr(block, name) for name in names)
        mlp: Any = block.mlp
        parts = {
            "in": Place(block, "B T C", argument=0),
            "ln_1": Place(ln_1, "B T C"),
            **{f"attn.{name}": Place(attn.attention, shape, n) for n, (name, shape) in enumerate(QKV)},
            "attn.scores": Place(attn.attention.softmax, "B H T S", argument=0),
            "attn.weights": Place(attn.attention.softmax, "B H T S"),
            "attn.heads": Place(attn.attention, "B H T D"),
            "attn.out": Place(attn, "B T C"),
            "mid": Place(ln_2, "B T C", argument=0, shared=True),  # the block adds the MLP's result to it
            "ln_2": Place(ln_2, "B T C"),
            **{name: Place(getattr(mlp, part), "B T inner") for name, part in inner.items()},
            "mlp.hidden": Place(getattr(mlp, down), "B T inner", argument=0),
            "mlp.out": Place(mlp, "B T C"),
            "out": Place(block, "B T C"),
        }
        found |= {f"h.{i}.{name}": place for name, place in parts.items()}
    return {**found, "ln_f": Place(final, "B T C"), "logits": Place(model, "... V")}


QKV = (("q", "B H T D"), ("k", "B Hkv S D"), ("v", "B Hkv S D"))


class Activations(Mapping[str, Tensor]):
    """What a model computed, by name: `seen["h.0.attn.weights"]` is the tensor of the last forward pass.

    `passes` has one mapping for each forward pass of a generation, the prompt's first, if `record` was called with
    `every`; otherwise only the last one's.
    """

    def __init__(self, names: list[str], every: bool) -> None:
        self.names, self.every = names, every
        self.passes: list[dict[str, Tensor]] = []

    def begin(self) -> None:
        """A forward pass begins."""
        self.passes = [*(self.passes if self.every else []), {}]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(f"no activation {name!r} was recorded: {did_you_mean(name, self.names) or self.names[:9]}")
        if not self.passes:
            raise KeyError(f"{name!r}: the model has not run yet inside `with record(model)`")
        return self.passes[-1][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes[-1] if self.passes else {})

    def __len__(self) -> int:
        return len(self.passes[-1]) if self.passes else 0


@contextmanager
def record(model: nn.Module, names: str | Iterable[str] = "*", every: bool = False) -> Iterator[Activations]:
    """Inside it every forward pass of the model stores its activations in what this yields, without their gradients.

    `names` are those of `places`, or patterns such as "h.*.attn.weights": only these are kept, with `every` for each
    forward pass. Raises ValueError for a name that no activation has.

    >>> import torch
    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=1, n_embd=2))
    >>> with record(model, "h.*.attn.weights") as seen:
    ...     _ = model(torch.tensor([[1, 2]]))
    >>> seen["h.0.attn.weights"].shape
    torch.Size([1, 1, 2, 2])
    """
    known = places(model)
    wanted = [name for pattern in ([names] if isinstance(names, str) else names) for name in matching(pattern, known)]
    seen = Activations(wanted, every)

    def keep(name: str) -> Callable[[Tensor], None]:
        def note(value: Tensor) -> None:
            kept = value.clone() if value._is_view() else value  # the cache's tensors go on changing
            seen.passes[-1][name] = kept.detach()

        return note

    with ExitStack() as stack:
        start = known["wte"].module.register_forward_pre_hook(lambda _module, _args: seen.begin(), prepend=True)
        stack.callback(start.remove)
        for name in wanted:
            listen(stack, model, known[name], keep(name))
        yield seen


@contextmanager
def patch(model: nn.Module, changes: Mapping[str, Change]) -> Iterator[None]:
    """Inside it the model computes with other activations, by the names of `places`: a number, a tensor (of another
    run, say), or a function of the tensor; an index after a name changes only that part.

    >>> import torch
    >>> from minigpt.models.config import GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=4, n_layer=1, n_head=2, n_embd=4))
    >>> with patch(model, {"h.0.attn.weights[:, 1]": 0, "h.*.mlp.out": lambda x: 2 * x}):
    ...     _ = model(torch.tensor([[1, 2]]))

    Raises ValueError for a name that no activation has, an invalid index and, when the model runs, a value whose
    shape does not fit.
    """
    known = places(model)
    with ExitStack() as stack:
        for key, change in reversed(list(changes.items())):  # each comes before the listeners already there
            pattern, index = split_index(key)
            for name in matching(pattern, known):
                listen(stack, model, known[name], changing(name, index, change), first=True)
        yield


def matching(pattern: str, known: Mapping[str, Place]) -> list[str]:
    """The names that a name or a pattern matches; a ValueError if there are none."""
    found = [name for name in known if fnmatchcase(name, pattern)]
    if not found:
        raise ValueError(
            f"no activation {pattern!r}: {did_you_mean(pattern, known) or 'there are ' + ', '.join(known)}"
        )
    return found

"""Small language models for the tests of generation: a random one, and one whose next token is known."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from minigpt.language_model import LanguageModel
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from tokenizer import Tokenizer

END = "<|endoftext|>"


def byte_tokenizer() -> Tokenizer:
    """One token per byte, and the end token 256."""
    return Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={END: 256})


@pytest.fixture(scope="session")
def random_model() -> Callable[..., GPT2]:
    """`random_model(seed=0, **sizes)`: see `make_model`."""
    return make_model


def make_model(seed: int = 0, **sizes: Any) -> GPT2:
    """A GPT-2 with weights large enough that its choices differ from token to token."""
    sizes = {"vocab_size": 257, "n_ctx": 64, "n_layer": 2, "n_head": 2, "n_embd": 16} | sizes
    model = GPT2(GPT2Config(**sizes)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.4)
    return model


class Parrot:
    """A model that writes a fixed text over and over: after a token comes the next one of the text, nearly surely.

    It knows where it is from the position alone, so a wrong position shows as a wrong text. It counts its forwards.
    """

    def __init__(self, text: bytes, start: int = 0, n_ctx: int = 64) -> None:
        self.config = GPT2Config(vocab_size=257, n_ctx=n_ctx, n_layer=1, n_head=1, n_embd=1)
        self.text, self.start = text, start
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.forwards: list[tuple[int, ...]] = []  # the shapes of the ids that came

    def parameters(self) -> Any:
        return iter([self.weight])

    def hidden(self, ids: Any, pos: Any = None, cache: Any = None) -> Any:
        assert cache is None or cache.k.shape[3] > (0 if pos is None else pos.max())  # room for the new tokens
        self.forwards.append(tuple(ids.shape))
        if pos is None:
            pos = torch.arange(ids.shape[1]).expand(ids.shape)
        return pos[..., None]  # (B, T, 1)

    def unembed(self, x: Any) -> Any:
        place = (x[..., 0] + 1 - self.start) % (len(self.text) or 1)  # of the next token
        return 20.0 * torch.nn.functional.one_hot(torch.tensor(list(self.text))[place], 257)


@pytest.fixture(scope="session")
def lm() -> LanguageModel:
    """A random language model over bytes; its text is no text."""
    return LanguageModel(make_model(), byte_tokenizer())


@pytest.fixture
def parrot() -> Callable[..., LanguageModel]:
    """`parrot(text, prompt)`: a model that goes on with the text after any prompt of the same length."""

    def make(text: str | bytes, prompt: str = "x", **sizes: Any) -> LanguageModel:
        data = text.encode() if isinstance(text, str) else text
        return LanguageModel(Parrot(data, len(prompt.encode()), **sizes), byte_tokenizer())

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small products are faster on one thread, and the machine has others to serve."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

"""What the tests share: random checkpoints saved by transformers, and a network that is closed unless asked for."""

import importlib
import os
import pkgutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.pop("COLUMNS", None)  # which xdist sets: a pipe has no width
os.environ.pop("CI", None)  # with it, or with the next, pytest compares long lists word by word: it can take for ever
os.environ.pop("BUILD_NUMBER", None)

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

# Without the phase that explains a failure, for which every line of every example is traced: the suite is much faster.
hypothesis_settings.register_profile("suite", phases=[phase for phase in Phase if phase != Phase.explain])
hypothesis_settings.load_profile("suite")

if "slipcover" in sys.modules:  # it sees ordinary imports, not those of pytest's importlib mode
    for package in map(importlib.import_module, ("tokenizer", "minigpt", "weights")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": 101, "n_positions": 48, "n_embd": 36, "n_layer": 3, "n_head": 3},
    "llama": {
        "vocab_size": 101,
        "max_position_embeddings": 64,
        "hidden_size": 36,
        "intermediate_size": 52,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
    },
}
SIZES["qwen2"] = SIZES["mistral"] = SIZES["llama"]
SIZES["qwen3"] = SIZES["llama"] | {"head_dim": 10}


def random_reference(family: str, seed: int = 0, **sizes: Any) -> Any:
    """A transformers model of the family ("gpt2", "llama", "mistral", …) with weights large enough to show bugs."""
    transformers = pytest.importorskip("transformers")
    names = {"gpt2": "GPT2", "llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    head = "LMHeadModel" if family == "gpt2" else "ForCausalLM"
    sizes = SIZES[family] | {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None} | sizes
    config = getattr(transformers, names[family] + "Config")(**sizes)
    model = getattr(transformers, names[family] + head)(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            is_norm_weight = p.ndim == 1 and name.endswith("weight")
            p.copy_(1 + 0.2 * noise if is_norm_weight else noise * (0.1 if p.ndim == 1 else 0.2))
    return model.eval()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs started by this test obey Ctrl-C even where pytest was told to ignore it, as `nohup make test &` does:
    a child inherits an ignored SIGINT, but not a handled one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`random_checkpoint(family, dtype="float32", seed=0, **sizes)`: a folder saved by transformers, made once."""
    made: dict[str, Path] = {}

    def make(family: str = "gpt2", dtype: str = "float32", seed: int = 0, **sizes: Any) -> Path:
        key = repr((family, dtype, seed, sorted(sizes.items())))
        if key not in made:
            folder = tmp_path_factory.mktemp(family)
            random_reference(family, seed, **sizes).to(getattr(torch, dtype)).save_pretrained(folder)
            made[key] = folder
        return made[key]

    return make


@pytest.fixture(scope="session", name="random_reference")
def random_reference_fixture() -> Callable[..., Any]:
    """`random_reference(family, seed=0, **sizes)`: the model itself, a fresh one each call."""
    return random_reference

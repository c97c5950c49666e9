"""Settings that a model or a machine has no room for: refused before anything is computed."""

import math
import os

import torch

from minigpt.generation.rules import shown
from minigpt.generation.settings import Settings
from minigpt.models.interface import Model
from minigpt.models.llama_config import Config


def check_vocabulary(config: Config, settings: Settings) -> None:
    """Refuse settings that name ids which the model has no row for, and more beams than tokens."""
    named = {
        "bad_words_ids": [id for word in settings.bad_words_ids for id in word],
        "sequence_bias": [id for word, _ in settings.sequence_bias for id in word],
        "forced_bos_token_id": [] if settings.forced_bos_token_id is None else [settings.forced_bos_token_id],
        "forced_eos_token_id": settings.forced_eos_token_id,
    }
    last = config.vocab_size - 1
    for name, ids in named.items():
        if ids and max(ids) > last:
            raise ValueError(f"{name}: id {shown(max(ids))} is not in the vocabulary: ids are 0 to {last}")
    if settings.num_beams > config.vocab_size:
        raise ValueError(
            f"num_beams {shown(settings.num_beams)} exceeds the vocabulary of {config.vocab_size} tokens: give fewer"
        )


def check_memory(model: Model, n_prompts: int, settings: Settings) -> None:
    """Refuse more sequences at once than the device could hold: their caches and their scores."""
    config, weight = model.config, next(model.parameters())
    n = n_prompts * settings.num_return_sequences
    at_once = settings.num_beams if settings.num_beams > 1 else 1 if settings.prompt_lookup_num_tokens else n
    slots = min(config.n_ctx, settings.new_tokens(0))
    cache = 2 * config.n_layer * config.n_kv_head * config.head_dim * slots * weight.element_size()
    scores = 4 * config.vocab_size
    need, room = at_once * (cache + scores) + n * 1000, memory(weight.device)  # a sequence itself takes a kilobyte
    if need > room:
        many = f"num_return_sequences {shown(settings.num_return_sequences)}"
        what = f"num_beams {settings.num_beams}" if at_once > n else many if n > n_prompts else f"{n} prompts at once"
        raise ValueError(f"{what} would take about {need // 10**9} GB, and there are {room / 1e9:.0f}: give fewer")


def memory(device: torch.device) -> float:
    """The bytes of memory of a device, in use or not; infinite where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return math.inf

"""Ids in, new ids out: plans the sequences, picks the fastest forms that are correct, runs the settings' strategy."""

from dataclasses import replace
from typing import Unpack, overload

from torch import Tensor

from minigpt.fast.choose import fast_form
from minigpt.fast.sampling import fast_sample
from minigpt.generation.beam_search import search
from minigpt.generation.decoding import decode, device_of
from minigpt.generation.keywords import Keywords
from minigpt.generation.prompt_lookup import look_ahead
from minigpt.generation.sampling import sample as plain_sample
from minigpt.generation.sequences import Steps, TokenSequence, plan
from minigpt.generation.settings import Settings, resolve
from minigpt.models.interface import Model
from minigpt.prompts import as_ids


@overload
def generate(model: Model, ids: list[int], **settings: Unpack[Keywords]) -> list[int]: ...
@overload
def generate(model: Model, ids: list[list[int]] | Tensor, **settings: Unpack[Keywords]) -> list[list[int]]: ...
@overload
def generate(
    model: Model, ids: list[int] | list[list[int]] | Tensor, *, num_return_sequences: int, **settings: Unpack[Keywords]
) -> list[int] | list[list[int]]: ...
def generate(
    model: Model,
    ids: list[int] | list[list[int]] | Tensor,
    *,
    num_return_sequences: int | None = None,
    **settings: Unpack[Keywords],
) -> list[int] | list[list[int]]:
    """Continues a list of token ids, or several lists at once: ids in, new ids out, an end token included.

    The settings are those of `Settings`; without `eos_token_id` only the number of tokens ends a text. With
    num_return_sequences=n each list gives n lists, one after the other.

    >>> from minigpt.models.gpt2 import GPT2, GPT2Config
    >>> model = GPT2(GPT2Config(vocab_size=9, n_ctx=16, n_layer=1, n_head=2, n_embd=8))
    >>> len(generate(model, [1, 2, 3], max_new_tokens=5))
    5
    """
    chosen = resolve({**settings, "num_return_sequences": num_return_sequences})
    prompts, several = as_ids(ids)
    sequences = plan(model, prompts, chosen)
    for _ in run(model, sequences, chosen):
        pass
    found = [sequence.new_ids for sequence in sequences]
    return found if several or chosen.num_return_sequences > 1 else found[0]


def run(model: Model, sequences: list[TokenSequence], settings: Settings) -> Steps:
    """Extends the sequences by the settings' strategy; yields, after every step, those that got tokens."""
    form, sample = fast_form(model, settings.plain), fast_sample(settings.plain)
    is_fast, model = form is not model and sample is not plain_sample, form
    settings = within(model.config.n_ctx, settings)
    if settings.num_beams > 1:
        return search(model, sequences, settings)
    if settings.prompt_lookup_num_tokens:
        return look_ahead(model, sequences, settings, sample)
    if is_fast and device_of(model).type == "cuda":
        from minigpt.fast import gpu

        if gpu.can_run(model, sequences, settings):
            return gpu.decode(model, sequences, settings, sample)
    return decode(model, sequences, settings, sample)


def within(n_ctx: int, settings: Settings) -> Settings:
    """The settings, with a forced end token as the last one that the model's positions have room for."""
    if not settings.forced_eos_token_id or settings.context == "slide":
        return settings
    return replace(settings, max_length=min(n_ctx, settings.max_length or n_ctx))

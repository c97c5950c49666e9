"""Speculative decoding with drafts looked up in the text itself (Leviathan et al. 2023; Saxena 2023, prompt lookup).

Texts repeat: where the last few tokens have come before, what followed them then is a good guess. One step over the
guess costs hardly more than one token, and says for every token of it what the loop would have sampled there. All
tokens up to the first that differs are as good as sampled one by one, and so is the one sampled instead of it.
"""

import torch

from minigpt.generation.decoding import append_next, new_cache, prefill, sequence_keys
from minigpt.generation.sampling import Sample
from minigpt.generation.sequences import Steps, TokenSequence
from minigpt.generation.settings import Settings
from minigpt.models.interface import Model

LONGEST_MATCH = 3  # tokens


def draft(ids: list[int], n_tokens: int) -> list[int]:
    """Up to n_tokens that followed the latest earlier occurrence of the text's last tokens, three, two or one of them.

    >>> draft([1, 2, 3, 9, 1, 2, 3], 2), draft([1, 2], 2)
    ([9, 1], [])
    """
    for n in range(LONGEST_MATCH, 0, -1):
        end = ids[-n:]
        for start in range(len(ids) - n - 1, -1, -1):
            if ids[start : start + n] == end:
                return ids[start + n : start + n + n_tokens]
    return []


@torch.inference_mode()
def look_ahead(model: Model, sequences: list[TokenSequence], settings: Settings, sample: Sample) -> Steps:
    """Extends the sequences one by one, several tokens a step where the draft is right; the text is that of `decode`.

    It is the same for drawn tokens, too: the random numbers of a step depend on its number and not on how it was
    reached. Yields the sequence after each step.
    """
    keys = sequence_keys(sequences, settings)
    for sequence, key in zip(sequences, keys, strict=True):
        if sequence.finish_reason:
            continue
        cache = new_cache(model, [sequence])
        logits = prefill(model, [sequence], cache)[:, None]  # (1, 1, V)
        guess: list[int] = []
        while True:
            for i in range(logits.shape[1]):
                append_next(logits[:, i], [sequence], key[None], settings, sample)
                if sequence.finish_reason or guess[i : i + 1] != sequence.ids[-1:]:
                    break
            yield [sequence]
            if sequence.finish_reason:
                break
            room = sequence.limit - len(sequence.new_ids) - 1
            guess = draft(sequence.ids, min(settings.prompt_lookup_num_tokens, room))
            ids = torch.tensor([sequence.ids[-1:] + guess], device=logits.device)  # (1, T)
            pos = len(sequence.ids) - 1 + torch.arange(ids.shape[1], device=logits.device)[None]  # (1, T)
            x = model.hidden(ids, pos, cache.first(len(sequence.ids) + len(guess)))  # (1, T, C)
            logits = model.unembed(x)  # (1, T, V)

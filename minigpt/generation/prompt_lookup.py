"""Speculative decoding with drafts looked up in the text itself (Leviathan et al. 2023; Saxena 2023, prompt lookup).

Texts repeat: where the last few tokens have come before, what followed them then is a good guess. One step over the
guess costs hardly more than one token, and says for every token of it what the loop would have picked there. All
tokens up to the first that differs are as good as picked one by one, and so is the one picked instead of it.
"""

import torch

from minigpt.generation.decoding import choose, encode, keys_of, new_cache
from minigpt.generation.sequences import Model, Row, Steps
from minigpt.generation.settings import Settings

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
def look_ahead(model: Model, rows: list[Row], settings: Settings) -> Steps:
    """Lets the rows grow one after the other, several tokens a step where the draft holds; the text is that of `grow`.

    It is the same for drawn tokens, too: the noise of a step depends on its number and not on how it was reached.
    Yields the row after each step.
    """
    keys = keys_of(rows, settings)
    for row, key in zip(rows, keys, strict=True):
        if row.finish_reason:
            continue
        cache = new_cache(model, [row])
        logits = encode(model, [row], cache)[:, None]  # (1, 1, V)
        guess: list[int] = []
        while True:
            for i in range(logits.shape[1]):
                choose(logits[:, i], [row], key[None], settings)
                if row.finish_reason or guess[i : i + 1] != row.ids[-1:]:
                    break
            yield [row]
            if row.finish_reason:
                break
            guess = draft(row.ids, min(settings.prompt_lookup_num_tokens, row.limit - len(row.new_ids) - 1))
            ids = torch.tensor([row.ids[-1:] + guess], device=logits.device)  # (1, T)
            pos = len(row.ids) - 1 + torch.arange(ids.shape[1], device=logits.device)[None]  # (1, T)
            x = model.hidden(ids, pos, cache.first(len(row.ids) + len(guess)))  # (1, T, C)
            logits = model.unembed(x)  # (1, T, V)

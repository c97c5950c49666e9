"""Lesson 10: generation with a KV cache."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.cache import KVCache

Model = Callable[[Sequence[int], Any], tuple[Tensor, Any]]
V, EOS, NEVER = 7, 4, 8  # ids below V; NEVER is none of them


def generate_cached(model: Model, prompts: list[list[int]], n: int, eos: int) -> list[list[int]]:
    """The new ids of each prompt, at most n, each the likeliest after all before it; at eos a text
    ends without it.

    model(ids, cache) takes a list of T ids, and gives the logits (T, V) after each and the cache
    that holds these ids, too; None is the empty cache. An id goes through the model once, and a
    text never sees another one's cache.
    """
    # BEGIN SOLUTION
    texts = []
    for prompt in prompts:
        new: list[int] = []
        ids, cache = prompt, None  # first the whole prompt, then one id at a time
        for _ in range(n):
            logits, cache = model(ids, cache)
            best = int(logits[-1].argmax())
            if best == eos:
                break
            new.append(best)
            ids = [best]
        texts.append(new)
    return texts
    # END SOLUTION


class Seen(tuple[int, ...]):
    """The stand-in's cache: the ids that it has seen."""


def model(ids: Sequence[int], cache: Any = None) -> tuple[Tensor, Seen]:
    """A stand-in for a model: after each id a row of a table, which all ids so far choose together."""
    table = material.numbers(101, V, seed=5)
    if not isinstance(ids, (list, tuple)) or any(isinstance(id, (list, tuple)) for id in ids):
        raise TypeError(f"model takes a list of ids, such as [3, 1], not {ids!r}")
    new = [int(id) for id in ids]
    if not new or not all(0 <= id < V for id in new):
        raise ValueError(f"the model takes one or more ids from 0 to {V - 1}, not {new}")
    if not isinstance(cache, Seen | None):
        raise TypeError(f"the cache is None, or what the model gave, not {type(cache).__name__}")
    row, rows = 0, []
    for n, id in enumerate([*(cache or ()), *new]):
        row = (7 * row + id + 1) % len(table)
        if n >= len(cache or ()):
            rows.append(table[row])
    return torch.stack(rows), Seen((*(cache or ()), *new))


def new_ids(part: Callable[..., Any], model: Model, prompts: list[list[int]], n: int, eos: int) -> Any:
    """The ids as lists of numbers, with a remark where a text went through the model again."""
    begun = 0

    def counting(ids: Sequence[int], cache: Any = None) -> tuple[Tensor, Any]:
        nonlocal begun
        begun += cache is None
        return model(ids, cache)

    counting.__name__ = "model"
    texts = part(counting, prompts, n, eos)
    if texts is None:
        return None
    again = n > 2 and begun > len(prompts)  # of one or two tokens a step that nobody needs would count
    return (plain(texts), "with the same ids computed again and again") if again else plain(texts)


def plain(ids: Any) -> Any:
    """Lists for tensors and tuples, at any depth."""
    if isinstance(ids, Tensor):
        return ids.tolist()
    return [plain(id) for id in ids] if isinstance(ids, (list, tuple)) else ids


def acts(writer: Any, part: Callable[..., list[list[int]]]) -> None:
    """The text is the likeliest, token by token, with the model's own cache."""
    config = writer.model.config

    def model(ids: list[int], past: tuple[KVCache, int] | None) -> tuple[Tensor, tuple[KVCache, int]]:
        cache, start = past or (KVCache(config, 1, config.n_ctx), 0)
        pos = torch.arange(start, start + len(ids))[None]
        return writer.model(torch.tensor([ids]), pos, cache)[0], (cache, start + len(ids))

    writer.write = lambda ids, n: part(model, [ids], n, writer.eos)[0]


def cases() -> list[Case]:
    """One token after a text, none, some; eos at once, later, never, in the prompt; several texts: eos ends all of them
    but the last, so that their caches are the same with and without a last step that nobody needs."""
    alone = [([3], 1), ([2, 5], 0), ([2, 5], 1), ([5, 0, 2, 6], 4), ([1, 6], 5), ([5, EOS], 4)]
    several = [([[1, 6], [2, 5]], 3), ([[3], [0, 1, 6], [2, 5]], 6), ([[1, 3], [6, EOS], [5], [6, 6, 6]], 5)]
    return [
        *(Case((model, [ids], n, eos)) for ids, n in alone for eos in (NEVER, EOS)),
        *(Case((model, prompts, n, EOS)) for prompts, n in several),
    ]


BEGIN, STEP, NEXT = "ids, cache = prompt, None", "logits, cache = model(ids, cache)", "ids = [best]"
END, APPEND = "            if best == eos:\n                break\n", "            new.append(best)\n"

EXERCISE = Exercise(
    lesson="10",
    part=generate_cached,
    make_cases=cases,
    acts=acts,
    use=new_ids,
    hints=(
        "First the whole prompt goes through the model, with an empty cache. What is left to do for each new token?",
        "Each step gives the model the newest id alone, and the cache that the step before returned.",
        "ids, cache = prompt, None; in the loop logits, cache = model(ids, cache), best = int(logits[-1].argmax()), "
        "ids = [best].",
    ),
    bugs=(
        bug(
            *("feeds_all", "gives the model the whole text, though the cache holds it already"),
            *(NEXT, "ids = prompt + new"),
        ),
        bug(
            *("feeds_new", "gives the model all new ids each time: the cache holds all but the newest"),
            *(NEXT, "ids = new"),
        ),
        bug(
            *("recomputes", "gives the model the whole text with an empty cache: right, but each id is computed anew"),
            *(NEXT, "ids, cache = prompt + new, None"),
        ),
        bug("forgets", "gives the model the newest id without the cache", NEXT, "ids, cache = [best], None"),
        bug(
            *("not_grown", "does not keep the cache that a step returns, so that it never grows beyond the prompt"),
            *(STEP, "logits, grown = model(ids, cache)\n            cache = cache or grown"),
        ),
        bug("prompt_off_by_one", "leaves out the prompt's last id", BEGIN, "ids, cache = prompt[:-1], None"),
        bug("prompt_from_1", "leaves out the prompt's first id", BEGIN, "ids, cache = prompt[1:], None"),
        bug(
            *("last_twice", "gives the model the prompt's last id twice"),
            *(BEGIN, "ids, cache = prompt[-1:], model(prompt, None)[1]"),
        ),
        bug(
            *("cache_shared_between_rows", "begins a text with the cache of the one before"),
            *("texts = []", "texts, cache = [], None", BEGIN, "ids = prompt"),
        ),
        bug(
            *("new_shared", "collects the new ids of all prompts in one list"),
            *("    texts = []", "    texts, new = [], []", "        new: list[int] = []\n", ""),
        ),
        bug("flat", "puts the ids of all prompts one after the other", "texts.append(new)", "texts.extend(new)"),
        bug("eos", "goes on after eos as after any token", END, ""),
        bug(
            *("eos_ends_all", "returns at the first eos: that text and all after it are missing"),
            *(END, END.replace("break", "return texts")),
        ),
        bug("eos_kept", "keeps eos at the end of the text", f"{END}{APPEND}", f"{APPEND}{END}"),
        bug("one_too_many", "makes one token too many", "range(n)", "range(n + 1)"),
        bug("one_too_few", "makes one token too few", "range(n)", "range(n - 1)"),
        bug("prompt_counts", "counts the prompt into n", "range(n)", "range(n - len(prompt))"),
        bug(
            "prompt_included", "returns the prompts, too, not the new ids alone", "append(new)", "append(prompt + new)"
        ),
        bug("first_position", "looks at the logits after the first id", "logits[-1]", "logits[0]"),
        bug("all_positions", "takes the best of the logits after all ids", "logits[-1].argmax()", "logits.argmax()"),
        bug(
            "mean_position",
            "takes the mean of the logits after all ids",
            "logits[-1].argmax()",
            "logits.mean(0).argmax()",
        ),
    ),
)

"""Lesson 09: greedy decoding."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def greedy(model: Callable[[Sequence[int]], Tensor], ids: list[int], n: int, eos: int, n_ctx: int) -> list[int]:
    """The new ids, at most n, each the likeliest after all before it; it stops at eos, which is not
    returned.

    model(ids) gives the logits (V,) of the next token. It sees at most n_ctx ids: the last ones of
    a longer text.
    """
    # BEGIN SOLUTION
    new: list[int] = []
    for _ in range(n):
        logits = model((ids + new)[-n_ctx:])  # (V,)
        best = int(logits.argmax())
        if best == eos:
            break
        new.append(best)
    return new
    # END SOLUTION


def new_ids(part: Any, *args: Any) -> Any:
    """A tensor or a tuple of ids is as good as a list."""
    return material.as_list(part(*args))


def acts(writer: Any, part: Callable[..., list[int]]) -> None:
    """The text is the likeliest, token by token."""
    writer.write = lambda ids, n: part(writer.scores, ids, n, writer.eos, writer.model.config.n_ctx)


def cases() -> list[Case]:
    """A token, none, some; a text that ends at once and one that ends later; eos in the prompt; more than n_ctx ids."""
    model = material.table_model(7, n_ctx=4, seed=5)
    prompts = [([3], 1), ([3], 0), ([2], 3), ([1, 4], 5), ([6, 2], 4), ([5, 0, 2], 6), ([0, 6], 3)]
    long = [([2, 6, 1, 4], 2), ([4, 1, 5, 3, 6], 1), ([1, 2, 3, 4, 5, 6], 7), ([0, 1, 3, 3, 2, 5, 6, 4], 9)]
    return [Case((model, ids, n, eos, 4)) for ids, n in [*prompts, *long] for eos in (0, 4)]


CONTEXT, BEST = "(ids + new)[-n_ctx:]", "int(logits.argmax())"
END = "        if best == eos:\n            break\n"
APPEND, RETURN = "        new.append(best)\n", "return new"

EXERCISE = Exercise(
    lesson="09",
    part=greedy,
    make_cases=cases,
    acts=acts,
    use=new_ids,
    hints=(
        "A loop: ask the model, take the best id, add it to the text, ask again. When does it end?",
        "The model must see the prompt and the new ids, the last n_ctx of them; eos ends the text.",
        "for _ in range(n): best = int(model((ids + new)[-n_ctx:]).argmax()); if best == eos: break; new.append(best).",
    ),
    bugs=(
        bug("appends_text", "appends the token as text, not as an id", "append(best)", "append(str(best))"),
        bug("window_missing", "gives the model more than the n_ctx ids that it can see", CONTEXT, "ids + new"),
        bug(
            "window_front",
            "gives the model the first n_ctx ids: it never sees the new ones",
            CONTEXT,
            "(ids + new)[:n_ctx]",
        ),
        bug(
            *("stops_at_n_ctx", "ends where the text has n_ctx ids, though the model can go on with the last ones"),
            *("range(n)", "range(min(n, n_ctx - len(ids)))"),
        ),
        bug("window_short", "gives the model one id less than it can see", CONTEXT, "(ids + new)[-n_ctx + 1 :]"),
        bug("prompt_kept", "keeps the end of the prompt in sight, and cuts that alone", CONTEXT, "ids[-n_ctx:] + new"),
        bug("only_newest", "shows the model the newest id alone", CONTEXT, "(ids + new)[-1:]"),
        bug("prompt_forgotten", "shows the model the new ids without the prompt", CONTEXT, "(new or ids)[-n_ctx:]"),
        bug(
            "same_logits",
            "shows the model the prompt alone, so that it says the same each time",
            CONTEXT,
            "ids[-n_ctx:]",
        ),
        bug("eos_kept", "keeps eos at the end of the text", f"{END}{APPEND}", f"{APPEND}{END}"),
        bug("eos_ignored", "goes on after eos as after any token", END, ""),
        bug(
            "eos_in_prompt",
            "ends at once where eos stands in the prompt",
            "if best == eos:",
            "if best == eos or eos in ids:",
        ),
        bug("eos_empties", "returns nothing where eos comes", "            break", "            return []"),
        bug("prompt_repeated", "returns the prompt, too, not the new ids alone", RETURN, "return ids + new"),
        bug("prompt_counts", "counts the prompt into n", "range(n)", "range(n - len(ids))"),
        bug("one_too_many", "makes one token too many", "range(n)", "range(n + 1)"),
        bug("one_too_few", "makes one token too few", "range(n)", "range(n - 1)"),
        bug(
            *("last_logit", "takes the last of the logits: they are of the next token alone already"),
            *(BEST, "int(logits[-1].argmax())"),
        ),
        bug("argmin", "takes the least likely token", BEST, "int(logits.argmin())"),
        bug("second_best", "takes the second best token", BEST, "int(logits.argsort()[-2])"),
        bug(
            "absolute",
            "takes the logit farthest from 0: a low one may be far below",
            BEST,
            "int(logits.abs().argmax())",
        ),
        bug("value_for_id", "takes the largest logit for the id that has it", BEST, "float(logits.max())"),
        bug("last_only", "returns the last id alone", RETURN, "return new[-1:]"),
    ),
)

"""Texts that grow as one watches and stop when told, by any strategy; and the code that gives the same text."""

import shlex
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

from minigpt.chat.chat import with_defaults
from minigpt.fast.choose import fast_form
from minigpt.generation.beam_search import Step, rounds
from minigpt.generation.generate import run
from minigpt.generation.sequences import TokenSequence, plan
from minigpt.language_model import LanguageModel
from minigpt.prompts import Prompt, start_of


def growing(
    lm: LanguageModel, prompt: Prompt, given: Mapping[str, object], chat: bool = False
) -> Generator[TokenSequence]:
    """The sequence that `lm.generate` makes, after every token; close it and no further one is computed.

    In a beam search it is the likeliest text so far, and at the end the one that won. With `chat` the prompt is a
    user's message, and the text the answer of `lm.chat`. Raises as these do.
    """
    if chat:
        form = lm.chat_format()
        prompt, given = form.ids([message(prompt)]), with_defaults(given, form, lm.generation_config)
    settings = lm.settings(given)
    [sequence] = plan(lm.model, [start_of(lm.tokenizer, prompt)], settings, lm.tokenizer)
    if settings.num_beams == 1 or settings.forced_eos_token_id or sequence.finish_reason:
        for _ in run(lm.model, [sequence], settings):
            yield sequence
        return
    assert sequence.reader  # a tokenizer has read the prompt
    step: Step | None = None
    for step in rounds(fast_form(lm.model, settings.plain), sequence, settings):
        best = step.ranked[0].new
        yield replace(sequence, ids=[*sequence.ids, *best], text=sequence.reader.text_of(best).rstrip("\ufffd"))
    assert step  # there is room for a token
    for id, logprob in zip(step.finished[0][1].new, step.finished[0][1].logprobs, strict=True):
        sequence.append(id, logprob)
    yield sequence


def message(prompt: Prompt) -> dict[str, object]:
    """A prompt as a conversation's only message."""
    return {"role": "user", "content": prompt}


def as_code(model: LanguageModel | str | Path, prompt: str, given: Mapping[str, object], chat: bool = False) -> str:
    """The Python that gives the same text, on `lm` if the model is given as an object; else the command line, too.

    >>> print(as_code("gpt2", "It's", {"top_k": 5}))
    minigpt.load('gpt2').generate("It's", top_k=5).text
    minigpt generate -m gpt2 --top-k 5 -- 'It'"'"'s'
    """
    lm = "lm" if isinstance(model, LanguageModel) else f"minigpt.load({str(model)!r})"
    what = f"chat([{message(prompt)}]" if chat else f"generate({prompt!r}"
    python = f"{lm}.{what}, {', '.join(f'{key}={value!r}' for key, value in given.items())}).text"
    if chat or isinstance(model, LanguageModel):
        return python
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in given.items())
    return f"{python}\nminigpt generate -m {shlex.quote(str(model))} {flags} -- {shlex.quote(prompt)}"

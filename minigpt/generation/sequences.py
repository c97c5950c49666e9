"""Sequences being generated, and the plan for them: what can go wrong is found before anything is computed."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from numbers import Integral

from minigpt.generation.bounds import check_memory, check_vocabulary
from minigpt.generation.rules import shown
from minigpt.generation.settings import Settings
from minigpt.generation.stopping import TextReader
from minigpt.models.interface import Model
from minigpt.models.llama_config import Config
from tokenizer import Tokenizer


@dataclass
class TokenSequence:
    """One sequence: its tokens so far, how many it may get, and why it ended.

    >>> sequence = TokenSequence([5, 6], n_prompt=2, limit=2, eos=(7,))
    >>> sequence.append(7, -0.1)
    >>> sequence.new_ids, sequence.finish_reason
    ([7], 'eos')
    """

    ids: list[int]  # prompt and new
    n_prompt: int
    limit: int  # new tokens at most
    at_limit: str = "length"  # the reason when they are used up: "length", or "context" where there is no room for more
    finish_reason: str | None = None  # "eos", "stop", "length" or "context"; None: it goes on
    logprobs: list[float] = field(default_factory=list)  # one per new token
    top_logprobs: list[list[tuple[int, float]]] = field(default_factory=list)  # the best (id, log-probability) pairs
    score: float | None = None  # beam search: what sequences are ranked by
    eos: tuple[int, ...] = ()
    reader: TextReader | None = None  # turns the new tokens into text, if there is a tokenizer
    text: str = ""  # the part of the new text that is certain

    @property
    def new_ids(self) -> list[int]:
        """The tokens after the prompt."""
        return self.ids[self.n_prompt :]

    def append(self, id: int, logprob: float, others: list[tuple[int, float]] | None = None) -> None:
        """One more token; ends the sequence at an end token, at a stop string, or at its limit."""
        self.ids.append(id)
        self.logprobs.append(logprob)
        if others:
            self.top_logprobs.append(others)
        if id in self.eos:
            self.finish_reason = "eos"
        elif self.reader:
            self.text += self.reader.push(id)
            self.finish_reason = "stop" if self.reader.found else None
        if not self.finish_reason and len(self.ids) - self.n_prompt >= self.limit:
            self.finish_reason = self.at_limit
        if self.finish_reason and self.reader:
            self.text += self.reader.flush()


Steps = Generator[list[TokenSequence], None, None]  # after each step, those that got tokens; close() stops


def plan(
    model: Model, prompts: Sequence[Sequence[int]], settings: Settings, tokenizer: Tokenizer | None = None
) -> list[TokenSequence]:
    """The sequences for prompts given as ids: num_return_sequences side by side for each.

    An empty prompt starts from bos_token_id (or the first eos_token_id). Prompt and new tokens together may have
    n_ctx tokens; beyond that `settings.context` decides. Raises ValueError, before anything is computed.
    """
    if getattr(model, "training", False) and getattr(model.config, "dropout", 0):
        raise ValueError("the model is in training mode and drops values: call model.eval() first")
    if settings.stop and tokenizer is None:
        raise ValueError(f"stop={shown(settings.stop)} is text, and there is no tokenizer to read it by")
    check_vocabulary(model.config, settings)
    check_memory(model, len(prompts), settings)
    sequences = []
    for prompt in prompts:
        if isinstance(prompt, str | bytes | bytearray) or not isinstance(prompt, Sequence):
            raise TypeError(f"a prompt is a list of ids here, not {shown(prompt)}")
        ids, limit, at_limit = fit(model.config, list(prompt), settings)
        for _ in range(settings.num_return_sequences):
            reader = TextReader(tokenizer, settings.stop) if tokenizer else None
            sequence = TokenSequence(list(ids), len(ids), limit, at_limit, eos=settings.eos_token_id, reader=reader)
            sequence.finish_reason = None if limit else at_limit
            sequences.append(sequence)
    return sequences


def check_ids(config: Config, ids: Sequence[int]) -> None:
    """Refuse, by name, what is not an id and an id that the model has no row for."""
    for id in ids:
        if not isinstance(id, Integral) or isinstance(id, bool):
            raise ValueError(f"ids are whole numbers, and {shown(id)} is none")
        if not 0 <= id < config.vocab_size:
            raise ValueError(f"id {shown(id)} is not in the vocabulary: ids are 0 to {config.vocab_size - 1}")


def fit(config: Config, prompt: list[int], settings: Settings) -> tuple[list[int], int, str]:
    """A prompt's ids, how many new tokens it may get, and the reason when they are used up; see `plan`.

    >>> from minigpt.models.config import GPT2Config
    >>> fit(GPT2Config(n_ctx=8), [1, 2, 3], Settings(max_new_tokens=9, context="stop"))
    ([1, 2, 3], 5, 'context')
    """
    prompt = prompt or settings.start_ids
    if not prompt:
        raise ValueError("an empty prompt needs a token to start from: give bos_token_id")
    check_ids(config, prompt)
    wanted = settings.max_new_tokens
    limit = settings.new_tokens(len(prompt))
    if settings.max_length is not None and len(prompt) >= settings.max_length:
        raise ValueError(
            f"max_length {settings.max_length} counts the prompt, which has {len(prompt)} tokens: give max_new_tokens"
        )
    room = config.n_ctx - len(prompt)
    if limit <= room or settings.context == "slide":
        return prompt, limit, "length"
    if settings.context == "error" and (wanted is not None or room <= 0):
        way_out = "choose fewer, or context='stop' (end early)" if room > 0 else "shorten the prompt"
        raise ValueError(
            f"{len(prompt)} tokens of prompt and {shown(limit)} new ones exceed the context of {config.n_ctx}: "
            f"{way_out}, or context='slide' (forget the beginning)"
        )
    return prompt, max(room, 0), "context"

"""A model with its tokenizer: text in, text out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from minigpt.chat.chat import chat_format, with_defaults
from minigpt.chat.format import ChatFormat
from minigpt.chat.template import Message
from minigpt.generation import decoding as generation
from minigpt.generation.sequences import Model, Row, Steps, is_batch, plan
from minigpt.generation.settings import Settings, resolve
from tokenizer import Tokenizer

if TYPE_CHECKING:
    from minigpt.analysis.scoring import NextToken, Score


@dataclass(frozen=True)
class Completion:
    """How a prompt went on."""

    text: str  # the new text only, without an end token or a stop string
    ids: list[int]  # the new ids, all of them: an end token and what a stop string is made of included
    finish_reason: str  # "eos", "stop", "length" or "context"
    logprobs: list[float]  # one per id: natural logarithm, the model's own distribution before any filter
    top_logprobs: list[list[tuple[int, float]]] = field(default_factory=list, repr=False)  # if asked for, best first
    score: float | None = None  # beam search: summed log-probability / length ** length_penalty
    n_prompt: int = 0  # tokens of the prompt


class Stream:
    """The pieces of a text while it grows: iterate over it; close() stops the work; `completion` is what came of it."""

    def __init__(self, row: Row, steps: Steps) -> None:
        self._row, self._steps = row, steps
        self._n_given = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._n_given == len(self._row.text):
            next(self._steps)
        piece = self._row.text[self._n_given :]
        self._n_given += len(piece)
        return piece

    def close(self) -> None:
        """Stop the work: no further token is computed, no further piece comes."""
        self._steps.close()
        self._n_given = len(self._row.text)

    @property
    def completion(self) -> Completion:
        """What the row has so far, and after the last piece all of it; a stream that was closed ends with "stop"."""
        return completion(self._row)


class LanguageModel:
    """A model, its tokenizer and its habits (generation_config.json). See `minigpt.load`."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer | None = None,
        generation_config: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        name: str = "",
        report: Any = None,
        path: Path | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.generation_config = dict(generation_config or {})
        self.chat_template = chat_template
        self.name = name
        self.report = report
        self.path = path  # the folder or file it came from

    def generate(self, prompt: str | Sequence[int] | Sequence[str], **settings: Any) -> Any:
        """Continues a text, or several at once. The settings are those of `minigpt.settings.Settings`.

        One prompt (a str, or a list of ids) gives one `Completion`, a list of prompts a list of them; with
        num_return_sequences=n each is a list of n. What is not given comes from the checkpoint, else greedy.
        A prompt is plain text: what looks like a special token in it is none.
        Raises TypeError for an unknown setting, ValueError for a bad value, before anything is computed.
        """
        chosen = self.settings(settings)
        several = is_batch(prompt)
        rows = self._plan(prompt if several else [prompt], chosen)  # type: ignore[arg-type, list-item]
        for _ in generation.run(self.model, rows, chosen):
            pass
        found = [completion(row) for row in rows]
        n = chosen.num_return_sequences
        if n > 1:
            lists = [found[i : i + n] for i in range(0, len(found), n)]
            return lists if several else lists[0]
        return found if several else found[0]

    def stream(self, prompt: str | Sequence[int], **settings: Any) -> Stream:
        """The text that `generate` gives, piece by piece as it grows, always whole characters.

        A stop string never shows, not even its beginning. Closing the stream stops the work.
        """
        chosen = self.settings(settings)
        if chosen.num_beams > 1 or chosen.num_return_sequences > 1:
            raise ValueError("a stream is one text as it grows: num_beams and num_return_sequences must be 1")
        rows = self._plan([prompt], chosen)
        return Stream(rows[0], generation.run(self.model, rows, chosen))

    def next_tokens(self, prompt: str | Sequence[int], k: int = 10, **settings: Any) -> list[NextToken]:
        """The k most likely next tokens, with their probabilities before and after the filters."""
        from minigpt.analysis.scoring import next_tokens

        return next_tokens(self, prompt, k, settings)

    def score(self, text: str | Sequence[int], allow_special: str | Collection[str] = ()) -> Score:
        """How well the model foresees a text: log-probability of every token, perplexity, bits per byte."""
        from minigpt.analysis.scoring import score

        return score(self, text, allow_special)

    def chat(self, messages: Sequence[Message], **settings: Any) -> Any:
        """The answer to a conversation, [{"role": "user", "content": "…"}, …]; instruction-tuned models only.

        The settings are those of `generate`; the answer ends at any end token that the checkpoint names. Raises
        ValueError for a model without chat template, for malformed messages, and where they do not fit.
        """
        chat = self.chat_format()
        return self.generate(chat.ids(messages), **with_defaults(settings, chat, self.generation_config))

    def chat_stream(self, messages: Sequence[Message], **settings: Any) -> Stream:
        """The answer that `chat` gives, piece by piece as it grows."""
        chat = self.chat_format()
        return self.stream(chat.ids(messages), **with_defaults(settings, chat, self.generation_config))

    def chat_format(self) -> ChatFormat:
        """How this checkpoint writes conversations; ValueError where it does not."""
        return chat_format(self.chat_template, self.tokenizer, self.generation_config, self.path, self.name)

    def settings(self, given: Mapping[str, Any]) -> Settings:
        """The settings in force: the caller's, then the checkpoint's."""
        config = dict(self.generation_config)
        end = self.tokenizer.special_tokens.get("<|endoftext|>") if self.tokenizer else None
        if config.get("eos_token_id") is None and end is not None:
            config["eos_token_id"] = end
        return resolve(given, config)

    def encode(self, prompt: str | Sequence[int], allow_special: str | Collection[str] = ()) -> list[int]:
        """A text's ids; ids are left as they are."""
        if not isinstance(prompt, str):
            return list(prompt)
        if self.tokenizer is None:
            raise ValueError("this checkpoint has no vocabulary: give ids, not text")
        return self.tokenizer.encode(prompt, allow_special)

    def _plan(self, prompts: Sequence[str | Sequence[int]], settings: Settings) -> list[Row]:
        return plan(self.model, [self.encode(p) for p in prompts], settings, self.tokenizer)


def completion(row: Row) -> Completion:
    """What a caller gets of a row."""
    return Completion(
        row.text, row.new_ids, row.finish_reason or "stop", row.logprobs, row.top_logprobs, row.score, row.n_prompt
    )


def load(
    name: str | Path, device: str = "auto", dtype: torch.dtype | str | None = None, force: bool = False
) -> LanguageModel:
    """A registered model, or a folder in Hugging Face's layout, ready to use.

    `device` "auto" is cuda, else mps, else cpu; `dtype` None is the checkpoint's own (on a CPU half precision becomes
    float32), "auto" the same for now. A device that gives other numbers than those stored for the model is refused,
    unless `force` is set. Raises ValueError or OSError, saying what to do.
    """
    from weights import load_checkpoint

    checkpoint = load_checkpoint(name, device, dtype, force)
    return LanguageModel(
        checkpoint.model,
        checkpoint.tokenizer,
        checkpoint.generation_config,
        checkpoint.chat_template,
        checkpoint.name,
        checkpoint.report,
        checkpoint.path,
    )

"""A model with its tokenizer: text in, text out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import torch

from minigpt.analysis import scoring
from minigpt.analysis.scoring import NextToken, Score
from minigpt.chat.chat import ChatKeywords, chat_format, split_settings, with_defaults
from minigpt.chat.format import ChatFormat
from minigpt.fast.choose import fast_form
from minigpt.generation.completion import Completion, Stream, completion
from minigpt.generation.generate import run
from minigpt.generation.keywords import Keywords
from minigpt.generation.sequences import TokenSequence, plan
from minigpt.generation.settings import Settings, resolve
from minigpt.models.interface import Model
from minigpt.prompts import Ids, Prompt, as_prompt, as_prompts, encode, start_of
from tokenizer import Tokenizer

if TYPE_CHECKING:
    from minigpt.pictures.views import Views
    from weights.report import LoadReport

__all__ = ["Completion", "LanguageModel", "Stream", "load"]

Prompts = list[str] | list[list[int]]
Messages = Sequence[Mapping[str, object]]  # [{"role": "user", "content": "…"}, …]


class LanguageModel:
    """A model, its tokenizer and its default settings (generation_config.json). See `minigpt.load`."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer | None = None,
        generation_config: Mapping[str, Any] | None = None,
        chat_template: str | Mapping[str, str] | None = None,
        name: str = "",
        report: LoadReport | None = None,
        path: Path | None = None,
        plain: bool = False,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.generation_config = dict(generation_config or {})
        self.chat_template = chat_template
        self.name = name
        self.report = report
        self.path = path  # the folder or file it came from
        self.plain = plain  # run the files as they are read, without their fast forms

    def __repr__(self) -> str:
        config, first, kind = self.model.config, next(self.model.parameters()), type(self.model).__name__
        n = self.report.n_parameters if self.report else sum(p.numel() for p in self.model.parameters())
        sizes = f"n_layer={config.n_layer}, n_head={config.n_head}, n_embd={config.n_embd}, n_ctx={config.n_ctx}"
        dtype = "int8" if self.report and self.report.dtype == "int8" else str(first.dtype).removeprefix("torch.")
        return f"LanguageModel({self.name or 'unnamed'}: {kind}, {n:,} parameters, {sizes}, {dtype} on {first.device})"

    @overload
    def generate(
        self, prompt: str | Ids, *, num_return_sequences: Literal[1] | None = None, **settings: Unpack[Keywords]
    ) -> Completion: ...
    @overload
    def generate(
        self, prompt: Prompts, *, num_return_sequences: Literal[1] | None = None, **settings: Unpack[Keywords]
    ) -> list[Completion]: ...
    @overload
    def generate(
        self, prompt: str | Ids, *, num_return_sequences: int, **settings: Unpack[Keywords]
    ) -> Completion | list[Completion]: ...
    @overload
    def generate(
        self, prompt: Prompts, *, num_return_sequences: int, **settings: Unpack[Keywords]
    ) -> list[Completion] | list[list[Completion]]: ...
    def generate(
        self, prompt: str | Ids | Prompts, *, num_return_sequences: int | None = None, **settings: Unpack[Keywords]
    ) -> Completion | list[Completion] | list[list[Completion]]:
        """Continues a text, or several at once. The settings are those of `minigpt.generation.settings.Settings`.

        One prompt (a text, or ids in a list, array or tensor) gives one `Completion`, a list of prompts a list of them;
        with num_return_sequences=n each is a list of n. What is not given comes from the checkpoint, else it is greedy.
        A text is read as by `encode`: what looks like a special token in it is plain text; only a prompt that is a
        special token's name and nothing else, like "<|endoftext|>", starts from that token. Ids are left as they are.
        Raises TypeError for an unknown setting, ValueError for a bad value, before anything is computed.
        """
        chosen = self.settings({**settings, "num_return_sequences": num_return_sequences})
        prompts, several = as_prompts(prompt)
        sequences, n = self._plan(prompts, chosen), chosen.num_return_sequences
        list(run(self.model, sequences, chosen))  # to the end
        found = [completion(sequence) for sequence in sequences]
        if n > 1:
            lists = [found[i : i + n] for i in range(0, len(found), n)]
            return lists if several else lists[0]
        return found if several else found[0]

    def stream(self, prompt: str | Ids, **settings: Unpack[Keywords]) -> Stream:
        """The text that `generate` gives, piece by piece as it grows, always whole characters.

        A stop string never shows, not even its beginning. Closing the stream stops the work.
        """
        chosen = self.settings(settings)
        if chosen.num_beams > 1 or chosen.num_return_sequences > 1:
            raise ValueError("a stream is one text as it grows: num_beams and num_return_sequences must be 1")
        sequences = self._plan([as_prompt(prompt)], chosen)
        return Stream(sequences[0], run(self.model, sequences, chosen))

    def next_tokens(self, prompt: str | Ids, k: int = 10, **settings: Unpack[Keywords]) -> list[NextToken]:
        """The k most likely next tokens, with their probabilities before and after the filters."""
        chosen, asked = self.settings({**settings, "max_new_tokens": 0}), settings.get("temperature") is not None
        model, ids = fast_form(self.model, chosen.plain), start_of(self.tokenizer, as_prompt(prompt))
        return scoring.next_tokens(model, self.tokenizer, ids, k, chosen, asked)

    def score(self, text: str | Ids, allow_special: str | Collection[str] = ()) -> Score:
        """How likely the model finds a text: log-probability of every token, perplexity, bits per byte; the first one
        after the tokenizer's BOS, else the model's bos or end token. See `minigpt.analysis.scoring.score`."""
        before = list(self.tokenizer.vocabulary.before) if self.tokenizer else []
        model, ids, settings = fast_form(self.model, self.plain), self.encode(text, allow_special), self.settings({})
        has_bos = bool(before) or settings.bos_token_id is not None
        return scoring.score(model, self.tokenizer, ids, before or settings.start_ids, has_bos)

    def chat(self, messages: Messages, **settings: Unpack[ChatKeywords]) -> Completion:
        """The answer to a conversation, [{"role": "user", "content": "…"}, …]; instruction-tuned models only.

        The settings are those of `generate`; the answer ends at any end token that the checkpoint names. The template
        gets `tools`, a list of JSON schemas, and its own variables, as in transformers' apply_chat_template:
        `enable_thinking=False`, or any in `chat_template_kwargs={…}`; `chat_template` names one of several templates.
        Raises ValueError for a model without a chat template, malformed messages, or what the template does not read.
        """
        ids, chosen = self._conversation(messages, settings)
        return self.generate(ids, **chosen)

    def chat_stream(self, messages: Messages, **settings: Unpack[ChatKeywords]) -> Stream:
        """The answer that `chat` gives, piece by piece as it grows."""
        ids, chosen = self._conversation(messages, settings)
        return self.stream(ids, **chosen)

    def _conversation(self, messages: Messages, keywords: Mapping[str, Any]) -> tuple[list[int], dict[str, Any]]:
        settings, given = split_settings(keywords)
        chat = self.chat_format(**given)
        return chat.ids(messages), with_defaults(settings, chat, self.generation_config)

    def chat_format(
        self,
        tools: Sequence[Mapping[str, object]] | None = None,
        chat_template: str | None = None,
        chat_template_kwargs: Mapping[str, object] | None = None,
    ) -> ChatFormat:
        """How this checkpoint writes conversations; raises ValueError if it does not."""
        where = (self.chat_template, self.tokenizer, self.generation_config, self.path, self.name)
        return chat_format(*where, tools=tools, chosen=chat_template, variables=chat_template_kwargs)

    @property
    def show(self) -> Views:
        """Pictures of what happens inside, for a notebook: `lm.show.attention("The cat sat")`."""
        from minigpt.pictures.views import Views

        return Views(self)

    def settings(self, given: Mapping[str, object]) -> Settings:
        """The settings in force: the caller's, then the checkpoint's."""
        config = dict(self.generation_config)
        end = self.tokenizer.special_tokens.get("<|endoftext|>") if self.tokenizer else None
        if config.get("eos_token_id") is None and end is not None:
            config["eos_token_id"] = end
        return resolve({"plain": self.plain, **given}, config)

    def encode(self, prompt: str | Ids, allow_special: str | Collection[str] = ()) -> list[int]:
        """A text's ids with what the tokenizer puts around every text, such as BOS: the same as in transformers.
        Special tokens in it are plain text unless `allow_special` names them; ids are left as they are."""
        return encode(self.tokenizer, as_prompt(prompt), allow_special)

    def _plan(self, prompts: Sequence[Prompt], settings: Settings) -> list[TokenSequence]:
        return plan(self.model, [start_of(self.tokenizer, prompt) for prompt in prompts], settings, self.tokenizer)


def load(
    name: str | Path,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    force: bool = False,
    plain: bool = False,
) -> LanguageModel:
    """A registered model, or a folder in Hugging Face's layout, ready to use.

    `device` "auto" is cuda, else mps, else cpu. `dtype` None is the checkpoint's own (half precision is float32 on a
    CPU), "auto" the fastest with the same greedy text (see `minigpt.fast.dtypes`). A device that computes other numbers
    than those stored is refused, unless `force` is set; with `plain` no fast form runs. Raises ValueError or OSError.
    """
    from minigpt.fast.dtypes import load_in

    c = load_in(name, device, dtype, force, plain)
    if c.tokenizer is not None:
        c.tokenizer.plain = plain
    return LanguageModel(c.model, c.tokenizer, c.generation_config, c.chat_template, c.name, c.report, c.path, plain)

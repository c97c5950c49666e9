"""BART and T5, ready to use: a text in, and what the decoder writes about it, by every strategy that GPT-2 has here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import torch

from minigpt.generation.completion import Completion, completion
from minigpt.generation.generate import run
from minigpt.generation.keywords import Keywords
from minigpt.generation.noise import sequence_key
from minigpt.generation.rules import checked
from minigpt.generation.sequences import TokenSequence, check_ids, plan
from minigpt.generation.settings import Settings, resolve
from minigpt.models.bart import Bart
from minigpt.models.t5 import T5
from minigpt.prompts import Ids, Prompt, as_prompts
from minigpt.relatives.decoder import Decoder
from minigpt.relatives.reading import Visible, Vocabulary, around, read_tokenizer
from minigpt.relatives.together import batches, write_together
from weights.formats.folder import read_json
from weights.relatives import RelativeCheckpoint, load_relative_checkpoint

if TYPE_CHECKING:
    from weights.report import LoadReport


class Seq2Seq:
    """A BART or T5, its tokenizer and its default settings (generation_config.json). See `minigpt.load_relative`."""

    def __init__(
        self,
        model: Bart | T5,
        tokenizer: Vocabulary | None = None,
        generation_config: Mapping[str, Any] | None = None,
        name: str = "",
        report: LoadReport | None = None,
        path: Path | None = None,
    ) -> None:
        self.model, self.tokenizer, self.name, self.report, self.path = model, tokenizer, name, report, path
        self.generation_config = dict(generation_config or {})
        self.before, self.after = around(tokenizer)  # the ids around every text
        self.visible = Visible(tokenizer) if tokenizer else None

    @classmethod
    def load(
        cls, name: str | Path, device: str | torch.device = "auto", dtype: torch.dtype | str | None = None
    ) -> Seq2Seq:
        """Like `minigpt.load_relative`, for a model known to be a BART or a T5."""
        return cls.of(load_relative_checkpoint(name, device, dtype))

    @classmethod
    def of(cls, checkpoint: RelativeCheckpoint) -> Seq2Seq:
        """From a checkpoint and the files beside it; raises ValueError if it is neither a BART nor a T5."""
        c = checkpoint
        if not isinstance(c.model, Bart | T5):
            raise ValueError(f"{c.name} is neither a BART nor a T5: load it with minigpt.load_relative")
        start = {"decoder_start_token_id": read_json(c.path / "config.json").get("decoder_start_token_id")}
        return cls(c.model, read_tokenizer(c.path, c.model), start | c.generation_config, c.name, c.report, c.path)

    def __repr__(self) -> str:
        config, n = self.model.config, sum(parameter.numel() for parameter in self.model.parameters())
        layers = f"n_layer={config.n_layer}, n_decoder_layer={config.n_decoder_layer}"
        sizes = f"{layers}, n_head={config.n_head}, n_embd={config.n_embd}"
        return f"Seq2Seq({self.name or 'unnamed'}: {type(self.model).__name__}, {n:,} parameters, {sizes})"

    @overload
    def generate(
        self, text: str | Ids, *, decoder_start_token_id: int | None = None, **settings: Unpack[Keywords]
    ) -> Completion: ...
    @overload
    def generate(
        self,
        text: list[str] | list[list[int]],
        *,
        decoder_start_token_id: int | None = None,
        **settings: Unpack[Keywords],
    ) -> list[Completion]: ...
    @overload
    def generate(
        self,
        text: str | Ids | list[str] | list[list[int]],
        *,
        num_return_sequences: int,
        decoder_start_token_id: int | None = None,
        **settings: Unpack[Keywords],
    ) -> Completion | list[Completion] | list[list[Completion]]: ...
    def generate(
        self,
        text: str | Ids | list[str] | list[list[int]],
        *,
        num_return_sequences: int | None = None,
        decoder_start_token_id: int | None = None,
        **settings: Unpack[Keywords],
    ) -> Completion | list[Completion] | list[list[Completion]]:
        """What the decoder writes about a text, or about several, which are read and answered together; each gets
        the same as it would alone.

        The settings are those of `minigpt.load(…).generate`, and decoder_start_token_id, the token to start from; what
        is not given comes from the checkpoint, else it is greedy. Special tokens in a text count, such as <mask> and
        <extra_id_0>; generated ones are in `ids`, not in `text`. A list of texts gives a list of `Completion`s,
        with num_return_sequences=n each is a list of n. `n_prompt` counts the tokens of the input text.
        Raises TypeError for an unknown setting, ValueError for a bad value, before anything is computed.
        """
        chosen = resolve({**settings, "num_return_sequences": num_return_sequences}, self.generation_config)
        start = self.start(decoder_start_token_id)
        prompts, several = as_prompts(text)
        rows = [self.ids(prompt) for prompt in prompts]
        found: list[list[Completion]] = [[] for _ in rows]
        for batch in batches([len(row) for row in rows], chosen):
            for i, answers in zip(batch, self.answers([rows[i] for i in batch], start, chosen), strict=True):
                found[i] = answers
        if chosen.num_return_sequences > 1:
            return found if several else found[0]
        return [each[0] for each in found] if several else found[0][0]

    def start(self, given: int | None = None) -> int:
        """The token that the decoder starts from: the caller's, the checkpoint's, else its bos token."""
        names = ("decoder_start_token_id", "bos_token_id")
        ids = [given, *(self.generation_config.get(name) for name in names)]
        found = next((checked("bos_token_id", id) for id in ids if id is not None), None)
        if found is None:
            raise ValueError(
                f"{self.name or 'the checkpoint'} names no token to start from: give decoder_start_token_id"
            )
        check_ids(self.model.config.decoder, [found])
        return int(found)

    def ids(self, prompt: Prompt) -> list[int]:
        """A text's ids with those around it; ids as they are. A ValueError where the model cannot read them."""
        if isinstance(prompt, str):
            if self.tokenizer is None:
                raise ValueError("this checkpoint has no vocabulary: give ids, not text")
            ids = [*self.before, *self.tokenizer.encode(prompt, allow_special="all"), *self.after]
        else:
            ids = prompt
        check_ids(self.model.config.decoder, ids)
        longest = self.model.config.decoder.n_ctx
        if not 0 < len(ids) <= longest:
            raise ValueError(f"the text has {len(ids)} tokens, the model reads from 1 to {longest}: cut it into parts")
        return ids

    @torch.inference_mode()
    def answers(self, texts: list[list[int]], start: int, settings: Settings) -> list[list[Completion]]:
        """num_return_sequences completions for each text; its ids are part of its seed, as a prompt's are."""
        decoder, n = Decoder(self.model, texts), settings.num_return_sequences
        sequences = plan(decoder, [[start]] * len(texts), settings, self.visible)
        given = [secrets.randbits(63) if settings.seed is None else settings.seed for _ in texts]
        seeds = [int(sequence_key(seed, 0, text)) % 2**63 for seed, text in zip(given, texts, strict=True)]
        if len(texts) == 1:
            list(run(decoder, sequences, replace(settings, seed=seeds[0])))  # to the end
        else:
            write_together(decoder, sequences, settings, seeds)
        groups = [sequences[i : i + n] for i in range(0, len(sequences), n)]
        return [[self.completion(s, len(text)) for s in group] for text, group in zip(texts, groups, strict=True)]

    def completion(self, sequence: TokenSequence, n_read: int) -> Completion:
        """The completion as the caller gets it: its text does not begin with the first word's space."""
        found = completion(sequence)
        prefixed = getattr(self.tokenizer, "prefix", False)
        return replace(found, n_prompt=n_read, text=found.text.removeprefix(" ") if prefixed else found.text)

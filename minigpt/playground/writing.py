"""A text that is drawn token by token, and what there is to say about each token: events for the page.

N new tokens, V vocabulary, T tokens, C channels.
"""

import math
import secrets
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from minigpt.fast.choose import fast_form
from minigpt.generation.completion import completion
from minigpt.generation.decoding import device_of
from minigpt.generation.generate import run
from minigpt.generation.sequences import plan
from minigpt.generation.stopping import TextReader
from minigpt.language_model import LanguageModel
from minigpt.playground.logits import Recent, Watched
from minigpt.playground.same import same_text
from minigpt.playground.templates import conversation, same_answer
from minigpt.playground.texts import growing
from minigpt.playground.wire import Refused, Request
from minigpt.playground.work import Event
from minigpt.prompts import Prompt, start_of
from tokenizer import Tokenizer
from tokenizer.display import label

N_BEST = 10  # alternatives that are reported for every token
POSITIONS_AT_ONCE = 64  # whose logits are held in memory at once


class Writing:
    """A planned text: `events` computes it. Raises `Refused` (422) if model, prompt and settings do not go together.

    Texts are those of `lm.generate` with the same settings; if no seed is given, one is drawn and reported.
    """

    def __init__(self, lm: LanguageModel, request: Request, recent: Recent) -> None:
        given = {**request.settings, "seed": request.settings.get("seed", secrets.randbits(31))}
        self.lm, self.given, self.prompt, self.recent = lm, given, request.prompt, recent
        self.request = request
        assert lm.tokenizer
        self.tokenizer = lm.tokenizer
        try:
            if "written" in request.more and not request.more.get("chat"):
                raise ValueError("written goes with chat: true: it is what a chat template made of the prompt")
            if request.more.get("chat"):
                self.prompt, self.given = conversation(lm, request, given)
            self.settings = replace(lm.settings(self.given), prompt_lookup_num_tokens=0)  # drafts change no text
            (self.sequence,) = plan(lm.model, [self.begin(self.prompt)], self.settings, lm.tokenizer)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        self.reader = TextReader(lm.tokenizer, self.settings.stop)
        for id in self.sequence.ids:  # whose last character may be cut, by a branch within it
            self.last_piece = self.reader.decoder.push(id) if id in lm.tokenizer.tokens else ""

    def begin(self, prompt: Prompt) -> list[int]:
        """The ids from which the text goes on."""
        return start_of(self.tokenizer, prompt)

    def stop(self) -> None:
        """Nobody is waiting for the text any more; it ends between two steps."""

    def same(self) -> dict[str, str]:
        """The command and the Python for the same text."""
        if self.request.more.get("chat"):
            return same_answer(self.lm, self.request, self.given, self.sequence.ids[: self.sequence.n_prompt])
        return same_text(self.lm, self.prompt, self.given)

    def start(self) -> Event:
        """What is known before anything is computed."""
        limits = {"n": self.sequence.limit, "beams": self.settings.num_beams}
        seed, last = self.given["seed"], self.last_piece
        return {"event": "start", "ids": list(self.sequence.ids), "seed": seed, "last_piece": last, **limits}

    def events(self) -> Generator[Event, None, None]:
        """One event for each token ("token") or round of beam search ("round"), and a last one ("end")."""
        begin = time.perf_counter()
        told = self.beams() if self.settings.num_beams > 1 else self.tokens()
        yield from told
        done = completion(self.sequence)
        took = round(time.perf_counter() - begin, 3)
        reason = {"finish_reason": done.finish_reason, "seconds": took}
        yield {"event": "end", "text": done.text, **reason, **self.same()}

    def tokens(self) -> Iterator[Event]:
        """Tokens as they are drawn."""
        model = Watched(fast_form(self.lm.model, self.settings.plain))
        for _ in run(model, [self.sequence], self.settings):
            yield self.token(len(self.sequence.ids) - 1, model.logits[0])

    def beams(self) -> Iterator[Event]:
        """The rounds of a beam search with the likeliest text so far, then the tokens of the text that won."""
        for n, sequence in enumerate(growing(self.lm, self.prompt, self.given), 1):
            if sequence.finish_reason:
                self.sequence = sequence
            else:
                yield {"event": "round", "round": n, "text": sequence.text}
        if self.sequence.new_ids:
            yield from self.read_again(fast_form(self.lm.model, self.settings.plain))

    @torch.inference_mode()
    def read_again(self, model: Any) -> Iterator[Event]:
        """What there is to say about new tokens that are all known, from one forward pass."""
        ids, n_prompt = self.sequence.ids, self.sequence.n_prompt
        x = model.hidden(torch.tensor([ids[:-1]], device=device_of(model)))[0, n_prompt - 1 :]  # (N, C)
        place = n_prompt
        for part in x.split(POSITIONS_AT_ONCE):
            for logits in model.unembed(part):  # (V,)
                yield self.token(place, logits)
                place += 1

    def token(self, place: int, logits: Tensor) -> Event:
        """What there is to say about the token at a place of the text, by the logits (V,) that it was chosen from:
        probability, rank (1 is the likeliest) and surprise by the model's own distribution, before any filter."""
        ids = self.sequence.ids
        self.recent.put(ids[:place], logits)
        id, logprobs = ids[place], logits.float().log_softmax(-1)  # (V,)
        best, others = logprobs.topk(min(N_BEST, len(logprobs)))
        text = self.reader.push(id) if id not in self.settings.eos_token_id else ""
        if place == len(ids) - 1 and self.sequence.finish_reason:
            text += self.reader.flush()
        return {
            "event": "token",
            **name_of(self.tokenizer, id),
            "text": text,
            "probability": math.exp(logprobs[id].item()),
            "rank": 1 + int((logprobs > logprobs[id]).sum()),
            "surprise": -logprobs[id].item() / math.log(2),
            "best": [
                {
                    **name_of(self.tokenizer, other),
                    "probability": math.exp(p),
                    "end": other in self.settings.eos_token_id,
                }
                for other, p in zip(others.tolist(), best.tolist(), strict=True)
            ],
        }


def name_of(tokenizer: Tokenizer, id: int) -> dict[str, Any]:
    """An id with its bytes in hexadecimal and a label that shows white space; padding ids have none."""
    data = tokenizer.decode_bytes([id]) if id in tokenizer.tokens else b""
    return {"id": id, "bytes": data.hex(" "), "label": label(data) if data else f"#{id}"}

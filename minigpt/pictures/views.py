"""From a model and a prompt to a picture: what `minigpt show`, `lm.show` and the playground draw.

T tokens, V vocabulary.
"""

import math
from collections.abc import Mapping
from typing import Protocol, Unpack

import torch

from minigpt.analysis.beam_tree import beam_tree
from minigpt.analysis.filters import filter_steps
from minigpt.analysis.heads import attention_maps
from minigpt.analysis.lens import logit_lens
from minigpt.analysis.merges import derivation
from minigpt.analysis.scoring import Score
from minigpt.generation.decoding import device_of
from minigpt.generation.keywords import Keywords
from minigpt.generation.settings import Settings
from minigpt.models.gpt2 import GPT2
from minigpt.models.interface import Model
from minigpt.models.llama import Llama
from minigpt.pictures.architecture import architecture
from minigpt.pictures.attention import attention_grid, attention_head
from minigpt.pictures.bars import next_token_bars
from minigpt.pictures.beams import beam_picture
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.lens import lens_table
from minigpt.pictures.merges import merge_tree
from minigpt.pictures.strip import token_strip
from minigpt.terminal import plain
from tokenizer import Tokenizer
from tokenizer.display import clip, label

SURPRISING = 12.0  # bits that get the full colour: one chance in 4096


class Seen(Protocol):
    """What is looked at: a `LanguageModel`."""

    model: Model
    tokenizer: Tokenizer | None
    name: str

    def encode(self, prompt: str) -> list[int]: ...
    def settings(self, given: Mapping[str, object]) -> Settings: ...
    def score(self, text: str) -> Score: ...


class Views:
    """The pictures of a model and a text, each a `Drawing`: a notebook shows it, `.svg()` and `.html()` are text.

    >>> import minigpt
    >>> lm = minigpt.load("storyteller")
    >>> lm.show.attention("The old king", layer=1, head=2).title
    'Layer 1, head 2 on "The old king"'
    """

    def __init__(self, lm: Seen) -> None:
        self.lm = lm

    def attention(self, prompt: str, layer: int | None = None, head: int | None = None) -> Drawing:
        """The attention of one head for a text, or of all heads where none is named. Raises ValueError for a layer or
        head that the model lacks."""
        ids, tokens = ids_of(self.lm, prompt)
        config = self.lm.model.config
        for what, value, n in (("layer", layer, config.n_layer), ("head", head, config.n_head)):
            if value is not None and not 0 <= value < n:
                raise ValueError(f"{what} {value}: the model has {n}, 0 to {n - 1}")
        maps = attention_maps(model_of(self.lm), ids)
        if layer is None and head is None:
            return attention_grid(maps.tolist(), f"Every head on {quoted(prompt)}")
        weights = maps[layer or 0, head or 0].tolist()
        return attention_head(tokens, weights, f"Layer {layer or 0}, head {head or 0} on {quoted(prompt)}")

    def lens(self, prompt: str) -> Drawing:
        """What the model would say after each layer, at each position of a text."""
        ids, tokens = ids_of(self.lm, prompt)
        sure, best = logit_lens(model_of(self.lm), ids)[:, 0].softmax(-1).max(-1)  # (L + 1, T) each
        said = [[text_of(self.lm, id) for id in row] for row in best.tolist()]
        return lens_table(
            tokens, said, sure.tolist(), f"After each layer of {self.lm.name or 'the model'}, on {quoted(prompt)}"
        )

    def bars(self, prompt: str, k: int = 10, **settings: Unpack[Keywords]) -> Drawing:
        """The k most likely next tokens after a text: the model's own probabilities, then after each filter in turn."""
        ids, _ = ids_of(self.lm, prompt)
        with torch.inference_mode():
            logits = self.lm.model.unembed(self.lm.model.hidden(ids)[0, -1])  # (V,)
        given = {name: value for name, value in settings.items() if value is not None}
        chosen = self.lm.settings(given) if given else self.lm.settings({"temperature": 1.0, "top_k": 0, "top_p": 1.0})
        steps = filter_steps(logits, ids[0].tolist(), chosen)
        best = steps[0][1].topk(min(k, len(logits))).indices.tolist()
        shown = [(name.replace("_", "-"), [probs[id].item() for id in best]) for name, probs in steps]
        return next_token_bars([text_of(self.lm, id) for id in best], shown, f"After {quoted(prompt)}")

    def beams(self, prompt: str, num_beams: int = 3, max_new_tokens: int = 6) -> Drawing:
        """What a beam search after a text kept and dropped, and the text that won."""
        ids, _ = ids_of(self.lm, prompt)
        ends = self.lm.settings({}).eos_token_id
        nodes = beam_tree(
            self.lm.model, ids[0].tolist(), num_beams=num_beams, max_new_tokens=max_new_tokens, eos_token_id=ends
        )
        texts = {node.id: text_of(self.lm, node.id) for node in nodes}
        return beam_picture(nodes, texts, f"{num_beams} beams after {quoted(prompt)}")

    def surprise(self, prompt: str) -> Drawing:
        """How much each token of a text surprised the model, in bits: -log2 of the probability that it had given it."""
        score = self.lm.score(prompt)
        bits = [-logprob / math.log(2) for logprob in score.logprobs]
        values = [None] * (len(score.ids) - len(bits)) + bits
        title = f"Surprise of {self.lm.name or 'the model'}, {sum(bits) / max(1, len(bits)):.1f} bits a token"
        return token_strip([text_of(self.lm, id) for id in score.ids], values, title, "bits", SURPRISING)

    def merges(self, prompt: str) -> Drawing:
        """How byte-pair encoding merges the bytes of a word, or of a few, to tokens. Raises ValueError for a text that
        is too long to draw, and for a model without a vocabulary."""
        tok = self.lm.tokenizer
        if tok is None or not prompt:
            raise ValueError(f"there is nothing to merge: {'give a word' if tok else 'the model has no vocabulary'}")
        return merge_tree(derivation(tok, prompt), tok.whole, f"Merges of {quoted(prompt)}")

    def model(self) -> Drawing:
        """The model's architecture, from its configuration."""
        return architecture(self.lm.model.config, self.lm.name)


def ids_of(lm: Seen, prompt: str) -> tuple[torch.Tensor, list[str]]:
    """The ids (1, T) of a prompt as the model reads it, and the text of each."""
    ids = lm.encode(prompt) or lm.settings({}).start_ids
    if len(ids) > lm.model.config.n_ctx:
        raise ValueError(f"{len(ids)} tokens exceed the model's {lm.model.config.n_ctx} positions: show a shorter text")
    if not ids:
        raise ValueError("there is no token to look at: give a text")
    return torch.tensor([ids], device=device_of(lm.model)), [text_of(lm, id) for id in ids]


def text_of(lm: Seen, id: int) -> str:
    """The text of one token, its bytes where it is a part of a character, its number where the vocabulary has none."""
    if lm.tokenizer is None or id not in lm.tokenizer.tokens:
        return f"#{id}"
    text = lm.tokenizer.decode([id])
    return label(lm.tokenizer.decode_bytes([id])) if "\ufffd" in text else text


def model_of(lm: Seen) -> GPT2 | Llama:
    """The model, of a family that can be looked into."""
    if not isinstance(lm.model, GPT2 | Llama):
        raise ValueError(f"a {type(lm.model).__name__} cannot be looked into: GPT-2 and Llama models can")
    return lm.model


def quoted(prompt: str) -> str:
    """A prompt for a title."""
    return f'"{clip(" ".join(plain(prompt).split()), 48)}"'

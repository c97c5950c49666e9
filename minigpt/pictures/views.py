"""From a model and a prompt to a picture: what `minigpt show`, `lm.show` and the playground draw.

T tokens, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Unpack

import torch

from minigpt.analysis.beam_tree import beam_tree
from minigpt.analysis.draws import outcomes
from minigpt.analysis.filters import entropy, filter_steps, filters_on
from minigpt.analysis.heads import attention_maps, head_scores
from minigpt.analysis.lens import addition_norms, logit_attribution, logit_lens, stream_norms
from minigpt.analysis.nucleus import nucleus_steps
from minigpt.analysis.passes import allowed, cache_passes
from minigpt.analysis.scoring import Score
from minigpt.generation.decoding import device_of
from minigpt.generation.keywords import Keywords
from minigpt.generation.sequences import fit
from minigpt.generation.settings import Settings
from minigpt.models.gpt2 import GPT2
from minigpt.models.interface import Model
from minigpt.models.llama import Llama
from minigpt.pictures.architecture import architecture
from minigpt.pictures.attention import attention_grid, attention_head
from minigpt.pictures.attribution import attribution_bars
from minigpt.pictures.bars import next_token_bars
from minigpt.pictures.beams import beam_picture
from minigpt.pictures.cache import cache_filling
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.heads import head_table
from minigpt.pictures.lens import lens_table
from minigpt.pictures.masks import MASKED, attention_masks
from minigpt.pictures.staircase import nucleus_staircase
from minigpt.pictures.stream import stream_rivers
from minigpt.pictures.strip import token_strip
from minigpt.pictures.temperature import temperature_bars
from minigpt.pictures.training import training_curve
from minigpt.pictures.wheel import sampling_wheel
from minigpt.train.losses import read_log
from tokenizer import Tokenizer
from tokenizer.display import clip, label
from weights.formats.folder import read_json

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
        title = f"Logit lens of {self.lm.name or 'the model'}, on {quoted(prompt)}"
        return lens_table(tokens, said, sure.tolist(), title)

    def stream(self, prompt: str) -> Drawing:
        """How long the residual stream is after each part of the model, and what each part adds."""
        ids, tokens = ids_of(self.lm, prompt)
        added, after = (f(model_of(self.lm), ids)[:, 0].tolist() for f in (addition_norms, stream_norms))
        return stream_rivers(tokens, added, after, f"Norms along the residual stream, {quoted(prompt)}")

    def heads(self, prompt: str, score: str = "previous") -> Drawing:
        """One number for each head, of `minigpt.pictures.heads.SCORES`; "induction" is measured on random tokens."""
        ids, _ = ids_of(self.lm, prompt)
        scores = head_scores(model_of(self.lm), ids, score)
        return head_table(scores.tolist(), score, "random tokens, twice" if score == "induction" else quoted(prompt))

    def attribution(self, prompt: str, token: str | None = None, against: str | None = None) -> Drawing:
        """What each part adds to the logit of a token after a text, the most likely one if none is named; with
        `against`, how much more than to that token's logit. Raises ValueError for a text that is not one token."""
        (ids, _), model = ids_of(self.lm, prompt), model_of(self.lm)
        with torch.inference_mode():
            best = int(model.unembed(model.hidden(ids)[0, -1]).argmax())
        one = best if token is None else id_of(self.lm, token)
        other = None if against is None else id_of(self.lm, against)
        parts = logit_attribution(model, ids, one, against=other)
        names = [f'"{label(text_of(self.lm, id).encode())}"' for id in (one, other) if id is not None]
        return attribution_bars(parts, f"The logit of {' less that of '.join(names)} after {quoted(prompt)}")

    def bars(self, prompt: str, k: int = 10, **settings: Unpack[Keywords]) -> Drawing:
        """The k most likely next tokens after a text: the model's own probabilities, then after each filter in turn."""
        ids, _ = ids_of(self.lm, prompt)
        logits = next_logits(self.lm, ids)  # (V,)
        given = {name: value for name, value in settings.items() if value is not None}
        chosen = self.lm.settings(given) if given else self.lm.settings({"temperature": 1.0, "top_k": 0, "top_p": 1.0})
        steps = filter_steps(logits, ids[0].tolist(), chosen)
        best = steps[0][1].topk(min(k, len(logits))).indices.tolist()
        shown = [(name.replace("_", "-"), [probs[id].item() for id in best]) for name, probs in steps]
        return next_token_bars([text_of(self.lm, id) for id in best], shown, f"After {quoted(prompt)}")

    def temperature(self, prompt: str, k: int = 6, temperatures: Sequence[float] = (0, 0.2, 0.5, 1, 1.5, 2)) -> Drawing:
        """The k most likely next tokens after a text at several temperatures, with no filter; 0 is greedy."""
        ids, _ = ids_of(self.lm, prompt)
        logits, text = next_logits(self.lm, ids), ids[0].tolist()
        best = logits.topk(min(k, len(logits))).indices.tolist()
        probs = [filter_steps(logits, text, Settings(temperature=t))[-1][1] for t in temperatures]  # (V,) each
        steps = [(t, p[best].tolist(), entropy(p)) for t, p in zip(temperatures, probs, strict=True)]
        title = f"The next token by temperature, after {quoted(prompt)}"
        return temperature_bars([text_of(self.lm, id) for id in best], steps, len(logits) - len(best), title)

    def wheel(self, prompt: str, k: int = 8, times: int = 1000, **settings: Unpack[Keywords]) -> Drawing:
        """What `generate` draws first after a text with a seed (0 if none is given), and `times` seeds from it on; k
        tokens have a slice each. Where neither the caller nor the checkpoint asks for draws, the temperature is 1."""
        ids, _ = ids_of(self.lm, prompt)
        given = {name: value for name, value in settings.items() if value is not None}
        chosen = self.lm.settings(given if "temperature" in given else {"do_sample": True, **given})
        if not chosen.samples:
            raise ValueError("greedy settings draw nothing, they take the most likely token: give a temperature")
        seed = chosen.seed or 0
        found = outcomes(next_logits(self.lm, ids), ids[0].tolist(), chosen, k, range(seed, seed + times))
        texts = {one.id: text_of(self.lm, one.id) for one in found}
        on = dict.fromkeys(("temperature", *filters_on(chosen)))
        how = ", ".join(f"{name} {getattr(chosen, name):g}" for name in on).replace("_", "-")
        drawn = label(texts[min(found, key=lambda one: one.arrival).id].encode())
        return sampling_wheel(found, texts, f"Seed {seed} draws {drawn} after {quoted(prompt)}", how)

    def staircase(self, prompt: str, k: int = 12, top_p: float = 0.9, temperature: float = 1.0) -> Drawing:
        """Which tokens top-p keeps after a text, at a temperature: k of them, the others in groups."""
        ids, _ = ids_of(self.lm, prompt)
        steps = nucleus_steps(next_logits(self.lm, ids), top_p, temperature, k)
        texts = {step.id: text_of(self.lm, step.id) for step in steps}
        title = f"Top-p {top_p:g} at temperature {temperature:g}, after {quoted(prompt)}"
        return nucleus_staircase(steps, texts, top_p, title)

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

    def masks(self, prompt: str) -> Drawing:
        """Who may look at whom: this model's own mask for a text's first tokens, and those of other transformers."""
        ids, tokens = ids_of(self.lm, prompt)
        ids, more = ids[:, :MASKED], len(tokens) > MASKED
        n_cached = max(0, ids.shape[1] - 2)
        causal, cached = (allowed(model_of(self.lm), ids, n).tolist() for n in (None, n_cached))
        of = f"the first {MASKED} tokens of " if more else ""
        return attention_masks(tokens[:MASKED], causal, cached, f"Attention masks for {of}{quoted(prompt)}")

    def cache(self, prompt: str, max_new_tokens: int = 6) -> Drawing:
        """What each forward pass writes into the KV cache and reads from it, as greedy generation goes on."""
        ids, _ = ids_of(self.lm, prompt)
        settings = self.lm.settings({"temperature": 0, "max_new_tokens": max_new_tokens})
        _, n_new, _ = fit(self.lm.model.config, ids[0].tolist(), settings)
        passes = list(cache_passes(model_of(self.lm), ids[0].tolist(), n_new, settings))
        if not passes:
            raise ValueError(f"max_new_tokens {max_new_tokens}: there is no forward pass to look at, give 1 or more")
        tokens = [text_of(self.lm, id) for id in passes[-1].ids]
        return cache_filling(tokens, passes, f"The KV cache, {len(passes)} new tokens after {quoted(prompt)}")

    @staticmethod
    def training(folder: str | Path) -> Drawing:
        """The losses of the run in a folder that `minigpt train` wrote; no model is needed. Raises as `read_log`."""
        config = Path(folder) / "config.json"
        n_vocab = read_json(config).get("vocab_size") if config.is_file() else None
        return training_curve(read_log(Path(folder)), f"Training {clip(Path(folder).resolve().name, 48)}", n_vocab)

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


@torch.inference_mode()
def next_logits(lm: Seen, ids: torch.Tensor) -> torch.Tensor:
    """The logits (V,) after a text, ids (1, T)."""
    return lm.model.unembed(lm.model.hidden(ids)[0, -1])


def text_of(lm: Seen, id: int) -> str:
    """The text of one token, its bytes where they are not whole characters, or its number where it has no text."""
    known = lm.tokenizer is not None and id in lm.tokenizer.tokens
    text = lm.tokenizer.decode([id]) if lm.tokenizer is not None and known else f"#{id}"
    return label(lm.tokenizer.decode_bytes([id])) if lm.tokenizer is not None and "�" in text else text


def id_of(lm: Seen, text: str) -> int:
    """The id of a text that is one token, or a special token's name."""
    if lm.tokenizer is None:
        raise ValueError(f"{text!r}: there is no tokenizer that knows a token by its text")
    special = lm.tokenizer.special_tokens.get(text)
    ids = lm.tokenizer.encode(text) if special is None else [special]
    if len(ids) != 1:
        raise ValueError(f'{text!r} is not 1 token but {[text_of(lm, id) for id in ids]}: give one, as " the"')
    return ids[0]


def model_of(lm: Seen) -> GPT2 | Llama:
    """The model, of a family that can be looked into."""
    if not isinstance(lm.model, GPT2 | Llama):
        raise ValueError(f"a {type(lm.model).__name__} cannot be looked into: GPT-2 and Llama models can")
    return lm.model


def quoted(prompt: str) -> str:
    """A prompt for a title."""
    return f'"{clip(" ".join(prompt.split()), 48)}"'

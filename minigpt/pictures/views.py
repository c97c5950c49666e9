"""From a model and a prompt to a picture: what `minigpt show`, `lm.show` and the playground draw.

T tokens, V vocabulary.
"""

import math
from pathlib import Path

from minigpt.analysis.merges import derivation
from minigpt.analysis.passes import allowed, cache_passes
from minigpt.generation.sequences import fit
from minigpt.pictures.architecture import architecture
from minigpt.pictures.cache import cache_filling
from minigpt.pictures.choosing import Choosing
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.inside import Inside
from minigpt.pictures.masks import MASKED, attention_masks
from minigpt.pictures.merges import merge_tree
from minigpt.pictures.seen import ids_of, model_of, quoted, text_of
from minigpt.pictures.strip import token_strip
from minigpt.pictures.training import training_curve
from minigpt.train.losses import read_log
from tokenizer.display import clip
from weights.formats.folder import read_json
from weights.report import plural

SURPRISING = 12.0  # bits that get the full colour: one chance in 4096


class Views(Inside, Choosing):
    """The pictures of a model and a text, each a `Drawing`: a notebook shows it, `.svg()` and `.html()` are text.

    >>> import minigpt
    >>> lm = minigpt.load("storyteller")
    >>> lm.show.attention("The old king", layer=1, head=2).title
    'Layer 1, head 2 on "The old king"'
    """

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
        return cache_filling(tokens, passes, f"The KV cache, {plural(len(passes), 'new token')} after {quoted(prompt)}")

    @staticmethod
    def training(folder: str | Path) -> Drawing:
        """The losses of the run in a folder that `minigpt train` wrote; no model is needed. Raises as `read_log`."""
        config = Path(folder) / "config.json"
        n_vocab = read_json(config).get("vocab_size") if config.is_file() else None
        return training_curve(read_log(Path(folder)), f"Training {clip(Path(folder).resolve().name, 48)}", n_vocab)

    def model(self) -> Drawing:
        """The model's architecture, from its configuration."""
        return architecture(self.lm.model.config, self.lm.name)

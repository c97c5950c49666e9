"""From a model and a text to pictures of what happens inside.

T tokens, V vocabulary.
"""

import torch

from minigpt.analysis.heads import attention_maps, head_scores
from minigpt.analysis.lens import addition_norms, logit_attribution, logit_lens, stream_norms
from minigpt.pictures.attention import attention_grid, attention_head
from minigpt.pictures.attribution import attribution_bars
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.heads import head_table
from minigpt.pictures.lens import lens_table
from minigpt.pictures.seen import Look, id_of, ids_of, model_of, quoted, text_of
from minigpt.pictures.stream import stream_rivers
from tokenizer.display import label


class Inside(Look):
    """Where heads look, what layers would say, who writes what into the residual stream."""

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

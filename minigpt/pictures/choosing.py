"""From a model and a text to pictures of how the next token is chosen.

T tokens, V vocabulary.
"""

from collections.abc import Sequence
from typing import Unpack

from minigpt.analysis.beam_tree import beam_tree
from minigpt.analysis.draws import outcomes
from minigpt.analysis.filters import entropy, filter_steps, filters_on
from minigpt.analysis.nucleus import nucleus_steps
from minigpt.generation.keywords import Keywords
from minigpt.generation.settings import Settings
from minigpt.pictures.bars import next_token_bars
from minigpt.pictures.beams import beam_picture
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.seen import Look, ids_of, next_logits, quoted, text_of
from minigpt.pictures.staircase import nucleus_staircase
from minigpt.pictures.temperature import temperature_bars
from minigpt.pictures.wheel import sampling_wheel
from tokenizer.display import label


class Choosing(Look):
    """Filters, temperature, draws, top-p, beams."""

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
        tokens have a slice each. If neither the caller nor the checkpoint asks for sampling, the temperature is 1."""
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
        return sampling_wheel(found, texts, f"Seed {seed} draws {quoted(drawn)} after {quoted(prompt)}", how)

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

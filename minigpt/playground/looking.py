"""A look at an existing text: the logits after it, and the pictures of `lm.show`.

V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor

from minigpt.generation.decoding import prefill
from minigpt.generation.rules import shown
from minigpt.generation.sequences import TokenSequence, fit
from minigpt.generation.settings import Settings
from minigpt.language_model import LanguageModel
from minigpt.pictures.colors import style
from minigpt.pictures.drawing import Drawing
from minigpt.playground.logits import Recent
from minigpt.playground.wire import Refused, Request
from minigpt.prompts import start_of

LONGEST = 64  # tokens of a text in a picture: of 512 the attention grid would take half a minute and 60 MB
PICTURES = ("attention", "lens", "surprise")


def planned(lm: LanguageModel, request: Request) -> tuple[list[int], Settings]:
    """The ids of a text and the settings for the token after it; 422 if they do not go together."""
    try:
        settings = lm.settings({**request.settings, "max_new_tokens": 0})
        ids, _, _ = fit(lm.model.config, start_of(lm.tokenizer, request.prompt), settings)
    except ValueError as error:
        raise Refused(422, str(error)) from None
    return ids, settings


@torch.inference_mode()
def next_logits(lm: LanguageModel, ids: list[int], recent: Recent) -> Tensor:
    """The logits (V,) after a text, from a forward pass; they are kept."""
    logits = prefill(lm.model, [TokenSequence(ids, len(ids), 0)])[0]  # (V,)
    recent.put(ids, logits)
    return logits


def picture(lm: LanguageModel, request: Request) -> dict[str, Any]:
    """A picture by the method of `lm.show` of that name. Raises ValueError for a text that it cannot show."""
    what = request.more.get("what")
    if what not in PICTURES:
        raise ValueError(f"what must be one of {', '.join(PICTURES)}, not {shown(what)}")
    given = {name: request.more[name] for name in ("layer", "head") if name in request.more}
    if given and what != "attention":
        raise ValueError(f"layer and head are for attention, not for {what}: leave them out")
    assert lm.tokenizer
    n = len(start_of(lm.tokenizer, request.prompt))
    if n > LONGEST:
        raise ValueError(f"a picture shows up to {LONGEST} tokens, and this text has {n:,}: shorten it")
    text = request.prompt if isinstance(request.prompt, str) else lm.tokenizer.decode(request.prompt)
    return told(getattr(lm.show, what)(text, **given))


def told(drawing: Drawing) -> dict[str, Any]:
    """A drawing as the page takes it: without its own style sheet, which the page has."""
    svg = drawing.svg().replace(f"<style>{style()}</style>", "")
    return {"title": drawing.title, "description": drawing.description, "svg": svg, "table": drawing.table}

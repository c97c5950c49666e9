"""The tree of a beam search for the page: a step of work for each of its rounds, then the picture."""

from collections.abc import Generator

from minigpt.analysis.beam_tree import Tree, growing_tree, mark
from minigpt.generation.sequences import plan
from minigpt.language_model import LanguageModel
from minigpt.pictures.beams import beam_picture
from minigpt.pictures.seen import quoted, text_of
from minigpt.playground.knock import KnockedOut
from minigpt.playground.looking import told
from minigpt.playground.wire import Refused, Request
from minigpt.playground.work import Event
from minigpt.prompts import start_of

MOST = 8  # rounds: each is a column of the picture


class Search:
    """A planned search: `events` does it. Raises `Refused` (422) where prompt, settings and model do not fit."""

    def __init__(self, lm: LanguageModel, request: Request) -> None:
        assert lm.tokenizer
        self.lm, self.prompt, self.parts = lm, request.prompt, KnockedOut(lm, request)
        n = request.settings.get("max_new_tokens", MOST)
        if not 1 <= n <= MOST:
            raise Refused(422, f"max_new_tokens must be 1 to {MOST} for a tree, which has a column for each, not {n}")
        try:
            self.settings = lm.settings({"num_beams": 3, **request.settings, "max_new_tokens": n})
            (self.sequence,) = plan(lm.model, [start_of(lm.tokenizer, request.prompt)], self.settings)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        if self.settings.num_beams < 2:
            raise Refused(422, f"num_beams must be 2 or more for a tree, not {self.settings.num_beams}")

    def start(self) -> Event:
        """What is known before anything is computed."""
        return {"event": "start", "n": self.sequence.limit, "beams": self.settings.num_beams}

    def events(self) -> Generator[Event, None, None]:
        """A "round" after each round, and in the "end" the picture, as `minigpt.playground.looking.told` gives it."""
        yield from self.parts.each(self.search())

    def search(self) -> Generator[Event, None, None]:
        """The same by the model as it stands."""
        tree: Tree = ([], ())
        for n, so_far in enumerate(growing_tree(self.lm.model, self.sequence.ids, self.settings), 1):
            tree = so_far
            yield {"event": "round", "round": n}
        nodes = mark(*tree)
        assert self.lm.tokenizer
        text = self.prompt if isinstance(self.prompt, str) else self.lm.tokenizer.decode(self.prompt)
        texts = {node.id: text_of(self.lm, node.id) for node in nodes}
        title = f"{self.settings.num_beams} beams after {quoted(text)}"
        yield {"event": "end", **told(beam_picture(nodes, texts, title))}

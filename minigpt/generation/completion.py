"""What generation returns: a completion at the end, or a stream of pieces on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from minigpt.generation.sequences import Steps, TokenSequence


@dataclass(frozen=True)
class Completion:
    """The continuation of a prompt."""

    text: str  # the new text only, without an end token or a stop string
    ids: list[int]  # all new ids, including an end token and the tokens of a stop string
    finish_reason: str  # "eos", "stop", "length" or "context"
    logprobs: list[float]  # one per id: natural logarithm, the model's own distribution before any filter
    top_logprobs: list[list[tuple[int, float]]] = field(default_factory=list, repr=False)  # if asked for, best first
    score: float | None = None  # beam search: summed log-probability / length ** length_penalty
    n_prompt: int = 0  # tokens of the prompt


class Stream:
    """The pieces of a text while it grows: iterate over it; close() stops the work; `completion` is the result."""

    def __init__(self, sequence: TokenSequence, steps: Steps) -> None:
        self._sequence, self._steps = sequence, steps
        self._n_given = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._n_given == len(self._sequence.text):
            next(self._steps)
        piece = self._sequence.text[self._n_given :]
        self._n_given += len(piece)
        return piece

    def close(self) -> None:
        """Stop the work: no further token is computed, no further piece comes."""
        self._steps.close()
        self._n_given = len(self._sequence.text)

    @property
    def completion(self) -> Completion:
        """What there is so far, and after the last piece all of it; a stream that was closed ends with "stop"."""
        return completion(self._sequence)


def completion(sequence: TokenSequence) -> Completion:
    """A sequence as the caller gets it."""
    s = sequence
    return Completion(s.text, s.new_ids, s.finish_reason or "stop", s.logprobs, s.top_logprobs, s.score, s.n_prompt)

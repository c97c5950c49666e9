"""The text of new tokens as it comes: whole characters only, and nothing past a stop string."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from tokenizer import StreamDecoder, Tokenizer


class StopStrings:
    """Lets text through up to the first stop string; what may be the beginning of one waits until that is decided.

    >>> gate = StopStrings(["END"])
    >>> [gate.push(piece) for piece in ("an E", "N", "ergy EN", "D and more")], gate.found
    (['an ', '', 'ENergy ', ''], True)
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop = sorted(stop)  # so that those with a common prefix are adjacent
        self.waiting = ""
        self.found = False

    def push(self, piece: str) -> str:
        """The part of the text so far that is certain to stay and has not been returned yet."""
        if self.found:
            return ""
        text = self.waiting + piece
        cuts = [text.find(s) for s in self.stop if s in text]
        if cuts:
            self.found, self.waiting = True, ""
            return text[: min(cuts)]
        n = next((n for n in range(len(text), 0, -1) if self.may_go_on(text[-n:])), 0)
        self.waiting = text[len(text) - n :]
        return text[: len(text) - n]

    def may_go_on(self, end: str) -> bool:
        """Whether a stop string begins with this end of the text, and is longer (else it would have been found)."""
        i = bisect_left(self.stop, end)
        return i < len(self.stop) and self.stop[i].startswith(end)

    def flush(self) -> str:
        """The text that was still held back, at the end."""
        waiting, self.waiting = self.waiting, ""
        return waiting


class TextReader:
    """Turns one row's ids into text, piece by piece.

    >>> reader = TextReader(Tokenizer({bytes([i]): i for i in range(256)}), stop=("b",))
    >>> [reader.push(i) for i in b"aab"], reader.found
    (['a', 'a', ''], True)
    """

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = ()) -> None:
        self.tokenizer = tokenizer
        self.decoder = StreamDecoder(tokenizer)
        self.gate = StopStrings(stop)

    @property
    def found(self) -> bool:
        """Whether a stop string has come."""
        return self.gate.found

    def push(self, id: int) -> str:
        """The text that is certain now that `id` has come, often none; ids that only pad the vocabulary have none."""
        return self.gate.push(self.decoder.push(id)) if id in self.tokenizer.tokens else ""

    def flush(self) -> str:
        """The rest, at the end of the row."""
        return self.gate.push(self.decoder.flush()) + self.gate.flush()

    def text_of(self, ids: Iterable[int]) -> str:
        """The text of some ids, whatever this reader has read so far."""
        return self.tokenizer.decode(id for id in ids if id in self.tokenizer.tokens)

"""The vocabularies on this machine: which ones there are, and those already read."""

import threading
from pathlib import Path

from minigpt.playground.shelf import Shelf, found
from minigpt.playground.wire import Refused
from tokenizer import Tokenizer
from tokenizer.fetch.official import VOCABULARIES
from tokenizer.fetch.verify import cache_dir, right
from tokenizer.formats.tiktoken_file import CACHED, from_cache
from tokenizer.unigram import Unigram
from tokenizer.wordpiece import WordPiece
from weights.fetch.registry import ENTRIES, REGISTRY

AnyTokenizer = Tokenizer | WordPiece | Unigram
KINDS: dict[str, type[AnyTokenizer]] = {"bert": WordPiece, "t5": Unigram}  # by family; all others have a Tokenizer


class Vocabularies:
    """The vocabularies on this machine by name: those of the models, relatives too, and the official ones. None is
    downloaded from here."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.kept: dict[str, AnyTokenizer] = {}
        self.lock = threading.Lock()  # one is read at a time

    def names(self) -> list[str]:
        """Their names, the command line's model first."""
        models = [entry.name for entry in ENTRIES if found(entry.name)]
        others = [name for name in (*VOCABULARIES, *CACHED) if official(name)]
        return list(dict.fromkeys([*self.shelf.loaded, *models, *others]))

    def get(self, name: str) -> AnyTokenizer:
        """A vocabulary, read if it was not yet; 404 if there is none of that name, 422 if it cannot be read."""
        if name in self.kept:  # which need not wait for another one
            return self.kept[name]
        with self.lock:
            if name not in self.kept:
                if name not in (names := self.names()):
                    raise Refused(404, f"there is no vocabulary {name!r:.60} on this machine: {', '.join(names)}")
                try:
                    self.kept[name] = self.read(name)
                except (ValueError, OSError, ImportError) as error:
                    raise Refused(422, " ".join(str(error).split()) or type(error).__name__) from None
        return self.kept[name]

    def read(self, name: str) -> AnyTokenizer:
        """A vocabulary that is there: a loaded model's own, a model's files, or an official one's."""
        if name in self.shelf.loaded:
            own = self.shelf.loaded[name].lm.tokenizer
            assert own  # a model without one does not get onto the shelf
            return Tokenizer.of(own.vocabulary)  # never `plain`, which takes hours for a long word
        path = found(name) if name in REGISTRY else None
        if path:
            return KINDS.get(REGISTRY[name].family, Tokenizer).load(path)
        place = official(name)
        if place is None:
            raise OSError(f"{name} was here and is gone: open the page again")
        return Tokenizer.load(place)


def official(name: str) -> Path | None:
    """The file or folder of an official vocabulary that is whole and on this machine."""
    if name in CACHED:
        try:
            return from_cache(name)
        except (OSError, ValueError):
            return None
    folder = cache_dir() / "vocabularies" / name
    files = VOCABULARIES.get(name, ())
    if not files or not all(right(folder / file.name, file.sha256) for file in files):
        return None
    return folder / files[0].name if len(files) == 1 else folder

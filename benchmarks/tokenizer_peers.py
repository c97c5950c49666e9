"""The contestants of `benchmarks/tokenizer.py`: how each encodes and trains, and the process it lives in."""

import hashlib
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

END = "<|endoftext|>"
FEW = 2  # merges that the naive trainer makes; its time for all is reckoned from them,
SHRINKS = 4  # as if every merge took a quarter of that: the text gets shorter, but hardly to less than a quarter


def naive_merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    merged, i = [], 0
    while i < len(ids):
        hit = i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair
        merged.append(new if hit else ids[i])
        i += 2 if hit else 1
    return merged


def naive_train(text: str, n_merges: int) -> list[Any]:
    """Counts all pairs of all pieces anew for every merge."""
    import regex

    from tokenizer import GPT2_PATTERN

    pieces = [list(piece.encode()) for piece in regex.findall(GPT2_PATTERN, text)]
    merges = []
    for new in range(256, 256 + n_merges):
        counts: dict[tuple[int, int], int] = {}
        for piece in pieces:
            for pair in pairwise(piece):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(counts, key=lambda pair: counts[pair])
        pieces = [naive_merge(piece, best, new) for piece in pieces]
        merges.append(best)
    return merges


def naive_encoder() -> Callable[[str], list[int]]:
    """Splits, then merges every piece on its own, looking at all its pairs after every merge; no table of pieces."""
    import regex

    from tokenizer import GPT2_PATTERN, Tokenizer
    from tokenizer.formats.merges import recover_merges

    ranks = Tokenizer.load("gpt2").ranks
    merges = {(ranks[a], ranks[b]): ranks[a + b] for a, b in recover_merges(ranks)}

    def encode(text: str) -> list[int]:
        out = []
        for piece in regex.findall(GPT2_PATTERN, text):
            ids = [ranks[bytes([byte])] for byte in piece.encode()]
            while len(ids) > 1:
                pair = min(pairwise(ids), key=lambda pair: merges.get(pair, 1 << 30))
                if pair not in merges:
                    break
                ids = naive_merge(ids, pair, merges[pair])
            out += ids
        return out

    return encode


def make_encoder(name: str) -> Callable[[str], list[int]]:
    """A new encoder with GPT-2's vocabulary."""
    import tokenizer

    if name == "naive":
        return naive_encoder()
    ours = tokenizer.Tokenizer.load("gpt2")
    if name == "ours":
        return ours.encode
    if name == "tiktoken":
        import tiktoken
        from tiktoken_ext.openai_public import r50k_pat_str

        special = ours.special_tokens
        theirs = tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ours.ranks, special_tokens=special)
        return theirs.encode_ordinary
    import tokenizers

    from tokenizer.formats.tokenizer_json import to_json

    data = to_json(ours.vocabulary) | {"added_tokens": []}
    hugging = tokenizers.Tokenizer.from_str(json.dumps(data))
    return lambda text: list(hugging.encode(text, add_special_tokens=False).ids)


def train(name: str, text: str, vocab_size: int) -> list[Any]:
    """Seconds, and the merges that a trainer finds; ours and that of `tokenizers` name them alike."""
    if name == "naive":
        start = time.process_time()
        merges = naive_train(text, FEW)
        return [(time.process_time() - start) * (vocab_size - 257) / FEW / SHRINKS, merges]
    if name == "ours":
        import tokenizer
        from tokenizer.formats.byte_alphabet import bytes_to_unicode
        from tokenizer.formats.merges import recover_merges

        start = time.process_time()
        tok = tokenizer.train(text, vocab_size)
        return [
            time.process_time() - start,
            [[bytes_to_unicode(a), bytes_to_unicode(b)] for a, b in recover_merges(tok.ranks)],
        ]
    import tokenizers

    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    start = time.process_time()
    tok.train_from_iterator(text.split(END), trainer)
    return [time.process_time() - start, [list(merge) for merge in json.loads(tok.to_str())["model"]["merges"]]]


def worker(pipe: Any, name: str, path: str) -> None:
    """A contestant: answers (task, characters, vocabulary size) with seconds and a digest of what came out."""
    text = Path(path).read_text(encoding="utf-8")
    encode = None
    while task := pipe.recv():
        kind, length, vocab_size = task
        part = text[:length]
        if kind == "train":
            seconds, result = train(name, part, vocab_size)
        else:
            if kind == "encode cold" or encode is None:
                encode = make_encoder(name)
            start = time.process_time()
            result = encode(part)
            seconds = time.process_time() - start
        pipe.send((seconds, hashlib.sha256(json.dumps(result).encode()).hexdigest()))

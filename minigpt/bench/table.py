"""What is compared with what, and the target ratio; `minigpt bench --list` shows it.

Unless a row says otherwise: GPT-2's sizes of 124M parameters with random weights, batch 1, on the CPU."""

from typing import Any

from minigpt.bench.rows import Row, Task

HF, LLAMA = ("transformers",), ("llama-cpp-python", "gguf")
H100 = 3.0e12  # bytes per second of its memory
FLOATS = {"float32": "same", "float16": "greedy", "bfloat16": "greedy", "int8": "greedy"}


def ours(model: str = "124m", dtype: str = "float32", **options: Any) -> Task:
    """Our `generate`."""
    return Task("ours:generate", {"model": model, "dtype": dtype, **options})


def theirs(model: str = "124m", **options: Any) -> Task:
    """transformers' `generate`."""
    return Task("hugging_face:generate", {"model": model, **options})


def both(**options: Any) -> tuple[Task, Task]:
    """The same of ours and of transformers."""
    return ours(**options), theirs(**options)


def decode() -> list[Row]:
    """A new token, at short contexts."""
    what, eager, fp32 = "decode", "transformers float32", "decode float32"
    probe = Task("probe:read", {"model": "124m"})
    compiled, static = Task("loops:compiled", {"model": "124m"}), theirs(static=True)
    rows = [
        Row("decode-float32-bandwidth", fp32, "the memory's bandwidth", 0.85, ours(), probe, equal="none"),
        Row("decode-float32-transformers", fp32, eager, 1.7, ours(), theirs(), needs=HF),
        Row("decode-float32-static", fp32, "transformers, static cache, compiled", None, ours(), static, needs=HF),
        Row("decode-float32-compiled", fp32, "a compiled step as gpt-fast's", None, ours(), compiled),
    ]
    for dtype, kind, target in (("float32", "F32", 1.0), ("float16", "F16", 1.0), ("int8", "Q8_0", 0.95)):
        peer, equal = Task("llama_cpp:generate", {"model": "124m", "kind": kind}), FLOATS[dtype]
        name, text = f"decode-{dtype}-llama.cpp", f"{what} {dtype}"
        rows.append(Row(name, text, f"llama.cpp {kind}", target, ours(dtype=dtype), peer, equal=equal, needs=LLAMA))
    for dtype in ("float16", "bfloat16", "int8"):
        name, text = f"decode-{dtype}-transformers", f"{what} {dtype}"
        rows.append(Row(name, text, eager, None, ours(dtype=dtype), theirs(), equal="greedy", needs=HF))
    plain, auto = ours(plain=True), ours(dtype="auto")
    loop = Task("loops:cache_free", {"model": "124m", "prompt": 768, "new": 1})
    long = ours(prompt=768, new=13)
    story = both(model="storyteller", new=65)
    return [
        *rows,
        Row("decode-plain-transformers", "decode float32, --plain", eager, None, plain, theirs(), needs=HF),
        Row("decode-auto-transformers", "decode, dtype auto", eager, 4, auto, theirs(), equal="greedy", needs=HF),
        Row(
            "long-768-nanogpt",
            "decode at 768 tokens",
            "a loop without cache, nanoGPT's",
            50,
            long,
            loop,
            equal="prefix",
        ),
        Row("story-float32-transformers", "storyteller", eager, 2, *story, needs=HF),
    ]


def batches() -> list[Row]:
    """Many rows at once: batches, prompts, beams; and what sampling costs."""
    eager, one, auto = "transformers float32", ours(new=12), ours(dtype="auto", new=1, whole=True)
    rows: list[Row] = []
    for dtype, target in (("float32", 4.0), ("bfloat16", None)):
        eight, single = ours(dtype=dtype, batch=8, new=12), one if dtype == "float32" else ours(dtype=dtype, new=12)
        equal = "same" if dtype == "float32" else "none"
        rows.append(Row(f"batch-8-{dtype}-one", f"batch 8 {dtype}", "batch 1", target, eight, single, equal=equal))
    for n in (8, 32):
        pair = both(batch=n, new=8)
        rows.append(Row(f"batch-{n}-transformers", f"batch {n} float32", eager, 1.3, *pair, needs=HF))
    for n in (256, 1000):
        mine = Task(auto.maker, {**auto.options, "prompt": n})
        peer = theirs(prompt=n, new=1, whole=True)
        what = f"prefill {n}, dtype auto"
        rows.append(Row(f"prefill-{n}-transformers", what, eager, 2, mine, peer, equal="greedy", needs=HF))
    for model, new in (("storyteller", 65), ("124m", 13)):
        greedy = ours(model, new=new)
        for name, top_p in (("top-p", 0.9), ("temperature", 1.0)):
            sampled = ours(model, new=new, temperature=1.0, top_p=top_p)
            what = f"{name.replace('-', ' ')}, {model}"
            rows.append(Row(f"sampling-{name}-{model}", what, "greedy", 0.97, sampled, greedy, equal="none"))
    beams = both(num_beams=4, new=12, whole=True)
    return [*rows, Row("beam-4-transformers", "beam search, 4", eager, 1.5, *beams, needs=HF)]


def training() -> list[Row]:
    """A step of training, and its memory."""
    rows: list[Row] = []
    for model in ("storyteller", "30m"):
        for precision, target in (("float32", 1.1), ("bfloat16", 1.3)):
            options = {"model": model, "precision": precision}
            what, name = f"training step, {model} {precision}", f"train-{model}-{precision}"
            mine, loop = {"who": "ours", **options}, {"who": "loop", **options}
            steps = Task("training:step", mine), Task("training:step", loop)
            peaks = Task("fresh:training", mine), Task("fresh:training", loop)
            against, memory = "transformers in a plain loop", f"peak of training, {model} {precision}"
            rows += [
                Row(f"{name}-loop", what, against, target, *steps, equal="near", needs=HF),
                Row(f"memory-{name}", memory, against, 1, *peaks, at_most=True, equal="near", pairs=3, needs=HF),
            ]
    story, what = Task("training:step", {"who": "ours", "model": "storyteller"}), "training step, storyteller float32"
    for who, against, target, needs in (
        ("trainer", "transformers' Trainer", 1.5, ("transformers", "accelerate")),
        ("nanogpt", "a loop as nanoGPT's", 1.0, ()),
    ):
        peer = Task("training:step", {"who": who, "model": "storyteller"})
        rows.append(Row(f"train-storyteller-{who}", what, against, target, story, peer, equal="near", needs=needs))
    return rows


def gpu() -> list[Row]:
    """Decoding in bfloat16 on an NVIDIA GPU; the bandwidth is that of an H100."""
    rows = []
    for model, eager, fast, share in (("124m", 15.0, 1.2, 0.25), ("xl", 4.0, 1.1, 0.5)):
        options: dict[str, Any] = {"dtype": "bfloat16", "stored": "bfloat16", "device": "cuda", "new": 193}
        mine, what = ours(model, **options), f"GPU decode bfloat16, {model}"
        bound = Task("probe:at_rate", {"model": model, "dtype": "bfloat16", "bytes_per_second": H100})
        compiled = Task("loops:compiled", {"model": model, **options})
        static = theirs(model, static=True, **options)
        for name, against, target, peer, equal in (
            ("transformers", "transformers eager", eager, theirs(model, **options), "greedy"),
            ("static", "transformers, static cache, compiled", None, static, "greedy"),
            ("compiled", "a compiled step as gpt-fast's", fast, compiled, "greedy"),
            ("bound", "3.0 TB/s", share, bound, "none"),
        ):
            needs = HF if name in ("transformers", "static") else ()
            row = Row(f"gpu-{model}-{name}", what, against, target, mine, peer, equal=equal, needs=needs, cuda=True)
            rows.append(row)
    return rows


def tokens(file: str) -> list[Row]:
    """Byte-pair encoding and its training, on one thread."""
    rows = []
    for cold, peer, target in ((False, "tiktoken", 1.2), (False, "tokenizers", 14.0), (True, "tiktoken", 0.6)):
        options = {"cold": cold, "file": file}
        tasks = Task("bpe:encode", {"name": "ours", **options}), Task("bpe:encode", {"name": peer, **options})
        state = "cold" if cold else "warm"
        rows.append(Row(f"tokens-{state}-{peer}", f"BPE encode, {state}", peer, target, *tasks, needs=(peer,)))
    trained = Task("bpe:train_ours", {"file": file}), Task("bpe:train_tokenizers", {"file": file})
    name, what = "tokens-train-tokenizers", "BPE training to 4096"
    return [*rows, Row(name, what, "tokenizers' trainer", 1.5, *trained, needs=("tokenizers",))]


def fresh() -> list[Row]:
    """Processes from their start: seconds, and memory."""
    bare, rows = Task("fresh:bare"), []
    for name, words, target in (
        ("help", ["--help"], 3.0),
        ("tokens", ["tokens", "Once upon a time"], 6.0),
        ("tokens-gpt2", ["tokens", "Once upon a time", "--tokenizer", "gpt2"], 12.0),
    ):
        mine = Task("fresh:command", {"words": words})
        what = " ".join(word for word in words if " " not in word)
        rows.append(Row(f"start-{name}", what, "a bare Python start", target, mine, bare, at_most=True, equal="none"))
    first = Task("fresh:first_token", {"name": "ours"}), Task("fresh:first_token", {"name": "transformers"})
    rows.append(Row("start-first-token", "start to first token", "transformers", 3, *first, needs=HF))
    for dtype in ("float32", "float16"):
        options = {"model": "124m", "dtype": dtype}
        mine, peer = Task("fresh:load", options), Task("probe:checkpoint_bytes", options)
        what = f"peak of loading {dtype}"
        row = Row(f"memory-load-{dtype}", what, "the weights", 1.03, mine, peer, at_most=True, equal="none", pairs=3)
        rows.append(row)
    mine = Task("fresh:two_tokens", {"model": "124m", "batch": 32, "max_new_tokens": 1000})
    peer = Task("probe:cache_bytes", {"model": "124m", "batch": 32, "tokens": 1008})
    what, against = "peak of 2 of 1000 tokens, batch 32", "the cache of all 1000"
    return [*rows, Row("memory-cache", what, against, 0.25, mine, peer, at_most=True, equal="none", pairs=3)]


def table(file: str = "") -> list[Row]:
    """All rows; `file` is the text for the tokenizers."""
    return [*decode(), *batches(), *training(), *gpu(), *tokens(file), *fresh()]

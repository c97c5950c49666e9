"""A checkpoint as llama.cpp reads it: the same weights, in its own file."""

from pathlib import Path
from typing import Any

from minigpt.bench import material
from tokenizer.fetch.atomic import exclusive, replacing
from weights.families.gguf_gpt2 import LAYER_NAMES, NAMES
from weights.formats.folder import weight_files
from weights.formats.tensors import read_tensors


def gguf_file(model: str, kind: str) -> Path:
    """The file in the cache, made if it is missing. `kind` is what its matrices are stored in: F32, F16, Q8_0."""
    path, source = material.home() / f"{model}-{kind}.gguf", material.folder(model)
    with exclusive(material.home(), wait=600):
        if not path.exists():
            with replacing(path) as part:
                write(part, source, material.config(model), kind)
    return path


def write(path: Path, source: Path, size: dict[str, Any], kind: str) -> None:
    """GPT-2 without a vocabulary: ids go in, logits come out. Norms, biases and positions are float32 in every kind."""
    from gguf import GGMLQuantizationType, GGUFWriter, quantize

    writer = GGUFWriter(path, "gpt2")
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(size["vocab_size"])
    writer.add_context_length(size["n_ctx"])
    writer.add_embedding_length(size["n_embd"])
    writer.add_block_count(size["n_layer"])
    writer.add_head_count(size["n_head"])
    writer.add_feed_forward_length(4 * size["n_embd"])
    writer.add_layer_norm_eps(1e-5)
    for key, stored in read_tensors(weight_files(source)).items():
        numbers = stored.read().float()
        if numbers.ndim == 2 and ".h." in key:
            numbers = numbers.T  # stored (in, out), wanted (out, in)
        whole = numbers.ndim == 1 or ".wpe." in key
        of = GGMLQuantizationType["F32" if whole else kind]
        writer.add_tensor(name_of(key), quantize(numbers.contiguous().numpy(), of), raw_dtype=of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def name_of(key: str) -> str:
    """llama.cpp's name of one of GPT-2's tensors.

    >>> name_of("transformer.h.3.attn.c_attn.bias"), name_of("transformer.wte.weight")
    ('blk.3.attn_qkv.bias', 'token_embd.weight')
    """
    parts = key.removeprefix("transformer.").split(".")
    if parts[0] != "h":
        return f"{next(theirs for theirs, ours in NAMES.items() if ours == parts[0])}.{parts[1]}"
    ours = ".".join(parts[2:-1])
    return f"blk.{parts[1]}.{next(theirs for theirs, name in LAYER_NAMES.items() if name == ours)}.{parts[-1]}"

"""The files that are damaged: one small model in every layout that loads, whole."""

import base64
import json
import random
import shutil
from pathlib import Path

import torch

import tokenizer
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train import checkpoint
from minigpt.train.step import TrainSettings
from minigpt.train.trainer import Trainer
from weights.export import save_checkpoint, write_probe

TEXT = "Once upon a time there was a cat, and the cat sat on the mat. It's 1812; naïve 日本 don't!\n\n  The end. " * 3
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEFAULTS = {
    "bos_token_id": 0,
    "eos_token_id": [0, 1],
    "do_sample": True,
    "temperature": 0.7,
    "top_k": 20,
    "top_p": 0.9,
    "repetition_penalty": 1.1,
    "max_new_tokens": 8,
}
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def build(root: Path) -> None:
    """All originals, each in its folder: gpt2, checked, bin, sharded, gguf, pair, ranks, run."""
    tok = tokenizer.train(TEXT, 300, special_tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    torch.manual_seed(1)
    gpt2 = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=64, n_layer=2, n_head=2, n_embd=16))
    llama = Llama(LlamaConfig(tok.n_vocab, n_ctx=64, n_layer=2, n_head=4, n_kv_head=2, n_embd=32, n_inner=48))
    for model in (gpt2, llama):
        model.init_weights()
        for parameter in model.parameters():
            parameter.data.mul_(3)
    defaults = DEFAULTS | {"eos_token_id": [tok.special_tokens["<|endoftext|>"]], "bos_token_id": None}
    save_checkpoint(gpt2, root / "checked", tok, generation_config=defaults)
    shutil.copytree(root / "checked", root / "gpt2")
    forget_checksum(root / "gpt2" / "model.safetensors")
    more = {"chat_template": TEMPLATE, "eos_token": "<|endoftext|>", "tokenizer_class": "GPT2TokenizerFast"}
    more |= {"add_prefix_space": False, "model_max_length": 64, "clean_up_tokenization_spaces": False}
    (root / "gpt2" / "tokenizer_config.json").write_text(json.dumps(more))
    write_probe(root / "gpt2")
    save_checkpoint(llama, root / "sharded", tok, generation_config=defaults, shard_bytes=20_000)
    for part in (root / "sharded").glob("*.safetensors"):
        forget_checksum(part)
    save_checkpoint(llama, root / "bin", tok, generation_config=defaults, chat_template=TEMPLATE)
    save_bin(root / "bin")
    (root / "pair").mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(root / "gpt2" / name, root / "pair" / name)
    (root / "ranks").mkdir()
    rows = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in tok.ranks.items())
    (root / "ranks" / "small.tiktoken").write_text("".join(rows))
    trainer = Trainer(gpt2, TrainSettings(steps=4, batch_size=2, block_size=8))
    trainer.do_step(torch.tensor(tok.encode(TEXT)))
    checkpoint.save(root / "run", trainer, [{"step": 1, "train": 5.0}])
    gpt2.eval()
    save_gguf(llama, tok, root / "gguf")


def forget_checksum(path: Path) -> None:
    """The file as other programs write it: without the SHA-256 of its numbers."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), path, {"format": "pt"})


def save_bin(folder: Path) -> None:
    """pytorch_model.bin in place of model.safetensors."""
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def save_gguf(model: Llama, tok: tokenizer.Tokenizer, folder: Path) -> None:
    """The Llama as llama.cpp's converter writes it, half of its matrices quantized to Q8_0."""
    import gguf
    import numpy as np
    from safetensors.torch import load_file

    from tokenizer.formats.tokenizer_json import to_json, vocab_of

    folder.mkdir()
    save_checkpoint(model, folder / "beside")
    config = model.config
    writer = gguf.GGUFWriter(folder / "small.gguf", "llama")
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.n_ctx)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.n_kv_head)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    vocab = vocab_of(tok.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(vocab))
    writer.add_token_types([3 if token in tok.special_tokens else 1 for token in vocab])
    writer.add_token_merges([" ".join(merge) for merge in to_json(tok.vocabulary)["model"]["merges"]])
    writer.add_eos_token_id(tok.special_tokens["<|endoftext|>"])
    for key, value in sorted(load_file(folder / "beside" / "model.safetensors").items()):
        layer = key.split(".")[2] if ".layers." in key else ""
        name = NAMES[key.removesuffix(".weight").removeprefix(f"model.layers.{layer}.")] + ".weight"
        kind = "F32" if value.ndim == 1 or "mlp" not in key else "Q8_0" if value.shape[1] % 32 == 0 else "F16"
        of = gguf.GGMLQuantizationType[kind]
        numbers = gguf.quantize(np.ascontiguousarray(value.numpy()), of)
        writer.add_tensor(f"blk.{layer}.{name}" if layer else name, numbers, raw_dtype=of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shutil.rmtree(folder / "beside")


FILES = (  # folder, file, its format, and how often it is drawn
    ("gpt2", "config.json", "json", 4),
    ("gpt2", "generation_config.json", "json", 3),
    ("gpt2", "tokenizer.json", "json", 4),
    ("gpt2", "tokenizer_config.json", "json", 3),
    ("gpt2", "model.safetensors", "safetensors", 4),
    ("gpt2", "probe.json", "json", 1),
    ("checked", "model.safetensors", "safetensors", 2),
    ("bin", "pytorch_model.bin", "zip", 4),
    ("bin", "config.json", "json", 3),
    ("bin", "chat_template.jinja", "lines", 1),
    ("sharded", "model.safetensors.index.json", "json", 2),
    ("sharded", "model-00002-of-00005.safetensors", "safetensors", 1),
    ("gguf", "small.gguf", "gguf", 4),
    ("pair", "vocab.json", "json", 2),
    ("pair", "merges.txt", "lines", 2),
    ("ranks", "small.tiktoken", "lines", 2),
    ("run", "training.pt", "zip", 2),
)


def draw(rng: random.Random) -> tuple[str, str, str]:
    """A folder, a file in it and its format."""
    folder, file, form, _ = rng.choices(FILES, [often for *_, often in FILES])[0]
    return folder, file, form

"""The architecture with the shapes of a real forward pass: what each part gave for the text on the page.

B batch, T tokens, C channels, V vocabulary.
"""

import torch

from minigpt.analysis.activations import record
from minigpt.generation.decoding import prefill
from minigpt.generation.sequences import TokenSequence, fit
from minigpt.language_model import LanguageModel
from minigpt.models.gpt2 import GPT2
from minigpt.pictures.architecture import architecture
from minigpt.pictures.drawing import Drawing
from minigpt.pictures.seen import model_of
from minigpt.prompts import start_of

GPT2_PARTS = {  # of `architecture`, and the activation after each, in the first block
    "wte": "wte",
    "+ wpe": "h.0.in",
    "ln_1": "h.0.ln_1",
    "attn.c_attn": "h.0.attn.q",
    "attn": "h.0.attn.heads",
    "+ attn.c_proj": "h.0.mid",
    "ln_2": "h.0.ln_2",
    "mlp.c_fc": "h.0.mlp.pre",
    "+ mlp.c_proj": "h.0.out",
    "ln_f": "ln_f",
}
LLAMA_PARTS = {
    "embed_tokens": "wte",
    "input_layernorm": "h.0.ln_1",
    "q k v_proj": "qkv",
    "rope": "qkv",
    "self_attn": "h.0.attn.heads",
    "+ o_proj": "h.0.mid",
    "post_attention_layernorm": "h.0.ln_2",
    "gate up_proj": "h.0.mlp.hidden",
    "+ down_proj": "h.0.out",
    "norm": "ln_f",
}


@torch.inference_mode()
def live_architecture(lm: LanguageModel, prompt: str | list[int]) -> Drawing:
    """The model with the shapes of its prefill of a text: the logits (1, V) are those after the last token.

    Raises ValueError for a text longer than the model's context, and for a model that is not one of ours.
    """
    model = model_of(lm)
    ids, _, _ = fit(model.config, start_of(lm.tokenizer, prompt), lm.settings({"max_new_tokens": 0}))
    with record(model, ["wte", "h.0.*", "ln_f", "logits"]) as seen:
        prefill(model, [TokenSequence(ids, len(ids), 0)])
    sizes = {name: str(tuple(tensor.shape)) for name, tensor in seen.items()}
    sizes |= {"ids": str(tuple(seen["wte"].shape[:2])), "qkv": f"q {sizes['h.0.attn.q']}, k v {sizes['h.0.attn.k']}"}
    parts = {"ids": "ids", "logits": "logits", **(GPT2_PARTS if isinstance(model, GPT2) else LLAMA_PARTS)}
    return architecture(model.config, lm.name, {part: sizes[name] for part, name in parts.items()})

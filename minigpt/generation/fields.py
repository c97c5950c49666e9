"""Every field of generation_config.json that transformers 5 knows is implemented, without effect here, or refused.

Implemented fields have the same names in `Settings`, except do_sample (which decides the temperature) and
stop_strings (`stop`). A test goes through transformers' own GenerationConfig, so that no field of a later version is
silently dropped. Fields that transformers does not know either are ignored, as there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from minigpt.generation.rules import checked, shown

FILE = "generation_config.json"
FILTERS = ("top_h", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")  # where tokens are drawn
FROM_FILE = (  # what is taken from the file as it is, drawn or not
    *("repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "sequence_bias"),
    *("min_length", "min_new_tokens", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id"),
    *("forced_eos_token_id", "exponential_decay_length_penalty", "remove_invalid_values", "renormalize_logits"),
    *("num_beams", "length_penalty", "early_stopping", "num_return_sequences", "eos_token_id", "bos_token_id"),
)
DONE = (
    *FILTERS,
    *FROM_FILE,
    *("do_sample", "temperature", "max_new_tokens", "max_length", "stop_strings", "prompt_lookup_num_tokens"),
)
WITHOUT_EFFECT = {
    **dict.fromkeys(("use_cache", "cache_config", "max_cache_len"), "the cache is always on and changes no text"),
    **dict.fromkeys(("compile_config", "disable_compile", "prefill_chunk_size", "low_memory"), "it changes no text"),
    **dict.fromkeys(("use_mtp", "speculation_type", "assistant_early_exit"), "drafts change no text"),
    **dict.fromkeys(("num_assistant_tokens", "num_assistant_tokens_schedule"), "there is no assistant model"),
    **dict.fromkeys(("assistant_confidence_threshold", "assistant_lookbehind"), "there is no assistant model"),
    **dict.fromkeys(("target_lookbehind", "max_matching_ngram_size"), "drafts change no text"),
    **dict.fromkeys(("output_attentions", "output_hidden_states"), "minigpt.record shows what happens inside"),
    **dict.fromkeys(("output_scores", "output_logits"), "Completion.logprobs and top_logprobs are always returned"),
    "return_dict_in_generate": "a Completion always comes with everything",
    "pad_token_id": "rows are padded on the right, where no token sees it",
    "decoder_start_token_id": "only models with an encoder have one",
    "continuous_batching_config": "it serves many callers at once and changes no text",
    "_from_model_config": "it says where the file came from",
    "transformers_version": "it says who wrote the file",
}


class Refused(NamedTuple):
    """A field that would change the text: what it is, and the values that turn it off."""

    what: str
    off: tuple[object, ...] = ()


REFUSED = {
    "guidance_scale": Refused("classifier-free guidance", (1,)),
    "watermarking_config": Refused("a watermark"),
    "token_healing": Refused("token healing", (False,)),
    "max_time": Refused("a time limit"),
    "encoder_repetition_penalty": Refused("a reward for the prompt's own tokens", (1,)),
    "encoder_no_repeat_ngram_size": Refused("a ban on the prompt's n-grams", (0,)),
    "num_beam_groups": Refused("diverse beam search", (1,)),
    "diversity_penalty": Refused("diverse beam search", (0,)),
    "constraints": Refused("constrained beam search"),
    "force_words_ids": Refused("constrained beam search"),
    "penalty_alpha": Refused("contrastive search", (0,)),
    "dola_layers": Refused("DoLa, contrasting layers"),
    "is_assistant": Refused("drafting for another model", (False,)),
    "assistant_ensemble_weight": Refused("a mixture with an assistant model"),
    "cache_implementation": Refused(
        "a quantized cache",
        ("dynamic", "dynamic_full", "static", "offloaded", "offloaded_static", "hybrid", "sliding_window", "paged"),
    ),
}


def defaults(config: Mapping[str, Any], chosen: Mapping[str, Any], samples: bool) -> dict[str, Any]:
    """The checkpoint's own settings, those of sampling only where tokens are drawn."""
    found = {name: config[name] for name in (*FROM_FILE, *FILTERS * samples) if name in config}
    if samples:
        found["temperature"] = config.get("temperature", 1.0)
    found["stop"] = config.get("stop_strings", ())
    if "max_new_tokens" in config:
        found["usual_new_tokens"] = checked("max_new_tokens", config["max_new_tokens"])
    elif "max_length" in config and "max_new_tokens" not in chosen:
        found["max_length"] = found["usual_new_tokens"] = checked("max_length", config["max_length"])
    if "min_length" in chosen:
        found.pop("min_new_tokens", None)
    beams = chosen.get("num_beams", config.get("num_beams", 1)) != 1
    if "prompt_lookup_num_tokens" in config and not beams and chosen.get("context") != "slide":  # they take no drafts
        found["prompt_lookup_num_tokens"] = config["prompt_lookup_num_tokens"]
    return found


def refuse_fields(chosen: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raises ValueError for the first field that is on and refused: the caller's first, then the checkpoint's.

    A caller's value that turns it off, such as guidance_scale=1, takes precedence over the file's.
    """
    if not isinstance(config.get("do_sample", False), bool):
        raise ValueError(f"{FILE}: do_sample must be true or false, not {shown(config['do_sample'])}")
    for name, (what, off) in REFUSED.items():
        value = chosen.get(name, config.get(name))
        if value is None or value in off:
            continue
        if name in chosen:
            raise ValueError(f"{name}={shown(value)} is not supported here ({what}): leave it out")
        raise ValueError(f"{FILE} says {name}={shown(value)}, which is not supported here ({what}): remove it there")

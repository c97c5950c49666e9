"""The generation settings that change a text, by transformers' names: older checkpoints have them in config.json."""

OF_GENERATION = (
    *(
        "bad_words_ids",
        "begin_suppress_tokens",
        "cache_implementation",
        "constraints",
        "diversity_penalty",
        "do_sample",
    ),
    *("dola_layers", "early_stopping", "encoder_no_repeat_ngram_size", "encoder_repetition_penalty", "epsilon_cutoff"),
    *(
        "eta_cutoff",
        "exponential_decay_length_penalty",
        "force_words_ids",
        "forced_bos_token_id",
        "forced_eos_token_id",
    ),
    *("guidance_scale", "is_assistant", "assistant_ensemble_weight", "length_penalty", "max_length", "max_new_tokens"),
    *("max_time", "min_length", "min_new_tokens", "min_p", "no_repeat_ngram_size", "num_beam_groups", "num_beams"),
    *("num_return_sequences", "penalty_alpha", "prompt_lookup_num_tokens", "remove_invalid_values"),
    *("renormalize_logits", "repetition_penalty", "sequence_bias", "stop_strings", "suppress_tokens", "temperature"),
    *("token_healing", "top_h", "top_k", "top_p", "typical_p", "watermarking_config"),
)

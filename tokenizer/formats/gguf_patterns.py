r"""The patterns that a GGUF file names instead of writing them out (`tokenizer.ggml.pre`).

Source: llama.cpp, src/llama-vocab.cpp, which says of each name what it stands for; where that is an approximation
of the model's own pattern, the model's tokenizer.json is the source. What is missing here is refused by name.
"""

from tokenizer.patterns import CL100K_PATTERN, GPT2_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN

UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"  # an English contraction


def cased(ending: str, digits: str) -> str:
    """Words cut where a capital follows a small letter, "camelCase" into two: GPT-4o, Mistral's Tekken."""
    before = r"[^\r\n\p{L}\p{N}]?"
    words = [f"{before}{UPPER}*{LOWER}+{ending}", f"{before}{UPPER}+{LOWER}*{ending}"]
    return "|".join([*words, digits, r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


GPT2 = ("gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "a.x-4.0", "mellum", "exaone4", "trillion")
SMOLLM = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2")
QWEN2 = ("qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2")
LLAMA3 = ("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "midm-2.0", "lfm2")
CL100K = ("dbrx", "smaug-bpe", "glm4", "chatglm-bpe")
GPT4O = ("gpt-4o", "llama4", "kanana2")
PATTERNS = {
    **dict.fromkeys(GPT2, GPT2_PATTERN),
    **dict.fromkeys(SMOLLM, SMOLLM2_PATTERN),
    **dict.fromkeys(QWEN2, QWEN2_PATTERN),
    **dict.fromkeys((*LLAMA3, *CL100K), CL100K_PATTERN),
    **dict.fromkeys(GPT4O, cased(ENDING, r"\p{N}{1,3}")),
    "tekken": cased("", r"\p{N}"),
}
STARTS_WITH_BOS = (*LLAMA3, "tekken")  # put the bos token before a text where the file does not say

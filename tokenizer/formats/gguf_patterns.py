r"""How a GGUF file's text is cut before merging: it gives only a name (`tokenizer.ggml.pre`), no pattern.

Source: llama.cpp, src/llama-vocab.cpp, which says what each name stands for; where that is an approximation
of the model's own pattern, the model's tokenizer.json is the source. What is missing here is refused by name.
"""

from typing import Any

from tokenizer.patterns import CL100K_PATTERN, QWEN2_PATTERN

Json = dict[str, Any]

UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"  # an English contraction
LETTERS = (  # DeepSeek's own list of Latin, Greek, Cyrillic and like alphabets; escaped where an editor might compose
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿ\u0386\u0388-\u038a\u038c\u038e-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ\ufb00-\ufb06\ufb13-\ufb17Ａ-Ｚａ-ｚ"
    "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
PUNCTUATION = "!-/:-~！-／：-～‘-‟\u3000-。"
EAST_ASIAN = "[一-龥ࠀ-一가-\ud7ff]+"


def cased(ending: str, digits: str) -> str:
    """Words cut where a capital follows a lower-case letter, "camelCase" into two: GPT-4o, Mistral's Tekken."""
    before = r"[^\r\n\p{L}\p{N}]?"
    words = [f"{before}{UPPER}*{LOWER}+{ending}", f"{before}{UPPER}+{LOWER}*{ending}"]
    return "|".join([*words, digits, r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def splits(*patterns: str) -> Json:
    """A tokenizer.json's pre_tokenizer: each pattern cuts what the one before it left, then come the bytes."""
    steps = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]
    return {"type": "Sequence", "pretokenizers": [*steps, {**GPT2, "use_regex": False}]}


GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SMOLLM = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, GPT2]}
DEEPSEEK_V3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2_NAMES = ("gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "a.x-4.0", "mellum", "exaone4", "trillion")
SMOLLM_NAMES = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2")
QWEN2_NAMES = ("qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2")
LLAMA3_NAMES = ("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "midm-2.0", "lfm2")
PRE_TOKENIZERS = {
    **dict.fromkeys(GPT2_NAMES, GPT2),
    **dict.fromkeys(SMOLLM_NAMES, SMOLLM),
    **dict.fromkeys(QWEN2_NAMES, splits(QWEN2_PATTERN)),
    **dict.fromkeys((*LLAMA3_NAMES, "dbrx", "smaug-bpe", "glm4", "chatglm-bpe"), splits(CL100K_PATTERN)),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2"), splits(cased(ENDING, r"\p{N}{1,3}"))),
    "tekken": splits(cased("", r"\p{N}")),
    "deepseek-v3": splits(r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK_V3),
    "deepseek-coder": splits(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN, r"\p{N}"),
    "deepseek-llm": splits(r"[\r\n]", rf"\s?[{LETTERS}]+", rf"\s?[{PUNCTUATION}]+", r"\s+$", EAST_ASIAN, r"\p{N}+"),
}
STARTS_WITH_BOS = (*LLAMA3_NAMES, "tekken")  # the bos token goes before a text if the file does not say
WHOLE_PIECES = STARTS_WITH_BOS  # a piece that is a token is looked up whole, not merged

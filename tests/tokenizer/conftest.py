"""The official vocabularies, ours and tiktoken's, from the same verified files; and texts of many kinds."""

from pathlib import Path

import pytest
import tiktoken
import tiktoken.load
from tiktoken_ext import openai_public

from tokenizer import Tokenizer
from tokenizer.fetch import official as sources

TEXTS = {
    "english": (
        "Once upon a time, there was a fisherman's wife who wasn't content. \"I'll go,\" she said; "
        '"we\'ve waited!"\n\n'
        "It's 1812.  They'd sailed 3,000 miles — and DIDN'T sink: 'twas luck. He'LL never know…\r\n\tThe end. \n"
    ),
    "code": (
        "def f(x: int) -> dict[str, int]:\n    '''doc'''\n    if x >= 10_000:\n\n"
        "        return {'a': x**2, \"b\": ~x}\n"
        "\t\t// C style;\r\n#define MAX(a,b)   ((a)>(b)?(a):(b))\n<html>&nbsp;</html>   \n\n\n"
    ),
    "cjk": (
        "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。我有２个苹果。　全角"
        "日本語のテキスト、カタカナ。안녕하세요 세계!"
    ),
    "scripts": "Привет, мир! Γειά σου Κόσμε. שלום עולם مرحبا بالعالم नमस्ते दुनिया สวัสดีชาวโลก ສະບາຍດີ မြန်မာဘာသာ ភាសាខ្មែរ",
    "emoji": "🌟👨‍👩‍👧‍👦🏳️‍🌈👍🏽 e\u0301 \U0001f1e9\U0001f1ea #️⃣ 𝒳𝔸 𠜎𠮷 ½²³ Ⅻ ①",
    "spaces": " a  b   c\td\n e \n\n f\r\n\r\ng \u00a0h\u3000i\u2028j\x1ck\x85l \t \n  \n m   ",
    "control": "\x00\x01\x02\x1b[0m\x7f\ufeff\ufffe\uffff\U0010ffff\x1c\x1d\x1e\x1f",
    "digits": "0 00 000 0000 12345678 1.5e-10 ٣٤٥ १२३ 𝟏𝟐 3rd v2",
    "special": "<|endoftext|> <|im_start|>user\n<|endofprompt|>",
}
TEXTS["mixed"] = " ".join(TEXTS.values())


def obtain(name: str) -> Path:
    """The folder of an official vocabulary, or a skip that says what each source answered."""
    try:
        return sources.locate(name)
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def gpt2() -> Tokenizer:
    obtain("gpt2")
    return Tokenizer.load("gpt2")


@pytest.fixture(scope="session")
def cl100k() -> Tokenizer:
    obtain("cl100k_base")
    return Tokenizer.load("cl100k_base")


@pytest.fixture(scope="session")
def tiktoken_gpt2() -> tiktoken.Encoding:
    folder = obtain("gpt2")
    ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(str(folder / "vocab.bpe"), str(folder / "encoder.json"))
    pattern = openai_public.r50k_pat_str
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


@pytest.fixture(scope="session")
def tiktoken_cl100k() -> tiktoken.Encoding:
    file = str(obtain("cl100k_base") / "cl100k_base.tiktoken")
    read = tiktoken.load.load_tiktoken_bpe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: read(file))
        return tiktoken.Encoding(**openai_public.cl100k_base())


@pytest.fixture(params=["gpt2", "cl100k"])
def both(request: pytest.FixtureRequest) -> tuple[Tokenizer, tiktoken.Encoding]:
    """Ours and tiktoken's, for each of the two official vocabularies."""
    return request.getfixturevalue(request.param), request.getfixturevalue("tiktoken_" + request.param)

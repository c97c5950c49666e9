"""What minbpe's own tests say of its tokenizers, said of ours through an adapter: 21 facts, up to the order of bytes.

There byte b has the id b; here the bytes have GPT-2's order, so the adapter translates the first 256 ids.
"""

import pytest

import tokenizer
from tests.tokenizer.conftest import TEXTS
from tokenizer import CL100K_PATTERN, Tokenizer
from tokenizer.formats.byte_alphabet import BYTES

STRINGS = {
    "empty": "",
    "one character": "?",
    "small": "hello world!!!? (안녕하세요!) lol123 😉",
    "long": TEXTS["mixed"].replace("<|endoftext|>", "") * 20,
}
SPECIAL = {
    "<|endoftext|>": 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}
DOCUMENTS = (
    "<|endoftext|>Hello world this is one document\n<|endoftext|>And this is another document\n"
    "<|endoftext|><|fim_prefix|>And this one has<|fim_suffix|> tokens.<|fim_middle|> FIM\n"
    "<|endoftext|>Last document!!! 👋<|endofprompt|>"
)
BASIC = "(?s:.+)"  # the whole text is one piece
PATTERNS = {"basic": BASIC, "regex": CL100K_PATTERN}


class Adapter:
    """train, encode, decode as there."""

    def __init__(self, pattern: str, tok: Tokenizer | None = None) -> None:
        self.pattern = pattern
        self.tok = tok or tokenizer.train("", 256, pattern, ())

    def train(self, text: str, vocab_size: int) -> None:
        self.tok = tokenizer.train(text, vocab_size, self.pattern, ())

    def register_special_tokens(self, special: dict[str, int]) -> None:
        self.tok = Tokenizer(self.tok.ranks, self.pattern, special)

    def encode(self, text: str, allowed_special: str = "none_raise") -> list[int]:
        disallow = "all" if allowed_special == "none_raise" else ()
        ids = self.tok.encode(text, "all" if allowed_special == "all" else (), disallow)
        return [BYTES[i] if i < 256 else i for i in ids]

    def decode(self, ids: list[int]) -> str:
        return self.tok.decode([BYTES.index(i) if i < 256 else i for i in ids])


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("kind", ["basic", "regex", "gpt4"])
def test_encode_decode_identity(kind, name, request):
    tok = Adapter(CL100K_PATTERN, request.getfixturevalue("cl100k")) if kind == "gpt4" else Adapter(PATTERNS[kind])
    assert tok.decode(tok.encode(STRINGS[name], "none")) == STRINGS[name]


@pytest.mark.parametrize("name", STRINGS)
def test_gpt4_is_tiktokens(name, cl100k, tiktoken_cl100k):
    assert cl100k.encode(STRINGS[name]) == tiktoken_cl100k.encode(STRINGS[name], disallowed_special=())


def test_gpt4_is_tiktokens_with_special_tokens(cl100k, tiktoken_cl100k):
    assert cl100k.encode(DOCUMENTS, "all") == tiktoken_cl100k.encode(DOCUMENTS, allowed_special="all")


@pytest.mark.parametrize("kind", PATTERNS)
def test_wikipedias_example(kind):
    """Three merges make XdXac of aaabdaaabac."""
    tok = Adapter(PATTERNS[kind])
    tok.train("aaabdaaabac", 256 + 3)
    assert tok.encode("aaabdaaabac") == [258, 100, 258, 97, 99]
    assert tok.decode([258, 100, 258, 97, 99]) == "aaabdaaabac"


@pytest.mark.parametrize("special", [{}, SPECIAL], ids=["plain", "special"])
def test_save_and_load(special, tmp_path):
    text = "".join(special) + TEXTS["english"] * 2 + "".join(special)
    tok = Adapter(CL100K_PATTERN)
    tok.train(text, 256 + 64)
    tok.register_special_tokens(special)
    ids = tok.encode(text, "all")
    assert tok.decode(ids) == text
    tok.tok.save(tmp_path)
    again = Adapter(CL100K_PATTERN, Tokenizer.load(tmp_path))
    assert again.decode(ids) == text
    assert again.encode(text, "all") == ids


def test_a_special_token_raises_unless_something_is_said_of_it():
    """Its encode refuses them by default."""
    tok = Adapter(BASIC)
    tok.register_special_tokens({"<|endoftext|>": 300})
    with pytest.raises(ValueError, match=r"'<\|endoftext\|>' at character 1"):
        tok.encode("a<|endoftext|>")

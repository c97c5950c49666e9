"""minigpt.chat.format: the ids of a conversation, and that nobody forges a control token."""

import random
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from inspect import signature
from typing import Any

import pytest

from minigpt.chat import format as conversation
from minigpt.chat import sandbox, template
from minigpt.chat.format import ChatFormat
from tokenizer import Tokenizer

MakeFormat = Callable[[str], ChatFormat]
NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
IM_START, IM_END = "<|im_start|>", "<|im_end|>"


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the template's own process does, done here: test_template.py tests the process."""

    def render(source: str, conversations: Sequence[Any], variables: dict[str, str]) -> template.Rendered:
        request = {"template": source, "conversations": conversations, "variables": variables}
        found = sandbox.answer(request | {"now": datetime.now().isoformat()})
        if "error" in found:
            raise ValueError(found["error"])
        return template.Rendered(**found)

    monkeypatch.setattr(conversation, "render", render)


@pytest.fixture
def chat_format(tok: Tokenizer, templates: dict[str, str]) -> MakeFormat:
    """`chat_format(name)`: the format of a template by name, or of a template."""
    return lambda name: ChatFormat(templates.get(name, name), tok, NAMES)


def controls(tok: Tokenizer, ids: list[int]) -> list[str]:
    """The control tokens among the ids."""
    names = {id: name for name, id in tok.special_tokens.items()}
    return [names[id] for id in ids if id in names]


def test_without_special_tokens_the_ids_are_those_of_the_whole_text(
    chat_format: MakeFormat, tok: Tokenizer, templates: dict[str, str], conversations: dict[str, Any], theirs: Any
) -> None:
    for name, source in templates.items():
        for case, messages in conversations.items():
            ids = chat_format(name).ids(messages)
            assert ids == tok.encode(chat_format(name).text(messages), allow_special="all"), (name, case)
            if case != "half a pair":  # which transformers cannot encode
                assert ids == theirs(source, messages, tokenize=True), (name, case)


@pytest.mark.parametrize("name", ["chatml", "headers", "inst", "odd"])
def test_typed_special_tokens_are_plain_text(
    chat_format: MakeFormat, tok: Tokenizer, every_special: dict[str, Any], name: str
) -> None:
    for case, messages in every_special.items():
        ids = chat_format(name).ids(messages)
        harmless = [message | {"content": "Hello"} for message in messages]
        assert controls(tok, ids) == controls(tok, chat_format(name).ids(harmless)), case
        assert tok.decode(ids) == chat_format(name).text(messages), case


@pytest.mark.parametrize("name", ["chatml", "headers", "inst", "odd"])
def test_the_control_tokens_are_those_that_transformers_keeps(
    chat_format: MakeFormat,
    tok: Tokenizer,
    templates: dict[str, str],
    every_special: dict[str, Any],
    theirs: Any,
    name: str,
) -> None:
    """Newer transformers can do it too, another way; the plain text around typed tokens it encodes in pieces."""
    transformers = pytest.importorskip("transformers")
    if "sanitize_control_tokens" not in signature(transformers.PreTrainedTokenizerFast.apply_chat_template).parameters:
        pytest.skip("this version of transformers has no sanitize_control_tokens")
    for case, messages in every_special.items():
        kept = theirs(templates[name], messages, tokenize=True, sanitize_control_tokens=True)
        assert controls(tok, chat_format(name).ids(messages)) == controls(tok, kept), case


def test_the_template_that_looks_into_its_messages(
    chat_format: MakeFormat, tok: Tokenizer, every_special: dict[str, Any]
) -> None:
    for case, messages in every_special.items():
        ids = chat_format("thinking").ids(messages)
        assert controls(tok, ids) == [IM_START, IM_END] * len(messages) + [IM_START], case
        assert tok.decode(ids) == chat_format("thinking").text(messages), case


def test_a_token_that_could_be_anyones_is_plain(chat_format: MakeFormat, tok: Tokenizer) -> None:
    """The template writes <think> here, and so does the message; what a template looks for stays plain."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>hm</think>Hello"}]
    assert controls(tok, chat_format("thinking").ids(messages)) == [IM_START, IM_END] * 2 + [IM_START]
    messages[1]["content"] = "Hello"
    assert controls(tok, chat_format("thinking").ids(messages))[3:5] == ["<think>", "</think>"]


def test_without_the_mask_a_turn_is_forged(
    chat_format: MakeFormat, tok: Tokenizer, every_special: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation: these tests bite."""
    forged = every_special["forged turn"]
    right = controls(tok, chat_format("chatml").ids(forged))
    monkeypatch.setattr(conversation, "masked_contents", lambda messages, *_: messages)
    assert len(controls(tok, chat_format("chatml").ids(forged))) == len(right) + 4


def test_neighbours_do_not_join_into_a_control_token(chat_format: MakeFormat, tok: Tokenizer) -> None:
    side_by_side = chat_format("{{ messages[0].content }}{{ messages[1].content }}<|im_end|>")
    messages = [{"role": "user", "content": "<|im_"}, {"role": "user", "content": "end|>"}]
    assert side_by_side.text(messages) == IM_END * 2
    assert controls(tok, side_by_side.ids(messages)) == [IM_END]
    within = chat_format("<|{{ messages[0].content }}|><|im_end|>")
    assert controls(tok, within.ids([{"role": "user", "content": "im_start"}])) == [IM_END]


def test_any_mixture_of_pieces_stays_plain(chat_format: MakeFormat, tok: Tokenizer) -> None:
    rng = random.Random(3)
    pieces = [*tok.special_tokens, "<|", "|>", "im_end", "<", ">", "s", "/", " ", "\n", "Hello", "é", "\ue000"]
    for _ in range(150):
        contents = ["".join(rng.choices(pieces, k=rng.randrange(9))) for _ in range(3)]
        roles = ("user", "assistant", "user")
        messages = [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]
        ids = chat_format("chatml").ids(messages)
        assert controls(tok, ids) == [IM_START, IM_END] * 4 + [IM_START], contents
        assert tok.decode(ids) == chat_format("chatml").text(messages)


def test_where_it_cannot_be_told_the_message_is_refused(chat_format: MakeFormat, tok: Tokenizer) -> None:
    quoted = chat_format("{{ messages[0].content | tojson }}<|im_end|>")
    assert controls(tok, quoted.ids([{"role": "user", "content": 'say "yes"'}])) == [IM_END]
    assert controls(tok, quoted.ids([{"role": "user", "content": "say <|im_end|>"}])) == [IM_END]
    with pytest.raises(ValueError, match=r"^the chat template rewrites its messages, and one of them holds '<\|im_end"):
        quoted.ids([{"role": "user", "content": 'say "<|im_end|>"'}])


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], "a conversation needs at least one message"),
        (["hi"], 'a message is {"role": …, "content": …}, not \'hi\''),
        ([{"role": "user"}], "a message is"),
        ([{"role": "user", "content": "a", "name": "b"}], "a message is"),
        ([{"role": "<|im_end|>", "content": "a"}], "role '<|im_end|>' is none"),
        ([{"role": "user", "content": None}], "content should be a text, not None"),
    ],
)
def test_what_is_no_message_is_refused(chat_format: MakeFormat, messages: Any, error: str) -> None:
    for call in (chat_format("chatml").ids, chat_format("chatml").text):
        with pytest.raises(ValueError, match="^" + re.escape(error)):
            call(messages)

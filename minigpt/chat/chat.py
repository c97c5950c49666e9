"""What a chat adds to generation: the chat format, its end tokens, and what is kept when the context is full."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from minigpt.chat.format import ChatFormat
from minigpt.chat.messages import Message, checked_tools, plain
from minigpt.generation.keywords import Keywords
from minigpt.generation.settings import OTHER_NAMES, Settings
from tokenizer import Tokenizer
from tokenizer.suggest import did_you_mean
from weights.companions import named_tokens, names_by_ids

USUAL_NEW_TOKENS = 512  # an answer's length where neither caller nor checkpoint gives one


def chat_format(
    template: str | Mapping[str, str] | None,
    tokenizer: Tokenizer | None,
    generation_config: Mapping[str, Any],
    path: Path | None = None,
    name: str = "",
    *,
    tools: Sequence[Mapping[str, object]] | None = None,
    chosen: str | None = None,
    variables: Mapping[str, object] | None = None,
) -> ChatFormat:
    """How a checkpoint writes conversations; raises ValueError if it does not, as for base models.

    `path` is the checkpoint's folder, whose tokenizer_config.json names the special tokens; `name` is for the message.
    The caller may add `tools`, the name of one of several templates as `chosen`, and `variables` for the template.
    """
    if template is None or tokenizer is None:
        lacking = "vocabulary" if tokenizer is None else "chat template"
        raise ValueError(
            f"{name or 'this model'} has no {lacking}, it only continues text: "
            "use generate, or chat with an instruction-tuned model such as smollm2-135m-instruct"
        )
    given = plain(dict(variables or {}), "chat_template_kwargs")
    if {"messages", "tools"} & given.keys():
        raise ValueError("messages and tools are the conversation's own: give them by themselves, not as variables")
    if tools is not None:
        given["tools"] = checked_tools(tools)
    names = special_names(generation_config, tokenizer.tokens, path)
    return ChatFormat(pick_template(template, chosen, tools is not None), tokenizer, names, given)


def pick_template(template: str | Mapping[str, str], chosen: str | None = None, tools: bool = False) -> str:
    """The template to use, as transformers' get_chat_template picks it: the one of that name or that Jinja text, with
    tools the one named tool_use, else the default.

    >>> pick_template({"default": "a", "tool_use": "b"}, tools=True), pick_template("a", "{{ messages }}")
    ('b', '{{ messages }}')
    >>> pick_template({"default": "a", "tool_use": "b"}, "rag")
    Traceback (most recent call last):
    ValueError: there is no chat template 'rag': there are default, tool_use
    """
    several: Mapping[str, str] = {"default": template} if isinstance(template, str) else template
    wanted = chosen or ("tool_use" if tools and "tool_use" in several else "default")
    if wanted in several:
        return several[wanted]
    if chosen and ("{{" in chosen or "{%" in chosen):
        return chosen
    raise ValueError(f"there is no chat template {wanted!r:.60}: there are {', '.join(sorted(several))}")


class ChatKeywords(Keywords, total=False):
    """What `chat` takes: the settings of `generate`, and what goes to the template."""

    tools: Sequence[Mapping[str, object]] | None
    chat_template: str | None  # one of several by its name, or a Jinja text
    chat_template_kwargs: Mapping[str, object] | None
    enable_thinking: bool | None  # like any variable that a template reads


def split_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The caller's keywords as settings of generation, and as what `LanguageModel.chat_format` takes.

    >>> split_settings({"seed": 1, "enable_thinking": False, "temprature": 1})  # which is to be refused by its name
    ({'seed': 1, 'temprature': 1}, {'chat_template_kwargs': {'enable_thinking': False}})
    """
    own = ("tools", "chat_template", "chat_template_kwargs")
    known = [*(field.name for field in fields(Settings)), "do_sample", "num_return_sequences"]
    settings, chat, variables = {}, {}, {}
    for name, value in given.items():
        if name in own:
            chat[name] = value
        elif name in known or did_you_mean(name, [*known, *own], OTHER_NAMES):
            settings[name] = value
        elif value is not None:
            variables[name] = value
    more = chat.get("chat_template_kwargs") or {}
    if not isinstance(more, Mapping):
        raise ValueError(f"chat_template_kwargs is a dict of the template's variables, not {more!r:.60}")
    return settings, {**chat, "chat_template_kwargs": {**variables, **more}}


def with_defaults(
    settings: Mapping[str, Any], chat: ChatFormat, generation_config: Mapping[str, Any]
) -> dict[str, Any]:
    """The caller's settings, with every end token of the checkpoint and room for an answer of some length."""
    given = generation_config.get("eos_token_id")
    ends = list(given) if isinstance(given, Sequence) else [] if given is None else [given]
    name = chat.variables.get("eos_token")
    if name is not None and name in chat.tokenizer.special_tokens:
        ends.append(chat.tokenizer.special_tokens[name])
    length = generation_config.get("max_new_tokens") or USUAL_NEW_TOKENS
    return {"eos_token_id": tuple(dict.fromkeys(ends)), "usual_new_tokens": length} | dict(settings)


def special_names(config: Mapping[str, Any], tokens: Mapping[int, bytes], path: Path | None) -> dict[str, str]:
    """What the template calls bos_token, eos_token and so on: as tokenizer_config.json says, else by the ids' names.

    >>> special_names({"bos_token_id": 1}, {1: b"<s>"}, None)
    {'bos_token': '<s>'}
    """
    if path is not None and any(
        (path / file).exists() for file in ("tokenizer_config.json", "special_tokens_map.json")
    ):
        return named_tokens(path)
    return names_by_ids(config, tokens)


def fit(chat: ChatFormat, messages: Sequence[Message], room: int) -> tuple[list[int], list[Message]]:
    """The ids of as much of a conversation as `room` tokens hold, and its messages.

    The oldest turns are dropped first, each a question with its answer; what precedes the first question is kept.
    Raises ValueError where the last question alone is too long.
    """
    kept = list(messages)
    while len(ids := chat.ids(kept)) > room:
        questions = [i for i, message in enumerate(kept) if message["role"] == "user"]
        if len(questions) < 2:
            raise ValueError(f"the last message makes {len(ids)} tokens, there is room for {room}: shorten it")
        del kept[questions[0] : questions[1]]
    return ids, kept

"""A conversation's ids: control tokens where the chat template wrote them, plain text everywhere else.

What a user types is always plain text. A template glues it between control tokens such as <|im_end|>, and a user who
types <|im_end|> must not end their own message with it. So every conversation is rendered twice, once as it is and once
with its contents masked: what still reads as a control token then is the template's own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minigpt.chat.messages import Message, check_read, checked, strings
from minigpt.chat.template import Rendered, render
from tokenizer import Tokenizer
from tokenizer.patterns import any_of

NAMES = ("role", "type")  # whose values a template compares with its own: they are words, and never masked


@dataclass(frozen=True)
class ChatFormat:
    """How one checkpoint writes a conversation: its template, its tokenizer, its names for special tokens.

    `given` is what the caller adds to a conversation: tools, and variables of the template such as enable_thinking.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)}, special_tokens={"<end>": 256})
    >>> chat = ChatFormat("{% for m in messages %}{{ m.content }}<end>{% endfor %}", tok, {})
    >>> chat.ids([{"role": "user", "content": "a<end>"}])  # six characters, then the template's own token
    [97, 60, 101, 110, 100, 62, 256]
    """

    template: str
    tokenizer: Tokenizer
    variables: Mapping[str, str]  # bos_token, eos_token, …
    given: Mapping[str, object] = field(default_factory=dict)  # JSON data

    def text(self, messages: Sequence[Message]) -> str:
        """The conversation as the template writes it, up to where the answer begins."""
        return self._render([checked(messages)]).texts[0]

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """The conversation's ids: control tokens where the template wrote them, plain text everywhere else.

        Without special tokens in the messages these are the ids of the whole text. Raises ValueError for messages
        without role or content, for what the template does not read, for a bad template, and where it cannot be told
        who wrote a control token.
        """
        special = self.tokenizer.special_tokens
        text, masked, ambiguous = self._masked(checked(messages))
        ids, start = [], 0
        for found in any_of(special).finditer(masked):
            if found[0] not in ambiguous:
                ids += [*self.tokenizer.encode(text[start : found.start()]), special[found[0]]]
                start = found.end()
        ids += self.tokenizer.encode(text[start:])
        if not ids:
            raise ValueError("the chat template wrote nothing for these messages: use another one")
        return ids

    def _render(self, conversations: list[list[dict[str, Any]]]) -> Rendered:
        """The conversations' texts; raises ValueError for what the template would silently drop."""
        found = render(self.template, conversations, {**self.variables, **self.given})
        check_read(conversations[0], found.words)
        for name, value in self.given.items():
            if value is not None and name not in found.variables:
                what = "takes no tools" if name == "tools" else f"reads no variable {name!r:.40}"
                raise ValueError(f"this model's chat template {what}: leave it out")
        return found

    def _masked(self, messages: list[dict[str, Any]]) -> tuple[str, str, set[str]]:
        """The text, the same with its contents masked, and the special tokens that could not be masked.

        A few templates look into the contents: Qwen3's cuts at "</think>". Then masking changes more than the contents,
        and a second try leaves unmasked what the template looks for. A special token among these is ambiguous, the
        user's or the template's, and so it is plain text everywhere.
        """
        special = any_of(self.tokenizer.special_tokens)
        written = "".join([self.template, *strings(messages)])
        mask = next(c for c in map(chr, range(0xE000, 0xF900)) if c not in written)
        forged = next(
            (f[0] for said in (*labels(messages), *strings(self.given)) for f in special.finditer(said)), None
        )
        if forged is not None:
            raise ValueError(f"{forged!r} is a control token, and a name or a tool here holds it: leave it out")
        first = self._render([messages, masked_contents(messages, mask, any_of(()))])
        text, masked = first.texts
        if same_but_for(mask, masked, text):
            return text, masked, set()
        rest = masked_contents(messages, mask, any_of(first.literals))
        text, masked = self._render([messages, rest]).texts
        if same_but_for(mask, masked, text):
            return text, masked, {found[0] for said in strings(rest) for found in special.finditer(said)}
        forged = next((found[0] for said in strings(messages) for found in special.finditer(said)), None)
        if forged is not None:
            raise ValueError(f"the chat template rewrites its messages, and one of them holds {forged!r}: leave it out")
        return text, text, set()


def masked_contents(messages: Sequence[Message], mask: str, keep: re.Pattern[str]) -> list[dict[str, Any]]:
    """The messages with `mask` for every character of their contents except white space and what matches `keep`.

    >>> masked_contents([{"role": "user", "content": "to be </think>"}], "#", any_of(["</think>"]))
    [{'role': 'user', 'content': '## ## </think>'}]
    """
    either = re.compile(f"({keep.pattern})|\\S")

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return either.sub(lambda found: found[1] or mask, value)
        if isinstance(value, Mapping):
            kept = {name for name in NAMES if isinstance(value.get(name), str)}
            return {name: item if name in kept else masked(item) for name, item in value.items()}
        return [masked(item) for item in value] if isinstance(value, list) else value

    return [masked(message) for message in messages]


def labels(value: Any) -> Iterator[str]:
    """The texts that `masked_contents` leaves as they are: names, and the values of NAMES."""
    if isinstance(value, Mapping):
        yield from value
        yield from (value[name] for name in NAMES if isinstance(value.get(name), str))
        value = list(value.values())
    for item in value if isinstance(value, list) else []:
        yield from labels(item)


def same_but_for(mask: str, masked: str, text: str) -> bool:
    """Whether two texts agree wherever the first is not masked."""
    return len(masked) == len(text) and all(a in (b, mask) for a, b in zip(masked, text, strict=True))

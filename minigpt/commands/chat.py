"""`minigpt chat`: a conversation, line by line."""

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigpt.chat.chat import fit, with_defaults
from minigpt.chat.messages import Message
from minigpt.commands import stdin
from minigpt.commands.common import load_model, note
from minigpt.commands.flags import UsageError, settings_of
from minigpt.terminal import plain

if TYPE_CHECKING:
    from minigpt.language_model import LanguageModel

COMMANDS = """\
/clear           forget the conversation; the system message stays
/system TEXT     the system message: who the model is to be; without TEXT: none
/save FILE       write the conversation to a JSON file
/set NAME VALUE  temperature, top_k, top_p, max_new_tokens, seed, …; without VALUE: the checkpoint's own
/?               this list
/bye             leave, as the end of input does
\"\"\"              begins and ends a message of several lines"""


def run(args: argparse.Namespace) -> int:
    """Load the model and talk until /bye or the end of input."""
    settings, variables = settings_of(args), variables_of(args.chat_template_kwargs)
    lm = load_model(args.model, args)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - arrow keys and earlier lines, where the system has it
    session = Session(lm, settings, args.system, variables)
    note(f"{lm.name}, {lm.model.config.n_ctx} tokens of context; /? for help, /bye to leave")
    while (text := read()) is not None:
        try:
            if not session.handle(text):
                break
        except (ValueError, TypeError, OSError) as error:
            note(" ".join(str(error).split()))
    return 0


class Session:
    """One conversation: what was said, and the settings in force."""

    def __init__(
        self,
        lm: "LanguageModel",
        settings: dict[str, Any],
        system: str | None = None,
        variables: dict[str, object] | None = None,
    ) -> None:
        self.lm, self.settings = lm, settings
        self.format = lm.chat_format(chat_template_kwargs=variables)
        if variables:
            self.format.text([{"role": "user", "content": "?"}])  # one that the template does not read is refused
        self.lm.settings(settings)  # a bad one is refused before the first question
        self.messages: list[Message] = []
        self.set_system(system or "")

    def handle(self, text: str) -> bool:
        """Do what a line asks for, or answer it; False where it says goodbye."""
        stdin.refuse_bad_bytes("what you typed", text)
        command, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if command == "/bye":
            return False
        if command in ("/?", "/help"):
            note(COMMANDS)
        elif command == "/clear":
            self.messages = [message for message in self.messages if message["role"] == "system"]
            note("forgotten")
        elif command == "/system":
            self.set_system(rest)
            note("that is the system message from now on" if rest else "no system message")
        elif command == "/save":
            self.save(rest)
        elif command == "/set":
            self.set(rest)
        elif command.startswith("/") and command[1:].isalpha():
            note(f"{command} is no command; /? lists them")
        elif text.strip():
            self.answer(text)
        return True

    def set_system(self, text: str) -> None:
        """Replace the system message; an empty one removes it."""
        rest = [message for message in self.messages if message["role"] != "system"]
        self.messages = ([{"role": "system", "content": text}] if text else []) + rest

    def save(self, name: str) -> None:
        """Write the conversation as JSON."""
        if not name:
            raise ValueError("/save needs a file's name, such as /save talk.json")
        path = Path(name).expanduser()
        record = {"model": self.lm.name, "settings": self.settings, "messages": self.messages}
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        note(f"saved to {path}")

    def set(self, text: str) -> None:
        """Change one setting, or show them; a bad value changes nothing."""
        name, _, value = text.partition(" ")
        if name:
            changed = {key: old for key, old in self.settings.items() if key != name}
            changed[name] = parsed(value.strip()) if value.strip() else None
            chosen = self.lm.settings(changed)
            if chosen.num_beams > 1 or chosen.num_return_sequences > 1:
                raise ValueError(f"{name} must be 1 here: an answer is one text that grows as you read")
            self.settings = {key: new for key, new in changed.items() if new is not None}
        own = ", ".join(f"{key} {value}" for key, value in self.settings.items()) or "none of your own"
        note(f"settings: {own}")

    def answer(self, text: str) -> None:
        """Ask the model, show the answer as it grows, and remember both."""
        settings = {"context": "stop"} | with_defaults(self.settings, self.format, self.lm.generation_config)
        n_ctx = self.lm.model.config.n_ctx
        wanted = settings.get("max_new_tokens") or settings["usual_new_tokens"]
        pieces: list[str] = []
        try:
            asked: list[Message] = [*self.messages, {"role": "user", "content": text}]
            ids, kept = fit(self.format, asked, n_ctx - min(wanted, n_ctx // 2))
            if len(kept) < len(asked):
                gone = sum(m["role"] == "user" for m in asked) - sum(m["role"] == "user" for m in kept)
                note(f"the context is full: the oldest {'turn is' if gone == 1 else f'{gone} turns are'} forgotten")
            stream = self.lm.stream(ids, **settings)
            for piece in stream:
                pieces.append(piece)
                print(plain(piece) if sys.stdout.isatty() else piece, end="", flush=True)
            print(flush=True)
            if stream.completion.finish_reason in ("length", "context"):
                note(f"cut off after {len(stream.completion.ids)} tokens ({stream.completion.finish_reason})")
        except KeyboardInterrupt:
            print(flush=True)
            note("stopped")
            if not pieces:  # nothing to remember
                return
        self.messages = [*kept, {"role": "assistant", "content": "".join(pieces)}]


def variables_of(text: str | None) -> dict[str, Any]:
    """The variables for the template in --chat-template-kwargs.

    >>> variables_of('{"enable_thinking": false}')
    {'enable_thinking': False}
    """
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        example = '{"enable_thinking": false}'
        raise UsageError(f"--chat-template-kwargs must be a JSON object such as {example}, not {text!r:.60}")
    return found


def parsed(value: str) -> Any:
    """A setting's value: a number or true/false where it reads as one, else the text.

    >>> [parsed(text) for text in ("0.7", "40", "true", "slide")]
    [0.7, 40, True, 'slide']
    """
    try:
        return json.loads(value)
    except ValueError:
        return value


def read() -> str | None:
    """The next message, several lines of it between triple quotes; None at the end of input."""
    text = read_line(">>> ")
    if text is None or not text.lstrip().startswith('"""'):
        return text
    lines = [text.lstrip()[3:]]
    while not lines[-1].rstrip().endswith('"""'):
        more = read_line("... ")
        if more is None:
            break
        lines.append(more)
    return "\n".join(lines).rstrip().removesuffix('"""').removeprefix("\n").removesuffix("\n")


def read_line(prompt: str) -> str | None:
    """One line, asked for on a terminal only; Ctrl-C there takes the line back."""
    while sys.stdin is not None:
        try:
            if sys.stdin.isatty():
                return input(prompt)
            return stdin.read_line()
        except EOFError:  # Ctrl-D
            note("")
            return None
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            note("\n/bye leaves")
    return None

"""The parser of one command, and errors in the words of the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

from minigpt.commands.declarations import declaration
from minigpt.commands.flags import GENERATION, SAMPLING
from minigpt.commands.stdin import refuse_bad_bytes

TYPE_CHECKING = False  # typing's own takes longer to import than the rest
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with the flag or command that was probably meant."""

    def __init__(self, name: str) -> None:
        declare = declaration(name)
        super().__init__(prog=f"minigpt {name}", description=declare.__doc__)
        declare(self)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The flags' values; exits with 2 where they are wrong."""
        parse = self.parse_known_args if "--" in words else self.parse_known_intermixed_args  # which knows no "--"
        args, rest = parse(words)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self.hint(rest)}")
        if hasattr(args, "usual_model"):
            given = dict.fromkeys(name for name in (vars(args).get("model_word"), args.model) if name is not None)
            if len(given) > 1:
                self.error(f"two models were given, {' and '.join(given)}: name one")
            args.model = next(iter(given), args.usual_model)
            if not given and not args.usual_model:
                self.error("the following arguments are required: MODEL")
        try:
            for name in ("prompt", "text", "system", "stop"):  # what a model reads; a file's name may be any bytes
                value = getattr(args, name, None)
                for text in value if isinstance(value, list) else [value]:
                    if isinstance(text, str):
                        refuse_bad_bytes(self.flags.get(name, name.upper()), text)
        except ValueError as error:
            self.error(str(error))
        return args

    def hint(self, rest: Sequence[str]) -> str:
        """What was probably meant by the first unknown flag."""
        from minigpt.generation.settings import OTHER_NAMES
        from tokenizer.suggest import did_you_mean

        word = next((word.split("=")[0] for word in rest if word.startswith("--")), "")
        synonyms = {f"--{other.replace('_', '-')}": self.flags.get(name, "") for other, name in OTHER_NAMES.items()}
        hint = did_you_mean(word.replace("_", "-"), [flag for flag in self.flags.values() if flag], synonyms)
        return f": {hint}" if hint else ""

    @property
    def flags(self) -> dict[str, str]:
        """The flag of each name under which its value is kept: {"top_k": "--top-k", …}."""
        return {action.dest: action.option_strings[-1] for action in self._actions if action.option_strings}

    def error(self, message: str) -> NoReturn:
        """One line on stderr, and exit code 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """A message that names Python's keywords, in the words of a command; a way out that it has no flag for is left out.

    >>> message = "shorten the prompt, or context='slide' (forget the beginning)"
    >>> in_flags(message, {"context": "--context"}), in_flags(message, {})
    ('shorten the prompt, or --context slide (forget the beginning)', 'shorten the prompt')
    >>> in_flags("top_k must be 0 or more", {"top_k": "--top-k"})
    '--top-k must be 0 or more'
    """

    def keyword(found: re.Match[str]) -> str:
        name = found["name"]
        if name in flags:
            value = "" if found["value"] == "True" else f" {found['value']}"
            return f"{found['before']}{flags[name]}{value}{found['after'] or ''}"
        return "" if name in (*SAMPLING, *GENERATION, "force") else found[0]

    if message.startswith("generation_config.json"):  # speaks of the file's own names
        return message
    message = re.sub(
        r"(?P<before>(, |, or | or )?)\b(?P<name>[a-z_]+)='?(?P<value>[\w.]*\w)'?(?P<after> \([^)]*\))?",
        keyword,
        message,
    )
    for name, flag in flags.items():
        found = rf"\b{name}\b" if "_" in name else rf"^{name}\b(?= must )"
        message = re.sub(rf"(?<![-\w]){found}", flag, message)
    return message

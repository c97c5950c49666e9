"""The sandbox's own process: reads a request from `template.render`, runs the chat template, writes the texts."""

import contextlib
import json
import sys
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

LETTERS = 1 << 20  # of the template's own in one text


class GenerationBlock(Extension):
    """`{% generation %}` marks the assistant's words for training; here they are just written."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own way to say it

    def parse(self, parser: Parser) -> nodes.Node:
        """The block's body, with variables of its own."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class PublicNamespace(Namespace):
    """`namespace(…)` without names such as __class__, by which a value could pass for what it is not."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # no parameter named self, so that a template may use the name
        for name in dict(*args[1:], **kwargs):
            PublicNamespace.check(name)
        Namespace.__init__(*args, **kwargs)

    def __setitem__(self, name: str, value: Any) -> None:
        PublicNamespace.check(name)
        super().__setitem__(name, value)

    @staticmethod
    def check(name: str) -> None:
        """Refuse a name that begins with an underscore."""
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"namespace attribute {name!r} is unsafe")


class PublicDict:
    """`dict(…)` and `dict.fromkeys(…)`, and nothing else of a type."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """A dict with these keys, all of one value."""
        return dict.fromkeys(*args)


def build_environment(now: datetime) -> ImmutableSandboxedEnvironment:
    """The sandbox with transformers' settings (utils/chat_template_utils.py): its blanks, filters and functions."""

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    def to_json(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = now.strftime
    environment.globals["dict"] = PublicDict()
    environment.globals["namespace"] = PublicNamespace
    return environment


def literals_held_against(tree: nodes.Template) -> list[str]:
    """The strings that a template compares with, tests for or passes to a function, such as "</think>"."""
    places: list[nodes.Node] = list(tree.find_all(nodes.Compare))
    calls: list[Any] = list(tree.find_all((nodes.Call, nodes.Filter, nodes.Test)))
    places += [arg for call in calls for arg in call.args]
    texts = {c.value for place in places for c in (place, *place.find_all(nodes.Const)) if isinstance(c, nodes.Const)}
    return sorted(text for text in texts if isinstance(text, str) and text.strip())


def words_of(tree: nodes.Template) -> list[str]:
    """The attributes and literals in a template, such as content, tool_calls or "text"."""
    attributes = {node.attr for node in tree.find_all(nodes.Getattr)}
    return sorted(attributes | {c.value for c in tree.find_all(nodes.Const) if isinstance(c.value, str)})


def joined(message: dict[str, Any]) -> dict[str, Any]:
    """The message with the texts of its content's parts as one text, as templates that read parts write them."""
    content = message.get("content")
    return message | {"content": "".join(part["text"] for part in content)} if isinstance(content, list) else message


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The texts of a request and what the template looks at, or its error, in one line."""
    try:
        environment = build_environment(datetime.fromisoformat(request["now"]))
        program = environment.from_string(request["template"])
        tree = environment.parse(request["template"])
        literals, words, variables = literals_held_against(tree), words_of(tree), find_undeclared_variables(tree)
        given = {"tools": None, "documents": None, "add_generation_prompt": True} | request["variables"]
        texts = []
        for messages in request["conversations"]:
            read = messages if "text" in words else [joined(message) for message in messages]
            texts.append(program.render(given, messages=read))
            if len(texts[-1]) > LETTERS + 4 * len(json.dumps([messages, request["variables"]])):
                raise ValueError(f"it wrote {len(texts[-1])} letters")
        return {"texts": texts, "literals": literals, "words": words, "variables": sorted(variables)}
    except jinja2.TemplateSyntaxError as error:
        reason = f"has a mistake in line {error.lineno}: {error.message}"
    except MemoryError:
        reason = f"needed more than {request['bytes'] >> 20} MiB: use another one"
    except Exception as error:  # whatever a stranger's program may raise
        reason = f"stopped: {error or type(error).__name__}"
    return {"error": " ".join(f"the chat template {reason}".split())[:300]}


def limit_this_process(seconds: int, n_bytes: int) -> None:
    """Limit computing time and memory, and forbid writing files, where the system supports it (not on Windows)."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {"RLIMIT_CPU": seconds, "RLIMIT_AS": n_bytes, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        for name, value in limits.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (value, value))


if __name__ == "__main__":
    request = json.load(sys.stdin)
    limit_this_process(request["seconds"], request["bytes"])
    json.dump(answer(request), sys.stdout)

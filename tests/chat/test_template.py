"""minigpt.template against transformers' apply_chat_template, and templates that mean harm."""

import subprocess
import sys
from typing import Any

import pytest

from minigpt.chat import template
from minigpt.chat.template import render

NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
HI = [[{"role": "user", "content": "Hi"}]]


def test_every_template_and_conversation_is_rendered_as_by_transformers(
    templates: dict[str, str], conversations: dict[str, Any], every_special: dict[str, Any], theirs: Any
) -> None:
    cases = conversations | every_special
    for name, source in templates.items():
        ours = render(source, list(cases.values()), NAMES).texts
        for case, text in zip(cases, ours, strict=True):
            assert text == theirs(source, cases[case]), (name, case)


def test_a_template_refuses_messages_in_its_own_words(templates: dict[str, str]) -> None:
    twice = [{"role": "user", "content": "Hi"}] * 2
    with pytest.raises(ValueError, match=r"^the chat template stopped: user and assistant must take turns$"):
        render(templates["inst"], [twice], NAMES)


HOSTILE = {
    "attribute walk": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "attribute '__class__' of 'str' object"),
    "walk by item": ("{{ ''['__class__']['__mro__'] }}", "'__class__'"),
    "globals": ("{{ raise_exception.__globals__['os'].system('true') }}", "'__globals__'"),
    "globals of jinja2": ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "'__init__'"),
    "false colours": ("{% set n = namespace(__class__='x') %}", "'__class__'"),
    "false colours, later": ("{% set n = namespace() %}{% set n.__class__ = 'x' %}", "'__class__'"),
    "changing what it was given": ("{{ messages.append(1) }}", "'append'"),
    "files": ("{% include '/etc/passwd' %}", "no loader"),
    "great range": ("{{ range(10**9) | list }}", "Range too big"),
    "great text": ("{{ 'a' * 10**11 }}", "MiB"),
    "great padding": ("{{ 'a' | center(10**11) }}", "MiB"),
    "great format": ("{{ '%100000000000d' % 1 }}", "MiB"),
    "doubling": ("{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "MiB"),
    "calls itself": ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
    "writes much": ("{% for i in range(99999) %}{{ 'a' * 99 }}{% endfor %}", "letters"),
    "mistake": ("one\n{{ messages }", "has a mistake in line 2"),
    "unknown filter": ("{{ messages | nofilter }}", "nofilter"),
    "wrong type": ("{{ 1 + 'a' }}", "unsupported operand"),
    "missing value": ("{{ messages[0].name.first }}", "has no attribute 'name'"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits for a process")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_wrong_template_is_refused_in_one_line(name: str) -> None:
    source, reason = HOSTILE[name]
    with pytest.raises(ValueError, match=r"^the chat template ") as caught:
        render(source, HI, NAMES)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits for a process")
def test_an_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"
    with pytest.raises(ValueError, match=r"^the chat template needed more than 3 seconds or 512 MiB: use another one$"):
        render(endless, HI, NAMES)
    monkeypatch.setattr(template, "PATIENCE", 0.3)
    with pytest.raises(ValueError, match=r"^the chat template did not finish in 0.3 seconds: use another template$"):
        render(endless, HI, NAMES)


def test_a_process_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nModuleNotFoundError: No module named 'jinja2'")
    monkeypatch.setattr(template.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ValueError, match=r"^the chat template's process failed: ModuleNotFoundError: No module named"):
        render("x", HI, NAMES)


def test_no_file_is_written_and_names_of_this_folder_shadow_nothing() -> None:
    """The process starts in any folder, with files beside it that are named as Python's own modules."""
    assert render("{{ messages[0].content }}", HI, {}).texts == ["Hi"]
    assert render("{{ 'a' if 'b' in messages[0].content else 'c' | default('d') }}", HI, {}).literals == ["b", "d"]

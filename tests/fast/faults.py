"""C code with a fault planted in it, for the tests that want it to be seen."""

from pathlib import Path
from typing import Any

import pytest

from minigpt.fast import compiler


def plant(form: Any, old: str, new: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts other compiled code into a module of minigpt/fast: its C file, the header in it, with `new` for `old`, which
    stands there once."""
    file = Path(form.__file__).with_suffix(".c")
    text = file.read_text("utf-8").replace(
        '#include "exponential.h"', file.with_name("exponential.h").read_text("utf-8")
    )
    assert text.count(old) == 1
    (folder / file.name).write_text(text.replace(old, new), "utf-8")
    monkeypatch.setenv("MINIGPT_CACHE", str(folder))
    faulty = form.declared(compiler.library.__wrapped__(folder / file.name))
    assert faulty is not None
    monkeypatch.setattr(form, "code", lambda: faulty)

"""Right, refused in one line, or wrong: what the project made of a damaged file, compared with whoever else reads it.

A load that gives what the undamaged file gives is right. Where it gives something else, another reader of the format
must say the same: `safetensors`, `gguf`, `tokenizers`, `tiktoken`, transformers or jinja2. Everything else is `Wrong`.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import minigpt
from tokenizer import Tokenizer

TEXTS = ("Once upon a time", "It's 1812; don't!", "  naïve\n\n日本 \t", "<|endoftext|><|im_start|>user")
IDS = [5, 250, 77, 3, 9, 120]
MESSAGES = [{"role": "user", "content": "a cat"}]
LONGEST = 1000  # characters of a refusal


class Wrong(Exception):
    """Neither right nor refused."""


@dataclass
class Outcome:
    """What comes of a folder or file; a part that was refused in one line is the refusal itself."""

    parts: dict[str, Any] = field(default_factory=dict)
    refused: str = ""

    def differs(self, other: "Outcome") -> set[str]:
        """The names of the parts that are not the same."""
        return {name for name in other.parts if not same(self.parts.get(name), other.parts[name])}


def same(a: Any, b: Any) -> bool:
    """Equality, also of tensors and of tables of them."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and torch.equal(bits(a), bits(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def bits(value: Tensor) -> Tensor:
    """The bytes of a tensor, so that a NaN equals itself."""
    return value.detach().contiguous().reshape(-1).view(torch.uint8)


def refusal(error: BaseException, *names: str) -> str:
    """The line of a refusal; `Wrong` for an error that is none: of another type, long, on several lines, nameless."""
    line = str(error)
    kind = type(error).__name__
    if not isinstance(error, ValueError | OSError):
        raise Wrong(f"{kind}: {line[:200]}")
    if "\n" in line or "\r" in line:
        raise Wrong(f"{kind} on several lines: {line[:200]!r}")
    if len(line) > LONGEST:
        raise Wrong(f"{kind} of {len(line)} characters: {line[:200]}")
    if names and not any(name in line for name in names):
        raise Wrong(f"{kind} that does not name the file: {line[:200]}")
    return line


def outcome(path: Path, file: str) -> Outcome:
    """Loads the folder `path`, of which `file` may be damaged, and uses what comes."""
    made = Outcome()
    names = (file, str(path))

    def part(name: str, work: Callable[[], Any], *named: str) -> Any:
        try:
            made.parts[name] = work()
        except Exception as error:
            made.parts[name] = made.refused = refusal(error, *named)
            return None
        return made.parts[name]

    if file == "training.pt":
        from minigpt.train.checkpoint import resume

        part("run", lambda: state_of(*resume(path)), *names)
        return made
    if path.name in ("pair", "ranks"):
        tok = part("tokenizer", lambda: Tokenizer.load(path / file if path.name == "ranks" else path), *names)
        made.parts.pop("tokenizer", None) if tok else None
        if tok:
            tokens(tok, part, made)
        return made
    place = path / file if file.endswith(".gguf") else path
    lm = part("load", lambda: minigpt.load(str(place), device="cpu"), *names)
    if lm is None:
        return made
    del made.parts["load"]
    made.parts["weights"] = {name: value.detach().clone() for name, value in lm.model.named_parameters()}
    part("logits", lambda: lm.model(torch.tensor([IDS])).detach())
    made.parts["template"] = lm.chat_template
    tokens(lm.tokenizer, part, made)
    part("settings", lambda: repr(lm.settings({})), *names)
    part("greedy", lambda: valid(lm.generate(IDS, max_new_tokens=3, temperature=0, num_beams=1), lm))
    words = ("weights", "overflow", "exceed the context")  # what is wrong is the numbers, or the prompt that is given
    part("sampled", lambda: valid(lm.generate(IDS, max_new_tokens=3, seed=1), lm), *names, *words)
    part("score", lambda: finite(lm.score(IDS)))
    if lm.chat_template is not None and file in ("tokenizer_config.json", "chat_template.jinja"):
        part("chat", lambda: lm.chat_format().text(MESSAGES))
    return made


def tokens(tok: Tokenizer | None, part: Callable[..., Any], made: Outcome) -> None:
    """The ids of some texts, and the texts again."""
    if tok is None:
        made.parts["ids"] = None
        return
    ids = part("ids", lambda: [tok.encode(text, allow_special="all") for text in TEXTS])
    changes = tok.normalizer is not None or tok.vocabulary.cuts  # of the text, before it is encoded
    if ids and [tok.decode(row) for row in ids] != list(TEXTS) and not changes:
        raise Wrong(f"ids decode to another text: {[tok.decode(row) for row in ids]!r:.200}")


def valid(found: Any, lm: Any) -> list[int]:
    """The ids of a completion; `Wrong` for one that the model does not have, or without a log-probability."""
    if not all(0 <= id < lm.model.config.vocab_size for id in found.ids):
        raise Wrong(f"ids that are none: {found.ids}")
    if not all(value == value and value <= 0 for value in found.logprobs):
        raise Wrong(f"log-probabilities that are none: {found.logprobs}")
    return list(found.ids)


def finite(score: Any) -> float:
    """A text's perplexity; `Wrong` where it is no number, though there is a token to predict."""
    value = float(score.perplexity)
    if value != value and score.logprobs:
        raise Wrong("the perplexity is NaN")
    return value


def state_of(trainer: Any, log: list[Any]) -> dict[str, Any]:
    """What a resumed run goes on from."""
    optimizer = trainer.optimizer.state_dict()
    state = {str(key): dict(value) for key, value in optimizer["state"].items()}
    return {"step": trainer.step, "log": log, "model": dict(trainer.model.state_dict()), "optimizer": state}


def judge(whole: Path, damaged: Path, file: str, before_reference: Callable[[], None]) -> str:
    """ "same", "refused" or "equal to ..."; raises `Wrong`."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        found = outcome(damaged, file)
    if told:
        raise Wrong(f"a warning: {str(told[0].message)[:200]}")
    before_reference()
    if found.refused:
        return "refused"
    differs = found.differs(of_the_whole(whole, file))
    if not differs:
        return "same"
    from tests.fuzz.references import Case, compare

    return compare(Case(damaged / file, differs, found.parts))


_known: dict[tuple[str, str], Outcome] = {}


def of_the_whole(whole: Path, file: str) -> Outcome:
    """What comes of the undamaged folder, computed once."""
    key = (str(whole), file)
    if key not in _known:
        _known[key] = outcome(whole, file)
        if _known[key].refused:
            raise Wrong(f"the undamaged {file} is refused: {_known[key].refused}")
    return _known[key]


def json_of(path: Path) -> Any:
    """A JSON file's value, for references."""
    return json.loads(path.read_text("utf-8"))

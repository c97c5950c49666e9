"""Whatever a learner hands in gets one clear answer, and hurts nothing."""

import linecache
import math
import random
import sys
import threading
import time
import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt import check
from minigpt.exercises.catalog import exercise
from minigpt.exercises.sandbox import TooLong, limited
from minigpt.exercises.trace import Step, parting
from tests.exercises.written import written
from tests.forked import call


class Heads(nn.Module):
    """A learner's attention, but for its forward pass."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(config.n_embd, 3 * config.n_embd), nn.Linear(config.n_embd, config.n_embd)
        self.n_head = config.n_head

    def qkv(self, x: Tensor) -> list[Tensor]:
        return [t.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for t in self.c_attn(x).chunk(3, -1)]

    def joined(self, y: Tensor) -> Tensor:
        return self.c_proj(y.transpose(1, 2).flatten(2))


class Fused(Heads):
    def forward(self, x: Tensor) -> Tensor:
        return self.joined(F.scaled_dot_product_attention(*self.qkv(x), is_causal=True))


class Shifted(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)
        q = q.flip(-1)
        return self.joined(F.scaled_dot_product_attention(q, k, v, is_causal=True))


class Dropped(Heads):
    def forward(self, x: Tensor) -> Tensor:
        return self.joined(F.dropout(F.scaled_dot_product_attention(*self.qkv(x), is_causal=True), 0.1))


class Crashed(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, _ = self.qkv(x)
        return q @ k


class Narrow(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)
        scores = torch.zeros(*q.shape[:-1], k.shape[-2])
        scores += q @ k.mT / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf).softmax(-1)
        return self.joined(weights @ v)


class Rounded(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.float() for t in self.qkv(x))
        return self.joined(F.scaled_dot_product_attention(q, k, v, is_causal=True).double())


class Cut(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)
        return self.joined(F.scaled_dot_product_attention(q, k.data, v, is_causal=True))


def test_the_class_says_which_exercise_it_is() -> None:
    for name in ("attention", "CausalSelfAttention", "causal_self_attention"):
        assert check(Fused, name).ok
    MyAttention = type("MyAttention", (Fused,), {})
    report = check(MyAttention)
    assert report
    assert report.name == "CausalSelfAttention"
    with pytest.raises(ValueError, match=r"no exercise 'Fused'.*name it, as in check"):
        check(Fused)
    with pytest.raises(ValueError, match="no exercise 'attentoin': did you mean 'attention'"):
        check(Fused, "attentoin")


def test_what_is_outside_the_bank_is_shown_at_its_place() -> None:
    report = check(Shifted, "attention")
    assert not report
    assert report.bug is None
    text = "\n".join(report.lines)
    assert "q.flip(-1)" in text or "scaled_dot_product_attention" in text
    assert "numbers are wrong: at [" in text
    assert "q @ k.transpose(-2, -1)" in text, "the reference's expression"


def test_an_error_is_shown_at_the_learners_line_with_the_shapes() -> None:
    report = check(Crashed, "attention")
    text = str(report)
    assert "return q @ k" in text
    assert "RuntimeError" in text
    assert "q (2, 3, 4, 5)" in text


def test_gradients_count() -> None:
    report = check(Cut, "attention")
    assert not report
    assert report.says.startswith("the result is right, the gradient of")
    assert "c_attn.weight" in report.says


class Normed(nn.Module):
    def __init__(self, n: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n)), eps


class NumPy(Normed):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(torch.from_numpy(x.numpy()), x.shape[-1:], self.weight, self.bias, self.eps)


class SlowInTraining(Normed):
    def forward(self, x: Tensor) -> Tensor:
        while torch.is_grad_enabled():
            pass
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


@pytest.mark.parametrize(("part", "told"), [(NumPy, "it fails"), (SlowInTraining, "it does not end")])
def test_what_fails_where_gradients_are_wanted_is_one_report(part: Any, told: str) -> None:
    report = check(part, "LayerNorm")
    assert report.says == f"the result is right, but {told} where gradients are wanted, as in training"
    assert report.lines[0].startswith("line ")


@pytest.mark.parametrize("kind", [lambda v: v.numpy(), lambda v: [object() for _ in v]])
def test_values_without_equality_are_neither_right_nor_chance(kind: Any) -> None:
    report = check(lambda scores, _p: kind(scores), "top_p")
    assert not report
    assert report.bug is None
    assert "a tensor is asked for" in report.says


class ByKeyword(Heads):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)
        return self.joined(F.scaled_dot_product_attention(query=q.flip(-1), key=k, value=v, is_causal=True))


def test_fused_attention_is_opened_however_it_is_called() -> None:
    assert "scaled_dot_product_attention" in "\n".join(check(ByKeyword, "attention").lines)


def test_what_rounds_to_float32_is_right_and_says_so() -> None:
    for part in (Narrow, Rounded):
        report = check(part, "attention")
        assert report.ok, report
        assert report.says.startswith("right to float32")


def test_chance_is_seen() -> None:
    assert check(Dropped, "attention").bug == "random"


def no_answer(*_: Any) -> None:
    return None


def loud(*_: Any) -> None:
    raise SystemExit("bye")


def deep(*args: Any) -> Any:
    return deep(*args)


def endless(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
    return out


def in_place(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
        i += 1
    return ids


@pytest.mark.parametrize(
    ("part", "bug", "says"),
    [
        (no_answer, None, "it returns None: is the return missing?"),
        (loud, None, "it fails on merge([], (1, 2), 9)"),
        (deep, None, "it fails on merge([], (1, 2), 9)"),
        (endless, "endless", "it does not end on merge([1], (1, 2), 9): stopped after a second"),
        (in_place, "in_place", "it changes its argument in merge([1, 1], (1, 1), 9): work on a copy"),
        (3, None, "you hand over an int: give the function itself"),
        (None, None, "you hand over None: give the function itself"),
        (Fused, None, "a function is asked for, a class was given"),
        (lambda ids: ids, None, "it fails on merge([], (1, 2), 9)"),
    ],
)
def test_every_slip_gets_its_sentence(part: Any, bug: str | None, says: str) -> None:
    report = check(part, "merge")
    assert not report
    assert report.bug == bug
    assert report.says.startswith(says), report


def test_a_loop_that_catches_everything_is_stopped() -> None:
    begin = time.monotonic()

    def caught(*_: Any) -> None:
        while time.monotonic() < begin + 60:
            try:
                math.sqrt(2)
            except Exception:
                continue

    assert check(caught, "merge").bug == "endless"
    assert time.monotonic() - begin < 30
    assert limited(lambda: 7) == 7
    with pytest.raises(TooLong):
        limited(lambda: [None for _ in iter(int, 1)], seconds=0.1)
    time.sleep(0.1)  # nothing comes after


def stopped_and_traced() -> int:
    """How many events a tracer sees after a loop was stopped; in Python 3.11 it may wait for the first one for ever."""
    events: list[str] = []
    with pytest.raises(TooLong):
        limited(lambda: [None for _ in iter(int, 1)], seconds=0.1)
    sys.setprofile(lambda _frame, event, _arg: events.append(event))
    math.sqrt(2)
    sys.setprofile(None)
    return len(events)


def test_a_debugger_works_after_a_loop_was_stopped() -> None:
    assert call(stopped_and_traced, seconds=60) >= 2


def test_checks_in_two_threads_do_not_disturb_each_other() -> None:
    from minigpt.exercises.tasks.merge import merge

    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda part=part: found.append(check(part, "merge"))) for part in (merge, endless)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(report.bug) for report in found) == ["None", "endless"]


class Renamed(nn.Module):
    def __init__(self, n: int, _eps: float) -> None:
        super().__init__()
        self.gamma, self.bias = nn.Parameter(torch.ones(n)), torch.zeros(n)


class Bare(nn.Module):
    def __init__(self, n: int, eps: float) -> None:
        pass


class Turned(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(3 * config.n_embd, config.n_embd), nn.Linear(config.n_embd, config.n_embd)


@pytest.mark.parametrize(
    ("part", "name", "told"),
    [
        (Renamed, "layer_norm", "you call it gamma"),
        (
            Renamed,
            "layer_norm",
            "bias: yours none, the checkpoint's (256,): a plain tensor or a buffer: wrap it in nn.Par",
        ),
        (Bare, "layer_norm", "does not call super().__init__()"),
        (
            Turned,
            "attention",
            "c_attn.weight: yours (15, 45), the checkpoint's (45, 15): (in, out), where torch has (out",
        ),
        (nn.Identity, "layer_norm", "weight: yours none"),
        (
            type("None_", (nn.Module,), {"__init__": lambda _: None}),
            "layer_norm",
            "cannot be built as None_(256, 1e-05)",
        ),
    ],
)
def test_parameters_are_explained(part: Any, name: str, told: str) -> None:
    assert told in str(check(part, name))


def test_nothing_that_a_part_does_stays(capsys: pytest.CaptureFixture[str]) -> None:
    def vandal(scores: Tensor, _p: float) -> Tensor:
        torch.manual_seed(5)
        random.seed(5)
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        warnings.warn("noise", stacklevel=1)
        for _ in range(1000):
            print("x" * 100)
        return scores

    before = torch.random.get_rng_state(), random.getstate()
    report = check(vandal, "top_p")
    assert report.bug == "ignores_p"
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert capsys.readouterr().out == ""
    assert 100 < len(report.printed) <= 2000


def test_what_the_learner_holds_is_left_alone() -> None:
    from minigpt.exercises import material

    held = Fused(material.small_config())
    before = {name: value.clone() for name, value in held.state_dict().items()}
    assert check(held, "attention") is not None
    assert held.training
    assert all(value.dtype == torch.float32 and value.equal(before[name]) for name, value in held.state_dict().items())


def test_a_report_is_text_html_and_an_error() -> None:
    report = check(no_answer, "merge")
    assert str(report).startswith("✗ merge: it returns None")
    assert "<b>✗ merge" in report._repr_html_()
    with pytest.raises(AssertionError, match="it returns None"):
        report.raise_if_wrong()


def test_a_module_list_that_is_called_is_no_blank(capsys: pytest.CaptureFixture[str]) -> None:
    """Torch, too, raises a NotImplementedError."""

    class Block(exercise("Block").part):  # type: ignore[misc, name-defined]
        def forward(self, x: Tensor) -> Tensor:
            return nn.ModuleList([self.mlp])(x)

    report = check(Block)
    assert not report.blank
    assert "nn.ModuleList([self.mlp])(x)" in str(report)
    capsys.readouterr()
    check.play(Block, "Once")
    assert "nn.ModuleList([self.mlp])(x)" in capsys.readouterr().out


def test_the_same_expression_is_not_shown_as_a_difference() -> None:
    """What goes into it is another, or it is spelled with other blanks."""

    def step(text: str, value: float) -> Step:
        return Step("learner.py", 3, text, (value,), torch.float64)

    first = step("q.softmax(-1)", 1.0)
    lines = parting([first, step("k.transpose(-2,-1)", 2.0)], [first, step("k.transpose(-2, -1)", 5.0)])
    assert lines[2:] == [
        "then both have  line 3: k.transpose(-2,-1)",
        "  with a different value: its inputs are not the same",
    ]
    lines = parting([first, step("k.transpose(0, 1)", 2.0)], [first, step("k.transpose(-2, -1)", 5.0)])
    assert lines[2].startswith("then you have")


NORM = """class LayerNorm(nn.Module):
    def __init__(self, n_embd: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.bias = nn.Parameter(torch.zeros(n_embd))

    def forward(self, x):
        return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True) * self.weight + self.bias
"""


def test_the_solution_beside_a_part_as_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    """Undone, line by line, it gives both: the learner's text, as it was typed into a notebook, and the solution's."""
    cell, file = f"import torch\nfrom torch import nn\n\n{NORM}", "<ipython-input-3>"
    linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)  # as IPython does
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(cell, file, "exec"), space)
    check.solution(space["LayerNorm"])
    told, *lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert told == '"- " is what you wrote, "+ " what the solution has instead; lines without a sign are in both'
    for sign, text in (("-", NORM), ("+", exercise("layer_norm").solution())):
        assert [line[2:] for line in lines if line[:1] in (sign, " ", "")] == text.rstrip().split("\n")
    assert "+         self.eps = eps" in lines
    assert "          super().__init__()" in lines


def test_what_has_no_source_gets_the_solution_alone_and_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {}
    exec("def merge(ids, pair, new):\n    pass", space)
    for part, name in ((space["merge"], None), (space["merge"], "gelu"), (len, "merge")):
        check.solution(part, name)
        told, _, rest = capsys.readouterr().out.partition("\n")
        assert told.startswith("# your own code could not be found")
        assert rest == exercise(name or "merge").solution()


def test_what_is_written_is_shown_beside_the_solution_however_unlike_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A class without the annotations and texts of the solution has few lines in common with it."""
    bare = written("class WordTokenizer:\n    def __init__(self, corpus):\n        self.vocab = corpus")
    for part, name in ((bare, None), (tells_nothing, "layer_norm")):
        check.solution(part, name)
        told, *lines = capsys.readouterr().out.rstrip("\n").split("\n")
        assert told.startswith('"- " is what you wrote')
        right = exercise(name or "WordTokenizer").solution().rstrip("\n").split("\n")
        assert [line[2:] for line in lines if line[:1] in ("+", " ", "")] == right
        assert sum(line.startswith("- ") for line in lines) >= 2


def test_where_nothing_is_written_the_solution_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    check.solution(written(exercise("merge").blank()))
    assert capsys.readouterr().out == exercise("merge").solution()


def tells_nothing() -> None:
    print("a line of its own")
    print("and another")


def test_hint_solution_and_reset(capsys: pytest.CaptureFixture[str]) -> None:
    for n, part in ((1, "merge"), (2, in_place), (3, "merge"), (1, "merge")):
        check.hint(part, "merge" if part is in_place else None)
        assert capsys.readouterr().out.startswith(f"hint {n} of 3: ")
    check.solution("layer_norm")
    assert "torch.sqrt(variance + self.eps)" in capsys.readouterr().out
    for part in ("layer_norm", exercise("layer_norm").part):
        check.reset(part)
        out = capsys.readouterr().out
        assert 'raise NotImplementedError("your turn")' in out
        assert "sqrt" not in out
    check.hint(exercise("WordTokenizer").part)
    assert capsys.readouterr().out.startswith("hint 1 of 3: Collect the words")

"""A report tells a part's own code from the other functions of a notebook, and from its numbers."""

import math

import pytest

from minigpt import check
from tests.exercises.written import written

BLANK = 'def attention(q, k, v):\n    raise NotImplementedError("your turn")\n\n\n'
ATTENTION = """
def attention(q, k, v):
    T = q.shape[-2]
    hidden = torch.ones(T, T).triu(1) == 1
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(hidden, -math.inf).softmax(-1) @ v


"""
MODULE = """
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.n_head = config.n_head

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        q, k, v = (t.view(B, T, self.n_head, -1).transpose(1, 2) for t in (q, k, v))
        y = attention(q, k, v)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))
"""
LINEAR = """
weight, bias = 0.5, 2.0

class Linear(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ weight.T + self.bias
"""


def test_a_blank_that_a_part_calls_is_named() -> None:
    report = check(written(BLANK + MODULE))
    assert str(report) == "○ CausalSelfAttention: attention, which it calls, is not written yet"
    assert report.blank
    own = written(ATTENTION + MODULE, "return self.c_proj", "raise NotImplementedError\n        return self.c_proj")
    assert check(own).says == "not implemented yet"
    inner = "def attention(q, k, v):\n    def scores():\n        raise NotImplementedError\n    return scores()"
    assert check(written(inner)).says == "not implemented yet"


def test_a_blank_that_a_part_calls_is_named_where_it_would_write(capsys: pytest.CaptureFixture[str]) -> None:
    check.play(written(BLANK + MODULE))
    assert capsys.readouterr().out == "○ CausalSelfAttention: attention, which it calls, is not written yet\n"


def test_a_line_of_another_function_is_named_with_it() -> None:
    assert check(written(ATTENTION + MODULE)).ok
    wrong = written(ATTENTION + MODULE, " / q.shape", " / 2 / q.shape")
    told = check(wrong).lines
    assert any("line 4 of attention: q @ k.transpose" in line for line in told), told
    fails = written(ATTENTION + MODULE, "(T, T)", "(T, T + 1)")
    assert check(fails).lines[0].startswith("line 5 of attention: return scores.masked_fill(")
    fails = written(ATTENTION + MODULE, "reshape(B, T, C)", "reshape(B, T)")
    assert check(fails).lines[0].startswith("line 21: return self.c_proj(")
    assert check(written(ATTENTION, "(T, T)", "(T, T + 1)")).lines[0].startswith("line 5: return scores.")


@pytest.mark.parametrize(
    ("before", "edits", "told"),
    [
        ("D = 2\n", (" / q.shape[-1]", " / D"), "D is the notebook's, 2, not your function's"),
        ("T = 3\n", ("    T = q.shape[-2]\n", ""), "T is the notebook's, 3, not your function's"),
        (
            "hidden = torch.ones(3, 3).triu(1) == 1\n",
            ("    hidden = torch.ones(T, T).triu(1) == 1\n", ""),
            "hidden is the notebook's, a tensor (3, 3), not your function's",
        ),
    ],
)
def test_what_is_the_notebooks_is_said(before: str, edits: tuple[str, ...], told: str) -> None:
    """Of a number, of a tensor; where it fails, and where it gives something else; in what the part calls, too."""
    assert told in check(written(before + ATTENTION, *edits)).lines
    assert told.replace("your function", "attention") in check(written(before + ATTENTION + MODULE, *edits)).lines


def test_a_forgotten_self_is_said() -> None:
    assert "weight is the notebook's, 0.5; your class's is self.weight" in check(written(LINEAR)).lines


@pytest.mark.parametrize("name", ["EPS", "pi"])
def test_constants_are_meant(name: str) -> None:
    source = f"EPS = {math.pi}\nfrom math import pi\n" + ATTENTION.replace("** 0.5", f"** 0.5 / {name}")
    assert "notebook" not in str(check(written(source)))


def test_a_right_answer_may_read_what_it_likes() -> None:
    assert str(check(written("half = 0.5\n" + ATTENTION, "** 0.5", "** half"))) == "✓ attention: right, on 3 inputs"


@pytest.mark.parametrize(
    "parts",
    ["list(piece)", "[piece[i] for i in range(len(piece))]"],
)
def test_numbers_where_bytes_are_wanted_are_explained(parts: str) -> None:
    told = check(written(f"def encode(piece, ranks):\n    return [ranks[part] for part in {parts}]")).lines
    assert told[1:] == [
        "KeyError: 98",
        "going through bytes gives numbers, and so does piece[i]: piece[i : i + 1] is one byte as bytes",
    ]
    source = f"def encode(piece, ranks):\n    parts = {parts}\n    return [ranks[b''.join(parts)]]"
    assert check(written(source)).lines[-1] == told[-1]
    numbered = (
        "def encode(piece, ranks):\n    by_id = {ranks[token]: token for token in ranks}\n    return by_id[98], ranks"
    )
    assert check(written(numbered)).lines[-1] == "KeyError: 98"
    other = check(written("def encode(piece, ranks):\n    return [ranks[part.decode()] for part in [piece]]")).lines
    assert other[-1] == "KeyError: 'b'"

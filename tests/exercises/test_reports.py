"""What a beginner reads in a report: true, and short enough to be read."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minigpt import check
from minigpt.exercises.catalog import NoExercise, exercise
from minigpt.exercises.gates import example
from minigpt.exercises.outcomes import Outcome
from minigpt.models.config import GPT2Config
from minigpt.models.layers import Embedding, Linear
from tests.exercises.written import written


def test_the_power_sign_of_school_is_no_blank() -> None:
    """Torch raises a NotImplementedError for it, in the learner's own line."""
    report = check(written("def gelu(x):\n    return x ^ 3"))
    assert not report.blank
    assert report.lines[0] == "line 2: return x ^ 3"


@pytest.mark.parametrize("body", ['raise NotImplementedError("your turn")', "raise NotImplementedError", "raises()"])
def test_what_the_learner_raises_is_a_blank(body: str) -> None:
    source = f"def raises():\n    raise NotImplementedError\n\n\ndef gelu(x):\n    {body}"
    assert check(written(source)).blank


def test_an_unknown_name_is_one_line_in_a_notebook(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setattr(InteractiveShell, "init_prompts", lambda _: None)  # it sets sys.ps1 for all that comes after
    shell = InteractiveShell()
    shell.user_ns |= {"check": check, "mine": len}
    calls = [f"check.{name}('gelo')" for name in ("hint", "solution", "reset")]
    for call in (*calls, "check(mine, 'gelo')", "check.hint(mine, 'gelo')"):
        shell.run_cell(call)
        assert capsys.readouterr().out == "no exercise 'gelo': did you mean 'gelu'?\n"
    shell.run_cell("check('gelu')")
    assert capsys.readouterr().out == "'gelu' is a text: give the part itself, as in check(gelu)\n"
    shell.run_cell("check.play('gelu')")
    assert capsys.readouterr().out == "'gelu' is a text: give the part itself, as in check.play(gelu)\n"
    with pytest.raises(NoExercise, match="as in check"):
        check(len)
    for call in (check.hint, check.solution, check.reset, check.play):
        with pytest.raises(NoExercise, match=rf"name it, as in check\.{call.__name__}\(len, name="):
            call(len)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("print('one')", "one"),
        ("print('one', end='')", "one"),
        ("print()", ""),
        ("print(*range(5), sep='\\n')", "0\n1\n2\n3\n4"),
        ("print(*range(6), sep='\\n')", "0\n1\n2\n3\n4\n… and 1 line more"),
        ("print(*range(6), sep='\\n', end='')", "0\n1\n2\n3\n4\n… and 1 line more"),
        ("print('a' * 9999); print(*range(7), sep='\\n')", "a" * 99 + "…\n… and 7 lines more"),
    ],
)
def test_a_few_lines_of_what_a_part_prints_are_shown(code: str, shown: str) -> None:
    from minigpt.exercises.sandbox import shielded

    with shielded() as printed:
        exec(code)
    assert printed.shown() == shown


def test_the_report_has_no_more() -> None:
    report = check(written("def gelu(x):\n    print(x)\n    return x"))
    assert len(report.printed.split("\n")) == 6
    assert "lines more" in str(report)


def test_an_object_of_other_sizes_is_told_to_be_one() -> None:
    report = check(Linear(3, 2))
    assert report.says.endswith("give the class itself, as in check(Linear), no object of it")
    assert "object" not in check(nn.LayerNorm, "Linear").says


def test_the_paper_s_names_of_weight_and_bias_are_known() -> None:
    class Linear(nn.Module):
        def __init__(self, n_in: int, n_out: int) -> None:
            super().__init__()
            self.W, self.b = nn.Parameter(torch.zeros(n_out, n_in)), nn.Parameter(torch.zeros(n_out))

    assert [line.rsplit(": ", 1)[1] for line in check(Linear).lines] == [
        "you call it W",
        "you call it b",
        "its name is weight",
        "its name is bias",
    ]


def test_a_table_lies_by_rows() -> None:
    class GPT2(exercise("GPT2").part):  # type: ignore[misc, name-defined]
        def __init__(self, config: GPT2Config) -> None:
            super().__init__(config)
            self.wpe = Embedding(config.n_embd, config.n_ctx)

    report = check(GPT2)
    assert report.lines == ["wpe.weight: yours (3, 5), the checkpoint's (5, 3): a table has a row for each id or place"]


def test_a_large_tensor_in_a_dict_is_shown_by_its_worst_number() -> None:
    load = exercise("load").part

    def reshaped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: t.T.reshape(t.shape) if "c_attn.w" in name else t for name, t in load(tensors).items()}

    lines = check(reshaped, "load").lines
    assert lines[0].startswith("on load(a dict of 17), in 'h.0.attn.c_attn.weight', 10 of 12 numbers are wrong: at [")


def test_a_named_bug_is_shown_where_it_gives_a_value_else_where_it_fails() -> None:
    def embed(ids: Tensor, wte: Tensor, wpe: Tensor) -> Tensor:
        return wte[ids] + wpe

    report = check(embed)
    assert report.bug == "wpe_not_cut"
    assert report.lines[1].endswith("gives a tensor (2, 9, 3)"), "it fails on the first"
    failed: list[Any] = [Outcome(error=IndexError("out of range"))]
    assert example(exercise("embed"), [0], failed) == ["IndexError: out of range"]


def test_a_report_shows_what_the_part_gave_not_what_is_compared() -> None:
    """Words in another order are compared with their ids put right."""
    source = """
    class WordTokenizer:
        def __init__(self, corpus):
            self.words = ["[PAD]", "[UNK]"]
            for word in " ".join(corpus).lower().split():
                if word not in self.words:
                    self.words.append(word)

        def encode(self, text):
            return [self.words.index(word) if word in self.words else 1 for word in text.lower().split()]

        def decode(self, ids):
            return " ".join(self.words[i] for i in ids if i)
    """
    report = check(written(source))
    assert report.says == "it has its words in the order in which they first appear, not in alphabetical order"
    assert report.lines[1].endswith(".encode('brown fox') gives [4, 5]")
    assert report.lines[2] == "right is [2, 5]"


def test_a_dict_of_the_wrong_way_round_is_shown_whole() -> None:
    task = exercise("train")
    report = check(task.with_bugs("ids_to_tokens"), "train")
    assert report.says == "it returns ids -> tokens: asked for is tokens -> ids"
    assert report.lines[1].startswith("train('low low', 257) gives {0: b'\\x00', 1: b'\\x01', ")
    assert report.lines[2].startswith("right is {b'\\x00': 0, b'\\x01': 1, ")
    left_out = check(task.with_bugs("bytes_left_out"), "train").lines
    assert left_out[1:] == ["train('low low', 257): at b'\\x00' you have nothing", "right is 0"]


def test_the_proof_says_where_the_mistake_was_put() -> None:
    says = "put into the solution, this one mistake gives what yours gives, on all 3 inputs"
    assert check(exercise("attention").with_bugs("no_scale"), "attention").lines[0] == says


def test_a_head_of_its_own_is_told_whose_matrix_it_is() -> None:
    class GPT2(exercise("GPT2").part):  # type: ignore[misc, name-defined]
        def __init__(self, config: GPT2Config) -> None:
            super().__init__(config)
            self.lm_head = Linear(config.n_embd, config.vocab_size)

    assert [line.rsplit(": ", 1)[1] for line in check(GPT2).lines] == ["the output matrix is wte"] * 2


def test_two_mistakes_are_two_sentences_where_one_has_a_reason() -> None:
    task = exercise("load")
    assert "its shape tells nothing; and it drops c_attn's bias, whose" in (
        check(task.with_bugs("attn_c_proj_not_turned", "c_attn_bias_dropped"), "load").says
    )
    assert "divides the variance by C - 1, not by C; and it leaves out eps" in (
        check(exercise("LayerNorm").with_bugs("unbiased", "no_eps"), "LayerNorm").says
    )

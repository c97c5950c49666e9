"""The three-way merge and the names, without running anything."""

import pytest

from minigpt.lecture.merging import BLANK, YOURS, Sides
from minigpt.lecture.plan import NAMES, lecture
from minigpt.lecture.renaming import renamed, renames

ATTENTION = lecture("attention")
LAST = len(ATTENTION.steps)


def sides(step: int, edit: tuple[str, str] | None = None) -> Sides:
    """Attention after some steps, with one text of the file replaced."""
    laid = ATTENTION.text(step)
    mine = laid.replace(*edit) if edit else laid
    assert edit is None or mine != laid
    return Sides.of(ATTENTION, step, laid.split("\n"), mine.split("\n"), {})


def blank(step: int) -> str:
    return ATTENTION.blank(step)


@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_file_becomes_the_next_state(name: str) -> None:
    plan = lecture(name)
    for step in range(len(plan.steps)):
        laid = plan.text(step).split("\n")
        found = Sides.of(plan, step, laid, laid, {})
        assert not found.typed
        assert not found.changes
        assert found.plain().lines == plan.text(step + 1).split("\n")
        assert found.whole() == plan.text(len(plan.steps)).split("\n")


def test_lines_of_ones_own_elsewhere_stay_where_they_are() -> None:
    found = sides(
        3, ("        self.softmax = Softmax()\n", '        self.softmax = Softmax()\n        print("made")\n')
    )
    assert not found.typed
    text = "\n".join(found.plain().lines)
    assert text == ATTENTION.text(4).replace("Softmax()\n", 'Softmax()\n        print("made")\n', 1)


def test_the_names_chosen_are_carried_into_the_next_steps() -> None:
    found = sides(3, ("scores = q @", "pairs = q @"))
    assert found.changes == {("Attention.forward", "scores"): "pairs"}
    assert not found.typed
    text = "\n".join(found.plain().lines)
    assert "pairs = pairs.masked_fill(~mask, -math.inf)" in text
    assert "def softmax(scores: Tensor)" in text  # another function's
    assert found.whole() != ATTENTION.text(LAST).split("\n")


def test_names_are_found_beside_lines_of_ones_own() -> None:
    found = sides(3, ("        scores = q @", "        print(q.shape)\n        pairs = q @"))
    assert found.changes == {("Attention.forward", "scores"): "pairs"}
    found = sides(3, (blank(3), f"        print(1)\n{blank(3)}"))
    assert found.changes == {}


def test_a_function_renamed_is_renamed_wherever_it_is_called() -> None:
    found = sides(1, ("def softmax(", "def share_out("))
    assert found.changes == {("", "softmax"): "share_out"}
    lines = renamed(ATTENTION.text(LAST).split("\n"), found.changes)
    assert any("return share_out(scores)" in line for line in lines)
    assert any("self.softmax = Softmax()" in line for line in lines)  # an attribute is no name of a function


def test_names_in_strings_comments_and_keywords_stay() -> None:
    lines = ["def f(x):", '    y = g("y", y=x)  # y', "    return y.y + y"]
    assert renamed(lines, {("f", "y"): "z"}) == ["def f(x):", '    z = g("y", y=x)  # y', "    return z.y + z"]


def test_a_name_changed_in_two_ways_is_not_carried_on() -> None:
    base = ["def f(x):", "    y = x + 1", "    y = x + 2", "    ..."]
    mine = ["def f(x):", "    a = x + 1", "    b = x + 2", "    ..."]
    assert renames(base, mine) == {}


def test_an_attribute_with_another_name_is_no_name_to_carry_on() -> None:
    assert renames(["def f(self):", "    self.y = y", "    ..."], ["def f(self):", "    self.z = y", "    ..."]) == {}


def test_what_was_typed_stands_as_a_comment_above_the_step() -> None:
    found = sides(3, (blank(3), "        scores = scores.masked_fi"))
    assert found.typed
    lines = found.set_aside().lines
    at = lines.index(f"        {YOURS}scores = scores.masked_fi")
    assert lines[at + 1].strip() == "scores = scores.masked_fill(~mask, -math.inf)"
    assert [line for line in lines if YOURS not in line] == ATTENTION.text(4).split("\n")


def test_the_ways_to_go_on_from_the_first_line_of_a_step() -> None:
    found = sides(3, (blank(3), "        scores = scores.masked_fill(~mask, -math.inf)\n" + blank(3)))
    whole = ATTENTION.text(LAST).split("\n")
    way = next(way for way in found.ways() if way.whole == whole)
    assert way.step == 4
    assert way.lines == ATTENTION.text(4).split("\n")


def test_own_names_in_a_step_typed_by_hand_reach_the_rest() -> None:
    typed = (
        "        hidden = scores.masked_fill(~mask, -math.inf)\n        w = self.softmax(hidden)\n        return w @ v"
    )
    found = sides(3, (blank(3), typed))
    way = found.taken(3, 3)
    assert any("slots <= pos" in line for line in way.lines)
    assert "\n".join(way.lines).count("return w @ v") == 1


def test_a_step_as_in_the_reference_again() -> None:
    found = sides(4, ("weights = self.softmax(scores)", "weights = self.softmax(-scores)"))
    assert found.step_of(4) == ATTENTION.text(4).split("\n")
    assert found.step_of(3) == found.mine


def test_a_mistake_is_put_where_the_line_stands_whatever_is_around_it() -> None:
    found = sides(4, ("scores = q @", "print(1)\n        pairs = q @"))
    lines = found.with_edit("scores = scores.masked_fill(~mask, -math.inf)", "scores = scores + 0")
    assert lines is None or "        pairs = pairs + 0" not in lines  # the other lines still say scores
    found = sides(4, ("        weights = self", "        print(2)\n        weights = self"))
    lines = found.with_edit("scores = scores.masked_fill(~mask, -math.inf)", "scores = scores + 0")
    assert lines is not None
    assert "        scores = scores + 0" in lines
    assert "        print(2)" in lines
    gone = sides(4, ("scores = scores.masked_fill(~mask, -math.inf)", "scores[~mask] = -math.inf"))
    assert gone.with_edit("scores = scores.masked_fill(~mask, -math.inf)", "scores = scores + 0") is None


def test_blanks_say_what_comes_next() -> None:
    assert [BLANK in ATTENTION.text(step) for step in range(LAST + 1)] == [True] * LAST + [False]

"""The dialogues that a storyteller is tuned by: made by rule, the same each time, and right by their own passage."""

import json
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from minigpt.train.chats import read_chats
from minigpt.train.data import split_documents
from minigpt.train.dialogues import dialogues, main
from minigpt.train.examine import examine
from minigpt.train.examine import main as examine_main
from minigpt.train.passages import sentences
from minigpt.train.questions import EXACT, FREE, about, name, names, said, shorter, where, who

TALES = """\
Once upon a time there was an old king who had three daughters. The eldest daughter was proud, and the second was idle.
The youngest was called Maria, and she was kind to everybody in the castle. One day the king fell ill.
"I must have water from the well of life," said the king. Maria took a golden cup and went into the forest.
There she met a fox, and the fox sat under a tree and wept. "Why do you weep?" asked Maria.
"A wolf has taken my tail," answered the fox. So she ran after the wolf and found him in a dark cave.
He slept deeply, because he had eaten too much. She took the tail from the wolf and gave it back to the fox.
The fox was glad and led her through the forest to the well. A dragon lay beside it, but he did not wake.
She filled the cup, and she carried it home to the castle. The king drank the water and was well again.
<|endoftext|>
A poor woman lived in a hut by the sea. She had a boy named Peter, who was strong but very lazy.
"Go into the town and find some work!" said the woman. The boy took his cap and went to the town.
On the road he met a beggar, who asked him for bread. Peter gave him all that he had, and they sat down together.
"You have a good heart," said the beggar. "Take this pipe, and whoever hears it must dance."
Peter thanked him and went on until he came to a mill. The miller was angry and cried out that he needed nobody.
But Peter played on his pipe, and the miller danced in the yard until he begged for mercy.
Then he gave the boy a horse and a bag of gold. The woman was happy, and they lived in a fine house.
"""


def made(count: int = 80, seed: int = 0) -> list[tuple[str, list[tuple[str, str]]]]:
    return list(dialogues(TALES, count, seed))


def test_the_same_text_gives_the_same_dialogues() -> None:
    assert made() == made()
    assert made() != made(seed=1)
    assert len(made(4)) <= 8


@pytest.mark.parametrize("seed", range(8))
def test_every_answer_can_be_checked_in_its_own_question(seed: int) -> None:
    for kind, turns in made(seed=seed):
        question, answer = turns[0]
        asked, _, passage = question.partition("\n")
        assert answer[-1] in '.!?"'
        if kind == "who":
            beings = answer[4:-1].replace(" and the ", ", the ").split(", the ")
            assert all(being in passage for being in beings)
        elif kind in EXACT:
            assert answer[:-1] in passage or answer[0].lower() + answer[1:-1] in passage
        elif kind == "about":
            assert any(word in answer for word in (asked.rstrip(".").split()[-1],))
        else:
            whole = " ".join(" ".join(sentences(document)) for document in split_documents(TALES))
            assert f"{passage} {answer}" in whole
        for more, found in turns[1:]:
            assert "\n" not in more
            assert found[4:-1].split(" and ")[0].split(", ")[0] in passage or found[0].lower() + found[1:-1] in passage


def test_there_are_all_kinds_and_some_have_two_turns() -> None:
    found = [dialogue for seed in range(8) for dialogue in made(seed=seed)]
    assert {kind for kind, _ in found} == {*EXACT, *FREE}
    assert {len(turns) for _, turns in found} == {1, 2}


@pytest.mark.parametrize(
    ("rule", "passage", "answer"),
    [
        (who, "The old king met a fox and his daughter.", "The king, the fox and the daughter."),
        (who, "The king's horse saw the queen.", "The queen."),
        (who, "It rained all day.", None),
        (who, "The king met Maria.", None),  # it would be no whole answer
        (where, "She went into the dark forest and wept.", "Into the dark forest."),
        (where, "She went into the forest and to the castle.", None),
        (said, 'He came. "I am very glad," said the old king. "I am not."', "The old king."),
        (said, '"I am very glad!" cried Little Claus.', "Little Claus."),
        (said, '"I am very glad," she said.', None),
        (name, "He had a girl named Gerda, who was kind.", "Gerda."),
        (name, "One day she saw Kay in the street.", "Kay."),
        (name, "One day Gerda saw Kay and told Hans of it.", None),
        (shorter, "She took the golden cup from the shelf, and she carried it home to the castle.",
         "She took the golden cup from the shelf."),
        (shorter, "When she came home to the castle that evening, she found that all of them were asleep.", None),
    ],
)  # fmt: skip
def test_the_rules(rule, passage: str, answer: str | None) -> None:  # type: ignore[no-untyped-def]
    pair = rule(passage, Random(0))
    assert pair is None if answer is None else pair[1] == answer
    assert pair is None or pair[0].endswith(f"\n{passage}")


@pytest.mark.parametrize(
    ("passage", "asked"),
    [
        ("Once upon a time a poor miller had three sons. They left him.", "a miller"),
        ("In a far country there lived an old king, and a fox.", "a king"),  # of whom it speaks first
        ("A witch once met an ogre. They quarrelled.", "a witch"),
        ("There was an eagle on the rock.", "an eagle"),
        ("The king was once a poor man.", None),  # who is known already
        ("He went out. There was an old woman.", None),
        ("A fox ran by.", None),
        ("'I was once a king,' said he.", None),
    ],
)
def test_a_tale_about_somebody_begins_with_him(passage: str, asked: str | None) -> None:
    pair = about(passage, "And so on.", Random(0))
    if asked is None or pair is None:
        assert (asked, pair) == (None, None)
    else:
        assert pair[0] in (f"Tell me about {asked}.", f"Tell me a story about {asked}.")
        assert pair[1] == f"{passage} And so on."


def test_names_have_a_capital_letter_amid_a_sentence() -> None:
    assert names("The King saw Gerda and Gerda saw God. Then Kay came.") == ["Gerda", "Kay"]


def test_the_command_writes_chats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tales.txt").write_text(TALES, encoding="utf-8")
    assert main([str(tmp_path / "tales.txt"), "--count", "16"]) is None
    lines = capsys.readouterr().out
    (tmp_path / "chats.jsonl").write_text(lines, encoding="utf-8")
    chats, _ = read_chats(tmp_path / "chats.jsonl")
    assert len(chats) == len(made(16)) > 8
    kinds = sorted(made(16), key=str)
    found = sorted(([m["content"] for m in messages] for messages in chats.values()), key=str)
    assert sorted(map(str, found)) == sorted(str([said for turn in turns for said in turn]) for _, turns in kinds)
    assert all(json.loads(line)["messages"][0]["role"] == "user" for line in lines.splitlines())


def test_a_text_without_tales_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tales.txt").write_text("One sentence.", encoding="utf-8")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "tales.txt")])
    assert "tales.txt holds no dialogues: give a longer text" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "none.txt")])
    assert "no such file" in capsys.readouterr().err


class Knows:
    """In a model's place: answers some kinds of questions as the rules do, the others with nonsense."""

    def __init__(self, *kinds: str) -> None:
        pairs = [(kind, *turns[0]) for count in (24, 80) for kind, turns in made(count)]
        self.answers = {question: answer for kind, question, answer in pairs if kind in kinds}
        self.settings: list[dict[str, object]] = []

    def chat_format(self) -> None:
        pass

    def chat(self, messages: list[dict[str, str]], **settings: object) -> SimpleNamespace:
        self.settings.append(settings)
        (message,) = messages
        assert message["role"] == "user"
        return SimpleNamespace(text=" " + self.answers.get(message["content"], "The moon."))


def test_an_examination_counts_what_is_answered_as_the_rules_do() -> None:
    lm = Knows("who", "name")
    found = list(examine(lm, TALES, count=10))  # type: ignore[arg-type]
    assert {one.kind for one in found} == {*EXACT}
    assert all(one.right == (one.kind in ("who", "name")) for one in found)
    assert all(settings["temperature"] == 0 for settings in lm.settings)


def test_the_command_of_an_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tales.txt").write_text(TALES, encoding="utf-8")
    monkeypatch.setattr("minigpt.train.examine.load", lambda _: Knows("said"))
    examine_main(["sister", str(tmp_path / "tales.txt"), "--count", "3", "--show"])
    out = capsys.readouterr().out
    n = sum(kind == "said" for kind, _ in made(24))
    assert f"said {n:7} of {n}" in out
    assert out.count("-> ") == out.count("\nright\n") + out.count("\nwanted: ") > n
    (tmp_path / "short.txt").write_text("One sentence.", encoding="utf-8")
    for text, told in (("short.txt", "short.txt holds no dialogues"), ("none.txt", "no such file")):
        with pytest.raises(SystemExit):
            examine_main(["sister", str(tmp_path / text)])
        assert told in capsys.readouterr().err
    monkeypatch.undo()
    with pytest.raises(SystemExit):
        examine_main(["storyteller", str(tmp_path / "tales.txt")])
    assert "it only continues text" in capsys.readouterr().err

"""Instruction tuning: what is learnt of a chat, the loss on it, and runs that resume."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import tokenizer
from minigpt.chat.format import ChatFormat
from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.models.llama import Llama
from minigpt.models.llama_config import LlamaConfig
from minigpt.train.answers import NO_LOSS, Chat, Chats, answer_loss, answer_nats, batch_of, score_answers
from minigpt.train.chats import TEMPLATE, read_chats
from minigpt.train.trainer import Trainer, TrainSettings, evaluate
from minigpt.train.turns import encode_chats, encode_turns, ends, n_bytes, written

SIZES: dict[str, Any] = {"vocab_size": 40, "n_ctx": 32, "n_layer": 2, "n_head": 2, "n_embd": 16}
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}{{ m['content'] + '<|im_end|>\\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PLAIN_CHATML = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
WORDS = "user assistant system Who is in this passage? The king and the fox went to the wood. What comes next? " * 20
WHERE = Path("chats.jsonl")


def talk(*said: str, system: str = "") -> list[dict[str, str]]:
    head = [{"role": "system", "content": system}] if system else []
    return head + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]


TALKS = {
    "one": talk("Who is in this passage?", "The king."),
    "system": talk("Who?", "The fox.", system="Be brief."),
    "three turns": talk("Who?", "The king.", "And then?", "He went to the wood.", "And then?", "The end."),
    "blanks": talk(" What \n", "\n\nThe wood \n", "?", " "),
    "empty": talk("?", ""),
    "other scripts": talk("Wie heißt du? 你好 🚀", "é" * 5, "e\u0301", "日本"),
    "trailing question": talk("Who?", "The king.", "And then?"),
}


@pytest.fixture(scope="module")
def tok() -> tokenizer.Tokenizer:
    return tokenizer.train(WORDS, 330, special_tokens=SPECIAL)


@pytest.fixture(scope="module")
def chat(tok: tokenizer.Tokenizer) -> Callable[[str], ChatFormat]:
    names = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return lambda template: ChatFormat(template, tok, names)


def encoded(chat: ChatFormat, *talks: list[dict[str, str]], block_size: int = 500) -> Chats:
    return encode_chats(dict(enumerate(talks, start=1)), chat, block_size, WHERE)[0]


# --- What is learnt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [TEMPLATE, CHATML, PLAIN_CHATML], ids=["ours", "marked", "unmarked"])
def test_the_answers_are_learnt_and_nothing_else(
    template: str, chat: Callable[[str], ChatFormat], tok: tokenizer.Tokenizer
) -> None:
    """Before each answer stands exactly what a chat shows the model there; it is learnt with its end token."""
    form, end = chat(template), tok.special_tokens["<|endoftext|>" if template == TEMPLATE else "<|im_end|>"]
    for (name, messages), one in zip(TALKS.items(), encoded(form, *TALKS.values()).chats, strict=True):
        answers = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        assert len(ends(one)) == len(answers)
        start = 0
        for i, stop in zip(answers, ends(one), strict=True):
            answer = [*tok.encode(messages[i]["content"]), end]
            assert one.ids[stop - len(answer) : stop] == answer
            assert one.learnt[start:stop] == [False] * (stop - len(answer) - start) + [True] * len(answer)
            if name in ("system", "three turns", "blanks"):
                assert one.ids[: stop - len(answer)] == form.ids(messages[:i])
            start = stop
        assert len(one.ids) == start  # nothing behind the last answer


@pytest.mark.parametrize("template", [TEMPLATE, CHATML], ids=["ours", "marked"])
def test_the_mask_is_that_of_transformers(
    template: str, chat: Callable[[str], ChatFormat], tok: tokenizer.Tokenizer, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    tok.save(tmp_path)
    names = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "chat_template": template}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), **names)
    for (name, messages), one in zip(TALKS.items(), encoded(chat(template), *TALKS.values()).chats, strict=True):
        right = fast.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        n = len(one.ids)
        assert one.ids == right["input_ids"][:n]
        if name != "empty":  # of whose answer transformers marks nothing, not even the end
            assert right["assistant_masks"] == [*map(int, one.learnt), *[0] * (len(right["input_ids"]) - n)]


def test_thoughts_that_a_template_drops_later_are_learnt_where_they_stand(chat: Callable[[str], ChatFormat]) -> None:
    """As Qwen3's: an answer that is not the last loses its thoughts, so each is learnt in a chat of its own."""
    template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' and loop.last %}"
        "{{ '<think>' + (m.reasoning_content or '') + '</think>' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    messages = talk("Who?", "The king.", "And then?", "The end.")
    messages[1]["reasoning_content"] = messages[3]["reasoning_content"] = "hm"
    form = chat(template)
    first, second = encoded(form, messages).chats
    decode = form.tokenizer.decode
    assert decode([id for id, learnt in zip(first.ids, first.learnt, strict=True) if learnt]).startswith("<think>hm")
    assert decode(second.ids).count("<think>") == 1
    assert second.learnt.index(True) == len(form.ids(messages[:3]))


def test_long_chats_end_at_a_whole_turn_and_are_counted(chat: Callable[[str], ChatFormat]) -> None:
    form, messages = chat(TEMPLATE), TALKS["three turns"]
    turns = written({1: messages}, form, WHERE)[1]
    (whole,) = encode_turns(turns, form.tokenizer, 500)
    sizes = ends(whole)
    for most, n in ((sizes[2], 3), (sizes[2] - 1, 2), (sizes[1], 2), (sizes[1] - 1, 1), (sizes[0], 1)):
        (cut,) = encode_turns(turns, form.tokenizer, most)
        assert (cut.ids, cut.learnt) == (whole.ids[: sizes[n - 1]], whole.learnt[: sizes[n - 1]])
    assert encode_turns(turns, form.tokenizer, sizes[0] - 1) == []
    chats, counts = encode_chats({1: messages, 2: talk("Who? " * 40, "x")}, form, sizes[1] - 1, WHERE)
    assert (len(chats.chats), counts) == (1, (2, 2, 1, 1))
    assert str(counts).endswith("1 cut after a whole turn and 1 left out, being longer than a block")
    with pytest.raises(ValueError, match="no chat fits into a block of 3 tokens: give more with --block-size"):
        encode_chats({1: messages}, form, 3, WHERE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 3: this is no JSON object .*: write each chat on one line"),
        ("[1]", r'line 3: a chat is {"messages"'),
        ('{"text": "a"}', r'line 3: a chat is {"messages"'),
        ('{"messages": []}', "line 3: a conversation needs at least one message"),
        ('{"messages": [{"role": "user"}]}', r"line 3: a message is .*not {'role': 'user'}"),
        ('{"messages": [{"role": "user", "content": 1}]}', "line 3: content should be a text, not 1"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "line 3: no message is the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "line 3: the first message is the assistant's"),
        ('{"messages": [{"role": "user", "content": "a"}], "tools": []}', "line 3: 'tools' beside \"messages\""),
    ],
)
def test_a_bad_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    good = json.dumps({"messages": TALKS["one"]})
    (tmp_path / "c.jsonl").write_text(f"{good}\n\n{line}\n{good}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_chats(tmp_path / "c.jsonl")


def test_a_file_is_read_by_its_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in TALKS.values()]
    (tmp_path / "c.jsonl").write_bytes("\r\n\r\n".join(lines).encode("utf-8-sig"))
    found, _ = read_chats(tmp_path / "c.jsonl")
    assert list(found) == [1, 3, 5, 7, 9, 11, 13]
    assert list(found.values()) == list(TALKS.values())
    (tmp_path / "c.jsonl").write_text("\n")
    with pytest.raises(ValueError, match=r"c\.jsonl holds no chats: give lines such as"):
        read_chats(tmp_path / "c.jsonl")


@pytest.mark.parametrize(
    ("template", "messages", "message"),
    [
        (TEMPLATE, talk("a<|im_end|>", "b"), r"line 2: '<\|im_end\|>' in a message is a control token"),
        (TEMPLATE, [*talk("a"), {"role": "assistant", "content": "b", "weight": 0}], "line 2: .*reads no 'weight'"),
        (CHATML + "{{ raise_exception('no') if messages[0].content == 'a' }}", talk("a", "b"), "line 2: the chat temp"),
        ("{% for m in messages %}{{ m.role + m.content + '\\n' }}{% endfor %}", talk("a", "b"), "no control token aft"),
        ("{{ messages | length }}<|im_end|>{% for m in messages %}{{ m.content }}{% endfor %}", talk("a", "b"), "not"),
    ],
)  # fmt: skip
def test_what_a_template_cannot_write_is_refused_by_its_line(
    template: str, messages: list[dict[str, Any]], message: str, chat: Callable[[str], ChatFormat]
) -> None:
    good = talk("Who?", "The king.")
    with pytest.raises(ValueError, match=message):
        encode_chats({1: good, 2: messages, 3: good}, chat(template), 500, WHERE)


# --- The loss -------------------------------------------------------------------------------------------------------


def tiny(kind: str = "gpt2") -> GPT2 | Llama:
    torch.manual_seed(0)
    made = (
        GPT2(GPT2Config(dropout=0.0, **SIZES))
        if kind == "gpt2"
        else Llama(LlamaConfig(n_kv_head=1, n_inner=24, **SIZES))
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def some(n: int, seed: int = 0) -> Chats:
    """Chats of random ids, each with one or two answers."""
    found = []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        length = int(torch.randint(6, 20, (), generator=generator))
        ids = torch.randint(40, (length,), generator=generator).tolist()
        learnt = [False] * length
        learnt[3:5] = [True, True]
        learnt[-2:] = [True, True]
        found.append(Chat(ids, learnt))
    return Chats(found)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_loss_is_that_of_transformers_on_labels(
    kind: str, random_checkpoint: Callable[..., Path], random_reference: Callable[..., Any]
) -> None:
    from weights import load_checkpoint

    ours, theirs = load_checkpoint(random_checkpoint(kind), "cpu").model, random_reference(kind)
    for one in some(3).chats:
        ids = torch.tensor([one.ids])
        labels = ids.where(torch.tensor([one.learnt]), NO_LOSS)
        right = theirs(input_ids=ids, labels=labels).loss
        assert answer_loss(ours, *batch_of([one])).item() == pytest.approx(right.item(), abs=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_padding_changes_nothing_and_every_chat_counts_alike(kind: str) -> None:
    model, chats = tiny(kind).double(), some(5).chats
    x, y = batch_of(chats)
    assert x.shape == y.shape == (5, max(len(one.ids) for one in chats) - 1)
    assert (y != NO_LOSS).sum() == sum(sum(one.learnt) for one in chats)
    alone = [answer_loss(model, *batch_of([one])) for one in chats]
    together = answer_loss(model, x, y)
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), abs=1e-6)
    logits = model(x)
    right = F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=NO_LOSS, reduction="none").view(y.shape)
    assert answer_nats(model, x, y).sum().item() == pytest.approx(right.sum().item(), abs=1e-6)
    per_chat = right.sum(dim=1) / (y != NO_LOSS).sum(dim=1)
    assert together.item() == pytest.approx(per_chat.mean().item(), abs=1e-6)
    mean, total = score_answers(model, Chats(chats), TrainSettings(batch_size=2))
    assert mean == pytest.approx(together.item(), abs=1e-6)
    assert total == pytest.approx(right.sum().item(), abs=1e-5)


def test_a_token_that_is_not_learnt_moves_nothing() -> None:
    model, (one,) = tiny(), some(1).chats
    last = max(i for i, learnt in enumerate(one.learnt) if not learnt)
    other = Chat([*one.ids], one.learnt)
    before = answer_loss(model, *batch_of([one]))
    other.ids[0] = (one.ids[0] + 1) % 40  # read by all that comes after
    assert answer_loss(model, *batch_of([other])) != before
    quiet = Chat(one.ids[: last + 1], one.learnt[: last + 1])
    longer = Chat([*quiet.ids, 7, 9], [*quiet.learnt, False, False])
    without, beside = (answer_loss(model, *batch_of([chat])).item() for chat in (quiet, longer))
    assert beside == pytest.approx(without, rel=1e-6)  # a product of more rows may round the last digit otherwise


@pytest.mark.parametrize("accumulate", [2, 4])
def test_parts_of_a_batch_make_the_same_step(accumulate: int) -> None:
    found = []
    for parts in (1, accumulate):
        settings = TrainSettings(steps=5, batch_size=4, warmup=0, learning_rate=3e-3, accumulate=parts)
        trainer = Trainer(tiny(), settings)
        found.append([trainer.do_step(some(30)) for _ in range(5)])
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_batches_are_of_like_lengths_and_every_chat_comes() -> None:
    chats = some(200)
    generator, seen, padded, held = torch.Generator().manual_seed(0), set(), 0, 0
    for _ in range(150):
        x, y = chats.draw(8, generator)
        assert x.shape[0] == 8
        seen |= {tuple(row.tolist()) for row in y}
        padded += y.numel()
        held += sum(len(row.nonzero()) for row in (x != 0))
    assert len(seen) > 190
    assert held / padded > 0.85
    whole = [row for x, _ in chats.batches(7) for row in x]
    assert len(whole) == 200


def test_a_run_on_chats_learns_to_answer_and_to_stop(
    chat: Callable[[str], ChatFormat], tok: tokenizer.Tokenizer
) -> None:
    """The end of the line: the answers come by themselves, and end."""
    form = chat(TEMPLATE)
    talks = [talk("Who?", "The king."), talk("Where?", "In the wood."), talk("Who?", "The king.", "Then?", "The end.")]
    chats = encoded(form, *talks)
    torch.manual_seed(0)
    model = GPT2(GPT2Config(vocab_size=tok.n_vocab, n_ctx=64, n_layer=1, n_head=2, n_embd=32, dropout=0.0))
    trainer = Trainer(model, TrainSettings(steps=80, batch_size=3, warmup=5, learning_rate=1e-2))
    before = evaluate(model, chats, n_bytes(chats, tok), trainer.settings)
    for _ in range(80):
        trainer.do_step(chats)
    after = evaluate(model, chats, n_bytes(chats, tok), trainer.settings)
    assert after.loss < 0.1 < 3 < before.loss
    assert after.bits_per_byte < 0.2
    from minigpt.language_model import LanguageModel

    config = {"eos_token_id": tok.special_tokens["<|endoftext|>"], "bos_token_id": tok.special_tokens["<|endoftext|>"]}
    lm = LanguageModel(model, tok, config, TEMPLATE)
    for messages in talks:
        for i, message in enumerate(messages):
            if message["role"] == "assistant":
                found = lm.chat(messages[:i], temperature=0, max_new_tokens=20)
                assert (found.text, found.finish_reason) == (message["content"], "eos")

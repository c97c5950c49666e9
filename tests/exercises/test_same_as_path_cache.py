"""The solutions of lessons 10, 11 and 14 are what the project itself computes, so that the lessons cannot drift."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minigpt import check
from minigpt.chat.template import render
from minigpt.exercises import material
from minigpt.exercises.tasks.batch import batch
from minigpt.exercises.tasks.cached_attention import cached_attention
from minigpt.exercises.tasks.chat_prompt import cases as conversations
from minigpt.exercises.tasks.chat_prompt import chat_prompt
from minigpt.exercises.tasks.generate_cached import generate_cached
from minigpt.exercises.tasks.generate_cached import model as stand_in
from minigpt.exercises.tasks.loss import loss
from minigpt.exercises.tasks.stop import cases as texts
from minigpt.exercises.tasks.stop import stop
from minigpt.exercises.tasks.train_step import TinyModel, train_step
from minigpt.generation.generate import generate
from minigpt.generation.stopping import StopStrings
from minigpt.models.attention import Attention
from minigpt.models.cache import KVCache
from minigpt.train.data import draw_batch
from minigpt.train.step import next_token_loss
from tests.exercises.learners_cache import AHEAD, F_CALL, FUSED, LISTS
from tests.exercises.written import written

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ start + 'system\n' + system + end + '\n' }}{% endif %}"
    "{{ start + message['role'] + '\n' + message['content'] + end + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ start + 'assistant\n' }}{% endif %}"
)


def test_attention_with_a_cache_is_that_of_the_models_cache() -> None:
    seen = material.activations()
    q, k, v = (seen[f"h.0.attn.{name}"] for name in "qkv")
    B, n = q.shape[0], q.shape[2]
    own = KVCache(material.storyteller().config, B, n, dtype=q.dtype)
    cache: dict[str, Tensor] = {}
    for begin, end in ((0, 5), (5, 6), (6, n)):
        at = (slice(None), slice(None), slice(begin, end))
        layer = own.first(end).layers(torch.arange(begin, end).expand(B, -1))[0]
        path = Attention()(q[at], *layer.write(k[at], v[at]), layer.mask)
        assert torch.allclose(cached_attention(q[at], k[at], v[at], cache), path, rtol=0, atol=1e-12)
    assert torch.equal(cache["k"], own.k[0])
    assert torch.equal(cache["v"], own.v[0])


def test_the_cache_must_be_what_is_asked_for_even_where_all_results_are_right() -> None:
    report = check(written(LISTS), "cached_attention")
    assert report.lines == [
        'ValueError: the results are right, but cache["k"] is not one tensor (2, 3, 7, 5) with the keys of all tokens'
    ]


def test_a_result_of_another_shape_is_counted_with_those_of_the_calls_before() -> None:
    """So that it can be compared with what all calls together should give."""
    twice = f"y = {F_CALL}\n    return torch.cat([y, y], 2) if past else y"
    report = check(written(FUSED, f"return {F_CALL}", twice), "cached_attention")
    assert report.says.startswith("it returns the shape (1, 1, 3, 3) on ")
    assert report.says.endswith("in calls of 1, 1), asked for is (1, 1, 2, 3)")


def test_the_stand_in_takes_what_the_lessons_model_takes() -> None:
    for wrong in ("token", "torch.tensor([token])", "[[token]]"):
        report = check(written(AHEAD, "feed = [token]", f"feed = {wrong}"), "generate_cached")
        assert not report.ok
        assert report.bug is None
        assert "TypeError: model takes a list of ids, such as [3, 1], not " in report.lines[1]


def test_the_solution_sends_no_id_that_nobody_needs() -> None:
    """P + n - 1, as the lesson counts."""
    sent: list[int] = []

    def counting(ids: Sequence[int], cache: Any) -> tuple[Tensor, Any]:
        sent.extend(ids)
        return stand_in(ids, cache)

    new = generate_cached(counting, [[5, 0, 2, 6]], 4, 8)[0]
    assert len(new) == 4
    assert sent == [5, 0, 2, 6, *new[:-1]]


def test_generation_with_a_cache_is_greedy_generation() -> None:
    model = material.storyteller()

    def with_cache(ids: list[int], past: tuple[KVCache, int] | None) -> tuple[Tensor, tuple[KVCache, int]]:
        cache, n = past or (KVCache(model.config, 1, 64, dtype=torch.float64), 0)
        pos = torch.arange(n, n + len(ids))[None]
        with torch.no_grad():
            logits = model(torch.tensor([ids]), pos, cache.first(n + len(ids)))
        return logits[0], (cache, n + len(ids))

    prompts = [material.ids()[0].tolist(), material.ids()[1, :5].tolist()]
    found = generate(model, prompts, max_new_tokens=9, temperature=0)
    assert generate_cached(with_cache, prompts, 9, -1) == found
    end = found[0][4]
    cut = [ids[: ids.index(end)] if end in ids else ids for ids in found]
    assert generate_cached(with_cache, prompts, 9, end) == cut


def test_a_prompt_is_what_such_a_template_renders() -> None:
    given = [case.args for case in conversations()]
    for template in (given[0][1], given[1][1]):
        told = [messages for messages, one in given if one == template]
        assert len(told) == len(given) // 2
        assert [chat_prompt(messages, template) for messages in told] == render(TEMPLATE, told, template).texts


def test_a_text_stops_where_the_path_stops_it() -> None:
    for case in texts():
        tokens, stops = case.args
        gate = StopStrings(stops)
        shown = "".join(gate.push(token) for token in tokens)
        assert stop(tokens, stops) == (shown, gate.found), case.args


def test_the_loss_is_that_of_training() -> None:
    model, ids = material.storyteller(), material.ids()
    with torch.no_grad():
        found = loss(model(ids), ids)
        assert found.item() == pytest.approx(next_token_loss(model, ids[:, :-1], ids[:, 1:]).item(), rel=1e-6)


def test_a_step_is_one_of_gradient_descent() -> None:
    model, ids = TinyModel(), torch.tensor([[1, 4, 2, 0], [3, 3, 1, 2]])
    other = copy.deepcopy(model)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(3):
        found = train_step(model, ids[:, :-1], ids[:, 1:], 0.1)
        optimizer.zero_grad()
        wanted = next_token_loss(other, ids[:, :-1], ids[:, 1:])
        wanted.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        assert found == pytest.approx(wanted.item(), rel=1e-6)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(*map(weights, (model, other)), strict=True))


def weights(model: nn.Module) -> list[Tensor]:
    return list(model.parameters())


def test_a_batch_is_drawn_as_training_draws_it() -> None:
    ids = material.ids().flatten()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        x, y = batch(ids, 4, 6)
    path_x, path_y = draw_batch(ids, 6, 4, torch.Generator().manual_seed(7))
    assert torch.equal(x, path_x)
    assert torch.equal(y, path_y)

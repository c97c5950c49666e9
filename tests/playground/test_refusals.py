"""Bad requests: a clear status and one line each, and the server goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minigpt.language_model import LanguageModel
from minigpt.playground.guard import HEADERS
from minigpt.playground.shelf import Shelf
from minigpt.playground.wire import KINDS as NAMES
from tests.playground.conftest import Playground

GOOD: dict[str, Any] = {"model": "storyteller", "prompt": "Once", "settings": {"max_new_tokens": 1}}
VALUES: list[Any] = [None, True, 7, 10**30, 1.5, "x", [], {}, [[]], "\ud800"]
SETTINGS = {
    "max_new_tokens": [-1, 1001, 1.5, "5", True, [], {}],
    "temperature": [-1, "1", True, [], {}, 10**400, float("nan"), float("inf")],
    "top_k": [-1, 2.5, "x", False, {}],
    "top_p": [-0.1, 1.1, "x", True],
    "min_p": [-0.1, 1.1, "x", True],
    "repetition_penalty": [0, -1, "x", True],
    "no_repeat_ngram_size": [-1, 1.5, "x", 10**6],
    "num_beams": [0, 17, "x", 1.5],
    "seed": [1.5, "x", True, 2**53, -1],
}

KINDS = {name: kind for kind, name in NAMES.items()}


@pytest.fixture(autouse=True)
def it_goes_on(playground: Playground) -> Iterator[None]:
    yield
    with playground.open("/static/page.js") as answer:
        assert answer.status == 200


def refused(playground: Playground, body: object, status: int, reason: str, path: str = "/generate") -> None:
    got, told = playground.ask(path, body)
    assert got == status, told
    assert reason in told["error"]
    assert "\n" not in told["error"]
    assert len(told["error"]) < 300


def test_a_wrong_type_in_every_field_of_every_address(playground: Playground) -> None:
    """Which fields there are and what each must be, the server says itself: an address that is added is tried, too."""
    assert len(playground.asking) >= 4
    for path in playground.asking:
        told = playground.ask(path, {"x": 1})[1]["error"]
        assert told.startswith("unknown field 'x': there are model"), path
        for field in told.partition(": there are ")[2].split(", "):
            kind = playground.ask(path, {field: None})[1]["error"].removesuffix(", not None")
            assert kind.startswith(f"{field} must be "), (path, field, kind)
            right = KINDS[kind.removeprefix(f"{field} must be ")]
            for value in VALUES:
                if type(value) is not right:
                    refused(playground, GOOD | {field: value}, 422, f"{kind}, not ", path)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"model": "storyteller", "ids": [[]]}, 422, "ids must be whole numbers from 0 up, not []"),
        (GOOD | {"model": "\ud800"}, 404, "there is no model"),
        (GOOD | {"prompt": "\ud800"}, 422, "prompt is not Unicode text: half a character at place 0"),
    ],
    ids=repr,
)
def test_right_types_with_nonsense_in_them(body: object, status: int, reason: str, playground: Playground) -> None:
    for path in ("/generate", "/bars", "/picture"):
        refused(playground, body, status, reason, path)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in SETTINGS.items() for v in values], ids=str)
def test_a_wrong_value_of_every_setting(name: str, value: object, playground: Playground) -> None:
    refused(playground, GOOD | {"settings": {name: value}}, 422, f"{name} must be ")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "the body is not JSON"),
        (b"{", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        (b'{"model": ' + b"9" * 5000 + b"}", 400, "the body is not JSON"),
        ([], 400, "the body must be a JSON object, not []"),
        ({}, 422, "the field model is missing: name a model"),
        ({"model": "storyteller"}, 422, "give either prompt, a text, or ids"),
        (GOOD | {"ids": [1]}, 422, "give either prompt, a text, or ids"),
        (GOOD | {"promt": "x"}, 422, "unknown field 'promt': there are model, prompt, ids, settings"),
        (GOOD | {"settings": {"stop": "x"}}, 422, "unknown setting 'stop': there are max_new_tokens"),
        (GOOD | {"model": "gpt-5"}, 404, "there is no model 'gpt-5' on this machine: there are storyteller"),
        (GOOD | {"model": "../../etc"}, 404, "there is no model '../../etc' on this machine"),
        (GOOD | {"prompt": "a b " * 60_000}, 422, "the prompt is 240,000 long: 200,000 is the most"),
        (GOOD | {"prompt": "a b " * 3000}, 422, "exceed the context of"),
        ({"model": "storyteller", "ids": [4096]}, 422, "id 4096 is not in the vocabulary: ids are 0 to 4095"),
        ({"model": "storyteller", "ids": [-1]}, 422, "ids must be whole numbers from 0 up, not -1"),
        ({"model": "storyteller", "ids": [1, None]}, 422, "ids must be whole numbers from 0 up, not None"),
        (GOOD | {"settings": {"num_beams": 2, "temperature": 1}}, 422, "num_beams 2 does not sample"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_other_bodies(body: object, status: int, reason: str, playground: Playground) -> None:
    refused(playground, body, status, reason)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"what": "secrets"}, "what must be one of attention, lens, surprise, not 'secrets'"),
        ({}, "what must be one of attention"),
        ({"what": "attention", "layer": True}, "layer must be a whole number, not True"),
        ({"what": "lens", "layer": 1}, "layer and head are for attention, not for lens"),
        ({"what": "attention", "layer": 99}, "layer 99: the model has"),
        ({"what": "attention", "prompt": "a b " * 40}, "a picture shows up to 64 tokens, and this text has "),
        ({"what": "lens", "prompt": None, "ids": [5000]}, "id 5000 is not in the vocabulary"),
        ({"what": "attention", "head": "1"}, "head must be a whole number, not '1'"),
    ],
    ids=str,
)
def test_pictures_that_there_are_not(more: dict[str, Any], reason: str, playground: Playground) -> None:
    body = {"model": "storyteller", "prompt": "Once", **more}
    refused(playground, {name: value for name, value in body.items() if value is not None}, 422, reason, "/picture")


def test_a_form_is_refused(playground: Playground) -> None:
    for path in playground.asking:
        status, told = playground.ask(path, b"a=1", {"Content-Type": "application/x-www-form-urlencoded"})
        assert (status, told["error"].split(",")[0]) == (415, "the content type must be application/json"), path


OUTSIDE = [
    *(
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/%252e%252e/app.py",
    ),
    *("/static//etc/passwd", "/static/%2fetc/passwd", "/static/", "/static/~root", "/static/C:/x", "/static/%00"),
    *("/static/page.js%00.css", "/static/%c0%ae%c0%ae/app.py", f"/static/{300 * 'a'}", f"/static/{5000 * 'a/'}"),
    *("/etc", "/..", "/%00", "//etc/passwd", "http://127.0.0.1/etc/passwd", "http://127.0.0.1/static/page.js", "*"),
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path[:40])
def test_nothing_beside_the_page_is_served(path: str, playground: Playground) -> None:
    status, told = playground.ask(path)
    assert (status, told["error"]) == (404, "Not Found")


def test_a_link_out_of_the_page_is_not_followed(
    lm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "page.js").write_text("")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "page" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "page" / "folder").symlink_to(tmp_path)
    monkeypatch.setattr("minigpt.playground.app.PAGE", tmp_path / "page")
    playground = Playground(Shelf(lm))
    for path in ("/static/link", "/static/folder/secret"):
        assert playground.ask(path)[0] == 404
    with playground.open("/static/page.js") as answer:
        assert answer.status == 200
    playground.stop()


def test_methods(playground: Playground) -> None:
    assert playground.ask("/generate")[0] == playground.ask("/", {})[0] == 405


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "127.0.0.1@evil.example", "localhost.", "", "a b"],
)
def test_a_foreign_host_is_refused(host: str, playground: Playground) -> None:
    for path, body in (("/", None), ("/models", None), *((path, GOOD) for path in playground.asking)):
        with playground.open(path, body, {"Host": host}) as answer:
            assert answer.status == 400
            assert answer.read() == b"Invalid host header"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost", "x", ""])
def test_a_foreign_origin_is_refused(origin: str, playground: Playground) -> None:
    for path in playground.asking:
        status, told = playground.ask(path, GOOD, {"Origin": origin})
        assert (status, told["error"].split(":")[0]) == (403, "this request comes from another page")


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_a_browser_says_where_a_request_comes_from(site: str, status: int, playground: Playground) -> None:
    assert playground.ask("/bars", GOOD, {"Sec-Fetch-Site": site})[0] == status
    own = {"Origin": playground.address.rstrip("/"), "Sec-Fetch-Site": site}
    assert playground.ask("/bars", GOOD, own)[0] == status


def test_a_failure_of_our_own_is_a_500_and_its_traceback_goes_to_stderr(
    playground: Playground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minigpt.playground.app.bars", None)
    assert playground.ask("/bars", GOOD) == (500, {"error": "the server failed: TypeError"})
    assert "\nTypeError: the first argument must be callable" in capsys.readouterr().err


def test_every_answer_has_the_headers(playground: Playground) -> None:
    for path, body in (("/", None), ("/models", None), ("/no", None), ("/generate", GOOD), ("/bars", {})):
        with playground.open(path, body) as answer:
            answer.read()
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path
    with playground.open("/static/page.js", None, {"Origin": "http://evil.example"}) as answer:
        assert answer.headers["access-control-allow-origin"] is None


def test_with_a_token_nothing_is_told_without_it(lm: LanguageModel) -> None:
    playground = Playground(Shelf(lm), token="secret")
    bearer = {"Authorization": "Bearer secret"}
    for path, body in (("/", None), ("/models", None), ("/generate", GOOD), ("/bars", GOOD)):
        for wrong in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer sécret"},
            {"Authorization": "secretx"},
        ):
            status, told = playground.ask(path, body, wrong)
            assert status == 401
            assert told["error"].startswith("the token is missing or wrong")
        with playground.open(path, body, bearer) as answer:
            assert answer.status == 200
            answer.read()
    assert playground.open("/?token=secret").status == 200
    assert playground.open("/?token=secre").status == 401
    proxied = {**bearer, "Host": "hub.example", "Origin": "https://hub.example", "Sec-Fetch-Site": "same-origin"}
    assert playground.ask("/bars", GOOD, proxied)[0] == 200
    assert playground.ask("/bars", GOOD, {**proxied, "Host": "127.0.0.1"})[0] == 200  # a proxy that names its own
    assert playground.ask("/bars", GOOD, {**proxied, "Sec-Fetch-Site": "cross-site"})[0] == 403
    assert playground.ask("/bars", GOOD, {**bearer, "Origin": "http://evil.example"})[0] == 403
    playground.stop()


def test_the_error_of_a_model_speaks_the_words_of_the_page(playground: Playground) -> None:
    """Ways out that only Python has are left out."""
    body = GOOD | {"prompt": "a b " * 100, "settings": {"max_new_tokens": 1000}}
    status, told = playground.ask("/generate", body)
    assert status == 422
    assert "context=" not in json.dumps(told)

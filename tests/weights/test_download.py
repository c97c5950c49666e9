"""Downloads from a Hub that does everything wrong: the right file or one clear line, never a wrong file with a name."""

import errno
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import tokenizer.fetch.hub
import tokenizer.fetch.transfer
import weights.fetch.download
from tokenizer.fetch import official
from weights import load_checkpoint
from weights.fetch import locate as sources
from weights.fetch.download import cached, download, home

WEIGHTS = "model.safetensors"
REPO = "someone/model"


def bring() -> Path:
    return download(REPO, Path.exists)


@pytest.fixture
def served(hub: Any, random_checkpoint: Callable[..., Path], tmp_path: Path) -> Any:
    """The Hub with a random GPT-2 and a vocabulary."""
    import tokenizer as t

    folder = tmp_path / "served"
    shutil.copytree(random_checkpoint("gpt2", vocab_size=300), folder)
    t.train("the cat sat on the mat, the cat ate the rat", 270).save(folder)
    hub.serve_folder(folder)
    return hub


def nothing_wrong_has_a_name() -> bool:
    """Every blob is what its name says, and every name in a snapshot leads to one."""
    for blob in (home(REPO) / "blobs").glob("*"):
        if not blob.name.endswith((".part", ".new")):
            data = blob.read_bytes()
            names = hashlib.sha256(data).hexdigest(), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if blob.name not in names:
                return False
    snapshots = [path for path in (home(REPO) / "snapshots").glob("*/*") if not path.name.endswith(".part")]
    return all(path.resolve().parent.name == "blobs" and path.exists() for path in snapshots)


def test_whole_download_has_the_hubs_own_layout(served: Any) -> None:
    from huggingface_hub import try_to_load_from_cache

    snapshot = bring()
    for name, data in served.files.items():
        assert (snapshot / name).read_bytes() == data
        found = try_to_load_from_cache(REPO, name, cache_dir=str(home(REPO).parent))
        assert found is not None
        assert Path(str(found)).samefile(snapshot / name)
    assert cached(REPO) == snapshot
    assert nothing_wrong_has_a_name()


def test_weights_come_last_and_once(served: Any) -> None:
    bring()
    got = served.asked("GET")
    assert got[0] == "config.json"
    assert got[-1] == WEIGHTS
    assert len(got) == len(set(got))
    bring()  # what is there is not fetched again
    assert served.asked("GET") == got


@pytest.mark.parametrize("fault", ["cut", "reset", "503 GET", "503 HEAD", "429 GET", "429 HEAD", "408 HEAD"])
@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_recovers(served: Any, fault: str, name: str) -> None:
    served.faults[name] = fault
    snapshot = bring()
    assert (snapshot / name).read_bytes() == served.files[name]
    assert nothing_wrong_has_a_name()


def test_recovers_from_a_stall(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer.fetch.transfer, "TIMEOUT", 0.3)
    served.faults[WEIGHTS] = "stall"
    assert (bring() / WEIGHTS).read_bytes() == served.files[WEIGHTS]


def test_resumes_in_another_run(served: Any) -> None:
    served.faults[WEIGHTS] = "cut always"
    with pytest.raises(OSError, match=WEIGHTS):
        bring()
    assert cached(REPO) is None
    assert nothing_wrong_has_a_name()
    n_before = len(served.log)
    del served.faults[WEIGHTS]
    assert (bring() / WEIGHTS).read_bytes() == served.files[WEIGHTS]
    ranges = [part for verb, name, part, _ in served.log[n_before:] if verb == "GET" and name == WEIGHTS]
    assert len(ranges) == 1
    assert ranges[0] not in (None, "bytes=0-")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("wrong", "SHA-256"),
        ("html later", "HTML|bytes"),
        ("lfs", "LFS|bytes"),
        ("html", "not a Hub's"),
    ],
)
def test_refuses_what_is_not_the_file(served: Any, fault: str, says: str) -> None:
    served.faults[WEIGHTS] = fault
    with pytest.raises((OSError, ValueError), match=says) as caught:
        bring()
    assert "\n" not in str(caught.value)
    assert WEIGHTS in str(caught.value)
    assert cached(REPO) is None
    assert nothing_wrong_has_a_name()
    assert not list((home(REPO) / "snapshots").rglob(WEIGHTS))


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Location": "file:///etc/passwd"}, "redirects to 'file:///etc/passwd', which is not followed"),
        ({"Location": "ftp://store.example/x"}, "not followed"),
        ({"ETag": '"../../etc"'}, "not a Hub's"),
        ({"ETag": f'"{"a" * 300}"'}, "not a Hub's"),
        ({"X-Repo-Commit": "../../.."}, "not a Hub's"),
        ({"X-Repo-Commit": ""}, "not a Hub's"),
        ({"X-Linked-Size": "-1"}, "not a Hub's"),
        ({"X-Linked-Size": "9" * 40}, "make room, or set HF_HOME"),
        ({"X-Linked-Size": "1000"}, "announces .* expected 1,000"),
    ],
)
def test_refuses_what_a_hub_would_not_say(served: Any, headers: dict[str, str], says: str) -> None:
    served.headers[WEIGHTS] = headers
    with pytest.raises((OSError, ValueError), match=says) as caught:
        bring()
    assert str(caught.value).isprintable()
    assert WEIGHTS in str(caught.value)
    assert WEIGHTS not in served.asked("GET") or "1000" in str(headers)
    assert cached(REPO) is None
    assert nothing_wrong_has_a_name()


def test_a_small_file_that_is_huge_is_refused(served: Any) -> None:
    served.headers["tokenizer_config.json"] = {"X-Linked-Size": "9000000000"}
    served.files["tokenizer_config.json"] = b"{}"
    with pytest.raises(OSError, match=r"tokenizer_config\.json has 9,000,000,000 bytes"):
        bring()


@pytest.mark.parametrize("text", ["[]", "null", "3", '"a"', "[" * 100_000, '{"weight_map": []}', "{", ""])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_json_that_is_none_is_refused(served: Any, name: str, text: str) -> None:
    del served.files[WEIGHTS]
    served.files[name] = text.encode()
    with pytest.raises(OSError, match=name) as caught:
        sources.obtain(REPO)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "a\\b", "C:x", "C:\\x", "..", ".", "", "a\0b", "a\nb", "a\x1bb"]
)
def test_parts_with_other_than_plain_names_are_refused(served: Any, name: str) -> None:
    del served.files[WEIGHTS]
    served.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"wte.weight": name}}).encode()
    with pytest.raises(ValueError, match="plain name"):
        bring()
    assert served.asked("HEAD")[-1] == "model.safetensors.index.json"


def test_what_has_no_checksum_is_said_to_be_unverified(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    served.headers[WEIGHTS] = {"ETag": '"opaque-1"'}
    snapshot = bring()
    assert f"{WEIGHTS} is unverified" in capsys.readouterr().err
    assert load_checkpoint(snapshot, "cpu").report.files[0].endswith("no checksum known")
    served.headers.clear()
    shutil.rmtree(home(REPO))
    assert load_checkpoint(bring(), "cpu").report.files[0].endswith("SHA-256 as expected")
    assert "unverified" not in capsys.readouterr().err


def test_weights_that_git_names_are_verified_too(served: Any) -> None:
    data = served.files[WEIGHTS]
    served.headers[WEIGHTS] = {"ETag": f'"{hashlib.sha1(b"blob %d" % len(data) + bytes(1) + data).hexdigest()}"'}
    snapshot = bring()
    assert load_checkpoint(snapshot, "cpu").report.files[0].endswith("Git SHA-1 as expected")
    (snapshot / WEIGHTS).resolve().write_bytes(data[:-1] + b"x")
    with pytest.raises(ValueError, match="expected Git SHA-1"):
        load_checkpoint(snapshot, "cpu")


def test_a_hub_that_changes_its_mind(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes when huggingface_hub asks again: they were never verified, so they are refused."""
    bring_bytes = weights.fetch.download.bring

    def then_change(*args: Any) -> Path:
        path = bring_bytes(*args)
        if path.name == hashlib.sha256(before).hexdigest():
            served.files[WEIGHTS] = before[:-1] + b"x"
        return path

    before = served.files[WEIGHTS]
    monkeypatch.setattr(weights.fetch.download, "bring", then_change)
    with pytest.raises(ValueError, match=r"SHA-256 .* expected"):
        bring()


def test_refuses_a_small_file_with_wrong_bytes(served: Any) -> None:
    served.faults["merges.txt"] = "wrong"
    with pytest.raises(ValueError, match=r"merges\.txt"):
        bring()
    assert nothing_wrong_has_a_name()


def test_a_small_file_that_went_bad_is_fetched_again(served: Any) -> None:
    name = bring() / "merges.txt"
    name.resolve().write_bytes(b"?" * len(served.files["merges.txt"]))
    assert (bring() / "merges.txt").read_bytes() == served.files["merges.txt"]
    assert nothing_wrong_has_a_name()


def test_another_download_is_ready_first(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = tokenizer.fetch.hub.fetch

    def beaten(url: str, blob: Path, *rest: Any, **more: Any) -> None:
        fetch(url, blob, *rest, **more)  # as the other one does; our part is gone
        raise FileNotFoundError(f"{blob}.part")

    monkeypatch.setattr(tokenizer.fetch.hub, "fetch", beaten)
    assert (bring() / WEIGHTS).read_bytes() == served.files[WEIGHTS]


@pytest.mark.parametrize("fault", ["", "cut", "stall"])
def test_two_downloads_at_once(served: Any, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer.fetch.transfer, "TIMEOUT", 0.3)
    served.faults[WEIGHTS] = fault
    with ThreadPoolExecutor(4) as pool:
        snapshots = [work.result() for work in [pool.submit(bring) for _ in range(4)]]
    assert len(set(snapshots)) == 1
    assert (snapshots[0] / WEIGHTS).read_bytes() == served.files[WEIGHTS]
    assert served.asked("GET").count(WEIGHTS) == (2 if fault else 1)  # the others wait for the first
    assert nothing_wrong_has_a_name()


@pytest.mark.parametrize(("name", "says"), [("config.json", "has no config.json"), (WEIGHTS, "has no weights")])
def test_a_missing_file_is_named(served: Any, name: str, says: str) -> None:
    del served.files[name]
    with pytest.raises(OSError, match=says):
        bring()


def test_a_missing_vocabulary_is_no_error(served: Any) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        del served.files[name]
    snapshot = bring()
    assert load_checkpoint(snapshot, "cpu").tokenizer is None
    assert cached(REPO) == snapshot  # the next load asks nobody


def test_a_missing_part_is_named(served: Any) -> None:
    served.files["model.safetensors.index.json"] = b'{"weight_map": {"wte.weight": "part-1.safetensors"}}'
    del served.files[WEIGHTS]
    with pytest.raises(OSError, match=r"has no part-1\.safetensors"):
        bring()
    assert cached(REPO) is None


@pytest.mark.parametrize("fault", ["", "503 GET", "cut", "wrong", "html later"])
def test_a_vocabulary_from_the_hub(served: Any, fault: str, tmp_path: Path) -> None:
    data = served.files["vocab.json"]
    source = official.Source("encoder.json", hashlib.sha256(data).hexdigest(), (REPO, "vocab.json"), ("", "", ""))
    served.faults["vocab.json"] = fault
    path = tmp_path / "vocabularies" / "encoder.json"
    if fault in ("wrong", "html later"):
        with pytest.raises(ValueError, match=r"SHA-256|HTML"):
            official.from_hub(source, path)
        assert not path.exists()
    else:
        official.from_hub(source, path)
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("status", "says"), [(401, "no such model"), (403, "licence"), (500, "status 500"), (418, "status 418")]
)
def test_the_servers_refusal_in_one_line(served: Any, status: int, says: str) -> None:
    served.status = status
    with pytest.raises(OSError, match=says) as caught:
        bring()
    assert "\n" not in str(caught.value)


def test_offline_asks_nobody(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE"):
        bring()
    assert not served.log


def test_no_room_is_said_before_the_first_byte(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(weights.fetch.download.shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(OSError, match="make room, or set HF_HOME"):
        bring()
    assert not served.asked("GET")


def test_no_room_for_all_parts_is_said_before_the_first(
    served: Any, random_reference: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_reference("llama").save_pretrained(tmp_path / "parts", max_shard_size="60KB")
    served.serve_folder(tmp_path / "parts")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(weights.fetch.download.shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    with pytest.raises(OSError, match=r"model-00001-of-0000\d\.safetensors and \d more: .* make room, or set HF_HOME"):
        bring()
    assert not [name for name in served.asked("GET") if name.endswith(".safetensors")]


@pytest.mark.usefixtures("served")
def test_a_disk_that_fills_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tokenizer.fetch.hub, "fetch", full)
        with pytest.raises(OSError, match=r"config\.json: .*No space left"):
            bring()
    assert nothing_wrong_has_a_name()
    assert cached(REPO) is None
    bring()
    assert cached(REPO) is not None


def test_an_unknown_family_is_refused_before_the_weights(served: Any) -> None:
    served.files["config.json"] = served.files["config.json"].replace(b'"gpt2"', b'"bert"')
    with pytest.raises(OSError, match="model_type is 'bert'"):
        sources.obtain(REPO)
    assert WEIGHTS not in served.asked("GET")


def test_parts(served: Any, random_reference: Callable[..., Any], tmp_path: Path) -> None:
    random_reference("llama").save_pretrained(tmp_path / "parts", max_shard_size="60KB")
    served.serve_folder(tmp_path / "parts")
    assert len([name for name in served.files if name.endswith(".safetensors")]) > 1
    checkpoint = load_checkpoint(bring(), "cpu")
    assert checkpoint.report.files[0].endswith("SHA-256 as expected")


def test_the_token_goes_to_the_hub(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    bring()
    assert {sent for *_, sent in served.log} == {"Bearer hf_secret"}


def test_the_token_does_not_go_where_the_hub_sends_on_to(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with type(served)() as store:
        threading.Thread(target=store.serve_forever, args=(0.02,), daemon=True).start()
        store.files, served.elsewhere = served.files, store.url
        served.faults[WEIGHTS] = "redirect"
        assert (bring() / WEIGHTS).read_bytes() == served.files[WEIGHTS]
        store.shutdown()
    assert store.asked("GET") == [WEIGHTS]
    assert {sent for *_, sent in store.log} == {None}
    assert {sent for *_, sent in served.log} == {"Bearer hf_secret"}


def test_no_hub_is_found_out_soon(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants, file_download

    with socket.socket() as silent:  # takes connections, and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in (constants, file_download):
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", url, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.3)
        start = time.monotonic()
        with pytest.raises(OSError, match="does not answer") as caught:
            bring()
    assert time.monotonic() - start < 3
    assert "\n" not in str(caught.value)
    assert not served.log


def test_a_copy_under_the_name_gives_way_to_the_file(served: Any) -> None:
    name = bring() / "merges.txt"
    name.unlink()
    name.write_text("an older one")
    os.utime(name, (0, 0))
    assert (bring() / "merges.txt").read_bytes() == served.files["merges.txt"]


def test_a_name_loads_and_then_needs_no_network(served: Any) -> None:
    first = load_checkpoint(REPO, "cpu")
    n = len(served.log)
    second = load_checkpoint(REPO, "cpu")
    assert len(served.log) == n
    ids = torch.arange(9)[None]
    assert torch.equal(first.model(ids), second.model(ids))
    assert second.tokenizer is not None


@pytest.mark.usefixtures("served")
def test_a_cached_file_that_went_bad_is_refused_and_fetched_again() -> None:
    snapshot = bring()
    load_checkpoint(REPO, "cpu")
    blob = (snapshot / WEIGHTS).resolve()
    data = bytearray(blob.read_bytes())
    data[-5] ^= 1
    blob.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.safetensors: expected SHA-256"):
        load_checkpoint(REPO, "cpu")
    bring()
    load_checkpoint(REPO, "cpu")

"""`minigpt play` under load: memory over many texts, the first token, the bars of a slider, fifty requests at once.

    python benchmarks/playground_load.py [--texts N] [--tokens N] [--at-once N] [--model NAME] [--json FILE]

The server is a process of its own, as a learner starts it; its memory is its resident set. The first token is timed
from the click on Generate until it stands on the page, against `lm.stream` of a model that is loaded, and against the
command line from Enter; the bars from a slider's move until they are redrawn, in chromium by the page's own clock.
Fifty texts begin together: a text alone takes `alone` seconds, the mean of ten before and ten after, so of n texts each
has its share after n of these.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # before this folder, which has a tokenizer.py
import minigpt
from minigpt.playground.work import AT_ONCE
from tests.playground.visitor import BARS, Visitor

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "Once upon a time"
WORDS = ("the", "old", "king", "a", "small", "bird", "in", "forest", "and", "her", "three", "brothers", "who", "lived")
CHANGED = """new Promise((done) => new MutationObserver((_, it) => {
        if (document.querySelector('%s')) { it.disconnect(); done(performance.now()) }
    }).observe(document.querySelector('%s'), {childList: true, subtree: true, characterData: true}))"""
FIRST = f"""(async () => {{
    const seen = {CHANGED % ("#text .token", "#text")}, begin = performance.now()
    document.querySelector('#generate').click()
    return await seen - begin }})()"""
MOVED = f"""(async (value) => {{
    const seen = {CHANGED % ("#drawn td", "#drawn")}, begin = performance.now()
    const slider = Object.assign(document.querySelector('#temperature'), {{value}})
    slider.dispatchEvent(new Event('input', {{bubbles: true}}))
    return await seen - begin }})"""
READY = "!document.querySelector('#generate').disabled"


class Server:
    """`minigpt play` as a process, and its texts."""

    def __init__(self, model: str) -> None:
        self.model = model
        words = [sys.executable, "-m", "minigpt", "play", "--port", "0", "-m", model]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stderr
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/", self.process.stderr.readline())):
            assert self.process.poll() is None, "minigpt play did not start"
        self.address, self.port = found[0], int(found[1])

    def events(self, prompt: str, seed: int, tokens: int) -> Iterator[dict[str, Any]]:
        """The events of a text, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        settings = {"max_new_tokens": tokens, "temperature": 1.0, "repetition_penalty": 1.2, "seed": seed}
        body = json.dumps({"model": self.model, "prompt": prompt, "settings": settings})
        connection.request("POST", "/generate", body, {"Content-Type": "application/json"})
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
        connection.close()

    def memory(self) -> float:
        """Resident megabytes."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


def memory(server: Server, texts: int, tokens: int) -> list[float]:
    """Megabytes after every fifty of so many different texts."""
    found = []
    for n in range(texts):
        for _ in server.events(" ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 8)), n, tokens):
            pass
        if n % 50 == 49:
            found.append(round(server.memory(), 1))
            print(f"after {n + 1} texts: {found[-1]:.1f} MB", flush=True)
    return found


def first_tokens(server: Server, page: Visitor, times: int = 15) -> dict[str, float]:
    """Median milliseconds until the first token: `lm.stream`, the page, the command line."""
    lm = minigpt.load(server.model, device="cpu")
    streamed, shown, commanded = [], [], []
    for n in range(times):
        begin = time.perf_counter()
        next(iter(lm.stream(PROMPT, seed=n, max_new_tokens=40)))
        streamed.append(1000 * (time.perf_counter() - begin))
        page.wait(READY)
        shown.append(page.evaluate(FIRST))
    for _ in range(3):
        words = [sys.executable, "-m", "minigpt", "generate", "-m", server.model, "-n", "40", PROMPT]
        begin = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
        assert process.stdout
        process.stdout.read(len(PROMPT) + 1)
        commanded.append(1000 * (time.perf_counter() - begin))
        process.communicate()
    medians = map(statistics.median, (streamed, shown, commanded))
    return dict(zip(("stream_ms", "page_ms", "command_line_ms"), medians, strict=True))


def bars(page: Visitor, times: int = 40) -> dict[str, float]:
    """Milliseconds from a slider's move until the bars are redrawn."""
    page.wait(READY)
    page.wait(f"{BARS}.length")
    took = sorted(page.evaluate(f"{MOVED}({0.3 + 0.05 * (n % 20)})") for n in range(times))
    return {"median_ms": statistics.median(took), "slowest_ms": took[-1]}


def at_once(server: Server, n: int, tokens: int) -> dict[str, Any]:
    """How many of n texts that begin together were lost, and how late the latest was, against its share."""

    def ten_alone() -> float:
        begin = time.perf_counter()
        for seed in range(10):
            list(server.events(PROMPT, seed, tokens))
        return (time.perf_counter() - begin) / 10

    before = ten_alone()
    told: list[tuple[int, float, float]] = []  # its place, when its first token came, when it ended

    def read(seed: int) -> None:
        start, *events = ((time.perf_counter() - begin, event) for event in server.events(PROMPT, seed, tokens))
        if events[-1][1]["event"] == "end":
            told.append((start[1]["place"], events[0][0], events[-1][0]))

    begin = time.perf_counter()
    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = (before + ten_alone()) / 2
    first = max(came / ((place + AT_ONCE) * alone) for place, came, _ in told)
    last = max(end for _, _, end in told)
    return {"lost": n - len(told), "alone_s": alone, "slowest_s": last, "of_share": last / (n * alone), "first": first}


def main() -> None:
    """Measures, prints, and writes the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=500, help="texts of the memory's measurement (default: 500)")
    parser.add_argument("--tokens", type=int, default=40, help="tokens of each (default: 40)")
    parser.add_argument("--at-once", type=int, default=50, help="texts that begin together (default: 50)")
    parser.add_argument("--model", default="storyteller", help="a model on this machine (default: storyteller)")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    args = parser.parse_args()
    server = Server(args.model)
    try:
        with Visitor() as page:
            page.visit(server.address)
            told: dict[str, Any] = {"bars": bars(page), "first token": first_tokens(server, page)}
        told["at once"] = at_once(server, args.at_once, args.tokens)
        for name, row in told.items():
            print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
        told["memory_mb"] = memory(server, args.texts, args.tokens)
    finally:
        server.process.terminate()
    if args.json:
        args.json.write_text(json.dumps({**vars(args), "json": None, "python": sys.version, **told}, indent=1) + "\n")


if __name__ == "__main__":
    main()

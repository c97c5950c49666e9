"""Lectures to type live: each is a plan, cut from the tested source, and a working file that runs in its place."""


def run(path: str) -> None:
    """What a working file does when it is run: it ends with `run(__file__)`."""
    from minigpt.lecture.runner import run

    run(path)

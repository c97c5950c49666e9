"""Lectures to type live: each a plan, cut from the tested source, and a working file that runs in its place."""


def run(path: str) -> None:
    """What a working file does when it is run: `run(__file__)` stands at its end."""
    from minigpt.lecture.runner import run

    run(path)

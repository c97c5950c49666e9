"""What commonly stands under the name of a large file: a login page, or a pointer that Git LFS left."""


def what_it_is(start: bytes) -> str | None:
    """What a file is, told by its first bytes, where it is a stand-in for the file that was meant; else None.

    >>> what_it_is(b"\\n<!DOCTYPE html><title>Log in</title>"), what_it_is(b"#version: 0.2")
    ('an HTML page', None)
    """
    start = start.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "a Git LFS pointer" if start.startswith(b"version https://git-lfs") else None

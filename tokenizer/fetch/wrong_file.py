"""What is often found under the name of a large file: a login page, a pointer that Git LFS left, or only zeros."""


def what_it_is(start: bytes) -> str | None:
    """What a file is, judging by its first bytes, if it is a stand-in for the file that was meant; else None.

    >>> what_it_is(b"\\n<!DOCTYPE html><title>Log in</title>"), what_it_is(bytes(64)), what_it_is(b"#version: 0.2")
    ('an HTML page', 'zeros', None)
    """
    if start and not start.strip(b"\0"):
        return "zeros"
    start = start.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    if start.startswith(b"<?xml"):  # how a file store says that access is denied
        return "an XML page"
    return "a Git LFS pointer" if start.startswith(b"version https://git-lfs") else None

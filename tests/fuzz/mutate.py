"""Damage done to files: to any bytes, to JSON where it has values, to headers where they have sizes; all by a seed."""

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

EXTREMES = (0, 1, 7, 0x7F, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
ODD = (  # what may stand in JSON where something else was meant; a text stands for itself, as JSON has no name for it
    *(None, True, False, [], {}, "", "0", -1, 0, 1, 2, 0.5, -0.0, 3.0, 1e-320, 1e308, 10**5, 10**18, 2**63, 10**400),
    *([None], [[]], {"a": None}, [0, 1, 2], "\0", "\ud800", "é" * 50, "x" * 100_000, ["<|endoftext|>"] * 3),
    *("gelu", "auto", "../x", "{{ 1 }}", "(?R)", "x{99999999999}", "(" * 5000, float("nan"), float("inf")),
)
PAGES = (b"", b"\0" * 4096, b"<!DOCTYPE html><html>log in</html>", b"version https://git-lfs.github.com/spec/v1\noid x")

Mutator = Callable[[bytes, random.Random], bytes]


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """A few bits the other way round."""
    out = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flip_early(data: bytes, rng: random.Random) -> bytes:
    """The same near the beginning, where headers are."""
    n = min(len(data), rng.choice((16, 64, 1024)))
    return flip_bits(data[:n], rng) + data[n:]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.choice((len(data) - 1, rng.randrange(len(data) + 1), rng.randrange(min(len(data), 64) + 1)))]


def splice(data: bytes, rng: random.Random) -> bytes:
    """A block is copied over another, doubled, left out, zeroed, or replaced by noise."""
    n = min(len(data), rng.choice((1, 4, 8, 32, 200, 4000)))
    a, b = rng.randrange(len(data) - n + 1), rng.randrange(len(data) - n + 1)
    block = data[a : a + n]
    how = rng.randrange(6)
    if how == 0:
        return data[:b] + block + data[b + n :]
    if how == 1:
        return data[:b] + block + data[b:]
    if how == 2:
        return data[:b] + data[b + n :]
    if how == 3:
        return data[:b] + bytes(n) + data[b + n :]
    if how == 4:
        return data + block
    return data[:b] + rng.randbytes(n) + data[b + n :]


def replace_all(data: bytes, rng: random.Random) -> bytes:
    """Another thing under the name: nothing, zeros, a web page, a pointer, noise, twice the file, a BOM before it."""
    return rng.choice((*PAGES, rng.randbytes(300), data * 2, b"\xef\xbb\xbf" + data, data[::-1], b"\xff\xfe" + data))


def numbers(data: bytes, rng: random.Random) -> bytes:
    """An integer of the first bytes, of four or eight, becomes an extreme one."""
    size, code = rng.choice(((4, "<I"), (8, "<Q")))
    if len(data) < 2 * size:
        return data[:-1]
    at = rng.randrange(min(len(data), rng.choice((40, 400, 4000))) - size + 1)
    value = rng.choice(EXTREMES) % 2 ** (8 * size)
    return data[:at] + struct.pack(code, value) + data[at + size :]


def lines(data: bytes, rng: random.Random) -> bytes:
    """Lines missing, doubled, exchanged, garbled."""
    rows = data.split(b"\n")
    i, j = rng.randrange(len(rows)), rng.randrange(len(rows))
    odd = (
        b"",
        b" ",
        b"a",
        b"a b c",
        b"\xff \xfe",
        b"# x",
        b"Zg== 0",
        b"Zg== -1",
        b"Zg== 9999999999999999999",
        b"a\tb",
    )
    how = rng.randrange(5)
    if how == 0:
        rows = rows[: i + 1]
    elif how == 1:
        rows.insert(i, rows[j])
    elif how == 2:
        rows[i], rows[j] = rows[j], rows[i]
    elif how == 3:
        del rows[i]
    else:
        rows[i] = rng.choice(odd)
    return b"\n".join(rows)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values inside a JSON value; of long lists and tables only a few."""
    found = [at] if at else []
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys if len(keys) < 40 else [*keys[:3], keys[len(keys) // 2], *keys[-3:]]:
            found += places(value[key], (*at, key))
    return found


def json_value(data: bytes, rng: random.Random) -> bytes:
    """One value, key or entry of a JSON file becomes something odd; the rest stays."""
    tree = json.loads(data)
    way = rng.choice(places(tree) or [()])
    if not way:
        return json.dumps(rng.choice(ODD)).encode()
    parent = tree
    for key in way[:-1]:
        parent = parent[key]
    key, how = way[-1], rng.randrange(10)
    if how == 0:
        del parent[key]
    elif how == 1 and isinstance(parent, dict):
        parent[rng.choice((key.upper(), key + " ", "", "x", "é", key[:-1]))] = parent.pop(key)
    elif how == 2 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), parent[key])
    elif how == 3 and isinstance(parent[key], int):
        parent[key] += rng.choice((-1, 1, 256, -10 * parent[key]))
    elif how == 4:
        parent[key] = [parent[key]] * rng.choice((1, 2))
    elif how == 5:
        parent[key] = "@nested@"
    elif how == 6:
        other = rng.choice(places(tree))
        value = tree
        for step in other:
            value = value[step]
        parent[key] = json.loads(json.dumps(value))
    else:
        parent[key] = rng.choice(ODD)
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    if how == 5:
        text = text.replace('"@nested@"', rng.choice(("[" * 100_000, "[" * 100_000 + "]" * 100_000, "1e999", "-")))
    if rng.random() < 0.1:  # a key twice
        text = re.sub(r'("\w+"): (\w+|"\w*")', r"\1: null, \1: \2", text, count=1)
    return text.encode("utf-8", "surrogatepass")


def safetensors_header(data: bytes, rng: random.Random) -> bytes:
    """The JSON header of a safetensors file with an odd value, its length put right, or only the length wrong."""
    n = int.from_bytes(data[:8], "little")
    if rng.random() < 0.2:
        return rng.choice((*EXTREMES, n - 1, n + 1, len(data))).to_bytes(8, "little") + data[8:]
    header = json_value(data[8 : 8 + n], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + n :]


def zip_member(data: bytes, rng: random.Random) -> bytes:
    """A member of a zip file damaged, with the checksums put right, stored or deflated."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    names = [name for name in members if name.endswith("data.pkl")] * 4 + list(members)
    name = rng.choice(names)
    members[name] = rng.choice((flip_bits, flip_early, truncate, splice, replace_all, numbers))(members[name], rng)
    out = io.BytesIO()
    packed = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", packed) as new:
        for member, value in members.items():
            new.writestr(member, value)
    return out.getvalue()


BYTES: tuple[Mutator, ...] = (flip_bits, flip_early, truncate, splice, replace_all)
BY_FORMAT: dict[str, tuple[Mutator, ...]] = {
    "json": (*BYTES, *[json_value] * 12),
    "safetensors": (*BYTES, *[safetensors_header] * 6, numbers),
    "zip": (*BYTES, *[zip_member] * 5, numbers),
    "gguf": (*BYTES, flip_early, *[numbers] * 6),
    "lines": (*BYTES, *[lines] * 5),
}

"""Compiling a C file with the compiler that this machine has, once: the library is kept in the user's cache."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

from tokenizer.fetch.atomic import replacing
from tokenizer.fetch.verify import cache_dir

# Sums may be taken in any order, so that loops can be vectorized; nothing else about the arithmetic is relaxed.
LOOSE = ("-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno")
CPU = ("-mcpu=native",) if platform.machine() in ("arm64", "aarch64") else ("-march=native",)
FLAGS = ("-O3", *CPU, *LOOSE, "-fPIC", "-shared")
HERE = Path(__file__).parent  # where the headers are that the sources share
SECONDS = 300  # a compiler that takes longer hangs: it usually needs one


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """The library made from a C file, or None if there can be none: no compiler, no room, another system, an error.

    The file's name contains a hash of all that determines its contents: sources, compiler and processor; so a cache
    that several machines share has one for each.
    """
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None or sys.platform not in ("linux", "darwin"):
        return None
    threads = share_openmp()
    flags = (*FLAGS, "-fopenmp") if threads else FLAGS
    known = Path(compiler).stat()
    code = [file.read_text("utf-8") for file in (source, *sorted(HERE.glob("*.h")))]
    parts = (code, compiler, known.st_mtime_ns, known.st_size, flags, processor())
    path = cache_dir() / "compiled" / f"{source.stem}-{sha256(repr(parts).encode()).hexdigest()[:20]}.so"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as part:
                build(compiler, flags, source, part)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def build(compiler: str, flags: tuple[str, ...], source: Path, target: Path) -> None:
    """Compiles and links; the threads' own library is left out, since `share_openmp` has found the one to be used."""
    made = target.with_suffix(".o")
    try:
        for command in (
            [compiler, *flags, f"-I{HERE}", "-c", str(source), "-o", str(made)],
            [compiler, "-shared", str(made), "-o", str(target), "-lm"],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    finally:
        made.unlink(missing_ok=True)


def share_openmp() -> bool:
    """Whether our code can run in PyTorch's own threads: its OpenMP library is made visible to what is loaded later.

    A second library would bring a second set of threads; each waits for work by spinning, and takes the cores from the
    other. On systems other than Linux one thread does the work, which is nearly enough to keep the memory busy.
    """
    import torch  # has loaded it

    assert torch.get_num_threads()
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    found = {line[line.index("/") :] for line in lines if "gomp" in line or "iomp5" in line}
    for path in found:
        ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    return len(found) == 1  # with two it would be unclear whose threads they are


def processor() -> str:
    """What the processor calls itself and what it can do."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8", "replace").splitlines() if info.exists() else []
    told = {line for line in lines if line.startswith(("flags", "Features", "model name", "CPU part"))}
    return repr((platform.machine(), platform.processor(), sorted(told)))

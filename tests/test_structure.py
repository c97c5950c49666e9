"""The house: a short path to read, no import cycle, one direction, files that fit on a few screens, types for users."""

import ast
import importlib
import importlib.util
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("tokenizer", "minigpt", "weights")
PATH = (  # in the order in which the README sends a reader
    *("minigpt/generation/simple.py", "tokenizer/patterns.py", "tokenizer/splitting.py", "tokenizer/merging.py"),
    *("tokenizer/training.py", "tokenizer/bpe.py"),
    *("minigpt/models/config.py", "minigpt/models/layers.py", "minigpt/models/attention.py"),
    *("minigpt/models/cache.py", "minigpt/models/gpt2.py", "minigpt/generation/sampling.py"),
    *("weights/formats/safetensors.py", "weights/families/gpt2.py", "weights/loading.py", "weights/checkpoint.py"),
)


def lines(file: str) -> int:
    return (ROOT / file).read_text("utf-8").count("\n")


def sources() -> list[str]:
    return [str(file.relative_to(ROOT)) for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def module_of(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


MODULES = {module_of(file): file for file in sources()}


def imports_of(file: str) -> set[str]:
    """The project's modules that a file imports, also inside functions; those for type checkers only do not count."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.ImportFrom) and child.module:
                for alias in child.names:
                    name = f"{child.module}.{alias.name}"
                    found.add(name if name in MODULES else child.module)
            elif isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            visit(child)

    visit(ast.parse((ROOT / file).read_text("utf-8")))
    return {name for name in found if name in MODULES} - {module_of(file)}


GRAPH = {module: imports_of(file) for module, file in MODULES.items()}


def test_the_path_is_short() -> None:
    assert len(PATH) == len(set(PATH)) <= 17
    sizes = {file: lines(file) for file in PATH}
    assert sum(sizes.values()) <= 1200, f"{sum(sizes.values())} lines: {sizes}"
    assert max(sizes.values()) <= 150, sizes


def test_a_file_of_the_path_names_its_lesson_and_the_lesson_the_file() -> None:
    for file in (*PATH, "tokenizer/simple.py"):
        numbers = re.findall(r"lesson (\d\d)", (ROOT / file).read_text("utf-8").split("\n")[0])
        assert numbers, f"{file}: its first line names no lesson"
        for number in numbers:
            (lesson,) = (ROOT / "tutorials").glob(f"{number}_*.py")
            assert file in lesson.read_text("utf-8"), f"{lesson.name} does not name {file}"


def test_the_readme_leads_along_the_path() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = re.findall(r"^\| `([\w/]+\.py)` \|", text, re.MULTILINE)
    assert tuple(table) == PATH
    assert text.index("make story") < text.index(PATH[0])


def test_the_picture_shows_the_models_own_numbers() -> None:
    """Drawn anew it has the same words and, but for rounding, the same numbers."""
    spec = importlib.util.spec_from_file_location("way", ROOT / "docs" / "way.py")
    assert spec is not None
    assert spec.loader is not None
    way = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(way)
    drawn, kept = way.picture(), (ROOT / "docs" / "way.svg").read_text("utf-8")
    number = re.compile(r"\d+\.\d+")
    assert number.sub("", drawn) == number.sub("", kept)
    for one, other in zip(number.findall(drawn), number.findall(kept), strict=True):
        assert abs(float(one) - float(other)) < 0.5


def test_no_file_is_long() -> None:
    tables = {"tokenizer/unicode.py"}
    long = {file: lines(file) for file in sources() if lines(file) > 200 and file not in tables}
    assert not long


def test_no_import_cycle() -> None:
    def reachable(start: str) -> Iterator[str]:
        seen, todo = set(), [start]
        while todo:
            for module in GRAPH[todo.pop()] - seen:
                seen.add(module)
                todo.append(module)
                yield module

    assert not [module for module in GRAPH if module in reachable(module)]


def rank(module: str) -> int:
    if module.startswith("tokenizer"):
        return 0
    return 1 if module.startswith("minigpt.models") else 2 if module.startswith("weights") else 3


def test_packages_depend_one_way() -> None:
    against = {(module, used) for module, all_used in GRAPH.items() for used in all_used if rank(used) > rank(module)}
    assert not against


def test_what_lies_open_is_the_path_and_what_serves_it() -> None:
    """Whoever opens one of these folders sees the files to read and, beside them, only what the list names."""
    beside = {
        "tokenizer": {
            *("base", "streaming", "simple", "vocabulary", "ids", "display", "unicode", "suggest", "lazy"),
            *("unigram", "unigram_training", "wordpiece", "wordpiece_training"),
        },
        "minigpt/models": {
            *("llama", "llama_config", "rope", "interface", "bert"),
            *("bart", "t5", "seq2seq_config", "relative", "padding"),
        },
        "minigpt/generation": {
            *("decoding", "generate", "sequences", "settings", "stopping", "beam_search", "prompt_lookup"),
            *("noise", "completion", "keywords", "finite", "rules", "fields"),
            *("constraints", "cutoffs", "bounds"),
        },
    }
    for folder, names in beside.items():
        files = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__"}
        on_path = {Path(file).stem for file in PATH if str(Path(file).parent) == folder}
        assert files - on_path <= names, folder


def test_no_folder_bears_the_name_of_a_public_function() -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        folders = {folder.name for folder in (ROOT / package).iterdir() if (folder / "__init__.py").exists()}
        assert not folders & {name for name in dir(module) if inspect.isroutine(getattr(module, name, None))}


def public_signatures() -> Iterator[tuple[str, Any]]:
    """Every function that users of the contract call, with its name."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in dir(module):
            thing = getattr(module, name)
            if name.startswith("_") or not (getattr(thing, "__module__", "") or "").startswith(PACKAGES):
                continue
            if inspect.isclass(thing):
                for attribute, member in vars(thing).items():
                    function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                    if inspect.isfunction(function) and (attribute == "__init__" or not attribute.startswith("_")):
                        yield f"{package}.{name}.{attribute}", function
            elif inspect.isfunction(thing):
                yield f"{package}.{name}", thing


def has_any(kind: Any) -> bool:
    return kind is Any or any(map(has_any, typing.get_args(kind)))


def test_no_public_any() -> None:
    """JSON that comes from files may hold anything; what a caller gives or gets has a type."""
    json_values = {"generation_config", "config"}
    found = []
    for name, function in public_signatures():
        source = {
            alias: getattr(importlib.import_module("collections.abc"), alias) for alias in ("Sequence", "Mapping")
        }
        try:
            kinds = typing.get_type_hints(function, localns=source)
        except NameError:  # a name for type checkers only
            kinds = function.__annotations__
        found += [f"{name}({key})" for key, kind in kinds.items() if key not in json_values and has_any(kind)]
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()

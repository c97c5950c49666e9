"""Attributes of a package that are imported only when asked for, so that importing the package costs nothing."""

import importlib
import importlib.util
from collections.abc import Mapping

from tokenizer.suggest import did_you_mean


def attribute(package: str, homes: Mapping[str, str], name: str) -> object:
    """The attribute of a package, from the module that `homes` names, or that module itself if it is the attribute;
    for the package's own `__getattr__`.

    >>> attribute("weights", {"merge": "tokenizer.merging"}, "merge").__name__
    'merge'
    >>> attribute("tokenizer", {"merging": "tokenizer.merging"}, "merging").__name__
    'tokenizer.merging'
    >>> attribute("weights", {"merge": "tokenizer.merging"}, "merg")
    Traceback (most recent call last):
    AttributeError: module 'weights' has no attribute 'merg': did you mean 'merge'?
    """
    if name in homes:
        module = importlib.import_module(homes[name])
        return module if homes[name] == f"{package}.{name}" else getattr(module, name)
    known = name.startswith("_") or importlib.util.find_spec(f"{package}.{name}")  # a module to import, not a typo
    hint = "" if known else did_you_mean(name, homes)
    raise AttributeError(f"module {package!r} has no attribute {name!r}{': ' if hint else ''}{hint}")

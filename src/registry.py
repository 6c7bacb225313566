"""One small registry per kind (learning rule, loss, backbone, dataset): a mapping filled by a decorator."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from .errors import BioDeepHashingError, unknown_name

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry]):
    """A read-only mapping from names to entries that grows only through :meth:`register`.

    Args:
        kind: what the entries are, in words, for error messages ("loss").

    Raises:
        UnknownNameError: if an unregistered name is looked up.

    Example:
        >>> COLOURS = Registry("colour")
        >>> @COLOURS.register("red")
        ... class Red: ...
        >>> COLOURS["red"].__name__
        'Red'
        >>> COLOURS["rde"]
        Traceback (most recent call last):
            ...
        biodeephashing.errors.UnknownNameError: unknown colour 'rde': did you mean 'red'? Known: red.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.facts: dict[str, dict[str, Any]] = {}
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, **facts: Any) -> Callable[[Entry], Entry]:
        """Return a decorator that files an entry under a name; a name taken twice is an error.

        Args:
            name: the name.
            facts: what can be told of the entry without importing it, as literals: see :func:`declared_on_disk`.
        """

        def file(entry: Entry) -> Entry:
            if name in self._entries:
                raise BioDeepHashingError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            self.facts[name] = facts
            return entry

        return file

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@lru_cache
def declared_on_disk(folder: str, registry: str) -> dict[str, dict[str, Any]]:
    """Return what the files of a sub-package register, without importing them: the facts that stand beside each name.

    ``-h`` must answer before PyTorch could be imported, and a misspelt name should not cost that import either.

    Args:
        folder: the sub-package below the root of this package ("losses").
        registry: the variable that holds the registry ("LOSSES"); a directory may fill several.

    Example:
        >>> declared_on_disk("losses", "PENALTIES")["HSWD"]["named"]
        'always'
    """
    facts = {}
    for node in _nodes(folder, registry):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{registry}.register" and isinstance(node.args[0], ast.Constant):
            facts[str(node.args[0].value)] = {str(fact.arg): ast.literal_eval(fact.value) for fact in node.keywords}
    return dict(sorted(facts.items(), key=lambda entry: entry[0].lower()))


def names_on_disk(folder: str, registry: str) -> tuple[str, ...]:
    """Return the names that the files of a sub-package register, see :func:`declared_on_disk`.

    Example:
        >>> "DCH" in names_on_disk("losses", "LOSSES"), "DCH" in names_on_disk("losses", "PENALTIES")
        (True, False)
    """
    return tuple(declared_on_disk(folder, registry))


def keywords_on_disk(folder: str, registry: str, name: str) -> tuple[str, ...]:
    """Return the keyword-only arguments of the constructor of a registered class, without importing it.

    Args:
        folder: see :func:`declared_on_disk`.
        registry: see :func:`declared_on_disk`.
        name: what the class is registered as.

    Example:
        >>> keywords_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES", "DCMH")
        ('gamma', 'eta')
    """
    for node in _nodes(folder, registry):
        if isinstance(node, ast.ClassDef) and f"{registry}.register('{name}'" in map(_opening, node.decorator_list):
            body = (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
            return tuple(argument.arg for part in body for argument in part.args.kwonlyargs)
    return ()


def _opening(call: ast.expr) -> str:
    """Return a call as far as its first argument."""
    return re.split(r"[,)]", ast.unparse(call))[0]


def _nodes(folder: str, registry: str) -> Iterator[ast.AST]:
    """Yield all nodes of the files of a sub-package that fill a registry."""
    texts = [file.read_text("utf-8") for file in sorted((Path(__file__).parent / folder).glob("*.py"))]
    for text in texts:
        if f"{registry}.register(" in text:
            yield from ast.walk(ast.parse(text))


def load(place: str) -> Any:
    """Import what a text of the form ``module:attribute`` names.

    Example:
        >>> load("biodeephashing.registry:Registry").__name__
        'Registry'
    """
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


@lru_cache
def names_in_timm() -> tuple[str, ...]:
    """Return the names of timm's classifiers as its files register them, without importing it; none where it is not installed.

    Example:
        >>> "densenet121" in names_in_timm()
        True
    """
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        return ()
    pattern = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
    files = sorted((Path(spec.origin).parent / "models").glob("*.py"))
    return tuple(sorted(name for file in files for name in pattern.findall(file.read_text("utf-8"))))

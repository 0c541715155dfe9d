"""What the package imports is what it says that it needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All that is in a module, but for what only type checkers read."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _executed(child)


def imported() -> set[str]:
    """The packages that modules of ours import."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in _executed(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"litestar_sqlstores"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    declared = {normal(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}
    providers = packages_distributions()
    # A namespace that many distributions share.
    undeclared = {name for name in imported() if not declared & {normal(each) for each in providers.get(name, ())}}
    assert undeclared - {"google"} == set()
    assert "sqlspec" in imported()

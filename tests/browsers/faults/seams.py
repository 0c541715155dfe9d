"""Faults that this package had, or could have, each by name: put back on purpose, the histories find them.

A fault takes a function of the package's and puts another in its place, in the processes of the web server, before the
application is made. If the function is no longer there, that fails, and the fault is to be written anew.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("FAULTS", "STORE", "Fault", "SeamGone", "always", "never_done", "put_back", "register")


STORE = "litestar_sqlstores.store:BaseSQLSpecStore"


class SeamGone(Exception):  # noqa: N818 - says what is so
    """What a fault wants to replace is not there."""


@dataclass(frozen=True)
class Fault:
    """Something broken.

    Attributes:
        found_as: The kinds of violations that it may be found as.
        seams: What it replaces, ``module:name`` or ``module:class.name``, and by what: a function of the original.
    """

    found_as: frozenset[str]
    seams: tuple[tuple[str, Callable[[Any], Any]], ...]


FAULTS: dict[str, Fault] = {}


def put_back(name: str) -> None:
    """Break this process's package; an empty name leaves it as it is.

    Raises:
        SeamGone: What the fault replaces is not there.
    """
    if not name:
        return
    for path, make in FAULTS[name].seams:
        module, _, names = path.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, last = names.split(".")
        for parent in parents:
            owner = getattr(owner, parent, None)
        # What a class has from its parents is another seam.
        found = next((vars(each)[last] for each in getattr(owner, "__mro__", [owner]) if last in vars(each)), None)
        if found is None:
            msg = f"the fault {name!r} replaces {path}, which is not there: write it anew"
            raise SeamGone(msg)
        setattr(owner, last, make(found))


def register(name: str, found_as: str, *seams: tuple[str, Callable[[Any], Any]]) -> None:
    """Remember a fault: what it is called, how it is found, and what it replaces."""
    FAULTS[name] = Fault(frozenset(found_as.split(", ")), seams)


def always(value: Any) -> Callable[[Any], Any]:
    """What gives one value, whatever it is asked."""
    return lambda _: lambda *_args, **_kwargs: value


def never_done(result: Any = None) -> Callable[[Any], Any]:
    """What does nothing, asynchronously."""

    def make(_: Any) -> Any:
        async def nothing(*_args: Any, **_kwargs: Any) -> Any:
            return result

        return nothing

    return make

"""The options of a URL: what each is called in the driver, how its text is read, and why a value cannot be had."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from litestar_sqlstores.errors import ConfigurationError

__all__ = (
    "COUNT",
    "FLAG",
    "SECONDS",
    "TEXT",
    "Option",
    "Reader",
    "already",
    "choice",
    "query_pairs",
    "read_options",
    "refused",
    "unknown_option",
)

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Reader:
    """How the text of an option is read.

    Args:
        wants: What it may be, as the error says it.
        read: From the text to the value; raises ValueError for anything else.
    """

    wants: str
    read: Callable[[str], Any]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError from None


TEXT = Reader("a text", str)
SECONDS = Reader("a positive number of seconds", _seconds)
COUNT = Reader("a number, 0 or more", _count)
FLAG = Reader("true or false", _flag)


def choice(*values: str) -> Reader:
    """One of some words, in upper or lower case."""

    def read(text: str) -> str:
        if text.lower() not in values:
            raise ValueError
        return text.lower()

    return Reader(" or ".join([", ".join(values[:-1]), values[-1]] if values[1:] else values), read)


@dataclass(frozen=True)
class Option:
    """An option that a URL may have.

    Args:
        argument: What the driver calls it; empty if what it asks for is so anyway, and nothing has to be said.
        reader: How its text is read. None if no value can be had.
        because: Why other values cannot be had, and what to do instead.
    """

    argument: str
    reader: Reader | None
    because: str = ""


def already(reader: Reader, because: str = "") -> Option:
    """An option that asks for what is so anyway."""
    return Option("", reader, because)


def refused(because: str) -> Option:
    """An option that cannot be had, and what to do instead."""
    return Option("", None, because)


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query, in order."""
    return parse_qsl(query, keep_blank_values=True)


def read_options(kind: str, pairs: list[tuple[str, str]], known: Mapping[str, Option]) -> dict[str, Any]:
    """What the options of a URL say, by the driver's names.

    Args:
        kind: The kind of URL, with its article: ``a MySQL URL``.
        pairs: Names and values.
        known: The options that such a URL may have.

    Raises:
        ConfigurationError: An option is unknown, given twice, or cannot be honoured; it is named.
    """
    found: dict[str, Any] = {}
    seen: set[str] = set()
    for name, text in pairs:
        option = known.get(name)
        if option is None:
            raise unknown_option(kind, [each for each, _ in pairs if each not in known], known)
        if option.reader is None:
            msg = f"{kind} cannot have the option {name}: {option.because}"
            raise ConfigurationError(msg)
        if name in seen:
            msg = f"{kind} has the option {name} twice"
            raise ConfigurationError(msg)
        seen.add(name)
        try:
            value = option.reader.read(text)
        except ValueError:
            because = f": {option.because}" if option.because else ""
            msg = f"in {kind}, the option {name} is {text!r}; it may be {option.reader.wants}{because}"
            raise ConfigurationError(msg) from None
        if option.argument:
            if option.argument in found and found[option.argument] != value:
                msg = f"{kind} has options that contradict each other; one of them is {name}"
                raise ConfigurationError(msg)
            found[option.argument] = value
    return found


def unknown_option(kind: str, names: list[str], known: Mapping[str, Option]) -> ConfigurationError:
    """The error for options that nobody knows."""
    may_have = ", ".join(name for name, option in known.items() if option.reader is not None)
    unknown = ", ".join(map(repr, dict.fromkeys(names)))
    return ConfigurationError(f"{kind} has no option {unknown}; it may have {may_have or 'none'}")

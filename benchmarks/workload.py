"""The sessions in the table, and the calls that are made on them.

Calls are planned before the clock starts: making keys and values must not be part of any figure.
"""

import hashlib
import random
from itertools import cycle, islice
from typing import Literal, NamedTuple, TypeAlias

__all__ = ("MAX_AGE", "MIN_VALUE_SIZE", "Action", "Call", "Workload", "session_key")

MAX_AGE = 14 * 24 * 60 * 60
"""Seconds a session lives: the default of Litestar's session configuration."""

MIN_VALUE_SIZE = 64

_RENEWAL_STEP = 61
"""Seconds: just beyond the minute that ``renew_tolerance`` lets the expiry of a two-week session be off."""

_SPREAD = 60 * 60
"""Seconds from the expiry of the first session to that of the last."""

_MIXED = (0.90, 0.09)
"""The shares of reads and of changes; the rest are deletions."""

Action: TypeAlias = Literal["read", "change", "delete"]


class Call(NamedTuple):
    """What one call is about; each operation takes the part it needs."""

    key: str
    value: bytes
    """What is stored under the key (or, for an operation that writes, will be)."""
    lifetime: int
    """Seconds, for ``expires_in`` and ``renew_for``."""
    action: Action = "read"
    """What is done, where that is not the same for all calls of a plan."""


class Workload:
    """The live sessions of one peer's table, and plans of calls on them.

    Keys look like Litestar's session ids and come in random order. No key comes twice until all have come, so calls of
    concurrent callers do not meet on one key, and what a key holds after a plan is known.

    Args:
        rows: How many sessions the table holds.
        value_size: Bytes that each holds.
        hot: How many of them are called for, at most; they are drawn from all.
        part: Which of the processes that share the table this is.
        parts: How many processes share it; each has sessions of its own.
    """

    def __init__(self, rows: int, value_size: int, hot: int | None = None, part: int = 0, parts: int = 1) -> None:
        if value_size < MIN_VALUE_SIZE:
            msg = f"values of {value_size} bytes are too small for a session; the least is {MIN_VALUE_SIZE}"
            raise ValueError(msg)
        self.rows = rows
        chosen = random.Random(0).sample(range(rows), min(rows, hot or rows))[part::parts]
        self._random = random.Random(part)
        self._value_size = value_size
        self._token = self._random.randbytes(value_size).hex()
        self._versions = 0
        self._values = {session_key(number): self._new_value() for number in chosen}
        self._keys = cycle(self._random.sample(list(self._values), len(chosen)))
        # Spread, as the expiries of people who come one after another are.
        self._lifetimes = {key: MAX_AGE + self._random.randrange(_SPREAD) for key in self._values}

    def everything(self) -> list[Call]:
        """Each session that is called for, once: storing these resets the table."""
        return [Call(key, value, self._lifetimes[key]) for key, value in self._values.items()]

    def existing(self, count: int) -> list[Call]:
        """Sessions that are there, as they are."""
        return [Call(key, self._values[key], self._lifetimes[key]) for key in self._next_keys(count)]

    def changed(self, count: int) -> list[Call]:
        """Sessions that are there, each with a value it never had."""
        calls = [Call(key, self._new_value(), self._lifetimes[key], "change") for key in self._next_keys(count)]
        self._values.update((call.key, call.value) for call in calls)
        return calls

    def prolonged(self, count: int) -> list[Call]:
        """Sessions that are there; their renewal is due, because it moves the expiry by more than a minute."""
        calls = []
        for key in self._next_keys(count):
            self._lifetimes[key] += _RENEWAL_STEP
            calls.append(Call(key, self._values[key], self._lifetimes[key]))
        return calls

    def fresh(self, count: int) -> list[Call]:
        """Sessions that are not there."""
        return [Call(self._random.randbytes(32).hex(), self._new_value(), MAX_AGE, "delete") for _ in range(count)]

    def mixed(self, count: int) -> list[Call]:
        """What an application does: 90 % reads, 9 % changes, 1 % ends of sessions, which are added for that."""
        reads, changes = _MIXED
        draws = [self._random.random() for _ in range(count)]
        return [
            (self.existing if draw < reads else self.changed if draw < reads + changes else self.fresh)(1)[0]
            for draw in draws
        ]

    def _next_keys(self, count: int) -> list[str]:
        return list(islice(self._keys, count))

    def _new_value(self) -> bytes:
        self._versions += 1
        start = f'{{"user_id":{self._versions % 1000},"visits":{self._versions},"token":"'
        return f'{start}{self._token[: self._value_size - len(start) - 2]}"}}'.encode()


def session_key(number: int) -> str:
    """The key of a session; SQL can say it too, which is how tables of millions are filled."""
    return hashlib.sha256(str(number).encode()).hexdigest()

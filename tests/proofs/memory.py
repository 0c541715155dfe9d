"""A store in memory that keeps its promises, and stores that break one each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

from litestar_sqlstores import StoreTimeoutError

NEVER = float("inf")


@dataclass
class Row:
    value: bytes
    expires_at: float = NEVER


class MemoryStore:
    """Each call takes a while, and effect at one moment of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rows: dict[str, Row] = {}

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def travel(self) -> None:
        await asyncio.sleep(self.random.uniform(0.0001, 0.004))

    def alive(self, key: str) -> Row | None:
        row = self.rows.get(key)
        return row if row and row.expires_at > self.now else None

    def store(self, key: str, value: bytes, ttl: float | None) -> None:
        self.rows[key] = Row(value, NEVER if ttl is None else self.now + ttl)

    def extend(self, row: Row | None, ttl: float) -> None:
        if row and row.expires_at < NEVER:
            row.expires_at = self.now + ttl

    async def get(self, key: str, renew_for: Any = None) -> bytes | None:
        await self.travel()
        row = self.alive(key)
        value = row.value if row else None
        if renew_for:
            self.extend(row, renew_for)
        await self.travel()
        return value

    async def set(self, key: str, value: Any, expires_in: Any = None) -> None:
        await self.travel()
        self.store(key, value, expires_in)
        await self.travel()

    async def delete(self, key: str) -> None:
        await self.travel()
        self.rows.pop(key, None)
        await self.travel()

    async def renew(self, key: str, renew_for: Any) -> bool:
        await self.travel()
        row = self.alive(key)
        self.extend(row, renew_for)
        await self.travel()
        return row is not None

    async def increment(self, key: str, by: int = 1, expires_in: Any = None) -> int:
        await self.travel()
        row = self.alive(key)
        if row is None:
            self.store(key, b"%d" % by, expires_in)
        else:
            row.value = b"%d" % (int(row.value) + by)
        total = int(self.rows[key].value)
        await self.travel()
        return total

    async def replace(self, key: str, value: Any, expires_in: Any = None, *, expected: Any = None) -> bool:
        await self.travel()
        row = self.alive(key)
        replaced = row is not None and expected in {None, row.value}
        if replaced:
            self.store(key, value, expires_in)
        await self.travel()
        return replaced

    async def expires_in(self, key: str) -> int | None:
        await self.travel()
        row = self.alive(key)
        remaining = None if row is None else -1 if row.expires_at == NEVER else int(row.expires_at - self.now)
        await self.travel()
        return remaining


class ReadsFromACache(MemoryStore):
    cached: dict[str, bytes | None]

    async def get(self, key: str, renew_for: Any = None) -> bytes | None:
        self.cached = getattr(self, "cached", {})
        if renew_for or self.random.random() < 0.5 or key not in self.cached:
            self.cached[key] = await super().get(key, renew_for)
        return self.cached[key]


class AnswersAnother(MemoryStore):
    async def get(self, key: str, renew_for: Any = None) -> bytes | None:
        if self.random.random() < 0.01:
            key = self.random.choice([*self.rows, key])
        return await super().get(key, renew_for)


class LosesIncrements(MemoryStore):
    async def increment(self, key: str, by: int = 1, expires_in: Any = None) -> int:
        row = self.alive(key)
        total = (int(row.value) if row else 0) + by
        await self.travel()
        self.rows[key] = Row(b"%d" % total, row.expires_at if row else self.now + (expires_in or NEVER))
        return total


class SetsTwice(MemoryStore):
    """As one that repeats what may have run."""

    async def set(self, key: str, value: Any, expires_in: Any = None) -> None:
        await super().set(key, value, expires_in)
        await super().set(key, value, expires_in)


class WritesLate(MemoryStore):
    """As one that gives a statement up and lets it go on at the server."""

    async def set(self, key: str, value: Any, expires_in: Any = None) -> None:
        if self.random.random() < 0.1:
            asyncio.get_running_loop().call_later(0.05, self.store, key, value, expires_in)
            raise StoreTimeoutError
        await super().set(key, value, expires_in)


class ForgetsDeletes(MemoryStore):
    async def delete(self, key: str) -> None:
        if self.random.random() < 0.95:
            await super().delete(key)


class LosesAcknowledgedSets(MemoryStore):
    async def set(self, key: str, value: Any, expires_in: Any = None) -> None:
        if self.random.random() < 0.98:
            await super().set(key, value, expires_in)


class ReplacesWhatChanged(MemoryStore):
    async def replace(self, key: str, value: Any, expires_in: Any = None, *, expected: Any = None) -> bool:
        row = self.alive(key)
        await self.travel()
        if row is None or expected not in {None, row.value}:
            return False
        self.store(key, value, expires_in)
        return True


class RevivesTheExpired(MemoryStore):
    """A renewal that is judged by the clock of its start, and waits for a lock."""

    async def renew(self, key: str, renew_for: Any) -> bool:
        row = self.alive(key)
        await asyncio.sleep(0.3)
        self.extend(row, renew_for)
        return row is not None


class RenewsAnyRow(MemoryStore):
    """A renewal that extends what has replaced the entry that was read."""

    async def get(self, key: str, renew_for: Any = None) -> bytes | None:
        row = self.alive(key)
        value = row.value if row else None
        await asyncio.sleep(0.03)
        if renew_for and row:
            self.extend(self.rows.get(key), renew_for)
        return value


class MakesPermanent(MemoryStore):
    def extend(self, row: Row | None, ttl: float) -> None:
        if row and row.expires_at < NEVER and ttl > 1:
            row.expires_at = NEVER


class RoundsExpiriesUp(MemoryStore):
    def store(self, key: str, value: bytes, ttl: float | None) -> None:
        super().store(key, value, ttl and max(ttl, 0.05))


BROKEN: list[type[MemoryStore]] = [
    ReadsFromACache,
    AnswersAnother,
    LosesIncrements,
    SetsTwice,
    WritesLate,
    ForgetsDeletes,
    LosesAcknowledgedSets,
    ReplacesWhatChanged,
    RevivesTheExpired,
    RenewsAnyRow,
    MakesPermanent,
    RoundsExpiriesUp,
]

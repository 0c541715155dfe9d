"""A backend's methods as the coalescer takes them: which lock rows, may run twice, or are about no key."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Concatenate, Generic, Self, TypeVar

from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.backends.records import Due, Entry, Renewal, RenewedData, Replacement
from litestar_sqlstores.coalescing import Answers, Operation, Together

__all__ = ("Operations",)

ConnectionT = TypeVar("ConnectionT")


class Operations(Generic[ConnectionT]):
    """The methods of a backend as the coalescer takes them.

    Args:
        backend: Whose methods they are.
    """

    def __init__(self, backend: Backend[Any, ConnectionT]) -> None:
        self._write_keys_by(backend)
        self.get = _about_keys(backend.get)
        self.remaining = _about_keys(backend.remaining)
        self.owned = _alone(backend.owned)
        self.delete_owned = _alone(backend.delete_owned)
        self.delete_namespace = _alone(backend.delete_namespace)
        self.delete_prefix = _alone(backend.delete_prefix)
        # Nobody sees what has expired, nor a table that is there already.
        self.delete_expired = _alone(backend.delete_expired, repeatable=True)
        self.stats = _alone(backend.stats, writes=False)
        self.namespaces = _alone(backend.namespaces, writes=False)
        self.inspect = _alone(backend.inspect, writes=False)
        self.add = _alone(backend.add)
        self.sqlspec_sessions = _alone(backend.sqlspec_sessions, writes=False)
        self.delete_sqlspec_sessions = _alone(backend.delete_sqlspec_sessions)
        self.check_table = _alone(backend.check_table, repeatable=True)
        self.table_shape = _alone(backend.table_shape, repeatable=True)
        self.create_table = _alone(backend.create_table, repeatable=True)
        self.drop_table = _alone(backend.drop_table)
        self._serial = itertools.count()

    def writing_by(self, backend: Backend[Any, ConnectionT]) -> Self:
        """The same operations, but for those that write single keys: those of another backend, never in one batch."""
        operations = copy.copy(self)
        operations._write_keys_by(backend)
        return operations

    def _write_keys_by(self, backend: Backend[Any, ConnectionT]) -> None:
        async def get_and_renew(connection: ConnectionT, renewals: Mapping[bytes, Renewal]) -> Mapping[bytes, bytes]:
            found, written, due, waiting = await backend.get_and_renew(connection, renewals)
            return _with_renewed(found, written, due, waiting)

        async def renew_due(connection: ConnectionT, renewals: Mapping[bytes, Due]) -> Mapping[bytes, bytes]:
            found, written, due, _ = await backend.renew_due(connection, renewals)
            return _with_renewed(found, written, due)

        async def renew(connection: ConnectionT, renewals: Mapping[bytes, Renewal]) -> Mapping[bytes, bool]:
            keys, written, *_ = await backend.renew(connection, renewals)
            found = dict.fromkeys(keys, True)
            return found if written is None else Answers(found, written)

        async def set_(connection: ConnectionT, entries: Mapping[bytes, Entry]) -> Mapping[bytes, None]:
            return Answers({}, await backend.set(connection, entries))

        async def set_keeping_ttl(connection: ConnectionT, entries: Mapping[bytes, Entry]) -> Mapping[bytes, None]:
            return Answers({}, await backend.set_keeping_ttl(connection, entries))

        async def replace(connection: ConnectionT, replacements: Mapping[bytes, Replacement]) -> Mapping[bytes, bool]:
            return dict.fromkeys(await backend.replace(connection, replacements), True)

        self.delete = _about_keys(backend.delete, writes=True)
        # Repeated like a read: renewing twice leaves what renewing once does, and what others have written in between
        # stays as it is; what is gone does not come back.
        self.get_and_renew = _with_arguments(get_and_renew, repeatable=True)
        if backend.reads_while_others_write:
            then = _with_arguments(renew_due, "get_and_renew", repeatable=True)
            self.get_and_renew = Operation("get_and_renew", get_and_renew, writes=False, repeatable=True, then=then)
        self.renew = _with_arguments(renew)
        self.set = _with_arguments(set_, "set")
        self.set_keeping_ttl = _with_arguments(set_keeping_ttl)
        self.replace = _apart(replace)
        self.increment = _added_up(backend.increment)

    def unique_key(self) -> bytes:
        """A key for a call that is about no key, so that it never becomes one with another."""
        return next(self._serial).to_bytes(8, "big")


def _with_renewed(
    found: Mapping[bytes, bytes],
    written: int | None,
    due: Collection[bytes],
    waiting: Mapping[bytes, Due] = MappingProxyType({}),
) -> Mapping[bytes, bytes]:
    if due:
        found = {**found, **{key: RenewedData(found[key]) for key in due if key in found}}
    return found if written is None else Answers(found, written, waiting)


def _about_keys(
    run: Callable[[ConnectionT, Sequence[bytes]], Awaitable[Mapping[bytes, Any] | None]], *, writes: bool = False
) -> Operation[ConnectionT]:
    async def run_batch(connection: ConnectionT, batch: dict[bytes, Any]) -> Mapping[bytes, Any]:
        return await run(connection, list(batch)) or {}

    return Operation(run.__name__, run_batch, writes, repeatable=not writes)


def _with_arguments(
    run: Callable[[ConnectionT, Mapping[bytes, Any]], Awaitable[Mapping[bytes, Any]]],
    name: str | None = None,
    *,
    repeatable: bool = False,
) -> Operation[ConnectionT]:
    return Operation(name or run.__name__, run, writes=True, repeatable=repeatable)


def _apart(
    run: Callable[[ConnectionT, Mapping[bytes, Any]], Awaitable[Mapping[bytes, Any]]],
) -> Operation[ConnectionT]:
    return Operation(run.__name__, run, writes=True, together=Together.APART)


def _added_up(
    run: Callable[[ConnectionT, Mapping[bytes, Any]], Awaitable[Mapping[bytes, Any]]],
) -> Operation[ConnectionT]:
    return Operation(run.__name__, run, writes=True, together=Together.SUM)


def _alone(
    run: Callable[Concatenate[ConnectionT, ...], Awaitable[Any]], *, writes: bool = True, repeatable: bool = False
) -> Operation[ConnectionT]:
    async def run_batch(connection: ConnectionT, batch: dict[bytes, Any]) -> Mapping[bytes, Any]:
        return {key: await run(connection, *arguments) for key, arguments in batch.items()}

    return Operation(run.__name__, run_batch, writes, repeatable=repeatable or not writes)

"""What is measured: an operation is a plan of calls, and what one call does to a store."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from litestar.stores.base import Store

from benchmarks.workload import Call, Workload

__all__ = ("OPERATIONS", "CallStore", "Operation", "Statement", "get", "set_value", "store_what_will_be_deleted")

CallStore: TypeAlias = Callable[[Store, Call], Awaitable[object]]
Statement: TypeAlias = Literal["get", "get_and_renew", "set", "delete"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the report."""

    name: str
    description: str
    plan: Callable[[Workload, int], list[Call]]
    call: CallStore
    before: CallStore | None = None
    """Done with each planned call before the clock starts."""
    after: CallStore | None = None
    """Done with each planned call after the clock stopped, so that the table keeps its size."""
    answers: bool = False
    """Whether a call answers with the value."""
    removes: bool = False
    """Whether what is planned as a deletion is gone afterwards."""
    fresh: bool = False
    """Whether the sessions must have been stored just now for the operation to be what it says."""
    makes_values: bool = False
    """Whether the plan holds a new value for each call, so that it must not get too long."""
    statement: Statement | None = None
    """The statement of a store of ours that does it, for a driver without the store."""


def get(store: Store, call: Call) -> Awaitable[object]:
    return store.get(call.key)


def get_and_renew(store: Store, call: Call) -> Awaitable[object]:
    return store.get(call.key, renew_for=call.lifetime)


def set_value(store: Store, call: Call) -> Awaitable[object]:
    return store.set(call.key, call.value, expires_in=call.lifetime)


def delete(store: Store, call: Call) -> Awaitable[object]:
    return store.delete(call.key)


def act(store: Store, call: Call) -> Awaitable[object]:
    if call.action == "read":
        return get_and_renew(store, call)
    return set_value(store, call) if call.action == "change" else delete(store, call)


async def store_what_will_be_deleted(store: Store, call: Call) -> None:
    if call.action == "delete":
        await set_value(store, call)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("get", "read a session", Workload.existing, get, answers=True, statement="get"),
        Operation(
            "get+renew",
            "read and renew a session whose expiry is less than a minute off",
            Workload.existing,
            get_and_renew,
            answers=True,
            fresh=True,
            statement="get_and_renew",
        ),
        Operation(
            "get+renew due",
            "read and renew a session whose expiry moves by more than a minute",
            Workload.prolonged,
            get_and_renew,
            answers=True,
            statement="get_and_renew",
        ),
        Operation(
            "set",
            "store a changed value in a session that is there",
            Workload.changed,
            set_value,
            makes_values=True,
            statement="set",
        ),
        Operation(
            "set new",
            "store a session that is not there",
            Workload.fresh,
            set_value,
            after=delete,
            makes_values=True,
            statement="set",
        ),
        Operation(
            "set unchanged",
            "store a session as it is, as Litestar does on every response",
            Workload.existing,
            set_value,
            fresh=True,
            statement="set",
        ),
        Operation(
            "delete",
            "delete a session",
            Workload.fresh,
            delete,
            before=set_value,
            removes=True,
            makes_values=True,
            statement="delete",
        ),
        Operation(
            "mixed",
            "90 % read and renew, 9 % store a changed value, 1 % delete",
            Workload.mixed,
            act,
            before=store_what_will_be_deleted,
            removes=True,
            fresh=True,
            makes_values=True,
        ),
    )
}

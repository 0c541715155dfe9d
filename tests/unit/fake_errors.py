"""What the driver of the fake database raises, when it does, and what that means to the coalescer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from litestar_sqlstores import errors
from litestar_sqlstores.coalescing import Failure

ERRORS: dict[Failure, type[errors.StoreError]] = {
    Failure.CONFLICT: errors.ConflictError,
    Failure.BUSY: errors.ConflictError,
    Failure.DISCONNECTED: errors.UnavailableError,
    Failure.NOT_SENT: errors.UnavailableError,
    Failure.READ_ONLY: errors.UnavailableError,
    Failure.INACCESSIBLE: errors.UnavailableError,
    Failure.MISSING_TABLE: errors.MissingTableError,
    Failure.MISSING_SCHEMA: errors.SchemaError,
    Failure.WRONG_SCHEMA: errors.SchemaError,
    Failure.BAD_VALUE: errors.InvalidValueError,
    Failure.OTHER: errors.DatabaseError,
}


class DriverError(Exception):
    """What a driver raises."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


def classify(error: Exception) -> Failure:
    return error.failure if isinstance(error, DriverError) else Failure.OTHER


def describe(error: Exception) -> errors.StoreError:
    described = ERRORS[classify(error)]("described")
    described.__cause__ = error
    return described


def pause(seconds: float, *, then: Failure | None = None) -> Callable[..., Awaitable[None]]:
    """What takes its time, and may fail after it."""

    async def wait(*_: object) -> None:
        await asyncio.sleep(seconds)
        if then is not None:
            raise DriverError(then)

    return wait


def fail(failure: Failure) -> Callable[..., Awaitable[None]]:
    """What fails at once."""

    async def raise_error(*_: object) -> None:
        raise DriverError(failure)

    return raise_error

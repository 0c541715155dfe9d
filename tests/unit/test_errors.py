from __future__ import annotations

import copy
import pickle
import sqlite3
from typing import Any

import asyncpg
import pytest
from sqlspec.adapters.aiosqlite import AiosqliteConfig
from sqlspec.adapters.asyncpg import AsyncpgConfig

import litestar_sqlstores
from litestar_sqlstores import errors
from litestar_sqlstores.backends.aiosqlite import AiosqliteBackend
from litestar_sqlstores.backends.asyncpg import AsyncpgBackend
from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.settings import Settings

ALL = [getattr(errors, name) for name in errors.__all__]


def aiosqlite_backend(**settings: Any) -> Backend[Any, Any]:
    return AiosqliteBackend(AiosqliteConfig(connection_config={"database": "app.db"}), Settings(**settings))


def asyncpg_backend(**settings: Any) -> Backend[Any, Any]:
    return AsyncpgBackend(AsyncpgConfig(connection_config={"dsn": "postgresql://localhost"}), Settings(**settings))


def sqlite_error(text: str, code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind(text)
    error.sqlite_errorcode = code
    return error


# -- the hierarchy


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_a_store_error_that_the_package_exports(error: type[errors.StoreError]) -> None:
    assert issubclass(error, errors.StoreError)
    assert error.__name__.endswith("Error")
    assert error.__doc__
    assert getattr(litestar_sqlstores, error.__name__) is error
    assert error.__name__ in litestar_sqlstores.__all__


@pytest.mark.parametrize(
    "error, bases",
    [
        (errors.ConfigurationError, [ValueError]),
        (errors.MissingDriverError, [errors.ConfigurationError, ImportError]),
        (errors.InvalidKeyError, [TypeError]),
        (errors.InvalidValueError, [ValueError]),
        (errors.ValueTooLargeError, [errors.InvalidValueError]),
        (errors.DurationError, [ValueError]),
        (errors.MissingTableError, [errors.SchemaError]),
        (errors.UnavailableError, [ConnectionError]),
        (errors.StoreTimeoutError, [TimeoutError]),
    ],
)
def test_errors_can_be_caught_as_what_python_calls_them(error: type[Exception], bases: list[type[Exception]]) -> None:
    assert all(issubclass(error, base) for base in bases)


def test_what_passes_by_itself_is_apart_from_what_is_wrong() -> None:
    transient = {errors.UnavailableError, errors.StoreTimeoutError, errors.OverloadedError, errors.ConflictError}
    assert {error for error in ALL if issubclass(error, errors.TransientError)} == {errors.TransientError, *transient}


@pytest.mark.parametrize("error", ALL)
def test_an_error_shows_its_text_and_travels_to_other_processes(error: type[errors.StoreError]) -> None:
    raised = error("what happened; what to do")
    for other in (raised, copy.copy(raised), pickle.loads(pickle.dumps(raised))):
        assert type(other) is error
        assert str(other) == "what happened; what to do"


# -- what callers see of a driver's error

SQLITE_ERRORS: list[tuple[Exception, type[errors.StoreError]]] = [
    (sqlite_error("no such table: litestar_session", sqlite3.SQLITE_ERROR), errors.MissingTableError),
    (sqlite_error("unknown database app", sqlite3.SQLITE_ERROR), errors.SchemaError),
    (sqlite_error("no such column: expires_at", sqlite3.SQLITE_ERROR), errors.SchemaError),
    (sqlite_error("table litestar_session has no column named owner", sqlite3.SQLITE_ERROR), errors.SchemaError),
    (sqlite_error("database is locked", sqlite3.SQLITE_BUSY), errors.ConflictError),
    (sqlite_error("database is locked", sqlite3.SQLITE_BUSY_SNAPSHOT), errors.ConflictError),
    (sqlite_error("database table is locked", sqlite3.SQLITE_LOCKED_SHAREDCACHE), errors.ConflictError),
    (sqlite_error("string or blob too big", sqlite3.SQLITE_TOOBIG, sqlite3.DataError), errors.InvalidValueError),
    (
        sqlite_error("CHECK constraint failed", sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.IntegrityError),
        errors.InvalidValueError,
    ),
    (sqlite_error("unable to open database file", sqlite3.SQLITE_CANTOPEN), errors.UnavailableError),
    (sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR_READ), errors.UnavailableError),
    (sqlite3.ProgrammingError("Cannot operate on a closed database."), errors.UnavailableError),
    (sqlite_error("database or disk is full", sqlite3.SQLITE_FULL), errors.UnavailableError),
    (sqlite_error("attempt to write a readonly database", sqlite3.SQLITE_READONLY), errors.UnavailableError),
    (sqlite_error("database disk image is malformed", sqlite3.SQLITE_CORRUPT), errors.UnavailableError),
    (sqlite3.OperationalError("something else"), errors.DatabaseError),
    (RuntimeError("a bug"), errors.DatabaseError),
]
POSTGRESQL_ERRORS: list[tuple[Exception, type[errors.StoreError]]] = [
    (asyncpg.UndefinedTableError('relation "litestar_session" does not exist'), errors.MissingTableError),
    (asyncpg.InvalidSchemaNameError('schema "app" does not exist'), errors.SchemaError),
    (asyncpg.UndefinedColumnError('column "owner" does not exist'), errors.SchemaError),
    (asyncpg.UndefinedFunctionError("operator does not exist: jsonb = bytea"), errors.SchemaError),
    (asyncpg.DatatypeMismatchError("column is of type jsonb"), errors.SchemaError),
    (asyncpg.WrongObjectTypeError('"litestar_session" is an index'), errors.SchemaError),
    (asyncpg.DeadlockDetectedError("deadlock detected"), errors.ConflictError),
    (asyncpg.SerializationError("could not serialize access"), errors.ConflictError),
    (asyncpg.LockNotAvailableError("could not obtain lock"), errors.ConflictError),
    (asyncpg.InvalidTextRepresentationError("invalid input syntax for type json: s3cr3t"), errors.InvalidValueError),
    (asyncpg.UntranslatableCharacterError("unsupported Unicode escape sequence"), errors.InvalidValueError),
    (asyncpg.NumericValueOutOfRangeError("value out of range"), errors.InvalidValueError),
    (asyncpg.DataError("invalid input for query argument $1: 's3cr3t'"), errors.InvalidValueError),
    (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), errors.UnavailableError),
    (asyncpg.InterfaceError("connection is closed"), errors.UnavailableError),
    (
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
        errors.UnavailableError,
    ),
    (asyncpg.AdminShutdownError("terminating connection"), errors.UnavailableError),
    (asyncpg.CannotConnectNowError("the database system is starting up"), errors.UnavailableError),
    (asyncpg.TooManyConnectionsError("sorry, too many clients already"), errors.UnavailableError),
    (ConnectionRefusedError(111, "Connect call failed"), errors.UnavailableError),
    (TimeoutError(), errors.UnavailableError),
    (OSError("Multiple exceptions"), errors.UnavailableError),
    (asyncpg.InsufficientPrivilegeError("permission denied for table litestar_session"), errors.DatabaseError),
    (asyncpg.DiskFullError("no space left on device"), errors.DatabaseError),
    (RuntimeError("a bug"), errors.DatabaseError),
]


def named(cases: list[tuple[Exception, type[errors.StoreError]]]) -> list[Any]:
    return [pytest.param(*case, id=f"{type(case[0]).__name__}-{number}") for number, case in enumerate(cases)]


@pytest.mark.parametrize("cause, expected", named(SQLITE_ERRORS))
def test_what_sqlite_says_becomes_an_error_of_ours(cause: Exception, expected: type[errors.StoreError]) -> None:
    check(aiosqlite_backend(table="app.sessions"), cause, expected)


@pytest.mark.parametrize("cause, expected", named(POSTGRESQL_ERRORS))
def test_what_postgresql_says_becomes_an_error_of_ours(cause: Exception, expected: type[errors.StoreError]) -> None:
    check(asyncpg_backend(table="app.sessions"), cause, expected)


def check(backend: Backend[Any, Any], cause: Exception, expected: type[errors.StoreError]) -> None:
    described = backend.describe(cause)
    assert type(described) is expected
    assert described.__cause__ is cause
    assert backend.describe(cause) is not described
    # A driver's text may hold values; but what SQLite says of a file does not.
    is_about_a_file = str(described).startswith("the database file ")
    assert str(cause) == "" or is_about_a_file or str(cause) not in str(described)


@pytest.mark.parametrize("make_backend", [aiosqlite_backend, asyncpg_backend])
@pytest.mark.parametrize(
    "failure, text",
    [
        (
            Failure.MISSING_TABLE,
            "table 'app.sessions' does not exist; create it with `await store.create_table()`",
        ),
        (Failure.MISSING_SCHEMA, "the schema of table 'app.sessions' does not exist; create it, or name another table"),
        (Failure.WRONG_SCHEMA, "table 'app.sessions' is no table of litestar-sqlstores with data_format='json'; give"),
        (Failure.BAD_VALUE, "the database refuses the value (RuntimeError); see the cause"),
        (Failure.CONFLICT, "other transactions stood in the way too often (RuntimeError); try again"),
        (Failure.DISCONNECTED, "the database cannot be reached, or ended the connection (RuntimeError)"),
        (Failure.OTHER, "the database failed (RuntimeError); see the cause"),
    ],
)
def test_the_text_of_an_error_names_the_table_and_what_to_do(
    make_backend: Any, failure: Failure, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend(table="app.sessions", data_format="json")
    monkeypatch.setattr(backend, "classify", lambda error: failure)
    described = backend.describe(RuntimeError("s3cr3t"))
    assert str(described).startswith(text)
    assert "s3cr3t" not in repr(described)

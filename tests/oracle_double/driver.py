"""The thin implementation of python-oracledb, with HSQLDB where its network protocol was."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec
import oracledb
from oracledb import thin_impl  # type: ignore[attr-defined]  # it is private

from tests.oracle_double import hsqldb

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

LONG = 4000
"""What is declared longer is a LONG, which is for a column and nothing else; not so with MAX_STRING_SIZE=EXTENDED."""

_numbers = itertools.count(1)
_create_real_pool = oracledb.create_pool_async


class Server:
    """A database in memory. As a context manager, it is where pools for its host and name lead to.

    Args:
        version: What it says that it is.
    """

    HOST = "oracle-double.invalid"
    running: ClassVar[dict[str, Server]] = {}

    def __init__(self, version: tuple[int, ...] = (26, 1, 0, 0, 0)) -> None:
        hsqldb.start_jvm()
        self.name = f"double{next(_numbers)}"
        self.version = version
        self.trips: list[str] = []
        """What was sent to it, a text for each round trip."""
        self.execute(*hsqldb.SETUP)

    @property
    def url(self) -> str:
        return f"oracle://user:password@{self.HOST}/?service_name={self.name}"

    def execute(self, *statements: str) -> None:
        session = hsqldb.open_session(self.name)
        for sql in statements:
            hsqldb.run(session, sql, [{}])
        session.commit()
        session.close()

    def __enter__(self) -> Self:
        self.running[self.name] = self
        oracledb.create_pool_async = _create_pool
        return self

    def __exit__(self, *exc_info: object) -> None:
        del self.running[self.name]
        if not self.running:
            oracledb.create_pool_async = _create_real_pool


def _create_pool(**config: Any) -> Any:
    if config.get("host") != Server.HOST:
        return _create_real_pool(**config)
    return Pool(Server.running[config["service_name"]], config["max"], config["session_callback"])


class Pool:
    """The methods of a pool that SQLSpec uses."""

    def __init__(self, server: Server, size: int, session_callback: Any) -> None:
        self._server = server
        self._free = asyncio.Semaphore(size)
        self._session_callback = session_callback
        self._idle: list[ConnImpl] = []

    async def acquire(self) -> Any:
        await self._free.acquire()
        connection: Any = oracledb.AsyncConnection()  # type: ignore[no-untyped-call]
        connection._pool = None
        if self._idle:
            connection._impl = self._idle.pop()
        else:
            impl = ConnImpl(self._server)
            await impl.process_async_operation(connection, "connect", (impl, None), {})
            await self._session_callback(connection, "")
        return connection

    async def release(self, connection: Any) -> None:
        await connection._impl.end(keep=False)
        self._idle.append(connection._impl)
        connection._impl = None
        self._free.release()

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().hang_up()


class Trip:
    """A round trip, as the driver's generators yield it to be awaited."""

    def __init__(self, connection: ConnImpl, call: Callable[[], Any]) -> None:
        self._connection = connection
        self._call = call
        self.result: Any = None

    async def process_async(self) -> None:
        loop = asyncio.get_running_loop()
        self.result = await loop.run_in_executor(self._connection.thread, self._call)


class ConnImpl(thin_impl.ThinConnImpl):  # type: ignore[misc]
    """A connection. It has a thread that waits for locks, as a server process would."""

    server_version: tuple[int, ...] = ()

    def __new__(cls, server: Server) -> Any:
        return super().__new__(cls, is_async=True)

    def __init__(self, server: Server) -> None:
        super().__init__(is_async=True)
        self.prepare_connect_args(f"{server.HOST}/{server.name}", None, None, {"user": "user", "password": "password"})
        self.server_version = server.version
        self.server = server
        self.thread = ThreadPoolExecutor(1, "oracle-double")
        self._session: Any = None
        self._in_transaction = False

    def trip(self, text: str, call: Callable[[], Any]) -> Generator[Trip, None, Any]:
        self.server.trips.append(text)
        trip = Trip(self, call)
        yield trip
        return trip.result

    def _connect(self) -> Generator[Trip, None, None]:
        self._session = yield from self.trip("connect", lambda: hsqldb.open_session(self.server.name))

    def hang_up(self) -> None:
        self.thread.submit(self._session.close)
        self.thread.shutdown(wait=False)

    def commit(self) -> Generator[Trip, None, None]:
        yield from self.trip("commit", lambda: self._end(keep=True))

    def rollback(self) -> Generator[Trip, None, None]:
        yield from self.trip("rollback", lambda: self._end(keep=False))

    async def end(self, *, keep: bool) -> None:
        await Trip(self, lambda: self._end(keep=keep)).process_async()

    def _end(self, *, keep: bool) -> None:
        (self._session.commit if keep else self._session.rollback)()
        self._in_transaction = False

    def run(self, sql: str, binds: list[dict[Any, Any]]) -> hsqldb.Answer:
        answer = hsqldb.run(self._session, sql, binds)
        # A query holds nothing unless it says so; a change holds its rows until it is committed.
        self._in_transaction |= answer.columns is None or "FOR UPDATE" in sql
        if self.autocommit or not self._in_transaction:
            self._end(keep=True)
        return answer

    def create_cursor_impl(self, scrollable: bool) -> CursorImpl:
        cursor = CursorImpl(self)
        cursor.arraysize, cursor.prefetchrows = oracledb.defaults.arraysize, oracledb.defaults.prefetchrows
        return cursor

    async def process_async_operation(self, owner: Any, name: str, args: Any, kwargs: Any) -> Any:
        if name != "createlob":
            return await super().process_async_operation(owner, name, args, kwargs)
        # The driver's own LOB, without the messages that would tell the server of it.
        dbtype, value = args
        messages = self.create_temp_lob_impl(dbtype)
        next(messages)
        impl = next(_result(messages))
        self.server.trips += ["create LOB", "write LOB"]
        lob: Any = oracledb.AsyncLOB._from_impl(impl)  # type: ignore[no-untyped-call]
        lob.value_in_double = value
        return lob


class Locator:
    """What a LOB in a row comes as, unless it is fetched as something else: no bytes, but a way to ask for them."""

    def __init__(self, value: bytes) -> None:
        """Nobody asks here, so that nothing is kept."""


class CursorImpl(thin_impl.ThinCursorImpl):  # type: ignore[misc]
    """A cursor, which gets all rows at once."""

    rowcount = 0

    def __init__(self, conn_impl: ConnImpl) -> None:
        self._impl = conn_impl
        self._rows: list[tuple[Any, ...]] = []
        self._counts: list[int] = []

    def execute(self, cursor: Any) -> Generator[Trip, None, None]:
        yield from self.executemany(cursor, 1)

    def executemany(self, cursor: Any, num_execs: int, *options: Any) -> Generator[Trip, None, None]:
        # The driver's own look at the binds: is each of them there, and of its type?
        yield from self._preprocess_execute(cursor.connection)
        variables = cursor.bindvars if isinstance(cursor.bindvars, dict) else dict(enumerate(cursor.bindvars))
        long = {name for name, variable in variables.items() if variable.buffer_size > LONG}
        if long and (long != {"data"} or "JSON(:data)" in self.statement):
            raise hsqldb.oracle_error(1461, f"can bind a LONG value only for insert into a LONG column: {long}")
        binds = [{name: _given(name, var.getvalue(row)) for name, var in variables.items()} for row in range(num_execs)]
        sql = self.statement
        answer = yield from self._impl.trip(sql, lambda: self._impl.run(sql, binds))
        self.rowcount, self._counts = sum(answer.counts), answer.counts
        self.fetch_metadata = answer.columns
        self._rows = list(zip(*self._columns(cursor, answer.rows), strict=True)) if answer.rows else []

    def _columns(self, cursor: Any, rows: list[tuple[Any, ...]]) -> Generator[list[Any], None, None]:
        """The values of the columns, as they come out of the variables that a type handler has defined for them."""
        handler = self.outputtypehandler or self._impl.outputtypehandler
        for index, info in enumerate(cursor.description):
            convert: Callable[[Any], Any] = lambda value: value  # noqa: E731
            variable = handler(cursor, info) if handler is not None else None
            if variable is not None and variable.outconverter is not None:
                convert = variable.outconverter
            elif info.type_code is oracledb.DB_TYPE_JSON:
                convert = msgspec.json.decode
            elif info.type_code is oracledb.DB_TYPE_BLOB and variable is None and self.fetch_lobs:
                convert = Locator
            yield [None if row[index] is None else convert(row[index]) for row in rows]

    def fetch_all_rows(self, cursor: Any) -> Generator[Trip, None, list[tuple[Any, ...]]]:
        yield from ()
        return self._rows

    def is_query(self, connection: Any) -> bool:
        return self.fetch_metadata is not None

    def get_array_dml_row_counts(self) -> list[int]:
        return self._counts


def _result(generator: Generator[Any, None, Any]) -> Generator[Any, None, None]:
    yield (yield from generator)


def _given(name: Any, value: Any) -> Any:
    """A bind as the server gets it."""
    if isinstance(value, oracledb.AsyncLOB):
        value = getattr(value, "value_in_double")  # noqa: B009 - no attribute of its class
    if isinstance(value, str):
        # Text has to be Unicode; JSON is kept as the text that it came as.
        text = value.encode()
        value = text if name == "data" else text.decode()
    return None if value in (b"", "") else value

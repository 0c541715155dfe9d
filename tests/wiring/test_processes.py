"""Real servers: several workers of one application, and a database that goes away and comes back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import create_store
from tests.backends import quoted_table, rows
from tests.servers import MariaDBServer, PostgresServer, require
from tests.waiting import until
from tests.wiring.app import LIMIT
from tests.wiring.helpers import CHOSEN_ID, STRANGE_COOKIES
from tests.wiring.web_server import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from httpx import Response

    from tests.backends import Database, Store, Stores
    from tests.servers import PrivateServer

WORKERS = 4
EXPIRED, LIVE = 200_000, 50_000

# Rows as the store writes them, that expired an hour ago or expire in an hour.
FILL = {
    "sqlite": """
        INSERT INTO {table} (key_digest, namespace, data, expires_at, created_at, updated_at)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        SELECT randomblob(32), 'LITESTAR', CAST('1' AS BLOB), (strftime('%s', 'now') {sign} 3600) * 1000, 0, 0
        FROM numbers
    """,
    "postgresql": """
        INSERT INTO {table} (key_digest, namespace, data, expires_at)
        SELECT sha256(('{sign}' || n)::bytea), 'LITESTAR', '1', now() {sign} interval '1 hour'
        FROM generate_series(1, {count}) AS n
    """,
    "mysql": """
        INSERT INTO {table} (key_digest, namespace, data, expires_at, created_at, updated_at)
        WITH RECURSIVE n AS (SELECT 0 AS number UNION ALL SELECT number + 1 FROM n WHERE number < 999)
        SELECT UNHEX(SHA2(CONCAT('{sign}', n.number * 1000 + m.number), 256)), 'LITESTAR', '1',
          UTC_TIMESTAMP() {sign} INTERVAL 1 HOUR, UTC_TIMESTAMP(), UTC_TIMESTAMP()
        FROM n, n AS m
        LIMIT {count}
    """,
}


async def fill(store: Store, url: str) -> tuple[int, int]:
    """Fill the table; how many rows have expired, and how many live."""
    dialect = url.partition(":")[0]
    sql = FILL.get(dialect)
    # InnoDB keeps rows in the order of their keys, so that those which expire together are all over the table.
    expired, live = (EXPIRED // 5, LIVE // 5) if dialect == "mysql" else (EXPIRED, LIVE)
    if sql is None:  # another driver of the same database
        expired, live = EXPIRED // 100, LIVE // 100
        await store.set_many({f"expired {number}": "1" for number in range(expired)}, expires_in=0.001)
        await store.set_many({f"live {number}": "1" for number in range(live)}, expires_in=3600)
        return expired, live
    async with store.config.provide_session() as session:
        for count, sign in ((expired, "-"), (live, "+")):
            await session.execute(sql.format(table=quoted_table(store), count=count, sign=sign))
        await session.commit()
    return expired, live


async def filled_rows(store: Store) -> tuple[int, object]:
    """How many rows of those that `fill` made are left, and when one of them was last written."""
    (found,) = await rows(store, "count(*) AS number, max(updated_at) AS written", "namespace = 'LITESTAR'")
    return found["number"], found["written"]


async def sessions(store: Store) -> list[dict[str, Any]]:
    """The sessions that are stored, in an order of their own."""
    columns = "key_digest, data, expires_at, updated_at"
    found = await rows(store, columns, "namespace = 'LITESTAR_sessions'")
    return sorted(found, key=lambda row: row["key_digest"])


@pytest.mark.needs("processes", "workers")
@pytest.mark.sampled
@pytest.mark.formats("bytes")
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_four_workers(database: Database, data_format: str, stores: Stores, tmp_path: Path) -> None:
    options = {"config_or_url": database.url, "table": database.table, "data_format": data_format, "cleanup": 0.5}
    store = stores()
    await store.create_table()
    # Before anybody cleans, or waits for what this locks.
    expired, live = await fill(store, database.url)
    _, last_written = await filled_rows(store)
    with WebServer("tests.wiring.app:make_app()", tmp_path, workers=WORKERS, SQL_STORES=options) as server:
        await check_cleanup(server, expired)
        assert await filled_rows(store) == (live, last_written)
        await check_sessions(server, store)
        await check_rate_limit(server)
    assert server.complaints == []


async def check_cleanup(server: WebServer, expired: int) -> None:
    """All workers clean at once, and requests are answered throughout."""
    done = asyncio.Event()

    async def visit() -> int:
        count = 0
        async with server.visitor() as visitor:
            while not (count and done.is_set()):
                response = await visitor.post("/count")
                count += 1
                assert (response.status_code, response.json()) == (201, count)
                await asyncio.sleep(0.02)
        return count

    visits = [asyncio.create_task(visit()) for _ in range(WORKERS)]

    async def all_gone() -> bool:
        removed = sum(int(count) for count in re.findall(r"cleanup removed (\d+) expired", server.log))
        return removed == expired or any(each.done() for each in visits)

    await until(all_gone, 120)
    done.set()
    assert all(await asyncio.gather(*visits))


async def check_sessions(server: WebServer, store: Store) -> None:
    """What only reads writes nothing, and no cookie is a server error or becomes an id."""

    async def visit(method: str, path: str, cookie: bytes) -> Response:
        async with server.visitor() as visitor:
            header: Any = [(b"cookie", b"session=" + cookie)] if cookie else []
            return await visitor.request(method, path, headers=header)

    before = await sessions(store)
    strange = [b"", *STRANGE_COOKIES, CHOSEN_ID.encode()]
    for response in await asyncio.gather(*(visit("GET", "/session", cookie) for cookie in strange)):
        assert (response.status_code, response.json()) == (200, {})
        assert "set-cookie" not in response.headers
    assert await sessions(store) == before

    responses = await asyncio.gather(*(visit("POST", "/count", cookie) for cookie in strange))
    assert {(response.status_code, response.json()) for response in responses} == {(201, 1)}
    ids = {response.cookies["session"] for response in responses}
    assert ids.isdisjoint(cookie.decode("latin-1") for cookie in strange)
    before = await sessions(store)
    async with server.visitor() as ada:
        ada.cookies["session"] = ids.pop()
        for _ in range(10):
            assert (await ada.get("/session")).json() == {"count": 1}
    assert await sessions(store) == before


async def check_rate_limit(server: WebServer) -> None:
    """Of 4 x 50 calls at once, exactly as many as the limit says get through."""
    async with server.visitor() as visitor:  # as many connections as calls: none is free before one has ended
        responses = await asyncio.gather(*(visitor.get("/limited") for _ in range(WORKERS * 50)))
    statuses = [response.status_code for response in responses]
    assert (statuses.count(200), statuses.count(429)) == (LIMIT, WORKERS * 50 - LIMIT)
    assert len({response.json() for response in responses if response.status_code == 200}) > 1


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("make_server", [PostgresServer, MariaDBServer])
async def test_a_database_that_is_restarted(make_server: Callable[[], PrivateServer], tmp_path: Path) -> None:
    """Requests fail while it is away, and work when it is back; the application goes on as if nothing had been."""
    with require(make_server) as database:
        options = {"config_or_url": database.dsn, "cleanup": 0.2}
        with WebServer("tests.wiring.app:make_app()", tmp_path, SQL_STORES=options) as server:
            async with server.visitor() as ada:
                for count in (1, 2):
                    assert (await ada.post("/count")).json() == count

                await asyncio.to_thread(database.stop)
                for path in ("/count", "/limited"):
                    response = await ada.request("GET" if path == "/limited" else "POST", path)
                    assert response.status_code == 500
                    assert response.json() == {"status_code": 500, "detail": "Internal Server Error"}
                async with server.visitor() as anonymous:  # whose session cannot be stored rather than not be loaded
                    response = await anonymous.post("/count")
                    assert response.status_code == 500
                    assert response.json() == {"status_code": 500, "detail": "Internal Server Error"}
                assert (await ada.get("/pid")).status_code == 200
                await until(lambda: log_has(server, "cleanup failed and will be tried again: the database cannot be"))

                await asyncio.to_thread(database.start)
                cleaned = server.log.count("cleanup removed")
                assert (await ada.post("/count")).json() == 3
                assert (await ada.get("/limited")).status_code == 200
            async with create_store(database.dsn) as store:
                await store.set("expired", "value", expires_in=0.001)
                await until(lambda: log_has(server, "cleanup removed", cleaned + 1))
                assert len(await rows(store, "namespace")) == 2
        errors = re.findall(r"^litestar_sqlstores\.errors\.(\w+): (.*)$", server.log, re.MULTILINE)
        assert {name for name, _ in errors} == {"UnavailableError"}
        assert all(text.startswith("the database cannot be reached, or ended the connection") for _, text in errors)


async def log_has(server: WebServer, text: str, times: int = 1) -> bool:
    return server.log.count(text) >= times

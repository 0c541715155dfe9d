"""`litestar stores import-redis`: nobody is logged out by switching from Redis."""

from __future__ import annotations

import json
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis

from litestar_sqlstores.errors import ConfigurationError, UnavailableError
from litestar_sqlstores.imports import Imported, import_sessions
from litestar_sqlstores.imports.redis import RedisNamespace
from tests.cli.processes import Processes, plugin_options
from tests.cli.switching import assert_ada_is_logged_in, log_ada_in
from tests.contract.helpers import about
from tests.servers import RedisServer, require

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.backends import Database, Store, Stores

pytestmark = [pytest.mark.needs("processes"), pytest.mark.timeout(120)]

ADA, BOB, EVE = (letter * 64 for letter in "abe")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with require(RedisServer) as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(server.dsn) as redis:
        await redis.flushdb()
        yield redis


@pytest.fixture
def old(redis: Any) -> RedisStore:
    return RedisStore(redis)


async def take_over(store: Store, server: RedisServer, namespace: str = "LITESTAR", **options: Any) -> tuple[int, int]:
    """Import; how many sessions were found, and how many of them added."""
    async with aclosing(RedisNamespace(server.dsn, namespace)) as source:
        progress = [Imported(0, 0), *[each async for each in import_sessions(store, source, **options)]]
    return progress[-1].found, progress[-1].added


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.formats("bytes")
async def test_who_was_logged_in_stays_logged_in(
    database: Database, store: Store, server: RedisServer, old: RedisStore, tmp_path: Path
) -> None:
    sessions = old.with_namespace("sessions")
    session_id = await log_ada_in(sessions)
    await sessions.set(EVE, b"no JSON", 1000)
    cli = Processes(tmp_path, plugin_options(database))
    cli.environment["REDIS_URL"] = server.dsn
    nothing = await cli.run("import-redis")
    assert nothing.out == (
        "imported 0 sessions from namespace 'LITESTAR'; 0 were here already; if there are some, --from-namespace says"
        " where, such as LITESTAR_sessions\n"
    )
    command = ("import-redis", "--from-namespace", "LITESTAR_sessions")
    first = await cli.run(*command, "--json")
    assert first.document == {
        "from_namespace": "LITESTAR_sessions",
        "imported": 2,
        "already_here": 0,
        "refused": 0,
        "complete": True,
    }
    second = await cli.run(*command, "--delete")
    assert second.out == "imported 0 sessions from namespace 'LITESTAR_sessions'; 2 were here already\n"
    assert await sessions.get(session_id or "") is None
    await assert_ada_is_logged_in(database, store, session_id)
    cli.environment["REDIS_URL"] = "redis://:a-password@127.0.0.1:1"
    exit_code, text = (await cli.run("import-redis")).failure
    assert (exit_code, text) == (1, "the Redis cannot be reached, or refuses (ConnectionError); see the cause")


async def test_what_lives_here_is_newer_and_stays(store: Store, server: RedisServer, old: RedisStore) -> None:
    await old.set(ADA, b'{"a": 1}', 1000)
    await old.set(BOB, b'{"b": 1}')
    await store.set(ADA, b'{"a": 2}', 10, owner="ada")
    assert await take_over(store, server, owner_of=lambda _: "somebody") == (2, 1)
    found = await store.get_many([ADA, BOB])
    assert {key: json.loads(value) for key, value in found.items()} == {ADA: {"a": 2}, BOB: {"b": 1}}
    assert await store.expires_in(ADA) == about(10)
    assert await store.expires_in(BOB) == -1
    assert [len(await store.list_owned(owner)) for owner in ("ada", "somebody")] == [1, 1]
    assert await old.get(ADA) is not None
    assert await take_over(store, server) == (2, 0)


async def test_what_is_no_session_stays_there(store: Store, server: RedisServer, old: RedisStore, redis: Any) -> None:
    await old.set(ADA, b"{}", 1000)
    for key in ("GET/path?a=1", f"{ADA}x", ADA.upper(), "abc", ""):
        await old.set(key, b"{}", 1000)
    await old.with_namespace("sessions").set(BOB, b"{}", 1000)
    await redis.set(f"other:{BOB}", b"{}")
    await redis.hset(f"LITESTAR:{EVE}", "field", "value")
    assert await take_over(store, server, delete=True) == (1, 1)
    assert len(await redis.keys()) == 8
    assert await store.exists(ADA)


async def test_a_namespace_is_taken_as_it_is_written(
    store: Store, server: RedisServer, old: RedisStore, redis: Any
) -> None:
    for namespace, key in (("A*[b]?\\", ADA), ("AAA[b]A\\", BOB), ("Ab", EVE)):
        await redis.set(f"{namespace}:{key}", b"{}")
    assert await take_over(store, server, "A*[b]?\\") == (1, 1)
    assert await store.exists(ADA)


async def test_very_many_sessions(store: Store, server: RedisServer, redis: Any) -> None:
    count = 2000
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(count):
            pipeline.set(f"LITESTAR:{number:064x}", b'{"n": %d}' % number, px=1_000_000)
        await pipeline.execute()
    assert await take_over(store, server, batch_size=300, delete=True) == (count, count)
    assert await redis.dbsize() == 0
    assert json.loads(await store.get(f"{7:064x}") or b"") == {"n": 7}
    assert await store.expires_in(f"{7:064x}") == about(1000, within=100)


@pytest.mark.formats("bytes")
async def test_a_session_that_the_store_refuses_is_not_lost(
    stores: Stores, store: Store, server: RedisServer, old: RedisStore
) -> None:
    await old.set(ADA, b"too long to fit", 1000)
    assert await take_over(stores(max_value_bytes=10), server, delete=True) == (1, 0)
    assert await old.get(ADA) == b"too long to fit"
    assert await take_over(store, server) == (1, 1)


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1", "redis://:secret@[", "redis://host:port", "127.0.0.1", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the URL of the Redis cannot be read; give one such as redis://"):
        RedisNamespace(url, "LITESTAR")


async def test_a_redis_that_is_away_is_said() -> None:
    async with aclosing(RedisNamespace("redis://:secret@127.0.0.1:1", "LITESTAR")) as source:
        with pytest.raises(UnavailableError, match=r"^the Redis cannot be reached"):
            await anext(source.batches(10))


async def test_without_the_package_the_extra_is_named(tmp_path: Path) -> None:
    cli = Processes(tmp_path, {"config_or_url": "sqlite://"})
    hidden = tmp_path / "redis"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError")
    cli.environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{cli.environment['PYTHONPATH']}"
    exit_code, text = (await cli.run("import-redis", "--from-url", "redis://127.0.0.1")).failure
    assert (exit_code, text) == (1, "import-redis needs redis: pip install 'litestar-sqlstores[redis]'")

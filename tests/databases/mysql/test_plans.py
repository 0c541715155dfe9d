"""What statements write and read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litestar_sqlstores.backends.mysql_client import Statement
from litestar_sqlstores.statements import TableName, load_statements
from tests.databases.mysql.clients import KEYS, Client, client, is_mariadb, opened
from tests.servers import MariaDBServer
from tests.waiting import until


async def redo_position(execute: Client) -> int:
    ((_, position),) = await execute("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'")
    return int(position)


@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_what_need_not_be_written_writes_no_redo_log(private: MariaDBServer, data_format: Any) -> None:
    values = dict.fromkeys(KEYS, '{"visits": 1}')
    url = private.create_database()
    async with opened(url, data_format=data_format) as store, client(url) as execute:
        await store.set_many(values, expires_in=1000, owner="ada")

        async def is_nothing_written() -> bool:
            start = await redo_position(execute)
            await store.set_many(values, expires_in=1005, owner="ada")
            await store.set_many(values, keep_ttl=True, owner="ada")
            assert len(await store.get_many(values, renew_for=995)) == 64
            assert len(await store.renew_many(values, 1005)) == 64
            assert not await store.replace("missing", b"1")
            assert not await store.replace(KEYS[0], b"1", expected=b"2")
            await store.delete("missing")
            return await redo_position(execute) == start

        # At first, InnoDB may still tidy up behind what was written.
        await until(is_nothing_written)
        start = await redo_position(execute)
        await store.set(KEYS[0], "2", expires_in=1000, owner="ada")
        assert await redo_position(execute) > start


async def test_no_statement_makes_a_temporary_table_on_disk(private: MariaDBServer) -> None:
    value = b"x" * 100_000
    url = private.create_database()
    async with opened(url) as store, client(url) as execute:
        before = await execute("SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'")
        await store.set_many(dict.fromkeys(KEYS, value), expires_in=100, owner="ada")
        await store.set_many(dict.fromkeys(KEYS, value[1:]), keep_ttl=True)
        await store.get_many(KEYS, renew_for=200)
        await asyncio.gather(*(store.replace(key, b"1", 100, expected=value[1:]) for key in KEYS))
        await asyncio.gather(*(store.increment(key) for key in KEYS))
        await store.list_owned("ada")
        await store.delete_expired()
        await store.delete_all()
        assert await execute("SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'") == before


@pytest.mark.parametrize("rows", [3, 2000])
async def test_keys_are_looked_up_by_key(url: str, rows: int) -> None:
    """A scan would lock rows that the statement is not about."""
    async with opened(url) as store, client(url) as execute:
        await store.set_many({str(number): b"1" for number in range(rows)}, expires_in=100)
        await execute("ANALYZE TABLE litestar_session")
        keys = [store.digest(str(number)) for number in range(3)]
        for name in ("get", "get_for_renewal", "remaining", "delete", "lock_for_replacement", "renew"):
            plans = await explained(execute, await rendered(execute, name, keys))
            assert {plan["key"] for plan in plans} == {"PRIMARY"}, name
            assert {plan["type"] for plan in plans} <= {"range", "eq_ref", "const"}, name
            assert sum(plan["rows"] for plan in plans) <= len(keys), name


@pytest.mark.parametrize("name", ["delete_namespace", "delete_expired", "owned", "delete_owned"])
async def test_batches_are_found_through_an_index(url: str, name: str) -> None:
    async with opened(url) as store, opened(url, namespace="OTHER") as other, client(url) as execute:
        await other.set_many({str(number): b"1" for number in range(2000)}, expires_in=7200, owner="other")
        await store.set_many({str(number): b"1" for number in range(10)}, expires_in=0.001, owner="ada")
        await execute("ANALYZE TABLE litestar_session")
        plans = await explained(execute, await rendered(execute, name, []))
        assert all(plan["key"] is not None and plan["rows"] <= 20 for plan in plans), plans


NAMES = {"namespace": "LITESTAR", "children": "LITESTAR\x1f", "behind": "LITESTAR "}


async def rendered(execute: Client, name: str, keys: list[bytes]) -> str:
    """A statement about keys, or about the namespace LITESTAR and the owner ada, as it is sent."""
    server = "mariadb" if await is_mariadb(execute) else "mysql"
    sql = load_statements("mysql", TableName("litestar_session"), ("bytes", server, "switch"), "`")[name]
    statement = Statement.parse(sql)
    parameters = {**NAMES, "owner": "ada", "keep": None, "most": 10, "keys": keys}
    others: tuple[int | None, ...] = {"lock_for_replacement": (None,), "renew": (1000, 1)}.get(name, ())
    return statement.query(parameters, [(key, *others) for key in keys] if statement.line else [])


async def explained(execute: Client, sql: str) -> list[dict[str, Any]]:
    """How the tables are read that the last statement is about."""
    columns = ("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "extra")
    statement = next(part for part in sql.split(";") if not part.strip().startswith(("SET", "START")))
    plans = []
    traditional = "" if await is_mariadb(execute) else "FORMAT=TRADITIONAL "
    for row in await execute(f"EXPLAIN {traditional}{statement}"):
        # MySQL also says which partitions and which part of the rows.
        plan = dict(zip(columns, row if len(row) == 10 else (*row[:3], *row[4:10], row[11]), strict=True))
        if plan["table"] is not None and not plan["table"].startswith("<"):
            plans.append({**plan, "rows": int(plan["rows"])})
    assert plans
    return plans


async def test_sets_of_different_lives_have_tolerances_of_their_own(url: str) -> None:
    async with opened(url) as store:

        async def stored(short: float, long: float) -> list[object]:
            await asyncio.gather(store.set("short", b"1", expires_in=short), store.set("long", b"1", expires_in=long))
            return [(await store.inspect(key))[0].updated_at for key in ("short", "long")]

        first = await stored(100, 10_000)
        await asyncio.sleep(0.01)
        assert await stored(100.5, 10_050) == first  # 1 % is a second, and at most a minute
        short, long = await stored(103, 10_050)
        assert (short == first[0], long == first[1]) == (False, True)
        assert (await stored(103, 10_120))[0] == short
        assert 10_110 <= (await store.expires_in("long") or 0) <= 10_120

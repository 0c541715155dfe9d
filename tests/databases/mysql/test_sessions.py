"""The sessions of the store's connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiomysql
import pytest

from litestar_sqlstores import InvalidValueError
from tests.databases.mysql.clients import client, configured, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.backends import Store


async def test_a_logout_is_seen_by_others_whose_connections_do_not_commit(url: str) -> None:
    """Without autocommit, a pooled connection goes on reading what was there when it read first."""
    async with configured(url, autocommit=False) as one, configured(url, autocommit=False) as other:
        for number in range(20):
            await one.set("session", str(number), expires_in=100)
            assert await other.get("session") == str(number).encode()
            await one.delete("session")
            assert await other.get("session", renew_for=100) is None
            assert not await other.exists("session")


STRANGE_MODES = "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE"
SETTINGS = (
    "'autocommit', 'sql_mode', 'sql_notes', 'note_verbosity', 'innodb_lock_wait_timeout', 'character_set_client',"
    " 'time_zone'"
)
STRANGE_SESSIONS: dict[str, dict[str, Any]] = {
    "the driver's defaults": {},
    "an old application's": {
        "autocommit": False,
        "charset": "gbk",
        "cursor_class": aiomysql.DictCursor,
        "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE;"
        " SET innodb_lock_wait_timeout = 7, time_zone = '+05:30'",
        "sql_mode": f"'{STRANGE_MODES}'",
    },
    "without strictness": {"autocommit": True, "charset": "latin1", "sql_mode": "''"},
}


@pytest.mark.parametrize("session", STRANGE_SESSIONS.values(), ids=STRANGE_SESSIONS)
@pytest.mark.filterwarnings("ignore:Changing sql mode 'PAD_CHAR_TO_FULL_LENGTH' is deprecated")
async def test_any_session_will_do_and_stays_as_it_was(url: str, session: Mapping[str, Any]) -> None:
    text = "' OR 1=1 -- \\' \" \\ \n % %s é😀"
    async with configured(url, **session) as store:
        before = await settings_of(store)
        await store.set(text, text, expires_in=100, owner=text)
        assert await store.get(text, renew_for=200) == text.encode()
        assert [entry.digest for entry in await store.list_owned(text)] == [store.digest(text)]
        assert await store.replace(text, b"\\'", expected=text)
        assert await store.increment("number", 5) == 5
        with pytest.raises(InvalidValueError):
            await store.increment(text)
        assert await store.get(text) == b"\\'"
        assert await store.delete_owned(text) == 0
        await store.delete_all()
        assert await store.get("number") is None
        await store.aclose()
        assert await settings_of(store) == before


async def settings_of(store: Store) -> object:
    """What is set on the one connection of the store's pool."""
    async with store.config.provide_connection() as connection, connection.cursor(aiomysql.Cursor) as cursor:
        await cursor.execute(f"SHOW SESSION VARIABLES WHERE variable_name IN ({SETTINGS})")
        return await cursor.fetchall()


async def test_notes_are_turned_off_as_the_server_has_it(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        await store.get("key")
        has_verbosity = bool(await execute("SHOW SESSION VARIABLES LIKE 'note_verbosity'"))
        # MariaDB warns of the other one from 11.8 on.
        for statement in ("enter_session", "leave_session"):
            sql = store._backend.sql[statement]
            assert ("note_verbosity" in sql, "sql_notes" in sql) == (has_verbosity, not has_verbosity)


async def test_a_store_with_a_pool_of_its_own_sets_a_session_up_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # All that is sent, also by the driver. The server's own count has what other tests send to it, too.
    sent: list[Any] = []
    send = aiomysql.Connection._execute_command

    async def spy(connection: aiomysql.Connection, command: int, sql: Any) -> None:
        sent.append(sql)
        await send(connection, command, sql)

    async with opened(url) as store:
        await store.get("key")
        monkeypatch.setattr(aiomysql.Connection, "_execute_command", spy)
        for _ in range(10):
            await store.get("key")
            await asyncio.sleep(0.06)  # longer than a lane keeps its connection
        assert len(sent) == 10, sent

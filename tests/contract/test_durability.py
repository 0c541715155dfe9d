"""The setting `durability`: which databases honour it, and that the others say why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from litestar_sqlstores import ConfigurationError, create_store
from tests.backends import quoted_table

if TYPE_CHECKING:
    from tests.backends import Backend, Database, Store, Stores

RELAXED = {"sqlite", "postgresql"}
MIXED: Any = {"*": "full", "cache": "relaxed"}


async def write(store: Store) -> None:
    """Every kind of write to a key."""
    await store.set("key", b"1", expires_in=60)
    await store.set("key", b"2", keep_ttl=True)
    await store.get("key", renew_for=1000)
    await store.renew("key", 2000)
    await store.replace("key", b"3")
    await store.increment("number")
    await store.delete("key")


@pytest.mark.about("driver")
async def test_relaxed_writes_are_writes_like_others(stores: Stores, store: Store) -> None:
    backend = type(store).backend
    if not backend.relaxes:
        with pytest.raises(ConfigurationError, match=r"^durability='relaxed' is not supported: \S+"):
            stores(durability="relaxed")
        return
    relaxed = stores(durability="relaxed")
    await write(relaxed)
    assert await store.get("number") == b"1"
    await relaxed.set_many({"a": b"1", "b": b"2"}, expires_in=60)
    assert await store.get_many(["a", "b"]) == {"a": b"1", "b": b"2"}
    await store.set("a", b"3")
    assert await relaxed.get("a") == b"3"


@pytest.mark.about("driver")
async def test_namespaces_of_one_store_may_differ(stores: Stores, store: Store) -> None:
    if type(store).backend.dialect not in RELAXED:
        with pytest.raises(ConfigurationError, match=r"^durability=\{.*\} is not supported: \S+"):
            stores(durability=MIXED)
        return
    mixed = stores(durability=MIXED)
    for name in ("cache", "sessions"):
        await write(mixed.with_namespace(name))
        assert await store.with_namespace(name).get("number") == b"1"


async def test_postgresql_waits_for_the_disk_unless_the_setting_says_otherwise(
    backend: Backend, database: Database, stores: Stores, store: Store
) -> None:
    if backend.name != "postgresql":
        pytest.skip("its settings are PostgreSQL's")
    connection = await asyncpg.connect(database.url)
    table = quoted_table(store)
    try:
        # As the server sees it while a row is written.
        await connection.execute(f"""
            CREATE TABLE IF NOT EXISTS seen_{database.table} (namespace text, setting text);
            CREATE OR REPLACE FUNCTION see_{database.table}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
              INSERT INTO seen_{database.table} VALUES (
                COALESCE(NEW.namespace, OLD.namespace), current_setting('synchronous_commit')
              );
              RETURN COALESCE(NEW, OLD);
            END $$;
            CREATE TRIGGER see BEFORE INSERT OR UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION see_{database.table}()
        """)
        for setting, waits in (("on", "on"), ("off", "on"), ("local", "local")):
            config = database.new_config(2)
            config.connection_config["server_settings"] = {"synchronous_commit": setting}
            mixed = stores.on(config, durability=MIXED)
            await write(mixed.with_namespace("cache"))
            await write(mixed.with_namespace("sessions"))
            # Nothing of it stays on a connection that others use too.
            async with config.provide_connection() as borrowed:
                assert await borrowed.fetchval("SHOW synchronous_commit") == setting
            seen = await connection.fetch(f"DELETE FROM seen_{database.table} RETURNING namespace, setting")
            assert {tuple(row) for row in seen} == {("LITESTAR_cache", "off"), ("LITESTAR_sessions", waits)}
            # An upsert asks twice where there is a row: before it inserts, and before it updates.
            assert len(seen) == 2 * 8
            await connection.execute(f"DELETE FROM {table}; DELETE FROM seen_{database.table}")
    finally:
        await connection.close()


def test_what_no_database_can_do_is_refused_before_anything_is_opened() -> None:
    for url, why in (
        ("mysql://user@host/database", "innodb_flush_log_at_trx_commit"),
        ("mysql+asyncmy://user@host/database", "innodb_flush_log_at_trx_commit"),
        ("spanner:///projects/p/instances/i/databases/d", "replicas"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            create_store(url, durability="relaxed")
        with pytest.raises(ConfigurationError, match=why):
            create_store(url, durability=MIXED)
        assert create_store(url, durability={"*": "full"}).settings.durability == {"*": "full"}
    with pytest.raises(ConfigurationError, match="on Oracle all namespaces of a store are equally durable"):
        create_store("oracle://user:password@host/?service_name=s", durability=MIXED)

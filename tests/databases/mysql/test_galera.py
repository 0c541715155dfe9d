"""A node of a Galera cluster says so, and whoever uses it is told once what that means."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import create_store
from tests.databases.mysql.clients import KEYS, opened
from tests.databases.mysql.servers import GaleraNode
from tests.servers import require

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def node() -> Iterator[GaleraNode]:
    with require(GaleraNode, in_ci=False) as server:
        yield server


@pytest.mark.parametrize("driver", ["aiomysql", "asyncmy"])
async def test_a_node_of_a_cluster_is_told_of_once(
    node: GaleraNode, driver: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = node.create_database().replace("mysql:", f"mysql+{driver}:")
    with caplog.at_level(logging.INFO, "litestar_sqlstores"):
        async with opened(url) as store:
            await asyncio.gather(*(store.increment(key) for key in KEYS * 3))
            assert await store.increment(KEYS[0]) == 4
            # Others of its namespace are the same store.
            await store.with_namespace("child").set("key", b"1")
    told = [record.getMessage() for record in caplog.records if "Galera" in record.getMessage()]
    assert len(told) == 1
    assert "one node" in told[0]
    assert "wsrep_on" in told[0]


async def test_nobody_else_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "litestar_sqlstores"):
        async with create_store(url) as store:
            await store.create_table()
    assert not [record for record in caplog.records if "Galera" in record.getMessage()]

"""A server that imports an application, uses its stores, and forks its workers then: gunicorn --preload."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.backends import Backend, Database, Store

# The parent is done before the child is: what the child writes afterwards must be there, too.
CODE = """
import asyncio, json, os, sys, time

from litestar_sqlstores import create_store

url, options = sys.argv[1], json.loads(sys.argv[2])
store = create_store(url, timeout=10, **options)

async def use(name):
    await store.set(name, json.dumps(name), expires_in=100)
    await store.increment("count")
    return await store.get("before")

async def child():
    assert await use("child") == b'"parent"'
    os.write(ready[1], b"!")
    os.read(ended[0], 1)
    assert await use("child, later") == b'"parent"'
    await store.aclose()

async def parent():
    assert await use("parent") == b'"parent"'
    await store.aclose()

asyncio.run(store.set("before", '"parent"'))
ready, ended = os.pipe(), os.pipe()
pid = os.fork()
if not pid:
    os.close(ended[1])
    asyncio.run(child())
    print("the child has ended", flush=True)
    os._exit(0)
os.read(ready[0], 1)
asyncio.run(parent())
# As another process that is the last one to use the database, for all that it can see.
async def look():
    async with create_store(url, **options) as other:
        await other.get("before")

asyncio.run(look())
os.close(ended[1])
assert os.waitpid(pid, 0)[1] == 0
print("the parent has ended", flush=True)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.slow
@pytest.mark.needs("processes", "workers")
@pytest.mark.about("driver")
async def test_a_store_that_was_used_before_a_fork_serves_both_processes(
    backend: Backend, database: Database, store: Store, data_format: str
) -> None:
    if backend.name == "spanner":
        pytest.skip("gRPC cannot be used on both sides of a fork")
    options: Any = {"table": database.table, "data_format": data_format, **database.options}
    ended = await asyncio.to_thread(run, database.url, json.dumps(options))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["the child has ended", "the parent has ended"]
    values = await store.get_many(["before", "parent", "child", "child, later", "count"])
    assert values == {
        "before": b'"parent"',
        "parent": b'"parent"',
        "child": b'"child"',
        "child, later": b'"child, later"',
        "count": b"3",
    }

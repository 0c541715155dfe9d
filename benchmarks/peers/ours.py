"""Our stores, and the drivers under them without a store: the floor."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Unpack

from litestar.stores.base import Store

from benchmarks.peers.base import Backend, Peer, database
from litestar_sqlstores import create_store
from litestar_sqlstores.settings import StoreOptions

__all__ = ("PEERS",)

# The emulator mixes up transactions that share a session.
os.environ.setdefault("GOOGLE_CLOUD_SPANNER_MULTIPLEXED_SESSIONS_FOR_RW", "false")

# The digest of a key in the namespace LITESTAR, as litestar_sqlstores.keys makes it.
_FILL: dict[Backend, str] = {
    "postgresql": r"""
        INSERT INTO litestar_session (key_digest, namespace, data, expires_at)
        SELECT
          sha256('\x000000084c49544553544152'::bytea || encode(sha256(n::text::bytea), 'hex')::bytea),
          namespace, data, expires_at + n % 3600 * interval '1 second'
        FROM litestar_session, generate_series(0, {rows} - 1) AS n
        ON CONFLICT DO NOTHING
        """,
    "sqlite": """
        INSERT OR IGNORE INTO litestar_session (key_digest, namespace, data, expires_at, created_at, updated_at)
        SELECT digest, namespace, data, expires_at + n % 3600 * 1000, created_at, updated_at
        FROM litestar_session, (
          WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})
          SELECT n, key_digest(n) AS digest FROM numbers ORDER BY digest
        )
        """,
    "mariadb": """
        INSERT IGNORE INTO litestar_session (key_digest, namespace, data, expires_at, created_at, updated_at)
        SELECT
          UNHEX(SHA2(CONCAT(x'000000084c49544553544152', SHA2(seq - 1, 256)), 256)) AS digest,
          namespace, data, expires_at + INTERVAL seq % 3600 SECOND, created_at, updated_at
        FROM litestar_session, seq_1_to_{rows}
        ORDER BY digest
        """,
}
_NAMES: dict[Backend, str] = {
    "postgresql": "PostgreSQL",
    "sqlite": "SQLite",
    "mariadb": "MariaDB",
    "spanner": "Spanner",
}


@asynccontextmanager
async def _open(url: str, **options: Unpack[StoreOptions]) -> AsyncIterator[Store]:
    async with create_store(url, **options) as store:
        await store.create_table()
        yield store


_open_encrypted = partial(_open, encryption_keys=["a key that everybody knows, so that nobody has to make one"])


_open_relaxed = partial(_open, durability="relaxed")


def _peers(backend: Backend, name: str) -> list[Peer]:
    place = database(backend)
    fill = _FILL.get(backend)
    return [
        Peer(f"ours on {name}", "ours", place, _open, backend, fill=fill),
        # Its rows are not made by copying one: a ciphertext is worth nothing in another row.
        Peer(f"ours on {name}, encrypted", "encrypted", place, _open_encrypted, backend),
        *(
            [Peer(f"ours on {name}, relaxed", "relaxed", place, _open_relaxed, backend, fill=fill)]
            if backend in {"postgresql", "sqlite"}
            else []
        ),
        Peer(f"{name}'s driver, one by one", "one by one", place, _open, backend, fill=fill),
        Peer(f"{name}'s driver, callers' batch", "callers' batch", place, _open, backend, fill=fill),
        Peer(f"{name}'s driver, best batch", "best batch", place, _open, backend, fill=fill),
    ]


PEERS = [peer for backend, name in _NAMES.items() for peer in _peers(backend, name)]

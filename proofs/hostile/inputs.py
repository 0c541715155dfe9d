"""What nobody should give, and some do."""

from datetime import timedelta
from typing import Any

import hypothesis.strategies as st

__all__ = ("DURATIONS", "ITEMS", "NAMES", "OWNERS", "SETTINGS", "URLS")

NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "%",
    "%s",
    "%(key)s",
    "$1",
    ":key",
    "?",
    "{0}",
    "/* slot: table */",
    "'; DROP TABLE litestar_session; --",
    "x' OR '1'='1",
    "1); DELETE FROM litestar_session; --",
    "\ud800",
    "\U0010ffff",
    "\u202e",
    "é",
    "e\u0301",
    "K",
    "\r\n",
    "null",
    "k" * 70_000,
]
TEXT = st.sampled_from(NASTY) | st.text(max_size=60)
ODD: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1.5, True, b"bytes", [], {}, object(), float("nan")])
"""What is of no type that is asked for."""

VALUES = st.binary(max_size=300) | TEXT | st.sampled_from([b"", b"\0", b"x" * 5000, bytearray(b"a"), memoryview(b"m")])
ITEMS = st.lists(st.tuples(TEXT | TEXT | TEXT | TEXT | ODD, VALUES | VALUES | VALUES | ODD), min_size=1, max_size=12)
OWNERS = st.none() | TEXT | ODD
DURATIONS: st.SearchStrategy[Any] = (
    st.none()
    | st.integers()
    | st.floats()
    | st.timedeltas()
    | st.sampled_from([timedelta.max, timedelta.min, 10**400, -0.0, "1", True])
)
NAMES = TEXT | st.text(st.sampled_from("ab._\"'`; -"), max_size=70) | ODD

SCHEMES = ["sqlite", "postgresql", "postgres", "mysql", "mariadb", "oracle", "spanner", "redis", ""]
DRIVERS = ["", "+asyncpg", "+aiosqlite", "+aiomysql", "+asyncmy", "+psycopg", "+"]
PARTS = st.text(st.sampled_from("ab1:@/?&=%#[],;'\" \0é\\+-._~!$()*"), max_size=30) | TEXT
QUERIES = st.sampled_from(
    [
        "",
        "?ssl=true",
        "?sslmode=require",
        "?timeout=1",
        "?timeout=x",
        "?host=a&host=b",
        "?connect_timeout=",
        "?a=%zz",
        "?pool_size=-1",
        "?service_name=S",
        "?unknown=1",
    ]
)
URLS = (
    st.builds(
        lambda scheme, driver, middle, rest, query: f"{scheme}{driver}{middle}{rest}{query}",
        st.sampled_from(SCHEMES),
        st.sampled_from(DRIVERS),
        st.sampled_from(["://", ":///", ":", "://u:secret-of-url@h:1/", "://[::1]:5/", "://h:99999/"]),
        PARTS,
        QUERIES,
    )
    | TEXT
)

OPTIONS = [
    "table",
    "namespace",
    "data_format",
    "renew_tolerance",
    "max_value_bytes",
    "max_connections",
    "max_pending",
    "timeout",
    "keep_keys",
    "encryption_keys",
    "observer",
    "durability",
    "in_memory",
    "shard_count",
    "read_staleness",
    "unknown",
]
SETTINGS = st.dictionaries(
    st.sampled_from(OPTIONS),
    TEXT
    | ODD
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.lists(TEXT, max_size=3)
    | st.sampled_from(["bytes", "json", "full", "relaxed"]),
    max_size=4,
)

"""Every statement in every variant, as texts. `python -m tests.oracle.variants` writes the snapshots anew."""

from __future__ import annotations

from pathlib import Path

from litestar_sqlstores.backends.oracle_statements import Format, Statements
from litestar_sqlstores.statements import TableName, load_statements

SNAPSHOTS = Path(__file__).parent / "snapshots"
HEADER = "-- What the store sends to {server}. Reviewed; `python -m tests.oracle.variants` writes it anew.\n"

# By the name of a snapshot: the server, the table, the format and where it is stored.
VARIANTS: dict[str, tuple[str, str, Format, str]] = {
    "bytes": ("every server, with data_format='bytes'", "sessions", "bytes", "on_disk"),
    "bytes-in-memory": ("every server, with in_memory=True and a schema", "APP.sessions", "bytes", "in_memory"),
    "json": ("21c and later, with data_format='json'", "sessions", "json", "on_disk"),
    "json-before-21c": ("19c, with data_format='json'", "sessions", "json_text", "on_disk"),
}


def statements(variant: str) -> dict[str, str]:
    """The texts by name; a query has one for each number of keys that it may have up to eight."""
    _, table, data_format, storage = VARIANTS[variant]
    sql = dict(load_statements("oracle", TableName.parse(table), (data_format, "bytes", storage)))
    del sql["native_ttl"]  # a script for people, which no store sends
    made = Statements(sql, data_format)
    texts = {f"{name}, {size} keys": text for (name, size), text in made.queries.items() if size <= 8}
    for name, text in sql.items():
        if ":keys" not in text:
            parts = [part.strip() for part in text.split(";")]
            texts |= {
                f"{name}, part {number}" if len(parts) > 1 else name: part for number, part in enumerate(parts, 1)
            }
    return dict(sorted(texts.items()))


def snapshot(variant: str) -> str:
    header = HEADER.format(server=VARIANTS[variant][0])
    return header + "".join(f"\n-- {name}\n{text};\n" for name, text in statements(variant).items())


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for variant in VARIANTS:
        (SNAPSHOTS / f"{variant}.sql").write_text(snapshot(variant))

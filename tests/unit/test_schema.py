from __future__ import annotations

import pytest

from litestar_sqlstores.schema import Column, Shape, declared_shape, differences, schema_mark, shape_of
from tests.unit.test_statements import DIALECTS, renderings

COLUMNS = {
    *("key_digest", "namespace", "data", "expires_at", "expiry_bucket", "owner", "key_text", "created_at"),
    "updated_at",
}
EXPECTED = Shape({"key_digest": Column("bytea"), "data": Column("bytea")}, frozenset({"t_owner", "t_expiry"}))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_should_be_is_read_from_the_statement_that_creates_it(dialect: str) -> None:
    for statements in renderings(dialect, "app.sessions"):
        shape = declared_shape(statements["create_table"])
        assert shape.columns.keys() - {"shard_id"} == COLUMNS
        assert {name.removeprefix("sessions_") for name in shape.indexes} >= {"expiry", "owner", "keys"}
        assert all(column.type[0].isalpha() for column in shape.columns.values())


@pytest.mark.parametrize(
    "mark, version, serves",
    [
        (schema_mark(" "), 1, 1),
        (f"sessions_{schema_mark('_')}", 1, 1),
        ("litestar_sqlstores schema 7 from 3", 7, 3),
        ('CREATE TABLE "t" (..., CONSTRAINT "t_litestar_sqlstores_schema_12_from_9" CHECK (TRUE))', 12, 9),
        ("another comment", 1, 1),
        (None, 1, 1),
    ],
)
def test_a_table_says_its_version(mark: str | None, version: int, serves: int) -> None:
    shape = shape_of([("mark", mark, None, False), ("column", "data", "bytea", 1), ("index", "t_owner", None, False)])
    assert shape == Shape({"data": Column("bytea", True)}, frozenset({"t_owner"}), version, serves)


def test_differences_are_told_one_by_one() -> None:
    found = Shape(
        {"data": Column("JSONB"), "more": Column("text"), "must": Column("text", True)}, frozenset({"t_owner"})
    )
    told = differences(EXPECTED, found, str.lower)
    assert told.wrong == [
        "column key_digest is missing",
        "column data is JSONB, and should be bytea",
        "column must is unknown, and each row must give it a value",
    ]
    assert told.missing_indexes == ["index t_expiry is missing"]
    assert told.advice.startswith("Give the store another table, or drop this one")


def test_the_same_in_another_spelling_and_with_more_beside_it_is_no_difference() -> None:
    columns = {**EXPECTED.columns, "data": Column("BYTEA"), "more": Column("text")}
    told = differences(EXPECTED, Shape(columns, frozenset({*EXPECTED.indexes, "theirs"})), str.lower)
    assert (told.wrong, told.missing_indexes) == ([], [])


def test_a_table_of_sqlspec_is_known_by_its_columns() -> None:
    names = ("session_id", "data", "expires_at", "created_at", "updated_at")
    columns: dict[str, Column] = {name: Column("text", True) for name in names}
    told = differences(EXPECTED, Shape(columns, frozenset()), str.lower)
    assert told.wrong == ["it is a table of SQLSpec's own session store"]
    assert "exclude_extensions" in told.advice


def test_a_table_of_another_version_is_told_as_such_alone() -> None:
    newer = differences(EXPECTED, Shape({}, frozenset(), 5, 3), str.lower)
    assert newer.wrong == ["it has version 5, which serves code that knows version 3"]
    assert "Update litestar-sqlstores" in newer.advice
    older = differences(EXPECTED, Shape({}, frozenset(), 0, 0), str.lower)
    assert older.wrong == ["it has version 0"]
    assert "litestar db upgrade" in older.advice

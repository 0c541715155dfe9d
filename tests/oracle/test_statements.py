"""The statements for Oracle: linted, and as they were last reviewed."""

from __future__ import annotations

import re

import pytest

from tests.oracle.lint import RULES, UNKNOWN_TO_SQLFLUFF, broken_rules, unparsable
from tests.oracle.variants import SNAPSHOTS, VARIANTS, snapshot, statements

EVERY = {f"{variant}: {name}": sql for variant in VARIANTS for name, sql in statements(variant).items()}


@pytest.mark.parametrize("sql", EVERY.values(), ids=EVERY.keys())
def test_the_linters_have_nothing_against_a_statement(sql: str) -> None:
    assert broken_rules(sql) == []
    assert unparsable(sql) is None


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_what_breaks_it(rule: str) -> None:
    assert rule in broken_rules(RULES[rule].broken)


def test_what_is_quoted_breaks_no_rule() -> None:
    assert broken_rules("SELECT ':date NOW() ? ; LIMIT' FROM t WHERE key_digest = :digest") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT data FROM t WHERE key_digest = :digest AND",
        "UPDATE t SET owner = NULL WHERE",
        "INSERT INTO t (key_digest VALUES (:digest)",
        "CREATE TABLE t (key_digest RAW(32) PRIMARY)",
        "UPDATE t SET owner = NULL RETURNING key_digest",
    ],
)
def test_the_parser_finds_what_no_rule_looks_for(sql: str) -> None:
    assert unparsable(sql) is not None


def test_what_the_parser_does_not_know_is_still_in_use() -> None:
    everything = "".join(EVERY.values())
    assert [pattern for pattern, _ in UNKNOWN_TO_SQLFLUFF if not re.search(pattern, everything)] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_statements_are_those_that_were_reviewed(variant: str) -> None:
    assert snapshot(variant) == (SNAPSHOTS / f"{variant}.sql").read_text()


def test_there_is_no_other_snapshot() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(VARIANTS)

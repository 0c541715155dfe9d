"""Histories that are linearizable, and histories that are not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from proofs.linearizability import UNKNOWN, Call, Kind, Verdict, check, check_key

GOOD: dict[str, list[Call]] = {}
BAD: dict[str, list[Call]] = {}


def call(kind: Kind, start: float, end: float, answer: Any = None, **given: Any) -> Call:
    return Call(kind, "key", start, end, answer, **given)


def set_(start: float, end: float, value: bytes, ttl: float | None = None, **given: Any) -> Call:
    return call("set", start, end, value=value, ttl=ttl, **given)


GOOD["nothing was stored"] = [call("get", 0, 1)]
GOOD["one after another"] = [
    set_(0, 1, b"1"),
    call("get", 2, 3, b"1"),
    call("delete", 4, 5),
    call("get", 6, 7),
]
GOOD["reads of a write that is under way see either"] = [
    set_(0, 1, b"1"),
    set_(2, 9, b"2"),
    call("get", 3, 4, b"1"),
    call("get", 5, 6, b"2"),
]
BAD["a read that goes back"] = [
    set_(0, 1, b"1"),
    set_(2, 9, b"2"),
    call("get", 3, 4, b"2"),
    call("get", 5, 6, b"1"),
]
GOOD["a renewal that was repeated when what it gave had passed"] = [
    set_(0, 1, b"1", 600),
    call("get_and_renew", 2, 2.2, ttl=0.1),
    call("get", 3, 4),
]
BAD["a renewal that finds nothing too early"] = [
    set_(0, 1, b"1", 600),
    call("get_and_renew", 2, 2.05, ttl=0.1),
    call("get", 3, 4),
]
BAD["a renewal of what lives for ever finds nothing"] = [set_(0, 1, b"1"), call("renew", 2, 2.2, False, ttl=0.1)]
BAD["a stale read"] = [set_(0, 1, b"1"), set_(2, 3, b"2"), call("get", 4, 5, b"1")]
BAD["a lost write"] = [set_(0, 1, b"1"), call("get", 2, 3)]
BAD["a value from nowhere"] = [set_(0, 1, b"1"), call("get", 2, 3, b"2")]
BAD["a deleted value"] = [set_(0, 1, b"1"), call("delete", 2, 3), call("get", 4, 5, b"1")]

GOOD["an unknown write is seen late"] = [
    set_(0, 1, b"1"),
    set_(2, UNKNOWN, b"2", reported=3),
    call("get", 4, 5, b"1"),
    call("get", 6, 7, b"2"),
]
GOOD["an unknown write never happens"] = [set_(0, 1, b"1"), set_(2, UNKNOWN, b"2", reported=3), call("get", 4, 5, b"1")]
BAD["an unknown write happens and is undone"] = [
    set_(0, 1, b"1"),
    set_(2, UNKNOWN, b"2", reported=3),
    call("get", 4, 5, b"2"),
    call("get", 6, 7, b"1"),
]
BAD["a set that was given up replaces a later one of its process"] = [
    set_(0, UNKNOWN, b"1", process=1, reported=3),
    set_(4, 5, b"2", process=1),
    call("get", 6, 7, b"1", process=2),
]
GOOD["a set that was given up replaces one of another process"] = [
    set_(0, UNKNOWN, b"1", process=1, reported=3),
    set_(4, 5, b"2", process=2),
    call("get", 6, 7, b"1", process=2),
]
# A lost reply, the repetition of the set, and another's write in between.
BAD["a set that happens twice"] = [
    set_(0, 1, b"0"),
    set_(2, 9, b"1"),
    call("get", 3, 4, b"1", process=2),
    set_(5, 6, b"2", process=2),
    call("get", 10, 11, b"1"),
]

GOOD["increments are counted"] = [
    call("increment", 0, 5, 3, by=3),
    call("increment", 0, 5, 5, by=2),
    call("get", 6, 7, b"5"),
]
BAD["an increment is lost"] = [
    call("increment", 0, 5, 3, by=3),
    call("increment", 0, 5, 2, by=2),
    call("get", 6, 7, b"3"),
]
BAD["two increments get one answer"] = [call("increment", 0, 5, 1, by=1), call("increment", 0, 5, 1, by=1)]

GOOD["one of two replaces wins"] = [
    set_(0, 1, b"1"),
    call("replace", 2, 5, True, value=b"2", expected=b"1"),
    call("replace", 2, 5, False, value=b"3", expected=b"1"),
]
BAD["both of two replaces win"] = [
    set_(0, 1, b"1"),
    call("replace", 2, 5, True, value=b"2", expected=b"1"),
    call("replace", 2, 5, True, value=b"3", expected=b"1"),
]
BAD["a replace brings back what was deleted"] = [
    set_(0, 1, b"1"),
    call("delete", 2, 3),
    call("replace", 4, 5, True, value=b"2"),
]

GOOD["it expires"] = [set_(0, 1, b"1", 10), call("get", 9.9, 10, b"1"), call("get", 11.5, 12)]
GOOD["near the expiry, either"] = [
    set_(0, 1, b"1", 10),
    call("get", 10.2, 10.3, b"1"),
    call("get", 10.4, 10.5),
    call("get", 10.6, 10.7),
]
BAD["it comes back from its expiry"] = [
    set_(0, 1, b"1", 10),
    call("get", 10.2, 10.3),
    call("get", 10.4, 10.5, b"1"),
]
BAD["it expires early"] = [set_(0, 1, b"1", 10), call("get", 8, 9)]
BAD["it expires late"] = [set_(0, 1, b"1", 10), call("get", 12, 13, b"1")]
GOOD["a renewal lets it live longer"] = [
    set_(0, 1, b"1", 10),
    call("renew", 2, 3, True, ttl=20.0),
    call("get", 20, 21, b"1"),
    call("get", 24, 25),
]
BAD["a renewal is lost"] = [set_(0, 1, b"1", 10), call("renew", 2, 3, True, ttl=20.0), call("get", 15, 16)]
BAD["a renewal makes it permanent"] = [
    set_(0, 1, b"1", 10),
    call("get_and_renew", 2, 3, b"1", ttl=20.0),
    call("remaining", 4, 5, -1),
]
BAD["a renewal revives what others saw expire"] = [
    set_(0, 0.01, b"1", 1),
    call("renew", 0.5, 3, True, ttl=1000.0),
    call("get", 1.5, 1.6, None, process=2),
    call("get", 4, 5, b"1", process=2),
]
GOOD["a renewal that commits in the moment of the expiry is missed by a read"] = [
    set_(0, 0.001, b"1", 1),
    call("renew", 0.99, 1.05, True, ttl=1000.0),
    call("get", 1.01, 1.02, None, process=2),
    call("get", 4, 5, b"1", process=2),
]
BAD["a renewal gives a permanent entry an expiry"] = [
    set_(0, 1, b"1"),
    call("renew", 2, 3, True, ttl=10.0),
    call("remaining", 4, 5, 8),
]
BAD["a renewal extends what replaced the entry it read"] = [
    set_(0, 1, b"1", 100),
    call("get_and_renew", 2, 9, b"1", ttl=5000.0),
    set_(3, 4, b"2", 10, process=2),
    call("remaining", 10, 11, 4990),
]
BAD["an increment gives a number a new expiry"] = [
    call("increment", 0, 1, 1, by=1, ttl=10.0),
    call("increment", 2, 3, 2, by=1, ttl=1000.0),
    call("get", 20, 21, b"2"),
]
GOOD["what has expired counts from zero"] = [
    call("increment", 0, 1, 5, by=5, ttl=10.0),
    call("increment", 20, 21, 1, by=1, ttl=10.0),
]
BAD["what has expired is added to"] = [
    call("increment", 0, 1, 5, by=5, ttl=10.0),
    call("increment", 20, 21, 6, by=1, ttl=10.0),
]
BAD["an expiry of less than a millisecond is none"] = [set_(0, 0.001, b"1", 0.0005), call("get", 1, 2, b"1")]


@pytest.mark.parametrize("name", GOOD)
def test_an_order_is_found(name: str) -> None:
    assert check_key(GOOD[name]).verdict is Verdict.LINEARIZABLE


@pytest.mark.parametrize("name", BAD)
def test_no_order_is_found(name: str) -> None:
    assert check_key(BAD[name]).verdict is Verdict.VIOLATION


@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_the_order_of_the_records_means_nothing(name: str) -> None:
    calls = {**GOOD, **BAD}[name]
    shuffled = Random(1).sample(calls, len(calls))
    assert check_key(shuffled).verdict is check_key(calls).verdict


def test_keys_are_checked_apart_and_named() -> None:
    good = [each._replace(key="good") for each in GOOD["one after another"]]
    (result,) = check([*good, *BAD["a stale read"]])
    assert (result.key, result.verdict) == ("key", Verdict.VIOLATION)
    assert "p0 get() -> b'1'" in result.describe()


def test_the_history_is_cut_where_it_became_wrong() -> None:
    late = [call("get", 10 + number, 10.5 + number, b"2") for number in range(50)]
    result = check_key([*BAD["a stale read"], *late])
    assert [each.end for each in result.calls] == [1, 3, 5]


def test_a_history_that_takes_too_long_is_undecided() -> None:
    pending = [set_(0, UNKNOWN, b"%d" % number, process=number, reported=1) for number in range(30)]
    wrong = [call("get", 2, 3, b"0"), call("get", 4, 5, b"none of them")]
    assert check_key([*pending, *wrong], limit=1000).verdict is Verdict.UNDECIDED


def test_long_histories_are_checked_quickly() -> None:
    calls: list[Call] = []
    for number in range(2000):
        start = float(number)
        calls += [set_(start, start + 1.5, b"%d" % number), call("get", start, start + 1.5, b"%d" % number)]
    assert check_key(calls, limit=50_000).verdict is Verdict.LINEARIZABLE

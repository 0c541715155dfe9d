"""What SQLSpec's own stores were found to do wrong, each as a test that they would fail.

Where a test of another part of the contract is the same, it runs here once more under the name of the defect. Those
over HTTP and those that count are elsewhere:

- They answer 500 to a cookie of `%00` or of 1,000 characters: `tests/http`, test_no_cookie_is_a_server_error.
- Clearing their cache logs everyone out: `tests/http` too, test_clearing_the_cache_logs_nobody_out.
- They pay a second round trip for the pool's reset: `tests/test_costs.py`, test_one_caller_sends_one_statement_a_call.
- They never renew in place: `tests/test_costs.py`, test_postgres_renews_in_place.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.contract import test_cleanup, test_expiry, test_keys, test_namespaces, test_renewal, test_tables
from tests.contract.helpers import about
from tests.contract.test_cleanup import expired  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from tests.backends import Store, Stores


async def test_ids_collide_under_a_collation(store: Store) -> None:
    ids = ["abc", "ABC", "abc ", "Abc", "àbc", "abc\t", "ａbc"]
    await store.set_many({key: str(number) for number, key in enumerate(ids)})
    for number, key in enumerate(ids):
        assert await store.get(key) == str(number).encode()
    await store.delete("ABC")
    assert await store.get("abc") == b"0"


test_ids_are_found_in_the_table = test_keys.test_the_database_never_sees_a_key
test_zero_and_negative_durations_are_never = test_expiry.test_zero_or_less_removes_the_entry_and_stores_nothing
test_fractions_of_a_second_are_never = test_expiry.test_fractions_of_a_second_count


async def test_the_clock_of_the_application_counts(
    store: Store, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("key", b"1", expires_in=100)
    right = time.time
    for wrong_by in (-1_000_000, 1_000_000):
        monkeypatch.setattr(time, "time", lambda wrong_by=wrong_by: right() + wrong_by)
        wrong = stores()
        assert await wrong.get("key", renew_for=100) == b"1"
        assert await wrong.expires_in("key") == about(100)
        await wrong.set("set by the wrong one", b"1", expires_in=100)
        await wrong.set("expired", b"1", expires_in=0.001)
        await asyncio.sleep(0.01)
        assert await store.expires_in("set by the wrong one") == about(100)
        assert await store.get("expired") is None
        assert await wrong.delete_expired() == 1
        await wrong.aclose()


test_a_renewal_overwrites_a_concurrent_set = (
    test_renewal.test_a_renewal_never_gives_an_expiry_to_what_has_become_permanent
)
test_a_renewal_brings_back_a_deleted_session = test_renewal.test_a_renewal_never_brings_back_what_was_deleted
test_there_are_no_namespaces = test_namespaces.test_delete_all_of_a_child_leaves_its_parent_and_siblings
test_a_missing_table_is_swallowed = test_tables.test_a_missing_table_is_an_error_that_says_how_to_make_it


# Of 48 calls, 42 raised.
test_workers_race_in_create_table = test_tables.test_eight_stores_may_create_at_once
test_expired_rows_are_deleted_in_one_unbounded_statement = test_cleanup.test_a_batch_is_never_larger_than_asked_for


async def test_an_expired_session_expires_in_zero_seconds(store: Store) -> None:
    await store.set("key", b"1", expires_in=0.001)
    await asyncio.sleep(0.01)
    assert await store.expires_in("key") is None


async def test_no_expiry_and_no_session_are_the_same(store: Store) -> None:
    await store.set("key", b"1")
    assert (await store.expires_in("key"), await store.expires_in("missing")) == (-1, None)

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import logging
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores.coalescing import Coalescer, Failure, lanes, queues
from litestar_sqlstores.coalescing.lanes import LINGER_SECONDS, MIN_SHARED
from litestar_sqlstores.coalescing.statements import LOSS_SECONDS, MAX_CONFLICT_RETRIES, MAX_LOSSES
from litestar_sqlstores.errors import (
    ClosedError,
    ConfigurationError,
    ConflictError,
    DatabaseError,
    InvalidValueError,
    OverloadedError,
    StoreError,
    StoreTimeoutError,
    UnavailableError,
)
from tests.unit.fake_database import (
    ERRORS,
    Amount,
    Connection,
    DriverError,
    FakeDatabase,
    Statement,
    assert_at_rest,
    footprint,
)
from tests.unit.loops import LOOPS, LoopFactory, VirtualTimeLoop, in_virtual_time, on_every_loop, run, settle

if TYPE_CHECKING:
    from litestar_sqlstores.coalescing import Operation

A, B, C, D, E = (letter.encode() for letter in "abcde")


def keys(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


def submit_all(
    coalescer: Coalescer[Connection], operation: Operation[Connection], keys: Iterable[bytes], argument: Any = None
) -> list[asyncio.Future[Any]]:
    return [coalescer.submit(operation, key, argument) for key in keys]


async def outcomes(calls: Iterable[asyncio.Future[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


# -- calls travel together


@in_virtual_time
async def test_a_lone_call_goes_out_at_once() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    loop = asyncio.get_running_loop()
    start = loop.time()

    await coalescer.submit(database.set, A, 1)
    assert await coalescer.submit(database.get, A) == 1

    assert loop.time() == pytest.approx(start)
    assert database.batches() == [[A], [A]]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_made_while_a_statement_is_under_way_travel_in_the_next_one() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    first = coalescer.submit(database.get, A)
    statement = await database.next_statement()

    others = [coalescer.submit(database.get, B)]
    await settle()
    others += submit_all(coalescer, database.get, [C, D])
    await settle()
    assert database.batches() == [[A]]

    statement.finish()
    (await database.next_statement()).finish()
    assert database.batches() == [[A], [B, C, D]]
    await outcomes([first, *others])
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_each_call_gets_the_answer_for_its_own_key() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    stored = {key: b"value of " + key for key in keys(1000)[::2]}
    await outcomes([coalescer.submit(database.set, key, value) for key, value in stored.items()])
    assert database.values == stored

    wanted = keys(1000) * 2
    assert await outcomes(submit_all(coalescer, database.get, wanted)) == [stored.get(key) for key in wanted]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_many_callers_in_a_row_lose_no_answer_and_get_none_twice() -> None:
    database = FakeDatabase()

    async def take_a_moment(statement: Statement) -> None:
        for _ in range(len(database.statements) % 4):
            await asyncio.sleep(0)

    database.on_statement = take_a_moment
    coalescer = database.coalescer()

    async def call_many_times(key: bytes) -> None:
        for number in range(30):
            await coalescer.submit(database.set, key, (key, number))
            assert await coalescer.submit(database.get, key) == (key, number)

    await asyncio.gather(*map(call_many_times, keys(40)))
    assert len(database.statements) < 40 * 30
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_statement_has_calls_of_one_operation_only_and_the_oldest_call_goes_first() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, A)]
    await database.next_statement()
    for operation, key in ((database.set, B), (database.get, C), (database.set, D), (database.length, C)):
        await asyncio.sleep(0.001)
        calls.append(coalescer.submit(operation, key, b"new"))

    database.running[0].finish()
    for _ in range(3):
        (await database.next_statement()).finish()
    await outcomes(calls)
    assert [(statement.operation, statement.keys) for statement in database.statements[1:]] == [
        ("set", [B, D]),
        ("get", [C]),
        ("length", [C]),
    ]


@pytest.mark.parametrize("kind", ["get", "set"])
@pytest.mark.parametrize("early", [0, 1, 10])
@pytest.mark.parametrize("shares", [1, 2, 3])
@in_virtual_time
async def test_many_callers_share_their_statements_evenly_however_they_began(
    shares: int, early: int, kind: str
) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, max_writers=3, shares=shares)

    async def take_a_moment(statement: Statement) -> None:
        # No two of them alike, so that statements end apart from each other.
        await asyncio.sleep(0.001 + len(database.statements) % 7 / 100_000)

    async def call_again_and_again(key: bytes) -> None:
        for _ in range(30):
            await coalescer.submit(getattr(database, kind), key)

    database.on_statement = take_a_moment
    callers = [asyncio.create_task(call_again_and_again(key)) for key in keys(early)]
    await asyncio.sleep(0.0005)
    callers += [asyncio.create_task(call_again_and_again(key)) for key in keys(120)[early:]]
    await asyncio.gather(*callers)

    sizes = [len(batch) for batch in database.batches()]
    # Now and then, two statements end in the same moment.
    assert sizes.count(120 // shares) > len(sizes) * 0.9
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_few_calls_left_over_wait_for_the_statements_under_way_but_not_for_long() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, shares=2)
    database.hold()
    calls = submit_all(coalescer, database.get, keys(80))
    stuck = [await database.next_statement() for _ in range(2)]
    assert [len(statement.arguments) for statement in stuck] == [40, 40]

    left = submit_all(coalescer, database.get, keys(85)[80:])
    await asyncio.sleep(LINGER_SECONDS * 0.9)
    assert database.running == stuck
    await asyncio.sleep(LINGER_SECONDS * 0.2)
    assert [list(statement.arguments) for statement in database.running[2:]] == [keys(85)[80:]]

    # As many as are under way are worth a statement at once.
    more = submit_all(coalescer, database.get, keys(170)[85:])
    await settle()
    assert len(database.running) == 4
    database.let_go()
    await outcomes([*calls, *left, *more])
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_one_caller_needs_one_connection() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    for number in range(100):
        await coalescer.submit(database.set, A, number)
        assert await coalescer.submit(database.get, A) == number
    assert database.attempts == 1
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_of_several_kinds_travel_beside_each_other() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.hold()
    calls = [coalescer.submit(operation, A) for operation in (database.get, database.length, database.set)]
    await settle()
    assert [statement.operation for statement in database.running] == ["get", "length", "set"]
    database.let_go()
    assert await outcomes(calls) == [None] * 3
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_writes_are_not_shared_between_lanes_of_which_one_only_may_write() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, max_writers=1)
    await outcomes(submit_all(coalescer, database.set, keys(MIN_SHARED * 3)))
    assert len(database.statements) == 1
    await assert_at_rest(coalescer, database)


# -- order


@on_every_loop
async def test_writes_reach_the_database_sorted_by_key() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = submit_all(coalescer, database.set, [C])
    await database.next_statement()
    calls += submit_all(coalescer, database.set, [D, B, E, A, D])
    database.running[0].finish()

    assert (await database.next_statement()).keys == [A, B, D, E]
    database.running[0].finish()
    await outcomes(calls)


@on_every_loop
async def test_the_last_of_several_writes_for_a_key_in_a_statement_counts_and_all_are_answered() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, E)]
    await database.next_statement()
    calls += [coalescer.submit(database.set, key, value) for key, value in ((A, 1), (B, 2), (A, 3), (A, 4), (B, 5))]
    database.running[0].finish()

    assert (await database.next_statement()).arguments == {A: 4, B: 5}
    database.running[0].finish()
    assert await outcomes(calls) == [None] * 6
    assert database.values == {A: 4, B: 5}


@on_every_loop
async def test_a_write_waits_for_the_write_of_its_key_that_is_under_way() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, max_writers=4)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    first = await database.next_statement()
    calls += [coalescer.submit(database.set, key, value) for key, value in ((A, 2), (B, 3), (A, 4), (C, 5))]

    second = await database.next_statement()
    assert second.arguments == {B: 3, C: 5}
    second.finish()
    await settle()
    assert database.running == [first]

    first.finish()
    third = await database.next_statement()
    assert third.arguments == {A: 4}
    third.finish()
    await outcomes(calls)
    assert database.values == {A: 4, B: 3, C: 5}
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_write_waits_for_another_kind_of_write_of_its_key() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, max_writers=4)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    first = await database.next_statement()
    calls.append(coalescer.submit(database.delete, A))
    await settle()
    assert database.running == [first]

    first.finish()
    (await database.next_statement()).finish()
    await outcomes(calls)
    assert not database.values


@on_every_loop
async def test_a_read_does_not_wait_for_the_write_of_its_key() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    await coalescer.submit(database.set, A, "old")
    database.hold()
    write = coalescer.submit(database.set, A, "new")
    writing = await database.next_statement()
    read = coalescer.submit(database.get, A)
    (await database.next_statement()).finish()
    assert await read == "old"

    writing.finish()
    await write


@on_every_loop
async def test_what_is_called_later_is_written_later_whatever_the_kind_of_write() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, E)]
    await database.next_statement()
    calls += [
        coalescer.submit(database.delete, B),
        coalescer.submit(database.set, A, "called first"),
        coalescer.submit(database.delete, A),
    ]

    database.let_go()
    await outcomes(calls)
    assert A not in database.values


@on_every_loop
async def test_the_order_of_the_writes_for_a_key_outlives_a_split_and_a_lost_connection() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, E)]
    statement = await database.next_statement()
    calls += [coalescer.submit(database.set, A, 1), coalescer.submit(database.set, A, 2)]
    statement.finish()

    database.fail_once(Failure.OTHER, Failure.DISCONNECTED)
    await outcomes(calls)
    assert database.values == {A: 2}


@on_every_loop
async def test_the_order_of_the_writes_for_a_key_outlives_a_lost_connection() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    statement = await database.next_statement()
    calls += [coalescer.submit(database.set, A, 2), coalescer.submit(database.delete, B)]
    calls += [coalescer.submit(database.set, A, 3), coalescer.submit(database.delete, A)]
    statement.fail(Failure.DISCONNECTED)
    database.let_go()

    assert await outcomes(calls) == [None] * 5
    assert not database.values


# -- calls for one key that are more than the last of them


@on_every_loop
async def test_sums_travel_in_one_statement_and_each_call_gets_the_sum_up_to_its_own() -> None:
    database = FakeDatabase()
    database.values = {A: 100}
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.add, key, Amount(2**number)) for number, key in enumerate((A, B, A, B, A))]
    assert await outcomes(calls) == [101, 2, 105, 10, 121]
    assert [statement.arguments for statement in database.statements] == [{A: Amount(21), B: Amount(10)}]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_sum_counts_what_was_cancelled_after_it_was_sent_and_not_what_was_cancelled_before() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.add, A, Amount(2**number)) for number in range(4)]
    calls[1].cancel()
    statement = await database.next_statement()
    calls[2].cancel()
    await settle()
    statement.finish()
    assert await outcomes([calls[0], calls[3]]) == [1, 13]


@on_every_loop
async def test_a_bad_summand_fails_alone() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def refuse_odd(statement: Statement) -> None:
        if any(argument.amount % 2 for argument in statement.arguments.values()):
            raise DriverError(Failure.BAD_VALUE)

    database.on_statement = refuse_odd
    calls = [coalescer.submit(database.add, A, Amount(amount)) for amount in (2, 3, 4, 6)]
    answers = await outcomes(calls)
    assert isinstance(answers[1], InvalidValueError)
    assert [answers[0], *answers[2:]] == [2, 6, 12]


@on_every_loop
async def test_calls_for_one_key_that_must_stay_apart_do_and_hold_up_no_other() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    calls = [coalescer.submit(database.exchange, key, value) for key, value in ((A, 1), (A, 2), (B, 3), (A, 4), (C, 5))]
    assert await outcomes(calls) == [None, 1, None, 2, None]
    assert database.batches() == [[A, B, C], [A], [A]]
    await assert_at_rest(coalescer, database)


@pytest.mark.parametrize("name, argument, answer", [("add", Amount(1), 1), ("exchange", 1, None)])
@on_every_loop
async def test_what_may_not_run_twice_fails_with_its_connection_but_outlives_a_conflict(
    name: str, argument: Any, answer: Any
) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    operation = getattr(database, name)
    database.fail_once(Failure.DISCONNECTED)
    answers = await outcomes(submit_all(coalescer, operation, [A, B], argument))
    assert [type(answer) for answer in answers] == [UnavailableError] * 2
    assert len(database.statements) == 1

    database.fail_once(Failure.CONFLICT)
    assert await outcomes(submit_all(coalescer, operation, [A, B], argument)) == [answer] * 2
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_what_may_not_run_twice_is_tried_after_a_split_if_it_has_not_run() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.DISCONNECTED)
    answers = await outcomes(submit_all(coalescer, database.add, [A, B], Amount(1)))
    assert isinstance(answers[0], UnavailableError)
    assert answers[1] == 1
    assert database.batches() == [[A, B], [A], [B]]
    await assert_at_rest(coalescer, database)


# -- errors


@pytest.mark.parametrize("bad", [[0], [31], [7, 8], [0, 31], [3, 4, 5, 20], list(range(32))])
@on_every_loop
async def test_calls_fail_that_made_their_statement_fail_and_no_others(bad: list[int]) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    wanted = keys(32)
    database.refuse_keys(*(wanted[number] for number in bad))

    answers = await outcomes(submit_all(coalescer, database.set, wanted, "value"))
    assert [number for number, answer in enumerate(answers) if answer is not None] == bad
    failures = [answer for answer in answers if answer is not None]
    assert all(type(failure) is InvalidValueError for failure in failures)
    assert len({id(failure) for failure in failures}) == len(bad)
    assert all(isinstance(failure.__cause__, DriverError) for failure in failures)
    assert database.values.keys() == set(wanted) - {wanted[number] for number in bad}
    assert len(database.connections) == 1
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_one_bad_call_of_many_costs_few_statements() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.refuse_keys(keys(256)[100])
    await outcomes(submit_all(coalescer, database.set, keys(256)))
    assert len(database.statements) == 1 + 2 * 8


@on_every_loop
async def test_a_bad_argument_does_not_spoil_the_other_calls_for_its_key() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def refuse_bad(statement: Statement) -> None:
        if "bad" in statement.arguments.values():
            raise DriverError(Failure.BAD_VALUE)

    database.on_statement = refuse_bad
    answers = await outcomes([coalescer.submit(database.set, A, value) for value in ("good", "bad")])
    assert answers[0] is None
    assert isinstance(answers[1], InvalidValueError)
    assert database.values == {A: "good"}


@pytest.mark.parametrize("failure", [Failure.MISSING_TABLE, Failure.MISSING_SCHEMA, Failure.WRONG_SCHEMA])
@on_every_loop
async def test_what_concerns_every_call_fails_all_of_them_with_one_statement(failure: Failure) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.always_fail(failure)

    answers = await outcomes(submit_all(coalescer, database.get, keys(20)))
    assert [type(answer) for answer in answers] == [ERRORS[failure]] * 20
    assert len({id(answer) for answer in answers}) == 20
    assert len({id(answer.__cause__) for answer in answers}) == 1
    assert len(database.statements) == 1
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_an_error_that_is_no_drivers_error_reaches_the_caller_too() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()

    async def stumble(statement: Statement) -> None:
        msg = "a bug"
        raise TypeError(msg)

    database.on_statement = stumble
    with pytest.raises(DatabaseError) as caught:
        await coalescer.submit(database.get, A)
    assert isinstance(caught.value.__cause__, TypeError)


# -- cancellation


@on_every_loop
async def test_a_cancelled_call_that_waits_is_not_made() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    first = coalescer.submit(database.set, A, 1)
    statement = await database.next_statement()
    calls = [coalescer.submit(database.set, key, 2) for key in (B, C, D)]
    calls[1].cancel()
    statement.finish()

    second = await database.next_statement()
    assert second.keys == [B, D]
    second.finish()
    assert await outcomes([first, calls[0], calls[2]]) == [None] * 3
    assert database.values.keys() == {A, B, D}
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_cancelled_call_in_a_statement_does_no_harm_to_the_others() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = submit_all(coalescer, database.set, [A, B, C], 1)
    statement = await database.next_statement()
    calls[1].cancel()
    await settle()
    statement.finish()

    assert await outcomes([calls[0], calls[2]]) == [None, None]
    assert len(database.connections) == 1
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_the_cancelled_task_that_made_the_first_call_takes_nobody_along() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()

    async def call() -> Any:
        return await coalescer.submit(database.get, A)

    first = asyncio.create_task(call())
    statement = await database.next_statement()
    other = coalescer.submit(database.get, B)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    statement.finish()
    (await database.next_statement()).finish()
    assert await other is None
    assert len(database.connections) == 1
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_when_all_callers_are_cancelled_the_next_one_finds_everything_in_order() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = submit_all(coalescer, database.set, [A, B], 1)
    statement = await database.next_statement()
    calls += submit_all(coalescer, database.set, [C, D], 1)
    for call in calls:
        call.cancel()
    await settle()
    statement.finish()
    await settle()
    database.let_go()

    await coalescer.submit(database.set, E, 2)
    assert database.batches() == [[A, B], [E]]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_call_cancelled_before_its_lane_has_a_connection_is_not_made() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    coalescer.submit(database.set, A, 1).cancel()
    await settle()
    assert not database.statements
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_split_leaves_out_the_calls_that_are_cancelled() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = submit_all(coalescer, database.set, [A, B, C, D], 1)
    statement = await database.next_statement()
    calls[2].cancel()
    await settle()
    statement.fail(Failure.OTHER)
    database.let_go()
    assert await outcomes([calls[0], calls[1], calls[3]]) == [None] * 3
    assert sorted(itertools.chain(*database.batches()[1:])) == [A, B, D]


@on_every_loop
async def test_calls_that_are_cancelled_take_no_place_in_the_queue() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, max_pending=10)
    database.hold()
    first = coalescer.submit(database.get, A)
    await database.next_statement()
    impatient = submit_all(coalescer, database.get, keys(10))
    for call in impatient:
        call.cancel()
    await settle()

    other = coalescer.submit(database.get, B)
    database.let_go()
    assert await outcomes([first, other]) == [None, None]


@in_virtual_time
async def test_there_is_room_again_each_time_that_callers_give_up() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, max_pending=10)
    database.hold()
    first = coalescer.submit(database.get, A)
    await database.next_statement()
    for _ in range(3):
        calls = submit_all(coalescer, database.get, keys(10))
        with pytest.raises(OverloadedError):
            _ = coalescer.submit(database.get, B)
        for call in calls[:4]:
            call.cancel()
        await asyncio.sleep(0.1)
        calls[:4] = submit_all(coalescer, database.get, keys(4))
        with pytest.raises(OverloadedError):
            _ = coalescer.submit(database.get, B)
        for call in calls:
            call.cancel()
        await asyncio.sleep(0.1)
    database.let_go()
    assert await first is None
    await assert_at_rest(coalescer, database)


# -- bounds


@on_every_loop
async def test_calls_beyond_max_pending_are_refused_until_others_are_through() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, max_pending=1234)
    database.hold()
    calls = [coalescer.submit(database.get, A)]
    await database.next_statement()
    calls += submit_all(coalescer, database.get, keys(1234))
    with pytest.raises(OverloadedError, match=r"1,234 calls wait.*max_pending"):
        _ = coalescer.submit(database.get, B)

    database.let_go()
    await outcomes(calls)
    assert await coalescer.submit(database.get, B) is None
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_statement_has_no_more_than_max_batch_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_BATCH_ITEMS", 5)
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    wanted = keys(23)
    await outcomes(submit_all(coalescer, database.get, wanted))
    assert database.batches() == [wanted[start : start + 5] for start in range(0, 23, 5)]


@on_every_loop
async def test_a_statement_has_no_more_than_max_batch_bytes_unless_a_call_alone_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queues, "MAX_BATCH_BYTES", 100)
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    sizes = [60, 40, 1, 500, 99, 1, 0, 101, 101]
    await outcomes(
        coalescer.submit(database.set, key, size, size) for key, size in zip(keys(len(sizes)), sizes, strict=True)
    )
    assert [list(statement.arguments.values()) for statement in database.statements] == [
        [60, 40],
        [1],
        [500],
        [99, 1, 0],
        [101],
        [101],
    ]
    await assert_at_rest(coalescer, database)


@pytest.mark.parametrize("max_lanes, max_writers", [(1, 1), (2, 1), (4, 2), (3, 3)])
@on_every_loop
async def test_there_are_never_more_lanes_and_writers_than_allowed(max_lanes: int, max_writers: int) -> None:
    database = FakeDatabase()

    async def take_a_moment(statement: Statement) -> None:
        for _ in range(len(database.statements) % 5):
            await asyncio.sleep(0)

    database.on_statement = take_a_moment
    coalescer = database.coalescer(max_lanes=max_lanes, max_writers=max_writers)
    calls: list[asyncio.Future[Any]] = []
    for _ in range(20):
        calls += submit_all(coalescer, database.set, keys(50))
        calls += submit_all(coalescer, database.get, keys(50))
        calls += submit_all(coalescer, database.length, keys(50))
        await asyncio.sleep(0)
    await outcomes(calls)
    assert database.most["connections"] == database.most["statements"] == max_lanes
    assert 1 <= database.most["writes"] <= max_writers
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_reads_pass_writes_that_are_stuck() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=4, max_writers=2)
    database.hold()
    writes = []
    for key in keys(8):
        writes.append(coalescer.submit(database.set, key))
        await settle()
    assert [statement.operation for statement in database.running] == ["set", "set"]

    for _ in range(3):
        read = coalescer.submit(database.get, A)
        await settle()
        assert database.running[-1].operation == "get"
        database.running[-1].finish()
        assert await read is None

    database.let_go()
    await outcomes(writes)
    await assert_at_rest(coalescer, database)


# -- timeouts


@in_virtual_time
async def test_a_call_that_waits_too_long_fails_with_the_limit_in_its_text() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=2.5)
    loop = asyncio.get_running_loop()
    database.hold()
    start = loop.time()
    calls = [coalescer.submit(database.get, A)]
    await asyncio.sleep(1)
    calls.append(coalescer.submit(database.get, B))

    with pytest.raises(StoreTimeoutError, match=r"2\.5 seconds \(timeout\)"):
        await calls[0]
    assert loop.time() == pytest.approx(start + 2.5)
    database.let_go()
    assert await calls[1] is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_call_in_the_queue_fails_in_time_while_a_statement_goes_on_and_on() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    loop = asyncio.get_running_loop()
    ends: dict[bytes, float] = {}

    async def call(key: bytes) -> None:
        with pytest.raises(StoreTimeoutError):
            await coalescer.submit(database.set, key)
        ends[key] = loop.time() - start

    async def hang(statement: Statement) -> None:
        await asyncio.sleep(1000)

    database.on_statement = hang
    start = loop.time()
    async with asyncio.TaskGroup() as callers:
        for key in (A, B, C):
            callers.create_task(call(key))
            await asyncio.sleep(1)
    assert ends == {A: pytest.approx(10), B: pytest.approx(11), C: pytest.approx(12)}
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_statement_that_hangs_is_given_up_with_its_connection_and_others_go_on() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.hold()
    stuck = submit_all(coalescer, database.set, [A, B])
    statement = await database.next_statement()
    await asyncio.sleep(9)
    later = coalescer.submit(database.set, A, "later")

    assert [type(answer) for answer in await outcomes(stuck)] == [StoreTimeoutError] * 2
    (await database.next_statement()).finish()
    assert await later is None
    assert statement.connection.discarded
    assert statement.connection not in database.connected
    assert [connection.discarded for connection in database.connections] == [True, False]
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_callers_with_more_time_still_get_the_answer_of_a_statement_that_others_gave_up() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.values = {C: "value"}
    database.hold()
    calls = [coalescer.submit(database.get, A)]
    first = await database.next_statement()
    await asyncio.sleep(1)
    calls.append(coalescer.submit(database.get, B))
    await asyncio.sleep(3)
    calls.append(coalescer.submit(database.get, C))
    first.finish()
    second = await database.next_statement()
    assert second.keys == [B, C]

    with pytest.raises(StoreTimeoutError):
        await calls[1]
    second.finish()
    assert await calls[2] == "value"
    assert not second.connection.discarded
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_lanes_beside_one_that_hangs_go_on() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=2, max_writers=1, timeout=10)
    database.hold()
    stuck = coalescer.submit(database.set, A)
    await database.next_statement()
    await asyncio.sleep(5)
    waiting = coalescer.submit(database.set, B)
    for _ in range(3):
        read = coalescer.submit(database.get, A)
        (await database.next_statement()).finish()
        assert await read is None
    assert isinstance((await outcomes([stuck]))[0], StoreTimeoutError)
    (await database.next_statement()).finish()
    assert await waiting is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_connection_that_is_slow_to_be_discarded_holds_up_no_other_lane() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=2, max_writers=1, timeout=10)

    async def discard_for_ever(connection: Connection) -> None:
        await asyncio.sleep(1000)

    database.on_discard = discard_for_ever
    database.hold()
    stuck = coalescer.submit(database.set, A)
    await database.next_statement()
    await asyncio.sleep(9)
    later = coalescer.submit(database.set, A, "later")
    assert isinstance((await outcomes([stuck]))[0], StoreTimeoutError)
    (await database.next_statement()).finish()
    assert await later is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_statement_may_take_its_time_to_notice_that_it_was_given_up() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def clean_up_slowly(statement: Statement) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3)

    database.on_statement = clean_up_slowly
    stuck = coalescer.submit(database.get, A)
    await asyncio.sleep(9)
    later = coalescer.submit(database.get, B)
    assert isinstance((await outcomes([stuck]))[0], StoreTimeoutError)
    database.let_go()
    assert await later is None
    await assert_at_rest(coalescer, database)


@pytest.mark.parametrize("error", [None, DriverError(Failure.OTHER), DriverError(Failure.DISCONNECTED)])
@in_virtual_time
async def test_a_driver_may_make_something_else_of_being_given_up(error: DriverError | None) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def mask_cancellation(statement: Statement) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if error:
                raise error from None

    database.on_statement = mask_cancellation
    assert isinstance((await outcomes([coalescer.submit(database.get, A)]))[0], StoreTimeoutError)

    # The lane goes on, and still ends with its event loop.
    async def wait_for_ever(statement: Statement) -> None:
        await asyncio.Event().wait()

    database.let_go()
    assert await coalescer.submit(database.get, A) is None
    database.on_statement = wait_for_ever
    call = coalescer.submit(database.get, A)
    await settle()
    (lane,) = coalescer._lanes.tasks
    lane.cancel()
    await settle()
    assert lane.cancelled()
    assert call.cancelled()
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_driver_that_cancels_itself_cancels_nobody_else() -> None:
    # As gRPC does when its channel is closed.
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def cancel_first(statement: Statement) -> None:
        if len(database.statements) == 1:
            raise asyncio.CancelledError

    database.on_statement = cancel_first
    calls = [coalescer.submit(database.get, A), coalescer.submit(database.set, A)]
    answers = await outcomes(calls)
    assert not isinstance(answers[0], asyncio.CancelledError)
    assert answers[1] is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_lane_that_gave_up_a_statement_still_tells_a_driver_that_cancels_itself() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)

    async def hang_then_cancel(statement: Statement) -> None:
        if len(database.statements) == 1:
            await asyncio.sleep(1000)
        if len(database.statements) == 2:
            raise asyncio.CancelledError

    database.on_statement = hang_then_cancel
    stuck = coalescer.submit(database.get, A)
    await asyncio.sleep(9)
    later = coalescer.submit(database.get, B)
    assert isinstance((await outcomes([stuck]))[0], StoreTimeoutError)
    assert await later is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_driver_that_cancels_itself_while_it_connects_fails_those_who_wait() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def cancel() -> None:
        raise asyncio.CancelledError

    database.on_connect = cancel
    answers = await outcomes(submit_all(coalescer, database.get, [A, B]))
    assert all(isinstance(answer, StoreError) for answer in answers)
    assert not any(isinstance(answer, StoreTimeoutError) for answer in answers)
    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_calls_fail_in_time_while_no_connection_comes_and_work_when_it_does() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(timeout=10)

    async def connect_slowly() -> None:
        await asyncio.sleep(25)

    database.on_connect = connect_slowly
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert [type(answer) for answer in await outcomes(submit_all(coalescer, database.get, [A, B]))] == [
        StoreTimeoutError
    ] * 2
    assert loop.time() == pytest.approx(start + 10)
    await asyncio.sleep(10)
    assert await coalescer.submit(database.get, A) is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_no_call_waits_longer_than_the_timeout_after_two_lanes_lost_their_connection() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    loop = asyncio.get_running_loop()
    database.hold()
    start = loop.time()
    early = coalescer.submit(database.get, A)
    first = await database.next_statement()
    await asyncio.sleep(8)
    late = coalescer.submit(database.get, B)
    second = await database.next_statement()

    async def never() -> None:
        await asyncio.sleep(1000)

    database.on_connect = never
    first.fail(Failure.DISCONNECTED)
    await settle()
    second.fail(Failure.DISCONNECTED)
    assert isinstance((await outcomes([early]))[0], StoreTimeoutError)
    assert loop.time() == pytest.approx(start + 10)
    assert isinstance((await outcomes([late]))[0], StoreTimeoutError)
    assert loop.time() == pytest.approx(start + 18)


# -- conflicts


@in_virtual_time
async def test_a_conflict_is_tried_again_until_it_is_over() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.fail_once(*[Failure.CONFLICT] * MAX_CONFLICT_RETRIES)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.batches() == [[A, B]] * (MAX_CONFLICT_RETRIES + 1)
    assert not any(connection.discarded for connection in database.connections)
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_lock_is_waited_for_as_long_as_somebody_waits_for_the_answer() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(timeout=10)
    database.fail_once(*[Failure.BUSY] * (10 * MAX_CONFLICT_RETRIES))
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.batches() == [[A, B]] * (10 * MAX_CONFLICT_RETRIES + 1)

    database.always_fail(Failure.BUSY)
    answers = await outcomes(submit_all(coalescer, database.set, [A, B], 1))
    assert [type(answer) for answer in answers] == [StoreTimeoutError] * 2
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_conflicts_without_end_fail_all_calls_of_the_statement() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.always_fail(Failure.CONFLICT)
    answers = await outcomes(submit_all(coalescer, database.set, [A, B], 1))
    assert [type(answer) for answer in answers] == [ConflictError] * 2
    assert answers[0] is not answers[1]
    assert database.batches() == [[A, B]] * (MAX_CONFLICT_RETRIES + 1)
    assert not any(connection.discarded for connection in database.connections)
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_conflict_is_not_tried_again_when_nobody_waits() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.hold()
    call = coalescer.submit(database.set, A)
    statement = await database.next_statement()
    call.cancel()
    statement.fail(Failure.CONFLICT)
    await settle()
    await asyncio.sleep(5)
    assert len(database.statements) == 1
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_conflict_while_a_split_is_under_way_is_tried_again_too() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.CONFLICT, Failure.CONFLICT)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.values == {A: 1, B: 1}


@in_virtual_time
async def test_a_call_that_meets_conflicts_until_its_time_is_up_says_so() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(timeout=1)

    async def conflict_slowly(statement: Statement) -> None:
        await asyncio.sleep(0.4)
        raise DriverError(Failure.CONFLICT)

    database.on_statement = conflict_slowly
    with pytest.raises(StoreTimeoutError):
        await coalescer.submit(database.set, A)
    await assert_at_rest(coalescer, database)


# -- connections


@on_every_loop
async def test_a_lost_connection_is_replaced_and_its_calls_are_tried_again() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.set, [A, B], 1)) == [None, None]
    assert database.values == {A: 1, B: 1}
    assert database.batches() == [[A, B], [A, B]]
    assert [connection.discarded for connection in database.connections] == [True, False]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_outlive_that_all_connections_end_together() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.hold()
    calls: list[asyncio.Future[Any]] = []
    for operation, key in ((database.get, A), (database.length, B), (database.set, C), (database.delete, D)):
        calls.append(coalescer.submit(operation, key))
        await database.next_statement()
    database.fail_once(*[Failure.DISCONNECTED] * (len(database.running) - 1))
    for statement in list(database.running):
        statement.fail(Failure.DISCONNECTED)
        await settle()
    assert await outcomes(calls) == [None] * 4
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_that_lose_connection_after_connection_fail() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(*[Failure.DISCONNECTED] * (MAX_LOSSES + 1))
    answers = await outcomes(submit_all(coalescer, database.set, [A, B], 1))
    assert [type(answer) for answer in answers] == [UnavailableError] * 2
    assert answers[0] is not answers[1]
    assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
    assert await coalescer.submit(database.set, A, 2) is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_calls_that_lose_connections_slowly_fail_with_the_second() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def fail_slowly(statement: Statement) -> None:
        await asyncio.sleep(LOSS_SECONDS)
        raise DriverError(Failure.DISCONNECTED)

    database.on_statement = fail_slowly
    with pytest.raises(UnavailableError):
        await coalescer.submit(database.get, A)
    assert len(database.statements) == 2
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_what_was_not_sent_is_sent_on_another_connection_however_often_and_whatever_it_is() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(*[Failure.NOT_SENT] * 3)
    assert await outcomes(submit_all(coalescer, database.add, [A, B], Amount(1))) == [1, 1]
    assert [connection.discarded for connection in database.connections] == [True, True, True, False]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_each_call_has_tries_of_its_own() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, A)]
    statement = await database.next_statement()
    calls.append(coalescer.submit(database.get, B))
    statement.fail(Failure.DISCONNECTED)

    for _ in range(MAX_LOSSES):
        statement = await database.next_statement()
        assert statement.keys == [A, B]
        statement.fail(Failure.DISCONNECTED)
    with pytest.raises(UnavailableError):
        await calls[0]
    last = await database.next_statement()
    assert last.keys == [B]
    last.finish()
    assert await calls[1] is None
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_cancelled_with_the_lost_connection_are_not_tried_again() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = submit_all(coalescer, database.set, [A, B], 1)
    statement = await database.next_statement()
    calls[0].cancel()
    statement.fail(Failure.DISCONNECTED)
    second = await database.next_statement()
    assert second.keys == [B]
    second.finish()
    assert await calls[1] is None


@on_every_loop
async def test_a_connection_lost_in_a_split_costs_no_answer() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.OTHER, Failure.OTHER, Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.set, keys(8), 1)) == [None] * 8
    assert database.values.keys() == set(keys(8))
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_without_a_connection_all_that_wait_fail_at_once_and_later_calls_work_again() -> None:
    database = FakeDatabase()
    database.refuse_connections()
    coalescer = database.coalescer()
    for _ in range(2):
        answers = await outcomes([*submit_all(coalescer, database.get, [A, B]), coalescer.submit(database.set, C)])
        assert [type(answer) for answer in answers] == [UnavailableError] * 3
        assert len({id(answer) for answer in answers}) == 3
        assert all(isinstance(answer.__cause__, DriverError) for answer in answers)
    assert not database.statements

    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_calls_fail_whose_lost_connection_cannot_be_replaced() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.get, A)]
    statement = await database.next_statement()
    calls.append(coalescer.submit(database.get, B))
    database.refuse_connections()
    statement.fail(Failure.DISCONNECTED)
    assert [type(answer) for answer in await outcomes(calls)] == [UnavailableError] * 2
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_further_lane_that_finds_no_connection_harms_nobody() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.hold()
    first = coalescer.submit(database.get, A)
    await database.next_statement()
    database.refuse_connections()
    others = submit_all(coalescer, database.get, keys(100))
    await settle()
    assert not any(call.done() for call in others)

    database.let_go()
    assert await outcomes([first, *others]) == [None] * 101
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_further_lane_does_not_ask_for_a_connection_again_and_again() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    database.hold()
    first = coalescer.submit(database.get, A)
    await database.next_statement()

    async def refuse_after_a_millisecond() -> None:
        await asyncio.sleep(0.001)
        raise DriverError(Failure.DISCONNECTED)

    database.on_connect = refuse_after_a_millisecond
    other = coalescer.submit(database.get, B)
    await asyncio.sleep(0.4)
    assert database.attempts < 20

    database.let_go()
    assert await outcomes([first, other]) == [None, None]
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_a_connection_that_cannot_be_given_back_is_logged_and_costs_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = FakeDatabase()

    async def fail(connection: Connection) -> None:
        raise DriverError(Failure.OTHER)

    database.on_release = fail
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.get, [A, B])) == [None, None]
    await assert_at_rest(coalescer, database)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in warnings] == ["litestar_sqlstores"] * 2
    assert all("DriverError" in record.getMessage() for record in warnings)


@on_every_loop
async def test_a_connection_that_cannot_be_discarded_costs_no_answer() -> None:
    database = FakeDatabase()

    async def fail(connection: Connection) -> None:
        raise DriverError(Failure.OTHER)

    database.on_discard = fail
    coalescer = database.coalescer(max_lanes=1)
    database.fail_once(Failure.DISCONNECTED)
    assert await outcomes(submit_all(coalescer, database.get, [A, B])) == [None, None]
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_lane_without_work_keeps_its_connection_for_a_moment_and_gives_it_back() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    for _ in range(5):
        await coalescer.submit(database.get, A)
        await asyncio.sleep(LINGER_SECONDS * 0.9)
        assert len(database.connected) == 1
    assert len(database.connections) == 1

    await asyncio.sleep(LINGER_SECONDS * 0.2)
    assert not database.connected
    await coalescer.submit(database.get, A)
    assert len(database.connections) == 2
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_lanes_that_work_all_the_time_give_their_connection_back_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "HOLD_SECONDS", 0.1)
    database = FakeDatabase()

    async def take_ten_milliseconds(statement: Statement) -> None:
        await asyncio.sleep(0.01)

    database.on_statement = take_ten_milliseconds
    coalescer = database.coalescer(max_lanes=2)

    async def call_for_a_second(key: bytes) -> None:
        for number in range(100):
            await coalescer.submit(database.set, key, number)
            assert await coalescer.submit(database.get, key) == number

    await asyncio.gather(*map(call_for_a_second, keys(20)))
    assert 10 <= len(database.connections) <= 60
    assert database.most["connections"] == 2
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_call_made_while_the_connection_goes_back_is_not_forgotten() -> None:
    database = FakeDatabase()

    async def release_slowly(connection: Connection) -> None:
        await asyncio.sleep(1)

    database.on_release = release_slowly
    coalescer = database.coalescer(max_lanes=1)
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS + 0.5)
    assert len(database.connected) == 1
    assert await coalescer.submit(database.get, A) is None
    assert len(database.connections) == 2
    await assert_at_rest(coalescer, database)


@pytest.mark.parametrize("max_lanes", [1, 2])
@pytest.mark.parametrize("steps", range(6))
@in_virtual_time
async def test_a_call_made_as_a_lane_goes_home_is_served(steps: int, max_lanes: int) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=max_lanes)
    loop = asyncio.get_running_loop()
    await coalescer.submit(database.get, A)
    await settle()
    calls: list[asyncio.Future[Any]] = []

    def call() -> None:
        calls.append(coalescer.submit(database.get, B))

    def call_after(steps: int) -> None:
        if steps:
            loop.call_soon(call_after, steps - 1)
        else:
            call()

    # At the very moment: timers of one moment run in one go, and so does what they have called soon.
    asyncio.get_running_loop().call_at(loop.time() + LINGER_SECONDS, call_after, steps)
    await asyncio.sleep(LINGER_SECONDS * 1.01)
    await settle()
    assert calls[0].done()
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_call_made_just_before_a_lane_would_have_gone_home_is_served() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    loop = asyncio.get_running_loop()
    calls: list[asyncio.Future[Any]] = []
    # Scheduled first, so it runs before the lane's own timer, which is due in the same moment.
    loop.call_at(loop.time() + LINGER_SECONDS, lambda: calls.append(coalescer.submit(database.get, B)))
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS * 1.01)
    assert await outcomes(calls) == [None]
    await assert_at_rest(coalescer, database)


# -- closing


@on_every_loop
async def test_close_answers_what_is_under_way_and_what_waits_and_refuses_the_rest() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    await database.next_statement()
    calls += submit_all(coalescer, database.set, [A, B], 2)
    closing = asyncio.create_task(coalescer.close())
    await settle()
    with pytest.raises(ClosedError, match=r"store is closed.*async with store"):
        _ = coalescer.submit(database.get, A)
    assert not closing.done()

    database.let_go()
    await closing
    assert [call.result() for call in calls] == [None] * 3
    assert database.values == {A: 2, B: 2}
    assert not database.connected
    await assert_at_rest(coalescer, database)


@on_every_loop
async def test_close_may_be_called_again_and_at_once_and_before_any_use() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    await coalescer.close()
    coalescer.open()
    call = coalescer.submit(database.get, A)
    await asyncio.gather(coalescer.close(), coalescer.close())
    await coalescer.close()
    assert call.result() is None
    assert not database.connected
    with pytest.raises(ClosedError):
        _ = coalescer.submit(database.get, A)


@on_every_loop
async def test_what_was_closed_can_be_opened_again() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    for number in range(3):
        await coalescer.submit(database.set, A, number)
        await coalescer.close()
        assert not database.connected
        coalescer.open()
        assert await coalescer.submit(database.get, A) == number
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_close_gives_idle_connections_back_at_once() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()
    await coalescer.submit(database.get, A)
    await settle()
    loop = asyncio.get_running_loop()
    start = loop.time()
    await coalescer.close()
    assert not database.connected
    assert loop.time() == pytest.approx(start)


@in_virtual_time
async def test_close_ends_although_a_statement_does_not() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    database.hold()
    calls = [coalescer.submit(database.set, A)]
    await database.next_statement()
    await asyncio.sleep(5)
    calls.append(coalescer.submit(database.set, A))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await coalescer.close()
    assert loop.time() <= start + 10.001
    assert [type(answer) for answer in await outcomes(calls)] == [StoreTimeoutError] * 2
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_a_statement_that_outlives_close_fails_its_calls_and_cancels_nobody() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.hold()
    call = coalescer.submit(database.set, A)
    closing = asyncio.create_task(coalescer.close())
    assert isinstance((await outcomes([call]))[0], StoreTimeoutError)
    await closing
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_close_ends_while_no_connection_comes_and_the_coalescer_can_be_used_again() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(timeout=10)

    async def never() -> None:
        await asyncio.sleep(1000)

    database.on_connect = never
    call = coalescer.submit(database.get, A)
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    start = loop.time()
    await coalescer.close()
    assert loop.time() <= start + 10.001
    assert isinstance((await outcomes([call]))[0], StoreTimeoutError)

    coalescer.open()
    database.accept_connections()
    assert await coalescer.submit(database.get, A) is None
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_close_replaces_a_lost_connection_for_what_waits() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    statement = await database.next_statement()
    calls.append(coalescer.submit(database.set, B, 1))
    closing = asyncio.create_task(coalescer.close())
    await settle()
    statement.fail(Failure.DISCONNECTED)
    database.let_go()
    await closing
    assert [call.result() for call in calls] == [None, None]
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_close_answers_a_call_made_while_the_only_connection_goes_back() -> None:
    database = FakeDatabase()

    async def release_slowly(connection: Connection) -> None:
        await asyncio.sleep(1)

    database.on_release = release_slowly
    coalescer = database.coalescer(max_lanes=1)
    await coalescer.submit(database.get, A)
    await asyncio.sleep(LINGER_SECONDS + 0.5)
    call = coalescer.submit(database.get, A)
    await coalescer.close()
    assert call.result() is None


@in_virtual_time
async def test_calls_made_after_it_is_opened_while_it_closes_are_answered() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1, timeout=10)
    database.hold()
    calls = [coalescer.submit(database.set, A, 1)]
    statement = await database.next_statement()
    closing = asyncio.create_task(coalescer.close())
    await settle()
    coalescer.open()
    calls.append(coalescer.submit(database.set, B, 1))
    statement.finish()
    second = await database.next_statement()
    calls.append(coalescer.submit(database.set, C, 1))
    await asyncio.sleep(5)
    second.finish()
    (await database.next_statement()).finish()
    assert await outcomes(calls) == [None] * 3
    await closing
    await assert_at_rest(coalescer, database)


@in_virtual_time
async def test_calls_that_are_under_way_outlive_that_it_is_opened_while_it_closes() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=2, timeout=10)
    database.hold()
    calls = []
    for key in (A, B):
        calls.append(coalescer.submit(database.set, key, 1))
        await settle()
    assert len(database.running) == 2
    closing = asyncio.create_task(coalescer.close())
    await settle()
    coalescer.open()
    database.running[0].finish()
    await closing
    database.let_go()
    assert await outcomes(calls) == [None, None]
    await assert_at_rest(coalescer, database)


# -- event loops


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_it_works_in_the_next_event_loop(new_loop: LoopFactory) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()

    async def use(number: int) -> None:
        await coalescer.submit(database.set, A, number)
        assert await coalescer.submit(database.get, A) == number

    for number in range(3):
        run(use(number), new_loop)
    assert not database.connected


@pytest.mark.parametrize("patient", [False, True])
@on_every_loop
async def test_an_event_loop_may_end_with_calls_under_way(patient: bool) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)
    database.hold()

    async def call(key: bytes) -> None:
        await coalescer.submit(database.set, key)

    def make_calls(*keys: bytes) -> list[asyncio.Future[Any]]:
        # The end of the event loop cancels the tasks in it, and not the futures that nobody awaits.
        return (
            [asyncio.create_task(call(key)) for key in keys] if patient else submit_all(coalescer, database.set, keys)
        )

    calls = make_calls(A, B)
    await database.next_statement()
    calls += make_calls(A, C, D)
    await settle()
    assert not any(call.done() for call in calls)
    # What is left after this would be an unfinished task, and the test would fail.


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_an_event_loop_that_ends_makes_no_new_connection(new_loop: LoopFactory) -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_lanes=1)

    async def call(key: bytes) -> None:
        await coalescer.submit(database.set, key)

    async def leave_calls_behind() -> list[asyncio.Task[None]]:
        database.hold()
        calls = [asyncio.create_task(call(A))]
        await database.next_statement()
        calls.append(asyncio.create_task(call(B)))
        await settle()
        return calls

    async def use() -> None:
        database.let_go()
        await call(A)
        await assert_at_rest(coalescer, database)

    run(leave_calls_behind(), new_loop)
    assert database.attempts == 1
    assert not database.connected
    run(use(), new_loop)


def test_an_event_loop_may_be_closed_without_ceremony() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()

    async def use() -> None:
        await coalescer.submit(database.get, A)

    loop = VirtualTimeLoop()
    # It complains about the lane that nobody has cancelled, and rightly so.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(use())
    loop.close()
    run(use())


def test_two_living_event_loops_are_refused() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer()

    async def use() -> None:
        await coalescer.submit(database.get, A)

    async def use_and_rest() -> None:
        await use()
        await asyncio.sleep(1)

    async def refused() -> None:
        with pytest.raises(ConfigurationError, match=r"another event loop; make a store for each"):
            _ = coalescer.submit(database.get, A)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as first:
        first.run(use())
        run(refused())
        # A refusal changes nothing, and who has finished makes place.
        first.run(use_and_rest())
        run(use())


def test_an_event_loop_does_not_answer_calls_made_in_a_later_one() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(timeout=10)
    loops = [asyncio.Runner(loop_factory=VirtualTimeLoop) for _ in range(2)]

    async def use_and_rest() -> None:
        await coalescer.submit(database.get, A)
        await asyncio.sleep(1)

    async def call() -> asyncio.Future[Any]:
        await asyncio.sleep(5)
        database.hold()
        call = coalescer.submit(database.get, A)
        await database.next_statement()
        return call

    async def end() -> None:
        database.let_go()
        await assert_at_rest(coalescer, database)

    with loops[0], loops[1]:
        loops[0].run(use_and_rest())
        call_of_second = loops[1].run(call())
        loops[0].run(asyncio.sleep(100))
        assert not call_of_second.done()
        loops[1].run(end())


# -- what callers bring along

request: contextvars.ContextVar[Any] = contextvars.ContextVar("request", default=None)


@on_every_loop
async def test_statements_do_not_see_the_context_of_a_caller() -> None:
    database = FakeDatabase()
    seen: list[Any] = []

    async def look(*_: object) -> None:
        seen.append(request.get())

    database.on_statement = look
    database.on_release = look
    coalescer = database.coalescer()
    request.set("of the caller")
    await coalescer.submit(database.get, A)
    await coalescer.close()
    assert seen == [None, None]


@in_virtual_time
async def test_nothing_of_a_caller_is_kept_alive_after_its_answer() -> None:
    class Request:
        pass

    database = FakeDatabase()
    coalescer = database.coalescer()
    seen: list[weakref.ref[Request]] = []

    async def handle_request() -> None:
        held = Request()
        request.set(held)
        seen.append(weakref.ref(held))
        await coalescer.submit(database.get, A)

    await asyncio.create_task(handle_request(), context=contextvars.Context())
    for _ in range(3):
        await coalescer.submit(database.get, B)
    gc.collect()
    assert seen[0]() is None
    await assert_at_rest(coalescer, database)


# -- in the long run


@in_virtual_time
async def test_nothing_grows_with_use() -> None:
    database = FakeDatabase()
    coalescer = database.coalescer(max_pending=50)
    fresh = footprint(coalescer)

    async def stumble(statement: Statement) -> None:
        await asyncio.sleep(0.001)
        match len(database.statements) % 7:
            case 2:
                raise DriverError(Failure.OTHER)
            case 3:
                raise DriverError(Failure.DISCONNECTED)
            case 4:
                raise DriverError(Failure.CONFLICT)
            case _:
                pass

    database.on_statement = stumble
    for round_number in range(30):
        calls = [
            coalescer.submit(operation, key)
            for operation in (database.get, database.set, database.delete)
            for key in keys(10 + round_number % 5)
        ]
        for call in calls[round_number % 3 :: 4]:
            call.cancel()
        await outcomes(calls)
    await asyncio.sleep(1)
    assert footprint(coalescer) == fresh
    assert not database.connected

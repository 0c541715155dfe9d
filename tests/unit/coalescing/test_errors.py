"""A call that spoils its statement fails alone, and what concerns every call fails all of them."""

from __future__ import annotations

import pytest

from litestar_sqlstores.coalescing import Failure
from litestar_sqlstores.errors import DatabaseError, InvalidValueError
from tests.unit.coalescing.helpers import A, keys, outcomes, submit_all, types
from tests.unit.fake_database import FakeDatabase, Statement
from tests.unit.fake_errors import ERRORS, DriverError
from tests.unit.loops import on_every_loop


@pytest.mark.parametrize("bad", [[0], [31], [7, 8], [0, 31], [3, 4, 5, 20], list(range(32))])
@on_every_loop
async def test_calls_fail_that_made_their_statement_fail_and_no_others(database: FakeDatabase, bad: list[int]) -> None:
    coalescer = database.coalescer(max_lanes=1)
    wanted = keys(32)
    database.refuse_keys(*(wanted[number] for number in bad))

    answers = await outcomes(submit_all(coalescer, database.set, wanted, "value"))
    assert [number for number, answer in enumerate(answers) if answer is not None] == bad
    failures = [answer for answer in answers if answer is not None]
    assert types(failures) == [InvalidValueError] * len(bad)
    assert len({id(failure) for failure in failures}) == len(bad)
    assert all(isinstance(failure.__cause__, DriverError) for failure in failures)
    assert database.values.keys() == set(wanted) - {wanted[number] for number in bad}
    assert len(database.connections) == 1


@on_every_loop
async def test_one_bad_call_of_many_costs_few_statements(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.refuse_keys(keys(256)[100])
    await outcomes(submit_all(coalescer, database.set, keys(256)))
    assert len(database.statements) == 1 + 2 * 8


@on_every_loop
async def test_a_bad_argument_does_not_spoil_the_other_calls_for_its_key(database: FakeDatabase) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.refuse_arguments(lambda value: value == "bad")
    answers = await outcomes([coalescer.submit(database.set, A, value) for value in ("good", "bad")])
    assert answers[0] is None
    assert isinstance(answers[1], InvalidValueError)
    assert database.values == {A: "good"}


@pytest.mark.parametrize("failure", [Failure.MISSING_TABLE, Failure.MISSING_SCHEMA, Failure.WRONG_SCHEMA])
@on_every_loop
async def test_what_concerns_every_call_fails_all_of_them_with_one_statement(
    database: FakeDatabase, failure: Failure
) -> None:
    coalescer = database.coalescer(max_lanes=1)
    database.always_fail(failure)

    answers = await outcomes(submit_all(coalescer, database.get, keys(20)))
    assert types(answers) == [ERRORS[failure]] * 20
    assert len({id(answer) for answer in answers}) == 20
    assert len({id(answer.__cause__) for answer in answers}) == 1
    assert len(database.statements) == 1


@on_every_loop
async def test_an_error_that_is_no_drivers_error_reaches_the_caller_too(database: FakeDatabase) -> None:
    coalescer = database.coalescer()

    async def stumble(statement: Statement) -> None:
        msg = "a bug"
        raise TypeError(msg)

    database.on_statement = stumble
    with pytest.raises(DatabaseError) as caught:
        await coalescer.submit(database.get, A)
    assert isinstance(caught.value.__cause__, TypeError)

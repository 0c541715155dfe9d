"""That the search for what stores must not tell finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import logging
    import pytest
    from litestar_sqlstores import create_store
    from litestar_sqlstores.errors import StoreError

    @pytest.mark.parametrize("told", ["", "a-key-of-a-store", "a value of a store", "an owner of a store"])
    @pytest.mark.parametrize("way", ["print", "log", "error"])
    async def test_telling(told, way):
        async with create_store("sqlite://") as store:
            await store.create_table()
            await store.set("a-key-of-a-store", b"a value of a store", owner="an owner of a store")
        if way == "print":
            print("here is", told)
        elif way == "log":
            logging.getLogger("litestar_sqlstores").warning("here is %s", told)
        else:
            StoreError("here is " + told)
    """


def test_what_is_told_fails_the_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "tests.secrecy", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider")
    # Three that tell nothing, and the other nine, which pass and are failed when they are over.
    result.assert_outcomes(passed=12, errors=9)
    result.stdout.fnmatch_lines(["*a key, value or owner that * gave to a store is in: Captured stdout call"])
    result.stdout.fnmatch_lines(["*a key, value or owner that * gave to a store is in: Captured log call"])
    result.stdout.fnmatch_lines(["*a key, value or owner that * gave to a store is in: StoreError"])

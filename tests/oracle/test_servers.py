"""The way to a live server, as far as it can be walked without one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Self
from urllib.parse import urlsplit

import oracledb
import pytest

from litestar_sqlstores import create_store
from tests.oracle import servers
from tests.oracle_double.hsqldb import oracle_error


class Admin(AbstractContextManager["Admin"]):
    """A connection of somebody who may create users, with its cursor; it remembers what it was told."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.users: set[str] = set()
        self.busy = 2

    def connect(self, **given: Any) -> Self:
        self.given = given
        return self

    def cursor(self) -> Self:
        return self

    def execute(self, sql: str) -> None:
        verb, _, user, *_ = sql.split()
        if verb == "CREATE":
            self.users.add(user)
        elif verb == "DROP":
            if self.busy:
                self.busy -= 1
                raise oracle_error(1940, "cannot drop a user that is currently connected")
            self.users.remove(user)

    def __exit__(self, *exc_info: object) -> None:
        """Stay open."""


def test_a_user_of_our_own_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = Admin()
    monkeypatch.setattr(oracledb, "connect", admin.connect)
    monkeypatch.setattr(oracledb.defaults, "fetch_lobs", True)  # which the double may have set already
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv(servers.ORACLE_VARIABLE, "oracle://system:p%40ss@db.example:1522/?service_name=FREEPDB1")
    with servers.given() as url:
        expected = {
            "user": "system",
            "password": "p@ss",
            "host": "db.example",
            "port": 1522,
            "service_name": "FREEPDB1",
        }
        assert admin.given == expected
        user = urlsplit(url).username
        assert admin.users == {user, '"other_schema"'}
        config = create_store(url).config.connection_config
        assert (config["user"], config["host"], config["service_name"]) == (user, "db.example", "FREEPDB1")
        assert not oracledb.defaults.fetch_lobs
    assert admin.users == set()
    assert oracledb.defaults.fetch_lobs

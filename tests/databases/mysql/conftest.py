from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.databases.mysql.servers import QUIET, Disguised
from tests.servers import GivenMySQL, MySQLServer, mysql_from_environment_or_private, require

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def private() -> Iterator[Disguised]:
    with require(lambda: Disguised(QUIET)) as server:
        yield server


@pytest.fixture(scope="package")
def mysql() -> Iterator[MySQLServer | GivenMySQL]:
    with require(partial(mysql_from_environment_or_private, QUIET), in_ci=False) as server:
        yield server


@pytest.fixture(params=["mariadb", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    server = "mysql" if request.param == "mysql" else "private"
    database: str = request.getfixturevalue(server).create_database()
    return database

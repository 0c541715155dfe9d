"""What can be in a session, and what becomes of what cannot be stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from litestar import Response, post
from pydantic import BaseModel

from litestar_sqlstores import SQLSessionConfig
from litestar_sqlstores.errors import StoreError, UnavailableError
from litestar_sqlstores.sessions import SQLSessionBackend
from litestar_sqlstores.store import BaseSQLSpecStore
from tests.wiring.helpers import CHOSEN_ID, AnyRequest, serve, set_cookies
from tests.wiring.session_app import HANDLERS, read, serve_sessions

if TYPE_CHECKING:
    from litestar_sqlstores import SQLStoresPlugin

pytestmark = [pytest.mark.sampled, pytest.mark.needs("processes")]


class Point(BaseModel):
    x: int
    at: datetime


class Pair(msgspec.Struct):
    one: int
    two: str


@dataclass
class User:
    name: str
    born: date


class Colour:
    def __init__(self, name: str) -> None:
        self.name = name


async def test_values_go_through_litestars_encoders(plugin: SQLStoresPlugin) -> None:
    at = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    number = UUID("12345678-1234-5678-1234-567812345678")
    values = {
        "at": at,
        "point": Point(x=1, at=at),
        "user": User("Ada", date(1815, 12, 10)),
        "pair": Pair(1, "two"),
        "id": number,
        "price": Decimal("1.10"),
        "colour": Colour("red"),
        "text": "é😀 \u2028",
        "big": 2**53 + 1,
        "nothing": None,
    }

    @post("/values")
    async def put(request: AnyRequest) -> None:
        request.session.update(values)

    encoders = {Colour: lambda colour: colour.name}
    async with serve(plugin, [read, put], SQLSessionConfig(), type_encoders=encoders) as site:
        ada = site.browser()
        await ada.do("/values")
        assert await ada.read() == {
            "at": "2024-02-29T12:30:00Z",
            "point": {"x": 1, "at": "2024-02-29T12:30:00Z"},
            "user": {"name": "Ada", "born": "1815-12-10"},
            "pair": {"one": 1, "two": "two"},
            "id": str(number),
            "price": "1.10",
            "colour": "red",
            "text": "é😀 \u2028",
            "big": 2**53 + 1,
            "nothing": None,
        }


async def test_a_session_can_be_an_object(plugin: SQLStoresPlugin) -> None:
    @post("/object")
    async def put(request: AnyRequest) -> None:
        request.set_session(User("Ada", date(1815, 12, 10)))

    @post("/model")
    async def model(request: AnyRequest) -> None:
        request.set_session(Point(x=1, at=datetime(2024, 1, 1, tzinfo=UTC)))

    async with serve_sessions(plugin, put, model, owner_key="name") as site:
        ada = site.browser()
        await ada.do("/object")
        assert await ada.read() == {"name": "Ada", "born": "1815-12-10"}
        assert [row["owner"] for row in await site.rows("owner")] == ["Ada"]
        await ada.do("/model")
        assert await ada.read() == {"x": 1, "at": "2024-01-01T00:00:00Z"}
        assert {row["owner"] for row in await site.rows("owner")} == {None}


@pytest.mark.formats("bytes")
async def test_what_cannot_be_stored_is_an_error(plugin: SQLStoresPlugin) -> None:
    @post("/unknown")
    async def unknown(request: AnyRequest) -> None:
        request.session["colour"] = Colour("red")

    async with serve(plugin, [*HANDLERS, unknown], SQLSessionConfig()) as site:
        ada = site.browser()
        await ada.do("/write", name="Ada")
        assert (await ada.post("/unknown")).status_code == 500
        assert "Colour" in str(site.errors[0])
        assert await ada.read() == {"name": "Ada"}


@pytest.mark.formats("bytes")
@pytest.mark.parametrize("broken", ["get_stored", "set"])
async def test_an_application_answers_for_a_database_that_is_away(
    plugin: SQLStoresPlugin, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: AnyRequest, error: Exception) -> Response[str]:
        return Response(str(error), status_code=503)

    async def fail(*_: Any, **__: Any) -> None:
        attempts.append(broken)
        msg = "no database"
        raise UnavailableError(msg)

    attempts: list[str] = []
    handlers: Any = {StoreError: unavailable}
    async with serve(plugin, HANDLERS, SQLSessionConfig(), exception_handlers=handlers) as site:
        with monkeypatch.context() as patch:
            patch.setattr(BaseSQLSpecStore, broken, fail)
            response = await site.browser(CHOSEN_ID).post("/write", json={"a": 1})
        assert (response.status_code, response.text) == (503, "no database")
        assert not set_cookies(response)
        assert [str(error) for error in site.errors] == ["no database"]
        assert len(attempts) == 1


# -- backends of applications


class Visit(BaseModel):
    pages: int = 0
    last: datetime | None = None


class VisitBackend(SQLSessionBackend):
    @staticmethod
    def deserialize_data(data: Any) -> Any:
        return Visit.model_validate_json(data)


class VisitConfig(SQLSessionConfig):
    _backend_class = VisitBackend


async def test_a_backend_may_decode_sessions_to_objects(plugin: SQLStoresPlugin) -> None:
    @post("/visit")
    async def visit(request: AnyRequest) -> int:
        session: Any = request.session
        if not isinstance(session, Visit):
            session = Visit()
            request.set_session(session)
        session.pages += 1
        pages: int = session.pages
        return pages

    async with serve(plugin, [visit], VisitConfig()) as site:
        ada = site.browser()
        assert [await ada.do("/visit") for _ in range(3)] == [1, 2, 3]
        assert site.errors == []

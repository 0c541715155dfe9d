"""The application's data through SQLAlchemy, its sessions through this package, in one database.

litestar --app examples.with_sqlalchemy:app run

curl -c jar -b jar -X POST localhost:8000/notes/tea
curl -c jar -b jar localhost:8000/notes
"""

import os
from typing import Any

from advanced_alchemy.extensions.litestar import SQLAlchemyAsyncConfig, SQLAlchemyPlugin, base
from litestar import Litestar, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlalchemy.sql import select

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin

URL = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.db")


class Note(base.BigIntBase):
    """What somebody wrote."""

    text: Mapped[str]


@post("/notes/{text:str}")
async def add(
    request: Request[Any, Any, Any], text: FromPath[str], db_session: NamedDependency[AsyncSession]
) -> dict[str, int]:
    """Write a note, and count in the session how many you have written."""
    db_session.add(Note(text=text))
    request.session["notes"] = request.session.get("notes", 0) + 1
    return {"yours": request.session["notes"]}


@get("/notes")
async def read(db_session: NamedDependency[AsyncSession]) -> list[str]:
    """What everybody has written."""
    return list(await db_session.scalars(select(Note.text).order_by(Note.id)))


app = Litestar(
    [add, read],
    plugins=[
        SQLAlchemyPlugin(
            SQLAlchemyAsyncConfig(connection_string=URL, create_all=True, before_send_handler="autocommit")
        ),
        SQLStoresPlugin(URL),  # the same string
    ],
    middleware=[SQLSessionConfig().middleware],
)

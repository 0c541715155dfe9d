"""The application's data through SQLSpec, its sessions through this package, and one pool of connections for both.

litestar --app examples.with_sqlspec:app run

curl -c jar -b jar -X POST localhost:8000/notes/tea
curl -c jar -b jar localhost:8000/notes
"""

from typing import Any

from litestar import Litestar, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlspec.adapters.aiosqlite import AiosqliteConfig, AiosqliteDriver
from sqlspec.base import SQLSpec
from sqlspec.extensions.litestar import SQLSpecPlugin

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin

database = AiosqliteConfig(
    connection_config={"database": "app.db"},
    extension_config={"litestar_sqlstores": {"table": "sessions"}},  # where the options of the stores may stand
)
spec = SQLSpec()
spec.add_config(database)


@post("/notes/{text:str}")
async def add(
    request: Request[Any, Any, Any], text: FromPath[str], db_session: NamedDependency[AiosqliteDriver]
) -> dict[str, int]:
    """Write a note, and count in the session how many you have written."""
    await db_session.execute("INSERT INTO note (text) VALUES (?)", text)
    await db_session.commit()
    request.session["notes"] = request.session.get("notes", 0) + 1
    return {"yours": request.session["notes"]}


@get("/notes")
async def read(db_session: NamedDependency[AiosqliteDriver]) -> list[str]:
    """What everybody has written."""
    return [row["text"] for row in await db_session.select("SELECT text FROM note ORDER BY id")]


async def create_table() -> None:
    """Make the table of notes; an application would leave this to `litestar db upgrade`."""
    async with database.provide_session() as session:
        await session.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")


app = Litestar(
    [add, read],
    # Without a URL, the stores take the config of SQLSpecPlugin.
    plugins=[SQLSpecPlugin(spec), SQLStoresPlugin()],
    middleware=[SQLSessionConfig().middleware],
    on_startup=[create_table],
)

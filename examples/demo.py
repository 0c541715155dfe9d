"""A Litestar application whose sessions live in a database: log in, count, log out, and see what is stored.

    python -m examples.demo

The sessions are in the SQLite file ``demo.db``: stop the server, start it again, and you are still logged in.
``DEMO_DATABASE_URL`` puts them elsewhere (``postgresql://user:password@host/database``); ``DEMO_PORT`` is the port to
serve on, 8000 if it is not set.
"""

import json
import os
import secrets
import socket
import sys
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any, TypeAlias

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from litestar import Litestar, MediaType, Request, get, post
from litestar.config.csrf import CSRFConfig
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from litestar.template.base import csrf_token

from litestar_sqlstores import SQLSessionConfig, SQLStoresPlugin, rotate_session_id

AnyRequest: TypeAlias = Request[Any, Any, Any]
FormData: TypeAlias = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]

stores = SQLStoresPlugin(
    os.environ.get("DEMO_DATABASE_URL", "sqlite:///demo.db"),
    data_format="json",  # so that SQL can look into a session, as stored() does
)


@get("/", media_type=MediaType.HTML)
async def home(request: AnyRequest) -> str:
    """The counter of whoever is logged in, else the login form."""
    if "name" not in request.session:
        field = '<input name="name" placeholder="Your name" maxlength="40" required autofocus>'
        return page("Who are you?", form(request, "/login", "Log in", field))
    return page(
        f"Hello, {request.session['name']}",
        f'<p class="count">{request.session["count"]}</p>',
        form(request, "/count", "Count"),
        '<a href="/stored">What is stored?</a>',
        form(request, "/logout", "Log out"),
    )


@post("/login")
async def login(request: AnyRequest, data: FormData) -> Redirect:
    """Begin a session; a demo believes any name."""
    if name := data.get("name", "").strip()[:40]:
        rotate_session_id(request)  # whoever knew the old id has nothing now
        # The table never holds the session's id: "login" is what stored() finds the session by, and no secret.
        request.set_session({"name": name, "count": 0, "login": secrets.token_hex(4)})
    return Redirect("/")


@post("/count")
async def count(request: AnyRequest) -> Redirect:
    """Count one up."""
    if "name" in request.session:
        request.session["count"] += 1
    return Redirect("/")


@post("/logout")
async def logout(request: AnyRequest) -> Redirect:
    """End the session: what was stored is deleted, so a copy of the cookie is worth nothing."""
    request.clear_session()
    return Redirect("/")


@get("/stored", media_type=MediaType.HTML)
async def stored(request: AnyRequest) -> str:
    """What the database holds for this session: its table is one like any other."""
    async with stores.store.config.provide_session() as database:
        row = await database.select_one_or_none(
            "SELECT CAST(data AS TEXT) AS data, created_at, updated_at, expires_at"
            " FROM litestar_session WHERE data ->> 'login' = :login",
            login=request.session.get("login"),
        )
        sessions = await database.select_value("SELECT count(*) FROM litestar_session")
    facts = {"sessions in the table": sessions}
    if row:
        facts = {
            "data": json.dumps(json.loads(row["data"]), indent=2),
            "created": moment(row["created_at"]),
            "renewed": moment(row["updated_at"]),
            "expires": moment(row["expires_at"]),
            **facts,
        }
    return page(
        "What is stored" if row else "Nothing is stored for you",
        "<dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(str(fact))}</dd>" for name, fact in facts.items()),
        '</dl><a href="/">Back</a>',
    )


def moment(value: datetime | int) -> str:
    """PostgreSQL gives a datetime, SQLite milliseconds since 1970."""
    time = value if isinstance(value, datetime) else datetime.fromtimestamp(value / 1000, UTC)
    return f"{time:%-d %B %Y, %H:%M:%S} UTC"


STYLE = """
body { font: 1.1rem/1.5 system-ui, sans-serif; background: #f0f1f5; color: #223; }
main { max-width: 28rem; margin: 12vh auto; padding: 2rem; background: #fff; border-radius: 1rem;
  box-shadow: 0 8px 32px #2231; display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; }
h1, dl, .count { width: 100%; margin: 0; overflow-wrap: anywhere; }
.count { font-size: 5rem; text-align: center; }
dt { color: #667; }
dd { margin: 0 0 1rem; white-space: pre-wrap; }
form { display: flex; gap: .5rem; }
input, button { font: inherit; padding: .4rem .9rem; border: 1px solid #bbc; border-radius: .5rem; }
button { background: #245; color: #fff; cursor: pointer; }
"""


def page(title: str, *parts: str) -> str:
    """A whole page; ``parts`` are HTML, ``title`` is not."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<main>
<h1>{escape(title)}</h1>
{"".join(parts)}
</main>
"""


def form(request: AnyRequest, action: str, button: str, fields: str = "") -> str:
    """A form that only our own pages can send."""
    token = escape(csrf_token({"request": request}))
    return (
        f'<form method="post" action="{action}"><input type="hidden" name="_csrf_token" value="{token}">'
        f"{fields}<button>{button}</button></form>"
    )


app = Litestar(
    [home, login, count, logout, stored],
    plugins=[stores],
    middleware=[SQLSessionConfig().middleware],
    # Fixed, so that pages from before a restart still work. An application keeps a secret of its own.
    csrf_config=CSRFConfig(secret=os.environ.get("DEMO_SECRET", "only for this demo")),
    openapi_config=None,
)


def main() -> None:
    """Serve the application."""
    host, port = "127.0.0.1", int(os.environ.get("DEMO_PORT", "8000"))
    with socket.socket() as probe:  # because the server would share a port with another one of its kind
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be had ({error.strerror}). DEMO_PORT=8001 makes it 8001.")
    print(f"Open http://{host}:{port} (Ctrl-C ends)", flush=True)
    Granian(
        "examples.demo:app",
        host,
        port,
        interface=Interfaces.ASGI,
        log_level=LogLevels.warning,
        # Ctrl-C reaches the worker twice, from the terminal and from its parent, which may block it for good.
        workers_kill_timeout=5,
    ).serve()


if __name__ == "__main__":
    main()

"""``clear``, ``revoke`` and ``get-info``: what is in the table."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.table import Table

from litestar_sqlstores.cli.group import CommandError, Target, common_options
from litestar_sqlstores.cli.output import shown
from litestar_sqlstores.keys import ROOT_SEPARATOR, SEPARATOR

if TYPE_CHECKING:
    from litestar import Litestar

    from litestar_sqlstores.store import BaseSQLSpecStore, EntryInfo

__all__ = ("add_commands",)


def add_commands(group: click.Group) -> None:
    """Add the commands to their group."""
    for command in (clear_command, revoke_command, get_info_command):
        group.add_command(command)


@click.command("clear")
@click.argument("namespace")
@click.option("--prefix", help="Remove only what is in NAMESPACE itself, under keys that start so; wants keep_keys.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def clear_command(
    app: Litestar, name: str | None, as_json: bool, *, namespace: str, prefix: str | None, yes: bool
) -> None:
    """Remove all entries of NAMESPACE and its children.

    NAMESPACE is a name in the application's store registry, such as `response_cache`, or one that `stats` shows.
    """
    target = Target(app, name, as_json)

    async def find() -> BaseSQLSpecStore[Any]:
        (found,) = await _namespaces(target, [namespace])
        return _store_of(target, found)

    store = target.run(find)
    if prefix is None:
        question = f"Remove all entries of {shown(store.namespace)!r} and its children from table {target.table!r}?"
    else:
        question = f"Remove the entries of {shown(store.namespace)!r} under this prefix from table {target.table!r}?"
    if not yes and not _confirmed(question):
        msg = "nothing was removed"
        raise CommandError(msg)
    removed = target.run(store.clear if prefix is None else lambda: store.invalidate(prefix=prefix))
    text = f"removed {removed:,} entries of {shown(store.namespace)!r} from table {target.table!r}"
    target.report({"table": target.table, "namespace": shown(store.namespace), "removed": removed}, text)


@click.command("revoke")
@click.argument("owner")
@click.option("--namespace", multiple=True, help="Where to look; by default in all namespaces of the application.")
@common_options
def revoke_command(app: Litestar, name: str | None, as_json: bool, *, owner: str, namespace: tuple[str, ...]) -> None:
    """Remove all entries of OWNER: end the sessions of a user. `-` reads OWNER from standard input."""
    target = Target(app, name, as_json)
    owner = _argument(owner)

    async def revoke() -> int:
        names = await _namespaces(target, namespace)
        return sum([await _store_of(target, each).delete_owned(owner) for each in names])

    removed = target.run(revoke)
    if not removed:
        msg = "this owner has no entries; owners are what `owner_key` of SQLSessionConfig, or `set`, was given"
        raise CommandError(msg)
    text = f"removed {removed:,} entries of this owner from table {target.table!r}"
    target.report({"table": target.table, "removed": removed}, text)


@click.command("get-info")
@click.argument("key")
@click.option("--namespace", multiple=True, help="Where to look; by default in all namespaces of the application.")
@click.option("--show", is_flag=True, help="Show the data, too.")
@common_options
def get_info_command(
    app: Litestar, name: str | None, as_json: bool, *, key: str, namespace: tuple[str, ...], show: bool
) -> None:
    """Show what is known of the entry under KEY, such as a session id, but not its data.

    `-` reads KEY from standard input, so that neither the shell's history nor the list of processes has it.
    """
    target = Target(app, name, as_json)
    key = _argument(key)

    async def look() -> list[tuple[EntryInfo, bytes | None]]:
        names = await _namespaces(target, namespace)
        found = await target.store.inspect(key, names)
        return [(each, await _store_of(target, each.namespace).get(key) if show else None) for each in found]

    found = target.run(look)
    if not found:
        msg = "there is no entry under this key; a cookie may hold an id whose session has ended"
        raise CommandError(msg)
    documents = [_document(*each) for each in found]
    table = Table(show_header=False)
    for number, document in enumerate(documents):
        if number:
            table.add_section()
        for label, value in document.items():
            table.add_row(label.replace("_", " "), _text(value))
    target.report({"table": target.table, "entries": documents}, table)


def _argument(given: str) -> str:
    return sys.stdin.readline().rstrip("\n") if given == "-" else given


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        msg = f"there is no terminal to ask on: {question} Give --yes if so"
        raise CommandError(msg, 2)
    return click.confirm(question, err=True)


async def _namespaces(target: Target, given: Sequence[str]) -> list[str]:
    """The full names of namespaces of the application; all of them if none is given.

    Raises:
        CommandError: One of them is unknown.
    """
    known = await target.store.namespaces()
    found = [
        next((name for name in known if shown(name) in {each, f"{target.store.namespace}{ROOT_SEPARATOR}{each}"}), None)
        for each in given
    ]
    if unknown := [each for each, name in zip(given, found, strict=True) if name is None]:
        there_are = f"there are {', '.join(map(shown, known))}" if known else "there are no entries at all"
        msg = f"table {target.table!r} has no namespace {unknown[0]!r} of this application; {there_are}"
        raise CommandError(msg)
    return [name for name in found if name is not None] or known


def _store_of(target: Target, namespace: str) -> BaseSQLSpecStore[Any]:
    store = target.store
    if namespace != store.namespace:
        for name in namespace.removeprefix(store.namespace + ROOT_SEPARATOR).split(SEPARATOR):
            store = store.with_namespace(name)
    return store


def _document(info: EntryInfo, data: bytes | None) -> Mapping[str, Any]:
    times = {name: getattr(info, name) for name in ("created_at", "updated_at", "expires_at")}
    document = {
        "namespace": shown(info.namespace),
        "state": "expired" if info.expired else "live",
        **{name: None if time is None else time.isoformat(timespec="seconds") for name, time in times.items()},
        "bytes": info.size,
        "owner": info.owner,
    }
    if data is None:
        return document
    try:
        return {**document, "data": data.decode()}
    except UnicodeDecodeError:
        return {**document, "data_base64": base64.b64encode(data).decode()}


def _text(value: object) -> str:
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

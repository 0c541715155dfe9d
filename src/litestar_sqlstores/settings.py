"""The settings of a store: where they come from and what they may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from sqlspec.extensions.litestar.store import BaseSQLSpecStore as SQLSpecStore

from litestar_sqlstores.encryption_keys import OVERHEAD_BYTES, EncryptionKeys, check_keys
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.keys import validate_namespace
from litestar_sqlstores.observability import Observer
from litestar_sqlstores.statements import TableName
from litestar_sqlstores.values import DataFormat

__all__ = ("Durability", "Settings", "StoreOptions", "resolve_settings")

Durability: TypeAlias = Literal["full", "relaxed"]
"""What an acknowledged write survives: the end of the machine (``"full"``), or that of the process alone."""

EXTENSION = "litestar_sqlstores"
SQLSPEC_EXTENSION = "litestar"
SQLSPEC_NAMES = {"session_table": "table", "in_memory": "in_memory", "shard_count": "shard_count"}
DEFAULT_TABLE = "litestar_session"
DEFAULT_DURABILITY: Durability = "full"
ALL_OTHERS = "*"
"""In a mapping of namespaces to durabilities: the store itself, and the namespaces that are not in it."""
MAX_STALENESS = 3600
"""Seconds; how long Spanner keeps what was there before, unless a database is told otherwise."""


class CommonOptions(TypedDict, total=False):
    """The options that every store has.

    Attributes:
        table: The table, ``name`` or ``schema.name``. Default ``litestar_session``.
        namespace: What keeps this store's keys apart from others in the table. Default ``LITESTAR``.
        data_format: ``"bytes"`` (default) stores any value, byte by byte. ``"json"`` stores JSON that SQL can query,
            and refuses everything else.
        renew_tolerance: How far an expiry may be off before it is written again, as a fraction of the time to live,
            never more than 60 seconds. Default 0.01; 0 writes every renewal and every unchanged value.
        max_value_bytes: The longest value, in bytes. Default 8 MiB.
        max_connections: How many connections of the pool the store uses at most. Default 4.
        max_pending: How many calls may wait for the database before further ones are refused. Default 10,000.
        timeout: Seconds until an operation without an answer fails. Default 10.
        durability: ``"full"`` (default): a write is on the disk before it is answered. ``"relaxed"``: it is answered
            before, so that the last moments may be lost if the machine fails, but not if the process does. A mapping
            says so for each child namespace by its name, and for all others as ``"*"``:
            ``{"response_cache": "relaxed"}``.
        keep_keys: Whose keys the table holds as text too, for :meth:`~litestar_sqlstores.BaseSQLSpecStore.invalidate`:
            the names of child namespaces, such as ``["response_cache"]``, or True for the store's own namespace.
            Never those of sessions. Default False.
        encryption_keys: Keys that values are encrypted with, each a text or bytes of 32 or more. The first one
            encrypts, all of them decrypt; None stands for values that are not encrypted. Default: none is.
        observer: Who is told of each statement, for metrics and logs. Default None. See
            :class:`~litestar_sqlstores.observability.Observer`.
    """

    table: str
    namespace: str
    data_format: DataFormat
    renew_tolerance: float
    max_value_bytes: int
    max_connections: int
    max_pending: int
    timeout: float
    durability: Durability | Mapping[str, Durability]
    keep_keys: bool | Collection[str]
    encryption_keys: EncryptionKeys
    observer: Observer | None


class StoreOptions(CommonOptions, total=False):
    """The options of stores and of :func:`~litestar_sqlstores.create_store`, all of them keyword arguments.

    Those of :class:`CommonOptions`, and what only some databases have:

    Attributes:
        in_memory: Oracle: create the table for the column store. Default False.
        shard_count: Spanner: over how many parts the table is spread. Default 1.
        read_staleness: Spanner: how old, in seconds, what is read may be. Default 0: reads see all that was written.
    """

    in_memory: bool
    shard_count: int
    read_staleness: float


@dataclass(frozen=True)
class Settings:
    """The settings of one store, checked. See :class:`StoreOptions` for what they mean."""

    table: str = DEFAULT_TABLE
    namespace: str = "LITESTAR"
    data_format: DataFormat = "bytes"
    renew_tolerance: float = 0.01
    max_value_bytes: int = 8 * 1024 * 1024
    max_connections: int = 4
    max_pending: int = 10_000
    timeout: float = 10.0
    durability: Durability | Mapping[str, Durability] = DEFAULT_DURABILITY
    keep_keys: bool | Collection[str] = False
    # Not in any text.
    encryption_keys: EncryptionKeys = field(default=(), repr=False)
    observer: Observer | None = None
    in_memory: bool = False
    shard_count: int = 1
    read_staleness: float = 0.0

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ConfigurationError: One of them cannot be; the text names it and what it can be.
        """
        TableName.parse(self.table)
        validate_namespace(self.namespace)
        formats = get_args(DataFormat)
        self._check("data_format", self.data_format in formats, " or ".join(map(repr, formats)))
        self._check(
            "renew_tolerance",
            _is_number(self.renew_tolerance, 0) and self.renew_tolerance < 1,
            "a number from 0 to below 1",
        )
        self._check("timeout", _is_number(self.timeout, 0) and self.timeout > 0, "a positive number of seconds")
        for name in ("max_value_bytes", "max_connections", "max_pending", "shard_count"):
            value = getattr(self, name)
            self._check(name, isinstance(value, int) and _is_number(value, 1), "a positive int")
        self._check("in_memory", isinstance(self.in_memory, bool), "True or False")
        self._check(
            "read_staleness",
            _is_number(self.read_staleness, 0) and self.read_staleness <= MAX_STALENESS,
            f"a number of seconds from 0 to {MAX_STALENESS}",
        )
        self._check("observer", isinstance(self.observer, (Observer, type(None))), "an Observer or None")
        self._check_durability()
        self._check_keep_keys()
        self._check_encryption_keys()

    @property
    def durabilities(self) -> Mapping[str, Durability]:
        """The durability of each child namespace that has one of its own, and of all others under ``"*"``."""
        given = self.durability
        return {ALL_OTHERS: DEFAULT_DURABILITY, **(given if isinstance(given, Mapping) else {ALL_OTHERS: given})}

    @property
    def overhead_bytes(self) -> int:
        """How much longer than itself a value is in the table."""
        return OVERHEAD_BYTES if self.encryption_keys else 0

    def _check_durability(self) -> None:
        known = get_args(Durability)
        # `in` would hash what is none of them, say a list.
        valid = all(any(each == one for one in known) for each in self.durabilities.values())
        expected = " or ".join(map(repr, known))
        self._check("durability", valid, f"{expected}, or a mapping of child namespaces to these")
        for name in self.durabilities:
            validate_namespace(name)

    def _check_encryption_keys(self) -> None:
        check_keys(self.encryption_keys)
        if self.encryption_keys and self.data_format == "json":
            msg = "encryption_keys needs data_format='bytes': what is encrypted is no JSON, and SQL cannot query it"
            raise ConfigurationError(msg)

    def _check_keep_keys(self) -> None:
        names = self.keep_keys
        valid = isinstance(names, Collection) and not isinstance(names, (str, bytes))
        self._check("keep_keys", valid or isinstance(names, bool), "True, False, or a list of child namespaces")
        kept = [self.namespace] if names is True else [] if names is False else [*map(validate_namespace, names)]
        for namespace in kept:
            if namespace.rpartition("_")[2] == "sessions":
                msg = (
                    f"keep_keys would keep the keys of {namespace!r}, which are live session ids: whoever reads the"
                    " table could be any user. Keep those of caches only"
                )
                raise ConfigurationError(msg)

    def _check(self, name: str, valid: bool, expected: str) -> None:
        if not valid:
            msg = f"{name} is {getattr(self, name)!r}; it must be {expected}"
            raise ConfigurationError(msg)


def resolve_settings(
    options: Mapping[str, Any],
    extension_config: Mapping[str, Any] | None,
    backend_options: frozenset[str],
    backend: str,
) -> Settings:
    """The settings of a store: its arguments first, then what the SQLSpec config says.

    Args:
        options: The keyword arguments of the store.
        extension_config: The config's ``extension_config``. ``["litestar_sqlstores"]`` may hold any option;
            ``["litestar"]`` the ones that SQLSpec documents: ``session_table``, ``in_memory``, ``shard_count``.
        backend_options: Those of the options that only some backends have (``in_memory``, ``shard_count``,
            ``read_staleness``) that this one has.
        backend: The backend's name, for messages.

    Raises:
        ConfigurationError: An option is unknown, not supported by the backend, or has no valid value.
    """
    extensions: Mapping[str, Any] = extension_config or {}
    shared = _shared_settings(_options_of(extensions, SQLSPEC_EXTENSION))
    own = dict(_options_of(extensions, EXTENSION))
    # SQLSpec's: where the migrations are.
    own.pop("migrations_path", None)
    supported = set(CommonOptions.__annotations__) | backend_options
    known = {field.name for field in fields(Settings)}
    for source, given in (
        ("", options),
        (f"extension_config[{EXTENSION!r}]: ", own),
        (f"extension_config[{SQLSPEC_EXTENSION!r}]: ", shared),
    ):
        for name in given:
            if name not in supported:
                problem = "is not supported by" if name in known else "is no option of"
                msg = f"{source}{name!r} {problem} {backend}; its options are {', '.join(sorted(supported))}"
                raise ConfigurationError(msg)
    return Settings(**{**shared, **own, **options})


def _options_of(extensions: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    options = extensions.get(name) or {}
    if not isinstance(options, Mapping):
        msg = f"extension_config[{name!r}] is {options!r}; it must be a mapping of options"
        raise ConfigurationError(msg)
    return options


def _shared_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Our part of the settings that belong to SQLSpec's Litestar plugin."""
    # The rest are the plugin's own (commit_mode, session_key and so on): none of our business, but no typing errors.
    unknown = sorted(set(given) - SQLSpecStore.extension_config_options - set(SQLSPEC_NAMES))
    if unknown:
        msg = (
            f"extension_config[{SQLSPEC_EXTENSION!r}]: {', '.join(map(repr, unknown))} unknown; this store honours"
            f" {', '.join(SQLSPEC_NAMES)} there, and every option in extension_config[{EXTENSION!r}]"
        )
        raise ConfigurationError(msg)
    settings = {ours: given[theirs] for theirs, ours in SQLSPEC_NAMES.items() if theirs in given}
    # SQLSpec takes True for "the default table" and False for "none".
    if isinstance(settings.get("table"), bool):
        del settings["table"]
    return settings


def _is_number(value: object, minimum: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and minimum <= value < float("inf")

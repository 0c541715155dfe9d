from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from sqlspec.extensions.litestar.store import BaseSQLSpecStore as SQLSpecStore

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.observability import Observer
from litestar_sqlstores.settings import SQLSPEC_NAMES, CommonOptions, Settings, StoreOptions, resolve_settings

# Three values for every option, none of them the default.
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "table": ("one", "two", "app.three"),
    "namespace": ("ONE", "TWO", "THREE"),
    "data_format": ("json", "json", "json"),
    "renew_tolerance": (0, 0.5, 0.25),
    "max_value_bytes": (1, 2, 3),
    "max_connections": (1, 2, 3),
    "max_pending": (1, 2, 3),
    "timeout": (0.5, 2, 30.0),
    "durability": ("relaxed", {"cache": "relaxed"}, {"*": "relaxed", "sessions": "full"}),
    "keep_keys": (True, ["cache"], ("cache", "pages")),
    "encryption_keys": (["k" * 32], (b"k" * 32, None), ["k" * 64]),
    "observer": (Observer(), Observer(), Observer()),
}
BACKEND_VALUES: dict[str, tuple[Any, Any]] = {
    "in_memory": (True, False),
    "shard_count": (4, 8),
    "read_staleness": (1.5, 10),
}


def resolve(
    options: dict[str, Any] | None = None,
    own: Any = None,
    shared: Any = None,
    *,
    backend_options: frozenset[str] = frozenset(),
) -> Settings:
    extension_config = {"litestar_sqlstores": own, "litestar": shared, "another": {"table": "of another extension"}}
    return resolve_settings(options or {}, extension_config, backend_options, "AsyncpgStore")


def test_every_option_is_tested() -> None:
    assert VALUES.keys() == set(CommonOptions.__annotations__)
    assert BACKEND_VALUES.keys() == set(StoreOptions.__annotations__) - VALUES.keys()
    assert VALUES.keys() | BACKEND_VALUES.keys() == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(
    "extension_config", [None, {}, {"litestar": None, "litestar_sqlstores": None}, {"litestar": {}}]
)
def test_without_options_the_defaults_count(extension_config: Any) -> None:
    assert resolve_settings({}, extension_config, frozenset(), "AsyncpgStore") == Settings(
        table="litestar_session",
        namespace="LITESTAR",
        data_format="bytes",
        renew_tolerance=0.01,
        max_value_bytes=8 * 1024**2,
        max_connections=4,
        max_pending=10_000,
        timeout=10.0,
        durability="full",
        keep_keys=False,
        observer=None,
        in_memory=False,
        shard_count=1,
        read_staleness=0.0,
    )


@pytest.mark.parametrize("name", VALUES)
def test_an_argument_comes_before_our_extension_and_that_before_the_default(name: str) -> None:
    argument, own, _ = VALUES[name]
    assert getattr(resolve({name: argument}, {name: own}), name) == argument
    assert getattr(resolve({}, {name: own}), name) == own


@pytest.mark.parametrize(
    "name, theirs", [("table", "session_table"), ("in_memory", "in_memory"), ("shard_count", "shard_count")]
)
def test_sqlspecs_names_come_last_but_before_the_default(name: str, theirs: str) -> None:
    first, second = {**VALUES, **BACKEND_VALUES}[name][:2]
    all_options = frozenset(BACKEND_VALUES)
    assert getattr(resolve({}, {}, {theirs: first}, backend_options=all_options), name) == first
    assert getattr(resolve({}, {name: second}, {theirs: first}, backend_options=all_options), name) == second
    assert getattr(resolve({name: second}, {}, {theirs: first}, backend_options=all_options), name) == second


def test_options_of_all_sources_are_put_together() -> None:
    settings = resolve({"timeout": 1}, {"timeout": 2, "max_pending": 3}, {"session_table": "sessions"})
    assert (settings.timeout, settings.max_pending, settings.table) == (1, 3, "sessions")


@pytest.mark.parametrize("session_table", [True, False])
def test_session_table_may_be_a_switch_of_sqlspec(session_table: bool) -> None:
    assert resolve({}, {}, {"session_table": session_table}).table == "litestar_session"
    assert resolve({}, {"table": "mine"}, {"session_table": session_table}).table == "mine"


@pytest.mark.parametrize("name", sorted(SQLSpecStore.extension_config_options - {"session_table"}))
def test_the_options_of_sqlspecs_own_plugin_are_none_of_our_business(name: str) -> None:
    assert resolve({}, {}, {name: object()}) == Settings()


def test_the_callers_configuration_stays_as_it_is() -> None:
    options, own, shared = {"timeout": 1}, {"max_pending": 3}, {"session_table": True, "commit_mode": "manual"}
    resolve(options, own, shared)
    assert (options, own) == ({"timeout": 1}, {"max_pending": 3})
    assert shared == {"session_table": True, "commit_mode": "manual"}


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().table = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["tabel", "Table", "session_table", "", "hash_keys"])
def test_unknown_options_are_refused_by_name(name: str) -> None:
    expected = rf"^{name!r} is no option of AsyncpgStore; its options are data_format, durability, .*, timeout$"
    with pytest.raises(ConfigurationError, match=expected):
        resolve({name: "value"})
    with pytest.raises(ConfigurationError, match=rf"^extension_config\['litestar_sqlstores'\]: {expected[1:]}"):
        resolve({}, {name: "value"})


def test_unknown_options_in_sqlspecs_part_are_refused_by_name_with_ours() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve({}, {}, {"commit_mode": "manual", "tabel": "x", "max_pending": 5})
    text = str(caught.value)
    assert text.startswith("extension_config['litestar']: 'max_pending', 'tabel' unknown; this store honours ")
    assert all(
        name in text for name in ("session_table", "in_memory", "shard_count", "extension_config['litestar_sqlstores']")
    )
    assert "commit_mode" not in text


@pytest.mark.parametrize("name", BACKEND_VALUES)
def test_what_a_backend_cannot_honour_is_refused_by_name(name: str) -> None:
    value = BACKEND_VALUES[name][0]
    with pytest.raises(ConfigurationError, match=f"^'{name}' is not supported by AsyncpgStore; its options are "):
        resolve({name: value})
    with pytest.raises(
        ConfigurationError, match=rf"extension_config\['litestar_sqlstores'\]: '{name}' is not supported"
    ):
        resolve({}, {name: value})
    if name in SQLSPEC_NAMES:
        with pytest.raises(ConfigurationError, match=rf"extension_config\['litestar'\]: '{name}' is not supported by"):
            resolve({}, {}, {name: value})
    assert getattr(resolve({name: value}, backend_options=frozenset({name})), name) == value


@pytest.mark.parametrize("wrong", [True, 1, object()])
def test_an_extension_that_holds_no_options_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="litestar_sqlstores"):
        resolve({}, wrong)


@pytest.mark.parametrize(
    "name, values, expected",
    [
        ("data_format", ["", "JSON", "text", None, 1, ["bytes"]], "it must be 'bytes' or 'json'"),
        ("renew_tolerance", [-0.1, 1, 1.5, "0.1", None, True, float("nan")], "it must be a number from 0 to below 1"),
        (
            "timeout",
            [0, -1, "10", None, True, float("nan"), float("inf")],
            "it must be a positive number of seconds",
        ),
        *(
            (name, [0, -1, 1.5, 4.0, "4", None, True, float("nan")], "it must be a positive int")
            for name in ("max_value_bytes", "max_connections", "max_pending", "shard_count")
        ),
        ("in_memory", [0, 1, "yes", None], "it must be True or False"),
        (
            "read_staleness",
            [-1, 3601, "10", None, True, float("nan"), float("inf")],
            "it must be a number of seconds from 0 to 3600",
        ),
        (
            "table",
            ["", "a b", "a.b.c", ".a", 'a"b', "a-b", "1a", "\u00e4", "a" * 49, "a\n", None, 1, b"a", ["a"]],
            "is no table name; give up to 48 letters, digits and underscores, optionally with a schema in front",
        ),
        ("namespace", ["", "\u00e4", "a" * 256, "a\nb"], "is not 1 to 255 printable ASCII characters"),
        ("observer", [True, Observer, "prometheus"], "it must be an Observer or None"),
        (
            "durability",
            ["", "FULL", "off", None, True, ["full"], {"cache": "none"}, {"cache": None}, {"cache": ["full"]}],
            "it must be 'full' or 'relaxed', or a mapping of child namespaces to these",
        ),
        ("keep_keys", ["cache", b"cache", None, 1], "it must be True, False, or a list of child namespaces"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name_and_what_it_can_be(
    name: str, values: list[Any], expected: str
) -> None:
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            resolve({name: value}, backend_options=frozenset(BACKEND_VALUES))
        assert name in str(caught.value)
        assert repr(value) in str(caught.value)
        assert expected in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_the_keys_of_sessions_are_never_kept() -> None:
    for names in (["sessions"], ["cache", "sessions"], ["user_sessions"]):
        with pytest.raises(ConfigurationError, match=f"'{names[-1]}', which are live session ids"):
            resolve({"keep_keys": names})
    for namespace in ("sessions", "LITESTAR_sessions"):
        with pytest.raises(ConfigurationError, match=f"'{namespace}', which are live session ids"):
            resolve({"keep_keys": True, "namespace": namespace})
    assert resolve({"keep_keys": ["cache"], "namespace": "LITESTAR_sessions"}).keep_keys == ["cache"]
    with pytest.raises(ConfigurationError, match="printable ASCII"):
        resolve({"keep_keys": [""]})


def test_a_durability_that_names_no_namespace_is_refused() -> None:
    for name in ("", "\u00e4", 1):
        with pytest.raises(ConfigurationError, match="namespace"):
            resolve({"durability": {name: "relaxed"}})


@pytest.mark.parametrize(
    "given, expected",
    [
        ("full", {"*": "full"}),
        ("relaxed", {"*": "relaxed"}),
        ({}, {"*": "full"}),
        ({"cache": "relaxed"}, {"*": "full", "cache": "relaxed"}),
        ({"*": "relaxed", "sessions": "full"}, {"*": "relaxed", "sessions": "full"}),
    ],
)
def test_what_no_durability_is_given_for_is_as_durable_as_all_others(given: Any, expected: dict[str, str]) -> None:
    assert resolve({"durability": given}).durabilities == expected


def test_a_wrong_value_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(ConfigurationError, match="timeout is 0"):
        resolve({}, {"timeout": 0})
    with pytest.raises(ConfigurationError, match="table 'not one' is no table name"):
        resolve({}, {}, {"session_table": "not one"})
    with pytest.raises(ConfigurationError, match="shard_count is 0"):
        resolve({}, {}, {"shard_count": 0}, backend_options=frozenset({"shard_count"}))

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.statements import MAX_IDENTIFIER_LENGTH, TableName, load_statements, sql_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATS = ("bytes", "json")
DIALECTS: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "mysql": (
        "`",
        [
            (data, kind, f"{data}_{kind}", notes)
            for data in FORMATS
            for kind, notes in (("mysql", "switch"), ("mariadb", "switch"), ("mariadb", "verbosity"))
        ],
    ),
    "oracle": (
        '"',
        [
            (*data, storage)
            for data in (["bytes"], ["json", "bytes"], ["json_text", "bytes"])
            for storage in ("on_disk", "in_memory")
        ],
    ),
    "postgresql": ('"', [(data, durability) for durability in ("full", "relaxed") for data in FORMATS]),
    "spanner": ("`", [(data, kind) for data in FORMATS for kind in ("whole", "sharded")]),
    "sqlite": ('"', [(data,) for data in FORMATS]),
}
"""The character that quotes identifiers, and what can decide between fragments; the data format comes first."""
PARAMETERS = {
    "mysql": r"%s|%\(\w+\)s",
    "oracle": r"(?<![\w:]):[a-z]\w*",
    "postgresql": r"\$\d+",
    "spanner": r"(?<![\w@])@[a-z]\w*",
    "sqlite": r"\?\d+",
}
FILES = [sql_folder() / f"{dialect}.sql" for dialect in DIALECTS]

identifiers = st.from_regex(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_IDENTIFIER_LENGTH - 1}}}", fullmatch=True)


def renderings(dialect: str, table: str = "sessions") -> Iterator[Mapping[str, str]]:
    quote, every_variant = DIALECTS[dialect]
    for variants in every_variant:
        yield load_statements(dialect, TableName.parse(table), variants, quote)


def sections(file: Path) -> Iterator[tuple[str, str, str]]:
    """Each statement and fragment of a file: its kind, its name and its text."""
    _, *parts = re.split(r"^-- (name|fragment): (\S+)\n", file.read_text("utf-8"), flags=re.MULTILINE)
    yield from zip(parts[::3], parts[1::3], parts[2::3], strict=True)


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def test_every_file_is_tested() -> None:
    assert sorted(sql_folder().glob("*.sql")) == FILES


every_file = pytest.mark.parametrize("file", FILES, ids=DIALECTS)


@every_file
@pytest.mark.parametrize("table", ["sessions", "app.sessions", "order", "Select.FROM"])
def test_every_statement_renders_with_nothing_left_open(file: Path, table: str) -> None:
    names = {name.replace("-", "_") for kind, name, _ in sections(file) if kind == "name"}
    for statements in renderings(file.stem, table):
        assert statements.keys() == names
        for name, sql in statements.items():
            assert sql.strip(), name
            assert not re.search(r"slot:|include:", sql), name


@every_file
def test_the_name_of_the_table_is_always_quoted(file: Path) -> None:
    quote, _ = DIALECTS[file.stem]
    for statements in renderings(file.stem, "app.user"):
        for name, sql in statements.items():
            unquoted = re.sub(rf"{quote}(app|user(_[a-z0-9_]+)?){quote}|'[^']*'", "", sql)
            assert not re.search(r"\b(app|user\w*)\b", unquoted), name
        assert f"{quote}app{quote}.{quote}user{quote}" in statements["get"]


@every_file
def test_what_a_statement_is_for_stands_above_it(file: Path) -> None:
    for kind, name, text in sections(file):
        if kind == "name":
            assert re.match(r"-- \w.*\.$|-- \w.*\n-- ", text, flags=re.MULTILINE), f"{name} has no description"


@every_file
def test_the_parameters_of_a_statement_stand_above_it_and_no_others(file: Path) -> None:
    fragments = {name: text for kind, name, text in sections(file) if kind == "fragment"}

    def with_fragments(text: str) -> str:
        included = re.findall(r"/\* include: (\S+) \*/", text)
        slots = re.findall(r"/\* slot: (\S+) \*/", text)
        used = [body for name, body in fragments.items() if name in included or name.rpartition("_")[0] in slots]
        return without_comments(text) + "".join(map(with_fragments, used))

    for kind, name, text in sections(file):
        if kind == "name":
            said = "\n".join(line for line in text.splitlines() if line.startswith("--"))
            parameters = PARAMETERS[file.stem]
            assert set(re.findall(parameters, said)) == set(re.findall(parameters, with_fragments(text))), name


@every_file
def test_every_fragment_is_used_and_there_is_one_for_each_format(file: Path) -> None:
    text = file.read_text("utf-8")
    fragments = {name for kind, name, _ in sections(file) if kind == "fragment"}
    variants = {variant for variants in DIALECTS[file.stem][1] for variant in variants}
    for name in fragments:
        slots = [slot for variant in variants if (slot := name.removesuffix(f"_{variant}")) != name]
        used = [slot for slot in slots if f"/* slot: {slot} */" in text]
        assert used or f"/* include: {name} */" in text, f"{name} is not used"
        for slot in used:
            others = {fragment.removeprefix(f"{slot}_") for fragment in fragments if fragment.startswith(f"{slot}_")}
            assert len(others) > 1, f"{name} is the only one for {slot}"


@every_file
def test_a_file_is_easy_to_read(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert lines[0].startswith("-- ")
    assert all(line == line.rstrip() and "\t" not in line for line in lines)
    names = [(kind, name) for kind, name, _ in sections(file)]
    assert len(names) == len(set(names))


@every_file
def test_semicolons_are_between_statements_only(file: Path) -> None:
    for statements in renderings(file.stem):
        for name, sql in statements.items():
            if (file.stem, name) == ("oracle", "native_ttl"):  # a script for people, which no code divides
                continue
            assert all(re.match(r"[A-Z]+\b", without_comments(part).strip()) for part in sql.split(";")), name


def test_the_two_formats_differ_only_where_they_must() -> None:
    for dialect in ("postgresql", "sqlite"):
        in_bytes, in_json, *_ = renderings(dialect)
        different = {name for name in in_bytes if in_bytes[name] != in_json[name]}
        assert {"create_table"} <= different
        assert not different & {"delete", "delete_namespace", "delete_expired", "remaining", "drop_table"}


def test_statements_are_rendered_once() -> None:
    table = TableName.parse("sessions")
    assert load_statements("sqlite", table, ("bytes",)) is load_statements("sqlite", table, ("bytes",))
    assert load_statements("sqlite", table, ("bytes",)) is not load_statements("sqlite", table, ("json",))


def test_a_dialect_may_come_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "toy.sql").write_text(
        "-- name: get-one\n-- One.\nSELECT /* slot: columns */ FROM /* slot: table */ WHERE /* include: alive */\n\n"
        "-- fragment: columns_json\n'json'\n\n-- fragment: columns_small\n1\n\n-- fragment: alive\nTRUE\n"
    )
    table = TableName.parse("app.user")
    assert load_statements("toy", table, ("bytes", "small"), "`", tmp_path) == {
        "get_one": "SELECT 1 FROM `app`.`user` WHERE TRUE"
    }
    assert load_statements("toy", table, ("json", "small"), "`", tmp_path)["get_one"].startswith("SELECT 'json' ")


# -- names of tables


@given(identifiers, st.none() | identifiers)
def test_a_table_is_an_identifier_in_a_schema_or_not(table: str, schema: str | None) -> None:
    text = f"{schema}.{table}" if schema else table
    name = TableName.parse(text)
    assert (name.table, name.schema) == (table, schema)
    assert str(name) == text


@given(st.text())
def test_anything_else_is_refused(text: str) -> None:
    if re.fullmatch(r"([A-Za-z_]\w{0,47}\.)?[A-Za-z_]\w{0,47}", text, flags=re.ASCII):
        assert str(TableName.parse(text)) == text
    else:
        with pytest.raises(ConfigurationError) as caught:
            TableName.parse(text)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a.", ".a", "a..b", "a.b.c", "1a", "a-b", "a b", " a", "a\n", "a\0", 'a"b', "a'b", "a`b", "a;b"),
        *("a/*b*/", "--", "a--", "\u00e4", "a\u0301", "\uff41", "a" * 49, "a." + "b" * 49, "a" * 49 + ".b"),
    ],
)
def test_names_that_could_do_harm_are_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"48 letters, digits and underscores.*sessions or app\.sessions"):
        TableName.parse(text)


@pytest.mark.parametrize("value", [None, 1, b"sessions", ["sessions"], True])
def test_what_is_no_str_is_no_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no table name"):
        TableName.parse(value)


@given(identifiers, st.none() | identifiers, st.sampled_from('"`'))
def test_names_are_quoted_and_those_of_indexes_come_from_the_table(table: str, schema: str | None, quote: str) -> None:
    slots = TableName(table, schema).slots(quote)
    prefix = f"{quote}{schema}{quote}." if schema else ""
    assert slots["schema"] == prefix
    assert slots["table_name"] == f"{quote}{table}{quote}"
    assert slots["table"] == prefix + slots["table_name"]
    indexes = {name: text for name, text in slots.items() if name.endswith("_index")}
    assert len(set(indexes.values())) == len(indexes) >= 3
    for text in indexes.values():
        assert text.startswith(f"{quote}{table}_")
        assert text.endswith(quote)
        # PostgreSQL cuts longer names, MySQL refuses them.
        assert len(text.strip(quote)) <= 63

from __future__ import annotations

import hashlib
from functools import reduce
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from litestar_sqlstores.errors import ConfigurationError, InvalidKeyError
from litestar_sqlstores.keys import (
    MAX_KEY_TEXT,
    MAX_NAMESPACE_LENGTH,
    Subtree,
    key_digester,
    key_text,
    prefix_range,
    validate_namespace,
)

any_text = st.text(st.characters(exclude_categories=()))
"""Lone surrogates too."""
namespaces = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
addresses = st.tuples(namespaces, any_text)


def digest(namespace: str, key: str) -> bytes:
    return key_digester(namespace)(key)


def test_the_digest_of_a_key_never_changes() -> None:
    # Another digest would lose everything that is stored.
    assert digest("LITESTAR", "key") == hashlib.sha256(b"\0\0\0\x08LITESTARkey").digest()
    assert digest("LITESTAR", "\u00e9\ud800") == hashlib.sha256(b"\0\0\0\x08LITESTAR\xc3\xa9\xed\xa0\x80").digest()


@given(addresses)
def test_a_digest_has_32_bytes_and_is_the_same_each_time(address: tuple[str, str]) -> None:
    namespace, key = address
    digester = key_digester(namespace)
    assert len(digester(key)) == 32
    assert digester(key) == digester(key) == digest(namespace, key)


@given(addresses, addresses)
@example(("a", "bc"), ("ab", "c"))
@example(("a", "a"), ("aa", ""))
def test_different_keys_and_namespaces_have_different_digests(one: tuple[str, str], other: tuple[str, str]) -> None:
    assume(one != other)
    assert digest(*one) != digest(*other)


@given(namespaces, namespaces, any_text)
def test_no_key_takes_one_into_another_namespace(one: str, other: str, key: str) -> None:
    assume(one != other)
    assert digest(one, f"_{other}{key}") != digest(f"{one}_{other}", key)


@pytest.mark.parametrize(
    "twins",
    [
        ("a", "A"),
        ("a", "a "),
        ("a", "a\0"),
        ("", "\0"),
        ("\u00e9", "e\u0301"),
        ("\ud800", "\udc00"),
        ("\ud800", "?"),
        ("\ud83d\ude00", "\U0001f600"),
        ("ss", "\u00df"),
        ("i", "\u0131"),
    ],
)
def test_keys_that_look_alike_stay_apart(twins: tuple[str, str]) -> None:
    assert digest("LITESTAR", twins[0]) != digest("LITESTAR", twins[1])


def test_the_subclasses_of_str_are_keys() -> None:
    class Key(str):
        __slots__ = ()

    assert digest("LITESTAR", Key("a")) == digest("LITESTAR", "a")


@pytest.mark.parametrize("key", [b"s3cr3t", bytearray(b"s3cr3t"), ["s3cr3t"], 31337, 1.5, None, object()])
def test_what_is_no_str_is_no_key(key: Any) -> None:
    with pytest.raises(InvalidKeyError, match=f"keys are str, not {type(key).__name__}; convert the key") as caught:
        digest("LITESTAR", key)
    assert isinstance(caught.value, TypeError)
    assert "s3cr3t" not in str(caught.value)
    assert "31337" not in str(caught.value)


@given(namespaces)
@example("a" * MAX_NAMESPACE_LENGTH)
@example("~ %_'\"\\")
def test_printable_ascii_is_a_namespace(namespace: str) -> None:
    assert validate_namespace(namespace) is namespace


@pytest.mark.parametrize("namespace", ["", "a" * (MAX_NAMESPACE_LENGTH + 1), "\u00e4", "a\n", "\0", "\x7f", "\ud800"])
def test_anything_else_is_none(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^namespace .* is not 1 to 255 printable ASCII characters") as caught:
        validate_namespace(namespace)
    assert repr(namespace) in str(caught.value)


@pytest.mark.parametrize("namespace", [None, 1, b"LITESTAR", ["LITESTAR"]])
def test_a_namespace_is_a_str(namespace: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"a namespace is a str, not {type(namespace).__name__}"):
        validate_namespace(namespace)


@given(namespaces, namespaces)
def test_a_child_of_a_root_is_joined_to_it_by_an_underscore(parent: str, name: str) -> None:
    # As in every table that there is: their rows are found.
    assert Subtree.of_root(parent).child(name).namespace == f"{parent}_{name}"


@pytest.mark.parametrize("name", ["", "a" * 250, "\u00e4", "a\x1fb", None, 1])
def test_what_is_no_namespace_is_no_child(name: Any) -> None:
    with pytest.raises(ConfigurationError):
        Subtree.of_root("LITESTAR").child(name)
    with pytest.raises(ConfigurationError):
        Subtree.of_root("LITESTAR").child("child").child(name)


def test_what_gets_too_long_says_so() -> None:
    with pytest.raises(ConfigurationError, match="has 261 characters with those above it, more than 255"):
        Subtree.of_root("LITESTAR").child("n" * 252)


# Names that are easily taken for one another.
names = st.sampled_from(["a", "b", "a_b", "b_a", "_", "__", "a_", "_a", "a__b", "/", "a/b", " ", "a ", "!"]) | st.text(
    st.sampled_from("a_ /!~"), min_size=1, max_size=4
)
paths = st.lists(names, max_size=4).map(tuple)


def subtree(path: tuple[str, ...]) -> Subtree:
    return reduce(Subtree.child, path, Subtree.of_root("LITESTAR"))


@given(paths, paths)
@example(("a", "b_c"), ("a_b", "c"))
@example(("cache",), ("cache_sessions",))
@example(("a", "b"), ("a_b",))
@example(("a",), ("a ",))
def test_no_two_paths_have_one_namespace_and_only_descendants_are_below(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    first, second = subtree(one), subtree(other)
    assert (first.namespace == second.namespace) == (one == other)
    is_below = other[: len(one)] == one
    assert (second.namespace in first) == is_below
    in_range = first.children <= second.namespace < first.behind
    assert (second.namespace == first.namespace or in_range) == is_below
    if one != other:
        assert key_digester(first.namespace)("key") != key_digester(second.namespace)("key")


# -- texts of keys

few_characters = st.text(st.sampled_from("ab\0\ud7ff\ud800\ue000\U0010fffe\U0010ffff"))


@given(any_text | few_characters, any_text | few_characters)
@example("\ud7ff", "\ud7ff1")
@example("a" * 512, "a" * 513)
@example("", "a")
def test_a_prefix_is_one_of_a_key_if_and_only_if_its_range_has_the_text(prefix: str, key: str) -> None:
    for each in (key, prefix + key):
        try:
            first, behind = prefix_range(prefix)
        except InvalidKeyError:
            continue
        assert (first <= (key_text(each) or "") < behind) == each.startswith(prefix)


@given(any_text | few_characters)
@example("a" * 513)
def test_the_text_of_a_key_is_its_start_and_every_database_can_hold_it(key: str) -> None:
    text = key_text(key)
    assert text is None or (text and key.startswith(text))
    assert len(text or "") <= MAX_KEY_TEXT
    assert "\0" not in (text or "").encode().decode()

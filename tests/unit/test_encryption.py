from __future__ import annotations

import sys
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from litestar_sqlstores import ConfigurationError, DecryptionError, MissingDriverError, create_store
from litestar_sqlstores.encryption import Cipher
from litestar_sqlstores.encryption_keys import OVERHEAD_BYTES, EncryptionKeys, check_keys, load_cipher

FIRST, SECOND = "the first key of this test, a text", b"the second key of this test: bytes"
ROW, OTHER_ROW = bytes(32), bytes(range(32))

# Ciphertexts are looked for in longer ones: two bytes may be in anything.
plaintexts = st.binary(min_size=8, max_size=600) | st.sampled_from([b"", b"1", b"-12", b"\0siv", b'{"user": 1}'])
digests = st.binary(min_size=32, max_size=32)


@given(digest=digests, data=plaintexts)
def test_what_is_encrypted_is_read_and_says_nothing(digest: bytes, data: bytes) -> None:
    cipher = Cipher([FIRST])
    stored = cipher.encrypt(digest, data)
    assert cipher.decrypt(digest, stored) == data
    assert len(stored) == len(data) + OVERHEAD_BYTES
    assert len(data) < 8 or data not in stored


@given(data=plaintexts)
def test_an_unchanged_value_is_stored_as_the_same_and_in_another_row_as_another(data: bytes) -> None:
    stored = Cipher([FIRST]).encrypt(ROW, data)
    assert Cipher([FIRST, SECOND]).encrypt(ROW, data) == stored
    assert Cipher([FIRST]).encrypt(OTHER_ROW, data)[8:] != stored[8:]
    assert Cipher([SECOND]).encrypt(ROW, data)[8:] != stored[8:]


@given(data=plaintexts, position=st.integers(0), bit=st.integers(0, 7))
def test_what_was_changed_is_refused(data: bytes, position: int, bit: int) -> None:
    stored = bytearray(Cipher([FIRST]).encrypt(ROW, data))
    stored[position % len(stored)] ^= 1 << bit
    with pytest.raises(DecryptionError):
        Cipher([FIRST]).decrypt(ROW, bytes(stored))


@given(data=plaintexts, length=st.integers(0))
def test_what_was_cut_is_refused(data: bytes, length: int) -> None:
    stored = Cipher([FIRST]).encrypt(ROW, data)
    with pytest.raises(DecryptionError):
        Cipher([FIRST]).decrypt(ROW, stored[: length % len(stored)])


def test_what_was_moved_is_refused_with_what_to_do() -> None:
    cipher = Cipher([FIRST])
    with pytest.raises(DecryptionError, match="moved there; delete it"):
        cipher.decrypt(OTHER_ROW, cipher.encrypt(ROW, b"value"))


def test_a_key_that_is_missing_is_said() -> None:
    stored = Cipher([FIRST]).encrypt(ROW, b"value")
    for keys in ([SECOND], [SECOND, None]):
        with pytest.raises(DecryptionError, match="another key; add that key to encryption_keys"):
            Cipher(keys).decrypt(ROW, stored)


def test_every_key_decrypts_and_the_first_one_encrypts() -> None:
    old, new = Cipher([FIRST]), Cipher([SECOND, FIRST])
    assert new.decrypt(ROW, old.encrypt(ROW, b"value")) == b"value"
    assert Cipher([SECOND]).decrypt(ROW, new.encrypt(ROW, b"value")) == b"value"


def test_none_stands_for_values_as_they_are() -> None:
    with pytest.raises(DecryptionError, match="not encrypted; add None to encryption_keys"):
        Cipher([FIRST]).decrypt(ROW, b"value")
    assert Cipher([FIRST, None]).decrypt(ROW, b"value") == b"value"
    switched_off = Cipher([None, FIRST])
    assert switched_off.encrypt(ROW, b"value") == b"value"
    assert switched_off.decrypt(ROW, Cipher([FIRST]).encrypt(ROW, b"value")) == b"value"


def test_what_would_be_stored_otherwise_now_is_not_current() -> None:
    old = Cipher([FIRST]).encrypt(ROW, b"value")
    assert Cipher([FIRST, SECOND, None]).is_current(old)
    assert not Cipher([SECOND, FIRST]).is_current(old)
    assert not Cipher([FIRST, None]).is_current(b"value")
    assert Cipher([None, FIRST]).is_current(b"value")
    assert not Cipher([None, FIRST]).is_current(old)


@pytest.mark.parametrize("number", [b"0", b"-7", b"9223372036854775807", b"-9223372036854775808"])
def test_numbers_of_the_database_are_no_values(number: bytes) -> None:
    with pytest.raises(DecryptionError, match=r"digits, which are not encrypted; read a number with get_number\(\)"):
        Cipher([FIRST]).decrypt(ROW, number)
    assert Cipher([FIRST, None]).decrypt(ROW, number) == number
    assert Cipher([FIRST]).encrypt(ROW, number) != number


@given(
    data=st.sampled_from([b"\0siv", b"\0siv\0\0\0\0", Cipher([FIRST]).encrypt(ROW, b"1")]) | plaintexts,
    more=st.binary(),
)
def test_values_that_begin_like_a_ciphertext_are_read(data: bytes, more: bytes) -> None:
    for cipher in (Cipher([FIRST]), Cipher([FIRST, None]), Cipher([None, FIRST])):
        stored = cipher.encrypt(ROW, data + more)
        assert cipher.decrypt(ROW, stored) == data + more
        assert cipher.is_current(stored)
        assert stored in cipher.forms(ROW, data + more)


def test_what_is_marked_as_plain_is_no_value_where_all_are_encrypted() -> None:
    stored = Cipher([None, FIRST]).encrypt(ROW, b"\0siv value")
    with pytest.raises(DecryptionError, match="not encrypted"):
        Cipher([FIRST]).decrypt(ROW, stored)
    assert not Cipher([FIRST, None]).is_current(stored)


@pytest.mark.parametrize("text", [b"", b"+1", b"1.5", b" 1", b"1\n", b"--1", b"12345678901234567890"])
def test_nothing_else_passes_for_one(text: bytes) -> None:
    with pytest.raises(DecryptionError, match="not encrypted"):
        Cipher([FIRST]).decrypt(ROW, text)


def test_forms_are_all_that_may_be_stored_for_a_value() -> None:
    first, second = Cipher([FIRST]), Cipher([SECOND])
    assert first.forms(ROW, b"value") == [first.encrypt(ROW, b"value")]
    assert first.forms(ROW, b"12") == [first.encrypt(ROW, b"12")]
    both = Cipher([SECOND, FIRST, None])
    for value in (b"value", b"12"):
        assert both.forms(ROW, value) == [second.encrypt(ROW, value), first.encrypt(ROW, value), value]


def test_what_earlier_versions_have_stored_can_be_read() -> None:
    # Made by the first version that encrypts. If this fails, nobody can read their table any more.
    stored = "0073697668f6a5ef74ea66df3bba5a51a2275665cade8b54d1d5f41d58"
    assert Cipher([FIRST]).decrypt(ROW, bytes.fromhex(stored)) == b"value"
    assert Cipher([FIRST]).encrypt(ROW, b"value").hex() == stored


@pytest.mark.parametrize(
    "keys, text",
    [
        ("k" * 40, r"must be a list of keys, such as \[key\], not str"),
        (b"k" * 40, r"must be a list of keys, such as \[key\], not bytes"),
        (40, "must be a list of keys"),
        ({"k" * 40}, "must be a list of keys"),
        ([FIRST, 40], r"encryption_keys\[1\] must be a str or bytes, not int; make one with `python"),
        (["k" * 31], r"encryption_keys\[0\] has 31 characters, fewer than 32; make one with `python"),
        ([FIRST, b""], r"encryption_keys\[1\] has 0 bytes, fewer than 32"),
        ([None], "has None only, and no key; leave it out"),
    ],
)
def test_what_is_no_key_is_refused(keys: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        check_keys(keys)
    with pytest.raises(ConfigurationError, match=text):
        create_store("sqlite://", encryption_keys=keys)


def test_json_cannot_be_encrypted() -> None:
    with pytest.raises(ConfigurationError, match="encryption_keys needs data_format='bytes'"):
        create_store("sqlite://", encryption_keys=[FIRST], data_format="json")


@pytest.mark.parametrize("keys", [[FIRST], (SECOND, None, FIRST), ["\ud800" * 32]])
def test_texts_and_bytes_are_keys(keys: EncryptionKeys) -> None:
    cipher = load_cipher(keys)
    assert cipher is not None
    assert cipher.decrypt(ROW, cipher.encrypt(ROW, b"value")) == b"value"


def test_no_keys_mean_no_encryption_and_need_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litestar_sqlstores.encryption", None)
    assert load_cipher([]) is None
    with pytest.raises(MissingDriverError, match=r"pip install 'litestar-sqlstores\[encryption\]'"):
        create_store("sqlite://", encryption_keys=[FIRST])


def test_keys_are_in_no_text_of_a_store() -> None:
    store = create_store("sqlite://", encryption_keys=[FIRST, SECOND])
    for text in (repr(store), repr(store.settings), repr(vars(store._cipher))):
        assert "first key" not in text
        assert "second key" not in text

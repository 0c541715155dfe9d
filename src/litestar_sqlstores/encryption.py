"""Values that nobody can read, or make up, who has the database but not the keys.

Encryption is AES-SIV (RFC 5297), through the `cryptography` package. It is deterministic: an unchanged value has the
same ciphertext, so that the database can still tell that there is nothing to write. A ciphertext belongs to its row: it
is bound to the digest of the key, and moved to another row it is no value there.

In front of a ciphertext stands which key it was made with, so that keys can be changed while the table is in use.

Nothing else is a value, unless the application says that some were stored before that. Digits are none either: the
database adds to them, and :meth:`~litestar_sqlstores.BaseSQLSpecStore.get_number` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from litestar_sqlstores.errors import DecryptionError
from litestar_sqlstores.values import is_number

__all__ = ("Cipher",)

_MARK = b"\0siv"
_MARK_BYTES = 8
_PLAIN = _MARK + bytes(_MARK_BYTES - len(_MARK))
"""In front of a value that is not encrypted, and begins as if it were."""


class _Key(NamedTuple):
    """A key of AES-256-SIV, and what stands in front of what it has encrypted."""

    mark: bytes
    aes: AESSIV

    @classmethod
    def derive(cls, secret: str | bytes) -> _Key:
        material = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret

        def derived(purpose: bytes, length: int) -> bytes:
            return HKDF(SHA256(), length, salt=None, info=b"litestar-sqlstores " + purpose).derive(material)

        return cls(_MARK + derived(b"name", _MARK_BYTES - len(_MARK)), AESSIV(derived(b"AES-SIV", 64)))


class Cipher:
    """Encrypts values, and decrypts them.

    Args:
        keys: The first one encrypts, all of them decrypt. None stands for values as they are.
    """

    def __init__(self, keys: Sequence[str | bytes | None]) -> None:
        self._keys = [None if key is None else _Key.derive(key) for key in keys]
        self._by_mark = {key.mark: key for key in self._keys if key is not None}
        self._takes_plain = None in self._keys

    def encrypt(self, digest: bytes, data: bytes) -> bytes:
        """What the row of ``digest`` is to hold for a value."""
        return _encrypted(self._keys[0], digest, data)

    def forms(self, digest: bytes, data: bytes) -> list[bytes]:
        """All that the row of ``digest`` may hold for a value; first what would be written now."""
        return [_encrypted(key, digest, data) for key in self._keys]

    def is_current(self, data: bytes) -> bool:
        """Whether what a row holds is what would be written now."""
        key = self._keys[0]
        if key is None:
            return data.startswith(_PLAIN) or not data.startswith(_MARK)
        return data.startswith(key.mark)

    def decrypt(self, digest: bytes, data: bytes) -> bytes:
        """The value that the row of ``digest`` holds.

        Raises:
            DecryptionError: It was not encrypted with any of the keys, has been changed since, or was another row's.
        """
        key = self._by_mark.get(data[:_MARK_BYTES])
        if key is None:
            return self._plain(data)
        try:
            return key.aes.decrypt(data[_MARK_BYTES:], [digest])
        except InvalidTag as error:
            msg = "the entry is not what was stored: it was changed in the database, or moved there; delete it"
            raise DecryptionError(msg) from error

    def _plain(self, data: bytes) -> bytes:
        is_marked = data.startswith(_PLAIN)
        if data.startswith(_MARK) and not is_marked:
            msg = "the entry was encrypted with another key; add that key to encryption_keys, or delete the entry"
            raise DecryptionError(msg)
        if self._takes_plain:
            return data[_MARK_BYTES:] if is_marked else data
        if is_number(data):
            msg = "the entry is no value, but digits, which are not encrypted; read a number with get_number()"
            raise DecryptionError(msg)
        msg = "the entry was not encrypted; add None to encryption_keys to read such entries too, or delete the entry"
        raise DecryptionError(msg)


def _encrypted(key: _Key | None, digest: bytes, data: bytes) -> bytes:
    if key is None:
        return _PLAIN + data if data.startswith(_MARK) else data
    return key.mark + key.aes.encrypt(data, [digest])

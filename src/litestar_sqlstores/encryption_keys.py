"""The keys that values are encrypted with: what they must be, and what they open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.extras import needing

if TYPE_CHECKING:
    from litestar_sqlstores.encryption import Cipher

__all__ = ("MIN_KEY_LENGTH", "OVERHEAD_BYTES", "EncryptionKeys", "check_keys", "load_cipher")

EncryptionKeys: TypeAlias = "Sequence[str | bytes | None]"

MIN_KEY_LENGTH = 32
OVERHEAD_BYTES = 24
"""How much longer a value is when it is encrypted."""

_HOW_TO_MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"


def check_keys(keys: EncryptionKeys) -> None:
    """Check what is to be the keys; no text has a key in it.

    Raises:
        ConfigurationError: They are no list of texts or bytes, none of them is a key, or one is too short.
    """
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Sequence):
        msg = f"encryption_keys must be a list of keys, such as [key], not {type(keys).__name__}"
        raise ConfigurationError(msg)
    for number, key in enumerate(keys):
        if not isinstance(key, (str, bytes, type(None))):
            msg = f"encryption_keys[{number}] must be a str or bytes, not {type(key).__name__}; {_HOW_TO_MAKE_ONE}"
            raise ConfigurationError(msg)
        if key is not None and len(key) < MIN_KEY_LENGTH:
            unit = "bytes" if isinstance(key, bytes) else "characters"
            msg = f"encryption_keys[{number}] has {len(key)} {unit}, fewer than {MIN_KEY_LENGTH}; {_HOW_TO_MAKE_ONE}"
            raise ConfigurationError(msg)
    if keys and set(keys) == {None}:
        msg = "encryption_keys has None only, and no key; leave it out to store values as they are"
        raise ConfigurationError(msg)


def load_cipher(keys: EncryptionKeys) -> Cipher | None:
    """What encrypts with keys that were checked; None for no keys.

    Raises:
        MissingDriverError: The package `cryptography` is not installed.
    """
    if not keys:
        return None
    with needing("cryptography", "litestar-sqlstores[encryption]", "encryption_keys"):
        from litestar_sqlstores.encryption import Cipher  # noqa: PLC0415 - only where it is asked for
    return Cipher(keys)

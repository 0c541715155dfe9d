"""Keys become digests: the database never sees a key.

A digest is SHA-256 over namespace and key. So any text is a key, of any length; no collation makes two keys one; keys
spread evenly over the index; and neither a leaked backup nor the timing of an index look-up gives away a live session
id (CVE-2019-16782).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from litestar_sqlstores.errors import ConfigurationError, InvalidKeyError

__all__ = (
    "MAX_KEY_TEXT",
    "MAX_NAMESPACE_LENGTH",
    "ROOT_SEPARATOR",
    "SEPARATOR",
    "Subtree",
    "key_digester",
    "key_text",
    "prefix_range",
    "validate_namespace",
)

MAX_NAMESPACE_LENGTH = 255
ROOT_SEPARATOR = "_"
SEPARATOR = "\x1f"
"""What stands in front of a name below the children of a root; it is not printable, so that no name has it."""
MAX_KEY_TEXT = 512
"""How many characters of a key are kept, where keys are: what every database can index, at four bytes each."""

# What some database cannot hold as text, and the last code point, which has none behind it.
_UNREADABLE = re.compile("[\0\ud800-\udfff\U0010ffff]")


def key_digester(namespace: str) -> Callable[[str], bytes]:
    """A function from key to 32-byte digest, for the keys of one namespace."""
    encoded = _encode(namespace)
    # The length in front keeps ("a", "bc") and ("ab", "c") apart, whatever the two contain.
    prefix = hashlib.sha256(len(encoded).to_bytes(4, "big") + encoded)

    def digest(key: str) -> bytes:
        sha = prefix.copy()
        sha.update(_encode(key if isinstance(key, str) else _refuse(key)))
        return sha.digest()

    return digest


def key_text(key: str) -> str | None:
    """What of a key is kept for people to read and for prefixes to find: its start, up to what is no text.

    A prefix that :func:`prefix_range` accepts is one of the key if and only if it is one of this.
    """
    text, *_ = _UNREADABLE.split((key if isinstance(key, str) else _refuse(key))[:MAX_KEY_TEXT], maxsplit=1)
    # Oracle knows no empty text.
    return text or None


def prefix_range(prefix: str) -> tuple[str, str]:
    """The texts that start with a prefix: from the first of a pair up to, but without, the second, by code point.

    Raises:
        InvalidKeyError: ``prefix`` is no ``str``, or is empty, or goes beyond what :func:`key_text` keeps.
    """
    if not isinstance(prefix, str):
        msg = f"a prefix is a str, not {type(prefix).__name__}; convert it first"
        raise InvalidKeyError(msg)
    if not prefix:
        msg = "the prefix is empty, and would remove everything; if that is meant, call delete_all()"
        raise InvalidKeyError(msg)
    if len(prefix) > MAX_KEY_TEXT or _UNREADABLE.search(prefix):
        msg = (
            f"the prefix has {len(prefix)} characters; of a key, the first {MAX_KEY_TEXT} are kept, up to a NUL, a lone"
            " surrogate or U+10FFFF: give a shorter prefix, without these"
        )
        raise InvalidKeyError(msg)
    following = ord(prefix[-1]) + 1
    return prefix, prefix[:-1] + chr(0xE000 if following == 0xD800 else following)


def validate_namespace(namespace: str) -> str:
    """Return ``namespace`` if it can be one.

    Raises:
        ConfigurationError: It is empty, longer than 255 characters, or holds characters that databases refuse.
    """
    if not isinstance(namespace, str):
        msg = f"a namespace is a str, not {type(namespace).__name__}"
        raise ConfigurationError(msg)
    if not 1 <= len(namespace) <= MAX_NAMESPACE_LENGTH or not namespace.isascii() or not namespace.isprintable():
        msg = f"namespace {namespace!r} is not 1 to {MAX_NAMESPACE_LENGTH} printable ASCII characters"
        raise ConfigurationError(msg)
    return namespace


class Subtree(NamedTuple):
    """A namespace and its children, as a range of names in the table.

    A root and the name of its child have an underscore between them, as in Litestar's RedisStore. An underscore may be
    a part of any name, though; below that, it is a U+001F, which none has. So no child of ``cache`` is confused with
    ``cache_sessions``.

    Attributes:
        namespace: The namespace, by its full name.
        children: What the full names of its children begin with.
        behind: The first name behind these, by code point.
    """

    namespace: str
    children: str
    behind: str

    @classmethod
    def of_root(cls, namespace: str) -> Subtree:
        """The namespace that an application has for itself."""
        return cls(namespace, namespace + ROOT_SEPARATOR, namespace + chr(ord(ROOT_SEPARATOR) + 1))

    def child(self, name: str) -> Subtree:
        """A child, by its own name.

        Raises:
            ConfigurationError: It cannot be one, or its full name is too long.
        """
        namespace = self.children + validate_namespace(name)
        if len(namespace) > MAX_NAMESPACE_LENGTH:
            msg = (
                f"namespace {name!r} has {len(namespace)} characters with those above it, more than"
                f" {MAX_NAMESPACE_LENGTH}; give it a shorter name"
            )
            raise ConfigurationError(msg)
        return Subtree(namespace, namespace + SEPARATOR, namespace + chr(ord(SEPARATOR) + 1))

    def __contains__(self, namespace: object) -> bool:
        """Whether a full name is that of the namespace or of one below it."""
        return namespace == self.namespace or (isinstance(namespace, str) and namespace.startswith(self.children))


def _refuse(key: object) -> NoReturn:
    msg = f"keys are str, not {type(key).__name__}; convert the key first"
    raise InvalidKeyError(msg)


def _encode(text: str) -> bytes:
    # Lone surrogates are no UTF-8, but a key that holds one is still a key.
    return text.encode("utf-8", "surrogatepass")

"""The errors of this package.

Every error that a store raises is a :class:`StoreError`; an error of the database driver is its ``__cause__``. No text
ever contains a key, a value or an owner: a log must not hand out what the table protects.
"""

from __future__ import annotations

__all__ = (
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "DatabaseError",
    "DecryptionError",
    "DurationError",
    "InvalidKeyError",
    "InvalidValueError",
    "MissingDriverError",
    "MissingTableError",
    "OverloadedError",
    "SchemaError",
    "StoreError",
    "StoreTimeoutError",
    "TransientError",
    "UnavailableError",
    "ValueTooLargeError",
)


class StoreError(Exception):
    """Base of every error of this package.

    Attributes:
        outcome_unknown: Whether the call was a write that may have taken effect all the same, because it had been sent
            when its connection or its time was lost. If False, the call has certainly changed nothing. Only
            :class:`UnavailableError` and :class:`StoreTimeoutError` can have it True.
    """

    outcome_unknown: bool = False

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}; the write may have taken effect" if self.outcome_unknown else text


class ConfigurationError(StoreError, ValueError):
    """A setting, URL or table name that cannot be honoured, or arguments that contradict each other."""


class MissingDriverError(ConfigurationError, ImportError):
    """A package is not installed, such as the database driver; the text names the extra that brings it."""


class InvalidKeyError(StoreError, TypeError):
    """A key, namespace or owner that is not a ``str``."""


class InvalidValueError(StoreError, ValueError):
    """A value that cannot be stored in the data format of the store."""


class ValueTooLargeError(InvalidValueError):
    """A value longer than ``max_value_bytes``."""


class DecryptionError(StoreError, ValueError):
    """What is stored was not encrypted with any of ``encryption_keys``, or has been changed in the database since."""


class DurationError(StoreError, ValueError):
    """A duration that is no duration: negative where that means nothing, not finite, or not a number."""


class SchemaError(StoreError):
    """The table under the store's name cannot serve it: it has another shape or another data format."""


class MissingTableError(SchemaError):
    """The table does not exist; the text says how to create it."""


class TransientError(StoreError):
    """Base of what is over by itself: the database is away, or busy. The same call may succeed a little later.

    An application answers it with 503. Every other error says that something was programmed or configured wrongly.
    """


class UnavailableError(TransientError, ConnectionError):
    """The database cannot be reached, or the connection was lost.

    Reads, and writes that were not sent, are repeated on other connections until their ``timeout`` is over. A write
    that was sent is not: with :attr:`~StoreError.outcome_unknown`, nobody knows whether it took effect.
    """


class StoreTimeoutError(TransientError, TimeoutError):
    """The operation took longer than the store's ``timeout``.

    A write that was sent may have taken effect: then :attr:`~StoreError.outcome_unknown` is True.
    """


class OverloadedError(TransientError):
    """``max_pending`` calls wait already; the call was refused without touching the database."""


class ConflictError(TransientError):
    """Deadlocks, serialization failures or locks stood in the way through every retry."""


class ClosedError(StoreError):
    """The store was closed; enter it again (``async with store``) before using it."""


class DatabaseError(StoreError):
    """Any other error of the database; the driver's error is the ``__cause__``."""

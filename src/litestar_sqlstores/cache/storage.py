"""Gets and sets records in a store that may be away: no failure gets out, and none is waited for again and again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from litestar_sqlstores.cache.records import Record, decode_record, encode_record
from litestar_sqlstores.errors import DecryptionError, InvalidValueError
from litestar_sqlstores.store.availability import LONGEST_WAIT, Availability
from litestar_sqlstores.store.patience import Patience

if TYPE_CHECKING:
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("Storage",)

logger = logging.getLogger("litestar_sqlstores")


class Storage:
    """The records of a store.

    Args:
        store: Of this package.
    """

    def __init__(self, store: BaseSQLSpecStore[Any]) -> None:
        self.store = store
        self._reading = Availability(f"reading the response cache {store.namespace!r}", "responses are made anew")
        self._writing = Availability(f"writing to the response cache {store.namespace!r}", "responses are not stored")
        self._patience = Patience(LONGEST_WAIT)
        self._told: set[str] = set()

    @property
    def max_bytes(self) -> int:
        """How long a record may be."""
        return self.store.settings.max_value_bytes

    async def get(self, key: str) -> Record | None:
        """The record under a key; None without one that can be read."""
        if self._reading.skip():
            return None
        try:
            data = await self._patience.wait(self.store.get(key))
        except DecryptionError as error:
            self._tell_once("decryption", "a cached response counts as none: %s", error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the page must come
            self._reading.failed(error)
            return None
        self._reading.worked()
        record = None if data is None else decode_record(data)
        if record is None and data is not None:
            self._tell_once("format", "an entry of the response cache %r is no cached response", self.store.namespace)
        return record

    async def set(self, key: str, record: Record, expires_in: int | None, route: str) -> bool:
        """Store a record.

        Args:
            key: Where.
            record: What.
            expires_in: Seconds; None for ever.
            route: The path of the route, for the log.

        Returns:
            Whether it was stored, as far as is known.
        """
        if self._writing.skip():
            return False
        try:
            await self._patience.wait(self.store.set(key, encode_record(record), expires_in))
        except InvalidValueError as error:
            self._tell_once(route, "a response of %s cannot be cached: %s", route, error)
            return False
        except Exception as error:  # noqa: BLE001 - as above
            self._writing.failed(error)
            return False
        self._writing.worked()
        return True

    def _tell_once(self, about: str, text: str, *arguments: object) -> None:
        if about not in self._told:
            self._told.add(about)
            logger.warning(text, *arguments)

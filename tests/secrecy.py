"""A plugin of pytest: a test fails if its output, log or errors hold what its stores were given and are to keep.

That is keys, values, owners, and the keys of encryption.

It is in force for every test. What is shorter than `SHORTEST` is not looked for: "key" or "1" say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores.encryption_keys import EncryptionKeys, check_keys
from litestar_sqlstores.errors import StoreError
from litestar_sqlstores.keys import key_digester
from litestar_sqlstores.store.calls import checked_owner
from litestar_sqlstores.values import encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("SHORTEST", "Secrets")

SHORTEST = 12


class Secrets:
    """What the stores of a test were given and are to keep to themselves, and the errors that they raised."""

    def __init__(self) -> None:
        self.given: set[str] = set()
        # Their texts alone: an error keeps alive all that its traceback knows.
        self.errors: list[tuple[str, str]] = []

    def give(self, secret: object) -> None:
        """Remember something that no text may hold."""
        if isinstance(secret, (bytes, bytearray, memoryview)):
            secret = bytes(secret).decode(errors="replace")
        if isinstance(secret, str) and len(secret) >= SHORTEST:
            self.given.add(secret)

    def found_in(self, texts: dict[str, str]) -> list[str]:
        """Where what was given is to be found, of the texts and of the errors."""
        said = [*texts.items(), *self.errors]
        return [name for name, text in said if any(secret in text for secret in self.given)]

    def forget(self) -> None:
        """Start from nothing, as for the next test."""
        self.given.clear()
        self.errors.clear()


_secrets = Secrets()


def pytest_configure(config: pytest.Config) -> None:
    """Listen to what stores are given and what they raise."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)

    def listening_digester(namespace: str) -> Callable[[str], bytes]:
        return _listening(key_digester(namespace))

    def listening_check(keys: EncryptionKeys) -> None:
        for key in keys if isinstance(keys, (list, tuple)) else [keys]:
            _secrets.give(key)
        check_keys(keys)

    def init(error: StoreError, *args: object) -> None:
        super(StoreError, error).__init__(*args)
        _secrets.errors.append((type(error).__name__, f"{error} {error!r}"))

    patch.setattr("litestar_sqlstores.store.key_digester", listening_digester)
    patch.setattr("litestar_sqlstores.store.calls.encode_value", _listening(encode_value))
    patch.setattr("litestar_sqlstores.settings.check_keys", listening_check)
    for user in ("calls", "owners"):
        patch.setattr(f"litestar_sqlstores.store.{user}.checked_owner", _listening(checked_owner))
    patch.setattr(StoreError, "__init__", init)


def _listening(function: Callable[..., Any]) -> Callable[..., Any]:
    def listen(secret: object, *args: object) -> Any:
        _secrets.give(secret)
        return function(secret, *args)

    return listen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search, once a test is over."""
    report = yield
    if call.when == "teardown":
        if found := _secrets.found_in(dict(report.sections)):
            report.outcome = "failed"
            report.longrepr = f"a key, value or owner that {item.nodeid} gave to a store is in: {', '.join(found)}"
        _secrets.forget()
    return report

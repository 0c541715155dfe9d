"""What the tests of URLs share."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from litestar_sqlstores import create_store
from litestar_sqlstores.errors import ConfigurationError

__all__ = ("config_of", "what_is_said_of")


def config_of(url: str, **options: Any) -> dict[str, Any]:
    """What SQLSpec's config is told."""
    return dict(create_store(url, **options).config.connection_config)


def what_is_said_of(url: str) -> str:
    """All that a log would show of the error."""
    with pytest.raises(ConfigurationError) as caught:
        create_store(url)
    return "".join(traceback.format_exception(caught.value))

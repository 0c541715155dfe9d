"""The session that handlers see: a dict that knows whether anybody looked at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ("Session",)

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


class Session(dict[str, Any]):
    """What a session holds.

    A response that depends on it depends on the visitor's cookie, and caches between here and the visitor have to be
    told. What they are not told of is a session that a handler returns as it is, unread, as its response: encoders take
    the entries of a dict without asking it.

    Attributes:
        accessed: Whether it was read or changed.
    """

    # Of the class, so that a session is made as fast as a dict.
    accessed = False


def _noticing(method: MethodT) -> MethodT:
    def noticing(self: Session, *args: Any, **kwargs: Any) -> Any:
        self.accessed = True
        return method(self, *args, **kwargs)

    noticing.__name__ = method.__name__
    noticing.__doc__ = method.__doc__
    return cast("MethodT", noticing)


for _name in (
    *("__getitem__", "__setitem__", "__delitem__", "__contains__", "__iter__", "__reversed__", "__len__", "__eq__"),
    *("__ne__", "__or__", "__ror__", "__ior__", "__repr__", "get", "keys", "items", "values", "copy"),
    *("pop", "popitem", "setdefault", "update", "clear"),
):
    setattr(Session, _name, _noticing(getattr(dict, _name)))

"""What browsers may ask for, as hypothesis draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st

from tests.browsers.application import ORIGINS
from tests.browsers.exchanges import HOSTS, Order
from tests.browsers.programs import HOLD, Program, Step

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = (
    "OUR_PARTS",
    "almost_the_same",
    "cached_pages",
    "held_pages",
    "limited_pages",
    "mounts",
    "pages",
    "sockets",
    "stock_pages",
)

OUR_PARTS = st.sampled_from(["plain", "merge"])
KEYS = st.sampled_from(["a", "b", "c"])

_writes: SearchStrategy[Step] = st.tuples(st.just("set"), KEYS, st.sampled_from(["1", "2"])) | st.tuples(
    st.just("drop"), KEYS
)
_enters: SearchStrategy[Step] = st.tuples(st.sampled_from(["log-in", "enter"]), st.just("{account}"))
_plain: SearchStrategy[Step] = st.one_of(st.just(("read",)), _writes, _enters, st.just(("log-out",)))
_ours: SearchStrategy[Step] = st.one_of(
    _plain, _writes, st.sampled_from([("rotate",), ("end", "all"), ("end", "others")])
)
_breaks: SearchStrategy[tuple[Step, ...]] = st.sampled_from(
    [
        (("spoil", "object"),),
        (("spoil", "size"),),
        (("raise", "error"),),
        (("raise", "conflict"),),
        (("spoil", "size"), ("raise", "conflict")),
    ]
)


def _programs(steps: SearchStrategy[Step], *, most: int = 3, breaks: bool = True) -> SearchStrategy[Program]:
    """A few steps, then a look at the session, or something that goes wrong."""
    ends: SearchStrategy[tuple[Step, ...]] = st.sampled_from([(("read",),), (("read",),), ()])
    if breaks:
        ends |= _breaks
    return st.builds(lambda body, end: Program((*body, *end)), st.lists(steps, max_size=most).map(tuple), ends)


_methods = st.sampled_from(["GET", "GET", "POST"])
_compression = st.booleans()
_origins = st.sampled_from(["", "", *ORIGINS, "https://evil.test"])


def pages() -> SearchStrategy[Order]:
    """Pages of our parts that are not cached: whole, in pieces, and as events."""
    whole = st.builds(
        Order, OUR_PARTS, st.just("page"), _programs(_ours), method=_methods, gzip=_compression, origin=_origins
    )
    late = st.builds(Order, OUR_PARTS, st.just("page"), _programs(_ours), old_cookies=st.just(True))
    in_pieces = st.builds(
        Order,
        OUR_PARTS,
        st.sampled_from(["stream", "events"]),
        st.builds(
            lambda program, during: Program(program.before, during),
            _programs(_ours),
            st.lists(_writes, max_size=1).map(tuple),
        ),
        gzip=_compression,
    )
    public = st.builds(Order, OUR_PARTS, st.just("public"), st.just(Program()) | _programs(_writes | _enters, most=2))
    return st.one_of(whole, whole, late, in_pieces, public)


def held_pages() -> SearchStrategy[Order]:
    """Pages whose handler waits, before or after all that it does."""

    def hold(program: Program, first: bool) -> Program:
        return Program((HOLD, *program.before) if first else (*program.before, HOLD))

    programs = st.builds(hold, _programs(_ours, most=2, breaks=False), st.booleans())
    return st.builds(Order, OUR_PARTS, st.just("page"), programs, method=_methods)


def cached_pages() -> SearchStrategy[Order]:
    """Cached pages: what anybody may see, and what only looks like it."""
    harmless = st.just(Program())
    own = st.just(Program((("cookie", "{own}"),)))
    names = st.sampled_from(["cached/x", "varying/x", "cached-stream/x", "private/x"])
    any_part = st.sampled_from(["plain", "merge", "stock"])
    other = st.sampled_from(
        [("cached/xa=1", ""), ("cached/x", "a=1"), ("cached/x", "a=1&b=2"), ("cached/x", "a=1%26b%3D2")]
    )
    common = {"host": st.sampled_from([HOSTS[0], HOSTS[0], HOSTS[1]]), "gzip": _compression, "origin": _origins}
    return st.one_of(
        st.builds(Order, any_part, names, harmless, language=st.sampled_from(["en", "de"]), **common),
        st.builds(Order, any_part, names, harmless | own, authorization=st.booleans(), method=st.just("GET"), **common),
        st.builds(Order, OUR_PARTS, names, _programs(_writes | _enters, most=2)),
        st.builds(
            lambda part, where, gzip: Order(part, where[0], query=where[1], gzip=gzip), OUR_PARTS, other, _compression
        ),
    )


def almost_the_same() -> SearchStrategy[dict[str, Any]]:
    """In what the order of the next visitor differs from that of the one before: in one thing at most."""
    differing: list[dict[str, Any]] = [
        {},
        {"host": HOSTS[1]},
        {"language": "de"},
        {"gzip": False},
        {"query": "a=1"},
        {"origin": ORIGINS[1]},
    ]
    return st.sampled_from([{"program": Program(), **each} for each in differing])


def stock_pages() -> SearchStrategy[Order]:
    """Pages with a session of Litestar's own middleware, which promises nothing of what cannot be stored."""
    names = st.sampled_from(["page", "page", "stream"])
    return st.builds(Order, st.just("stock"), names, _programs(_plain, breaks=False), gzip=_compression)


def mounts() -> SearchStrategy[Order]:
    """Pages of applications that are mounted."""
    ours = st.builds(
        lambda part, word, program, method: Order(part, f"litestar-{word}/page", program, method=method),
        OUR_PARTS,
        st.sampled_from(["none", "false"]),
        _programs(_ours),
        _methods,
    )
    copied = st.builds(Order, OUR_PARTS, st.just("litestar-true/page"), _programs(_ours, most=1, breaks=False))
    foreign = st.builds(
        lambda part, name, word, what: Order(part, f"{name}-{word}/x", foreign=what),
        OUR_PARTS,
        st.sampled_from(["starlette", "plain"]),
        st.sampled_from(["none", "true", "false"]),
        st.sampled_from(["fill", "empty", "remove", "look"]),
    )
    return ours | copied | foreign


def sockets() -> SearchStrategy[Order]:
    """Websockets that change the session before and after they accept."""
    programs = st.builds(
        lambda program, during: Program(program.before, during),
        _programs(_ours, breaks=False),
        st.lists(_writes | st.just(("log-out",)), max_size=2).map(tuple),
    )
    return st.builds(Order, OUR_PARTS, st.just("socket"), programs)


def limited_pages() -> SearchStrategy[Order]:
    """Pages that a browser may ask for a few times only."""
    return st.builds(
        Order,
        st.sampled_from(["ours", "litestar"]),
        st.sampled_from(["limited", "limited/cached/x"]),
        gzip=_compression,
    )

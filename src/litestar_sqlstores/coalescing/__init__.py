"""Concurrent calls travel in one statement.

While a statement is on its way, calls queue up; the next statement carries all of them. A store that is idle adds no
waiting: a lone call goes out at once.

*Lanes* do the work. A lane is a task with a connection of its own; it takes calls of one operation from the queues,
runs them as one statement, answers them, and takes the next ones. There are at most ``max_lanes`` of them, they start
when they are needed, and they give their connection back soon after the work ends, or for a moment when it does not
end, so that a small pool still serves the rest of the application.

Many calls for one operation are *shared*: each of two statements carries half of those that wait and are under way, so
that one is prepared while the database runs the other. Else one of them would carry nearly all, and both sides take
turns at doing nothing. Few that are left over wait for the next lane that is through, unless that takes long.

What callers can rely on:

- Each call is answered once, by its own result or its own error.
- A call takes effect at one moment between its start and its answer. Calls for one key in one statement act in the
  order they were made, so the last one's arguments are the ones that count (or their sum: see Together). Writes for a
  key that another statement of this coalescer is writing wait for it, and writes of several kinds for one key take
  turns: lanes never fight over a row, and what is called later is written later.
- A caller that is cancelled drops out; the others in its statement do not notice. A write that was under way may still
  take effect.
- If a statement of several calls fails, it is split until the calls that made it fail stand alone.
- What reads, and finds that it has to write while somebody else does, hands its calls on to an operation that waits for
  its turn; the others in its statement are answered at once.
- Deadlocks and the like are retried while somebody waits for the answer. A lost connection is replaced, and so is one
  to a server that takes no writes any more. Reads, and calls that have certainly not run, are repeated until their time
  is up, with growing pauses; so they outlive a restart or a failover.
- A write that may have run is not repeated: its callers get an error that says so (``outcome_unknown``).
- A statement that was given up, or lost with its connection, is dead before another one writes its keys (see Kill).
- Every wait for a driver is bounded: for a connection, for an answer, for giving a connection back, for closing.
- Keys reach the database in sorted order, so that batches of different processes lock rows in one order.
- No call waits longer than ``timeout``; no more than ``max_pending`` calls wait. A clock that a test stops counts for
  neither (:mod:`~litestar_sqlstores.coalescing.clock`).
- Calls may come from any event loop in any thread; one event loop makes them
  (:mod:`~litestar_sqlstores.coalescing.home`).
"""

from __future__ import annotations

from litestar_sqlstores.coalescing.coalescer import CLOSED, Coalescer, Submit
from litestar_sqlstores.coalescing.home import Home
from litestar_sqlstores.coalescing.limits import Limits
from litestar_sqlstores.coalescing.operations import Answers, Connector, Failure, Kill, Operation, Together
from litestar_sqlstores.coalescing.queues import MAX_BATCH_BYTES, MAX_BATCH_ITEMS
from litestar_sqlstores.coalescing.visits import run_in

__all__ = (
    "CLOSED",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_ITEMS",
    "Answers",
    "Coalescer",
    "Connector",
    "Failure",
    "Home",
    "Kill",
    "Limits",
    "Operation",
    "Submit",
    "Together",
    "run_in",
)

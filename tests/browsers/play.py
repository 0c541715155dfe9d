"""Random histories, as many as wanted."""

from __future__ import annotations

import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.backends import BACKENDS
from tests.browsers.grounds import Grounds
from tests.browsers.machine import STEPS, BrowserMachine
from tests.browsers.servers import SETUPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.browsers.servers import Setup

__all__ = ("play", "run")

CHUNK = 20
"""How many histories are played between two looks at the clock."""


def play(
    grounds: Grounds,
    histories: int,
    *,
    setups: Sequence[Setup] = SETUPS,
    derandomize: bool = False,
    shrink: bool = True,
) -> None:
    """Play some histories.

    Args:
        grounds: Where.
        histories: How many.
        setups: How the site may be served.
        derandomize: Whether they are the same each time.
        shrink: Whether one that fails is made as short as it can be, which takes a while.

    Raises:
        Exception: What was found, with the shortest history that finds it.
    """
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    try:
        run_state_machine_as_test(
            cast("type[RuleBasedStateMachine]", lambda: BrowserMachine(grounds, setups)),  # anything that makes one
            settings=settings(
                max_examples=histories,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                derandomize=derandomize,
                phases=phases,
                verbosity=Verbosity.normal,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
                print_blob=False,
            ),
        )
    except FlakyFailure as group:
        # Requests overlap as the machine has it, so that a history that fails once may pass when it is played again.
        found = group.exceptions[0]
        found.add_note(grounds.logs())
        raise found from group
    except Exception as error:
        error.add_note(grounds.logs())
        raise


def run(
    histories: int, backend: str, seconds: float, *, fault: str = "", report: Callable[[str], None] = print
) -> tuple[int, int]:
    """Play histories until there are enough or time is over.

    Args:
        histories: How many, at most.
        backend: The database, by its name in :data:`tests.backends.BACKENDS`; a private server is started for it.
        seconds: How long, at most; what has begun is played to its end.
        fault: What is broken in the application on purpose.
        report: Takes a description of each failure.

    Returns:
        How many were played, and how many failed.
    """
    failures = 0
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="browsers-")))
        chosen = BACKENDS[backend]
        url = chosen.database(stack.enter_context(chosen.server()), folder).url
        grounds = stack.enter_context(Grounds(url, fault))
        while grounds.histories < histories and time.monotonic() < deadline:
            try:
                play(grounds, min(CHUNK, histories - grounds.histories), shrink=False)
            except Exception:  # noqa: BLE001 - of whatever kind: it is counted and told
                failures += 1
                report(traceback.format_exc())
        return grounds.histories, failures

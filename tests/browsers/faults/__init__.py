"""What is broken on purpose, so that the histories can be seen to find it."""

from tests.browsers.faults import of_others, of_sessions
from tests.browsers.faults.seams import FAULTS, Fault, SeamGone, put_back

__all__ = ("FAULTS", "Fault", "SeamGone", "of_others", "of_sessions", "put_back")

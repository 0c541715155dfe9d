"""What the stores mean for an application: requests a second, each of which reads its session.

``variants`` (whose sessions), ``application`` (what is served), ``server`` (starts and ends it), ``load`` (the
requests, from another process: wrk, or ``generator`` where there is none), ``rounds`` (all in turn), ``report``.
"""

"""Browsers that visit one application with every feature on, at random, on real servers and databases.

Each feature has tests of its own; these are for what lies between them. The parts:

- ``application``, with ``handlers``, ``mounts`` and ``faults``: what is visited. It runs in processes of a web server.
- ``programs``: what a visit does to its session, which handlers perform and the model predicts.
- ``line``: how the test holds a handler and lets it go on, and learns how a response began and ended.
- ``browser`` and ``jar``: who visits, with cookies as RFC 6265 has them.
- ``model`` and ``stock``: what must be in which session. ``invariants``: what must hold of every answer. ``tables``: a
  look into the database past the stores.
- ``history``: what some browsers do and what is checked after each step. ``orders`` and ``machine``: what they may do.
- ``grounds`` and ``servers``: where it takes place. ``play``: as many histories as wanted, also by
  ``python -m tests.browsers --histories 1000 --backend postgresql``.
"""

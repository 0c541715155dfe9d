"""How fast the stores are, beside the stores a user would otherwise take, in one run on one machine.

``python -m benchmarks run`` measures; ``python -m benchmarks --help`` names the other commands.

From command to figure: ``options`` (the command line), ``workload`` (the sessions, and calls on them), ``operations``
(what is measured), ``servers`` (private databases), ``peers`` (who is measured), ``opening`` and ``filling`` (a peer
gets its table), ``contender`` (a peer in the ring), ``driver`` (a driver without a store: the floor), ``processes`` (a
contender in several processes), ``runner`` (rounds in turn), ``latency`` (histograms), ``machine`` (where), ``report``.

Beside that: ``http`` (an application), ``cost`` (what is counted, not timed), ``cleanup`` (expired rows), ``compare``
(two runs), ``plots`` (pictures), ``progress``.
"""

"""What a call costs, counted and not timed: such figures are the same on a busy machine.

``counters`` (what a database counts), ``operations`` (the counts of a call), ``limits`` (how much it may be),
``resources`` (CPU, memory, disk), ``instructions`` (by valgrind or perf), ``report``.
"""

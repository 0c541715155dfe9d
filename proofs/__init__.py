"""What the stores promise, tried: ``python -m proofs --help``.

A *proof* is one promise, tried many times on one database under conditions that would break it. Each module here is one
promise; :mod:`proofs.registry` lists them. A proof runs in a process of its own, on private servers, within a budget of
time, and from a seed that repeats it.

The tests in ``tests/proofs`` see to it that the proofs can fail: the checker of histories rejects histories that are
wrong, and stores that are broken on purpose are caught.
"""

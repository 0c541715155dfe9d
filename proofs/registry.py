"""The promises, in the order in which they are tried."""

from proofs import browsers, crashes, durability, failover, histories, hostile, networks, privileges, soak
from proofs.databases import DATABASES, MAIN, SERVERS
from proofs.proof import Proof

__all__ = ("PROOFS",)

_ALL = (
    Proof(
        "crashes",
        "Every acknowledged write survives the end of the server, and of processes that write.",
        DATABASES,
        crashes.prove,
        seconds=150,
        short=0.15,
    ),
    Proof(
        "histories",
        "Calls on a key are linearizable over all processes, whatever goes wrong.",
        DATABASES,
        histories.prove,
        seconds=240,
        short=0.05,
    ),
    Proof(
        "networks",
        "No call outlasts its timeout by a second; the store works within 5 seconds of the healing of its network.",
        SERVERS,
        networks.prove,
        seconds=240,
        short=0.2,
    ),
    Proof(
        "durability",
        "With full durability, a write is synced before it is answered.",
        MAIN,
        durability.prove,
        seconds=90,
        short=0.1,
    ),
    Proof(
        "soak",
        "Millions of calls, cancelled ones among them, leave nothing behind; a small pool is enough.",
        MAIN,
        soak.prove,
        seconds=240,
        short=0.02,
    ),
    Proof(
        "hostile",
        "Bad input raises an error that says what is wrong, and runs no statement but ours.",
        DATABASES,
        hostile.prove,
        seconds=120,
        short=0.02,
    ),
    Proof(
        "privileges",
        "The privileges of the documentation are enough at run time.",
        SERVERS,
        privileges.prove,
        seconds=60,
        short=1,
    ),
    Proof(
        "failover",
        "A failover loses no acknowledged write, and writes work within seconds of it.",
        SERVERS,
        failover.prove,
        seconds=180,
        short=0.1,
    ),
    Proof(
        "galera",
        "With one writing node, Galera loses no acknowledged write when that node fails.",
        ("mariadb",),
        failover.prove_galera,
        seconds=180,
        short=0,
        optional=True,
    ),
    Proof(
        "browsers",
        "No browser gets what is another's, whatever it visits and when.",
        ("sqlite", "postgresql"),
        browsers.prove,
        seconds=400,
        short=0.01,
    ),
)

PROOFS: dict[str, Proof] = {proof.name: proof for proof in _ALL}

"""The benchmarks measure what they say: the right calls, on stores that do what they are told."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import pytest
from litestar.stores.memory import MemoryStore

from benchmarks.__main__ import main
from benchmarks.contender import BenchmarkError, Contender, Settings
from benchmarks.cost.limits import excesses
from benchmarks.cost.operations import Cost
from benchmarks.cost.report import CostReport
from benchmarks.http.report import HttpReport
from benchmarks.latency import Latency, histogram
from benchmarks.machine import Machine
from benchmarks.opening import Table, fill_table, open_contender
from benchmarks.operations import OPERATIONS, Operation, get
from benchmarks.peers import PEERS, Backend, Kind, Peer
from benchmarks.processes import open_crew
from benchmarks.progress import Progress
from benchmarks.report import Report
from benchmarks.runner import Measurement, measure
from benchmarks.servers import Servers
from benchmarks.workload import MAX_AGE, Workload, session_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from pathlib import Path

    from litestar.stores.base import Store

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def contender(store: Store, name: str = "store", calls: int | None = None) -> Contender:
    peer = Peer(name, "ours", lambda _: "", opener(store))
    return Contender(peer, store, Workload(rows=40, value_size=100), Settings(calls=calls))


def opener(store: Store) -> Callable[[str], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def open_store(_: str) -> AsyncIterator[Store]:
        yield store

    return open_store


class TestWorkload:
    @pytest.mark.parametrize("size", [64, 512, 100_000])
    def test_looks_like_sessions(self, size: int) -> None:
        workload = Workload(rows=10, value_size=size)
        calls = workload.everything() + workload.changed(10) + workload.fresh(10)
        assert len({call.value for call in calls}) == 30
        assert len({call.key for call in calls}) == 20
        for call in calls:
            assert len(call.value) == size
            assert isinstance(json.loads(call.value), dict)
            assert len(bytes.fromhex(call.key)) == 32
            assert MAX_AGE <= call.lifetime < MAX_AGE + 60 * 60

    def test_refuses_sizes_that_hold_no_session(self) -> None:
        with pytest.raises(ValueError, match="63 bytes are too small"):
            Workload(rows=1, value_size=63)

    def test_takes_all_sessions_in_turn(self) -> None:
        workload = Workload(rows=10, value_size=64)
        keys = [call.key for call in workload.existing(7) + workload.changed(8) + workload.prolonged(5)]
        assert keys[:10] == keys[10:]
        assert set(keys) == {call.key for call in workload.everything()}
        assert keys[:10] != [call.key for call in workload.everything()]

    def test_knows_what_is_stored(self) -> None:
        workload = Workload(rows=10, value_size=64)
        stored = {call.key: call.value for call in workload.changed(25)}
        assert {call.key: call.value for call in workload.existing(10)} == stored

    def test_renewals_are_due_whatever_comes_between(self) -> None:
        workload = Workload(rows=10, value_size=64)
        lifetimes = {call.key: call.lifetime for call in workload.everything()}
        for count in (3, 9, 25):
            workload.existing(count)
            for call in workload.prolonged(count):
                assert call.lifetime > lifetimes[call.key] + 60
                lifetimes[call.key] = call.lifetime

    def test_nothing_else_makes_renewals_due(self) -> None:
        workload = Workload(rows=10, value_size=64)
        workload.prolonged(17)
        stored = {call.key: call.lifetime for call in workload.everything()}
        for plan in (workload.existing, workload.changed):
            assert {call.key: call.lifetime for call in plan(25)} == stored


class CountingStore(MemoryStore):
    """Knows how many callers it had at once."""

    def __init__(self) -> None:
        super().__init__()
        self.current = self.highest = self.calls = 0

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        self.calls += 1
        self.current += 1
        self.highest = max(self.highest, self.current)
        await asyncio.sleep(0)
        self.current -= 1
        return await super().get(key, renew_for)


class LosesWrites(MemoryStore):
    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        if not await self.exists(key):
            await super().set(key, value, expires_in)


class NeverDeletes(MemoryStore):
    async def delete(self, key: str) -> None:
        pass


class LosesSessions(MemoryStore):
    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        return None if renew_for else await super().get(key)


class TestContender:
    @each_operation
    async def test_keeps_the_table_as_it_was(self, operation: Operation) -> None:
        store = MemoryStore()
        subject = contender(store)
        await subject.reset()
        assert len(store._store) == 40
        for _ in range(3):
            measured = await subject.round(operation, 100, concurrency=8)
            assert measured.calls == measured.latencies.get_total_count() == 100
            assert measured.seconds > 0
            assert {key: value.data for key, value in store._store.items()} == {
                call.key: call.value for call in subject.workload.everything()
            }

    @pytest.mark.parametrize("concurrency", [1, 7])
    async def test_has_as_many_callers_as_asked(self, concurrency: int) -> None:
        store = CountingStore()
        subject = contender(store)
        await subject.reset()
        calls = subject.workload.existing(100)
        await subject.run(get, calls, concurrency)
        assert store.highest == concurrency
        assert store.calls == 100

    @pytest.mark.parametrize(
        "store, operation",
        [
            (LosesWrites(), "set"),
            (NeverDeletes(), "delete"),
            (NeverDeletes(), "mixed"),
            (LosesSessions(), "get+renew"),
            (LosesSessions(), "get+renew due"),
        ],
    )
    async def test_refuses_to_measure_a_store_that_is_wrong(self, store: Store, operation: str) -> None:
        subject = contender(store, "wrong store")
        await subject.reset()
        with pytest.raises(BenchmarkError, match=f"wrong store: after '{re.escape(operation)}', a session holds"):
            await subject.round(OPERATIONS[operation], 1000, concurrency=1)

    async def test_fills_the_time_of_a_round(self) -> None:
        subject = contender(CountingStore())
        await subject.reset()
        fast = await subject.warm_up(OPERATIONS["get"], concurrency=4)
        assert fast >= 100
        fixed = contender(CountingStore(), calls=5)
        assert await fixed.warm_up(OPERATIONS["get"], concurrency=4) == 5


class NotingStore(MemoryStore):
    """Notes whose turn it is."""

    def __init__(self, name: str, turns: list[str]) -> None:
        super().__init__()
        self.name, self.turns = name, turns

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        self.turns.append(self.name)
        return await super().get(key, renew_for)


async def test_peers_take_turns() -> None:
    turns: list[str] = []
    stores = {name: NotingStore(name, turns) for name in "ABC"}
    peers = [Peer(name, "ours", lambda _: "", opener(store)) for name, store in stores.items()]
    settings = Settings(concurrency=(1,), rounds=2, calls=1, rows=(10,))
    with Servers() as servers, Progress() as progress:
        measurements = await measure(peers, [OPERATIONS["get"]], settings, servers, progress)
        assert await servers.versions() == {"SQLite": sqlite3.sqlite_version}, "servers that nobody asked for"
    # Each round is a measured call and one that checks the answer.
    assert "".join(turns) == "AABBCCAABBCC"
    assert [(m.peer, m.operation, m.concurrency, m.calls, len(m.rates)) for m in measurements] == [
        (name, "get", 1, 1, 2) for name in "ABC"
    ]


async def test_others_may_fail() -> None:
    peers = [
        Peer("wrong", "memory", lambda _: "", opener(LosesSessions())),
        Peer("right", "ours", lambda _: "", opener(MemoryStore())),
    ]
    settings = Settings(concurrency=(1,), rounds=2, calls=1, rows=(10,))
    with Servers() as servers, Progress() as progress:
        wrong, right = await measure(peers, [OPERATIONS["get+renew"]], settings, servers, progress)
        assert (wrong.rates, len(right.rates)) == ([], 2)
        assert wrong.error == "wrong: after 'get+renew', a session holds nothing"
        peers[0] = Peer("wrong", "ours", lambda _: "", opener(LosesSessions()))
        with pytest.raises(BenchmarkError):
            await measure(peers, [OPERATIONS["get+renew"]], settings, servers, progress)


class TestTables:
    """Tables that others fill, and that others share."""

    @pytest.mark.parametrize("name", ["ours on SQLite", "SQLSpec AiosqliteStore"])
    async def test_filled_by_the_database(self, name: str, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'filled.db'}"
        table = Table(value_size=100, rows=1000)
        await fill_table(PEERS[name], url, table, Settings(hot=10))
        async with PEERS[name].open(url) as store:
            for number in (0, 1, 500, 999):
                value = await store.get(session_key(number))
                assert value is not None
                assert len(value) == 100
                assert MAX_AGE - 60 < (await store.expires_in(session_key(number)) or 0) < MAX_AGE + 60 * 60
            assert await store.get(session_key(1000)) is None

    @pytest.mark.slow
    async def test_processes_have_sessions_of_their_own(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'shared.db'}"
        table = Table(value_size=100, rows=20, processes=2)
        settings = Settings(calls=16)
        await fill_table(PEERS["ours on SQLite"], url, table, settings)
        async with open_crew(PEERS["ours on SQLite"], url, table, settings) as crew:
            await crew.reset()
            for operation in (OPERATIONS["set"], OPERATIONS["mixed"]):
                await crew.prepare(operation)
                assert await crew.warm_up(operation, 4) == 16
                measured = await crew.round(operation, 16, 4)
                assert measured.calls == measured.latencies.get_total_count() == 32
        with closing(sqlite3.connect(tmp_path / "shared.db")) as database:
            assert database.execute("SELECT count(*) FROM litestar_session").fetchone() == (20,)

    async def test_drivers_do_what_stores_do(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'driver.db'}"
        table = Table(value_size=100, rows=200)
        for kind in ("one by one", "callers' batch", "best batch"):
            peer = next(peer for peer in PEERS.values() if (peer.kind, peer.backend) == (kind, "sqlite"))
            async with open_contender(peer, url, table, Settings(calls=100)) as subject:
                await subject.reset()
                for operation in OPERATIONS.values():
                    if operation.statement:
                        await subject.prepare(operation)
                        calls = await subject.warm_up(operation, 8)
                        measured = await subject.round(operation, calls, 8)
                        assert measured.calls == measured.latencies.get_total_count() == 100
                        assert subject.shape


def test_latencies_are_percentiles() -> None:
    latency = Latency.of(histogram(range(1_000_000, 101_000_000, 100_000)))
    assert latency.p50 == pytest.approx(51_000, rel=0.01)
    assert latency.p99 == pytest.approx(100_000, rel=0.01)
    assert latency.highest == pytest.approx(101_000, rel=0.01)


def measurement(
    peer: str, kind: Kind, backend: Backend | None, rates: list[float], concurrency: int = 64
) -> Measurement:
    latencies = [Latency(1000, 2000, 3000, 4000, 5000)] * len(rates)
    return Measurement("get", concurrency, Table(512, 10_000), peer, kind, backend, 1000, rates, latencies)


def report(*measurements: Measurement) -> Report:
    return Report(
        "2026-01-02T03:04:05+00:00",
        "python -m benchmarks run",
        Machine.describe(),
        {"PostgreSQL": "15"},
        Settings(),
        list(measurements),
    )


class TestReport:
    def test_json_holds_everything(self) -> None:
        made = report(measurement("ours", "ours", "sqlite", [1.5, 2.5]), measurement("memory", "memory", None, [3.0]))
        assert Report.from_json(made.to_json()) == made

    def test_compares_ours_with_each_peer_of_the_backend(self) -> None:
        made = report(
            measurement("ours on S", "ours", "sqlite", [3000, 1000, 2000]),
            measurement("peer on S", "sqlspec", "sqlite", [1000, 250, 2000]),
            measurement("ours on P", "ours", "postgresql", [50_000, 50_000, 50_000]),
            measurement("cache", "redis", None, [4000, 4000, 4000]),
        ).to_markdown()
        sqlite, postgresql = re.split("^### ", made, flags=re.MULTILINE)[1:]
        assert sqlite.splitlines() == [
            "sqlite, 64 concurrent callers, 10,000 live sessions of 512 bytes",
            "",
            "| | get |",
            "|---|---:|",
            # 3x, 4x and 1x: the ratio is taken in each round.
            "| ours on S | 2,000 |",
            "| peer on S | 1,000 **3x** |",
            "| cache | 4,000 **0.5x** |",
            "",
            "#### get",
            "",
            "| | operations/s | lowest to highest | ours is | p50, ms | p99, ms | p99.9, ms |",
            "|---|---:|---:|---:|---:|---:|---:|",
            "| ours on S | 2,000 | 1,000 to 3,000 |  | 1 | 3 | 4 |",
            "| peer on S | 1,000 | 250 to 2,000 | 3x | 1 | 3 | 4 |",
            "| cache | 4,000 | 4,000 to 4,000 | 0.5x | 1 | 3 | 4 |",
            "",
        ]
        assert "peer on S" not in postgresql
        assert "| cache |" in postgresql
        assert "**12x**" in postgresql

    def test_names_who_failed(self) -> None:
        failed = measurement("cache", "redis", None, [])
        failed.error = "TimeoutError"
        made = report(measurement("ours", "ours", "sqlite", [1.0]), failed).to_markdown()
        assert "| cache | fails |" in made
        assert "| cache | fails: TimeoutError |" in made

    def test_says_where_and_how_it_was_measured(self) -> None:
        made = report(measurement("ours", "ours", "sqlite", [1.0], concurrency=1)).to_markdown()
        for fact in (
            "2026-01-02",
            "PostgreSQL 15",
            "sqlspec 0.",
            "Python 3.",
            "10,000 live sessions of 512 bytes",
            "`python -m",
        ):
            assert fact in made
        assert "1 concurrent caller, " in made


class TestCommand:
    def test_smoke(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "report.json"
        main(["smoke", "--backend", "sqlite", "--peers", "ours", "memory", "--json", str(path)])
        made = Report.from_json(path.read_bytes())
        assert {(m.peer, m.operation, m.concurrency) for m in made.measurements} == {
            (peer, operation, concurrency)
            for peer in ("ours on SQLite", "Litestar MemoryStore")
            for operation in OPERATIONS
            for concurrency in (8,)
        }
        assert all(rate > 0 for m in made.measurements for rate in m.rates)
        assert capsys.readouterr().out.rstrip() == made.to_markdown().rstrip()

    def test_run_does_what_its_options_say(self, tmp_path: Path) -> None:
        path = tmp_path / "report.json"
        options = (
            "--peers memory --operations set --concurrency 3 --rounds 4 --seconds 0.01 --value-size 99 --rows 7 --hot 9"
        )
        main(["run", *options.split(), "--json", str(path)])
        made = Report.from_json(path.read_bytes())
        assert made.settings == Settings((3,), (1,), (99,), (7,), 9, 4, 0.01)
        assert [(m.peer, m.operation, m.concurrency, len(m.rates)) for m in made.measurements] == [
            ("Litestar MemoryStore", "set", 3, 4)
        ]

    def test_says_which_server_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(SystemExit, match="redis-server is not installed"):
            main(["smoke", "--peers", "redis"])

    @pytest.mark.parametrize("arguments", [[], ["run", "--operations", "fly"], ["smoke", "--backend", "redis"]])
    def test_refuses_what_it_does_not_know(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == 2
        assert "usage: python -m benchmarks" in capsys.readouterr().err


@pytest.mark.slow
def test_measures_an_application(tmp_path: Path) -> None:
    variant = "ours on SQLite, SQLSessionConfig"
    path = tmp_path / "report.json"
    options = ("--rounds", "1", "--seconds", "0.2", "--connections", "4", "--generator", "own", "--json", str(path))
    main(["http", "--variants", variant, *options])
    made = HttpReport.from_json(path.read_bytes())
    (measured,) = made.measurements
    assert measured.rate > 0
    assert measured.p99[0] >= measured.p50[0] > 0
    assert measured.application[0] > 0
    assert f"| {variant} | {measured.rate:,.0f} |" in made.to_markdown()


class TestCosts:
    def test_finds_what_costs_too_much(self) -> None:
        counts = {"statements": 1.0, "rows written": 0.0}
        fine = Cost("sqlite", "get", 1, 128, counts, 10.0)
        assert excesses([fine, replace(fine, operation="set", counts={**counts, "rows written": 1.0})]) == []
        (writes,) = excesses([replace(fine, counts={**counts, "rows written": 1.0})])
        assert writes == "sqlite: 'get' of 1 callers costs 1 rows written a call, where 0.01 is the most"
        (alone,) = excesses([replace(fine, concurrency=64)])
        assert alone == "sqlite: 'get' of 64 callers costs 1 statements a call, where 0.25 is the most"

    def test_counts_what_a_database_does(self, tmp_path: Path) -> None:
        path = tmp_path / "costs.json"
        options = ("--backend", "sqlite", "--concurrency", "1", "64", "--calls", "64", "--json", str(path))
        main(["cost", *options])
        made = CostReport.from_json(path.read_bytes())
        counted = {(cost.operation, cost.concurrency): cost.counts for cost in made.costs}
        assert counted["get", 1]["statements"] == 1
        assert counted["get", 64]["statements"] < 0.1
        assert [counted[name, 64]["rows written"] for name in ("get+renew", "get+renew due", "set unchanged")] == [
            0,
            1,
            0,
        ]
        assert counted["set", 1]["bytes logged"] > 512
        assert "| set unchanged | 64 |" in made.to_markdown()


class TestResults:
    """What is made of the files that runs wrote."""

    def written(self, path: Path, ours: list[float], concurrency: tuple[int, ...] = (64,)) -> Path:
        made = [
            measured
            for callers in concurrency
            for measured in (
                measurement("ours on S", "ours", "sqlite", ours, callers),
                measurement("peer on S", "sqlspec", "sqlite", [100, 110, 120], callers),
            )
        ]
        path.write_bytes(report(*made).to_json())
        return path

    @pytest.mark.parametrize(
        "rates, verdict", [([130, 125, 121], "faster"), ([99, 130, 110], "within the spread"), ([99, 80, 50], "slower")]
    )
    def test_compare(
        self, rates: list[float], verdict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = self.written(tmp_path / "before.json", [100, 110, 120])
        after = self.written(tmp_path / "after.json", rates)
        main(["compare", str(before), str(after)])
        lines = capsys.readouterr().out.splitlines()
        (ours,) = (line for line in lines if line.startswith("| ours on S"))
        assert ours.endswith(f"| {verdict} |")
        assert f"{median(rates) / 110 - 1:+.0%}".replace("%", " %") in ours

    def test_compare_refuses_what_has_no_rounds(self, tmp_path: Path) -> None:
        before = self.written(tmp_path / "before.json", [1.0])
        (tmp_path / "other.json").write_text("{}")
        with pytest.raises(SystemExit, match=r"other\.json is no result"):
            main(["compare", str(before), str(tmp_path / "other.json")])

    def test_plot(self, tmp_path: Path) -> None:
        path = self.written(tmp_path / "run.json", [1000, 2000, 3000], (1, 8, 64))
        main(["plot", str(path), "--folder", str(tmp_path / "figures")])
        drawn = {each.name: each.read_text() for each in (tmp_path / "figures").iterdir()}
        assert drawn.keys() == {
            "latency-sqlite.svg",
            "throughput-sqlite-8x1-512-10000.svg",
            "throughput-sqlite-64x1-512-10000.svg",
        }
        assert all("<svg" in picture for picture in drawn.values())

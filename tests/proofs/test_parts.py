"""The parts of the proofs that decide what counts as a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proofs import __main__ as command
from proofs.crashes.board import Board
from proofs.durability.syncs import Syncs
from proofs.hostile.statements import shape
from proofs.privileges import granted
from proofs.proof import Outcome
from proofs.registry import PROOFS
from proofs.report import describe, table
from proofs.runner import Line

if TYPE_CHECKING:
    from pathlib import Path

    from proofs.proof import Budget

SELECT = "SELECT s.data FROM `litestar_session` AS s WHERE s.key_digest IN ({}) AND s.owner = {}"


def line(status: str = "ran", failures: int = 0, name: str = "histories") -> Line:
    outcome = Outcome(10, failures, ["what went wrong"] * failures)
    return Line(PROOFS[name], "sqlite", 7, 1.5, status, outcome, "no server")  # type: ignore[arg-type]


def test_the_table_has_a_row_for_each_line() -> None:
    rows = table([line(), line(failures=2), line("skipped")]).splitlines()
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows] == [
        ["promise", "database", "trials", "failures", "seconds"],
        ["-------", "--------", "------", "--------", "-------"],
        ["histories", "sqlite", "10", "0", "2"],
        ["histories", "sqlite", "10", "2", "2"],
        ["histories", "sqlite", "10", "skipped", "2"],
    ]


def test_a_failure_says_how_to_repeat_it() -> None:
    assert "what went wrong" in describe(line(failures=1))
    assert "python -m proofs --only histories --backend sqlite --seed 7" in describe(line(failures=1))
    assert "python -m proofs --only histories --backend sqlite --seed 7" in describe(line("broke"))
    assert describe(line()) == ""


def test_what_is_skipped_fails_in_ci_unless_it_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert [line().failed, line(failures=1).failed, line("broke").failed] == [False, True, True]
    assert not line("skipped").failed
    monkeypatch.setenv("CI", "true")
    assert line("skipped").failed
    assert not line("skipped", name="galera").failed


@pytest.mark.parametrize("failures, status", [(0, 0), (1, 1)])
def test_the_exit_status_tells_of_failures(
    failures: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[list[str], list[str], Budget, int]] = []

    def run(proofs: list[object], databases: list[str], budget: Budget, seed: int) -> list[Line]:
        asked.append(([str(getattr(proof, "name", "")) for proof in proofs], databases, budget, seed))
        return [line(failures=failures)]

    monkeypatch.setattr(command, "run", run)
    assert command.main(["--only", "soak", "--backend", "sqlite", "--seconds", "5", "--seed", "7"]) == status
    ((names, databases, budget, seed),) = asked
    assert (names, databases, seed) == (["soak"], ["sqlite"], 7)
    assert (budget.scale, budget.seconds) == (1, 5)
    assert "| histories | sqlite" in capsys.readouterr().out


@pytest.mark.parametrize(
    "statement",
    [
        SELECT.format("x'01'", "NULL"),
        SELECT.format("x'01',x'0203'", "FROM_BASE64('YWE=')"),
        SELECT.format("x'01', x'02', x'03', x'04'", "'it''s; DROP TABLE a'"),
        SELECT.format("x'01'", "'a'").replace("litestar_session", "no; DROP``s"),
    ],
)
def test_literals_names_and_repetitions_do_not_change_the_shape(statement: str) -> None:
    assert shape(statement) in {shape(SELECT.format(keys, "x'01'")) for keys in ("x'01'", "x'01',x'02'")}


@pytest.mark.parametrize("owner", ["'' OR 1 = 1", "''; DROP TABLE a", "'' -- ", "'' /* */", "''''; SELECT ''"])
def test_what_leaves_a_literal_changes_the_shape(owner: str) -> None:
    assert shape(SELECT.format("x'01'", owner)) != shape(SELECT.format("x'01'", "''"))


def test_syncs_are_read_with_the_time_of_their_end(tmp_path: Path) -> None:
    path = tmp_path / "syncs"
    path.write_text(
        "10 100.000000 fdatasync(5) = 0 <0.500000>\n"
        "11 200.000000 fsync(5 <unfinished ...>\n"
        "11 201.000000 <... fsync resumed>) = 0 <1.000000>\n"
        "12 300.000000 fsync(5) = -1 EIO (Input/output error) <0.100000>\n"
        "13 +++ exited with 0 +++\n"
    )
    syncs = Syncs(path)
    syncs.read()
    assert syncs.ends == [100.5, 201]
    assert syncs.within(100.4, 100.6)
    assert not syncs.within(100.0, 100.4)
    assert not syncs.within(299, 301)


def test_the_grants_of_the_documentation_are_found() -> None:
    for database in ("postgresql", "mariadb", "mariadb-asyncmy", "mysql"):
        create, grant = granted(database)
        assert create.startswith("CREATE ")
        assert grant.startswith("GRANT ")


def test_a_board_is_shared_and_stays(tmp_path: Path) -> None:
    ours, theirs = (Board(tmp_path / "board", 3) for _ in range(2))
    theirs.begin(1, 5)
    theirs.acknowledge(1, 4)
    assert (ours.begun(), ours.acknowledged()) == ([0, 5, 0], [0, 4, 0])

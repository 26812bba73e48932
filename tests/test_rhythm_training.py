"""The way from data to the rhythm stage's numbers: material is made once, and prices are chosen by what they bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pretty_midi")
pytest.importorskip("torch")

from training.rhythm import gathered, in_turn
from training.rhythm_changes import Price
from training.rhythm_material import Notes, Piece, Task


def piece(name: str) -> Piece:
    notes = Notes.of([(0.5 * k, "kick" if k % 2 else "snare", 80.0) for k in range(30)])
    silence = np.zeros((0, 1), np.float32)
    return Piece(name, "made read", True, silence, notes, Notes.of([]), np.arange(16.0), np.arange(16) % 4 == 0)


def test_a_run_goes_on_where_one_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[str] = []

    def task(name: str, *, empty: bool = False) -> Task:
        def make() -> Piece | None:
            made.append(name)
            return None if empty else piece(name)

        return tmp_path / f"{name}.npz", make

    gathered([task("a"), task("b", empty=True)], "read")
    found = gathered([task("a"), task("b", empty=True), task("c")], "read")
    assert made == ["a", "b", "c"]
    assert [each.name for each in found] == ["a", "c"]
    assert found[0].played.drums == piece("a").played.drums
    assert "read: 3 of 3" in capsys.readouterr().out


def test_any_beginning_holds_both_kinds() -> None:
    first, second = ([(Path(f"{kind}{k}"), lambda: None) for k in range(n)] for kind, n in (("a", 2), ("b", 4)))
    assert [path.name for path, _ in in_turn(first, second)] == ["a0", "b0", "a1", "b1", "b2", "b3"]


def test_changes_are_bought_only_where_songs_in_one_meter_do_not_pay_more() -> None:
    assert Price(1, 10, 0.90, 0.80).worth > Price(1, 0, 0.88, 0.88).worth
    assert Price(1, 10, 0.90, 0.80).worth > Price(1, 99, 0.905, 0.55).worth

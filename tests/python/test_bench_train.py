"""The benchmark of training compares before it measures, and says what failed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CORPUS

FOLDER = Path(__file__).parents[2] / "benches" / "compare"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("train")


def test_it_measures_and_compares(tmp_path):
    text, out = tmp_path / "text.txt", tmp_path / "train.json"
    text.write_text(CORPUS * 20, "utf-8")
    command = [sys.executable, FOLDER / "train.py", text, "--out", out, "--vocab-size", "300"]
    more = ["--rounds", "1", "--threads", "1", "--kinds", "iterator", "wordpiece"]
    done = subprocess.run([*command, *more], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(out.read_text("utf-8"))
    assert [row["kind"] for row in found["rows"]] == ["iterator", "wordpiece"]
    for row in found["rows"]:
        assert row["bytes"] == text.stat().st_size
        for library in ("subtok", "tokenizers"):
            assert sorted(row["figures"][library]) == ["bytes", "cpu", "seconds"]


def test_other_merges_are_no_comparison(module):
    assert module.difference(["61", "62"], ["61", "62"], "file") == ""
    assert module.difference(["61", "63"], ["61", "62"], "file").startswith("other merges from 1")
    assert module.difference(["61"], ["61", "62"], "counts").startswith("other merges from 1")
    assert module.difference(["", ""], ["", ""], "wordpiece") == ""
    assert module.difference([""], ["", ""], "wordpiece") == "1 entries, not 2"
    failed = module.run({"library": "none", "kind": "file", "path": "none", "threads": 1})
    assert failed["error"].startswith("exit code 1: KeyError")


def test_the_table_leaves_out_who_differs(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    table = importlib.import_module("readme_table")
    figures = {
        "subtok": {"seconds": 2.0, "cpu": 1.0},
        "fast": {"seconds": 0.1, "cpu": 0.1, "differs": "other merges"},
        "slow": {"seconds": 5.0, "cpu": 4.0},
        "broken": {"error": "exit code 1"},
    }
    assert table.train_best({"figures": figures}, "seconds") == "**2.50x** slow"
    assert table.train_best({"figures": figures}, "cpu") == "**4.00x** slow"
    assert table.train_best({"figures": {"subtok": figures["subtok"]}}, "cpu") == "no peer"
    assert table.train_best({"figures": {"subtok": figures["broken"]}}, "cpu") == "failed"

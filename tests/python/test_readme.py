"""The example of the README does what it says."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    texts = ROOT / "examples" / "text"
    # A clone, but for what the example writes.
    shutil.copytree(texts, tmp_path / "examples" / "text")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 (it is our own page)
    assert names["back"] == ["Grüße aus Köln", "안녕하세요"]
    assert names["vectors"].shape == (len(names["batch"].ids), 768)


def test_the_demo_takes_what_training_takes(tmp_path: Path) -> None:
    (tmp_path / "nul.txt").write_bytes(b"a\0b the cat sat\n" * 100)
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), "nul.txt", "--vocab-size", "300"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert b"in 1 file (" in done.stdout


def test_the_tables_are_those_of_the_results() -> None:
    command = [sys.executable, str(ROOT / "benches" / "compare" / "readme_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_page_has_one_place_for_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benches" / "compare"))
    module = importlib.import_module("readme_table")
    page = f"a\n{module.BEGIN}\nold\n{module.END}\nb\n"
    new = module.filled(page, "| new \\1 |")
    assert new == f"a\n{module.BEGIN}\n\n| new \\1 |\n\n{module.END}\nb\n"
    assert module.filled(new, "| new \\1 |") == new
    for bad in ("no marks", page + page):
        with pytest.raises(SystemExit, match="places for the tables"):
            module.filled(bad, "x")

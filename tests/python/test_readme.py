"""The example of the README does what it says."""

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

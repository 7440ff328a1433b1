"""The example of the README does what it says."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    texts = ROOT / "examples" / "text"
    shutil.copy(texts / "zh_luxun_zhufu.txt", tmp_path / "a.txt")
    shutil.copy(texts / "ko_constitution.txt", tmp_path / "b.txt")
    shutil.copy(ROOT / "tests" / "data" / "small_bpe.json", tmp_path / "gpt2.json")
    monkeypatch.chdir(tmp_path)
    # Every code point takes long, and is no part of the example's point.
    fast = example.replace('texts=["a.txt"]', 'texts=["a.txt"], code_points=False, fuzz=10')
    assert fast != example
    names: dict[str, Any] = {}
    exec(compile(fast, "README.md", "exec"), names)  # noqa: S102 (it is our own page)
    assert names["texts"] == ["Grüße aus Köln", "안녕하세요"]
    assert names["vectors"].shape == (len(names["batch"].ids), 768)

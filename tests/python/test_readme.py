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
    # A clone, but for what the example writes.
    shutil.copytree(texts, tmp_path / "examples" / "text")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 (it is our own page)
    assert names["back"] == ["Grüße aus Köln", "안녕하세요"]
    assert names["vectors"].shape == (len(names["batch"].ids), 768)

"""Fixtures: a small corpus, tokenizers trained on it, and a command line to run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

import subtok

CORPUS = """\
The tokenizer reads text and writes ids; the ids lead back to the text.
The cat sat on the mat, the dog sat on the log, and nobody sat on the tokenizer.
Numbers such as 1, 12, 123 and 1,234.56 are cut into groups; so is snake_case.
It's what we'd call a test: don't you think they'll say I've done it?

Größer, schöner, weiter: über den Wolken muß die Freiheit wohl grenzenlos sein.
한국어 텍스트도 있습니다. 이것은 작은 시험입니다.
你好，世界。這是一個測試。
def main(argv: list[str]) -> int:
    return len(argv)
"""

hypothesis.settings.register_profile(
    "subtok",
    max_examples=int(os.environ.get("SUBTOK_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("subtok")


def data_dir() -> Path | None:
    """The folder of large test data, where there is one."""
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("SUBTOK_DATA", beside))
    return folder if folder.is_dir() else None


def data_files(*names: str) -> list[Path]:
    """Those of the named data files that are there, to parametrise a test over."""
    folder = data_dir()
    return [] if folder is None else [folder / name for name in names if (folder / name).is_file()]


def hear_ctrl_c() -> None:
    """For `preexec_fn`: a test run in the background ignores SIGINT, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def bpe() -> subtok.Tokenizer:
    return subtok.train_bpe(
        iter(CORPUS.splitlines()), vocab_size=400, special_tokens=["<|endoftext|>"]
    )


@pytest.fixture(scope="session")
def wordpiece() -> subtok.Tokenizer:
    return subtok.train_wordpiece(iter(CORPUS.splitlines()), vocab_size=300)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(CORPUS, "utf-8")
    return path


@pytest.fixture
def bpe_file(bpe: subtok.Tokenizer, tmp_path: Path) -> Path:
    path = tmp_path / "bpe.json"
    bpe.save(str(path))
    return path


@pytest.fixture
def wordpiece_file(wordpiece: subtok.Tokenizer, tmp_path: Path) -> Path:
    path = tmp_path / "wordpiece.json"
    wordpiece.save(str(path))
    return path


@pytest.fixture
def run(tmp_path):
    """Run the command line as a process, in a folder of its own."""

    def call(*args: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "subtok", *map(str, args)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            check=False,
            timeout=120,
        )

    return call

"""Progress in each of its forms, and Ctrl-C in each phase: it ends at once and leaves nothing."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CORPUS, hear_ctrl_c

import subtok
from subtok._progress import JsonLines, Progress, _amount
from subtok.cli import main

FIELDS = ["phase", "done", "total", "unit", "seconds", "rate"]


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def check(found: list[dict], phases: list[str]) -> None:
    assert list(dict.fromkeys(line["phase"] for line in found)) == phases
    for line in found:
        assert list(line) == FIELDS
        assert line["seconds"] >= 0
        assert line["unit"] == {"count": "bytes", "merge": "tokens"}[line["phase"]]
    for phase in phases:
        rows = [line for line in found if line["phase"] == phase]
        done = [row["done"] for row in rows]
        assert done == sorted(done)
        assert rows[-1]["done"] == (rows[-1]["total"] or done[-1])


class TestJson:
    def test_to_standard_error(self, corpus, capfd):
        subtok.train_bpe(corpus, 300, progress="json")
        out, err = capfd.readouterr()
        assert out == ""
        found = lines(err)
        check(found, ["count", "merge"])
        assert found[-1]["total"] == 300
        assert found[0]["total"] == len(CORPUS.encode())

    def test_to_a_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for place in ("log", Path("log"), str(tmp_path / "log")):
            counts = subtok.count(iter(CORPUS.splitlines()), progress=place)
            found = lines(Path("log").read_text())
            check(found, ["count"])
            assert found[-1]["total"] is None
            subtok.train_bpe(counts, 300, progress=place)
            check(lines(Path("log").read_text()), ["merge"])

    def test_to_an_open_file(self, corpus):
        stream = io.StringIO()
        for _ in range(2):
            subtok.train_wordpiece(corpus, 200, progress=stream)
        found = lines(stream.getvalue())
        check(found[: len(found) // 2], ["count", "merge"])
        check(found[len(found) // 2 :], ["count", "merge"])

    def test_is_written_to_the_end_when_training_fails(self, tmp_path):
        def rows():
            yield "text " * 100_000
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            subtok.train_bpe(rows(), 300, progress=tmp_path / "log")
        lines((tmp_path / "log").read_text())

    def test_once_a_second_and_where_phases_begin_and_end(self, monkeypatch):
        now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: now)
        stream = io.StringIO()
        with JsonLines(stream) as show:
            for step in range(31):
                now = 100 + step / 10
                show("count", 50 * step, 2000)
            now = 104.0
            show("save", 0, 0)
        found = lines(stream.getvalue())
        assert [(line["phase"], line["done"]) for line in found] == [
            *(("count", done) for done in (0, 500, 1000, 1500)),
            ("save", 0),
        ]
        assert [line["rate"] for line in found] == [None, 500.0, 500.0, 500.0, 0.0]
        assert [line["total"] for line in found] == [2000] * 4 + [None]

    def test_refusals(self, corpus, tmp_path):
        for wrong in (7, b"log", ["log"], object()):
            with pytest.raises(subtok.ArgumentTypeError, match="progress: a function of"):
                subtok.count(corpus, progress=wrong)
        with pytest.raises(subtok.ArgumentError, match="empty path"):
            subtok.count(corpus, progress="")
        for path in (tmp_path / "none" / "log", tmp_path, "a\0b"):
            with pytest.raises(subtok.FileError, match="cannot write"):
                subtok.count(corpus, progress=path)

    def test_what_a_stream_raises_stops_the_work(self, corpus):
        class Full(io.StringIO):
            def write(self, _text: str) -> int:
                raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space left"):
            subtok.train_bpe(corpus, 300, progress=Full())


class TestLine:
    def test_on_a_terminal(self, corpus):
        code = "import subtok, sys; subtok.train_bpe(sys.argv[1], 300, progress=True)"
        leader, follower = pty.openpty()
        with os.fdopen(leader, "rb", closefd=True) as terminal:
            command = [sys.executable, "-c", code, str(corpus)]
            done = subprocess.run(command, stderr=follower, check=True, timeout=60)
            os.close(follower)
            text = os.read(terminal.fileno(), 100_000).decode()
        assert done.returncode == 0
        assert "count: 644 B of 644 B (100%)" in text or "count: " in text
        assert "merge: 300 of 300 (100%)" in text
        # The line is gone in the end.
        assert text.endswith(" \r")

    def test_is_silent_elsewhere(self, corpus, capfd):
        for progress in (True, False, None):
            subtok.train_bpe(corpus, 300, progress=progress)
        assert capfd.readouterr() == ("", "")

    def test_what_it_says(self, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: now)
        with Progress(Terminal()) as show:
            now = 2.0
            show("count", 3_000_000, 6_000_000_000)
            now = 4.0
            show("merge", 500, 0)
            now = 204.0
            show("reduce", 80, 100)
            shown = show._stream.getvalue().split("\r")
        assert [line.strip() for line in shown if line.strip()] == [
            "count: 3.0 MB of 6.0 GB (0%), 1.5 MB/s, 2.0 s",
            "merge: 500, 250/s, 2.0 s",
            "reduce: 80 of 100 (80%), 0/s, 3 min 20 s",
        ]

    def test_amounts(self):
        sizes = [0, 999, 1000, 999_900, 10**6, 10**9, 10**12, 10**17]
        shown = [_amount(size, "bytes") for size in sizes]
        assert shown[:4] == ["0 B", "999 B", "1.0 kB", "999.9 kB"]
        assert shown[4:] == ["1.0 MB", "1.0 GB", "1.0 TB", "100,000.0 TB"]
        assert _amount(1234567, "tokens") == "1,234,567"


# Ctrl-C: the child says that it is in a phase, and goes on for ever or for long.
CHILD = """
import itertools, os, random, sys
import subtok

wanted, out = sys.argv[1:3]
said = False

def progress(phase, done, total):
    global said
    if phase == wanted and done and not said:
        said = True
        os.write(1, b"now\\n")

try:
    if wanted == "count":
        source = itertools.repeat("some words of a text without end " * 100)
    elif wanted == "file":
        wanted, source = "count", [sys.argv[3]] * 100_000
    else:
        rnd = random.Random(1)
        source = ("".join(rnd.choices("abcdefghij", k=30)) for _ in range(200_000))
    subtok.train_bpe(source, 1_000_000, progress=progress).save(out)
except KeyboardInterrupt:
    os.write(1, b"interrupted\\n")
    raise
"""


@pytest.mark.parametrize("phase", ["count", "file", "merge"])
def test_ctrl_c_in_python(phase, tmp_path):
    (tmp_path / "text").write_text(CORPUS * 2000, "utf-8")
    out = tmp_path / "out" / "tokenizer.json"
    out.parent.mkdir()
    out.write_text("as it was")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, phase, out, tmp_path / "text"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509
    ) as child:
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGINT)
        rest, error = child.communicate(timeout=60)
    assert rest == b"interrupted\n", error.decode()
    assert b"KeyboardInterrupt" in error
    assert child.returncode == -signal.SIGINT
    assert [path.name for path in out.parent.iterdir()] == ["tokenizer.json"]
    assert out.read_text() == "as it was"


def interrupt(folder: Path, phase: str, *command: object) -> None:
    """Run the command line, press Ctrl-C in a phase, and look at what is left."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with (
        # Text that never ends.
        subprocess.Popen(["/usr/bin/yes", "some words of a text"], stdout=subprocess.PIPE) as text,
        subprocess.Popen(
            [sys.executable, "-m", "subtok", *map(str, command), "--progress", "json"],
            stdin=text.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            preexec_fn=hear_ctrl_c,  # noqa: PLW1509
        ) as child,
    ):
        for line in child.stderr:
            if json.loads(line)["phase"] == phase:
                break
        child.send_signal(signal.SIGINT)
        out, error = child.communicate(timeout=60)
        text.kill()
    assert (child.returncode, out) == (130, b"")
    assert error.endswith(b"subtok: error: interrupted\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("old", [False, True], ids=["new file", "old file"])
@pytest.mark.parametrize("verb", ["train", "count"])
def test_ctrl_c_on_the_command_line_while_counting(verb, old, tmp_path):
    out = "out.json" if verb == "train" else "out.parquet"
    if old:
        (tmp_path / out).write_text("as it was")
    interrupt(tmp_path, "count", verb, "-o", out, "--rows", "lines", "-")


@pytest.fixture
def many_words(tmp_path):
    rnd = random.Random(1)
    words = ("".join(rnd.choices("abcdefghij", k=30)) for _ in range(200_000))
    (tmp_path / "words.txt").write_text("\n".join(words))


@pytest.mark.usefixtures("many_words")
def test_ctrl_c_on_the_command_line_while_merging(tmp_path):
    interrupt(tmp_path, "merge", "train", "-o", "out.json", "--vocab-size", 900_000, "words.txt")


@pytest.mark.parametrize("verb", ["train", "count"])
def test_ctrl_c_on_the_command_line_while_saving(verb, corpus, tmp_path, monkeypatch, capsys):
    """In the middle: when the file has been written and not yet its name."""
    before = sorted(path.name for path in tmp_path.iterdir())
    out = tmp_path / ("out.json" if verb == "train" else "out.parquet")
    seen: list[str] = []

    def press(self: Path, target: Path) -> Path:
        seen.append(self.name)
        assert self.stat().st_size > 0
        signal.raise_signal(signal.SIGINT)
        return target

    # What writes tokenizers is not Python: there the key is pressed as the phase begins.
    show = JsonLines.__call__

    def began(self: JsonLines, phase: str, done: int, total: int | None) -> None:
        show(self, phase, done, total)
        if verb == "train" and phase == "save":
            seen.append(phase)
            signal.raise_signal(signal.SIGINT)

    # `check_writable` makes a file, too, but never renames it.
    monkeypatch.setattr(Path, "replace", press)
    monkeypatch.setattr(JsonLines, "__call__", began)
    # A test run in the background ignores the signal.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main([verb, "-o", str(out), str(corpus), "--progress", "json"])
    finally:
        signal.signal(signal.SIGINT, heard)
    assert code == 130
    assert len(seen) == 1
    assert capsys.readouterr().err.endswith("subtok: error: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before

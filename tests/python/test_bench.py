"""`subtok bench` on small text: what it reports, whom it excludes, and how it ends.

No test looks at a time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tokenizers
from conftest import CORPUS, hear_ctrl_c

import subtok
from subtok.bench import METRICS, Settings, as_markdown, as_text, bench
from subtok.bench import run as bench_run
from subtok.cli import bench as verb
from subtok.cli import main

FAST = ["--rounds", "1", "--seconds", "0.2"]
PEER = """\
import os, sys, time
import numpy as np
import subtok

def _right(path):
    tok = subtok.Tokenizer.from_file(path)
    return lambda texts: tok.encode_batch(texts, add_special_tokens=False, threads=1).ids

right = _right

def wrong(path):
    call = _right(path)
    def encode(texts):
        ids = call(texts).copy()
        if "nobody sat" in texts[0]:
            ids[-1] += 1
        return ids
    return encode

def late(path):
    call, seen = _right(path), []
    def encode(texts):
        seen.append(1)
        ids = call(texts).copy()
        # Verifying makes its only batch call last; the timed call comes after warming up.
        if len(texts) > 20 and len(seen) < 100 and sum(map(len, texts)) < 300_000:
            ids[-1] += 1
        return ids
    return encode

def wide(path):
    call = _right(path)
    return lambda texts: call(texts).astype(np.int64)

def crash(path):
    os._exit(9)

def refuse(path):
    raise ValueError("no such model\\nsecond line")

def hang(path):
    open("hanging", "w").write(str(os.getpid()))
    time.sleep(60)

def chatty(path):
    print("hello from a library")
    return _right(path)

def nothing(path):
    return None
"""


@pytest.fixture
def text(tmp_path):
    """Half a megabyte of lines, most of them different."""
    lines = CORPUS.splitlines()
    path = tmp_path / "text.txt"
    rows = (f"{lines[n % len(lines)]} {n} {n * 7919 % 1000}\n" for n in range(9_000))
    path.write_text("".join(rows), "utf-8")
    return path


@pytest.fixture
def peers(tmp_path):
    (tmp_path / "odd_peers.py").write_text(PEER, "utf-8")
    return lambda *names: [x for name in names for x in ("--peer", f"{name}=odd_peers:{name}")]


def result(tmp_path, done):
    assert done.returncode in (0, 1), done.stderr.decode()
    return json.loads((tmp_path / "out.json").read_text("utf-8"))


def the_text(found):
    ((name, text),) = found["texts"].items()
    return name, text


def test_every_scenario(run, bpe_file, text, tmp_path):
    done = run(
        "bench", bpe_file, text, "--libs", "subtok,tokenizers,tiktoken", "--threads", 2,
        "--json", "out.json", *FAST,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == b""
    found = result(tmp_path, done)
    assert found["schema"] == "subtok bench 1"
    assert set(found) == {
        "schema", "tokenizer", "reference", "machine", "settings", "libraries", "texts",
    }  # fmt: skip
    assert found["reference"] == {
        "library": "tokenizers",
        "version": tokenizers.__version__,
        "wanted": "tokenizers",
    }
    assert found["libraries"]["subtok"]["version"] == subtok.__version__
    assert found["tokenizer"]["vocab_size"] == 400
    assert {"cpu", "processors", "system", "python", "load", "when", "others"} == set(
        found["machine"]
    )
    name, measured = the_text(found)
    assert name == str(text)
    assert measured["bytes"] == text.stat().st_size
    assert measured["problems"] == {}
    assert measured["verified_ids"] > 100_000
    assert set(measured["too_little"]) == {"cold1m"}
    assert set(measured["figures"]) == set(METRICS) - {"cold1m"}
    for metric, row in measured["figures"].items():
        for figure in row.values():
            assert set(figure) == {"median", "min", "max", "values", "reduced"}
            assert len(figure["values"]) == 1
            if METRICS[metric].unit != "MB":
                assert figure["min"] == figure["median"] == figure["max"] > 0
        assert {"subtok", "tokenizers"} <= set(row)
    assert "tiktoken" not in measured["figures"]["offsets"]
    assert {x["tokens"] for x in measured["details"].values() if not x["reduced"]}
    shown = done.stdout.decode()
    for line in ("cold, first 64 kB, MB/s", "fresh, 2 threads, MB/s", "call on 20 bytes, ns"):
        assert line in shown
    assert "ids held against tokenizers" in shown
    assert "what is unfair" in shown
    assert "not measured: cold needs 1,000,000 bytes of text" in shown


def test_rounds_and_markdown(run, wordpiece_file, text, tmp_path):
    done = run(
        "bench", wordpiece_file, text, "--libs", "subtok,tokenizers", "--scenarios", "short,load",
        "--rounds", 3, "--clock", "cpu", "--markdown", "-o", "table.md", "--json", "out.json",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"")
    _, measured = the_text(result(tmp_path, done))
    assert list(measured["figures"]) == ["short20", "short140", "short1k", "load"]
    for row in measured["figures"].values():
        for figure in row.values():
            assert len(figure["values"]) == 3
            assert figure["min"] <= figure["median"] <= figure["max"]
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "| call on 20 bytes, ns |" in page
    assert "| --- | ---: |" in page


def test_other_ids_are_no_peer(run, bpe_file, text, peers, tmp_path):
    done = run(
        "bench", bpe_file, text, "--libs", "subtok", "--scenarios", "fresh", "--json", "out.json",
        *peers("right", "wrong", "wide", "chatty"), *FAST,
    )  # fmt: skip
    assert done.returncode == 0
    found = result(tmp_path, done)
    _, measured = the_text(found)
    assert set(measured["problems"]) == {"wrong", "wide"}
    assert set(measured["figures"]["fresh"]) == {"subtok", "right", "chatty"}
    wrong = measured["problems"]["wrong"]["all"]
    assert wrong["kind"] == "other ids"
    assert "where tokenizers has" in wrong["message"]
    assert "character" in wrong["message"]
    assert "int64" in measured["problems"]["wide"]["all"]["message"]
    shown = done.stdout.decode()
    (row,) = [line for line in shown.splitlines() if line.startswith("fresh, MB/s")]
    assert row.count("other ids") == 2
    assert row.rstrip().endswith(("x right", "x chatty", "(behind)"))


def test_what_goes_wrong_is_reported(run, bpe_file, text, peers, tmp_path):
    names = ("crash", "refuse", "nothing")
    done = run(
        "bench", bpe_file, text, "--libs", "subtok", "--scenarios", "short", "--json", "out.json",
        *peers(*names), *FAST,
    )  # fmt: skip
    assert done.returncode == 0
    _, measured = the_text(result(tmp_path, done))
    kinds = {name: measured["problems"][name]["all"]["kind"] for name in names}
    assert kinds == {
        "crash": "crash",
        "refuse": "cannot load",
        "nothing": "cannot load",
    }
    assert "ValueError: no such model" in done.stdout.decode()


def test_ids_of_the_timed_text_count_too(run, bpe_file, text, peers, tmp_path):
    done = run(
        "bench", bpe_file, text, "--libs", "subtok,tokenizers", "--scenarios", "fresh,replay",
        "--json", "out.json", *peers("late"), "--rounds", "1", "--seconds", "5",
    )  # fmt: skip
    _, measured = the_text(result(tmp_path, done))
    assert set(measured["problems"]) == {"late"}
    assert measured["problems"]["late"]["stream"]["kind"] == "other ids"
    assert "late" not in done.stdout.decode().split("fresh, MB/s", 1)[1].split("\n")[0]


def test_other_ids_of_our_own_are_exit_code_1(run, bpe_file, text, tmp_path):
    # A reference that says something else.
    (tmp_path / "tokenizers.py").write_text(
        "class E:\n    ids = [1, 2]\n"
        "class Tokenizer:\n"
        "    @staticmethod\n    def from_file(path): return Tokenizer()\n"
        "    def encode(self, text, **_): return E()\n"
        "    def encode_batch_fast(self, texts, **_): return [E() for _ in texts]\n",
        "utf-8",
    )
    done = run("bench", bpe_file, text, "--libs", "subtok", "--scenarios", "fresh", *FAST)
    assert done.returncode == 1
    assert "subtok: other ids: id" in done.stdout.decode()


def test_without_the_reference_it_says_so(bpe_file, text, monkeypatch):
    monkeypatch.setattr(bench_run, "installed", lambda library: library == "subtok")
    settings = Settings(scenarios=("short",), libraries=("subtok",), rounds=1)
    found = bench(bpe_file, {"one": text}, settings)
    assert found["reference"]["library"] == "subtok"
    assert "NOT against tokenizers" in as_text(found)
    assert "NOT against tokenizers" in as_markdown(found)


def test_too_little_text_is_said(run, bpe_file, corpus, tmp_path):
    done = run("bench", bpe_file, corpus, "--libs", "subtok", "--json", "out.json", *FAST)
    assert done.returncode == 0
    _, measured = the_text(result(tmp_path, done))
    assert set(measured["figures"]) == {"short20", "load", "memory_load"}
    assert {"fresh", "decode", "short1k"} <= set(measured["too_little"])
    assert "not measured: fresh needs 500,000 bytes of text, and there are" in done.stdout.decode()


def test_kinds_of_files(run, bpe, wordpiece, text, tmp_path):
    (tmp_path / "bpe.tiktoken").write_bytes(bpe.to_tiktoken())
    vocab = wordpiece.get_vocab()
    (tmp_path / "vocab.txt").write_text("".join(f"{x}\n" for x in sorted(vocab, key=vocab.get)))
    rows = [json.dumps({"body": row}) for row in text.read_text("utf-8").splitlines()]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), "utf-8")
    for file, more, reference in (
        ("bpe.tiktoken", ["--pattern", "gpt2", "--libs", "subtok,tiktoken"], "tiktoken"),
        ("vocab.txt", ["--libs", "subtok,tokenizers"], "tokenizers"),
    ):
        done = run(
            "bench", file, "rows.jsonl", "--field", "body", "--scenarios", "short,decode",
            "--json", "out.json", *more, *FAST,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()
        found = result(tmp_path, done)
        assert found["reference"]["library"] == reference
        assert the_text(found)[1]["problems"] == {}
        assert set(the_text(found)[1]["figures"]["decode"]) == {"subtok", reference}


def test_truncation_and_padding_of_a_file_are_left_out(run, bpe, text, tmp_path):
    other = tokenizers.Tokenizer.from_str(bpe.to_str())
    other.enable_truncation(5)
    other.enable_padding(length=9)
    other.save(str(tmp_path / "short.json"))
    done = run("bench", "short.json", text, "--libs", "subtok,tokenizers", "--scenarios", "decode",
               *FAST, "--json", "out.json")  # fmt: skip
    assert done.returncode == 0
    found = result(tmp_path, done)
    assert found["tokenizer"]["notes"] == ["the file's truncation and padding is left out"]
    assert the_text(found)[1]["problems"] == {}
    assert the_text(found)[1]["verified_ids"] > 100_000


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["bpe.json"], 2, "give a text to measure on"),
        (["bpe.json", "text.txt", "--scenarios", "warm"], 2, "'warm' is none of cold"),
        (["bpe.json", "text.txt", "--libs", "nltk"], 2, "'nltk' is none of subtok"),
        (["bpe.json", "text.txt", "--rounds", "0"], 2, "--rounds is 0"),
        (["bpe.json", "text.txt", "--seconds", "nan"], 2, "--seconds is nan"),
        (["bpe.json", "text.txt", "--threads", "5000"], 2, "--threads is 5000"),
        (["bpe.json", "text.txt", "--scenarios", "threads"], 2, "needs --threads"),
        (["bpe.json", "text.txt", "--peer", "x=y"], 2, "NAME=MODULE:FUNCTION"),
        (["bpe.json", "text.txt", "--peer", "subtok=a:b"], 2, "called 'subtok' already"),
        (["bpe.json", "text.txt", "text.txt"], 2, "named twice"),
        (["bpe.json", "text.txt", "--json", "-"], 2, "both go to standard output"),
        (["bpe.json", "empty.txt", "--libs", "subtok"], 2, "empty.txt holds no text"),
        (["bpe.json", "none.txt", "--libs", "subtok"], 3, "none.txt"),
        (["none.json", "text.txt"], 3, "none.json"),
        (["text.txt", "text.txt"], 3, "text.txt"),
        (["bpe.json", "text.txt", "--json", "no/out.json"], 3, "no such folder"),
    ],
)
@pytest.mark.usefixtures("bpe_file", "text")
def test_mistakes(run, tmp_path, args, code, said):
    (tmp_path / "empty.txt").write_bytes(b"")
    done = run("bench", *args)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr.decode()
    assert done.stdout == b""


def test_a_library_that_is_asked_for_must_be_there(monkeypatch, capsys, bpe_file, text):
    monkeypatch.setattr(verb, "installed", lambda library: library != "fastokens")
    assert main(["bench", str(bpe_file), str(text), "--libs", "subtok,fastokens"]) == 2
    assert "fastokens is not installed" in capsys.readouterr().err


def test_ctrl_c_ends_the_child(bpe_file, text, peers, tmp_path):
    command = [sys.executable, "-m", "subtok", "bench", str(bpe_file), str(text)]
    command += ["--libs", "subtok", *peers("hang")]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (it calls nothing but the system)
        start_new_session=True,
    ) as process:
        mark = tmp_path / "hanging"
        limit = time.monotonic() + 60
        while not (mark.exists() and mark.read_text()):
            assert time.monotonic() < limit
            time.sleep(0.05)
        # To this process alone, as `kill -INT` does it.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert err == b"subtok: error: interrupted\n"
    assert not alive(int(mark.read_text()))


def alive(process):
    """Whether a process still runs; one that has ended and was waited for has no number."""
    for _ in range(50):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def test_progress_names_what_runs(bpe_file, text):
    seen = []
    settings = Settings(scenarios=("load",), libraries=("subtok",), rounds=2)
    bench(bpe_file, {"one": text}, settings, lambda *x: seen.append(x))
    assert [phase for phase, _, _ in seen][-2:] == ["one, cold: subtok"] * 2
    assert all(0 <= done < total for _, done, total in seen)


def test_ids_come_as_they_are(bpe_file, text):
    # The same numbers that the tokenizer gives are the ones that are counted.
    settings = Settings(scenarios=("fresh",), libraries=("subtok",), rounds=1)
    found = bench(bpe_file, {"one": text}, settings)["texts"]["one"]
    tok = subtok.Tokenizer.from_file(str(bpe_file))
    raw = text.read_bytes()
    timed = raw[found["warm_bytes"] :].decode()
    assert found["details"]["subtok"]["bytes"] == len(timed.encode())
    # Documents end at line feeds, where this tokenizer never merges across.
    counted = int(
        np.sum(tok.count_batch(timed.splitlines(keepends=True), add_special_tokens=False))
    )
    assert abs(found["details"]["subtok"]["tokens"] - counted) <= found["documents"]

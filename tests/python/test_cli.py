"""The manners of the command line: streams, exit codes, whole files or none."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import CORPUS, hear_ctrl_c

import subtok
from subtok._progress import Progress
from subtok.cli import main

TEXT = CORPUS.encode()


def test_train_encode_decode_round_trip(run, corpus, tmp_path):
    done = run("train", "--vocab-size", 400, "-o", "tok.json", corpus)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"400 tokens" in done.stdout
    encoded = run("encode", "-t", "tok.json", stdin=TEXT)
    assert (encoded.returncode, encoded.stderr) == (0, b"")
    assert encoded.stdout.count(b"\n") == TEXT.count(b"\n")
    assert run("decode", "-t", "tok.json", stdin=encoded.stdout).stdout == TEXT
    whole = run("encode", "-t", "tok.json", "--rows", "whole", corpus)
    assert run("decode", "-t", "tok.json", "--whole", stdin=whole.stdout).stdout == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "tok.json"]


def test_train_to_standard_output_from_standard_input(run):
    done = run("train", "--vocab-size", 300, stdin=TEXT)
    assert done.returncode == 0
    assert subtok.Tokenizer.from_str(done.stdout.decode()).vocab_size == 300


def test_train_wordpiece(run, corpus, tmp_path):
    done = run("train", "--model", "wordpiece", "--vocab-size", 300, "-o", "w.json", corpus)
    assert done.returncode == 0
    tok = subtok.Tokenizer.from_file(str(tmp_path / "w.json"))
    assert tok.token_to_id("[UNK]") is not None
    assert tok.decode(tok.encode("The CAT").ids) == "the cat"


def test_train_from_compressed_text_is_the_same(run, corpus, tmp_path):
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(TEXT))
    plain = run("train", "--vocab-size", 330, corpus)
    packed = run("train", "--vocab-size", 330, "c.txt.gz")
    assert plain.stdout == packed.stdout


def test_encode_shapes(run, bpe_file, bpe):
    rows = [
        json.loads(x)
        for x in run("encode", "-t", bpe_file, "--json", stdin=TEXT).stdout.splitlines()
    ]
    for row, line in zip(rows, CORPUS.splitlines(), strict=True):
        encoding = bpe.encode(line)
        assert row["ids"] == encoding.ids.tolist()
        assert row["tokens"] == encoding.tokens
        assert row["offsets"] == encoding.offsets.tolist()
    tokens = run("encode", "-t", bpe_file, "--tokens", stdin=b"the cat\n").stdout.decode()
    assert tokens.split() == bpe.encode("the cat").tokens


def test_shards_and_back(run, bpe_file, corpus, tmp_path):
    for layout in ("bin", "npy"):
        done = run("encode", "-t", bpe_file, "--shards", layout, "--format", layout, corpus)
        assert done.returncode == 0
        assert (tmp_path / layout / "manifest.json").exists()
        assert run("decode", "-t", bpe_file, layout).stdout == TEXT
    assert run("encode", "-t", bpe_file, "--shards", "bin", bpe_file).returncode == 2
    assert run("encode", "-t", bpe_file, "--shards", "bin", "--overwrite", bpe_file).returncode == 0


def test_decode_reads_json(run, bpe_file, bpe):
    ids = bpe.encode("the cat").ids.tolist()
    rows = f"{json.dumps(ids)}\n{json.dumps({'ids': ids})}\n\n"
    done = run("decode", "-t", bpe_file, stdin=rows.encode())
    assert done.stdout == b"the cat\nthe cat\n\n"


def test_count(run, bpe_file, corpus, bpe):
    tokens = len(bpe.encode(CORPUS).ids)
    done = run("count", "-t", bpe_file, corpus, corpus)
    assert done.stdout.decode() == f"{tokens}\t{corpus}\n{tokens}\t{corpus}\n{2 * tokens}\ttotal\n"
    found = json.loads(run("count", "-t", bpe_file, "--rows", "lines", "--json", corpus).stdout)
    lines = CORPUS.splitlines()
    assert found["total"]["rows"] == len(lines)
    assert found["total"]["tokens"] == sum(len(bpe.encode(line).ids) for line in lines)
    assert run("count", "-t", bpe_file, stdin=b"").stdout == b"0\t-\n"


def test_inspect(run, bpe_file, bpe):
    found = json.loads(run("inspect", bpe_file, "--json").stdout)
    assert found["vocab_size"] == bpe.vocab_size
    assert found["fingerprint"] == bpe.fingerprint
    assert found["added_tokens"] == {"<|endoftext|>": bpe.token_to_id("<|endoftext|>")}
    assert b"vocab_size: 400" in run("inspect", bpe_file).stdout
    rows = json.loads(run("inspect", bpe_file, "--text", "für the", "--json").stdout)
    assert [row["id"] for row in rows] == bpe.encode("für the").ids.tolist()
    assert bytes.fromhex("".join(row["bytes"] for row in rows)).decode() == "für the"
    assert b"not in the vocabulary" in run("inspect", bpe_file, "--id", 9999).stdout


def test_verify(run, bpe_file, wordpiece_file, corpus):
    done = run("verify", bpe_file, corpus, "--fuzz", 50, "--no-code-points")
    assert (done.returncode, done.stderr) == (0, b""), done.stdout.decode()
    assert b" 0 differences" in done.stdout
    # Files may stand before, between and after the options.
    done = run(
        "verify", bpe_file, "--against", "tiktoken", corpus, "--fuzz", 50, "--no-code-points"
    )
    assert done.returncode == 0, done.stdout.decode()
    done = run(
        "verify", bpe_file, "--against", wordpiece_file, "--fuzz", 5, "--no-code-points", "--json"
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["differences"]


def test_compare(run, bpe_file, wordpiece_file, corpus):
    names = (f"bpe={bpe_file}", f"hf=tokenizers:{bpe_file}", f"wp={wordpiece_file}")
    found = json.loads(run("compare", *names, "--texts", corpus, "--json").stdout)
    assert found["total"]["bpe"]["tokens"] == found["total"]["hf"]["tokens"]
    assert found["total"]["wp"]["round_trip"] < 1
    done = run("compare", bpe_file, "--texts", corpus, "--markdown", "-o", "report.md")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"bytes/token" in run("compare", bpe_file, stdin=TEXT).stdout


def test_embed(run, bpe_file, corpus, tmp_path):
    table = ("--new", "8x16", "--seed", 3, "--save", "table.safetensors")
    assert run("embed", "-t", bpe_file, *table, "-o", "a.npy", corpus).returncode == 0
    done = run("embed", "-t", bpe_file, "-e", "table.safetensors", corpus)
    found = np.load(io.BytesIO(done.stdout))
    assert np.array_equal(found, np.load(tmp_path / "a.npy"))
    assert (found.shape, found.dtype) == ((len(CORPUS.splitlines()), 16), np.float32)
    emb = subtok.FactorizedEmbedding.load(str(tmp_path / "table.safetensors"))
    tok = subtok.Tokenizer.from_file(str(bpe_file))
    for row, line in zip(found, CORPUS.splitlines(), strict=True):
        ids = tok.encode(line).ids
        wanted = emb(ids).mean(axis=0) if len(ids) else np.zeros(16)
        assert np.allclose(row, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "required"),
        (["nonsense"], 2, "nonsense"),
        (["train", "--vocab-size", "x"], 2, "x"),
        (["train", "--vocab-size", "10", "corpus.txt"], 2, "vocab_size"),
        (["train", "--cased", "corpus.txt"], 2, "wordpiece"),
        (["train", "--model", "wordpiece", "--ties", "cs336", "corpus.txt"], 2, "--ties"),
        (["train", "--ties", "nope", "corpus.txt"], 2, "'cs336'"),
        (["train", "--pretokenizer", "(", "corpus.txt"], 2, "("),
        (["train", "missing.txt"], 3, "missing.txt"),
        (["train", "empty.txt"], 3, "no "),
        (["train", "binary"], 3, "UTF-8"),
        (["train", "-o", "no/such/folder/x.json", "corpus.txt"], 3, "no/such/folder"),
        (["train", "-o", ".", "corpus.txt"], 2, "not a file"),
        (["encode", "-t", "missing.json"], 3, "missing.json"),
        (["encode", "-t", "corpus.txt", "corpus.txt"], 3, "corpus.txt"),
        (["encode", "-t", "bpe.json", "missing.txt"], 3, "missing.txt"),
        (["encode", "-t", "bpe.json", "binary"], 3, "binary: invalid UTF-8 at byte"),
        (["encode", "-t", "bpe.json", "--shards", "corpus.txt", "corpus.txt"], 3, "corpus.txt"),
        (["encode", "-t", "bpe.json", "--overwrite"], 2, "--shards"),
        (["decode", "-t", "bpe.json", "corpus.txt"], 3, "line 1"),
        (["decode", "-t", "bpe.json", "ids"], 3, "line 2"),
        (["decode", "-t", "bpe.json", "folder"], 3, "manifest.json"),
        (["inspect", "binary"], 3, "binary"),
        (["verify", "missing.json"], 3, "missing.json"),
        (["verify", "bpe.json", "--against", "missing.json"], 3, "missing.json"),
        (["compare", "bpe.json", "--texts", "empty.txt"], 2, "no text"),
        (["compare", "a=bpe.json", "a=bpe.json"], 2, "'a'"),
        (["embed", "-t", "bpe.json", "--new", "8", "corpus.txt"], 2, "128x768"),
        (["embed", "-t", "bpe.json", "-e", "binary", "corpus.txt"], 3, "binary"),
    ],
)
@pytest.mark.usefixtures("bpe_file")
def test_mistakes(run, corpus, tmp_path, args, code, said):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary").write_bytes(b"\x7fELF\x02\x01\xff\xfe\x00")
    (tmp_path / "ids").write_bytes(b"1 2\n3 99999\n")
    (tmp_path / "folder").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run(*args)
    assert done.returncode == code, done.stderr.decode()
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("subtok") and said in last  # noqa: PT018
    assert b"Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert corpus.read_bytes() == TEXT


def test_a_failed_run_leaves_the_old_output(run, bpe_file, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"good\n" * 400_000 + b"\xff\n")
    (tmp_path / "out.txt").write_bytes(b"old")
    assert run("encode", "-t", bpe_file, "-o", "out.txt", "bad.txt").returncode == 3
    assert (tmp_path / "out.txt").read_bytes() == b"old"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_a_reader_that_goes_away_is_no_error(bpe_file, tmp_path):
    (tmp_path / "long.txt").write_bytes(b"hello world\n" * 300_000)
    command = [sys.executable, "-m", "subtok", "encode", "-t", str(bpe_file), "long.txt"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_interrupted_training_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "subtok", "train", "-o", "tok.json", "-"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (it calls nothing but the system)
    ) as process:
        # It waits for more text; the first is taken when the pipe has room again.
        process.stdin.write(TEXT * 200)
        process.stdin.flush()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"subtok: error: interrupted\n"
    assert list(tmp_path.iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_on_a_terminal():
    terminal = Terminal()
    with Progress(terminal) as show:
        show("counting", 1, 4)
        show("merging", 5, 0)
    written = terminal.getvalue()
    assert "counting: 1 of 4 (25%)" in written
    assert "merging: 5" in written
    assert "\n" not in written
    assert written.endswith("\r")
    # What is left on the line is white.
    assert not written.rsplit("\r", 2)[-2].strip()


def test_progress_is_silent_elsewhere():
    silent, quiet = io.StringIO(), Terminal()
    for show in (Progress(silent), Progress(quiet, quiet=True)):
        show("counting", 1, 4)
        show.clear()
    assert silent.getvalue() == quiet.getvalue() == ""


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_errors_are_coloured_on_a_terminal_that_likes_it(monkeypatch, no_color, coloured):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert main(["inspect", "no-such-file.json"]) == 3
    assert ("\x1b[" in terminal.getvalue()) is coloured


def test_version_and_help(run):
    assert run("--version").stdout.decode() == f"subtok {subtok.__version__}\n"
    for verb in ("train", "encode", "decode", "count", "inspect", "verify", "compare", "embed"):
        done = run(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(b"usage: subtok " + verb.encode())


def test_shards_say_what_was_done(run, bpe_file, corpus, tmp_path):
    command = ("encode", "-t", bpe_file, "--shards", "out", corpus)
    first, second = run(*command), run(*command)
    assert b"already done" not in first.stdout
    assert b" 1 shard of " in first.stdout
    assert second.stdout == first.stdout.replace(b"out: ", b"out: already done: ")
    (tmp_path / "out" / "shard-00000.bin").write_bytes(b"")
    assert run(*command).stdout == first.stdout
    done = run(*command, "--no-special")
    assert done.returncode == 2
    assert b"give --overwrite to" in done.stderr


def test_training_that_ends_early_says_why(run, corpus):
    done = run("train", "--vocab-size", 5000, "-o", "t.json", corpus)
    assert b" of 5,000 tokens: no more pairs\n" in done.stdout
    done = run("train", "--vocab-size", 5000, "--min-frequency", 50, "-o", "t.json", corpus)
    assert b" of 5,000 tokens: all other pairs are rarer\n" in done.stdout
    done = run("train", "--vocab-size", 300, "-o", "t.json", corpus)
    assert done.stdout == b"t.json: bpe, 300 tokens\n"


def test_ties_are_those_of_the_trainer(run, corpus, tmp_path):
    for ties in ("tokenizers", "cs336", "raw_bytes"):
        run("train", "--vocab-size", 300, "--ties", ties, "-o", f"{ties}.json", corpus)
        tok = subtok.train_bpe(corpus, 300, ties=ties)
        assert (tmp_path / f"{ties}.json").read_text("utf-8").rstrip() == tok.to_str().rstrip()


def test_nul_is_a_character(run, bpe_file, tmp_path):
    (tmp_path / "nul.txt").write_bytes(b"the\0cat\n")
    assert run("train", "--vocab-size", 300, "-o", "t.json", "nul.txt").returncode == 0
    encoded = run("encode", "-t", bpe_file, "nul.txt")
    assert run("decode", "-t", bpe_file, stdin=encoded.stdout).stdout == b"the\0cat\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_not_utf8(run, bpe_file, tmp_path):
    name, tok = os.fsdecode(b"gr\xfc\xdfe.txt"), os.fsdecode(b"\xff.json")
    (tmp_path / name).write_bytes(TEXT)
    for args in (
        ("train", "--vocab-size", 300, "-o", tok, name),
        ("encode", "-t", tok, "--shards", "out", name),
        ("count", "-t", tok, "--json", name),
        ("verify", tok, "--fuzz", 5, "--no-code-points", name),
        ("compare", tok, "--texts", name, "--json"),
        ("compare", tok, "--texts", name),
        ("inspect", tok, "--json"),
        ("embed", "-t", tok, "--new", "4x8", "--save", tok + ".safetensors", name),
    ):
        done = run(*args)
        assert done.returncode == 0, done.stderr.decode()
    done = run("encode", "-t", bpe_file, name + "x")
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("args", "closed", "code"),
    [
        ("encode -t bpe.json", "<&-", 3),
        ("encode -t bpe.json corpus.txt", ">&-", 3),
        ("encode -t bpe.json -o out.txt corpus.txt", ">&-", 0),
        ("encode -t bpe.json corpus.txt", "2>&-", 0),
        ("encode -t missing.json corpus.txt", "2>&-", 3),
        ("count -t bpe.json corpus.txt", "<&- >&- 2>&-", 3),
        ("--version", ">&-", 0),
        pytest.param(
            "count -t bpe.json corpus.txt",
            ">/dev/full",
            3,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full"),
        ),
    ],
)
@pytest.mark.usefixtures("bpe_file", "corpus")
def test_closed_streams(tmp_path, args, closed, code):
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m subtok {args} {closed}', sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


SLOW = """
import os, sys
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == WHERE:
            os.write(1, b"ready\\n")
            import time
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                raise ImportError("as NumPy does") from None
sys.meta_path.insert(0, Slow())
import runpy
sys.argv = ["-m"]
sys.orig_argv = ["python", "-m", "subtok"]
runpy.run_module("subtok", run_name="__main__", alter_sys=False)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("where", ["numpy", "subtok.compare", "subtok.cli"])
def test_interrupted_while_loading(where, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", SLOW.replace("WHERE", repr(where))],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (it calls nothing but the system)
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"subtok: error: interrupted\n"


def test_importing_leaves_ctrl_c_alone():
    code = "import signal, subtok; print(signal.getsignal(2) is signal.default_int_handler)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        preexec_fn=hear_ctrl_c,
    )
    assert done.stdout == b"True\n"


class Panic(BaseException):
    pass


@pytest.mark.parametrize("kind", [ZeroDivisionError, Panic])
def test_a_mistake_of_ours_is_no_difference(monkeypatch, capsys, kind):
    def fail():
        raise kind("what")

    monkeypatch.setattr("subtok.cli._parser", fail)
    monkeypatch.setattr("subtok.cli._drop_output", lambda: None)
    assert main([]) == 70
    assert kind.__name__ in capsys.readouterr().err

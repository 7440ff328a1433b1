"""`subtok embed` and the words that may follow it."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import CORPUS

import subtok
from subtok import _tensors

LINES = CORPUS.splitlines()
RNG = np.random.default_rng(1)


@pytest.fixture
def table_file(bpe, tmp_path):
    path = tmp_path / "table.safetensors"
    subtok.FactorizedEmbedding(bpe.id_limit, 8, 16, seed=2).save(path)
    return path


@pytest.fixture
def dense_file(bpe, tmp_path):
    path = tmp_path / "dense.npy"
    np.save(path, RNG.normal(size=(bpe.id_limit, 12)).astype(np.float32))
    return path


@pytest.mark.parametrize("words", [("embed",), ("embed", "lines")])
def test_lines(run, bpe, bpe_file, table_file, corpus, tmp_path, words):
    embed = subtok.TextEmbedder(
        bpe, subtok.FactorizedEmbedding.load(table_file), max_length=None, add_special_tokens=True
    )
    command = (*words, "-t", bpe_file, "-e", table_file)
    done = run(*command, "-o", "a.npy", corpus)
    assert done.stdout == f"a.npy: {len(LINES)} rows of 16 float32\n".encode()
    assert np.array_equal(np.load(tmp_path / "a.npy"), embed(LINES))
    shown = run(*command, stdin=CORPUS.encode())
    assert np.array_equal(np.load(io.BytesIO(shown.stdout)), embed(LINES))
    empty = run(*command, "-o", "b.npy", stdin=b"")
    assert empty.returncode == 0
    assert np.load(tmp_path / "b.npy").shape == (0, 16)


def test_options_of_lines(run, bpe, bpe_file, table_file, corpus, tmp_path):
    table = subtok.FactorizedEmbedding.load(table_file)
    counts = subtok.id_counts(bpe, LINES)
    np.save(tmp_path / "counts.npy", counts)
    embed = subtok.TextEmbedder(bpe, table, "sum", 7, counts=counts, sif=0.1, normalize=True)
    options = ("--mode", "sum", "--max-length", 7, "--normalize", "--no-special")
    more = ("--counts", "counts.npy", "--sif", 0.1, "--threads", 2)
    command = ("embed", "-t", bpe_file, "-e", table_file, *options, *more, "-o", "a.npy", corpus)
    assert run(*command).returncode == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), embed(LINES))
    subtok.count(iter(LINES)).save(tmp_path / "counts.parquet")
    assert run(*command, "--counts", "counts.parquet").returncode == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), embed(LINES))


def test_parquet_holds_texts_and_vectors(run, bpe_file, table_file, corpus, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    command = ("embed", "-t", bpe_file, "-e", table_file)
    assert run(*command, "-o", "a.npy", corpus).returncode == 0
    assert run(*command, "-o", "a.parquet", corpus).returncode == 0
    found = parquet.read_table(tmp_path / "a.parquet")
    assert found["text"].to_pylist() == LINES
    vectors = found["vector"].combine_chunks()
    assert vectors.type.list_size == 16
    flat = vectors.flatten().to_numpy().reshape(-1, 16)
    assert np.array_equal(flat, np.load(tmp_path / "a.npy"))


def test_a_folder_says_everything(run, bpe, corpus, tmp_path):
    table = RNG.normal(size=(bpe.id_limit, 6)).astype(np.float32)
    embed = subtok.TextEmbedder(bpe, table, max_length=9)
    embed.save_model2vec(tmp_path / "one")
    embed.save_sentence_transformers(tmp_path / "two")
    for folder in ("one", "two"):
        assert run("embed", "-m", folder, "-o", "a.npy", corpus).returncode == 0
        assert np.array_equal(np.load(tmp_path / "a.npy"), embed(LINES))
    options = ("--max-length", 3, "--normalize")
    assert run("embed", "-m", "one", *options, "-o", "a.npy", corpus).returncode == 0
    short = subtok.TextEmbedder(bpe, table, max_length=3, normalize=True)
    assert np.array_equal(np.load(tmp_path / "a.npy"), short(LINES))
    shown = json.loads(run("embed", "inspect", "one", "--json").stdout)
    assert (shown["max_length"], shown["tokenizer_ids"]) == (9, bpe.id_limit)


def test_factorise(run, bpe_file, dense_file, corpus, tmp_path, bpe):
    dense = np.load(dense_file)
    for word in ("factorise", "factorize"):
        done = run("embed", word, dense_file, "--rank", 5, "-o", "f.safetensors", "--json")
        report = json.loads(done.stdout)
        assert (report["rank"], report["counted"]) == (5, False)
    want, _ = subtok.FactorizedEmbedding.from_dense(dense, rank=5)
    ids = np.arange(len(dense))
    found = subtok.FactorizedEmbedding.load(tmp_path / "f.safetensors")
    assert np.array_equal(found(ids), want(ids))
    counts = subtok.id_counts(bpe, LINES)
    np.save(tmp_path / "counts.npy", counts)
    want, _ = subtok.FactorizedEmbedding.from_dense(dense, rank=5, counts=counts, alpha=0.5)
    command = ("embed", "factorise", dense_file, "--rank", 5, "-o", "f.safetensors")
    for given in (("--counts", "counts.npy"), ("--text", corpus, "-t", bpe_file)):
        done = run(*command, *given, "--alpha", 0.5)
        assert done.returncode == 0, done.stderr
        assert b"weighted_error" in done.stdout
        found = subtok.FactorizedEmbedding.load(tmp_path / "f.safetensors")
        assert np.array_equal(found(ids), want(ids))
    done = run(*command[:-4], "--energy", 0.5, "--quantise", "int8", "-o", "q.safetensors")
    assert done.returncode == 0
    assert subtok.FactorizedEmbedding.load(tmp_path / "q.safetensors").kind == "int8"


def test_the_table_of_a_checkpoint_is_found(run, dense_file, tmp_path):
    dense = np.load(dense_file)
    other = RNG.normal(size=(900, 4)).astype(np.float32)

    def factorised(tensors, *options):
        _tensors.write(tmp_path / "model.safetensors", tensors)
        command = ("--rank", 12, "-o", "f.safetensors", *options)
        done = run("embed", "factorise", "model.safetensors", *command)
        if done.returncode:
            return done.stderr.decode()
        made = subtok.FactorizedEmbedding.load(tmp_path / "f.safetensors")
        return made.vocab_size == len(dense)

    assert factorised({"bert.embeddings.word_embeddings.weight": dense, "x.weight": other}) is True
    assert factorised({"x": dense, "bias": other[0]}) is True
    assert "y, x" in factorised({"y": dense, "x": other})
    assert factorised({"y": dense, "x": other}, "--name", "y") is True
    assert "no tensor 'z'" in factorised({"y": dense, "x": other}, "--name", "z")
    assert run("embed", "factorise", ".", "--name", "y", "--rank", 3, "-o", "f").returncode == 0


def test_quantise_and_inspect(run, table_file, tmp_path):
    old = subtok.FactorizedEmbedding.load(table_file)
    for word, kind in (("quantise", "int8"), ("quantize", "float16")):
        done = run("embed", word, table_file, "-k", kind, "-o", "q.safetensors", "--json")
        report = json.loads(done.stdout)
        assert report["bytes"] < report["bytes_before"]
        assert 0 < report["mean_row_error"] < 0.01
        ids = np.arange(old.vocab_size)
        found = subtok.FactorizedEmbedding.load(tmp_path / "q.safetensors")
        assert np.array_equal(found(ids), old.quantize(kind)(ids))
        shown = json.loads(run("embed", "inspect", "q.safetensors", "--json").stdout)
        assert (shown["kind"], shown["bytes"]) == (kind, found.nbytes)
        assert (shown["embedding_dim"], shown["hidden_dim"], shown["zero_rows"]) == (8, 16, 0)
    assert b"vocab_size" in run("embed", "inspect", table_file).stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["embed"], 2, "required"),
        (["embed", "-e", "table.safetensors", "corpus.txt"], 2, "--tokenizer is required"),
        (["embed", "-m", ".", "-t", "bpe.json", "corpus.txt"], 2, "--tokenizer does not go"),
        (["embed", "-m", ".", "--no-special", "corpus.txt"], 2, "--no-special does not go"),
        (["embed", "-m", ".", "--seed", "0", "corpus.txt"], 2, "--seed is for --new"),
        (["embed", "-m", ".", "--sif", "3", "corpus.txt"], 2, "--sif is for --counts"),
        (
            ["embed", "-t", "bpe.json", "-e", "table.safetensors", "--sif", "nan", "corpus.txt"],
            2,
            "--sif is for --counts",
        ),
        (
            ["embed", "-t", "bpe.json", "-e", "table.safetensors", "--seed", "5", "corpus.txt"],
            2,
            "--seed is for --new",
        ),
        (["embed", "-m", ".", "corpus.txt"], 3, "neither a config.json"),
        (["embed", "-t", "bpe.json", "-e", "table.safetensors", "none.txt"], 3, "none.txt"),
        (["embed", "lines", "-t", "bpe.json", "--new", "8", "corpus.txt"], 2, "128x768"),
        (["embed", "factorise", "dense.npy", "-o", "x"], 2, "required"),
        (["embed", "factorise", "dense.npy", "--rank", "0", "-o", "x"], 2, "rank"),
        (["embed", "factorise", "none.npy", "--rank", "2", "-o", "x"], 3, "none.npy"),
        (["embed", "factorise", "corpus.txt", "--rank", "2", "-o", "x"], 3, "corpus.txt"),
        (["embed", "factorise", "flat.npy", "--rank", "2", "-o", "x"], 3, "two axes"),
        (["embed", "factorise", "text.npy", "--rank", "2", "-o", "x"], 3, "text.npy"),
        (["embed", "factorise", "dense.npy", "--name", "x", "--rank", "2", "-o", "x"], 2, "--name"),
        (
            ["embed", "factorise", "dense.npy", "--text", "a", "--rank", "2", "-o", "x"],
            2,
            "--token",
        ),
        (["embed", "quantise", "table.safetensors", "-k", "int3", "-o", "x"], 2, "int3"),
        (["embed", "quantise", "table.safetensors", "-o", "none/x"], 3, "none"),
        (["embed", "inspect", "bpe.json"], 3, "bpe.json"),
    ],
)
def test_wrong_usage_and_bad_files(
    run, bpe_file, table_file, dense_file, corpus, tmp_path, args, code, said
):
    np.save(tmp_path / "flat.npy", np.zeros(5))
    (tmp_path / "text.npy").write_text("no array")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert {bpe_file.name, table_file.name, dense_file.name, corpus.name} <= set(before)
    done = run(*args)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_help_of_every_verb(run):
    for words in (("embed",), ("embed", "factorise"), ("embed", "quantise"), ("embed", "inspect")):
        done = run(*words, "--help")
        assert done.stdout.startswith(f"usage: subtok {' '.join(words)} ".encode())
    assert run("embed", "lines", "--help").stdout == run("embed", "--help").stdout


def test_without_torch_the_message_says_what_to_install(tmp_path):
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import subtok\n"
        "try:\n"
        "    subtok.FactorizedEmbedding(3, 2, 4).to_torch()\n"
        "except subtok.MissingDependencyError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert "pip install 'subtok[torch]'" in done.stdout, done.stderr

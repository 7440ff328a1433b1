"""Texts to vectors, held against encoding and pooling one after the other."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading

import numpy as np
import pytest
from conftest import CORPUS

import subtok
from subtok import _tensors

TEXTS = [
    "The quick brown fox.",
    "",
    "naïve café — 東京 emoji 🙂",
    "   ",
    "word " * 3000,
    "a",
    *CORPUS.splitlines(),
]
RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def tok():
    return subtok.train_wordpiece(iter(CORPUS.splitlines() * 9), vocab_size=200)


@pytest.fixture(scope="module")
def emb(tok):
    return subtok.FactorizedEmbedding(tok.id_limit, 8, 24, seed=4)


def naive(tok, rows, texts, mode, *, max_length=None, special=False, weights=None, skip=()):
    """What is wanted, in float64."""
    out = []
    for text in texts:
        ids = tok.encode(text, add_special_tokens=special, max_length=max_length).ids
        ids = np.array([id_ for id_ in ids if id_ not in skip], int)
        vectors = rows[ids].astype(np.float64)
        if weights is not None:
            vectors = vectors * weights[ids, None]
        empty = np.zeros(rows.shape[1])
        how = {"mean": np.mean, "sum": np.sum, "max": np.max}[mode]
        out.append(how(vectors, axis=0) if len(ids) else empty)
    return np.array(out)


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
@pytest.mark.parametrize("max_length", [None, 16, 512])
@pytest.mark.parametrize("special", [False, True])
def test_vectors_equal_tokenise_then_pool(tok, emb, mode, max_length, special):
    rows = emb(np.arange(tok.id_limit))
    embed = subtok.TextEmbedder(tok, emb, mode, max_length, add_special_tokens=special)
    got = embed(TEXTS)
    want = naive(tok, rows, TEXTS, mode, max_length=max_length, special=special)
    assert (got.dtype, got.shape) == (np.float32, (len(TEXTS), 24))
    assert np.allclose(got, want, rtol=1e-5, atol=1e-6)
    batch = tok.encode_batch(TEXTS, add_special_tokens=special, max_length=max_length)
    pooled = emb.pool(batch.ids, batch.row_offsets, mode=mode)
    assert np.array_equal(got, pooled)


def test_the_same_bits_for_any_threads_and_batches(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    texts = TEXTS * 200
    whole = embed(texts, threads=1)
    for threads in (2, 3):
        assert np.array_equal(embed(texts, threads=threads), whole)
    assert np.array_equal(np.stack([embed(text) for text in TEXTS]), whole[: len(TEXTS)])
    assert np.array_equal(embed.encode(iter(texts)), whole)


def test_texts_come_in_many_forms(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    want = embed(["one", "two"])
    for texts in (("one", "two"), np.array(["one", "two"]), [b"one", "two"], iter(["one", "two"])):
        assert np.array_equal(embed(texts), want)
    pa = pytest.importorskip("pyarrow")
    assert np.array_equal(embed(pa.chunked_array([["one"], ["two"]])), want)
    assert np.array_equal(embed(pa.array(["one", None]), nulls="empty")[0], want[0])
    assert embed([]).shape == (0, 24)
    assert embed("one").shape == (24,)
    out = np.full((2, 24), 9, np.float32)
    assert embed(["one", "two"], out) is out
    assert np.array_equal(out, want)
    assert np.array_equal(embed("two", out[0]), want[1])
    assert np.array_equal(out[0], want[1])


def test_texts_that_are_none_are_refused(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    with pytest.raises(subtok.ArgumentTypeError, match=r"texts\[1\]"):
        embed(["a", 1])
    with pytest.raises(subtok.ArgumentTypeError):
        embed(5)
    with pytest.raises(subtok.TextError, match="row 70001"):
        embed(["x"] * 70_001 + [b"\xff"])
    with pytest.raises(subtok.ArgumentError, match="shape"):
        embed(["a"], np.zeros((2, 24), np.float32))
    with pytest.raises(subtok.ArgumentTypeError, match="float32"):
        embed(["a"], np.zeros((1, 24), np.float16))


def test_weights_multiply_and_counts_make_them(tok, emb):
    rows = emb(np.arange(tok.id_limit))
    counts = subtok.id_counts(tok, CORPUS.splitlines())
    assert counts.sum() == len(tok.encode_batch(CORPUS.splitlines(), add_special_tokens=False).ids)
    weights = subtok.sif_weights(counts, 0.01)
    share = counts / counts.sum()
    assert np.allclose(weights, 0.01 / (0.01 + share), rtol=1e-6)
    for mode in ("mean", "sum"):
        want = naive(tok, rows, TEXTS, mode, weights=weights)
        for options in ({"weights": weights}, {"counts": counts, "sif": 0.01}):
            embed = subtok.TextEmbedder(tok, emb, mode, None, **options)
            assert np.allclose(embed(TEXTS), want, rtol=1e-5, atol=1e-4 if mode == "sum" else 1e-7)
    unit = subtok.TextEmbedder(tok, emb, counts=counts, normalize=True)(TEXTS)
    length = np.linalg.norm(unit, axis=1)
    assert np.all((np.abs(length - 1) < 1e-6) | (length == 0))
    assert not unit[1].any()
    assert np.array_equal(subtok.sif_weights(np.zeros(3)), np.ones(3, np.float32))


def test_counts_of_words_give_the_counts_of_their_text():
    lines = CORPUS.splitlines() * 3
    bpe = subtok.train_bpe(iter(lines), vocab_size=300)
    wordpiece = subtok.train_wordpiece(iter(lines), vocab_size=200)
    for tok, split in ((bpe, "gpt2"), (wordpiece, "bert")):
        counts = subtok.count(iter(lines), pretokenizer=split)
        assert np.array_equal(subtok.id_counts(tok, counts), subtok.id_counts(tok, lines))
        made = subtok.TextEmbedder(tok, np.eye(tok.id_limit), counts=counts)
        by_text = subtok.TextEmbedder(
            tok, np.eye(tok.id_limit), counts=subtok.id_counts(tok, lines)
        )
        assert np.array_equal(made.weights, by_text.weights)


def test_a_matrix_is_kept_whole(tok):
    table = RNG.normal(size=(tok.id_limit + 5, 40)).astype(np.float32)
    embed = subtok.TextEmbedder(tok, table, max_length=None)
    assert np.allclose(embed(TEXTS), naive(tok, table, TEXTS, "mean"), rtol=1e-5, atol=1e-6)
    assert embed.hidden_dim == 40


def test_rows_may_be_shared_and_unknown_tokens_left_out(tok):
    unknown = tok.token_to_id("[UNK]")
    table = RNG.normal(size=(7, 5)).astype(np.float32)
    rows = np.arange(tok.id_limit) % 7
    assert unknown in tok.encode("東京").ids
    for skip in (False, True):
        embed = subtok.TextEmbedder(tok, table, "mean", None, rows=rows, skip_unknown=skip)
        want = naive(tok, table[rows], TEXTS, "mean", skip=(unknown,) if skip else ())
        assert np.allclose(embed(TEXTS), want, rtol=1e-5, atol=1e-6)
    assert not embed("東京").any()


def test_parts_that_do_not_fit_are_refused(tok, emb):
    limit = tok.id_limit
    refused = [
        ((tok, np.zeros((limit - 1, 3))), {}, f"a table for {limit - 1} ids"),
        ((tok, emb, "median"), {}, "mode"),
        ((tok, emb), {"weights": [1.0]}, "weights is 1 long"),
        ((tok, emb), {"weights": np.full(limit, -1.0)}, "-1 for id 0"),
        ((tok, emb), {"weights": np.full(limit, np.nan)}, "NaN for id 0"),
        ((tok, emb), {"weights": np.full(limit, 1e300)}, "inf for id 0"),
        ((tok, emb, "max"), {"weights": np.ones(limit)}, "maximum"),
        ((tok, emb), {"weights": np.ones(limit), "counts": np.ones(limit)}, "not both"),
        ((tok, emb), {"counts": np.full(limit, -3)}, "-3.0 for id 0"),
        ((tok, emb), {"counts": np.ones(limit), "sif": 0}, "a is 0"),
        ((tok, emb), {"rows": np.full(limit, limit)}, "less than"),
        ((tok, emb), {"rows": np.full(limit, -1)}, "-1"),
        ((tok, emb), {"max_length": -1}, "max_length is -1"),
    ]
    for args, options, said in refused:
        with pytest.raises(ValueError, match=said):
            subtok.TextEmbedder(*args, **options)
    for args, options in (
        (("x", emb), {}),
        ((tok, emb), {"weights": "abc"}),
        ((tok, emb), {"rows": [0.5]}),
        ((tok, emb), {"counts": [["x"]]}),
    ):
        with pytest.raises(TypeError):
            subtok.TextEmbedder(*args, **options)


def test_pickles_and_shows_itself(tok, emb):
    counts = np.arange(tok.id_limit)
    embed = subtok.TextEmbedder(tok, emb, max_length=9, counts=counts, skip_unknown=True)
    again = pickle.loads(pickle.dumps(embed))
    assert np.array_equal(again(TEXTS), embed(TEXTS))
    assert (again.max_length, again.mode, again.skip_unknown) == (9, "mean", True)
    assert (again.normalize, again.add_special_tokens, again.rows) == (False, False, None)
    assert "max_length=9, weights, skip_unknown=True" in repr(again)
    again.weights[:] = 0
    assert np.array_equal(again.weights, embed.weights)


def test_threads_share_one(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    want, wrong = embed(TEXTS), []

    def work():
        for _ in range(40):
            if not np.array_equal(embed(TEXTS), want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_embeds_the_same(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    texts = TEXTS * 50
    want = embed(texts, threads=2)
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = 0 if np.array_equal(embed(texts, threads=2), want) else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_many_calls_leave_no_memory_behind(tok, emb):
    resource = pytest.importorskip("resource")
    embed = subtok.TextEmbedder(tok, emb)

    def calls(count):
        for _ in range(count):
            embed(TEXTS[:4])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = calls(3000)
    # The results of a call have 400 bytes, its ids and texts some more.
    assert calls(10_000) - before < 4_000


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_a_long_call(tok, emb):
    embed = subtok.TextEmbedder(tok, emb)
    # One text over and over: much work, little memory.
    texts = ["the quick brown fox jumps " * 40] * 400_000
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            embed(texts, threads=2)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


# ---------------------------------------------------------------- folders
def static(tok, table, **options):
    return subtok.TextEmbedder(tok, table, **{"max_length": 64, "skip_unknown": True, **options})


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_model2vec_folder_comes_back(tok, tmp_path, dtype, shared):
    table = RNG.normal(size=(11 if shared else tok.id_limit, 6)).astype(dtype).astype(np.float32)
    options = {"weights": RNG.random(tok.id_limit), "normalize": True}
    if shared:
        options["rows"] = np.arange(tok.id_limit) % 11
    embed = static(tok, table, **options)
    embed.save_model2vec(tmp_path / "model", dtype)
    again = subtok.TextEmbedder.from_model2vec(tmp_path / "model")
    assert np.array_equal(again(TEXTS), embed(TEXTS))
    assert again.max_length == 64
    assert again.normalize
    assert again.embedding.kind == dtype
    tensors = _tensors.read(tmp_path / "model" / "model.safetensors")
    assert ("mapping" in tensors) == shared
    assert tensors["embeddings"].dtype == dtype


def test_a_static_embedding_folder_comes_back(tok, tmp_path):
    table = RNG.normal(size=(tok.id_limit, 6)).astype(np.float32)
    weights = RNG.random(tok.id_limit)
    for length, normalize in ((64, True), (None, False)):
        options = {"weights": weights, "normalize": normalize, "skip_unknown": False}
        embed = static(tok, table, max_length=length, **options)
        folder = tmp_path / str(length)
        embed.save_sentence_transformers(folder)
        again = subtok.TextEmbedder.from_sentence_transformers(str(folder))
        assert np.allclose(again(TEXTS), embed(TEXTS), atol=1e-6)
        assert (again.max_length, again.normalize) == (length, normalize)


def test_what_a_folder_cannot_say_is_refused(tok, emb, tmp_path):
    for options, said in (
        ({"mode": "sum"}, "mode"),
        ({"add_special_tokens": True}, "special"),
        ({"skip_unknown": False}, "skip_unknown=True"),
    ):
        with pytest.raises(subtok.ArgumentError, match=said):
            static(tok, emb, **options).save_model2vec(tmp_path / "x")
    with pytest.raises(subtok.ArgumentError, match="skip_unknown=False"):
        static(tok, emb).save_sentence_transformers(tmp_path / "x")
    with pytest.raises(subtok.ArgumentError, match="dtype"):
        static(tok, emb).save_model2vec(tmp_path / "x", "int8")
    large = static(tok, np.full((tok.id_limit, 2), 1e6))
    with pytest.raises(subtok.ArgumentError, match="float16"):
        large.save_model2vec(tmp_path / "x", "float16")
    assert not (tmp_path / "x").exists()


def test_int8_vectors_are_kept_in_16_bits(tok, tmp_path):
    embed = static(tok, np.ones((tok.id_limit, 4)))
    embed.save_model2vec(tmp_path)
    whole = RNG.integers(-127, 128, (tok.id_limit, 4)).astype(np.int8)
    _tensors.write(tmp_path / "model.safetensors", {"embeddings": whole})
    again = subtok.TextEmbedder.from_model2vec(tmp_path)
    assert again.embedding.kind == "float16"
    unknown = tok.token_to_id("[UNK]")
    want = naive(tok, whole, TEXTS, "mean", max_length=64, skip=(unknown,))
    assert np.allclose(again(TEXTS), want, rtol=1e-5, atol=1e-4)


def test_damaged_folders_are_refused(tok, tmp_path):
    embed = static(tok, np.ones((tok.id_limit, 4)))

    def folder(name):
        embed.save_model2vec(tmp_path / name)
        return tmp_path / name

    read = subtok.TextEmbedder.from_model2vec
    with pytest.raises(subtok.FileError, match=r"config\.json"):
        read(tmp_path / "none")
    broken = folder("config")
    for content in ("{", "[]", '{"max_length": "x"}', '{"max_length": -1}'):
        (broken / "config.json").write_text(content)
        with pytest.raises(subtok.FormatError, match=r"config\.json"):
            read(broken)
    broken = folder("tensors")
    file = broken / "model.safetensors"
    good = file.read_bytes()
    for content in (b"", good[:50], good[:-1], b"\xff" * 100, (5).to_bytes(8, "little") + b"{{{{{"):
        file.write_bytes(content)
        with pytest.raises(subtok.FormatError, match=r"model\.safetensors"):
            read(broken)
    for tensors in (
        {"other": np.ones((3, 4), np.float32)},
        {"embeddings": np.ones((3, 4), np.float32)},
        {"embeddings": np.ones(4, np.float32)},
    ):
        _tensors.write(file, tensors)
        with pytest.raises(subtok.FormatError, match=r"model\.safetensors"):
            read(broken)
    modules = tmp_path / "modules"
    static(tok, np.ones((tok.id_limit, 4)), skip_unknown=False).save_sentence_transformers(modules)
    found = json.loads((modules / "modules.json").read_text())
    found.append({**found[0], "type": "sentence_transformers.models.Dense"})
    (modules / "modules.json").write_text(json.dumps(found))
    with pytest.raises(subtok.UnsupportedError, match="Dense"):
        subtok.TextEmbedder.from_sentence_transformers(modules)


@pytest.mark.filterwarnings("error")
def test_wrong_content_of_a_folder_is_refused_by_file(tok, tmp_path):
    embed = static(tok, np.ones((tok.id_limit, 4)))
    embed.save_model2vec(tmp_path)
    file = tmp_path / "model.safetensors"
    good = {"embeddings": np.ones((tok.id_limit, 4), np.float32)}
    ids = np.zeros(tok.id_limit, np.int64)
    ones = np.ones(tok.id_limit)
    # The modules of this folder are those of sentence-transformers, too.
    readers = (subtok.TextEmbedder.from_model2vec, subtok.TextEmbedder.from_sentence_transformers)
    for wrong in (
        {"embeddings": good["embeddings"] * np.float32(np.inf)},
        {"embeddings": good["embeddings"].astype(np.float64) * 1e300},
        {"embeddings": np.ones((tok.id_limit, 0), np.float32)},
        {"weights": ones * np.nan},
        {"weights": ones * 1e300},
        {"weights": ones[:, None]},
        {"weights": np.float32(1)},
        {"weights": ones[:3]},
        {"mapping": ones},
        {"mapping": ids - 1},
        {"mapping": ids + tok.id_limit},
        {"mapping": np.int64(0)},
    ):
        _tensors.write(file, {**good, **wrong})
        for read in readers:
            with pytest.raises(subtok.FormatError, match=r"model\.safetensors: "):
                read(tmp_path)
    _tensors.write(file, {**good, "weights": ones, "mapping": ids})
    assert all(read(tmp_path)(TEXTS).any() for read in readers)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"max_length": 10**30}))
    with pytest.raises(subtok.FormatError, match=r"config\.json: max_length is 10{30}"):
        readers[0](tmp_path)


def test_a_truncation_of_beginnings_is_refused(tok, tmp_path):
    embed = static(tok, np.ones((tok.id_limit, 4)), skip_unknown=False)
    embed.save_sentence_transformers(tmp_path)
    file = tmp_path / "0_StaticEmbedding" / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["truncation"]["direction"] = "Left"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(subtok.UnsupportedError, match=r"tokenizer\.json: .*'Left'"):
        subtok.TextEmbedder.from_sentence_transformers(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("int8", "float16"), ("float16", "float16"), ("int16", "float32")]
)
def test_vectors_keep_the_bits_that_they_need(tok, tmp_path, dtype, kind):
    static(tok, np.ones((tok.id_limit, 4))).save_model2vec(tmp_path)
    whole = np.full((tok.id_limit, 4), 3001 if dtype == "int16" else 101).astype(dtype)
    _tensors.write(tmp_path / "model.safetensors", {"embeddings": whole})
    found = subtok.TextEmbedder.from_model2vec(tmp_path).embedding
    assert found.kind == kind
    assert np.array_equal(found(np.arange(3)), whole[:3])


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1000]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 0]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [0, 10**30], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [1] * 100, "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [2, 2], "data_offsets": [0, 16]},
        {"dtype": ["F32"], "shape": [2, 2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": "22", "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2, 2]},
        [],
    ],
)
def test_tensors_that_lie_are_refused(entry, tmp_path):
    text = json.dumps({"embeddings": entry}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    for read in (_tensors.read, _tensors.shapes):
        with pytest.raises(subtok.FormatError, match=r"x\.safetensors: safetensors at embeddings"):
            read(path)


def test_tensors_come_back(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = {
        "a": RNG.normal(size=(3, 4)),
        "b": np.arange(5, dtype=np.int8),
        "c": np.float32(4),
        "d": np.zeros((0, 3), np.float16),
        "e": RNG.normal(size=(4, 3)).T.astype(">f4"),
    }
    _tensors.write(path, tensors)
    found = _tensors.read(path)
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], value) for name, value in tensors.items())
    assert _tensors.shapes(path)["e"] == [3, 4]
    assert list(_tensors.read(path, {"b"})) == ["b"]
    half = (np.arange(4, dtype=np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    text = b'{"x":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'
    path.write_bytes(len(text).to_bytes(8, "little") + text + half)
    assert _tensors.read(path)["x"].tolist() == [0, 1, 2, 3]

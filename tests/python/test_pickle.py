"""Pickles, copies, processes: a tokenizer is its content, wherever it came from and goes to."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import CORPUS, data_dir

import subtok

HERE = Path(__file__).parent
SMALL = HERE.parent / "data"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
TEXTS = [
    CORPUS,
    "",
    " \n\n x",
    "<|endoftext|>[CLS] low lower <special> lowest",
    "Größe 안녕 世界 \U0001f600\u0301",
]


def rank_file(folder: Path) -> Path:
    """The 256 bytes and a few merges."""
    tokens = [*(bytes([byte]) for byte in range(256)), b"lo", b"er", b"low", b"\n\n"]
    path = folder / "small.tiktoken"
    lines = (f"{base64.b64encode(x).decode()} {rank}\n" for rank, x in enumerate(tokens))
    path.write_text("".join(lines))
    return path


def small_json(name: str):
    return lambda _: subtok.Tokenizer.from_file(SMALL / name)


def trained_bpe(_: Path) -> subtok.Tokenizer:
    lines = CORPUS.splitlines()
    return subtok.train_bpe(iter(lines), vocab_size=350, special_tokens=["<|endoftext|>"])


def trained_wordpiece(_: Path) -> subtok.Tokenizer:
    return subtok.train_wordpiece(iter(CORPUS.splitlines()), vocab_size=250)


def with_added_tokens(folder: Path) -> subtok.Tokenizer:
    return trained_bpe(folder).with_added_tokens(["<special>", "ü", "\n"], special=True)


def ranks(pattern: str):
    def load(folder: Path) -> subtok.Tokenizer:
        special = {"<|endoftext|>": 300, "<special>": 299}
        return subtok.Tokenizer.from_tiktoken(rank_file(folder), pattern, special)

    return load


def vocab_txt(folder: Path) -> subtok.Tokenizer:
    path = folder / "vocab.txt"
    path.write_text("[UNK]\n[CLS]\n[SEP]\nlow\n##er\n##est\nthe\n,\n", "utf-8")
    return subtok.Tokenizer.from_wordpiece(path, lowercase=False, strip_accents=True)


def bpe_files(folder: Path) -> subtok.Tokenizer:
    made = json.loads(trained_bpe(folder).to_str())["model"]
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps(made["vocab"]), "utf-8")
    merges.write_text("#version: 0.2\n" + "\n".join(map(" ".join, made["merges"])), "utf-8")
    return subtok.Tokenizer.from_bpe(vocab, merges)


# Every kind of tokenizer that can be made here. A kind that is new needs a line, and nothing else.
KINDS = {
    "BPE of the repository": small_json("small_bpe.json"),
    "WordPiece of the repository": small_json("small_wordpiece.json"),
    "BPE, trained": trained_bpe,
    "WordPiece, trained": trained_wordpiece,
    "BPE with added tokens": with_added_tokens,
    "ranks, GPT-2's pattern": ranks("gpt2"),
    "ranks, cl100k's pattern": ranks("cl100k_base"),
    "ranks, a pattern of their own": ranks(r"\p{L}++|\d{1,3}+|\s+(?!\S)|[^\s\d\p{L}]+|\s+"),
    "vocab.txt": vocab_txt,
    "vocab.json and merges.txt": bpe_files,
}


def real_files() -> dict[str, Path]:
    folder = data_dir()
    if folder is None:
        return {}
    found = sorted((folder / "tokenizers" / "tokenizer_json").glob("*.json"))
    return {path.stem: path for path in found if loads(path)}


def loads(path: Path) -> bool:
    try:
        subtok.Tokenizer.from_file(path)
    except subtok.UnsupportedError:
        return False
    return True


REAL = real_files()


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request, tmp_path):
    return lambda: request.param(tmp_path)


def behaviour(tok: subtok.Tokenizer) -> list[object]:
    """What two equal tokenizers must agree in."""
    rows = [tok.encode(text) for text in TEXTS]
    return [
        tok.get_vocab(),
        tok.special_tokens,
        [row.ids.tolist() for row in rows],
        [row.tokens for row in rows],
        [row.offsets.tolist() for row in rows],
        [row.word_ids.tolist() for row in rows],
        [row.type_ids.tolist() for row in tok.encode_batch(TEXTS, TEXTS)],
        [tok.decode(row.ids) for row in rows],
        tok.encode_batch(TEXTS, max_length=9, padding="longest").ids.tolist(),
    ]


def digest(tok: subtok.Tokenizer) -> str:
    return hashlib.sha256(pickle.dumps(tok)).hexdigest()


def digest_in_child(tok: subtok.Tokenizer) -> tuple[str, str, list[int]]:
    return digest(tok), tok.fingerprint, tok.encode_batch([CORPUS] * 50, threads=2).ids.tolist()


class TestPickle:
    def test_what_comes_back_is_the_same(self, make):
        tok = make()
        want = behaviour(tok)
        for protocol in PROTOCOLS:
            again = pickle.loads(pickle.dumps(tok, protocol))
            assert behaviour(again) == want
        assert again == tok
        assert hash(again) == hash(tok)
        assert again.fingerprint == tok.fingerprint
        assert again.training_report is None

    def test_bytes_are_those_of_the_content(self, make):
        for protocol in PROTOCOLS:
            first, second = pickle.dumps(make(), protocol), pickle.dumps(make(), protocol)
            assert first == second
            assert pickle.dumps(pickle.loads(first), protocol) == first

    def test_use_changes_no_byte(self, make):
        tok = make()
        before = pickle.dumps(tok)
        behaviour(tok)
        tok.encode_batch([CORPUS] * 300, threads=3)
        tok.info()
        assert pickle.dumps(tok) == before

    def test_copies_share_what_never_changes(self, make):
        tok = make()
        for again in (copy.copy(tok), copy.deepcopy(tok), copy.deepcopy([tok])[0]):
            assert again == tok
            assert behaviour(again) == behaviour(tok)
            assert pickle.dumps(again) == pickle.dumps(tok)

    def test_other_tokenizers_are_others(self, tmp_path):
        made = [make(tmp_path) for make in KINDS.values()]
        assert len({tok.fingerprint for tok in made}) == len(made)
        assert len({pickle.dumps(tok) for tok in made}) == len(made)
        for number, tok in enumerate(made):
            assert made.index(tok) == number

    def test_a_pattern_is_whose_it_is(self, tmp_path):
        # The same words on another engine are another tokenizer.
        ours = ranks(r"\p{L}+|\s+|[^\s\p{L}]+")(tmp_path)
        again = pickle.loads(pickle.dumps(ours))
        assert again == ours
        assert behaviour(again) == behaviour(ours)
        try:
            text = ours.to_str()
        except subtok.UnsupportedError:
            return
        assert subtok.Tokenizer.from_str(text) == ours

    def test_pickles_that_lie_are_typed_errors(self, make):
        load, (text,) = make().__reduce__()
        for broken in ("", "{}", text[:-20], text.replace('"model"', '"modle"'), "\ud800"):
            with pytest.raises(subtok.SubtokError):
                load(broken)
        with pytest.raises(subtok.ArgumentTypeError):
            load(5)

    @pytest.mark.parametrize("path", REAL.values(), ids=REAL)
    def test_files_of_real_models(self, path):
        tok, other = subtok.Tokenizer.from_file(path), subtok.Tokenizer.from_file(path)
        packed = pickle.dumps(tok)
        assert pickle.dumps(other) == packed
        again = pickle.loads(packed)
        assert behaviour(again) == behaviour(tok)
        assert pickle.dumps(again) == packed


def shuffled(value: object, chance: random.Random) -> object:
    """The same JSON with the keys of every object in another order; lists stay as they are."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [shuffled(inner, chance) for inner in value]
    return value


class TestOrder:
    """A file says the same in whatever order its keys stand."""

    @pytest.mark.parametrize("seed", range(3))
    def test_of_keys(self, make, seed):
        tok = make()
        try:
            text = tok.to_str()
        except subtok.UnsupportedError:
            # A pattern without words for a `tokenizer.json`: there is no file to reorder.
            text = pickle.loads(pickle.dumps(tok)).__reduce__()[1][0]
        load = tok.__reduce__()[0]
        document = shuffled(json.loads(text), random.Random(seed))
        for indent in (None, 3):
            for ascii_only in (False, True):
                other = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
                assert other != text
                again = load(other)
                assert again.fingerprint == tok.fingerprint
                assert pickle.dumps(again) == pickle.dumps(tok)
                assert behaviour(again) == behaviour(tok)

    def test_of_merges_as_text(self):
        document = json.loads((SMALL / "small_bpe.json").read_text("utf-8"))
        pairs = [x if isinstance(x, list) else x.split(" ") for x in document["model"]["merges"]]
        forms = []
        for merges in (pairs, [" ".join(pair) for pair in pairs]):
            document["model"]["merges"] = merges
            forms.append(subtok.Tokenizer.from_str(json.dumps(document)))
        assert pickle.dumps(forms[0]) == pickle.dumps(forms[1])
        assert forms[0].fingerprint == forms[1].fingerprint

    def test_of_fields_that_are_not_there(self):
        document = json.loads((SMALL / "small_bpe.json").read_text("utf-8"))
        tok = subtok.Tokenizer.from_str(json.dumps(document))
        for field in ("truncation", "padding", "normalizer", "version"):
            if document.get(field) is None or field == "version":
                document.pop(field, None)
        for field in ("dropout", "unk_token", "fuse_unk", "byte_fallback", "ignore_merges"):
            if not document["model"].get(field):
                document["model"].pop(field, None)
        again = subtok.Tokenizer.from_str(json.dumps(document))
        assert pickle.dumps(again) == pickle.dumps(tok)

    @pytest.mark.parametrize("path", REAL.values(), ids=REAL)
    def test_of_keys_in_real_files(self, path):
        tok = subtok.Tokenizer.from_file(path)
        document = shuffled(json.loads(path.read_text("utf-8")), random.Random(1))
        again = subtok.Tokenizer.from_str(json.dumps(document))
        assert again.fingerprint == tok.fingerprint
        assert pickle.dumps(again) == pickle.dumps(tok)


class TestProcesses:
    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_children_have_the_same(self, tmp_path, method):
        made = [make(tmp_path) for make in KINDS.values()]
        want = [digest_in_child(tok) for tok in made]
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(digest_in_child, made, chunksize=1) == want

    @pytest.mark.parametrize("seed", ["0", "1", "4242"])
    def test_hash_seeds_change_nothing(self, tmp_path, seed):
        want = {name: digest(make(tmp_path)) for name, make in KINDS.items()}
        program = (
            "import json, pathlib, sys, test_pickle as t;"
            "folder = pathlib.Path(sys.argv[1]);"
            "print(json.dumps({k: t.digest(make(folder)) for k, make in t.KINDS.items()}))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        paths = [str(HERE), str(Path(subtok.__file__).parents[1]), *sys.path[1:]]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            check=True,
            env=environment,
            timeout=300,
        )
        assert json.loads(done.stdout) == want

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_fork_while_threads_encode(self, make):
        tok = make()
        want = tok.encode_batch([CORPUS] * 40, threads=2).ids.tolist()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                tok.encode_batch([CORPUS] * 200, threads=2)

        with ThreadPoolExecutor(2) as pool:
            busy = [pool.submit(work) for _ in range(2)]
            try:
                for _ in range(5):
                    child = os.fork()
                    if child == 0:
                        code = 1
                        try:
                            same = tok.encode_batch([CORPUS] * 40, threads=2).ids.tolist() == want
                            code = 0 if same and digest(tok) else 2
                        finally:
                            os._exit(code)
                    assert os.waitpid(child, 0)[1] == 0
            finally:
                stop.set()
            for future in busy:
                future.result()

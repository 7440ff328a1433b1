"""Threads: the same ids for any number of them, however a text is cut, after a fork, too."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import data_files, hear_ctrl_c

import subtok

COUNTS = (1, 2, 3, 4, 8)
LONG = [
    "The quick brown fox, it's said, jumps over 12345 lazy dogs.\n\tNew line; CamelCase don't ",
    "今日は天気がいいので、散歩に行きます。中国文字、标点符号！かなカナ한국어 문장입니다. ",
    "Größe naïve café e\u0301te İstanbul ſchloß 𝔸 😀👨‍👩‍👧 \u3000\u00a0 x\u0301 ",
    "<|endoftext|> [MASK] </s> <s> text<|endoftext|>more [SEP]",
]


def mixed(size: int) -> str:
    parts, length, turn = [], 0, 0
    while length < size:
        part = LONG[turn * 7 % 11 % len(LONG)] * (1 + turn % 5)
        parts.append(part)
        length += len(part.encode())
        turn += 1
    return "".join(parts)


@pytest.fixture(scope="module", params=["bpe", "wordpiece"])
def tok(request):
    return request.getfixturevalue(request.param)


def test_a_long_text_is_the_same_on_any_number_of_threads(tok):
    text = mixed(1_500_000)
    for special in (True, False):
        ids = tok.encode(text, threads=1, add_special_tokens=special).ids
        halves = tok.encode_batch([text], threads=1, add_special_tokens=special).ids
        assert np.array_equal(ids, halves)
        for threads in COUNTS[1:]:
            found = tok.encode(text, threads=threads, add_special_tokens=special).ids
            assert np.array_equal(ids, found)
    # What offsets come with is encoded as a whole.
    encoding = tok.encode(text[:300_000], threads=2)
    assert len(encoding.offsets) == len(encoding.ids)
    assert np.array_equal(encoding.ids, tok.encode(text[:300_000], max_length=10**9).ids)


@pytest.mark.parametrize(
    "path",
    data_files(
        "tokenizers/tokenizer_json/llama2.json",
        "tokenizers/tokenizer_json/gpt2.json",
        "tokenizers/tokenizer_json/bert-base-uncased.json",
        "tokenizers/tokenizer_json/bert-base-chinese.json",
        "tokenizers/tokenizer_json/gpt_neox.json",
        "tokenizers/tokenizer_json/roberta-base.json",
        "tokenizers/tokenizer_json/t5-small.json",
    ),
)
def test_a_long_text_of_real_tokenizers(path):
    tok = subtok.Tokenizer.from_file(path)
    text = mixed(700_000)
    whole = tok.encode(text, max_length=10**9).ids
    for threads in (1, 2, 5):
        assert np.array_equal(whole, tok.encode(text, threads=threads).ids)


def test_hostile_mixes_of_rows(tok):
    rows = ["", "a", mixed(600_000), "", " ", "x" * 300_000, "中" * 100_000, "", mixed(5_000)] * 2
    alone = [tok.encode(row, threads=1).ids for row in rows]
    for threads in COUNTS:
        batch = tok.encode_batch(rows, threads=threads)
        assert len(batch) == len(rows)
        ends = np.cumsum([0, *map(len, alone)])
        assert np.array_equal(batch.row_offsets, ends)
        assert np.array_equal(batch.ids, np.concatenate(alone))
        padded = tok.encode_batch(rows[:3], threads=threads, padding="longest")
        assert len(set(np.diff(padded.row_offsets))) == 1
    assert list(tok.encode_batch(rows[:2] * 3, threads=8).row_offsets) == list(
        tok.encode_batch(rows[:2] * 3, threads=1).row_offsets
    )
    assert len(tok.encode_batch([], threads=8)) == 0


def test_the_first_row_with_an_error_is_named():
    # Words without a token for the unknown are errors.
    json = (
        '{"version":"1.0","added_tokens":[],"normalizer":null,"post_processor":null,"decoder":null,'
        '"pre_tokenizer":{"type":"WhitespaceSplit"},'
        '"model":{"type":"WordLevel","vocab":{"a":0,"b":1},"unk_token":"[UNK]"}}'
    )
    tok = subtok.Tokenizer.from_str(json)
    good = "a b " * 100_000
    first = good + "first" + " a b" * 100_000
    messages = set()
    for threads in COUNTS:
        for rows in ([good, first, good + "second", good], [good, first + " other", good]):
            with pytest.raises(subtok.errors.SubtokError) as error:
                tok.encode_batch(rows, threads=threads)
            messages.add(str(error.value))
    assert len(messages) == 1


def test_python_threads_forks_and_pickles_at_once(tok):
    text = mixed(400_000)
    wanted = tok.encode(text, threads=1).ids
    failed, stop = [], threading.Event()

    def work(threads):
        while not stop.is_set():
            if not np.array_equal(tok.encode(text, threads=threads).ids, wanted):
                failed.append(threads)

    workers = [threading.Thread(target=work, args=(threads,)) for threads in (1, 2, 3)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                # No more of pytest than this: only whether it comes back with the right ids.
                same = np.array_equal(tok.encode(text, threads=2).ids, wanted)
                os._exit(0 if same else 1)
            until = time.monotonic() + 60
            while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
                time.sleep(0.01)
            if done == (0, 0):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            assert done == (child, 0)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not failed
    again = pickle.loads(pickle.dumps(tok))
    assert np.array_equal(again.encode(text, threads=4).ids, wanted)


def test_ctrl_c_ends_long_texts():
    code = """
import os, signal, subtok, threading, time
tok = subtok.Tokenizer.from_str(open(os.environ["TOKENIZER"]).read())
text = "The quick brown fox jumps over the lazy dog, again. " * 1_000_000
def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    while True:
        tok.encode(text, threads=int(os.environ["THREADS"]))
except KeyboardInterrupt:
    print("stopped")
"""
    path = Path(__file__).parents[1] / "data" / "small_bpe.json"
    for threads in ("1", "2"):
        env = os.environ | {"TOKENIZER": str(path), "THREADS": threads}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            check=False,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            preexec_fn=hear_ctrl_c,
        )
        assert done.stdout.split() == ["stopped"], done.stderr


def test_nothing_grows_with_the_number_of_calls(tok):
    tok = pickle.loads(pickle.dumps(tok))
    text = mixed(300_000)
    for _ in range(20):
        tok.encode(text, threads=4)
        tok.encode_batch([text[:1000]] * 600, threads=4)
    assert tok.cache_stats()["caches"] <= 4

"""Parts of `subtok bench`: how text is cut, how results are compared, how it is said."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from subtok.bench import METRICS, as_json, as_markdown, as_text
from subtok.bench.machine import Others, machine
from subtok.bench.processes import Runner
from subtok.bench.run import _alike, _Text
from subtok.bench.scenarios import _digest
from subtok.bench.table import busy, ratio, show, verdict
from subtok.bench.texts import load_part, read_sample, short_texts


def figure(*values):
    middle = sorted(values)[len(values) // 2]
    return {
        "median": middle,
        "min": min(values),
        "max": max(values),
        "values": list(values),
        "reduced": False,
    }


@pytest.fixture
def result():
    text = {
        "reference": "tokenizers",
        "bytes": 48_000_000,
        "documents": 12_000,
        "warm_bytes": 28_800_000,
        "verified_ids": 500_000,
        "figures": {
            "fresh": {
                "subtok": figure(100.0, 90.0, 110.0),
                "a|b": figure(200.0),
                "fast": figure(400.0),
            },
            "load": {"subtok": figure(0.01), "a|b": figure(0.02), "fast": figure(0.001)},
        },
        "details": {
            "subtok": {"bytes": 16e6, "tokens": 4_000_000, "converting": 0.0, "reduced": False},
            "a|b": {"bytes": 16e6, "tokens": 4_000_000, "converting": 0.25, "reduced": False},
        },
        "problems": {
            "fast": {"all": {"kind": "other ids", "message": "id 1 where tokenizers has 2"}},
            "gone": {"all": {"kind": "cannot load", "message": "ValueError: no"}},
        },
        "too_little": {},
    }
    return {
        "schema": "subtok bench 1",
        "tokenizer": {
            "file": "a.json",
            "kind": "tokenizer.json",
            "pattern": None,
            "vocab_size": 9,
            "notes": [],
        },
        "reference": {"library": "tokenizers", "version": "0.23.3", "wanted": "tokenizers"},
        "machine": {**machine(), "others": 0.0},
        "settings": {"rounds": 3, "threads": 1, "seconds": 5.0, "clock": "wall", "cores": [1]},
        "libraries": {
            name: {"version": "1", "note": "arrays"} for name in ("subtok", "a|b", "fast", "gone")
        },
        "texts": {"en": text},
    }  # fmt: skip


def test_wrong_ids_are_not_in_the_ratio(result):
    text = result["texts"]["en"]
    assert ratio(text, "fresh") == (0.5, "a|b")
    assert ratio(text, "load") == (2.0, "a|b")
    assert verdict(text, "fresh") == "0.50x a|b (behind)"
    assert verdict(text, "load") == "2.00x a|b"
    text["problems"]["subtok"] = {"stream": {"kind": "crash", "message": "signal 11"}}
    assert verdict(text, "fresh") == "best: a|b"
    assert verdict(text, "load") == "2.00x a|b"
    text["problems"]["a|b"] = text["problems"]["fast"]
    assert verdict(text, "load") == "-"


def test_the_table_says_where_we_are_behind(result):
    shown = as_text(result)
    assert "subtok is behind in: en: fresh" in shown
    assert "100.0 (90.0-110)" in shown.replace("  ", " ") or "100 (90.0-110)" in shown
    assert "gone cannot load this tokenizer: ValueError: no" in shown
    assert "fast: other ids: id 1 where tokenizers has 2" in shown
    assert "a|b: making arrays is up to 25% of its time for fresh" in shown
    assert shown.count("other ids") == 3
    page = as_markdown(result)
    assert "a\\|b" in page.split("### en")[1]
    assert all(line.count(" | ") == 4 for line in page.splitlines() if line.startswith("| "))
    assert as_json(result).endswith("}\n")


def test_a_busy_machine_is_named(result):
    assert busy(result) == ""
    result["machine"]["others"] = 1.24
    assert "other work kept 1.2 of" in busy(result)
    assert "trust ratios, not seconds" in as_text(result)
    result["machine"] |= {"others": None, "load": 3.0}
    assert "load average 3.0" in busy(result)


def test_others_do_not_count_us():
    others = Others()
    sum(range(3_000_000))
    found = others.busy()
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("value", "shown"), [(0.012345, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1234.4, "1,234")]
)
def test_three_digits(value, shown):
    assert show(value) == shown


def test_shorter_samples_are_held_against_longer_ones():
    ids = np.arange(400_000, dtype=np.uint32)
    other = ids.copy()
    other[100] += 1

    def said(some, size):
        return {"bytes": size, "ids": list(_digest(some))}

    whole = said(ids, 1_600)
    assert _alike(whole, copy.deepcopy(whole))
    assert _alike(whole, said(ids[:390_000], 1_560))
    assert _alike(whole, said(ids[:150_000], 600))
    assert not _alike(whole, said(other, 1_600))
    assert not _alike(whole, said(other[:390_000], 1_560))
    assert not _alike(whole, said(ids[:390_000], 1_600))
    # Too short for a whole step: nothing is known.
    assert _alike(whole, said(other[:1_000], 4))


def test_results_are_held_against_the_reference_and_then_against_ours():
    ids = np.arange(400_000, dtype=np.uint32)
    early, late = ids.copy(), ids.copy()
    early[100] += 1
    late[-1] += 1
    given = SimpleNamespace(path="some/where/tokenizer.json")
    around = SimpleNamespace(folder=Path("scratch"), given=given)
    text = _Text(around, None, {}, {}, reference="tokenizers")

    def said(**found):
        text.problems.clear()
        text.digests["stream"] = {
            name: {"bytes": len(some), "ids": list(_digest(some))} for name, some in found.items()
        }
        text.hold("stream")
        return sorted(text.problems)

    # The reference is slow: it has seen the first half.
    half = ids[:200_000]
    assert said(tokenizers=half, subtok=ids, a=ids) == []
    assert said(tokenizers=half, subtok=ids, a=early, b=late) == ["a", "b"]
    assert said(tokenizers=half, subtok=early, a=early, b=ids) == ["a", "subtok"]
    assert said(subtok=ids, a=late) == ["a"]
    assert said(a=late, b=ids) == []
    text.digests["decode"] = {"tokenizers": "x", "subtok": "x", "a": "y"}
    text.hold("decode")
    assert text.problems["a"]["decode"]["kind"] == "other text"
    text._problem("b", "all", "cannot load", "not so: some/where/tokenizer.json, scratch/x.json")
    assert text.problems["b"]["all"]["message"] == "not so: tokenizer.json, x.json"


def test_samples_keep_every_byte(tmp_path):
    text = "".join(f"line {n} ünï 漢字\n" for n in range(30_000)) + "x" * 50_000 + "\nend"
    path = tmp_path / "t.txt"
    path.write_text(text, "utf-8")
    sample = read_sample("t", path, "blocks", "text", warm=10**9, timed=10**9)
    assert "".join(sample.documents) == text
    assert sample.bytes == len(text.encode())
    sizes = [len(x.encode()) for x in sample.documents]
    assert max(sizes) <= 4 * 4 * 4096
    assert sample.timed == len(sample.documents)
    assert 0.55 < sum(sizes[: sample.warm]) / sum(sizes) <= 0.6
    saved = sample.save(tmp_path)
    for part in ("stream", "verify", "cold", "decode"):
        for first, last in sample.part(part).values():
            assert load_part(saved, [first, last]) == sample.documents[first:last]


def test_only_as_much_is_read_as_is_used(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("0123456789\n" * 20_000, "utf-8")
    sample = read_sample("t", tmp_path, "blocks", "text", warm=100_000, timed=50_000)
    assert 150_000 <= sample.bytes < 170_000
    first, last = sample.part("stream")["timed"]
    assert 50_000 <= sum(len(x) for x in sample.documents[first:last]) < 60_000


@pytest.mark.parametrize("size", [0, 1, 5, 63_999, 64_000, 499_999, 500_000, 1_000_000])
def test_small_texts_have_parts(tmp_path, size):
    path = tmp_path / "t.txt"
    path.write_text("abcdefghi\n" * (size // 10) + "x" * (size % 10), "utf-8")
    sample = read_sample("t", path, "blocks", "text", warm=10**7, timed=10**7)
    assert sample.bytes == size
    missing = sample.too_little(list(METRICS))
    assert ("fresh" in missing) == (size < 500_000)
    assert ("cold64k" in missing) == (size < 64_000)
    assert "load" not in missing
    if size:
        saved = sample.save(tmp_path)
        for part in ("stream", "verify", "cold", "short", "offsets"):
            for span in sample.part(part).values():
                assert load_part(saved, span) == sample.documents[slice(*span)]


def test_a_process_that_hangs_is_ended():
    job = {"threads": 1, "library": "subtok"}
    found = Runner(0.01).run(job)
    assert found == {"kind": "hangs", "error": "no result after 0.01 s"}
    # And one that dies says so: this is no job.
    assert Runner(120).run(job)["kind"] == "crash"


def test_short_texts_never_end_in_white_space():
    found = short_texts(["a \n  é" * 50, "漢字" * 30], 20, 15)
    assert found
    assert all(x == x.strip() and 0 < len(x.encode()) <= 20 for x in found)

"""Well-known tokenizers on four kinds of text, beside every library that is installed.

    python benches/compare/encode.py [--data FOLDER] [--quick] [--only cl100k] [--out FILE]
    python benches/compare/readme_table.py

It is `subtok bench` over the tokenizers and texts of the data folder; the second program writes the
tables of the README and of the documentation out of the result. What has been measured with this
build of subtok and these settings is in the result file already and is not measured again, so that
a run that was interrupted goes on where it was; `--again` measures everything.

Cold, fresh and replay are measured on all texts, the rest on English alone. `--quick` is for trying
it out: one round, less text; its result says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from _shared import RESULTS, TEXTS, default_data, write

from subtok import _subtok
from subtok.bench import SCENARIOS, Settings, as_text, bench
from subtok.bench.peers import version

SCHEMA = "subtok encode 1"
# By the name in the tables: the file, and the split pattern of a rank file.
TOKENIZERS = {
    "cl100k": ("tiktoken/cl100k_base.tiktoken", "cl100k_base"),
    "o200k": ("tiktoken/o200k_base.tiktoken", "o200k_base"),
    "gpt2": ("tokenizer_json/gpt2.json", ""),
    "bert": ("tokenizer_json/bert-base-uncased.json", ""),
    "llama2": ("tokenizer_json/llama2.json", ""),
}
EVERYWHERE = ("cold", "fresh", "replay")
# Each of these takes many measurements within its process.
ONCE = ("short", "decode", "offsets", "threads")
FULL = Settings(scenarios=EVERYWHERE, rounds=3, once=ONCE, threads=2, seconds=0.6)
QUICK = replace(FULL, rounds=1, seconds=0.3, warm=3_000_000, timed=2_000_000)


def build() -> str:
    """Which build of subtok this is: its version and a digest of the extension."""
    digest = hashlib.sha256(Path(str(_subtok.__file__)).read_bytes()).hexdigest()[:12]
    return f"{version('subtok')} {digest}"


def settings_of(base: Settings, text: str, pattern: str, clock: str) -> Settings:
    """What is measured on one text."""
    scenarios = SCENARIOS if text == "en" else EVERYWHERE
    return replace(base, scenarios=scenarios, pattern=pattern or base.pattern, clock=clock)


def same(old: dict[str, Any], settings: Settings, made: str) -> bool:
    """Whether a result was measured with this build and these settings."""
    wanted = json.loads(json.dumps(asdict(settings)))
    return bool(old.get("build") == made and old.get("asked") == wanted)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument(
        "--only", default="", help="pairs like cl100k/en that match this expression"
    )
    parser.add_argument("--quick", action="store_true", help="one round, on less text")
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--out", type=Path, default=RESULTS / "encode.json")
    given = parser.parse_args()
    made = build()
    result = json.loads(given.out.read_text("utf-8")) if given.out.exists() else {}
    runs: dict[str, Any] = result.get("runs", {})
    begun = time.monotonic()
    for name, (file, pattern) in TOKENIZERS.items():
        for text in TEXTS:
            key = f"{name}/{text}"
            base = QUICK if given.quick else FULL
            settings = settings_of(base, text, pattern, given.clock)
            known = not given.again and same(runs.get(key, {}), settings, made)
            if known or not re.search(given.only, key):
                continue
            source = given.data / "bench" / f"{text}.txt.zst"
            found = bench(given.data / "tokenizers" / file, {text: source}, settings)
            runs[key] = {"build": made, "quick": given.quick, "asked": asdict(settings), **found}
            # In the order of the tables, whatever was measured first.
            order = [f"{a}/{b}" for a in TOKENIZERS for b in TEXTS if f"{a}/{b}" in runs]
            write(given.out, {"schema": SCHEMA, "runs": {x: runs[x] for x in order}})
            print(as_text(found), flush=True)
            print(f"{key}: {time.monotonic() - begun:.0f} s so far", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

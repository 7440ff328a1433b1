"""Speed of a tokenizer, beside the other libraries that are installed: `subtok bench`.

Ids are verified first; every figure comes from a fresh process. `bench` returns all figures,
`as_text`, `as_markdown` and `as_json` show them.
"""

from __future__ import annotations

from subtok.bench.metrics import METRICS, SCENARIOS
from subtok.bench.peers import LIBRARIES
from subtok.bench.run import SCHEMA, Settings, bench
from subtok.bench.table import as_json, as_markdown, as_text

__all__ = [
    "LIBRARIES",
    "METRICS",
    "SCENARIOS",
    "SCHEMA",
    "Settings",
    "as_json",
    "as_markdown",
    "as_text",
    "bench",
]

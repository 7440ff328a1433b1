"""What can be measured: the figures, and which process measures each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METRICS", "MIN_BYTES", "SCENARIOS", "SHORT_SIZES", "Metric", "groups"]

MB = 1_000_000


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        scenario: What a user asks for by name; a scenario may have several figures.
        group: What is measured in one process: replay follows fresh text, cold text loading.
        unit: Of MB/s more is better, of anything else less.
        label: The name of the row.
    """

    scenario: str
    group: str
    unit: str
    label: str

    @property
    def more_is_better(self) -> bool:
        """Whether a greater figure is the better one."""
        return self.unit == "MB/s"


METRICS = {
    "cold64k": Metric("cold", "cold", "MB/s", "cold, first 64 kB"),
    "cold1m": Metric("cold", "cold", "MB/s", "cold, first 1 MB"),
    "fresh": Metric("fresh", "stream", "MB/s", "fresh"),
    "replay": Metric("replay", "stream", "MB/s", "replay"),
    "threads": Metric("threads", "threads", "MB/s", "fresh, {threads} threads"),
    "short20": Metric("short", "short", "ns", "call on 20 bytes"),
    "short140": Metric("short", "short", "ns", "call on 140 bytes"),
    "short1k": Metric("short", "short", "ns", "call on 1 kB"),
    "decode": Metric("decode", "decode", "MB/s", "decode, one by one"),
    "decode_batch": Metric("decode", "decode", "MB/s", "decode, as a batch"),
    "offsets": Metric("offsets", "offsets", "MB/s", "ids and offsets"),
    "load": Metric("load", "cold", "s", "load"),
    "memory_load": Metric("memory", "stream", "MB", "memory after loading"),
    "memory_fresh": Metric("memory", "stream", "MB", "memory after fresh"),
}
SCENARIOS = tuple(dict.fromkeys(metric.scenario for metric in METRICS.values()))
SHORT_SIZES = {"short20": 20, "short140": 140, "short1k": 1024}
# So many calls of each size at least: fewer distinct texts would be a replay of very few pieces.
SHORT_TEXTS = 20
# The text that a figure needs, in bytes. What is measured on less is the noise of the clock.
MIN_BYTES = {
    "cold64k": 64_000,
    "cold1m": MB,
    "fresh": 500_000,
    "replay": 500_000,
    "threads": 500_000,
    "memory_fresh": 500_000,
    "decode": 64_000,
    "decode_batch": 64_000,
    "offsets": 100_000,
    **{name: SHORT_TEXTS * size for name, size in SHORT_SIZES.items()},
}


def groups(names: list[str]) -> list[str]:
    """The processes that measure these figures."""
    return list(dict.fromkeys(METRICS[name].group for name in names))

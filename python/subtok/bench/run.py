"""The order of a measurement: ids are verified first, then the libraries take turns."""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok.bench.given import given, open_subtok
from subtok.bench.machine import Others, machine
from subtok.bench.metrics import METRICS, groups
from subtok.bench.peers import LIBRARIES, NOTES, WITH_OFFSETS, installed, version
from subtok.bench.processes import Runner, cores
from subtok.bench.texts import VERIFY_COUNT, all_short, read_sample
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from subtok._text import Rows, StrPath
    from subtok.bench.given import Given
    from subtok.bench.texts import Sample

    Progress = Callable[[str, int, int], None]

__all__ = ["SCHEMA", "Settings", "bench"]

SCHEMA = "subtok bench 1"
_EXCERPT = 12
# Of these results there is one right form, and a digest says whether a library has it.
_DIGESTED = {"decode": "other text", "offsets": "other offsets"}


@dataclass(frozen=True)
class Settings:
    """What to measure, and how.

    Attributes:
        scenarios: Names of `SCENARIOS`.
        libraries: Names of `LIBRARIES`; those that are not installed are left out, unless none was
            named here.
        peers: Further libraries, `MODULE:FUNCTION` by name; see `peers`.
        rounds: How often everything is measured; figures are medians.
        once: Scenarios for which one round is enough.
        threads: Threads of the scenario `threads`.
        seconds: How long a slow library may warm up, and run in each timed part.
        timeout: Seconds after which a process counts as hanging.
        clock: `wall`, or `cpu` for the processor's time.
        warm: The most bytes of text to warm up on.
        timed: The most bytes of text to time at once.
        rows: What a row of a plain text file is.
        column: The JSON field or Parquet column of the text.
        pattern: The split pattern of a rank file.
        cased: Whether a `vocab.txt` is read as a cased one.
    """

    scenarios: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 3
    once: tuple[str, ...] = ()
    threads: int = 1
    seconds: float = 5.0
    timeout: float = 300.0
    clock: str = "wall"
    warm: int = 32_000_000
    timed: int = 16_000_000
    rows: Rows = "blocks"
    column: str = "text"
    pattern: str = "cl100k_base"
    cased: bool = False

    def libs(self) -> list[str]:
        """The libraries that are measured, ours first."""
        if self.libraries:
            return [*dict.fromkeys([*self.libraries, *self.peers])]
        return [*(name for name in LIBRARIES if installed(name)), *self.peers]

    def figures(self) -> list[str]:
        """The rows of the table."""
        names = [name for name, metric in METRICS.items() if metric.scenario in self.scenarios]
        return [name for name in names if name != "threads" or self.threads > 1]


def bench(
    tokenizer: StrPath,
    texts: Mapping[str, StrPath],
    settings: Settings,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure libraries on texts.

    Args:
        tokenizer: The file.
        texts: Files or folders by name; each gets a table.
        settings: What to measure, and how.
        progress: Called with (phase, done, total).

    Returns:
        All figures, in the form that `docs/guide/bench.md` describes; see `table` for showing them.

    Raises:
        ArgumentError: A text is empty.
        FileError: A file cannot be read.
        FormatError: It is no tokenizer.
    """
    with tempfile.TemporaryDirectory(prefix="subtok-bench-") as scratch:
        return _Bench(tokenizer, settings, Path(scratch), progress).run(texts)


class _Bench:
    """One tokenizer on all texts."""

    def __init__(
        self, tokenizer: StrPath, settings: Settings, folder: Path, progress: Progress | None
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.given: Given = given(tokenizer, settings.pattern, folder, cased=settings.cased)
        self.form = self.given.to_dict()
        self.tok = open_subtok(self.form)
        self.libs = settings.libs()
        self.runner = Runner(settings.timeout)
        self.progress = progress
        self.done = self.total = 0

    def run(self, texts: Mapping[str, StrPath]) -> dict[str, Any]:
        """Everything; texts one after the other."""
        before, others = machine(), Others()
        figures = self.settings.figures()
        self.total = len(texts) * len(self.libs) * (1 + self.settings.rounds * len(groups(figures)))
        found = {name: self._text(name, source, figures) for name, source in texts.items()}
        references = {text["reference"] for text in found.values()}
        wanted = self.given.reference
        reference = wanted if references == {wanted} else "subtok"
        names = dict.fromkeys([*self.libs, reference])
        return {
            "schema": SCHEMA,
            "tokenizer": {
                "file": Path(self.given.path).name,
                "kind": self.given.kind,
                "pattern": self.given.pattern if self.given.kind == "ranks" else None,
                "vocab_size": self.tok.vocab_size,
                "notes": self.given.notes,
            },
            "reference": {
                "library": reference,
                "version": version(reference),
                "wanted": wanted,
            },
            "machine": {**before, "others": others.busy()},
            "settings": {
                "scenarios": list(self.settings.scenarios),
                "rounds": self.settings.rounds,
                "threads": self.settings.threads,
                "seconds": self.settings.seconds,
                "clock": self.settings.clock,
                "warm": self.settings.warm,
                "timed": self.settings.timed,
                "rows": self.settings.rows,
                "cores": cores(1),
            },
            "libraries": {
                name: {"version": version(name), "note": NOTES.get(name, "given by --peer")}
                for name in names
                if name in self.settings.peers or installed(name)
            },
            "texts": found,
        }

    def _text(self, name: str, source: StrPath, figures: list[str]) -> dict[str, Any]:
        settings = self.settings
        sample = read_sample(
            name,
            source,
            settings.rows,
            settings.column,
            warm=settings.warm,
            timed=settings.timed,
        )
        if not sample.bytes:
            raise ArgumentError(f"{name} holds no text")
        text = _Text(self, sample, sample.save(self.folder), sample.too_little(figures))
        text.verify()
        wanted = [x for x in figures if x not in text.too_little]
        for round_ in range(settings.rounds):
            often = [x for x in wanted if not round_ or METRICS[x].scenario not in settings.once]
            for group in groups(often):
                text.time(group, [x for x in often if METRICS[x].group == group], round_)
        for group in groups(wanted):
            text.hold(group)
        return text.result()

    def tell(self, what: str) -> None:
        """Progress: another process is about to start."""
        if self.progress is not None:
            self.progress(what, self.done, max(self.total, self.done + 1))
        self.done += 1


@dataclass
class _Text:
    """One tokenizer on one text."""

    bench: _Bench
    sample: Sample
    paths: dict[str, str]
    too_little: dict[str, str]
    reference: str = ""
    verified: int = 0
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    slow: set[tuple[str, str]] = field(default_factory=set)
    digests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def job(self, library: str, group: str, figures: list[str], **more: Any) -> dict[str, Any]:
        """Run a process."""
        self.bench.tell(f"{self.sample.name}, {group}: {library}")
        settings = self.bench.settings
        threads = settings.threads if group == "threads" else 1
        return self.bench.runner.run(
            {
                "library": library,
                "custom": settings.peers.get(library),
                "form": self.bench.form,
                "group": group,
                "figures": figures,
                "paths": self.paths,
                "ranges": self.sample.part(group),
                "threads": threads,
                "cores": cores(threads),
                "seconds": settings.seconds,
                "clock": settings.clock,
                **more,
            }
        )

    def verify(self) -> None:
        """Hold the ids of every library against the reference's."""
        ranges = self.sample.part("verify")
        expected = self.bench.folder / "expected.npy"
        wanted = self.bench.given.reference
        truth: dict[str, Any] = {"error": "not installed"}
        if installed(wanted):
            truth = self.job(wanted, "verify", [], save=str(expected), rows=True)
        self.reference = wanted
        if "error" in truth:
            if wanted in self.bench.libs:
                self._problem(wanted, "all", truth.get("kind", "cannot load"), truth["error"])
            self.reference = "subtok"
            truth = self.job("subtok", "verify", [], save=str(expected), rows=True)
        if "error" in truth:
            self._problem("subtok", "all", truth["kind"], truth["error"])
            return
        ids = np.load(expected)
        self.verified = len(ids)
        texts = [
            text
            for part in ("timed", "warm")
            for text in self.sample.documents[slice(*ranges[part])]
        ] + all_short(self.sample.documents[slice(*ranges["short"])], VERIFY_COUNT)
        for library in self.bench.libs:
            if library == self.reference or library in self.problems:
                continue
            candidate = self.bench.folder / "candidate.npy"
            found = self.job(library, "verify", [], save=str(candidate), rows=False)
            if "error" in found:
                self._problem(
                    library, "all", _KINDS.get(found["kind"], found["kind"]), found["error"]
                )
            elif difference := self._difference(ids, np.load(candidate), truth["ends"], texts):
                self._problem(library, "all", "other ids", difference)

    def time(self, group: str, figures: list[str], round_: int) -> None:
        """One round of one group; another library begins each time."""
        libs = [x for x in self.bench.libs if "all" not in self.problems.get(x, {})]
        if group == "offsets":
            libs = [x for x in libs if x in WITH_OFFSETS]
        turn = round_ % len(libs) if libs else 0
        for library in libs[turn:] + libs[:turn]:
            if group in self.problems.get(library, {}) or (library, group) in self.slow:
                continue
            found = self.job(library, group, figures)
            if "error" in found:
                kind = _KINDS.get(found["kind"], found["kind"])
                self._problem(library, group, kind, found["error"])
                continue
            for name in figures:
                value = found["figures"].get(name)
                if value is not None:
                    self.values.setdefault(name, {}).setdefault(library, []).append(value)
            if found.get("reduced"):
                self.slow.add((library, group))
            if "digest" in found:
                self.digests.setdefault(group, {})[library] = found["digest"]
            if group == "stream":
                keys = ("bytes", "tokens", "converting", "reduced")
                self.details[library] = {key: found[key] for key in keys}

    def result(self) -> dict[str, Any]:
        """What the report says of this text."""
        return {
            "reference": self.reference,
            "bytes": self.sample.bytes,
            "documents": len(self.sample.documents),
            "warm_bytes": int(self.sample.ends[self.sample.warm - 1]) if self.sample.warm else 0,
            "verified_ids": self.verified,
            "figures": {
                name: {library: self._figure(name, library) for library in self.values[name]}
                for name in METRICS
                if name in self.values
            },
            "details": self.details,
            "problems": self.problems,
            "too_little": self.too_little,
        }

    def _figure(self, name: str, library: str) -> dict[str, Any]:
        # More digits would be noise.
        values = [float(f"{value:.5g}") for value in self.values[name][library]]
        return {
            "median": statistics.median(values),
            "min": min(values),
            "max": max(values),
            "values": values,
            "reduced": (library, METRICS[name].group) in self.slow,
        }

    def hold(self, group: str) -> None:
        """Hold results of the timed calls against each other.

        First against the reference's, as far as it had time to go, then against ours.
        """
        found = self.digests.get(group, {})
        what = _DIGESTED.get(group)
        for base in (self.reference, "subtok"):
            if base not in found or group in self.problems.get(base, {}):
                continue
            for library, digest in found.items():
                wrong = group in self.problems.get(library, {})
                same = _alike(found[base], digest) if what is None else digest == found[base]
                if not wrong and not same:
                    text = "in the timed text" if what is None else "for the ids of this text"
                    message = f"not what {base} gives {text}"
                    self._problem(library, group, what or "other ids", message)

    def _problem(self, library: str, where: str, kind: str, message: str) -> None:
        # Names of files, and not where they lie: reports are passed on.
        for folder in (self.bench.folder, Path(self.bench.given.path).parent):
            if folder != Path():
                message = message.replace(f"{folder}{os.sep}", "")
        self.problems.setdefault(library, {})[where] = {"kind": kind, "message": message}

    def _difference(self, expected: Any, got: Any, ends: list[int], texts: list[str]) -> str:
        """Where ids part, in words; nothing when they are equal."""
        if np.array_equal(expected, got):
            return ""
        shorter = min(len(expected), len(got))
        places = np.nonzero(expected[:shorter] != got[:shorter])[0]
        place = int(places[0]) if len(places) else shorter
        number = min(int(np.searchsorted(ends, place, side="right")), len(texts) - 1)
        start = ends[number - 1] if number else 0
        shown = [str(ids[place]) if place < len(ids) else "none" for ids in (got, expected)]
        spans = self.bench.tok.encode(texts[number], add_special_tokens=False).offsets
        within = place - start
        at = int(spans[within][0]) if within < len(spans) else len(texts[number])
        cut = texts[number][max(0, at - _EXCERPT) : at + _EXCERPT]
        return (
            f"id {shown[0]} where {self.reference} has {shown[1]}, at {cut!r}, "
            f"text {number}, character {at}, id {within} of it"
        )


_KINDS = {"wrong": "other ids"}


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the ids of two samples are equal as far as both go; see `scenarios`."""
    if one["bytes"] == other["bytes"]:
        return bool(one["ids"] == other["ids"])
    # The last digest is that of where a sample ends.
    shorter = min(len(one["ids"]), len(other["ids"])) - 1
    return bool(one["ids"][:shorter] == other["ids"][:shorter])

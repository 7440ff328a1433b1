"""The whole road on real text: train, save, encode, decode, verify, compare, embed.

`make demo` runs this on the texts in `examples/text/` and the repository's own source code;
`make demo TEXT=path` runs it on a file or folder of yours. Every step prints one line; what they
make lies in `demo-out/`. Exit codes are those of the command line: 0 done, 1 a difference was
found, 2 wrong usage, 3 a bad file, 130 interrupted.
"""

from __future__ import annotations

import argparse
import codecs
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import subtok
from subtok.compare import read_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = {"en": "English", "de": "German", "ko": "Korean", "zh": "Chinese"}
PACKED = (".gz", ".zst", ".jsonl", ".ndjson", ".parquet")
# Enough to prove and to compare on; a corpus of gigabytes is not read whole for it.
SAMPLE_CHARACTERS = 4_000_000


class UsageError(Exception):
    """What the caller gave cannot be used."""


@dataclass
class Corpus:
    """Files by the name of the group they are compared in."""

    groups: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """All files, in order."""
        return [path for group in self.groups.values() for path in group]

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(path.stat().st_size for path in self.paths)

    def sample(self) -> dict[str, list[str]]:
        """Texts of each group, cut to an equal share of what is looked at."""
        share = SAMPLE_CHARACTERS // len(self.groups)
        found = {}
        for name, paths in self.groups.items():
            rows, size = [], 0
            for path in paths:
                for _, blocks in read_texts([path], "blocks", "text"):
                    for block in blocks:
                        if size < share:
                            rows.append(block)
                            size += len(block)
                if size >= share:
                    break
            if rows:
                found[name] = rows
        return found


def main() -> int:
    """Parse the command line, run, and turn errors into one line and an exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", help="a file or folder of text; else our own examples")
    parser.add_argument("--out", default="demo-out", help="folder for the results")
    parser.add_argument("--vocab-size", type=int, default=12_000)
    given = parser.parse_args()
    try:
        return run(corpus_of(given.text), Path(given.out), given.vocab_size)
    except (UsageError, subtok.ArgumentError, subtok.MissingDependencyError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except (subtok.SubtokError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130


def corpus_of(given: str | None) -> Corpus:
    """The files that are meant, each checked to be text."""
    corpus = Corpus()
    if given is None:
        for path in sorted((ROOT / "examples" / "text").glob("*.txt")):
            corpus.groups.setdefault(LANGUAGES[path.name[:2]], []).append(path)
        code = [*sorted((ROOT / "src").rglob("*.rs")), *sorted((ROOT / "python").rglob("*.py"))]
        corpus.groups["code"] = code
    else:
        path = Path(given)
        if not path.exists():
            raise UsageError(f"there is no file or folder {given}")
        files = [path]
        if path.is_dir():
            inside = (x for x in sorted(path.rglob("*")) if x.is_file())
            files = [x for x in inside if not any(p[0] == "." for p in x.relative_to(path).parts)]
        if not files:
            raise UsageError(f"the folder {given} holds no files")
        corpus.groups[path.name or "text"] = files
    if not corpus.size:
        raise UsageError(f"there is no text in {given}: every file is empty")
    for path in corpus.paths:
        check_text(path)
    return corpus


def check_text(path: Path) -> None:
    """See that a plain file is UTF-8 text before any work is done on it."""
    if path.name.endswith(PACKED):
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk, final=len(chunk) < 1 << 20)
            except UnicodeDecodeError as error:
                raise subtok.TextError(f"{path} is not UTF-8 text ({error.reason})") from None


@contextmanager
def step(title: str) -> Iterator[list[str]]:
    """Print one line about what the block did, and how long it took."""
    said: list[str] = []
    start = time.perf_counter()
    yield said
    seconds = time.perf_counter() - start
    print(f"{title:<11}{'; '.join(said)}  [{seconds:.2f} s]", flush=True)


def run(corpus: Corpus, out: Path, vocab_size: int) -> int:
    """All steps, in order."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}") from None
    paths = list(map(str, corpus.paths))
    counted = ", ".join(f"{name} {len(inside)}" for name, inside in corpus.groups.items())
    files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
    print(f"{'corpus':<11}{corpus.size:,} bytes in {files} ({counted})")

    with step("train BPE") as said:
        bpe = subtok.train_bpe(paths, vocab_size=vocab_size, pretokenizer="gpt2")
        said.append(f"byte-level, split as GPT-2 does: {bpe.vocab_size:,} tokens")
    with step("train WP") as said:
        # Thousands of Chinese characters would else crowd out the words.
        wordpiece = subtok.train_wordpiece(
            paths, vocab_size=vocab_size, lowercase=False, limit_alphabet=vocab_size // 3
        )
        said.append(f"WordPiece as BERT has it, cased: {wordpiece.vocab_size:,} tokens")
    with step("save") as said:
        for name, tok in (("bpe", bpe), ("wordpiece", wordpiece)):
            path = out / name / "tokenizer.json"
            path.parent.mkdir(exist_ok=True)
            tok.save(path)
            if subtok.Tokenizer.from_file(path).fingerprint != tok.fingerprint:
                print(f"demo: {path} does not give back the tokenizer", file=sys.stderr)
                return 1
            said.append(f"{path} ({path.stat().st_size:,} bytes)")
        said.append("both read back equal")

    encode(bpe, paths, out)
    if not decode(bpe, corpus, out):
        return 1
    sample = corpus.sample()
    if not verify({"BPE": bpe, "WordPiece": wordpiece}, sample):
        return 1
    compare({"BPE gpt2": bpe, "WordPiece": wordpiece}, sample, paths, out)
    embed(bpe, sample, out)
    return 0


def encode(tok: subtok.Tokenizer, paths: list[str], out: Path) -> None:
    """The corpus to a shard of ids."""
    with step("encode") as said:
        manifest = subtok.data.encode_files(tok, paths, out / "shards", overwrite=True)
        totals = manifest["totals"]
        said.append(f"{totals['rows']:,} lines to {totals['tokens']:,} ids in {out / 'shards'}")
        said.append(f"{totals['bytes'] / max(totals['tokens'], 1):.2f} bytes per token")


def decode(tok: subtok.Tokenizer, corpus: Corpus, out: Path) -> bool:
    """The shard back to text, compared line by line with the files."""
    with step("decode") as said:
        shards = iter(subtok.data.Shards(out / "shards"))
        lines = 0
        for path in corpus.paths:
            wanted = lines_of(path)
            got = tok.decode_batch(list(islice(shards, len(wanted))), skip_special_tokens=False)
            if got != wanted:
                place = next(
                    (i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
                    min(len(got), len(wanted)),
                )
                said.append(f"DIFFERENT from {path} at line {place + 1}")
                return False
            lines += len(wanted)
        if next(shards, None) is not None:
            said.append("DIFFERENT: the shard holds more rows than the files have lines")
            return False
        said.append(f"{lines:,} lines, every one equal to the file it came from")
    return True


def lines_of(path: Path) -> list[str]:
    """The lines of a file, read here and not by subtok: it is the check of subtok."""
    if path.name.endswith(PACKED):
        return [row for _, rows in read_texts([path], "lines", "text") for row in rows]
    lines = path.read_bytes().decode().split("\n")
    return lines if lines[-1] else lines[:-1]


def verify(tokenizers: dict[str, subtok.Tokenizer], sample: dict[str, list[str]]) -> bool:
    """Ids, tokens, offsets and the rest against Hugging Face tokenizers."""
    for name, tok in tokenizers.items():
        with step("verify") as said:
            # Every code point besides, as `subtok verify` does it, takes longest by far.
            result = subtok.verify(tok, against="tokenizers", texts=sample, code_points=False)
            said.append(f"{name} against {result.reference}")
            compared, texts = sum(result.comparisons.values()), sum(result.texts.values())
            said.append(f"{compared:,} comparisons on {texts:,} texts")
            said.append(f"{sum(result.differing.values())} differences")
        if not result.ok:
            print(*result.differences[:5], sep="\n", file=sys.stderr)
            return False
    return True


def compare(
    tokenizers: dict[str, subtok.Tokenizer],
    sample: dict[str, list[str]],
    paths: list[str],
    out: Path,
) -> None:
    """Two vocabularies, and two ways of splitting, side by side."""
    with step("compare") as said:
        size = tokenizers["BPE gpt2"].vocab_size
        other = subtok.train_bpe(paths, vocab_size=size, pretokenizer="cl100k_base")
        report = subtok.compare({**tokenizers, "BPE cl100k": other}, sample)
        (out / "compare.md").write_text(report.to_markdown(), encoding="utf-8")
        (out / "compare.json").write_text(report.to_json(), encoding="utf-8")
        said.append(f"with a third, split as cl100k does; {out / 'compare.md'}, compare.json")
    print(report.to_text())


def embed(tok: subtok.Tokenizer, sample: dict[str, list[str]], out: Path) -> None:
    """A batch of ids to vectors."""
    with step("embed") as said:
        texts = list(islice((text for rows in sample.values() for text in rows), 64))
        ids = tok.encode_batch(texts, max_length=512).padded(length=512)["input_ids"]
        embedding = subtok.FactorizedEmbedding(tok.vocab_size, 128, 768, seed=0)
        start = time.perf_counter()
        rows = embedding(ids)
        milliseconds = 1e3 * (time.perf_counter() - start)
        embedding.save(out / "embedding.safetensors")
        said.append(
            f"ids {ids.shape} to rows {rows.shape} {rows.dtype} in {milliseconds:.1f} ms "
            f"({len(np.unique(ids)):,} distinct ids); {out / 'embedding.safetensors'}"
        )


if __name__ == "__main__":
    sys.exit(main())

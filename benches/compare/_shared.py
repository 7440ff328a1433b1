"""What the programs of this folder share: where data lie, what results say, what is loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from subtok.bench.machine import machine as bare_machine
from subtok.bench.peers import installed, read_ranks, tiktoken_pattern, version

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
TEXTS = {"en": "English", "code": "code", "ml": "multilingual", "cjk": "CJK"}
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# By the name of a rank file: what subtok calls its pattern, and who describes it in tiktoken.
RANKS = {
    "r50k_base": "r50k_base",
    "cl100k_base": "cl100k_base",
    "o200k_base": "o200k_base",
    "llama3": None,
}
LIBRARIES = ("subtok", "tokenizers", "tiktoken", "sentencepiece", "numpy")
THREADS = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "SUBTOK_NUM_THREADS": "1"}


def default_data() -> Path:
    """The folder that `SUBTOK_DATA` names, or the one beside the repository."""
    return Path(os.environ.get("SUBTOK_DATA", ROOT.parent / "shared" / "data"))


def reference_of(path: Path) -> str:
    """The library that a file is written for."""
    return {".tiktoken": "tiktoken", ".model": "sentencepiece"}.get(path.suffix, "tokenizers")


def machine() -> dict[str, Any]:
    """What figures are measured on, with the libraries' versions."""
    versions = {x: version(x) if installed(x) else "not installed" for x in LIBRARIES}
    return {**bare_machine(), "versions": versions}


def write(path: Path, result: dict[str, Any]) -> None:
    """Write results as JSON, all of them or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)


def load(library: str, path: Path) -> Any:
    """A tokenizer of one of the libraries."""
    if library == "subtok":
        import subtok

        if path.suffix == ".tiktoken":
            return subtok.Tokenizer.from_tiktoken(path, RANKS[path.stem] or LLAMA3)
        if path.suffix == ".model":
            return subtok.Tokenizer.from_sentencepiece(path)
        return subtok.Tokenizer.from_file(path)
    if library == "tiktoken":
        import tiktoken

        name = RANKS[path.stem]
        return tiktoken.Encoding(
            path.stem,
            pat_str=LLAMA3 if name is None else tiktoken_pattern(name),
            mergeable_ranks=read_ranks(os.fspath(path)),
            special_tokens={},
        )
    if library == "sentencepiece":
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_file=os.fspath(path))
    import tokenizers

    made = tokenizers.Tokenizer.from_file(os.fspath(path))
    # State of the file that a call of subtok does not apply either.
    made.no_truncation()
    made.no_padding()
    return made

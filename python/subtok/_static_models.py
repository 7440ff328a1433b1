"""Folders of model2vec and of sentence-transformers' StaticEmbedding, read and written.

model2vec: `config.json`, `model.safetensors` with `embeddings` and perhaps `weights` (one for each
id) and `mapping` (the row of each id, where rows are shared), `tokenizer.json`. The mean is taken
over weighted vectors, and unknown tokens are left out.

sentence-transformers: `modules.json` names the folder of each module; a StaticEmbedding has
`model.safetensors` with `embedding.weight`, and `tokenizer.json`, whose truncation is applied.
Older versions keep the first module in the folder itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok import _tensors
from subtok._files import file_error, make_folder, write_bytes
from subtok._subtok import FactorizedEmbedding, Tokenizer
from subtok._text_embedder import _unknown_id
from subtok.errors import ArgumentError, ArgumentTypeError, FormatError, UnsupportedError

if TYPE_CHECKING:
    import numpy.typing as npt

    from subtok._text import StrPath
    from subtok._text_embedder import TextEmbedder

__all__ = [
    "load_model2vec",
    "load_sentence_transformers",
    "save_model2vec",
    "save_sentence_transformers",
]

_MAX_LENGTH = 512
_DTYPES = ("float32", "float16")


def load_model2vec(kind: type[TextEmbedder], folder: StrPath) -> TextEmbedder:
    """An embedder out of a folder of model2vec."""
    path = Path(folder)
    config = _json(path / "config.json", dict)
    file = path / "model.safetensors"
    tensors = _tensors.read(file)
    if "embeddings" not in tensors:
        raise FormatError(f"{file}: there is no tensor `embeddings`")
    tok = Tokenizer.from_file(path / "tokenizer.json")
    rows = tensors.get("mapping")
    max_length = config.get("max_length", _MAX_LENGTH)
    if max_length is not None and (
        type(max_length) is not int or not 0 <= max_length <= sys.maxsize
    ):
        raise FormatError(f"{path / 'config.json'}: max_length is {max_length!r}, which is no size")
    return _made(
        kind,
        file,
        tok,
        _table(file, tensors["embeddings"], 0 if rows is not None else tok.id_limit),
        max_length=max_length,
        weights=_by_id(file, "weights", tensors, tok),
        rows=_by_id(file, "mapping", tensors, tok),
        normalize=bool(config.get("normalize", False)),
        skip_unknown=True,
    )


def load_sentence_transformers(kind: type[TextEmbedder], folder: StrPath) -> TextEmbedder:
    """An embedder out of a folder of sentence-transformers."""
    path = Path(folder)
    listed = _json(path / "modules.json", list)
    modules = [entry for entry in listed if isinstance(entry, dict)]
    names = [str(entry.get("type", "")).rpartition(".")[2] for entry in modules]
    if names not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        raise UnsupportedError(
            f"{path / 'modules.json'}: the modules {', '.join(names) or '(none)'}; only "
            "StaticEmbedding, and Normalize behind it,"
        )
    inner = path / str(modules[0].get("path", ""))
    file = inner / "model.safetensors"
    tensors = _tensors.read(file)
    if "embedding.weight" not in tensors and "embeddings" not in tensors:
        raise FormatError(f"{file}: there is no tensor `embedding.weight`")
    tok = Tokenizer.from_file(inner / "tokenizer.json")
    whole = "embedding.weight" in tensors
    rows = None if whole else tensors.get("mapping")
    truncation = json.loads(tok.to_str()).get("truncation")
    if truncation and truncation.get("direction", "Right") != "Right":
        # The end of a text would be used, and an embedder uses its beginning.
        raise UnsupportedError(
            f"{inner / 'tokenizer.json'}: truncation with the direction {truncation['direction']!r}"
        )
    return _made(
        kind,
        file,
        tok,
        _table(
            file,
            tensors["embedding.weight" if whole else "embeddings"],
            0 if rows is not None else tok.id_limit,
        ),
        max_length=truncation["max_length"] if truncation else None,
        weights=None if whole else _by_id(file, "weights", tensors, tok),
        rows=None if whole else _by_id(file, "mapping", tensors, tok),
        normalize=len(names) > 1,
    )


def save_model2vec(embedder: TextEmbedder, folder: StrPath, dtype: str) -> None:
    """Write a folder for model2vec."""
    tok = embedder.tokenizer
    _check(embedder, dtype, "model2vec")
    if not embedder.skip_unknown and _unknown_id(tok) is not None:
        raise ArgumentError(
            "model2vec leaves out the unknown token: make the embedder with skip_unknown=True"
        )
    table, rows = _vectors(embedder, dtype), embedder.rows
    tensors: dict[str, npt.NDArray[Any]] = {"embeddings": table}
    if embedder.weights is not None:
        tensors["weights"] = embedder.weights
    if rows is None:
        tensors["embeddings"] = table[: tok.id_limit]
        if tok.vocab_size != tok.id_limit:
            # Ids without a token: the format has a row for each token unless it has a mapping.
            rows = np.arange(tok.id_limit, dtype=np.uint32)
    if rows is not None:
        tensors["mapping"] = rows.astype(np.int64)
    config: dict[str, Any] = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": embedder.normalize,
        "max_length": embedder.max_length,
        "hidden_dim": embedder.hidden_dim,
        "pooling": "mean",
        "embedding_dtype": dtype,
    }
    if rows is not None:
        config["vocabulary_quantization"] = len(table)
    modules = [_module(0, ".", "StaticEmbedding")]
    path = Path(folder)
    make_folder(path)
    if embedder.normalize:
        modules.append(_module(1, "1_Normalize", "Normalize"))
        make_folder(path / "1_Normalize")
    write_bytes(path / "tokenizer.json", _tokenizer_json(tok, embedder.max_length))
    _tensors.write(path / "model.safetensors", tensors)
    write_bytes(path / "modules.json", _pretty(modules))
    write_bytes(path / "config.json", _pretty(config))


def save_sentence_transformers(embedder: TextEmbedder, folder: StrPath, dtype: str) -> None:
    """Write a folder for sentence-transformers."""
    _check(embedder, dtype, "StaticEmbedding")
    if embedder.skip_unknown and _unknown_id(embedder.tokenizer) is not None:
        raise ArgumentError(
            "StaticEmbedding does not leave out the unknown token: make the embedder with "
            "skip_unknown=False"
        )
    table, rows, weights = _vectors(embedder, dtype), embedder.rows, embedder.weights
    if rows is not None:
        table = table[rows]
    if weights is not None:
        table = table.copy()
        table[: len(weights)] = table[: len(weights)] * weights[:, None]
    path = Path(folder)
    inner = path / "0_StaticEmbedding"
    make_folder(inner)
    modules = [_module(0, inner.name, "StaticEmbedding")]
    if embedder.normalize:
        modules.append(_module(1, "1_Normalize", "Normalize"))
        make_folder(path / "1_Normalize")
    write_bytes(inner / "tokenizer.json", _tokenizer_json(embedder.tokenizer, embedder.max_length))
    _tensors.write(inner / "model.safetensors", {"embedding.weight": table})
    options: dict[str, Any] = {
        "similarity_fn_name": "cosine",
        "prompts": {},
        "default_prompt_name": None,
    }
    write_bytes(path / "config_sentence_transformers.json", _pretty(options))
    write_bytes(path / "modules.json", _pretty(modules))


def _check(embedder: TextEmbedder, dtype: str, who: str) -> None:
    """What neither format can say."""
    if embedder.mode != "mean":
        raise ArgumentError(f"{who} takes means: mode is {embedder.mode!r}, but must be 'mean'")
    if embedder.add_special_tokens:
        raise ArgumentError(f"{who} adds no special tokens: add_special_tokens must be False")
    if dtype not in _DTYPES:
        raise ArgumentError(f"dtype is {dtype!r}, but must be one of {', '.join(_DTYPES)}")


def _vectors(embedder: TextEmbedder, dtype: str) -> npt.NDArray[Any]:
    """The whole table."""
    table = embedder.embedding(np.arange(embedder.embedding.vocab_size))
    if dtype == "float32":
        return table
    most = float(np.abs(table).max(initial=0))
    if most > float(np.finfo(np.float16).max):
        raise ArgumentError(f"a vector holds {most}, which float16 cannot")
    return table.astype(np.float16)


def _table(file: Path, values: npt.NDArray[Any], rows: int) -> FactorizedEmbedding:
    """Vectors of a file as a table; float16 and int8 are kept in 16 bits, the rest in 32."""
    if values.ndim != 2 or values.dtype.kind not in "fi":  # noqa: PLR2004 (rows and columns)
        raise FormatError(f"{file}: the vectors are no matrix of numbers: {values.shape}")
    if len(values) < rows:
        raise FormatError(f"{file}: there are {len(values)} rows for {rows} ids")
    # Numbers that float32 has none for become infinite there, and are refused by place.
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    try:
        table = FactorizedEmbedding.from_table(narrow)
    except ArgumentError as error:
        raise FormatError(f"{file}: the vectors: {error}") from error
    # Whole numbers up to 127 are exact in half precision; those of int16 would not be.
    return table.quantize("float16") if values.dtype in (np.float16, np.int8) else table


def _by_id(
    file: Path, name: str, tensors: dict[str, npt.NDArray[Any]], tok: Tokenizer
) -> npt.NDArray[Any] | None:
    """A list by id, if it is there; entries beyond the tokenizer's ids say nothing."""
    values = tensors.get(name)
    if values is None:
        return None
    if values.ndim != 1:
        raise FormatError(f"{file}: `{name}` is no list: {values.shape}")
    return values[: tok.id_limit]


def _made(
    kind: type[TextEmbedder], file: Path, tok: Tokenizer, table: FactorizedEmbedding, **options: Any
) -> TextEmbedder:
    """The embedder; what it refuses was in this file."""
    try:
        return kind(tok, table, **options)
    except (ArgumentError, ArgumentTypeError) as error:
        raise FormatError(f"{file}: {error}") from error


def _module(index: int, path: str, name: str) -> dict[str, Any]:
    kind = f"sentence_transformers.models.{name}"
    return {"idx": index, "name": str(index), "path": path, "type": kind}


def _tokenizer_json(tok: Tokenizer, max_length: int | None) -> bytes:
    """The tokenizer, with this truncation and no padding."""
    content = json.loads(tok.to_str())
    content["padding"] = None
    content["truncation"] = None
    if max_length is not None:
        content["truncation"] = {
            "direction": "Right",
            "max_length": max_length,
            "strategy": "LongestFirst",
            "stride": 0,
        }
    return json.dumps(content, ensure_ascii=False).encode()


def _pretty(content: Any) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _json(path: Path, kind: type) -> Any:
    """The content of a JSON file, which must be of this kind."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise file_error("read", path, error) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: it is no JSON: {error}") from error
    if not isinstance(content, kind):
        raise FormatError(f"{path}: it is no JSON {'list' if kind is list else 'object'}")
    return content

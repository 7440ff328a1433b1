"""Tokenizers for `transformers`, running on subtok.

`load` gives an ordinary `transformers.PreTrainedTokenizerFast`: nothing is patched, only its
backend is a `subtok.compat.Tokenizer`. So calls, padding, chat templates and `save_pretrained` are
those of transformers itself.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._subtok import Tokenizer as Core
from subtok.compat import Tokenizer
from subtok.errors import ArgumentTypeError, FileError, MissingDependencyError

if TYPE_CHECKING:
    from subtok._text import StrPath

__all__ = ["Backend", "load"]


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            "tokenizers for transformers need it: pip install 'subtok[transformers]'"
        ) from error


class Backend(Tokenizer):
    """A `subtok.compat.Tokenizer` that gives added tokens the class transformers looks for."""

    def get_added_tokens_decoder(self) -> dict[int, Any]:
        """The added tokens by their ids, as `tokenizers.AddedToken`."""
        token = _import("tokenizers").AddedToken
        added = super().get_added_tokens_decoder()
        return {number: token(**each.__getstate__()) for number, each in added.items()}


def load(tokenizer: Core | Tokenizer | StrPath | Any, **kwargs: Any) -> Any:
    """A `transformers.PreTrainedTokenizerFast` that runs on subtok.

    Args:
        tokenizer: A tokenizer of subtok; a folder with a `tokenizer.json` and, as transformers
            saves them, `tokenizer_config.json` and `chat_template.jinja`; or any file that
            `subtok.Tokenizer.from_file` reads.
        **kwargs: What `PreTrainedTokenizerFast` takes, such as `pad_token="[PAD]"` or
            `model_max_length=512`. They win over the files of a folder.

    Raises:
        MissingDependencyError: transformers is not installed.
        FileError: The file, or the folder's `tokenizer.json`, cannot be read.
        FormatError: It is not a tokenizer.
    """
    cls = _import("transformers").PreTrainedTokenizerFast
    if isinstance(tokenizer, Tokenizer):
        backend = Backend.__new__(Backend)
        vars(backend).update(vars(tokenizer.__deepcopy__({})))
        return cls(tokenizer_object=backend, **kwargs)
    if isinstance(tokenizer, Core):
        return cls(tokenizer_object=Backend._of(tokenizer), **kwargs)  # noqa: SLF001
    if not isinstance(tokenizer, (str, os.PathLike)):
        kind = type(tokenizer).__name__
        raise ArgumentTypeError(f"tokenizer must be a tokenizer of subtok or a path, not {kind}")
    path = Path(tokenizer)
    if not path.is_dir():
        return cls(tokenizer_object=Backend._of(Core.from_file(path)), **kwargs)  # noqa: SLF001
    file = path / "tokenizer.json"
    if not file.is_file():
        made = FileError(f"{path} holds no tokenizer.json")
        made.filename = str(file)
        raise made
    backend = Backend._of(Core.from_file(file))  # noqa: SLF001
    # The class reads the other files of the folder, and takes the backend instead of this one.
    return cls.from_pretrained(str(path), tokenizer_object=backend, local_files_only=True, **kwargs)

"""What is known of the encodings that tiktoken has names for: special tokens, files, models."""

from __future__ import annotations

__all__ = ["FILES", "FILE_OF", "SPECIAL", "encoding_of_model"]

_END, _PROMPT = "<|endoftext|>", "<|endofprompt|>"
_FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
_HARMONY = {
    "<|startoftext|>": 199_998,
    "<|return|>": 200_002,
    "<|constrain|>": 200_003,
    "<|channel|>": 200_005,
    "<|start|>": 200_006,
    "<|end|>": 200_007,
    "<|message|>": 200_008,
    "<|call|>": 200_012,
}
_RESERVED = [200_000, 200_001, 200_004, *range(200_009, 200_012), *range(200_013, 201_088)]
SPECIAL: dict[str, dict[str, int]] = {
    "gpt2": {_END: 50_256},
    "r50k_base": {_END: 50_256},
    "p50k_base": {_END: 50_256},
    "p50k_edit": {_END: 50_256} | dict(zip(_FIM, range(50_281, 50_284), strict=True)),
    "cl100k_base": {_END: 100_257}
    | dict(zip(_FIM, range(100_258, 100_261), strict=True))
    | {_PROMPT: 100_276},
    "o200k_base": {_END: 199_999, _PROMPT: 200_018},
    # A reserved place shares its id with the prompt's end there too.
    "o200k_harmony": {_END: 199_999, _PROMPT: 200_018}
    | _HARMONY
    | {f"<|reserved_{number}|>": number for number in _RESERVED},
}
#: The file of each encoding: its name in tiktoken's cache (a digest of where it was fetched from),
#: and the SHA-256 of its content.
FILES = {
    "r50k_base": (
        "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    ),
    "p50k_base": (
        "ec7223a39ce59f226a68acc30dc1af2788490e15",
        "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
#: Encodings that share a file with another one. GPT-2's own two files hold the ranks of r50k_base.
FILE_OF = {"gpt2": "r50k_base", "p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}


#: Models by the name of their encoding.
_MODELS = {
    "o200k_base": "o1 o3 o4-mini gpt-5 gpt-4.1 gpt-4o",
    "cl100k_base": "gpt-4 gpt-3.5-turbo gpt-3.5 gpt-35-turbo davinci-002 babbage-002 "
    "text-embedding-ada-002 text-embedding-3-small text-embedding-3-large",
    "p50k_base": "text-davinci-003 text-davinci-002 code-davinci-002 code-davinci-001 "
    "code-cushman-002 code-cushman-001 davinci-codex cushman-codex",
    "p50k_edit": "text-davinci-edit-001 code-davinci-edit-001",
    "r50k_base": "text-davinci-001 text-curie-001 text-babbage-001 text-ada-001 davinci curie "
    "babbage ada text-similarity-davinci-001 text-similarity-curie-001 "
    "text-similarity-babbage-001 text-similarity-ada-001 text-search-davinci-doc-001 "
    "text-search-curie-doc-001 text-search-babbage-doc-001 text-search-ada-doc-001 "
    "code-search-babbage-code-001 code-search-ada-code-001",
    "gpt2": "gpt2 gpt-2",
}
#: Beginnings of the names of models; the first that fits counts.
_BEGINNINGS = (
    ("o200k_base", "o1- o3- o4-mini- gpt-5 gpt-4.5- gpt-4.1- chatgpt-4o- gpt-4o-"),
    ("cl100k_base", "gpt-4- gpt-3.5-turbo- gpt-35-turbo-"),
    ("o200k_harmony", "gpt-oss-"),
    ("o200k_base", "ft:gpt-4o"),
    ("cl100k_base", "ft:gpt-4 ft:gpt-3.5-turbo ft:davinci-002 ft:babbage-002"),
)


def encoding_of_model(model: str) -> str | None:
    """The encoding of a model; None if the model is not known."""
    for encoding, models in _MODELS.items():
        if model in models.split():
            return encoding
    for encoding, beginnings in _BEGINNINGS:
        if model.startswith(tuple(beginnings.split())):
            return encoding
    return None

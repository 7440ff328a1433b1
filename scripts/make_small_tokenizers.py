"""Write `tests/data/small_bpe.json` and `small_wordpiece.json`: trained by tokenizers 0.23.3.

Small real files for fuzz targets and examples, from the texts in `examples/text/`.
"""

from pathlib import Path

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parent.parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
QUIET = {"show_progress": False}


def bpe(files: list[str]) -> tokenizers.Tokenizer:
    """Byte-level BPE, split as GPT-2 does."""
    tok = tokenizers.Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>"]
    tok.train(
        files,
        trainers.BpeTrainer(
            vocab_size=1200, initial_alphabet=alphabet, special_tokens=special, **QUIET
        ),
    )
    return tok


def wordpiece(files: list[str]) -> tokenizers.Tokenizer:
    """WordPiece as BERT has it, lower-casing."""
    tok = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    tok.train(
        files,
        trainers.WordPieceTrainer(
            vocab_size=1200, limit_alphabet=400, special_tokens=SPECIAL, **QUIET
        ),
    )
    cls, sep = (tok.token_to_id(name) for name in ("[CLS]", "[SEP]"))
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    return tok


def main() -> None:
    """Train both and write them."""
    files = sorted(map(str, (ROOT / "examples" / "text").glob("*.txt")))
    for name, tok in (("small_bpe", bpe(files)), ("small_wordpiece", wordpiece(files))):
        (ROOT / "tests" / "data" / f"{name}.json").write_text(tok.to_str() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

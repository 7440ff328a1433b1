"""Write `tests/data/pipelines/*.json`: small tokenizers of many kinds, by tokenizers 0.23.3.

They are what fuzz targets compare the two roads on: each has another combination of model options
and components. The texts are those in `examples/text/`.
"""

import io
import json
import tempfile
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(map(str, (ROOT / "examples" / "text").glob("*.txt")))
QUIET = {"show_progress": False}
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# One character for several, several for one, none at all.
RULES = "FB01\t66 69\n65 301\tE9\n2026\t2E 2E 2E\n200B\t\n3000\t20\n41 42 43\t58\n"


def trained(tok, trainer):
    """The tokenizer, trained."""
    tok.train(FILES, trainer)
    return tok


def trained_on_latin(tok, trainer):
    """The same with few characters: a unigram model has a token for each."""
    lines = [line for file in FILES for line in Path(file).read_text("utf-8").splitlines()]
    tok.train_from_iterator((line for line in lines if line.isascii()), trainer)
    return tok


def rebuilt(tok, **options):
    """The tokenizer with other options of its model, and tokens of bytes as tokens of the model."""
    document = json.loads(tok.to_str())
    added = document["added_tokens"]
    document["added_tokens"] = [x for x in added if not x["content"].startswith("<0x")]
    document["model"].update(options)
    return tokenizers.Tokenizer.from_str(json.dumps(document))


def bpe_byte_fallback():
    """As llama has it: no pre-tokenizer, spaces made visible, bytes for what is unknown."""
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tok = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trained(tok, BpeTrainer(vocab_size=700, limit_alphabet=60, special_tokens=special, **QUIET))
    tok = rebuilt(tok, byte_fallback=True, fuse_unk=True)
    tok.pre_tokenizer = None
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return tok


def bpe_suffix():
    """As CLIP has it: words end in a mark, letters are bytes."""
    tok = tokenizers.Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tok.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|startoftext|>", "<|endoftext|>"]
    trained(
        tok,
        BpeTrainer(
            vocab_size=900,
            end_of_word_suffix="</w>",
            initial_alphabet=alphabet,
            special_tokens=special,
            **QUIET,
        ),
    )
    tok.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.BPEDecoder("</w>")])
    tok.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0))
    return tok


def bpe_affixes():
    """A prefix and a suffix, unknown characters fused."""
    affixes = {"continuing_subword_prefix": "##", "end_of_word_suffix": "</w>"}
    tok = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True, **affixes))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    trained(
        tok,
        BpeTrainer(vocab_size=500, limit_alphabet=40, special_tokens=["[UNK]"], **affixes, **QUIET),
    )
    tok.decoder = decoders.BPEDecoder("</w>")
    return tok


def bpe_ignore_merges():
    """As llama 3 has it, with added tokens of every kind."""
    tok = tokenizers.Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CL100K), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trained(tok, BpeTrainer(vocab_size=600, initial_alphabet=alphabet, **QUIET))
    tok = rebuilt(tok, ignore_merges=True)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken("<|begin|>"), AddedToken("<|end|>", lstrip=True)])
    tok.add_tokens(
        [
            AddedToken("low", single_word=True),
            AddedToken("lower", rstrip=True),
            AddedToken("  ", normalized=False),
            AddedToken("é", lstrip=True, rstrip=True),
        ]
    )
    tok.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin|> $A",
                pair="<|begin|> $A <|begin|>:1 $B:1",
                special_tokens=[("<|begin|>", tok.token_to_id("<|begin|>"))],
            ),
        ]
    )
    return tok


def bpe_normalized_bytes():
    """Bytes made by the normaliser, not split at all."""
    tok = tokenizers.Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trained(tok, BpeTrainer(vocab_size=500, **QUIET))
    tok.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.ByteLevel()])
    tok.pre_tokenizer = pre_tokenizers.Split("Ġ", "merged_with_next")
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=True)
    return tok


def field(message: bytes, number: int) -> bytes:
    """The first field of a protocol buffer with this number, which is one of bytes."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[at]
            value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                return value, at

    at = 0
    while at < len(message):
        key, at = varint(at)
        match key & 7:
            case 0:
                _, at = varint(at)
            case 2:
                length, at = varint(at)
                if key >> 3 == number:
                    return message[at : at + length]
                at += length
            case kind:
                at += {1: 8, 5: 4}[kind]
    raise KeyError(number)


def charsmap() -> bytes:
    """A small map of characters, compiled by sentencepiece."""
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        rules.write(RULES)
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f"] * 10),
            model_writer=model,
            vocab_size=10,
            hard_vocab_limit=False,
            normalization_rule_tsv=rules.name,
            minloglevel=2,
        )
    normalizer_spec, precompiled_charsmap = 3, 2
    return field(field(model.getvalue(), normalizer_spec), precompiled_charsmap)


def unigram_precompiled():
    """As XLM-RoBERTa has it: a map of characters, words marked where they begin."""
    tok = tokenizers.Tokenizer(models.Unigram())
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained_on_latin(
        tok, UnigramTrainer(vocab_size=500, special_tokens=special, unk_token="<unk>", **QUIET)
    )
    tok.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap()), normalizers.Strip()]
    )
    tok.decoder = decoders.Metaspace()
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tok


def unigram_bytes():
    """Bytes for what is unknown; a space only before the beginning of a text."""
    tok = tokenizers.Tokenizer(models.Unigram())
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Nmt()])
    trained_on_latin(
        tok, UnigramTrainer(vocab_size=600, special_tokens=special, unk_token="<unk>", **QUIET)
    )
    tok = rebuilt(tok, byte_fallback=True)
    tok.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first", split=False)]
    )
    tok.add_tokens([AddedToken("word"), AddedToken("ﬁn", normalized=True)])
    return tok


def wordlevel():
    """Whole words, with lengths in the file."""
    tok = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tok.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.UnicodeScripts(),
        ]
    )
    trained(tok, WordLevelTrainer(vocab_size=300, special_tokens=["[UNK]", "[SEP]"], **QUIET))
    tok.enable_truncation(64, stride=8)
    tok.enable_padding(pad_id=1, pad_token="[SEP]", pad_to_multiple_of=8)
    return tok


def wordpiece_digits():
    """Case kept, digits apart, added tokens found in normalised text."""
    tok = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tok.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=False)]
    )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trained(tok, WordPieceTrainer(vocab_size=500, special_tokens=special, **QUIET))
    tok.decoder = decoders.WordPiece(cleanup=True)
    tok.add_tokens([AddedToken("Gruße", normalized=True), AddedToken("e", single_word=True)])
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def characters():
    """The rest: pieces of so many characters, text repeated for a decoder that drops repeats."""
    tok = tokenizers.Tokenizer(models.BPE(unk_token="?"))
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.CharDelimiterSplit("|"),
            pre_tokenizers.FixedLength(5),
            pre_tokenizers.Split(Regex(r"(?<=e)n|\w\b"), "contiguous"),
        ]
    )
    trained(tok, BpeTrainer(vocab_size=300, limit_alphabet=60, special_tokens=["?"], **QUIET))
    tok.normalizer = normalizers.Replace(Regex("(.)\\1+"), "||")
    tok.decoder = decoders.CTC(pad_token="?", word_delimiter_token="|")
    return tok


MAKERS = [
    bpe_byte_fallback,
    bpe_suffix,
    bpe_affixes,
    bpe_ignore_merges,
    bpe_normalized_bytes,
    unigram_precompiled,
    unigram_bytes,
    wordlevel,
    wordpiece_digits,
    characters,
]


def main() -> None:
    """Make all and write them."""
    folder = ROOT / "tests" / "data" / "pipelines"
    folder.mkdir(exist_ok=True)
    for make in MAKERS:
        path = folder / f"{make.__name__}.json"
        path.write_text(make().to_str() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

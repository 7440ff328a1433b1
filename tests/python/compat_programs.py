"""Programs written for `tokenizers`, as its users write them: each takes the module it runs on.

`test_compat.py` runs each with `tokenizers` and with `subtok.compat` and compares what comes out.
"""

from __future__ import annotations

from types import SimpleNamespace

TEXTS = [
    "",
    " ",
    "Hello, y'all! How are you 😁 ?",
    "Ḧéllò  wörld\t\n 123 4.5",
    "ﬁnance ½ ﾊﾝｶｸ 한국어 中文字 ß İ ǅ",
    "a-b_c--d e.f(g)",
    "  leading and trailing  ",
    "don't won't I'll",
    "▁low ▁ er\u200bzero\u00a0nbsp\u0000nul",
]

CORPUS = [
    "the cat sat on the mat, the dog sat on the log",
    "low lower lowest, new newer newest, wide wider widest",
    "Größer, schöner: über den Wolken 123 1234 don't",
    "한국어 텍스트 你好 世界",
] * 3


def parts(t):
    """The submodules, which are not attributes of `tokenizers` under short names."""
    return SimpleNamespace(
        m=t.models,
        n=t.normalizers,
        p=t.pre_tokenizers,
        pr=t.processors,
        d=t.decoders,
        tr=t.trainers,
    )


def everything(e, depth=0):
    """All that an encoding says."""
    length = len(e)
    return {
        "ids": e.ids,
        "tokens": e.tokens,
        "offsets": e.offsets,
        "type_ids": e.type_ids,
        "word_ids": e.word_ids,
        "sequence_ids": e.sequence_ids,
        "special": e.special_tokens_mask,
        "attention": e.attention_mask,
        "n_sequences": e.n_sequences,
        "repr": repr(e),
        "char_to_token": [[e.char_to_token(i, s) for i in range(30)] for s in (0, 1)],
        "char_to_word": [e.char_to_word(i) for i in range(30)],
        "token_to_chars": [e.token_to_chars(i) for i in range(length)],
        "token_to_word": [e.token_to_word(i) for i in range(length)],
        "token_to_sequence": [e.token_to_sequence(i) for i in range(length)],
        "word_to_tokens": [[e.word_to_tokens(i, s) for i in range(12)] for s in (0, 1)],
        "word_to_chars": [[e.word_to_chars(i, s) for i in range(12)] for s in (0, 1)],
        # What overflowing parts of overflowing parts hold is an accident there.
        "overflowing": [everything(part, depth + 1) for part in e.overflowing] if depth < 1 else (),
    }


def vocab_of(texts):
    chars = sorted({c for text in texts for c in text})
    return {token: at for at, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "[PAD]", *chars])}


def bert(t):
    """A small BERT."""
    x = parts(t)
    words = ["hello", "how", "are", "you", "##o", "##l", "##lo", "world", "don", "'", "t"]
    extra = ["he", "h", "w", ",", "!", "a", "##b", "b", "c", "1", "##2", "##3", "中", "文"]
    vocab = {
        token: at
        for at, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *extra])
    }
    tok = t.Tokenizer(x.m.WordPiece(vocab, unk_token="[UNK]"))
    tok.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tok.normalizer = x.n.BertNormalizer()
    tok.pre_tokenizer = x.p.BertPreTokenizer()
    tok.post_processor = x.pr.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tok.decoder = x.d.WordPiece()
    return tok


def gpt2(t):
    """A small GPT-2, trained."""
    x = parts(t)
    tok = t.Tokenizer(x.m.BPE())
    tok.pre_tokenizer = x.p.ByteLevel(add_prefix_space=False)
    tok.decoder = x.d.ByteLevel()
    tok.post_processor = x.pr.ByteLevel(trim_offsets=True)
    trainer = x.tr.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=x.p.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(CORPUS, trainer)
    return tok


def template(t, tok):
    x = parts(t)
    tok.post_processor = x.pr.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tok


# Components alone.

NORMALIZERS = {
    "bert": lambda t: t.normalizers.BertNormalizer(),
    "bert_cased": lambda t: t.normalizers.BertNormalizer(lowercase=False, strip_accents=True),
    "byte_level": lambda t: t.normalizers.ByteLevel(),
    "lowercase": lambda t: t.normalizers.Lowercase(),
    "nfc": lambda t: t.normalizers.NFC(),
    "nfd": lambda t: t.normalizers.NFD(),
    "nfkc": lambda t: t.normalizers.NFKC(),
    "nfkd": lambda t: t.normalizers.NFKD(),
    "nmt": lambda t: t.normalizers.Nmt(),
    "prepend": lambda t: t.normalizers.Prepend(),
    "replace": lambda t: t.normalizers.Replace("l", "LL"),
    "replace_regex": lambda t: t.normalizers.Replace(t.Regex(r"\s+"), "_"),
    "strip": lambda t: t.normalizers.Strip(),
    "strip_left": lambda t: t.normalizers.Strip(right=False),
    "strip_accents": lambda t: t.normalizers.Sequence(
        [t.normalizers.NFD(), t.normalizers.StripAccents()]
    ),
    "sequence": lambda t: t.normalizers.Sequence(
        [t.normalizers.NFKC(), t.normalizers.Lowercase(), t.normalizers.Strip()]
    ),
    "by_name": lambda t: t.normalizers.unicode_normalizer_from_str("nfkd"),
}

PRE_TOKENIZERS = {
    "bert": lambda t: t.pre_tokenizers.BertPreTokenizer(),
    "byte_level": lambda t: t.pre_tokenizers.ByteLevel(),
    "byte_level_plain": lambda t: t.pre_tokenizers.ByteLevel(add_prefix_space=False),
    "byte_level_whole": lambda t: t.pre_tokenizers.ByteLevel(use_regex=False),
    "delimiter": lambda t: t.pre_tokenizers.CharDelimiterSplit("-"),
    "digits": lambda t: t.pre_tokenizers.Digits(),
    "digits_each": lambda t: t.pre_tokenizers.Digits(individual_digits=True),
    "fixed": lambda t: t.pre_tokenizers.FixedLength(3),
    "metaspace": lambda t: t.pre_tokenizers.Metaspace(),
    "metaspace_first": lambda t: t.pre_tokenizers.Metaspace("_", "first"),
    "metaspace_never": lambda t: t.pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
    "punctuation": lambda t: t.pre_tokenizers.Punctuation(),
    "punctuation_removed": lambda t: t.pre_tokenizers.Punctuation("removed"),
    "scripts": lambda t: t.pre_tokenizers.UnicodeScripts(),
    "whitespace": lambda t: t.pre_tokenizers.Whitespace(),
    "whitespace_split": lambda t: t.pre_tokenizers.WhitespaceSplit(),
    "split": lambda t: t.pre_tokenizers.Split(" ", "merged_with_previous"),
    "split_regex": lambda t: t.pre_tokenizers.Split(t.Regex(r"[a-z]+"), "isolated"),
    "split_next": lambda t: t.pre_tokenizers.Split("-", "merged_with_next"),
    "split_contiguous": lambda t: t.pre_tokenizers.Split(t.Regex("-"), "contiguous"),
    "split_invert": lambda t: t.pre_tokenizers.Split(t.Regex(r"\w+"), "removed", invert=True),
    "sequence": lambda t: t.pre_tokenizers.Sequence(
        [t.pre_tokenizers.Whitespace(), t.pre_tokenizers.Digits(individual_digits=True)]
    ),
}

DECODERS = {
    "bpe": lambda t: t.decoders.BPEDecoder(),
    "byte_fallback": lambda t: t.decoders.ByteFallback(),
    "byte_level": lambda t: t.decoders.ByteLevel(),
    "ctc": lambda t: t.decoders.CTC(),
    "fuse": lambda t: t.decoders.Fuse(),
    "metaspace": lambda t: t.decoders.Metaspace(),
    "metaspace_never": lambda t: t.decoders.Metaspace("_", "never", split=False),
    "replace": lambda t: t.decoders.Replace("▁", " "),
    "strip": lambda t: t.decoders.Strip("l", 1, 1),
    "wordpiece": lambda t: t.decoders.WordPiece(),
    "wordpiece_plain": lambda t: t.decoders.WordPiece("@@", cleanup=False),
    "sequence": lambda t: t.decoders.Sequence(
        [
            t.decoders.Replace("▁", " "),
            t.decoders.ByteFallback(),
            t.decoders.Fuse(),
            t.decoders.Strip(" ", 1, 0),
        ]
    ),
}
TOKENS = [
    [],
    ["hello"],
    ["▁Hel", "lo", "▁wor", "ld"],
    ["##a", "b", "##c", "!", "do", "n't", "n", "'", "t"],
    ["low</w>", "er", "</w>"],
    ["Ġhello", "Ċ", "Ã", "©"],
    ["<0x61>", "<0xE5>", "<0x8f>", "<0xAB>", "<0xFF>", "x"],
    ["<pad>", "h", "h", "<pad>", "h", "|", "|", "e", "llll"],
]

PROCESSORS = {
    "bert": lambda t: t.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "roberta": lambda t: t.processors.RobertaProcessing(("</s>", 2), ("<s>", 0)),
    "roberta_plain": lambda t: t.processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=False, add_prefix_space=False
    ),
    "byte_level": lambda t: t.processors.ByteLevel(),
    "byte_level_plain": lambda t: t.processors.ByteLevel(trim_offsets=False),
    "template": lambda t: t.processors.TemplateProcessing(
        single="[CLS] $0 [SEP]",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), (3, "[SEP]")],
    ),
    "template_list": lambda t: t.processors.TemplateProcessing(
        single=["X", "$A:2"],
        pair=["$B:1", "X:4", "$A"],
        special_tokens=[{"id": "X", "ids": [7, 8], "tokens": ["x", "y"]}],
    ),
    "template_default": lambda t: t.processors.TemplateProcessing(),
    "sequence": lambda t: t.processors.Sequence(
        [t.processors.ByteLevel(trim_offsets=True), PROCESSORS["template"](t)]
    ),
}

MODELS = {
    "bpe_empty": lambda t: t.models.BPE(),
    "bpe": lambda t: t.models.BPE(
        {"a": 0, "b": 1, "ab": 2, "é": 3, "u": 4}, [("a", "b")], unk_token="u", fuse_unk=True
    ),
    "bpe_suffix": lambda t: t.models.BPE(
        {"a": 0, "b</w>": 1, "ab</w>": 2}, [("a", "b</w>")], end_of_word_suffix="</w>"
    ),
    "bpe_bytes": lambda t: t.models.BPE(
        {"a": 0, "<0xC3>": 1, "<0xA9>": 2, "u": 3}, [], byte_fallback=True, unk_token="u"
    ),
    "wordpiece": lambda t: t.models.WordPiece(
        {"[UNK]": 0, "a": 1, "##b": 2, "é": 3, "ab": 4}, max_input_chars_per_word=6
    ),
    "wordlevel": lambda t: t.models.WordLevel({"<unk>": 0, "ab": 1, "é": 2}, unk_token="<unk>"),
    "unigram": lambda t: t.models.Unigram(
        [("<unk>", 0.0), ("a", -1.0), ("b", -2.0), ("ab", -1.5), ("é", -3.0)], 0, False
    ),
}
PIECES = ["", "a", "ab", "aab", "abéab", "zz", "ézb", "abababab"]


def component_program(make):
    """Everything that is the same for all components."""

    def program(t):
        part = make(t)
        return [repr(part), str(part), part.__getstate__(), type(part).__name__]

    return program


def normalize_program(make):
    def program(t):
        part = make(t)
        found = []
        for text in TEXTS:
            string = t.NormalizedString(text)
            part.normalize(string)
            found += [part.normalize_str(text), string.normalized, string.original, repr(string)]
            # Slices show where characters came from. (What an empty text has there differs.)
            for at in range(len(string.normalized) if text else 0):
                piece = string[at]
                found.append(piece and (piece.normalized, piece.original))
        return found

    return program


def pre_tokenize_program(make):
    def program(t):
        part = make(t)
        found = []
        for text in TEXTS:
            found.append(part.pre_tokenize_str(text))
            string = t.PreTokenizedString(text)
            part.pre_tokenize(string)
            found += [string.get_splits(), string.get_splits("original", "byte")]
            found.append(string.get_splits(offset_referential="normalized"))
            # After a normalizer: places go back to the text as it was.
            string = t.PreTokenizedString(text)
            string.normalize(t.normalizers.NFKD().normalize)
            part.pre_tokenize(string)
            found.append(string.get_splits())
        return found

    return program


def decode_program(make):
    def program(t):
        part = make(t)
        return [part.decode(tokens) for tokens in TOKENS]

    return program


def process_program(make):
    def program(t):
        part = make(t)
        tok = gpt2(t)
        # What has been processed before has ranges that overlap, and their order is random there.
        tok.post_processor = None
        one = tok.encode(" Hello there  friend")
        two = tok.encode("how are  you")
        cut = tok.encode("the cat sat on the mat")
        cut.truncate(4, stride=1)
        found = [part.num_special_tokens_to_add(False), part.num_special_tokens_to_add(True)]
        for special in (True, False):
            found.append(everything(part.process(one, add_special_tokens=special)))
            found.append(everything(part.process(one, two, special)))
            found.append(everything(part.process(cut, add_special_tokens=special)))
        found += [everything(one), everything(two)]
        return found

    return program


def model_program(make):
    def program(t):
        part = make(t)
        found = []
        for piece in PIECES:
            found.append([token.as_tuple() for token in part.tokenize(piece)])
        found.append([part.token_to_id(token) for token in ("a", "ab", "nope")])
        found.append([part.id_to_token(number) for number in (0, 2, 99)])
        return found

    return program

"""`subtok.compat.Tokenizer` against `tokenizers.Tokenizer`: the same program, run with both."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from compat_programs import CORPUS, TEXTS, bert, everything, gpt2, parts, template
from conftest import data_dir
from test_compat import agree, plain

import subtok
import subtok.compat

ROWS = [
    "hello how are you",
    "",
    "Hello, don't [SEP] world!!",
    "中文 ab abc 123",
    "[CLS] hello[MASK]you <|endoftext|> wor",
    "Ḧéllò wörld",
]
MAKE = {"bert": bert, "gpt2": gpt2, "template": lambda t: template(t, bert(t))}
both = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


@both
def test_encoding(make):
    def program(t):
        tok = make(t)
        found = [tok.to_str(), tok.to_str(pretty=True), repr(tok), str(tok)]
        for text in ROWS + TEXTS:
            for special in (True, False):
                found.append(everything(tok.encode(text, add_special_tokens=special)))
            found.append(everything(tok.encode(text, "you are")))
            found.append(everything(tok.encode(text.split(" "), is_pretokenized=True)))
        words = tok.encode(["hello"], ["you", "are"], True, False)
        found.append(everything(words))
        return found

    agree(program)


@both
@pytest.mark.parametrize(
    "truncation",
    [
        None,
        {"max_length": 5},
        {"max_length": 9, "stride": 1},
        {"max_length": 5, "strategy": "only_first"},
        {"max_length": 8, "strategy": "only_second", "direction": "left"},
        {"max_length": 4, "direction": "left"},
        {"max_length": 1},
        {"max_length": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "padding",
    [
        None,
        {},
        {"length": 9},
        {"direction": "left", "pad_id": 7, "pad_type_id": 3, "pad_token": "<p>"},
        {"pad_to_multiple_of": 8},
        {"length": 3, "pad_to_multiple_of": 2},
    ],
    ids=str,
)
def test_truncation_and_padding(make, truncation, padding):
    def program(t):
        tok = make(t)
        if truncation is not None:
            tok.enable_truncation(**truncation)
        if padding is not None:
            tok.enable_padding(**padding)
        found = [tok.truncation, tok.padding, tok.to_str(), repr(tok)]
        pairs = [(text, "you are hello") for text in ROWS]
        batches = [ROWS, pairs, [*ROWS[:2], *pairs[:2]], [("hello how", "are you")]]
        for batch in batches:
            for special in (True, False):
                try:
                    rows = tok.encode_batch(batch, add_special_tokens=special)
                except BaseException:  # noqa: BLE001 (there it may be a panic)
                    found.append("an error")
                    continue
                found += [everything(row) for row in rows]
                fast = tok.encode_batch_fast(batch, add_special_tokens=special)
                found += [(e.ids, e.tokens, e.offsets, e.word_ids) for e in fast]
        # A file that leaves no room for special tokens is refused here.
        if truncation is None or truncation["max_length"] > 1:
            again = t.Tokenizer.from_str(tok.to_str())
            found += [again.truncation, again.padding]
        tok.no_truncation()
        tok.no_padding()
        found += [tok.truncation, tok.padding, everything(tok.encode(ROWS[0]))]
        return found

    agree(program)


@both
def test_post_processing_what_was_encoded_before(make):
    def program(t):
        tok = make(t)
        plain = make(t)
        plain.post_processor = None
        found = []
        for state in ({}, {"max_length": 5}, {"max_length": 9, "stride": 1}):
            if state:
                tok.enable_truncation(**state)
            for text in ROWS:
                one, two = plain.encode(text), plain.encode("you are hello")
                for special in (True, False):
                    done = tok.post_process(one, add_special_tokens=special)
                    found.append(everything(done))
                    found.append(everything(tok.post_process(one, two, special)))
            tok.enable_padding(pad_to_multiple_of=4)
        found += [tok.num_special_tokens_to_add(False), tok.num_special_tokens_to_add(True)]
        tok.post_processor = None
        found.append(everything(tok.post_process(plain.encode(ROWS[0]), plain.encode("you"))))
        return found

    agree(program)


def test_encodings_can_be_changed():
    def program(t):
        tok = bert(t)
        tok.post_processor = None
        found = []
        first, second = tok.encode("hello how"), tok.encode("are you")
        for growing in (True, False):
            found.append(everything(t.Encoding.merge([first, second], growing)))
        for length, stride, direction in [(3, 1, "right"), (3, 0, "left"), (9, 0, "right")]:
            cut = tok.encode("hello how are you world")
            cut.truncate(length, stride, direction)
            found.append(everything(cut))
            cut.pad(5, direction=direction, pad_id=3, pad_type_id=1, pad_token="_")
            found.append(everything(cut))
            joined = t.Encoding.merge([cut, first], growing_offsets=False)
            found.append(everything(joined))
        first.set_sequence_id(1)
        found += [everything(first), first.__getstate__(), len(first)]
        found += [everything(pickle.loads(pickle.dumps(first))), everything(t.Encoding())]
        first.pad(8)
        first.truncate(0)
        found.append(everything(first))
        return found

    agree(program)


@both
def test_decoding(make):
    def program(t):
        tok = make(t)
        found = []
        rows = [tok.encode(text).ids for text in ROWS + TEXTS]
        for row in rows:
            found += [tok.decode(row), tok.decode(row, skip_special_tokens=False)]
        found += [tok.decode_batch(rows), tok.decode_batch(rows, skip_special_tokens=False)]
        found += [tok.decode([]), tok.decode([5, 99_999, 6]), tok.decode(np.array([5, 6]))]
        return [*found, tok.decode((5, 6))]

    agree(program)


@both
def test_streams(make):
    def program(t):
        tok = make(t)
        found = []
        for text in ROWS + TEXTS:
            ids = tok.encode(text).ids
            for skip in (True, False):
                stream = t.decoders.DecodeStream(skip_special_tokens=skip)
                found.append([stream.step(tok, number) for number in ids])
                started = t.decoders.DecodeStream(ids[:3], skip)
                fork = copy.copy(started)
                found.append([started.step(tok, ids[at : at + 2]) for at in range(3, len(ids), 2)])
                found.append([copy.deepcopy(fork).step(tok, number) for number in ids])
        return found

    agree(program)


@both
def test_the_vocabulary(make):
    def program(t):
        tok = make(t)
        found = []
        token = t.AddedToken("zebra", lstrip=True, single_word=True)
        for add in [
            lambda: tok.add_tokens(["foo", "foo", "hello", ""]),
            lambda: tok.add_tokens([token]),
            lambda: tok.add_tokens([token]),
            lambda: tok.add_special_tokens(["foo", t.AddedToken("<x>", normalized=True)]),
            lambda: tok.add_tokens([t.AddedToken("<y>", special=True)]),
            lambda: tok.add_special_tokens(["<y>"]),
            lambda: tok.add_tokens(["<y>"]),
        ]:
            found += [add(), tok.get_vocab(), tok.get_added_tokens_decoder(), tok.get_vocab_size()]
            found += [tok.get_vocab_size(False), tok.get_vocab_size(with_added_tokens=False)]
            found.append(tok.encode("foo zebra <x>hello<y> zebras").tokens)
            found.append(tok.decode(list(range(40))))
        found += [tok.get_vocab(with_added_tokens=False), tok.token_to_id("foo")]
        found += [tok.token_to_id("nope"), tok.id_to_token(3), tok.id_to_token(10_000)]
        tok.encode_special_tokens = True
        found += [tok.encode_special_tokens, tok.encode("<x> [CLS] foo").tokens]
        return [*found, tok.to_str()]

    agree(program)


def test_added_tokens():
    def program(t):
        found = []
        for token in [
            t.AddedToken("a"),
            t.AddedToken("a", special=True),
            t.AddedToken("a", special=True, normalized=True),
            t.AddedToken("b", lstrip=True, rstrip=True, single_word=True, normalized=False),
            t.AddedToken(),
        ]:
            found += [repr(token), str(token), token.__getstate__(), hash(token) == hash(token)]
            found.append(repr(pickle.loads(pickle.dumps(token))))
            token.special = not token.special
            token.content += "!"
            found += [repr(token), token.normalized]
        return [*found, t.AddedToken("a") == t.AddedToken("a"), t.AddedToken("a") == "a"]

    agree(program)


@both
def test_files_buffers_and_pickles(make, tmp_path):
    def program(t):
        tok = make(t)
        tok.enable_padding(length=5)
        path = str(tmp_path / t.__name__)
        found = []
        for pretty in (True, False):
            tok.save(path, pretty)
            with open(path, encoding="utf-8") as file:  # noqa: PTH123
                content = file.read()
            found.append(content)
            for again in (
                t.Tokenizer.from_file(path),
                t.Tokenizer.from_str(content),
                t.Tokenizer.from_buffer(content.encode()),
                pickle.loads(pickle.dumps(tok)),
                copy.deepcopy(tok),
            ):
                found += [again.to_str(), again.encode(ROWS[0]).ids, again.padding]
        other = copy.deepcopy(tok)
        other.normalizer = None
        other.add_tokens(["only there"])
        other.no_padding()
        found += [tok.to_str(), other.to_str(), other.encode("hello only there").tokens]
        return found

    agree(program)


def test_models_are_saved_and_read(tmp_path):
    def program(t):
        x = parts(t)
        folder = tmp_path / t.__name__
        folder.mkdir()
        found = []
        tok = gpt2(t)
        names = tok.model.save(str(folder)) + tok.model.save(str(folder), "pre")
        bpe = x.m.BPE.from_file(*names[:2], unk_token="a")
        piece = bert(t).model
        names += piece.save(str(folder), "b")
        names += x.m.WordLevel({"a b": 1, "c": 0}, "c").save(str(folder), "w")
        names += x.m.Unigram([("a", 0.5)], 0, False).save(str(folder), "u")
        found += [repr(bpe), x.m.BPE.read_file(*names[:2]), x.m.WordPiece.read_file(names[4])]
        found += [repr(x.m.WordPiece.from_file(names[4])), x.m.WordLevel.read_file(names[5])]
        found.append(repr(x.m.WordLevel.from_file(names[5], unk_token="c")))
        for name in names:
            with open(name, encoding="utf-8") as file:  # noqa: PTH123
                found += [name.removeprefix(str(folder)), file.read()]
        found.append(repr(x.m.BPE(names[0], names[1])) == repr(x.m.BPE.from_file(*names[:2])))
        return found

    agree(program)


def test_training_byte_level(tmp_path):
    def program(t):
        x = parts(t)
        path = tmp_path / "corpus.txt"
        path.write_text("\n".join(CORPUS) + "\r\nlast line", "utf-8")
        found = []
        for settings in [
            {"vocab_size": 60},
            {"vocab_size": 300, "initial_alphabet": x.p.ByteLevel.alphabet()},
            {"vocab_size": 80, "min_frequency": 3, "max_token_length": 4},
            # (Which of equally frequent characters stay below a limit is random there.)
            {"vocab_size": 80, "limit_alphabet": 1000, "special_tokens": ["<s>", "</s>"]},
        ]:
            tok = t.Tokenizer(x.m.BPE())
            tok.pre_tokenizer = x.p.ByteLevel()
            trainer = x.tr.BpeTrainer(show_progress=False, **settings)
            tok.train_from_iterator([CORPUS[:2], CORPUS[2:]], trainer, length=2)
            found += [tok.to_str(), tok.encode("the lowest 123").tokens, trainer.get_word_count()]
            tok.train([str(path)], trainer)
            found.append(tok.to_str())
        return found

    agree(program)


def test_training_words():
    def program(t):
        x = parts(t)
        tok = t.Tokenizer(x.m.WordLevel(unk_token="[U]"))
        tok.pre_tokenizer = x.p.BertPreTokenizer()
        tok.normalizer = x.n.BertNormalizer()
        settings = {"special_tokens": ["[U]"], "min_frequency": 2, "vocab_size": 20}
        tok.train_from_iterator(CORPUS, x.tr.WordLevelTrainer(show_progress=False, **settings))
        return [tok.to_str(), tok.encode("the unknown cat").tokens]

    agree(program)


def test_training_wordpiece():
    # In which order prefixed characters stand is random there, and so is which of equally frequent
    # pairs comes first. The alphabet and whole words are equal.
    def program(t):
        tok = t.BertWordPieceTokenizer()
        tok.train_from_iterator(CORPUS, vocab_size=1000, min_frequency=1, show_progress=False)
        vocab = tok.get_vocab()
        return [
            sorted(token for token in vocab if len(token.removeprefix("##")) == 1),
            tok.encode("the cat sat").tokens,
            sorted(vocab.values()) == list(range(len(vocab))),
        ]

    agree(program)


def test_unigram_cannot_be_trained():
    trainer = subtok.compat.trainers.UnigramTrainer()
    tok = subtok.compat.Tokenizer(subtok.compat.models.Unigram())
    with pytest.raises(subtok.UnsupportedError, match="Unigram"):
        tok.train_from_iterator(["a"], trainer)
    with pytest.raises(NotImplementedError):
        subtok.compat.SentencePieceUnigramTokenizer().train_from_iterator(["a"])


def test_ready_made_tokenizers():
    def program(t):
        found = []
        made = gpt2(t)
        vocab = made.get_vocab(with_added_tokens=False)
        merges = [tuple(pair) for pair in json.loads(made.to_str())["model"]["merges"]]
        for tok in [
            t.ByteLevelBPETokenizer(vocab, merges, trim_offsets=True, add_prefix_space=True),
            t.ByteLevelBPETokenizer(vocab, merges, lowercase=True, unicode_normalizer="nfkc"),
            t.BertWordPieceTokenizer(bert(t).get_vocab()),
            t.CharBPETokenizer({"a": 0, "b</w>": 1, "ab</w>": 2, "<unk>": 3}, [("a", "b</w>")]),
            t.SentencePieceBPETokenizer({"▁": 0, "a": 1, "▁a": 2, "<unk>": 3}, [("▁", "a")]),
            t.SentencePieceUnigramTokenizer([("<unk>", 0.0), ("▁", -1.0), ("a", -2.0)]),
        ]:
            found += [
                repr(tok),
                tok.to_str(),
                tok.get_vocab_size(),
                tok.num_special_tokens_to_add(True),
            ]
            tok.enable_truncation(6)
            tok.enable_padding()
            texts = ["a a", "aa ", ""] if "Piece" in repr(tok) else ["ab a ab", "hello you", ""]
            found += [everything(row) for row in tok.encode_batch(texts)]
            found += [tok.decode(tok.encode(texts[0]).ids), tok.truncation, tok.padding]
        return found

    agree(program)


def test_in_an_event_loop():
    def program(t):
        tok = bert(t)

        async def run():
            one = await tok.async_encode("hello you", "are")
            many = await tok.async_encode_batch(ROWS)
            fast = await tok.async_encode_batch_fast(ROWS)
            texts = await tok.async_decode_batch([one.ids, [5, 6]])
            return [everything(one), [everything(e) for e in many], [e.ids for e in fast], texts]

        return asyncio.run(run())

    agree(program)


def test_what_the_core_is_built_from_is_compared_only_after_a_change():
    tok = gpt2(subtok.compat)
    core = tok._compiled()
    tok.encode("hello")
    assert tok._compiled() is core
    subtok.compat.normalizers.Strip().left = False
    assert tok._compiled() is core
    tok.post_processor = subtok.compat.processors.ByteLevel(trim_offsets=False)
    assert tok._compiled() is not core


def test_random_words_and_options():
    rng = random.Random(7)
    words = ["hello", "how", "zz", "[SEP]", "don't", "中文", "", " ", "é", "1234", "foo"]
    there, here = bert(tokenizers), bert(subtok.compat)
    for _ in range(150):
        state = {"max_length": rng.randint(3, 9), "direction": rng.choice(["left", "right"])}
        texts = [" ".join(rng.choices(words, k=rng.randint(0, 6))) for _ in range(4)]
        batch = [(text, texts[0]) if rng.random() < 0.5 else text for text in texts]
        for tok in (there, here):
            tok.enable_truncation(**state)
            tok.enable_padding(direction=state["direction"], pad_to_multiple_of=None)
        expected = plain([everything(row) for row in there.encode_batch(batch)])
        assert plain([everything(row) for row in here.encode_batch(batch)]) == expected


REAL = sorted((data_dir() or Path("nowhere")).glob("tokenizers/tokenizer_json/*.json"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_files_of_real_models(path):
    def program(t):
        tok = t.Tokenizer.from_file(str(path))
        found = [tok.truncation, tok.padding, tok.get_vocab_size(), tok.get_added_tokens_decoder()]
        found += [repr(tok.normalizer), repr(tok.pre_tokenizer), repr(tok.post_processor)]
        found += [repr(tok.decoder), type(tok.model).__name__]
        tok.no_truncation()
        tok.no_padding()
        for text in ROWS + TEXTS + CORPUS[:4]:
            encoding = tok.encode(text)
            found += [everything(encoding), tok.decode(encoding.ids)]
            if tok.pre_tokenizer is not None:
                found.append(tok.pre_tokenizer.pre_tokenize_str(text))
        return found

    agree(program)

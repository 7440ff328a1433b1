"""`subtok.transformers.load` against the ordinary class on the same file."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import data_dir

import subtok
import subtok.compat

# Collected where it is installed: `make integrations`.
transformers = pytest.importorskip("transformers")

import subtok.transformers  # noqa: E402

Ordinary = transformers.PreTrainedTokenizerFast
TEXTS = [
    "hello world, hello you",
    "",
    "Größer [MASK] 한국어 don't!! <|endoftext|>",
    "the cat sat on the mat " * 3,
]
SPECIAL = {
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }}\n{% endfor %}"
MESSAGES = [{"role": "user", "content": "hello you"}, {"role": "bot", "content": "don't"}]


@pytest.fixture(scope="session")
def files(wordpiece, bpe, tmp_path_factory):
    """Two tokenizers as files, with the arguments that go with them."""
    folder = tmp_path_factory.mktemp("files")
    tok = subtok.compat.Tokenizer.from_str(wordpiece.to_str())
    ends = [(token, tok.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tok.post_processor = subtok.compat.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tok.save(str(folder / "wordpiece.json"))
    bpe.save(str(folder / "bpe.json"))
    return {
        "wordpiece": (folder / "wordpiece.json", SPECIAL),
        "bpe": (folder / "bpe.json", {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}),
    }


@pytest.fixture(params=["wordpiece", "bpe"])
def pair(request, files):
    path, options = files[request.param]
    return Ordinary(tokenizer_file=str(path), **options), subtok.transformers.load(path, **options)


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return value


def same(call, pair):
    there, here = pair
    expected, got = plain(call(there)), plain(call(here))
    assert got == expected
    return got


def test_it_is_the_ordinary_class(pair):
    there, here = pair
    assert type(here) is type(there)
    assert repr(here) == repr(there)
    assert isinstance(here.backend_tokenizer, subtok.compat.Tokenizer)
    assert len(here) == len(there)
    assert here.get_vocab() == there.get_vocab()
    assert here.all_special_ids == there.all_special_ids
    assert here.vocab_size == there.vocab_size


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True},
        {"padding": "max_length", "max_length": 12, "truncation": True},
        {"truncation": True, "max_length": 6, "padding": True, "return_tensors": "np"},
        {"truncation": True, "max_length": 12, "stride": 2, "return_overflowing_tokens": True},
        {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_length": True},
        {"add_special_tokens": False, "return_token_type_ids": True},
        {"padding": True, "pad_to_multiple_of": 8, "padding_side": "left"},
        {"truncation": "only_first", "max_length": 99},
    ],
    ids=str,
)
def test_calls(pair, options):
    same(lambda tok: tok(TEXTS, **options), pair)
    same(lambda tok: tok(TEXTS, TEXTS[::-1], **options), pair)
    if options.get("return_tensors") is None:
        same(lambda tok: tok(TEXTS[0], **options), pair)
        same(lambda tok: tok([t.split() for t in TEXTS], is_split_into_words=True, **options), pair)


def test_places(pair):
    for text in TEXTS:
        same(lambda tok, text=text: tok(text).word_ids(), pair)
        same(lambda tok, text=text: tok(text, text).sequence_ids(), pair)
        same(lambda tok, text=text: tok(text).tokens(), pair)
        for at in range(len(text)):
            same(lambda tok, text=text, at=at: tok(text).char_to_token(at), pair)
            same(lambda tok, text=text, at=at: tok(text).char_to_word(at), pair)
    same(lambda tok: tok(TEXTS[0]).token_to_chars(1), pair)
    same(lambda tok: tok(TEXTS[0]).word_to_tokens(1), pair)


def test_back_to_text(pair):
    ids = same(lambda tok: tok(TEXTS).input_ids, pair)
    same(lambda tok: tok.batch_decode(ids), pair)
    same(lambda tok: [tok.decode(row, skip_special_tokens=True) for row in ids], pair)
    same(lambda tok: tok.convert_ids_to_tokens(ids[0]), pair)
    same(lambda tok: tok.convert_tokens_to_ids(["hello", "the", "nope"]), pair)
    same(lambda tok: tok.convert_tokens_to_string(tok.tokenize(TEXTS[0])), pair)


def test_more_tokens(pair):
    def more(tok):
        tok = copy.deepcopy(tok)
        added = tok.add_tokens(["zebra", transformers.AddedToken("gnu", lstrip=True)])
        special = tok.add_special_tokens({"additional_special_tokens": ["<x>"]})
        ids = tok("a zebra <x> gnu").input_ids
        return [added, special, len(tok), ids, tok.decode(ids, skip_special_tokens=True)]

    same(more, pair)
    assert len(pair[0]) == len(pair[1])


def test_split_special_tokens(pair):
    same(lambda tok: tok("[MASK]<|endoftext|>", split_special_tokens=True).input_ids, pair)
    same(lambda tok: tok("[MASK]<|endoftext|>").input_ids, pair)


def test_chats(pair):
    for tok in pair:
        tok.chat_template = TEMPLATE
    same(lambda tok: tok.apply_chat_template(MESSAGES, tokenize=False), pair)
    same(lambda tok: tok.apply_chat_template(MESSAGES), pair)


def test_pickles(pair):
    again = pickle.loads(pickle.dumps(pair[1]))
    assert again(TEXTS).input_ids == pair[0](TEXTS).input_ids
    assert isinstance(again.backend_tokenizer, subtok.compat.Tokenizer)


def test_training_anew(pair):
    corpus = [["low lower lowest new newer newest"] * 20]

    def trained(tok):
        new = tok.train_new_from_iterator(corpus, 300, show_progress=False)
        return [sorted(new.get_vocab().values()), type(new)]

    same(trained, pair)


def test_saved_and_read_again(pair, tmp_path):
    here = pair[1]
    here.chat_template = TEMPLATE
    here.add_tokens(["zebra"])
    here.save_pretrained(tmp_path)
    ours = subtok.transformers.load(tmp_path, model_max_length=7)
    assert ours.model_max_length == 7
    again = subtok.transformers.load(tmp_path)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert isinstance(again.backend_tokenizer, subtok.compat.Tokenizer)
    assert not isinstance(auto.backend_tokenizer, subtok.compat.Tokenizer)
    assert repr(again) == repr(auto)
    texts = [*TEXTS, "a zebra"]
    assert again(texts, padding=True) == auto(texts, padding=True)
    assert again.apply_chat_template(MESSAGES) == auto.apply_chat_template(MESSAGES)
    assert json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["version"] == "1.0"


def test_what_can_be_loaded(files, wordpiece, tmp_path):
    path, options = files["wordpiece"]
    shell = subtok.compat.Tokenizer.from_file(path)
    for given in (wordpiece, shell, str(path), Path(path)):
        tok = subtok.transformers.load(given, **options)
        assert (
            tok("hello", add_special_tokens=False).input_ids
            == wordpiece.encode("hello", add_special_tokens=False).ids.tolist()
        )
        tok.add_tokens(["only there"])
    assert shell.token_to_id("only there") is None
    with pytest.raises(subtok.FileError, match=r"tokenizer\.json"):
        subtok.transformers.load(tmp_path)
    with pytest.raises(subtok.ArgumentTypeError):
        subtok.transformers.load(5)


def test_bos_and_eos(files):
    path, _ = files["bpe"]
    options = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True}
    pair = Ordinary(tokenizer_file=str(path), **options), subtok.transformers.load(path, **options)
    same(lambda tok: tok(TEXTS, TEXTS), pair)
    for tok in pair:
        tok.add_eos_token = True
    same(lambda tok: tok(TEXTS).input_ids, pair)


REAL = sorted((data_dir() or Path("nowhere")).glob("tokenizers/tokenizer_json/*.json"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_files_of_real_models(path):
    options = {"pad_token": "<pad>"}
    pair = Ordinary(tokenizer_file=str(path), **options), subtok.transformers.load(path, **options)
    for settings in [
        {"padding": True, "return_offsets_mapping": True, "return_token_type_ids": True},
        {"truncation": True, "max_length": 10, "padding": "max_length", "return_tensors": "np"},
        {"truncation": True, "max_length": 9, "stride": 1, "return_overflowing_tokens": True},
    ]:
        same(lambda tok, settings=settings: tok(TEXTS, **settings), pair)
    same(lambda tok: tok(TEXTS, TEXTS[::-1]), pair)
    ids = same(lambda tok: tok(TEXTS).input_ids, pair)
    same(lambda tok: tok.batch_decode(ids, skip_special_tokens=True), pair)
    same(len, pair)
    for text in TEXTS:
        same(lambda tok, text=text: tok.tokenize(text), pair)

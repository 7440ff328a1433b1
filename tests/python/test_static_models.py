"""Folders of static models, beside the libraries whose formats they are: `make integrations`."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from conftest import CORPUS
from tokenizers import Tokenizer

import subtok

StaticModel = pytest.importorskip("model2vec").StaticModel
SentenceTransformer = pytest.importorskip("sentence_transformers").SentenceTransformer
modules_of = importlib.import_module("sentence_transformers.sentence_transformer.modules")

TEXTS = ["The cat sat on the mat.", "", "naïve 東京 🙂", "word " * 900, *CORPUS.splitlines()]
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def tok():
    return subtok.train_wordpiece(iter(CORPUS.splitlines() * 9), vocab_size=200)


@pytest.fixture
def peer(tok):
    return Tokenizer.from_str(tok.to_str())


def uncut(model):
    """A model that does not cut texts by characters before it counts tokens."""
    model.median_token_length = 1 << 20
    return model


@pytest.mark.parametrize("options", [{}, {"normalize": True, "max_length": 20}])
@pytest.mark.parametrize("extra", ["", "weights", "mapping"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_folder_of_model2vec_gives_the_same_vectors(tok, peer, tmp_path, options, extra, dtype):
    table = RNG.normal(size=(tok.id_limit, 8)) * 40
    more = {}
    if extra:
        more["weights"] = RNG.random(tok.id_limit)
    if extra == "mapping":
        table = table[:13]
        more["token_mapping"] = np.arange(tok.id_limit) % 13
    model = StaticModel(table.astype(dtype), peer, **more, **options)
    model.save_pretrained(tmp_path)
    embed = subtok.TextEmbedder.from_model2vec(tmp_path)
    there = uncut(StaticModel.from_pretrained(tmp_path))
    want = there.encode(TEXTS, use_multiprocessing=False)
    # Half precision is its result there, too.
    loose = {"float16": 4e-3, "float32": 1e-5, "int8": 1e-5}[dtype]
    assert np.allclose(embed(TEXTS), want, rtol=loose, atol=loose * (1 if options else 40))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_model2vec_reads_our_folder(tok, tmp_path, normalize, weights):
    emb = subtok.FactorizedEmbedding(tok.id_limit, 6, 20, seed=1)
    counts = subtok.id_counts(tok, CORPUS.splitlines()) if weights else None
    embed = subtok.TextEmbedder(
        tok, emb, max_length=50, counts=counts, normalize=normalize, skip_unknown=True
    )
    embed.save_model2vec(tmp_path / "model")
    model = uncut(StaticModel.from_pretrained(tmp_path / "model"))
    assert (model.max_length, model.normalize) == (50, normalize)
    got = model.encode(TEXTS, use_multiprocessing=False)
    assert np.allclose(got, embed(TEXTS), rtol=1e-5, atol=1e-6)


def test_model2vec_reads_a_table_for_ids_with_gaps(tmp_path):
    text = '{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0,"b":5,"[UNK]":2},'
    text += '"unk_token":"[UNK]"},"pre_tokenizer":{"type":"Whitespace"}}'
    tok = subtok.Tokenizer.from_str(text)
    embed = subtok.TextEmbedder(tok, RNG.normal(size=(9, 4)), skip_unknown=True)
    embed.save_model2vec(tmp_path / "model")
    model = StaticModel.from_pretrained(tmp_path / "model")
    texts = ["a b b", "b", "a x"]
    assert np.allclose(model.encode(texts), embed(texts), rtol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_folder_of_sentence_transformers_gives_the_same_vectors(tok, peer, tmp_path, normalize):
    table = RNG.normal(size=(tok.id_limit, 8)).astype(np.float32)
    peer.enable_truncation(30)
    modules = [modules_of.StaticEmbedding(peer, embedding_weights=table)]
    if normalize:
        modules.append(modules_of.Normalize())
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(tmp_path))
    embed = subtok.TextEmbedder.from_sentence_transformers(tmp_path)
    assert (embed.max_length, embed.normalize) == (30, normalize)
    assert np.allclose(embed(TEXTS), model.encode(TEXTS), atol=1e-5)
    # And back.
    embed.save_sentence_transformers(tmp_path / "ours")
    again = SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    assert np.allclose(again.encode(TEXTS), embed(TEXTS), atol=1e-5)


def test_sentence_transformers_reads_folders_of_ours_with_weights(tok, tmp_path):
    counts = subtok.id_counts(tok, CORPUS.splitlines())
    embed = subtok.TextEmbedder(tok, RNG.normal(size=(tok.id_limit, 8)), counts=counts)
    embed.save_sentence_transformers(tmp_path)
    model = SentenceTransformer(str(tmp_path), device="cpu")
    assert np.allclose(model.encode(TEXTS), embed(TEXTS), atol=1e-5)


def test_sentence_transformers_reads_a_model2vec_folder_of_ours(tok, tmp_path):
    embed = subtok.TextEmbedder(tok, RNG.normal(size=(tok.id_limit, 8)), skip_unknown=True)
    embed.save_model2vec(tmp_path)
    model = SentenceTransformer(str(tmp_path), device="cpu")
    known = ["The cat sat on the mat.", "the text"]
    assert np.allclose(model.encode(known), embed(known), atol=1e-5)
    there = subtok.TextEmbedder.from_sentence_transformers(tmp_path)
    assert np.allclose(there(known), embed(known), atol=1e-5)

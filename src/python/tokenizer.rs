//! `subtok.Tokenizer` and its stream decoder.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::args::{Keywords, Rare, choice, path, size, wanted_threads};
use super::arrays::{self, IdRules};
use super::arrow::{self, NULLS, Nulls, SharedIds};
use super::batch::PyEncodingBatch;
use super::decoding;
use super::encoding::{PyEncoding, RowSource, Source};
use super::errors::{argument, check_signals, raise, wrong_type};
use super::info;
use super::stream::PyDecodeStream;
use super::text::{Held, HeldInput, HeldRows, Reading, SURROGATES, Surrogates, string};
use super::texts::PyTextBatch;
use crate::error::Error;
use crate::formats::{self, VocabTxtOptions};
use crate::model::{BpeOptions, WordPieceOptions};
use crate::normalize::BertNormalizer;
use crate::pretokenize::PreTokenizer;
use crate::regex::Dialect;
use crate::tokenizer::{BatchRow, EncodeOptions, Input, Tokenizer, TokenizerBuilder, UnknownIds};

/// A tokenizer: immutable, picklable, safe to share between threads.
#[pyclass(frozen, name = "Tokenizer", module = "subtok", weakref)]
pub(crate) struct PyTokenizer {
    pub(crate) inner: Tokenizer,
    /// What calls encode by that give nothing but the first two options, by these two.
    usual: [OnceLock<Arc<EncodeOptions>>; 4],
    /// What training did, when it was trained in this process.
    report: Option<Py<PyDict>>,
}

impl From<Tokenizer> for PyTokenizer {
    fn from(inner: Tokenizer) -> Self {
        Self { inner, usual: [const { OnceLock::new() }; 4], report: None }
    }
}

const UNKNOWN: [(&str, UnknownIds); 3] =
    [("strict", UnknownIds::Error), ("replace", UnknownIds::Error), ("skip", UnknownIds::Skip)];

fn unknown(errors: Option<&Bound<'_, PyAny>>) -> PyResult<UnknownIds> {
    errors.map_or(Ok(UnknownIds::Error), |errors| choice("errors", errors, &UNKNOWN))
}

fn surrogates(errors: Option<&Bound<'_, PyAny>>) -> PyResult<Surrogates> {
    errors.map_or(Ok(Surrogates::Strict), |errors| choice("errors", errors, &SURROGATES))
}

fn nulls(nulls: Option<&Bound<'_, PyAny>>) -> PyResult<Nulls> {
    nulls.map_or(Ok(Nulls::Error), |nulls| choice("nulls", nulls, &NULLS))
}

/// Text above this is worth letting other threads run meanwhile, in bytes.
const DETACH_BYTES: usize = 2048;
/// A text above this is taken apart: for threads, and to look for Ctrl-C meanwhile.
const LONG_BYTES: usize = 256 << 10;
/// From so many ids on an array takes their memory over: below, copying them costs less.
const SHARED_IDS: usize = 4096;

impl PyTokenizer {
    /// A tokenizer that was trained just now.
    pub(crate) fn trained(inner: Tokenizer, report: Py<PyDict>) -> Self {
        Self { report: Some(report), ..inner.into() }
    }

    fn load(
        py: Python<'_>,
        make: impl FnOnce() -> Result<TokenizerBuilder, Error> + Send,
    ) -> PyResult<Self> {
        Ok(py.detach(|| Tokenizer::build(make()?))?.into())
    }

    /// The options of a call that gives nothing but these two, made once.
    fn usual_options(&self, special: bool, plain: bool) -> PyResult<Arc<EncodeOptions>> {
        let usual = &self.usual[usize::from(special) << 1 | usize::from(plain)];
        if let Some(options) = usual.get() {
            return Ok(Arc::clone(options));
        }
        let options = Arc::new(Rare::default().keywords(special, plain).options(&self.inner)?);
        Ok(Arc::clone(usual.get_or_init(|| options)))
    }

    /// A call that gives a text, and whether special tokens are added to it.
    pub(crate) fn encode_usual(
        &self,
        text: &Bound<'_, PyAny>,
        special: bool,
    ) -> PyResult<PyEncoding> {
        let options = self.usual_options(special, false)?;
        let held = HeldInput::new(text, "text", None, false, Surrogates::Strict)?;
        let ids = self.row_ids(text.py(), &held, None, &options, None)?;
        let (tokenizer, row) = (self.inner.clone(), RowSource::Own(held, None));
        Ok(PyEncoding::new(ids, Source { tokenizer, row, options, longest: 0 }))
    }

    /// The ids of one row. A short text is encoded at once into a buffer of the tokenizer's, a long one
    /// without the interpreter.
    fn row_ids<'py>(
        &self,
        py: Python<'py>,
        text: &HeldInput,
        pair: Option<&HeldInput>,
        options: &EncodeOptions,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        if let (HeldInput::Text(text), None) = (text, pair) {
            let input = Input::Text(text.text());
            if input.bytes() <= DETACH_BYTES {
                let array = |ids: &[u32]| PyArray1::from_slice(py, ids);
                return Ok(self.inner.with_ids(input, None, options, array)?);
            }
        }
        let encode = || {
            text.with(|text| {
                let one = |pair: Option<Input<'_>>| {
                    let mut ids = Vec::new();
                    self.inner.encode_ids(text, pair, options, &mut ids)?;
                    Ok::<_, Error>(ids)
                };
                match pair {
                    Some(pair) => pair.with(|pair| one(Some(pair))),
                    None if text.bytes() < LONG_BYTES || options.padding.is_some() => one(None),
                    None => {
                        let threads = crate::threads::wanted(threads)?;
                        let rows = [BatchRow { input: text, pair: None }];
                        let poll = &mut check_signals;
                        Ok(self.inner.encode_batch(&rows, options, threads, poll)?.ids)
                    }
                }
            })
        };
        let ids = py.detach(encode)?;
        if ids.len() < SHARED_IDS {
            return Ok(PyArray1::from_slice(py, &ids));
        }
        arrow::numpy(py, &SharedIds::new(ids))
    }

    fn rules(&self, unknown: UnknownIds, row: Option<usize>) -> IdRules {
        IdRules { size: self.inner.id_limit(), unknown, row }
    }

    fn json(&self, py: Python<'_>, pretty: bool) -> PyResult<String> {
        Ok(py.detach(|| formats::to_json(&self.inner, pretty))?)
    }

    /// The canonical form, and whose patterns are in it.
    fn canonical(&self, py: Python<'_>) -> PyResult<(String, Dialect)> {
        Ok(py.detach(|| formats::canonical(&self.inner))?)
    }
}

#[pymethods]
impl PyTokenizer {
    #[staticmethod]
    #[pyo3(signature = (path, *, pattern = None, special_tokens = None))]
    fn from_file(
        path: &Bound<'_, PyAny>,
        pattern: Option<&Bound<'_, PyAny>>,
        special_tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if let Some(pattern) = pattern {
            return Self::from_tiktoken(path, Some(pattern), special_tokens);
        }
        if special_tokens.is_some() {
            let message = "special_tokens goes with pattern: they are for rank files, other files have their own";
            return Err(argument(path.py(), message));
        }
        let file = self::path("path", path)?;
        Self::load(path.py(), || formats::load(&file))
    }

    #[staticmethod]
    fn from_str(json: &Bound<'_, PyAny>) -> PyResult<Self> {
        let held = string("json", json)?;
        Self::load(json.py(), || formats::from_json(held.text().as_bytes()))
    }

    /// What pickle calls for a tokenizer that no `tokenizer.json` can say.
    #[staticmethod]
    fn _from_rank_str(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let held = string("text", text)?;
        Self::load(text.py(), || formats::from_canonical(held.text(), Dialect::Tiktoken))
    }

    #[staticmethod]
    #[pyo3(signature = (path, pattern = None, special_tokens = None))]
    fn from_tiktoken(
        path: &Bound<'_, PyAny>,
        pattern: Option<&Bound<'_, PyAny>>,
        special_tokens: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let file = self::path("path", path)?;
        let pattern = match pattern {
            Some(pattern) => Some(string("pattern", pattern)?),
            None => None,
        };
        let special: Vec<(String, u32)> = match special_tokens {
            None => Vec::new(),
            Some(given) => {
                let tokens: HashMap<String, u32> = given.extract().map_err(|_| {
                    wrong_type("special_tokens", "a dict of strings and ids", given)
                })?;
                let mut tokens: Vec<_> = tokens.into_iter().collect();
                tokens.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
                tokens
            }
        };
        Self::load(path.py(), || {
            formats::from_tiktoken(&file, pattern.as_ref().map(Held::text), &special)
        })
    }

    #[staticmethod]
    fn from_sentencepiece(path: &Bound<'_, PyAny>) -> PyResult<Self> {
        let file = self::path("path", path)?;
        Self::load(path.py(), || formats::from_sentencepiece(&file))
    }

    #[staticmethod]
    fn from_tekken(path: &Bound<'_, PyAny>) -> PyResult<Self> {
        let file = self::path("path", path)?;
        Self::load(path.py(), || {
            let bytes = crate::files::read(&file)?;
            formats::from_tekken(&bytes).map_err(|error| error.in_file(&file))
        })
    }

    #[staticmethod]
    #[pyo3(signature = (
        path, lowercase = true, strip_accents = None, handle_chinese_chars = true, clean_text = true, *,
        unk_token = "[UNK]", continuing_subword_prefix = "##", max_input_chars_per_word = 100
    ))]
    fn from_wordpiece(
        path: &Bound<'_, PyAny>,
        lowercase: bool,
        strip_accents: Option<bool>,
        handle_chinese_chars: bool,
        clean_text: bool,
        unk_token: &str,
        continuing_subword_prefix: &str,
        max_input_chars_per_word: usize,
    ) -> PyResult<Self> {
        let file = self::path("path", path)?;
        let options = VocabTxtOptions {
            normalizer: BertNormalizer {
                clean_text,
                handle_chinese_chars,
                strip_accents,
                lowercase,
            },
            model: WordPieceOptions {
                unk_token: unk_token.to_owned(),
                continuing_subword_prefix: continuing_subword_prefix.to_owned(),
                max_input_chars_per_word,
            },
            ..VocabTxtOptions::default()
        };
        Self::load(path.py(), || {
            let bytes = crate::files::read(&file)?;
            formats::from_vocab_txt(&bytes, &options).map_err(|error| error.in_file(&file))
        })
    }

    #[staticmethod]
    #[pyo3(signature = (
        vocab, merges, pretokenizer = None, *, dropout = None, unk_token = None,
        continuing_subword_prefix = None, end_of_word_suffix = None, fuse_unk = false,
        byte_fallback = false, ignore_merges = false
    ))]
    fn from_bpe(
        vocab: &Bound<'_, PyAny>,
        merges: &Bound<'_, PyAny>,
        pretokenizer: Option<&Bound<'_, PyAny>>,
        dropout: Option<f32>,
        unk_token: Option<String>,
        continuing_subword_prefix: Option<String>,
        end_of_word_suffix: Option<String>,
        fuse_unk: bool,
        byte_fallback: bool,
        ignore_merges: bool,
    ) -> PyResult<Self> {
        let files = (self::path("vocab", vocab)?, self::path("merges", merges)?);
        let name = pretokenizer.map(|name| string("pretokenizer", name)).transpose()?;
        let pre_tokenizer = PreTokenizer::by_name(name.as_ref().map_or("gpt2", Held::text))?;
        let options = BpeOptions {
            dropout,
            unk_token,
            continuing_subword_prefix,
            end_of_word_suffix,
            fuse_unk,
            byte_fallback,
            ignore_merges,
            ..BpeOptions::default()
        };
        Self::load(vocab.py(), || {
            formats::from_bpe_files(&files.0, &files.1, pre_tokenizer, options)
        })
    }

    #[pyo3(signature = (accept = Vec::new()))]
    fn to_components(&self, py: Python<'_>, accept: Vec<String>) -> PyResult<Self> {
        let mut accepted = formats::Accepted::default();
        for name in accept {
            match name.as_str() {
                "controls" => accepted.controls = true,
                "decoding" => accepted.decoding = true,
                _ => {
                    let wanted = "a list of \"controls\" and \"decoding\"";
                    return Err(Error::argument("accept", format!("{name:?}"), wanted).into());
                }
            }
        }
        Self::load(py, || formats::sentencepiece_components(&self.inner, accepted))
    }

    #[pyo3(signature = (path, pretty = false))]
    fn save(&self, path: &Bound<'_, PyAny>, pretty: bool) -> PyResult<()> {
        let file = self::path("path", path)?;
        let save = || formats::save(&self.inner, pretty, &file);
        Ok(path.py().detach(save)?)
    }

    fn to_tiktoken<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &py.detach(|| formats::to_tiktoken(&self.inner))?))
    }

    #[pyo3(signature = (pretty = false))]
    fn to_str(&self, py: Python<'_>, pretty: bool) -> PyResult<String> {
        self.json(py, pretty)
    }

    #[getter]
    fn training_report<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.report.as_ref().map(|report| report.bind(py).copy()).transpose()
    }

    #[getter]
    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }

    #[getter]
    fn id_limit(&self) -> usize {
        self.inner.id_limit()
    }

    #[pyo3(signature = (with_added_tokens = true))]
    fn get_vocab<'py>(
        &self,
        py: Python<'py>,
        with_added_tokens: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let vocab = PyDict::new(py);
        for (id, token) in self.inner.declaration().model.vocab().iter() {
            vocab.set_item(token, id)?;
        }
        if with_added_tokens {
            for (id, token) in self.inner.added_tokens() {
                vocab.set_item(&token.content, id)?;
            }
        }
        Ok(vocab)
    }

    fn token_to_id(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.inner.token_to_id(string("token", token)?.text()))
    }

    fn id_to_token(&self, id: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        let id = arrays::id(id, 0, self.inner.id_limit())?;
        Ok(self.inner.id_to_token(id).map(str::to_owned))
    }

    fn token_bytes<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let size = self.inner.id_limit();
        let number = arrays::id(id, 0, size)?;
        let bytes = self.inner.token_bytes(number).ok_or(Error::UnknownId {
            id: number.into(),
            position: 0,
            row: None,
            size,
        })?;
        Ok(PyBytes::new(id.py(), &bytes))
    }

    #[getter]
    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tokens = PyDict::new(py);
        for (id, token) in self.inner.added_tokens().filter(|(_, token)| token.special) {
            tokens.set_item(&token.content, id)?;
        }
        Ok(tokens)
    }

    #[pyo3(signature = (tokens, special = false))]
    fn with_added_tokens(&self, tokens: &Bound<'_, PyAny>, special: bool) -> PyResult<Self> {
        if tokens.is_instance_of::<PyString>() {
            return Err(wrong_type("tokens", "a list of strings", tokens));
        }
        let given =
            tokens.try_iter().map_err(|_| wrong_type("tokens", "a list of strings", tokens))?;
        let mut added = Vec::new();
        for (row, token) in given.enumerate() {
            added.push(info::added_token(&token?, row, special)?);
        }
        Ok(tokens.py().detach(|| self.inner.with_added_tokens(added))?.into())
    }

    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        let (mut text, dialect) = self.canonical(py)?;
        if dialect == Dialect::Tiktoken {
            // What a pattern means is whose it is.
            text.push_str("\ntiktoken");
        }
        let hash = py.import("hashlib")?.call_method1("sha256", (text.as_bytes(),))?;
        hash.call_method0("hexdigest")?.extract()
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        info::of(py, &self.inner)
    }

    /// With any arguments; what Python calls is in `call.rs`.
    #[pyo3(signature = (
        text, pair = None, *, add_special_tokens = true, split_special_tokens = false,
        is_split_into_words = false, **rare
    ))]
    fn encode(
        &self,
        text: &Bound<'_, PyAny>,
        pair: Option<&Bound<'_, PyAny>>,
        add_special_tokens: bool,
        split_special_tokens: bool,
        is_split_into_words: bool,
        rare: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyEncoding> {
        let py = text.py();
        let (options, surrogates, threads) = match rare {
            None => {
                let options = self.usual_options(add_special_tokens, split_special_tokens)?;
                (options, Surrogates::Strict, None)
            }
            Some(rare) => {
                let rare = Rare::read(rare)?;
                let keywords = rare.keywords(add_special_tokens, split_special_tokens);
                let options = Arc::new(keywords.options(&self.inner)?);
                let threads = rare.threads.map(|threads| size("threads", &threads)).transpose()?;
                (options, surrogates(rare.errors.as_ref())?, threads)
            }
        };
        let text = HeldInput::new(text, "text", None, is_split_into_words, surrogates)?;
        let pair =
            pair.map(|pair| HeldInput::new(pair, "pair", None, is_split_into_words, surrogates));
        let pair = pair.transpose()?;
        let ids = self.row_ids(py, &text, pair.as_ref(), &options, threads)?;
        let (tokenizer, row) = (self.inner.clone(), RowSource::Own(text, pair.map(Box::new)));
        Ok(PyEncoding::new(ids, Source { tokenizer, row, options, longest: 0 }))
    }

    #[pyo3(signature = (
        texts, pairs = None, *, threads = None, add_special_tokens = true, split_special_tokens = false,
        is_split_into_words = false, max_length = None, truncation = None, truncation_side = None,
        stride = None, padding = None, padding_side = None, pad_to_multiple_of = None, pad_id = None,
        dropout = None, seed = None, errors = None, nulls = None
    ))]
    fn encode_batch(
        &self,
        texts: &Bound<'_, PyAny>,
        pairs: Option<&Bound<'_, PyAny>>,
        threads: Option<&Bound<'_, PyAny>>,
        add_special_tokens: bool,
        split_special_tokens: bool,
        is_split_into_words: bool,
        max_length: Option<&Bound<'_, PyAny>>,
        truncation: Option<&Bound<'_, PyAny>>,
        truncation_side: Option<&Bound<'_, PyAny>>,
        stride: Option<&Bound<'_, PyAny>>,
        padding: Option<&Bound<'_, PyAny>>,
        padding_side: Option<&Bound<'_, PyAny>>,
        pad_to_multiple_of: Option<&Bound<'_, PyAny>>,
        pad_id: Option<&Bound<'_, PyAny>>,
        dropout: Option<&Bound<'_, PyAny>>,
        seed: Option<&Bound<'_, PyAny>>,
        errors: Option<&Bound<'_, PyAny>>,
        nulls: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyEncodingBatch> {
        let py = texts.py();
        let keywords = Keywords {
            add_special_tokens,
            split_special_tokens,
            max_length,
            truncation,
            truncation_side,
            stride,
            padding,
            padding_side,
            pad_to_multiple_of,
            pad_id,
            dropout,
            seed,
        };
        let options = Arc::new(keywords.options(&self.inner)?);
        let threads = wanted_threads(threads)?;
        let reading = Reading {
            words: is_split_into_words,
            surrogates: surrogates(errors)?,
            nulls: self::nulls(nulls)?,
        };
        let rows = HeldRows::new(texts, pairs, reading)?;
        let encode = || {
            rows.with(|rows| self.inner.encode_batch(rows, &options, threads, &mut check_signals))
        };
        let batch = py.detach(encode)?;
        PyEncodingBatch::new(py, self.inner.clone(), rows, options, batch)
    }

    #[pyo3(signature = (text, *, add_special_tokens = false))]
    fn count(&self, text: &Bound<'_, PyAny>, add_special_tokens: bool) -> PyResult<usize> {
        let options = EncodeOptions { add_special_tokens, ..EncodeOptions::default() };
        let text = Held::new(text, "text", None, Surrogates::Strict)?;
        Ok(text_py(|| self.inner.count(text.text(), &options))?)
    }

    #[pyo3(signature = (texts, *, add_special_tokens = false, threads = None, nulls = None))]
    fn count_batch<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        add_special_tokens: bool,
        threads: Option<&Bound<'_, PyAny>>,
        nulls: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let py = texts.py();
        let options = EncodeOptions { add_special_tokens, ..EncodeOptions::default() };
        let threads = wanted_threads(threads)?;
        let nulls = self::nulls(nulls)?;
        let reading = Reading { words: false, surrogates: Surrogates::Strict, nulls };
        let rows = HeldRows::new(texts, None, reading)?;
        let count = || {
            rows.with(|rows| self.inner.count_batch(rows, &options, threads, &mut check_signals))
        };
        Ok(PyArray1::from_vec(py, py.detach(count)?))
    }

    #[pyo3(signature = (ids, *, skip_special_tokens = true, clean_up = None, errors = None))]
    fn decode<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
        clean_up: Option<bool>,
        errors: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyString>> {
        let unknown = unknown(errors)?;
        check_clean_up(ids.py(), clean_up)?;
        decoding::text(&self.inner, ids, skip_special_tokens, unknown)
    }

    #[pyo3(signature = (
        rows, *, skip_special_tokens = true, clean_up = None, errors = None, threads = None
    ))]
    fn decode_batch<'py>(
        &self,
        rows: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
        clean_up: Option<bool>,
        errors: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let unknown = unknown(errors)?;
        check_clean_up(rows.py(), clean_up)?;
        let (tokenizer, skip_special) = (&self.inner, skip_special_tokens);
        decoding::Call { tokenizer, rows, skip_special, unknown, threads }.strings()
    }

    #[pyo3(signature = (
        rows, *, skip_special_tokens = true, clean_up = None, errors = None, threads = None
    ))]
    fn decode_arrow<'py>(
        &self,
        rows: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
        clean_up: Option<bool>,
        errors: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<PyTextBatch> {
        let unknown = unknown(errors)?;
        check_clean_up(rows.py(), clean_up)?;
        let (tokenizer, skip_special) = (&self.inner, skip_special_tokens);
        let call = decoding::Call { tokenizer, rows, skip_special, unknown, threads };
        Ok(call.column()?.into())
    }

    fn decode_bytes<'py>(&self, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let py = ids.py();
        let ids = arrays::ids(ids, self.rules(UnknownIds::Error, None))?;
        Ok(PyBytes::new(py, &py.detach(|| self.inner.decode_bytes(&ids))?))
    }

    fn decode_with_offsets<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<(String, Bound<'py, PyArray1<i64>>)> {
        let py = ids.py();
        let ids = arrays::ids(ids, self.rules(UnknownIds::Error, None))?;
        let (text, starts) = py.detach(|| self.inner.decode_with_offsets(&ids))?;
        Ok((text, starts.to_pyarray(py)))
    }

    #[pyo3(signature = (*, skip_special_tokens = true))]
    fn stream(&self, skip_special_tokens: bool) -> PyDecodeStream {
        PyDecodeStream::new(self.inner.stream(skip_special_tokens), self.inner.id_limit())
    }

    fn truncate(&self, text: &Bound<'_, PyAny>, max_tokens: &Bound<'_, PyAny>) -> PyResult<String> {
        let max_tokens = size("max_tokens", max_tokens)?;
        let text = Held::new(text, "text", None, Surrogates::Strict)?;
        Ok(text_py(|| self.inner.truncate(text.text(), max_tokens).map(str::to_owned))?)
    }

    #[pyo3(signature = (text, max_tokens, overlap = None))]
    fn chunk(
        &self,
        text: &Bound<'_, PyAny>,
        max_tokens: &Bound<'_, PyAny>,
        overlap: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<(usize, usize)>> {
        let max_tokens = size("max_tokens", max_tokens)?;
        let overlap = overlap.map_or(Ok(0), |overlap| size("overlap", overlap))?;
        let text = Held::new(text, "text", None, Surrogates::Strict)?;
        Ok(text_py(|| self.inner.chunk(text.text(), max_tokens, overlap))?)
    }

    #[pyo3(signature = (pair = false))]
    fn num_special_tokens_to_add(&self, pair: bool) -> usize {
        self.inner.special_token_count(pair)
    }

    fn cache_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (caches, stats) = self.inner.cache_stats();
        let result = PyDict::new(py);
        result.set_item("caches", caches)?;
        result.set_item("bytes", caches * self.inner.table_bytes().1)?;
        result.set_item("hits", stats.hits)?;
        result.set_item("misses", stats.misses)?;
        result.set_item("evictions", stats.evictions)?;
        Ok(result)
    }

    fn cache_clear(&self) {
        self.inner.cache_clear();
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let class = slf.py().get_type::<Self>();
        let (text, dialect) = slf.get().canonical(slf.py())?;
        let load = match dialect {
            Dialect::TokenizerJson => "from_str",
            Dialect::Tiktoken => "_from_rank_str",
        };
        Ok((class.getattr(load)?, (text,)))
    }

    fn __copy__(&self) -> Self {
        self.inner.clone().into()
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        self.inner.clone().into()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        match other.cast::<Self>() {
            Ok(other) => Ok(self.canonical(other.py())? == other.get().canonical(other.py())?),
            Err(_) => Ok(false),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.canonical(py)?.0.hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn __repr__(&self) -> String {
        let (model, size) = (self.inner.declaration().model.kind(), self.inner.vocab_size());
        format!("Tokenizer(model={model}, vocab_size={size})")
    }
}

/// Works on a text without the interpreter.
fn text_py<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    Python::attach(|py| py.detach(work))
}

fn check_clean_up(py: Python<'_>, clean_up: Option<bool>) -> PyResult<()> {
    // The decoder's own cleanup is part of the tokenizer; another one is transformers' business.
    match clean_up {
        Some(true) => Err(raise(py, "UnsupportedError", "clean_up=True is not supported yet")),
        _ => Ok(()),
    }
}

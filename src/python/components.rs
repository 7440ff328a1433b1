//! Single components for `subtok.compat`, which shows a tokenizer as parts that can be changed: a
//! component comes as the JSON of its place in a `tokenizer.json` and is applied to a text alone.
//!
//! Everything here is private to the package: names begin with an underscore.

use std::ops::ControlFlow;

use pyo3::prelude::*;

use super::args::choice;
use super::arrow::Nulls;
use super::batch::PyEncodingBatch;
use super::counts::PyCounts;
use super::errors::check_signals;
use super::text::{HeldRows, Reading, Surrogates, string};
use super::tokenizer::PyTokenizer;
use crate::decode;
use crate::error::{Error, Result};
use crate::formats;
use crate::ids::{Span, check_text_length};
use crate::model::ModelScratch;
use crate::normalize::Aligned;
use crate::postprocess::fit::{
    Direction, PaddingParams, PaddingStrategy, TruncationParams, TruncationStrategy,
};
use crate::pretokenize::{ByteAlphabet, Pieces, Place, Splitter};
use crate::regex::Dialect;
use crate::tokenizer::{EncodeOptions, Tokenizer, TokenizerBuilder};
use crate::train::{self, BpeTrainConfig, InitialAlphabet, Unit};

const SIDES: [(&str, Direction); 2] = [("right", Direction::Right), ("left", Direction::Left)];
const STRATEGIES: [(&str, TruncationStrategy); 3] = [
    ("longest_first", TruncationStrategy::LongestFirst),
    ("only_first", TruncationStrategy::OnlyFirst),
    ("only_second", TruncationStrategy::OnlySecond),
];

/// `max_length, strategy, stride, direction`.
type Truncation<'py> = (usize, Bound<'py, PyAny>, usize, Bound<'py, PyAny>);
/// `length, direction, pad_to_multiple_of, pad_id, pad_type_id, pad_token`.
type Padding<'py> = (Option<usize>, Bound<'py, PyAny>, Option<usize>, u32, u32, String);

/// Encodes rows with truncation and padding as `tokenizers` has them: apart from each other, and
/// with a type id and a string for padding.
#[pyfunction]
#[pyo3(name = "_encode_batch")]
pub(crate) fn encode_batch(
    tokenizer: &Bound<'_, PyTokenizer>,
    texts: &Bound<'_, PyAny>,
    pairs: Option<&Bound<'_, PyAny>>,
    is_split_into_words: bool,
    add_special_tokens: bool,
    split_special_tokens: bool,
    truncation: Option<Truncation<'_>>,
    padding: Option<Padding<'_>>,
) -> PyResult<PyEncodingBatch> {
    let py = texts.py();
    let truncation = truncation.map(|(max_length, strategy, stride, direction)| {
        Ok::<_, PyErr>(TruncationParams {
            max_length,
            strategy: choice("strategy", &strategy, &STRATEGIES)?,
            stride,
            direction: choice("direction", &direction, &SIDES)?,
        })
    });
    let padding = padding.map(|(length, direction, multiple, pad_id, pad_type_id, pad_token)| {
        Ok::<_, PyErr>(PaddingParams {
            strategy: length.map_or(PaddingStrategy::BatchLongest, PaddingStrategy::Fixed),
            direction: choice("direction", &direction, &SIDES)?,
            pad_to_multiple_of: multiple,
            pad_id,
            pad_type_id,
            pad_token,
        })
    });
    let options = EncodeOptions {
        add_special_tokens,
        split_special_tokens,
        truncation: truncation.transpose()?,
        padding: padding.transpose()?,
        ..EncodeOptions::default()
    };
    let threads = crate::threads::wanted(None)?;
    let inner = tokenizer.get().inner.clone();
    let (surrogates, nulls) = (Surrogates::Strict, Nulls::Error);
    let reading = Reading { words: is_split_into_words, surrogates, nulls };
    let rows = HeldRows::new(texts, pairs, reading)?;
    let encode =
        || rows.with(|rows| inner.encode_batch(rows, &options, threads, &mut check_signals));
    let batch = py.detach(encode)?;
    PyEncodingBatch::new(py, inner, rows, options.into(), batch)
}

/// A tokenizer of tiktoken's ranks in memory.
#[pyfunction]
#[pyo3(name = "_from_ranks")]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn from_ranks(
    py: Python<'_>,
    ranks: Vec<(Vec<u8>, u32)>,
    pattern: &str,
    special_tokens: Vec<(String, u32)>,
) -> PyResult<PyTokenizer> {
    let build = || Tokenizer::build(formats::from_ranks(&ranks, pattern, &special_tokens)?);
    Ok(py.detach(build)?.into())
}

/// The same model and pre-tokenizer with the other parts of `head`: a `tokenizer.json` without a
/// model. Reading a large vocabulary again is what this saves.
#[pyfunction]
#[pyo3(name = "_with_parts")]
pub(crate) fn with_parts(
    tokenizer: &Bound<'_, PyTokenizer>,
    head: &Bound<'_, PyAny>,
) -> PyResult<PyTokenizer> {
    let head = string("head", head)?;
    let old = tokenizer.get().inner.clone();
    let build = || {
        let declared = old.declaration();
        let parts = parts(head.text())?;
        Tokenizer::build(TokenizerBuilder {
            model: declared.model.clone(),
            pre_tokenizer: declared.pre_tokenizer.clone(),
            dialect: declared.dialect,
            ..parts
        })
    };
    Ok(tokenizer.py().detach(build)?.into())
}

/// A text and, for each of its characters, the range of characters of another text it came from.
type Mapped = (String, Vec<(u32, u32)>);

/// The normalised text with its origins.
#[pyfunction]
#[pyo3(name = "_normalize")]
pub(crate) fn normalize(
    py: Python<'_>,
    component: &Bound<'_, PyAny>,
    text: &Bound<'_, PyAny>,
) -> PyResult<Mapped> {
    let (component, text) = (string("component", component)?, string("text", text)?);
    let run = || {
        let text = text.text();
        check_text_length(text)?;
        let mut aligned = Aligned::default();
        match slot("normalizer", component.text())?.normalizer {
            Some(normalizer) => normalizer.normalize_aligned(text, &mut aligned)?,
            None => aligned.copy_from(text),
        }
        let chars = CharIndex::new(text);
        let origins = aligned.text.char_indices().filter_map(|(at, _)| aligned.origins.get(at));
        let origins = origins.map(|origin| chars.span(*origin)).collect();
        Ok::<_, Error>((aligned.text, origins))
    };
    Ok(py.detach(run)?)
}

/// The pieces of a text, as the model gets them, with their origins.
#[pyfunction]
#[pyo3(name = "_pre_tokenize")]
pub(crate) fn pre_tokenize(
    py: Python<'_>,
    component: &Bound<'_, PyAny>,
    text: &Bound<'_, PyAny>,
    at_start: bool,
) -> PyResult<Vec<Mapped>> {
    let (component, text) = (string("component", component)?, string("text", text)?);
    Ok(py.detach(|| pieces(component.text(), text.text(), at_start))?)
}

fn pieces(component: &str, text: &str, at_start: bool) -> Result<Vec<Mapped>> {
    check_text_length(text)?;
    let Some(declared) = slot("pre_tokenizer", component)?.pre_tokenizer else {
        return Ok(Vec::new());
    };
    let splitter = Splitter::compile(&declared, Dialect::TokenizerJson, ByteAlphabet::Spelled)?;
    let mut pieces = Pieces::default();
    // Any place but the beginning is as good as any other.
    let place = Place { start: usize::from(!at_start), sources: None };
    splitter.split(text, place, true, &mut pieces)?;
    let chars = CharIndex::new(text);
    let piece = |span: &Span| {
        let piece = pieces.text.get(span.range()).unwrap_or_default();
        let origins = pieces.origins.get(span.range()).unwrap_or_default();
        let places = piece.char_indices().filter_map(|(at, _)| Some(chars.span(*origins.get(at)?)));
        (piece.to_owned(), places.collect())
    };
    Ok(pieces.spans.iter().map(piece).collect())
}

/// A token of a piece: its id, its string, and the bytes of the piece that it covers.
type PieceToken = (u32, String, (usize, usize));

/// The tokens of one piece, straight from the model.
#[pyfunction]
#[pyo3(name = "_tokenize_piece")]
pub(crate) fn tokenize_piece(
    tokenizer: &Bound<'_, PyTokenizer>,
    piece: &Bound<'_, PyAny>,
) -> PyResult<Vec<PieceToken>> {
    let held = string("piece", piece)?;
    let piece = held.text();
    check_text_length(piece)?;
    let inner = &tokenizer.get().inner;
    let model = &inner.declaration().model;
    let mut tokens = Vec::new();
    model.encode(piece, &mut ModelScratch::default(), |id, start, end| {
        let token =
            if model.shows_text(id) { piece.get(start..end) } else { model.vocab().token(id) };
        tokens.push((id, token.unwrap_or_default().to_owned(), (start, end)));
    })?;
    Ok(tokens)
}

/// The text that a decoder makes of tokens.
#[pyfunction]
#[pyo3(name = "_decode_tokens")]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn decode_tokens(
    py: Python<'_>,
    component: &Bound<'_, PyAny>,
    tokens: Vec<String>,
) -> PyResult<String> {
    let component = string("component", component)?;
    let run = || {
        let decoder = slot("decoder", component.text())?.decoder;
        decode::decode_tokens(decoder.as_ref(), tokens.iter().map(String::as_str))
    };
    Ok(py.detach(run)?)
}

/// Tokens by id, and merges as pairs of ids.
type LearnedParts = (Vec<String>, Vec<(u32, u32)>);

/// What training on counts learns, without a tokenizer around it: tokens by id, and merges as pairs
/// of ids.
#[pyfunction]
#[pyo3(name = "_learn")]
pub(crate) fn learn(
    py: Python<'_>,
    counts: &Bound<'_, PyCounts>,
    byte_level: bool,
    vocab_size: usize,
    special_tokens: Vec<String>,
    min_frequency: u64,
    max_token_length: Option<usize>,
    limit_alphabet: Option<usize>,
    initial_alphabet: Vec<char>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
) -> PyResult<LearnedParts> {
    let config = BpeTrainConfig {
        vocab_size,
        special_tokens,
        min_frequency,
        max_token_length,
        limit_alphabet,
        initial_alphabet: InitialAlphabet::Chars(initial_alphabet),
        continuing_subword_prefix,
        end_of_word_suffix,
        ..BpeTrainConfig::default()
    };
    let unit = if byte_level { Unit::Byte } else { Unit::Char };
    let counts = counts.get().inner.clone();
    let mut alive = |_, _, _| match check_signals() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let learned = py.detach(|| train::learn_bpe(&counts, unit, &config, &mut alive))?;
    Ok((learned.tokens, learned.merges))
}

/// A declaration with nothing but the component in one slot.
fn slot(name: &str, component: &str) -> Result<TokenizerBuilder> {
    parts(&format!("{{\"{name}\":{component}}}"))
}

/// The declaration in a `tokenizer.json` without a model.
fn parts(head: &str) -> Result<TokenizerBuilder> {
    const MODEL: &str = r#""model":{"type":"WordLevel","vocab":{"":0},"unk_token":""}}"#;
    let open = head.trim_end().strip_suffix('}').unwrap_or(head);
    let comma = if open.trim_end().ends_with('{') { "" } else { "," };
    formats::from_json(format!("{open}{comma}{MODEL}").as_bytes())
}

/// From places in bytes to places in characters.
struct CharIndex {
    /// For each byte the number of characters that begin before it.
    before: Vec<u32>,
}

impl CharIndex {
    fn new(text: &str) -> Self {
        let mut before = Vec::with_capacity(text.len() + 1);
        for (number, c) in (0..).zip(text.chars()) {
            before.extend(std::iter::repeat_n(number, c.len_utf8()));
        }
        before.push(before.last().map_or(0, |last| last + 1));
        Self { before }
    }

    fn span(&self, bytes: Span) -> (u32, u32) {
        let at = |byte: u32| {
            let found = self.before.get(byte as usize).or(self.before.last());
            found.copied().unwrap_or_default()
        };
        (at(bytes.start), at(bytes.end))
    }
}

//! `subtok.train_bpe`, `train_wordpiece`, `extend_bpe` and `count`.

use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::args::{choice, size};
use super::counts::{PyCounts, how, manifest, manifest_dict};
use super::errors::{argument, wrong_type};
use super::sources::{Reading, Source, Watch};
use super::text::{Held, Surrogates};
use super::tokenizer::PyTokenizer;
use crate::error::Error;
use crate::formats;
use crate::normalize::{BertNormalizer, Normalizer};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::Tokenizer;
use crate::train::{
    self, BpeTrainConfig, Counter, Counts, Halt, InitialAlphabet, Phase, Policies, Score, Ties,
    TrainReport, WordPieceTrainConfig,
};

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// An argument whose default is not `None`, because `None` means something.
pub(crate) enum Default<T> {
    /// It was not given.
    Missing,
    /// It was.
    Given(T),
}

impl<'py> FromPyObject<'_, 'py> for Default<Bound<'py, PyAny>> {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(value.to_owned()))
    }
}

#[pyfunction]
#[pyo3(
    signature = (
        source, vocab_size = None, *, pretokenizer = None, normalizer = None, special_tokens = None,
        min_frequency = None, max_token_length = None, max_token_bytes = None, one_script = false,
        max_digits = None, veto = None, forced_tokens = None, superwords_from = None,
        superword_max_words = None, superword_pretokenizer = None, checkpoint = None,
        checkpoint_seconds = None, limit_alphabet = None,
        initial_alphabet = Default::Missing, continuing_subword_prefix = None,
        end_of_word_suffix = None, ties = None, memory_limit = None, threads = None, progress = None,
        **reading
    ),
    text_signature = "(source, vocab_size=32000, *, pretokenizer='gpt2', normalizer=None, \
        special_tokens=(), min_frequency=0, max_token_length=None, max_token_bytes=None, \
        one_script=False, max_digits=None, veto=(), forced_tokens=(), superwords_from=None, \
        superword_max_words=4, superword_pretokenizer=None, checkpoint=None, \
        checkpoint_seconds=30, limit_alphabet=None, \
        initial_alphabet='bytes', continuing_subword_prefix=None, end_of_word_suffix=None, \
        ties='tokenizers', weights=None, max_bytes=None, field='text', column='text', \
        errors='strict', resume=None, memory_limit=None, threads=None, progress=None)"
)]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn train_bpe(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    vocab_size: Given<'_, '_>,
    pretokenizer: Given<'_, '_>,
    normalizer: Given<'_, '_>,
    special_tokens: Given<'_, '_>,
    min_frequency: Given<'_, '_>,
    max_token_length: Given<'_, '_>,
    max_token_bytes: Given<'_, '_>,
    one_script: bool,
    max_digits: Given<'_, '_>,
    veto: Given<'_, '_>,
    forced_tokens: Given<'_, '_>,
    superwords_from: Given<'_, '_>,
    superword_max_words: Given<'_, '_>,
    superword_pretokenizer: Given<'_, '_>,
    checkpoint: Given<'_, '_>,
    checkpoint_seconds: Given<'_, '_>,
    limit_alphabet: Given<'_, '_>,
    initial_alphabet: Default<Bound<'_, PyAny>>,
    continuing_subword_prefix: Given<'_, '_>,
    end_of_word_suffix: Given<'_, '_>,
    ties: Given<'_, '_>,
    memory_limit: Given<'_, '_>,
    threads: Given<'_, '_>,
    progress: Given<'_, '_>,
    reading: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyTokenizer> {
    let plain = BpeTrainConfig::default();
    let reading = Reading::new("train_bpe", reading, memory_limit)?;
    let config = BpeTrainConfig {
        vocab_size: optional_size("vocab_size", vocab_size)?.unwrap_or(plain.vocab_size),
        special_tokens: strings("special_tokens", special_tokens)?,
        min_frequency: optional_size("min_frequency", min_frequency)?.unwrap_or(0) as u64,
        max_token_length: optional_size("max_token_length", max_token_length)?,
        policies: policies(max_token_bytes, one_script, max_digits, veto)?,
        forced_tokens: strings("forced_tokens", forced_tokens)?,
        checkpoint: super::merging::checkpoint(checkpoint, checkpoint_seconds)?,
        memory_limit: reading.memory_limit.map(|limit| limit as u64),
        limit_alphabet: optional_size("limit_alphabet", limit_alphabet)?,
        initial_alphabet: alphabet(&initial_alphabet)?,
        continuing_subword_prefix: affix("continuing_subword_prefix", continuing_subword_prefix)?,
        end_of_word_suffix: affix("end_of_word_suffix", end_of_word_suffix)?,
        ties: match ties {
            Some(ties) => choice("ties", ties, &Ties::ALL.map(|rule| (rule.name(), rule)))?,
            None => plain.ties,
        },
        superwords: None,
        threads: None,
    };
    let (wide, superwords) = super::merging::superwords(
        split(pretokenizer)?,
        optional_size("superwords_from", superwords_from)?,
        optional_size("superword_max_words", superword_max_words)?,
        superword_pretokenizer.map(|given| split(Some(given))).transpose()?,
    )?;
    let config = BpeTrainConfig { superwords, ..config };
    let threads = super::args::threads(threads)?;
    let config = BpeTrainConfig { threads: Some(threads), ..config };
    let mut watch = Watch::new(progress)?;
    let source = Source::new(source, reading.column())?;
    let asked = pretokenizer.is_some() || normalizer.is_some() || config.superwords.is_some();
    let mut cut = (self::normalizer(normalizer)?, wide);
    if let Source::Counts(counts) = &source {
        if asked {
            counts.manifest().check_same_words(&manifest(cut.0.as_ref(), &cut.1)?)?;
        }
        cut = how(counts.manifest())?;
    }
    let (normalizer, split) = cut;
    let how =
        How { normalizer: normalizer.clone(), split: &split, special: &config.special_tokens };
    let counted = count_source(py, source, how, &reading, threads, &mut watch)?;
    let result = py.detach(|| {
        train::train_bpe(&counted.counts, normalizer, split, &config, &mut |phase, done, total| {
            watch.tell(phase, done, total)
        })
    });
    trained(py, result, "BPE", &counted, &mut watch)
}

#[pyfunction]
#[pyo3(
    signature = (
        source, vocab_size = None, *, lowercase = true, strip_accents = None,
        handle_chinese_chars = true, special_tokens = None, min_frequency = None,
        limit_alphabet = None, initial_alphabet = None, continuing_subword_prefix = None,
        score = None, memory_limit = None, threads = None, progress = None, **reading
    ),
    text_signature = "(source, vocab_size=30000, *, lowercase=True, strip_accents=None, \
        handle_chinese_chars=True, special_tokens=('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'), \
        min_frequency=0, limit_alphabet=None, initial_alphabet=(), \
        continuing_subword_prefix='##', score='frequency', weights=None, max_bytes=None, field='text', column='text', \
        errors='strict', resume=None, memory_limit=None, threads=None, progress=None)"
)]
pub(crate) fn train_wordpiece(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    vocab_size: Given<'_, '_>,
    lowercase: bool,
    strip_accents: Option<bool>,
    handle_chinese_chars: bool,
    special_tokens: Given<'_, '_>,
    min_frequency: Given<'_, '_>,
    limit_alphabet: Given<'_, '_>,
    initial_alphabet: Given<'_, '_>,
    continuing_subword_prefix: Given<'_, '_>,
    score: Given<'_, '_>,
    memory_limit: Given<'_, '_>,
    threads: Given<'_, '_>,
    progress: Given<'_, '_>,
    reading: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyTokenizer> {
    let plain = WordPieceTrainConfig::default();
    let reading = Reading::new("train_wordpiece", reading, memory_limit)?;
    let prefix = affix("continuing_subword_prefix", continuing_subword_prefix)?;
    let config = WordPieceTrainConfig {
        vocab_size: optional_size("vocab_size", vocab_size)?.unwrap_or(plain.vocab_size),
        special_tokens: match special_tokens {
            Some(_) => strings("special_tokens", special_tokens)?,
            None => plain.special_tokens,
        },
        min_frequency: optional_size("min_frequency", min_frequency)?.unwrap_or(0) as u64,
        limit_alphabet: optional_size("limit_alphabet", limit_alphabet)?,
        initial_alphabet: characters(initial_alphabet)?,
        continuing_subword_prefix: prefix.unwrap_or(plain.continuing_subword_prefix),
        score: match score {
            Some(score) => choice("score", score, &Score::ALL.map(|it| (it.name(), it)))?,
            None => plain.score,
        },
        memory_limit: reading.memory_limit.map(|limit| limit as u64),
        threads: None,
    };
    let threads = super::args::threads(threads)?;
    let config = WordPieceTrainConfig { threads: Some(threads), ..config };
    let mut watch = Watch::new(progress)?;
    let source = Source::new(source, reading.column())?;
    let clean_text = true;
    let bert = BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase };
    let normalizer = Some(Normalizer::Bert(bert));
    if let Source::Counts(counts) = &source {
        let wanted = manifest(normalizer.as_ref(), &PreTokenizer::Bert)?;
        counts.manifest().check_same_words(&wanted)?;
    }
    let how = How {
        normalizer: normalizer.clone(),
        split: &PreTokenizer::Bert,
        special: &config.special_tokens,
    };
    let counted = count_source(py, source, how, &reading, threads, &mut watch)?;
    let result = py.detach(|| {
        train::train_wordpiece(&counted.counts, normalizer, &config, &mut |phase, done, total| {
            watch.tell(phase, done, total)
        })
    });
    trained(py, result, "WordPiece", &counted, &mut watch)
}

#[pyfunction]
#[pyo3(
    signature = (
        tokenizer, source, vocab_size, *, min_frequency = None, max_token_length = None,
        max_token_bytes = None, one_script = false, max_digits = None, veto = None,
        forced_tokens = None, ties = None, checkpoint = None, checkpoint_seconds = None,
        memory_limit = None, threads = None, progress = None, **reading
    ),
    text_signature = "(tokenizer, source, vocab_size, *, min_frequency=0, max_token_length=None, \
        max_token_bytes=None, one_script=False, max_digits=None, veto=(), forced_tokens=(), \
        ties='tokenizers', checkpoint=None, checkpoint_seconds=30, weights=None, max_bytes=None, \
        field='text', column='text', errors='strict', resume=None, memory_limit=None, threads=None, \
        progress=None)"
)]
pub(crate) fn extend_bpe(
    py: Python<'_>,
    tokenizer: &Bound<'_, PyAny>,
    source: &Bound<'_, PyAny>,
    vocab_size: &Bound<'_, PyAny>,
    min_frequency: Given<'_, '_>,
    max_token_length: Given<'_, '_>,
    max_token_bytes: Given<'_, '_>,
    one_script: bool,
    max_digits: Given<'_, '_>,
    veto: Given<'_, '_>,
    forced_tokens: Given<'_, '_>,
    ties: Given<'_, '_>,
    checkpoint: Given<'_, '_>,
    checkpoint_seconds: Given<'_, '_>,
    memory_limit: Given<'_, '_>,
    threads: Given<'_, '_>,
    progress: Given<'_, '_>,
    reading: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyTokenizer> {
    let reading = Reading::new("extend_bpe", reading, memory_limit)?;
    let wrong = |_| wrong_type("tokenizer", "a Tokenizer", tokenizer);
    let old = tokenizer.cast::<PyTokenizer>().map_err(wrong)?.get().inner.clone();
    let config = BpeTrainConfig {
        vocab_size: size("vocab_size", vocab_size)?,
        min_frequency: optional_size("min_frequency", min_frequency)?.unwrap_or(0) as u64,
        max_token_length: optional_size("max_token_length", max_token_length)?,
        policies: policies(max_token_bytes, one_script, max_digits, veto)?,
        forced_tokens: strings("forced_tokens", forced_tokens)?,
        ties: match ties {
            Some(ties) => choice("ties", ties, &Ties::ALL.map(|rule| (rule.name(), rule)))?,
            None => Ties::default(),
        },
        checkpoint: super::merging::checkpoint(checkpoint, checkpoint_seconds)?,
        memory_limit: reading.memory_limit.map(|limit| limit as u64),
        ..BpeTrainConfig::default()
    };
    let threads = super::args::threads(threads)?;
    let config = BpeTrainConfig { threads: Some(threads), ..config };
    let mut watch = Watch::new(progress)?;
    let source = Source::new(source, reading.column())?;
    let (normalizer, pre_tokenizer) = super::merging::counted_by(&old);
    if let Source::Counts(counts) = &source {
        counts.manifest().check_same_words(&manifest(normalizer.as_ref(), &pre_tokenizer)?)?;
    }
    let special = super::merging::cut_out(&old);
    let how = How { normalizer, split: &pre_tokenizer, special: &special };
    let counted = count_source(py, source, how, &reading, threads, &mut watch)?;
    let result = py.detach(|| {
        train::extend_bpe(&old, &counted.counts, &config, &mut |phase, done, total| {
            watch.tell(phase, done, total)
        })
    });
    trained(py, result, "BPE", &counted, &mut watch)
}

#[pyfunction]
#[pyo3(
    signature = (
        source, pretokenizer = None, *, normalizer = None, special_tokens = None,
        memory_limit = None, threads = None, progress = None, **reading
    ),
    text_signature = "(source, pretokenizer='gpt2', *, normalizer=None, special_tokens=(), \
        weights=None, max_bytes=None, field='text', column='text', errors='strict', resume=None, \
        memory_limit=None, threads=None, progress=None)"
)]
pub(crate) fn count(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    pretokenizer: Given<'_, '_>,
    normalizer: Given<'_, '_>,
    special_tokens: Given<'_, '_>,
    memory_limit: Given<'_, '_>,
    threads: Given<'_, '_>,
    progress: Given<'_, '_>,
    reading: Option<&Bound<'_, PyDict>>,
) -> PyResult<PyCounts> {
    let split = split(pretokenizer)?;
    let normalizer = self::normalizer(normalizer)?;
    let special = strings("special_tokens", special_tokens)?;
    let reading = Reading::new("count", reading, memory_limit)?;
    let threads = super::args::threads(threads)?;
    let mut watch = Watch::new(progress)?;
    let text = Source::new(source, reading.column())?;
    if matches!(text, Source::Counts(_)) {
        return Err(wrong_type("source", "text: these are counts already", source));
    }
    let how = How { normalizer, split: &split, special: &special };
    let counted = count_source(py, text, how, &reading, threads, &mut watch)?;
    Ok(counted.counts.into())
}

struct Counted {
    counts: Arc<Counts>,
    /// How long it took; none when they were given.
    seconds: Option<f64>,
}

/// What becomes of text before words are counted.
struct How<'a> {
    normalizer: Option<Normalizer>,
    split: &'a PreTokenizer,
    /// Tokens that are cut out.
    special: &'a [String],
}

fn count_source(
    py: Python<'_>,
    source: Source,
    how: How<'_>,
    reading: &Reading,
    threads: usize,
    watch: &mut Watch,
) -> PyResult<Counted> {
    let started = Instant::now();
    let text = match source {
        Source::Counts(counts) => {
            reading.check_for_counts(py)?;
            let counts = if reading.weights.is_empty() {
                counts
            } else {
                Arc::new(py.detach(|| counts.weighted(&reading.weights))?)
            };
            return Ok(Counted { counts, seconds: None });
        }
        Source::Text(text) => text,
    };
    let manifest = manifest(how.normalizer.as_ref(), how.split)?;
    let mut counter = Counter::new(how.normalizer, how.split, manifest, Some(threads))?
        .with_special_tokens(how.special)?
        .with_field(&reading.field)
        .with_column(reading.column())
        .with_replacement(reading.replace);
    if let Some(limit) = reading.memory_limit {
        counter = counter.with_memory_limit(limit, None)?;
    }
    let sources = reading.sources(py, text, &counter)?;
    let counts = py.detach(|| {
        train::count_sources(
            &counter,
            sources,
            reading.resume.as_deref(),
            &mut |done, total, last| {
                let look = if last { Watch::now } else { Watch::look };
                look(watch, Phase::Count, done, total).map_err(Halt::Caller)
            },
        )
    })?;
    Ok(Counted { counts: Arc::new(counts), seconds: Some(started.elapsed().as_secs_f64()) })
}

/// The tokenizer with its report.
fn trained(
    py: Python<'_>,
    result: Result<(Tokenizer, TrainReport), Error>,
    model: &str,
    counted: &Counted,
    watch: &mut Watch,
) -> PyResult<PyTokenizer> {
    let (tokenizer, report) = result.map_err(|error| watch.error(error))?;
    let size = report.vocab_size as u64;
    watch.now(train::Phase::Merge, size, size)?;
    let dict = PyDict::new(py);
    dict.set_item("model", model)?;
    dict.set_item("vocab_size", report.vocab_size)?;
    dict.set_item("special_tokens", report.special_tokens)?;
    dict.set_item("alphabet", report.alphabet)?;
    dict.set_item("merges", report.merges)?;
    dict.set_item("stop_reason", report.stop.name())?;
    dict.set_item("ties", report.ties.name())?;
    dict.set_item("words", report.words)?;
    dict.set_item("occurrences", report.occurrences)?;
    dict.set_item("documents", report.documents)?;
    dict.set_item("bytes", report.bytes)?;
    let about = manifest_dict(py, counted.counts.manifest())?;
    dict.set_item("special_tokens_found", about.get_item("special_tokens")?)?;
    dict.set_item("sources", about.get_item("sources")?)?;
    super::merging::report(&dict, &report)?;
    let seconds = PyDict::new(py);
    if let Some(counting) = counted.seconds {
        seconds.set_item("count", counting)?;
    }
    for (phase, time) in &report.seconds {
        seconds.set_item(phase.name(), time)?;
    }
    dict.set_item("seconds", seconds)?;
    dict.set_item("peak_bytes", train::peak_bytes())?;
    Ok(PyTokenizer::trained(tokenizer, dict.unbind()))
}

fn split(value: Given<'_, '_>) -> PyResult<PreTokenizer> {
    let Some(value) = value else { return Ok(PreTokenizer::by_name("gpt2")?) };
    if let Ok(name) = value.cast::<PyString>() {
        return Ok(PreTokenizer::by_name(&name.to_cow()?)?);
    }
    let json = component("pretokenizer", "a name, a regular expression or a dict", value)?;
    let missing = || wrong_type("pretokenizer", "a component of tokenizer.json", value);
    formats::pre_tokenizer_from_json(&json)?.ok_or_else(missing)
}

fn normalizer(value: Given<'_, '_>) -> PyResult<Option<Normalizer>> {
    let Some(value) = value else { return Ok(None) };
    let json = component("normalizer", "a component of tokenizer.json as a dict", value)?;
    Ok(formats::normalizer_from_json(&json)?)
}

/// A component of `tokenizer.json`, given as a dict, as text.
fn component(name: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if !value.is_instance_of::<PyDict>() {
        return Err(wrong_type(name, wanted, value));
    }
    let json = value.py().import("json")?.call_method1("dumps", (value,)).map_err(|error| {
        argument(value.py(), format!("{name} holds what JSON cannot hold: {error}"))
    })?;
    json.extract()
}

fn optional_size(name: &str, value: Given<'_, '_>) -> PyResult<Option<usize>> {
    value.map(|value| size(name, value)).transpose()
}

fn strings(name: &str, value: Given<'_, '_>) -> PyResult<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list = || wrong_type(name, "a list of strings", value);
    if value.is_instance_of::<PyString>() {
        return Err(list());
    }
    let items = value.try_iter().map_err(|_| list())?.enumerate();
    let string = |(index, item): (usize, PyResult<Bound<'_, PyAny>>)| {
        let item = item?;
        if !item.is_instance_of::<PyString>() {
            return Err(wrong_type(&format!("{name}[{index}]"), "a string", &item));
        }
        Ok(Held::new(&item, name, Some(index), Surrogates::Strict)?.text().to_owned())
    };
    items.map(string).collect()
}

fn characters(value: Given<'_, '_>) -> PyResult<Vec<char>> {
    let one = |text: String| {
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return Ok(c);
        }
        let wanted = "single characters";
        Err(Error::argument("initial_alphabet", format!("{text:?}"), wanted).into())
    };
    strings("initial_alphabet", value)?.into_iter().map(one).collect()
}

fn alphabet(value: &Default<Bound<'_, PyAny>>) -> PyResult<InitialAlphabet> {
    let Default::Given(value) = value else { return Ok(InitialAlphabet::Bytes) };
    if value.is_none() {
        return Ok(InitialAlphabet::Chars(Vec::new()));
    }
    if value.is_instance_of::<PyString>() {
        return choice("initial_alphabet", value, &[("bytes", ())])
            .map(|()| InitialAlphabet::Bytes);
    }
    Ok(InitialAlphabet::Chars(characters(Some(value))?))
}

fn affix(name: &str, value: Given<'_, '_>) -> PyResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a string", value))?;
    Ok(Some(text.to_cow()?.into_owned()).filter(|text| !text.is_empty()))
}

fn policies(
    max_token_bytes: Given<'_, '_>,
    one_script: bool,
    max_digits: Given<'_, '_>,
    veto: Given<'_, '_>,
) -> PyResult<Policies> {
    let veto = strings("veto", veto)?;
    if veto.iter().any(String::is_empty) {
        return Err(Error::argument("veto", "\"\"", "texts of at least one character").into());
    }
    Ok(Policies {
        max_token_bytes: optional_size("max_token_bytes", max_token_bytes)?,
        one_script,
        max_digits: optional_size("max_digits", max_digits)?,
        veto,
    })
}

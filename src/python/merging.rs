//! Options and reports of merging.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::errors::wrong_type;
use crate::error::Error;
use crate::normalize::Normalizer;
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::Tokenizer;
use crate::train::{Checkpoint, Policy, Superwords, TrainReport, wide_pre_tokenizer};

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The file of a checkpoint, and how often it is written.
pub(crate) fn checkpoint(
    path: Given<'_, '_>,
    seconds: Given<'_, '_>,
) -> PyResult<Option<Checkpoint>> {
    let every = match seconds {
        None => Duration::from_secs(30),
        Some(value) => {
            let wrong = |_| wrong_type("checkpoint_seconds", "a number", value);
            let seconds = value.extract::<f64>().map_err(wrong)?;
            Duration::try_from_secs_f64(seconds).map_err(|_| {
                Error::argument("checkpoint_seconds", seconds, "a number of seconds from 0")
            })?
        }
    };
    let path = path.map(|path| super::args::path("checkpoint", path)).transpose()?;
    Ok(path.map(|path| Checkpoint { path, every }))
}

/// What the text is cut by, and the second stage where there is one.
pub(crate) fn superwords(
    words: PreTokenizer,
    from: Option<usize>,
    max_words: Option<usize>,
    wide: Option<PreTokenizer>,
) -> PyResult<(PreTokenizer, Option<Superwords>)> {
    let Some(from) = from else {
        for (name, given) in [
            ("superword_max_words", max_words.is_some()),
            ("superword_pretokenizer", wide.is_some()),
        ] {
            if given {
                let wanted = "left out, or superwords_from be given, too";
                return Err(Error::argument(name, "given", wanted).into());
            }
        }
        return Ok((words, None));
    };
    let wide = match wide {
        Some(wide) => wide,
        None => wide_pre_tokenizer(&words)?,
    };
    Ok((wide, Some(Superwords { from, max_words: max_words.unwrap_or(4), words })))
}

/// What a tokenizer makes words of text with.
pub(crate) fn counted_by(tokenizer: &Tokenizer) -> (Option<Normalizer>, PreTokenizer) {
    let declared = tokenizer.declaration();
    let nothing = || PreTokenizer::Sequence(Vec::new());
    (declared.normalizer.clone(), declared.pre_tokenizer.clone().unwrap_or_else(nothing))
}

/// The tokens that encoding cuts out of text before anything is merged, as training does. Those that are only
/// cut out where they are a word, or of normalised text, are left to the model: it may meet their text.
pub(crate) fn cut_out(tokenizer: &Tokenizer) -> Vec<String> {
    let declared = tokenizer.declaration();
    let as_it_stands = |normalized: bool| !normalized || declared.normalizer.is_none();
    let added = declared.added_tokens.iter();
    added
        .filter(|token| !token.single_word && as_it_stands(token.normalized))
        .map(|token| token.content.clone())
        .collect()
}

/// Adds to the report what happened while merges were learned.
pub(crate) fn report(dict: &Bound<'_, PyDict>, report: &TrainReport) -> PyResult<()> {
    let (py, stats) = (dict.py(), &report.stats);
    dict.set_item("near_ties", stats.near_ties)?;
    let refused = PyDict::new(py);
    for (policy, what) in Policy::ALL.iter().zip(&stats.refused).filter(|(_, what)| what.pairs > 0)
    {
        let row = PyDict::new(py);
        row.set_item("pairs", what.pairs)?;
        row.set_item("occurrences", what.occurrences)?;
        row.set_item("examples", &what.examples)?;
        refused.set_item(policy.name(), row)?;
    }
    dict.set_item("refused", refused)?;
    dict.set_item("forced_merges", stats.forced_merges)?;
    let dropped = PyDict::new(py);
    dropped.set_item("characters", stats.dropped.characters)?;
    dropped.set_item("occurrences", stats.dropped.occurrences)?;
    dropped.set_item("examples", &stats.dropped.examples)?;
    dict.set_item("dropped", dropped)?;
    let curve = PyList::empty(py);
    for &(entries, tokens) in &stats.curve {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let bytes = if tokens == 0 { 0.0 } else { stats.bytes as f64 / tokens as f64 };
        curve.append((entries, tokens, bytes))?;
    }
    dict.set_item("curve", curve)?;
    dict.set_item("superwords", report.superwords)?;
    let kept = PyDict::new(py);
    kept.set_item("vocab_size", report.kept.0)?;
    kept.set_item("merges", report.kept.1)?;
    dict.set_item("kept", kept)
}

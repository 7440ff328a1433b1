//! What `from_dense` takes as counts, and its report as a dictionary.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::arrays::floats;
use crate::embed::{DenseReport, RowLoss, rank_prior};
use crate::formats::{normalizer_to_json, pre_tokenizer_to_json};
use crate::python::counts::PyCounts;
use crate::python::errors::{argument, check_signals, wrong_type};
use crate::python::tokenizer::PyTokenizer;
use crate::tokenizer::Tokenizer;
use crate::train::Counts;

pub(super) fn tokenizer(given: &Bound<'_, PyAny>) -> PyResult<Tokenizer> {
    match given.cast::<PyTokenizer>() {
        Ok(tokenizer) => Ok(tokenizer.get().inner.clone()),
        Err(_) => Err(wrong_type("tokenizer", "a Tokenizer", given)),
    }
}

/// How often every row of a table occurs, and where that is known from: an array, `Counts` of words, the
/// word "rank", or nothing.
pub(super) fn counts(
    given: Option<&Bound<'_, PyAny>>,
    tokenizer: Option<&Tokenizer>,
    rows: usize,
) -> PyResult<(Option<Vec<f64>>, &'static str)> {
    let Some(given) = given else { return Ok((None, "none: every row weighs the same")) };
    let py = given.py();
    if let Ok(word) = given.cast::<PyString>() {
        let word = word.to_cow()?;
        if word == "rank" {
            return Ok((Some(rank_prior(rows)), "rank: 1 / (id + 10)"));
        }
        let text = format!("counts is {word:?}, but must be \"rank\", Counts, or an array");
        return Err(argument(py, text));
    }
    let Ok(words) = given.cast::<PyCounts>() else {
        return Ok((Some(floats(given, "counts", 1)?.to_f64()?), "counts of ids"));
    };
    let Some(tokenizer) = tokenizer else {
        let text = "Counts are of words: give the tokenizer whose ids the rows have as tokenizer=";
        return Err(argument(py, text));
    };
    if tokenizer.id_limit() > rows {
        let text = format!(
            "the tokenizer has ids up to {}, but W has {rows} rows",
            tokenizer.id_limit().saturating_sub(1)
        );
        return Err(argument(py, text));
    }
    let words = words.get().inner.clone();
    let same = same_words(&words, tokenizer)?;
    let found = py.detach(|| words.token_counts(tokenizer, same, &mut check_signals))?;
    let mut counts: Vec<f64> = found.into_iter().map(|count| count as f64).collect();
    // Tables are often filled up beyond the last id.
    counts.resize(rows, 0.0);
    let origin = if same {
        "counts of words, cut as the tokenizer cuts them"
    } else {
        "counts of words, cut in another way than the tokenizer does and encoded one by one"
    };
    Ok((Some(counts), origin))
}

/// Whether words were counted as this tokenizer cuts them.
fn same_words(counts: &Counts, tokenizer: &Tokenizer) -> PyResult<bool> {
    let declared = tokenizer.declaration();
    let Some(pre_tokenizer) = &declared.pre_tokenizer else { return Ok(false) };
    let manifest = counts.manifest();
    Ok(manifest.pretokenizer == pre_tokenizer_to_json(pre_tokenizer)?
        && manifest.normalizer == normalizer_to_json(declared.normalizer.as_ref())?)
}

pub(super) fn report<'py>(
    py: Python<'py>,
    report: &DenseReport,
    origin: &str,
    tokenizer: Option<&Tokenizer>,
) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("rank", report.rank)?;
    fields.set_item("energy", report.energy)?;
    fields.set_item("relative_error", report.relative_error)?;
    fields.set_item("weighted_error", report.weighted_error)?;
    fields.set_item("bytes", report.bytes)?;
    fields.set_item("dense_bytes", report.dense_bytes)?;
    fields.set_item("counts", origin)?;
    fields.set_item("recommendation", &report.recommendation)?;
    let alternatives = PyList::empty(py);
    for other in &report.alternatives {
        let entry = PyDict::new(py);
        entry.set_item("name", other.name)?;
        entry.set_item("bytes", other.bytes)?;
        entry.set_item("relative_error", other.relative_error)?;
        entry.set_item("weighted_error", other.weighted_error)?;
        alternatives.append(entry)?;
    }
    fields.set_item("alternatives", alternatives)?;
    fields.set_item("worst_tokens", rows(py, &report.worst, tokenizer)?)?;
    fields.set_item("costliest_tokens", rows(py, &report.costliest, tokenizer)?)?;
    Ok(fields)
}

fn rows<'py>(
    py: Python<'py>,
    rows: &[RowLoss],
    tokenizer: Option<&Tokenizer>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for row in rows {
        let name = u32::try_from(row.id).ok();
        let name = name.and_then(|id| tokenizer.and_then(|tokenizer| tokenizer.id_to_token(id)));
        let entry = PyDict::new(py);
        entry.set_item("id", row.id)?;
        entry.set_item("token", name)?;
        entry.set_item("count", row.count)?;
        entry.set_item("relative_error", row.relative_error)?;
        entry.set_item("share", row.share)?;
        list.append(entry)?;
    }
    Ok(list)
}

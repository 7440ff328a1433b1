//! Ids from Python, and results as numpy arrays.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use super::errors::{argument, wrong_type};
use crate::error::Error;
use crate::ids::{Span, TokenId};
use crate::tokenizer::UnknownIds;

/// How ids are read from a call.
#[derive(Clone, Copy)]
pub(crate) struct IdRules {
    /// Ids below this number may exist.
    pub(crate) size: usize,
    /// What becomes of numbers that no id can be.
    pub(crate) unknown: UnknownIds,
    /// The row of a batch.
    pub(crate) row: Option<usize>,
}

impl IdRules {
    /// The id, or nothing where it is skipped.
    fn take(self, id: i128, position: usize) -> PyResult<Option<TokenId>> {
        match (TokenId::try_from(id), self.unknown) {
            (Ok(id), _) => Ok(Some(id)),
            (Err(_), UnknownIds::Skip) => Ok(None),
            (Err(_), UnknownIds::Error) => {
                let Self { size, row, .. } = self;
                Err(Error::UnknownId { id, position, row, size }.into())
            }
        }
    }
}

/// Ids of an array or a list. What no token can have is an error with its position, or left out.
pub(crate) fn ids(given: &Bound<'_, PyAny>, rules: IdRules) -> PyResult<Vec<TokenId>> {
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return array_ids(given, array, rules);
    }
    let wrong = || wrong_type("ids", "a list or an array of integers", given);
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    let values = given.try_iter().map_err(|_| wrong())?;
    let ids = values
        .enumerate()
        .map(|(position, value)| rules.take(integer(&value?, position)?, position));
    ids.filter_map(Result::transpose).collect()
}

/// One id.
pub(crate) fn id(value: &Bound<'_, PyAny>, position: usize, size: usize) -> PyResult<TokenId> {
    let rules = IdRules { size, unknown: UnknownIds::Error, row: None };
    let id = rules.take(integer(value, position)?, position)?;
    Ok(id.unwrap_or(TokenId::MAX))
}

/// An integer of any size; one beyond 128 bits is as unknown as the largest.
fn integer(value: &Bound<'_, PyAny>, position: usize) -> PyResult<i128> {
    let wrong = || wrong_type(&format!("ids[{position}]"), "an integer", value);
    // numpy's integers are integers too; floats are not, whole or not.
    if !value.is_instance_of::<PyInt>() && !value.hasattr("__index__")? {
        return Err(wrong());
    }
    match value.extract::<i64>() {
        Ok(id) => Ok(id.into()),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            let text = value.str()?;
            let text = text.to_cow()?;
            let bound = if text.starts_with('-') { i128::MIN } else { i128::MAX };
            Ok(text.parse().unwrap_or(bound))
        }
        Err(_) => Err(wrong()),
    }
}

fn array_ids(
    given: &Bound<'_, PyAny>,
    array: &Bound<'_, PyUntypedArray>,
    rules: IdRules,
) -> PyResult<Vec<TokenId>> {
    if array.ndim() != 1 {
        let message = format!("ids must have one dimension, not {}", array.ndim());
        return Err(argument(given.py(), message));
    }
    if let Ok(ids) = given.extract::<PyReadonlyArray1<'_, TokenId>>() {
        return Ok(ids.as_array().to_vec());
    }
    let kind: String = given.getattr("dtype")?.getattr("kind")?.extract()?;
    if kind != "i" && kind != "u" {
        let dtype = given.getattr("dtype")?.str()?;
        return Err(super::errors::raise(
            given.py(),
            "ArgumentTypeError",
            format!("ids must be an array of integers, not of {dtype}"),
        ));
    }
    let wide = if kind == "u" { "uint64" } else { "int64" };
    let wide = given.call_method1("astype", (wide,))?;
    if let Ok(ids) = wide.extract::<PyReadonlyArray1<'_, u64>>() {
        return taken(ids.as_array().iter().map(|&id| id.into()), rules);
    }
    let ids = wide.extract::<PyReadonlyArray1<'_, i64>>()?;
    taken(ids.as_array().iter().map(|&id| id.into()), rules)
}

fn taken(ids: impl Iterator<Item = i128>, rules: IdRules) -> PyResult<Vec<TokenId>> {
    let ids = ids.enumerate().map(|(position, id)| rules.take(id, position));
    ids.filter_map(Result::transpose).collect()
}

/// Spans as an array of shape (n, 2).
pub(crate) fn spans<'py>(py: Python<'py>, spans: &[Span]) -> Bound<'py, PyArray2<i64>> {
    let pairs: Vec<[i64; 2]> =
        spans.iter().map(|span| [i64::from(span.start), i64::from(span.end)]).collect();
    // Two columns for each span always fit their number.
    Array2::from_shape_vec((spans.len(), 2), pairs.into_flattened())
        .unwrap_or_default()
        .into_pyarray(py)
}

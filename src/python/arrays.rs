//! Ids from Python, and results as numpy arrays.

use numpy::ndarray::Array2;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString};

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
    pub(crate) fn take(self, id: i128, position: usize) -> PyResult<Option<TokenId>> {
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

/// Ids of an array, a buffer or a list, copied: whoever has them may change them meanwhile. What no
/// token can have is an error with its position, or left out.
pub(crate) fn ids(given: &Bound<'_, PyAny>, rules: IdRules) -> PyResult<Vec<TokenId>> {
    if let Ok(array) = given.cast::<PyArray1<TokenId>>()
        && let Ok(ids) = array.to_vec()
    {
        return Ok(ids);
    }
    if let Ok(list) = given.cast::<PyList>() {
        let ids = list.iter().enumerate().map(|(at, value)| list_id(&value, at, rules));
        let mut taken = Vec::with_capacity(list.len());
        for id in ids {
            taken.extend(id?);
        }
        return Ok(taken);
    }
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return array_ids(given, array, rules);
    }
    let wrong = || wrong_type("ids", "a list or an array of integers", given);
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    if let Some(ids) = buffer_ids(given, rules) {
        return ids;
    }
    let values = given.try_iter().map_err(|_| wrong())?;
    let ids = values.enumerate().map(|(position, value)| list_id(&value?, position, rules));
    ids.filter_map(Result::transpose).collect()
}

fn list_id(value: &Bound<'_, PyAny>, position: usize, rules: IdRules) -> PyResult<Option<TokenId>> {
    match value.extract::<TokenId>() {
        Ok(id) => Ok(Some(id)),
        Err(_) => rules.take(integer(value, position)?, position),
    }
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
    let found = typed::<i64>(given, rules)
        .or_else(|| typed::<i32>(given, rules))
        .or_else(|| typed::<u16>(given, rules))
        .or_else(|| typed::<u64>(given, rules));
    if let Some(ids) = found {
        return ids;
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
    // Other widths, another order of bytes, gaps between elements: numpy makes a plain array of them.
    let wide = given.call_method1("astype", (if kind == "u" { "uint64" } else { "int64" },))?;
    let found = typed::<u64>(&wide, rules).or_else(|| typed::<i64>(&wide, rules));
    found.unwrap_or_else(|| Err(wrong_type("ids", "an array of integers", given)))
}

/// The ids of an array of one type; none where it is of another one, or not contiguous.
fn typed<T>(given: &Bound<'_, PyAny>, rules: IdRules) -> Option<PyResult<Vec<TokenId>>>
where
    T: Element + Copy + Into<i128>,
    TokenId: TryFrom<T>,
{
    let values = given.cast::<PyArray1<T>>().ok()?.to_vec().ok()?;
    Some(taken(&values, rules))
}

/// The ids in the memory of something that is no numpy array; none where it does not show any.
fn buffer_ids(given: &Bound<'_, PyAny>, rules: IdRules) -> Option<PyResult<Vec<TokenId>>> {
    fn of<T>(given: &Bound<'_, PyAny>, rules: IdRules) -> Option<PyResult<Vec<TokenId>>>
    where
        T: pyo3::buffer::Element + Into<i128>,
        TokenId: TryFrom<T>,
    {
        let buffer = PyBuffer::<T>::get(given).ok().filter(|buffer| buffer.dimensions() == 1)?;
        Some(buffer.to_vec(given.py()).and_then(|values| taken(&values, rules)))
    }
    let found = PyUntypedBuffer::get(given).is_ok();
    let wide = || of::<i64>(given, rules).or_else(|| of::<u64>(given, rules));
    found.then(|| of::<u32>(given, rules).or_else(wide).or_else(|| of::<i32>(given, rules)))?
}

fn taken<T>(values: &[T], rules: IdRules) -> PyResult<Vec<TokenId>>
where
    T: Copy + Into<i128>,
    TokenId: TryFrom<T>,
{
    let mut ids = Vec::with_capacity(values.len());
    for (position, &value) in values.iter().enumerate() {
        match TokenId::try_from(value) {
            Ok(id) => ids.push(id),
            Err(_) => ids.extend(rules.take(value.into(), position)?),
        }
    }
    Ok(ids)
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

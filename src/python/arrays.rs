//! Ids from Python, and results as numpy arrays.

use numpy::ndarray::Array2;
use numpy::{PyArray2, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods, ToPyArray};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use super::errors::{argument, wrong_type};
use crate::error::Error;
use crate::ids::{Span, TokenId};

/// Ids of an array or a list. Ids that no token can have are errors with their position.
pub(crate) fn ids(given: &Bound<'_, PyAny>, size: usize) -> PyResult<Vec<TokenId>> {
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return array_ids(given, array, size);
    }
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(wrong_type("ids", "a list or an array of integers", given));
    }
    let rows =
        given.try_iter().map_err(|_| wrong_type("ids", "a list or an array of integers", given))?;
    rows.enumerate().map(|(position, value)| id(&value?, position, size)).collect()
}

/// One id.
pub(crate) fn id(value: &Bound<'_, PyAny>, position: usize, size: usize) -> PyResult<TokenId> {
    let unknown = |id: i128| PyErr::from(Error::UnknownId { id, position, row: None, size });
    // numpy's integers are integers too; floats are not, whole or not.
    if !value.is_instance_of::<PyInt>() && !value.hasattr("__index__")? {
        return Err(wrong_type(&format!("ids[{position}]"), "an integer", value));
    }
    match value.extract::<i64>() {
        Ok(id) => TokenId::try_from(id).map_err(|_| unknown(id.into())),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            let given = value.str()?;
            let message =
                format!("id {given} at position {position} is not in the vocabulary of {size} ids");
            Err(super::errors::raise(value.py(), "UnknownIdError", message))
        }
        Err(_) => Err(wrong_type(&format!("ids[{position}]"), "an integer", value)),
    }
}

fn array_ids(
    given: &Bound<'_, PyAny>,
    array: &Bound<'_, PyUntypedArray>,
    size: usize,
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
    let bad =
        |position: usize, id: i128| PyErr::from(Error::UnknownId { id, position, row: None, size });
    let wide = if kind == "u" { "uint64" } else { "int64" };
    let wide = given.call_method1("astype", (wide,))?;
    if let Ok(ids) = wide.extract::<PyReadonlyArray1<'_, u64>>() {
        let ids = ids.as_array();
        let ids = ids
            .iter()
            .enumerate()
            .map(|(position, &id)| TokenId::try_from(id).map_err(|_| bad(position, id.into())));
        return ids.collect();
    }
    let ids = wide.extract::<PyReadonlyArray1<'_, i64>>()?;
    let ids = ids.as_array();
    let ids = ids
        .iter()
        .enumerate()
        .map(|(position, &id)| TokenId::try_from(id).map_err(|_| bad(position, id.into())));
    ids.collect()
}

/// Spans as an array of shape (n, 2).
pub(crate) fn spans<'py>(py: Python<'py>, spans: &[Span]) -> Bound<'py, PyArray2<i64>> {
    let array = Array2::from_shape_fn((spans.len(), 2), |(row, column)| {
        i64::from(if column == 0 { spans[row].start } else { spans[row].end })
    });
    array.to_pyarray(py)
}

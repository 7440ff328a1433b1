//! What `subtok.torch` computes on the processor: distinct ids, sums and copies of rows.
//!
//! Everything here is private to the package: names begin with an underscore.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use super::args;
use super::embedding::new_rows;
use crate::embed::{DistinctIds, copy_by_slot, scatter_rows, sum_by_slot};
use crate::error::Error;

/// Distinct ids in rising order, and where each id stands in them.
type Distinct<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u32>>);

/// The distinct ones of ids that must be from 0 to `size - 1`.
#[pyfunction]
#[pyo3(name = "_distinct_ids")]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn distinct_ids<'py>(
    py: Python<'py>,
    ids: PyReadonlyArray1<'py, i64>,
    size: usize,
) -> PyResult<Distinct<'py>> {
    let ids = ids.as_slice()?;
    let DistinctIds { ids, slots } = py.detach(|| DistinctIds::of(ids, size))?;
    let wide: Vec<i64> = ids.into_iter().map(i64::from).collect();
    Ok((PyArray1::from_vec(py, wide), PyArray1::from_vec(py, slots)))
}

/// The sums of rows by slot, of which there are `count`.
#[pyfunction]
#[pyo3(name = "_sum_by_slot", signature = (rows, slots, count, threads = None))]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn sum_rows<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray2<'py, f32>,
    slots: PyReadonlyArray1<'py, u32>,
    count: usize,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let threads = args::threads(threads)?;
    let width = rows.as_array().ncols();
    let (rows, slots) = (rows.as_slice()?, slots.as_slice()?);
    filled(py, count, width, |out| sum_by_slot(rows, width, slots, out, threads))
}

/// The row of every slot, one after the other.
#[pyfunction]
#[pyo3(name = "_copy_by_slot", signature = (rows, slots, threads = None))]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn copy_rows<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray2<'py, f32>,
    slots: PyReadonlyArray1<'py, u32>,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let threads = args::threads(threads)?;
    let width = rows.as_array().ncols();
    let (rows, slots) = (rows.as_slice()?, slots.as_slice()?);
    filled(py, slots.len(), width, |out| copy_by_slot(rows, width, slots, out, threads))
}

/// Rows at the places of their ids in a table of `size` rows, which has zeros everywhere else.
#[pyfunction]
#[pyo3(name = "_scatter_rows")]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn scatter<'py>(
    py: Python<'py>,
    rows: PyReadonlyArray2<'py, f32>,
    ids: PyReadonlyArray1<'py, i64>,
    size: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let width = rows.as_array().ncols();
    let (rows, ids) = (rows.as_slice()?, ids.as_slice()?);
    filled(py, size, width, |out| scatter_rows(rows, width, ids, out))
}

/// A new array that `fill` has written.
fn filled(
    py: Python<'_>,
    rows: usize,
    width: usize,
    fill: impl FnOnce(&mut [f32]) -> Result<(), Error> + Send,
) -> PyResult<Bound<'_, PyArray2<f32>>> {
    let array = new_rows(py, rows, width)?;
    let mut guard = array.try_readwrite()?;
    let values = guard.as_slice_mut()?;
    py.detach(|| fill(values))?;
    drop(guard);
    Ok(array)
}

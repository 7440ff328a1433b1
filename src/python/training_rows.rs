//! What `subtok.torch` computes on the processor: distinct ids, sums and copies of rows.
//!
//! Everything here is private to the package: names begin with an underscore.

use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2};
use pyo3::prelude::*;

use super::args;
use crate::embed::{DistinctIds, copy_by_slot, sum_by_slot};
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

/// Adds up rows by slot, into `out`.
#[pyfunction]
#[pyo3(name = "_sum_by_slot", signature = (rows, slots, out, threads = None))]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn sum_rows(
    py: Python<'_>,
    rows: PyReadonlyArray2<'_, f32>,
    slots: PyReadonlyArray1<'_, u32>,
    mut out: PyReadwriteArray2<'_, f32>,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let threads = args::threads(threads)?;
    let width = same_width(rows.as_array().ncols(), out.as_array().ncols())?;
    let (rows, slots, out) = (rows.as_slice()?, slots.as_slice()?, out.as_slice_mut()?);
    Ok(py.detach(|| sum_by_slot(rows, width, slots, out, threads))?)
}

/// Copies the row of every slot to its place in `out`.
#[pyfunction]
#[pyo3(name = "_copy_by_slot", signature = (rows, slots, out, threads = None))]
#[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
pub(crate) fn copy_rows(
    py: Python<'_>,
    rows: PyReadonlyArray2<'_, f32>,
    slots: PyReadonlyArray1<'_, u32>,
    mut out: PyReadwriteArray2<'_, f32>,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let threads = args::threads(threads)?;
    let width = same_width(rows.as_array().ncols(), out.as_array().ncols())?;
    let (rows, slots, out) = (rows.as_slice()?, slots.as_slice()?, out.as_slice_mut()?);
    Ok(py.detach(|| copy_by_slot(rows, width, slots, out, threads))?)
}

fn same_width(rows: usize, out: usize) -> PyResult<usize> {
    if rows == out {
        return Ok(rows);
    }
    Err(Error::argument("out", format!("{out} wide"), format!("{rows} wide, as the rows")).into())
}

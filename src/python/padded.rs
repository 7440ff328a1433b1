//! Rows of different lengths as the matrices that models take.

use std::ops::Range;

use numpy::{
    Element, PyArray2, PyArrayMethods, PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::errors::argument;
use crate::postprocess::fit::Direction;

/// The shape of a matrix, and which side of it is filled up.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) side: Direction,
}

/// The most cells of a matrix: beyond it a row or two too long fill the memory.
const MAX_CELLS: usize = 1 << 31;

impl Frame {
    /// Refuses what no memory holds.
    pub(super) fn check(self, py: Python<'_>) -> PyResult<Self> {
        let Self { rows, columns, .. } = self;
        if rows.checked_mul(columns).is_some_and(|cells| cells <= MAX_CELLS) {
            return Ok(self);
        }
        let message = format!(
            "{rows} rows of {columns} tokens are more than {MAX_CELLS} cells; pad them in parts"
        );
        Err(argument(py, message))
    }

    /// A matrix of this shape: the caller's, when it has the type and the order that are written, else
    /// a new one.
    pub(super) fn matrix<'py, T: Element>(
        self,
        py: Python<'py>,
        dtype: &str,
        out: Option<&Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Bound<'py, PyArray2<T>>> {
        let Some(out) = out else {
            // By way of Python, where too little memory is an exception.
            let made =
                py.import("numpy")?.call_method1("empty", ((self.rows, self.columns), dtype))?;
            return Ok(made.cast_into::<PyArray2<T>>()?);
        };
        let wrong = |what: String| {
            let wanted = format!("shape ({}, {})", self.rows, self.columns);
            argument(
                py,
                format!("out {what}, but must be a writable C-contiguous array of {wanted}"),
            )
        };
        if out.shape() != [self.rows, self.columns] {
            return Err(wrong(format!("has shape {:?}", out.shape())));
        }
        if !out.is_c_contiguous() {
            return Err(wrong("is not C-contiguous".to_owned()));
        }
        out.cast::<PyArray2<T>>().cloned().map_err(|_| wrong(format!("has dtype {}", out.dtype())))
    }

    /// Writes rows of `lengths`, with `filler` where they are shorter than the matrix is wide. `value`
    /// gives what stands at a place of a row.
    pub(super) fn write<T: Element + Copy + Send>(
        self,
        matrix: &Bound<'_, PyArray2<T>>,
        filler: T,
        lengths: &[usize],
        value: impl Fn(usize, usize) -> T + Send + Sync,
    ) -> PyResult<()> {
        let py = matrix.py();
        let mut cells: PyReadwriteArray2<'_, T> = matrix
            .try_readwrite()
            .map_err(|error| argument(py, format!("out cannot be written: {error}")))?;
        let cells = cells.as_slice_mut()?;
        py.detach(|| {
            for (row, (cells, &length)) in
                cells.chunks_exact_mut(self.columns.max(1)).zip(lengths).enumerate()
            {
                let Range { start, end } = self.place(length);
                cells[..start].fill(filler);
                cells[end..].fill(filler);
                for (at, cell) in cells[start..end].iter_mut().enumerate() {
                    *cell = value(row, at);
                }
            }
        });
        Ok(())
    }

    /// The columns of a row of `length` tokens.
    fn place(self, length: usize) -> Range<usize> {
        let length = length.min(self.columns);
        match self.side {
            Direction::Left => self.columns - length..self.columns,
            Direction::Right => 0..length,
        }
    }
}

/// The name of a dtype in the machine's byte order.
pub(super) fn dtype_name(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = dtype.py();
    let made = py.import("numpy")?.call_method1("dtype", (dtype,));
    let made = made.map_err(|error| argument(py, format!("dtype is no dtype: {error}")))?;
    if !made.getattr("isnative")?.extract::<bool>()? {
        return Err(argument(py, "the dtype must have the machine's byte order"));
    }
    made.getattr("name")?.extract()
}

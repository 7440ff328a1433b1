//! `subtok.TextBatch`: the texts of many rows in one buffer.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyInt, PyString};

use super::arrow;
use super::errors::{raise, wrong_type};
use crate::tokenizer::BatchTexts;

/// The texts of many rows, one after the other: a column for whoever speaks Arrow.
#[pyclass(frozen, name = "TextBatch", module = "subtok", sequence)]
pub(crate) struct PyTextBatch {
    texts: Arc<BatchTexts>,
}

impl From<BatchTexts> for PyTextBatch {
    fn from(texts: BatchTexts) -> Self {
        Self { texts: Arc::new(texts) }
    }
}

#[pymethods]
impl PyTextBatch {
    fn __len__(&self) -> usize {
        self.texts.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        // Without it iterating would work too, but type checkers would not know.
        let sequence = slf.py().import("collections.abc")?.getattr("Sequence")?;
        sequence.call_method1("__iter__", (slf,))
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        let py = index.py();
        let rows = self.texts.len();
        if !index.is_instance_of::<PyInt>() && !index.hasattr("__index__")? {
            return Err(wrong_type("index", "an integer", index));
        }
        let outside = || match index.str() {
            Ok(given) => raise(py, "RowIndexError", format!("row {given} is not one of {rows}")),
            Err(error) => error,
        };
        let given: i64 = index.extract().map_err(|_| outside())?;
        let from_end = i64::try_from(rows).unwrap_or(i64::MAX);
        let row = if given < 0 { given + from_end } else { given };
        let row = usize::try_from(row).ok().filter(|&row| row < rows).ok_or_else(outside)?;
        PyString::from_bytes(py, self.texts.row(row).unwrap_or_default())
    }

    /// The texts for whoever speaks the Arrow C data interface: `utf8`, not copied. `large_utf8`
    /// where it is asked for, or where 32 bits do not count the bytes.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        arrow::text_array(py, &self.texts, requested_schema)
    }

    /// The type of what [`PyTextBatch::__arrow_c_array__`] gives.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::text_schema(py, &self.texts)
    }

    fn __repr__(&self) -> String {
        format!("TextBatch(rows={}, bytes={})", self.texts.len(), self.texts.bytes().len())
    }
}

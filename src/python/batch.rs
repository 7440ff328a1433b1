//! `subtok.EncodingBatch`: the ids of many rows in one array.

use std::sync::Arc;

use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadwriteArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};

use super::args::{choice, pad_id, size};
use super::encoding::{PyEncoding, RowSource, Source};
use super::errors::{argument, raise, wrong_type};
use super::text::HeldRows;
use crate::postprocess::fit::{Direction, MAX_PADDED_LENGTH};
use crate::tokenizer::{BatchIds, EncodeOptions, Tokenizer};

/// The ids of many rows, one after the other, with where each row begins.
#[pyclass(frozen, name = "EncodingBatch", module = "subtok", sequence)]
pub(crate) struct PyEncodingBatch {
    tokenizer: Tokenizer,
    rows: Arc<HeldRows>,
    options: EncodeOptions,
    longest: usize,
    /// The number of tokens of each row that are no padding; empty where there is no padding.
    unpadded: Vec<usize>,
    ids: Py<PyArray1<u32>>,
    row_offsets: Py<PyArray1<i64>>,
}

impl PyEncodingBatch {
    pub(crate) fn new(
        py: Python<'_>,
        tokenizer: Tokenizer,
        rows: HeldRows,
        options: EncodeOptions,
        mut batch: BatchIds,
    ) -> Self {
        let ids = PyArray1::from_vec(py, std::mem::take(&mut batch.ids)).unbind();
        let row_offsets = PyArray1::from_vec(py, std::mem::take(&mut batch.row_offsets)).unbind();
        let (rows, BatchIds { longest, unpadded, .. }) = (Arc::new(rows), batch);
        Self { tokenizer, rows, options, longest, unpadded, ids, row_offsets }
    }

    fn range(&self, py: Python<'_>, index: usize) -> PyResult<std::ops::Range<usize>> {
        let offsets = self.row_offsets.bind(py).try_readonly()?;
        let offsets = offsets.as_array();
        let at = |index: usize| offsets.get(index).and_then(|&at| usize::try_from(at).ok());
        match (at(index), at(index + 1)) {
            (Some(start), Some(end)) => Ok(start..end),
            _ => Err(raise(
                py,
                "RowIndexError",
                format!("row {index} is not one of {}", self.rows.len()),
            )),
        }
    }
}

#[pymethods]
impl PyEncodingBatch {
    #[getter]
    fn ids(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.ids.clone_ref(py)
    }

    #[getter]
    fn row_offsets(&self, py: Python<'_>) -> Py<PyArray1<i64>> {
        self.row_offsets.clone_ref(py)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        // Without it iterating would work too, but type checkers would not know.
        let sequence = slf.py().import("collections.abc")?.getattr("Sequence")?;
        sequence.call_method1("__iter__", (slf,))
    }

    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<PyEncoding> {
        let py = index.py();
        let rows = self.rows.len();
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
        let range = self.range(py, row)?;
        let flat = self.ids.bind(py).try_readonly()?;
        let ids = PyArray1::from_slice(py, flat.as_slice()?.get(range).unwrap_or_default());
        let source = Source {
            tokenizer: self.tokenizer.clone(),
            row: RowSource::Batch(Arc::clone(&self.rows), row),
            options: self.options.clone(),
            longest: self.longest,
        };
        Ok(PyEncoding::new(ids, source))
    }

    /// A matrix of ids, filled up, and the mask of what is no filling.
    #[pyo3(signature = (length = None, dtype = None, out = None, return_attention_mask = true, *, pad_id = None, padding_side = None))]
    fn padded<'py>(
        &self,
        py: Python<'py>,
        length: Option<&Bound<'py, PyAny>>,
        dtype: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
        return_attention_mask: bool,
        pad_id: Option<&Bound<'py, PyAny>>,
        padding_side: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let fill = Fill {
            length: self.padded_length(py, length)?,
            pad_id: match (pad_id, &self.options.padding) {
                (Some(given), _) => self::pad_id(given)?,
                (None, Some(padding)) => padding.pad_id,
                (None, None) => self.tokenizer.padding_token().0,
            },
            side: match (padding_side, &self.options.padding) {
                (Some(given), _) => choice(
                    "padding_side",
                    given,
                    &[("right", Direction::Right), ("left", Direction::Left)],
                )?,
                (None, Some(padding)) => padding.direction,
                (None, None) => Direction::Right,
            },
            mask: return_attention_mask,
        };
        let out = out.map(|out| {
            out.cast::<PyUntypedArray>().map_err(|_| wrong_type("out", "a numpy array", out))
        });
        let out = out.transpose()?;
        let dtype = match (dtype, out) {
            (Some(dtype), _) => dtype_name(dtype)?,
            (None, Some(out)) => dtype_name(out.dtype().as_any())?,
            (None, None) => "int64".to_owned(),
        };
        match dtype.as_str() {
            "int64" => self.fill::<i64>(py, &fill, out, i64::from),
            "int32" => self.fill::<i32>(py, &fill, out, u32::cast_signed),
            "uint32" => self.fill::<u32>(py, &fill, out, |id| id),
            other => {
                Err(argument(py, format!("dtype is {other}, but must be int64, int32 or uint32")))
            }
        }
    }

    /// The rows for whoever speaks the Arrow C data interface: `list<uint32>`, the ids not copied.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.arrow(py)?.call_method1("__arrow_c_array__", (requested_schema,))
    }

    /// The type of what [`PyEncodingBatch::__arrow_c_array__`] gives.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.arrow(py)?.getattr("type")?.call_method0("__arrow_c_schema__")
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let tokens = self.ids.bind(py).len();
        format!("EncodingBatch(rows={}, tokens={tokens})", self.rows.len())
    }
}

/// How a matrix is filled.
struct Fill {
    length: usize,
    pad_id: u32,
    side: Direction,
    mask: bool,
}

fn dtype_name(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = dtype.py();
    let made = py.import("numpy")?.call_method1("dtype", (dtype,));
    let made = made.map_err(|error| argument(py, format!("dtype is no dtype: {error}")))?;
    if !made.getattr("isnative")?.extract::<bool>()? {
        return Err(argument(py, "the dtype must have the machine's byte order"));
    }
    made.getattr("name")?.extract()
}

impl PyEncodingBatch {
    /// The rows as an array of pyarrow, which lends its export.
    fn arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Ok(pyarrow) = py.import("pyarrow") else {
            let message = "Arrow data need the package pyarrow: pip install subtok[parquet]";
            return Err(raise(py, "MissingDependencyError", message));
        };
        let offsets = self.row_offsets.bind(py);
        let short = self.ids.bind(py).len() < i32::MAX as usize;
        let (class, offsets) = if short {
            ("ListArray", offsets.call_method1("astype", ("int32",))?)
        } else {
            ("LargeListArray", offsets.clone().into_any())
        };
        pyarrow.getattr(class)?.call_method1("from_arrays", (offsets, self.ids.bind(py)))
    }

    /// The tokens of a row that are no padding.
    fn real_tokens(&self, row: usize, length: usize) -> std::ops::Range<usize> {
        let real = self.unpadded.get(row).map_or(length, |&real| real.min(length));
        match &self.options.padding {
            Some(padding) if padding.direction == Direction::Left => length - real..length,
            _ => 0..real,
        }
    }

    /// The number of columns: at least the longest row.
    fn padded_length(&self, py: Python<'_>, length: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let offsets = self.row_offsets.bind(py).try_readonly()?;
        let rows = offsets.as_array();
        let longest = rows.iter().zip(rows.iter().skip(1)).map(|(start, end)| end - start).max();
        let longest = longest.and_then(|longest| usize::try_from(longest).ok()).unwrap_or(0);
        let Some(given) = length else { return Ok(longest) };
        let length = size("length", given)?;
        if length < longest {
            let message = format!(
                "length is {length}, but must be at least {longest}, the tokens of the longest row"
            );
            return Err(argument(py, message));
        }
        if length > MAX_PADDED_LENGTH.max(longest) {
            let message = format!("length is {length}, but must be at most {MAX_PADDED_LENGTH}");
            return Err(argument(py, message));
        }
        Ok(length)
    }

    fn fill<'py, T: Element + Copy + Default + From<bool>>(
        &self,
        py: Python<'py>,
        fill: &Fill,
        out: Option<&Bound<'py, PyUntypedArray>>,
        convert: impl Fn(u32) -> T + Sync,
    ) -> PyResult<Bound<'py, PyDict>> {
        let shape = [self.rows.len(), fill.length];
        let matrix = match out {
            Some(out) => checked::<T>(out, shape)?,
            None => PyArray2::<T>::zeros(py, shape, false),
        };
        let mask = fill.mask.then(|| PyArray2::<T>::zeros(py, shape, false));
        {
            let ids = self.ids.bind(py).try_readonly()?;
            let offsets = self.row_offsets.bind(py).try_readonly()?;
            let (ids, offsets) = (ids.as_slice()?, offsets.as_slice()?);
            let mut cells = writable(&matrix)?;
            let mut mask = mask.as_ref().map(writable).transpose()?;
            let cells = cells.as_slice_mut()?;
            let mut mask = match &mut mask {
                Some(mask) => mask.as_slice_mut()?,
                None => &mut [],
            };
            let attended = T::from(true);
            let mut cells = cells.chunks_exact_mut(fill.length.max(1));
            for (number, ends) in offsets.windows(2).enumerate() {
                let Some(cells) = cells.next() else { break };
                let range =
                    usize::try_from(ends[0]).unwrap_or(0)..usize::try_from(ends[1]).unwrap_or(0);
                let row = ids.get(range).unwrap_or_default();
                let pad = fill.length - row.len();
                let at = if fill.side == Direction::Left { pad } else { 0 };
                cells[..at].fill(convert(fill.pad_id));
                cells[at + row.len()..].fill(convert(fill.pad_id));
                for (cell, &id) in cells[at..].iter_mut().zip(row) {
                    *cell = convert(id);
                }
                if !mask.is_empty() {
                    let (this, rest) = std::mem::take(&mut mask).split_at_mut(fill.length);
                    let real = self.real_tokens(number, row.len());
                    this[at + real.start..at + real.end].fill(attended);
                    mask = rest;
                }
            }
        }
        let result = PyDict::new(py);
        result.set_item("input_ids", matrix)?;
        if let Some(mask) = mask {
            result.set_item("attention_mask", mask)?;
        }
        Ok(result)
    }
}

/// The caller's array, when it has the type, the shape and the order that are written.
fn checked<'py, T: Element>(
    out: &Bound<'py, PyUntypedArray>,
    shape: [usize; 2],
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let py = out.py();
    let wrong = |what: String| {
        let [rows, columns] = shape;
        argument(
            py,
            format!(
                "out {what}, but must be a writable C-contiguous array of shape ({rows}, {columns})"
            ),
        )
    };
    if out.shape() != shape {
        return Err(wrong(format!("has shape {:?}", out.shape())));
    }
    if !out.is_c_contiguous() {
        return Err(wrong("is not C-contiguous".to_owned()));
    }
    let matrix = out.cast::<PyArray2<T>>();
    matrix.cloned().map_err(|_| wrong(format!("has dtype {}", out.dtype())))
}

fn writable<'py, T: Element>(
    array: &Bound<'py, PyArray2<T>>,
) -> PyResult<PyReadwriteArray2<'py, T>> {
    array
        .try_readwrite()
        .map_err(|error| argument(array.py(), format!("out cannot be written: {error}")))
}

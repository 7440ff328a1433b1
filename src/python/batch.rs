//! `subtok.EncodingBatch`: the ids of many rows in one array.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use numpy::{Element, PyArray1, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyInt};

use super::args::{choice, pad_id, size};
use super::arrow::{self, List, SharedIds};
use super::encoding::{PyEncoding, RowSource, Source};
use super::errors::{argument, raise, wrong_type};
use super::padded::{Frame, dtype_name};
use super::text::HeldRows;
use crate::error::Error;
use crate::postprocess::fit::{Direction, MAX_PADDED_LENGTH};
use crate::tokenizer::{BatchIds, BatchRow, Columns, EncodeOptions, Tokenizer};

/// The ids of many rows, one after the other, with where each row begins.
#[pyclass(frozen, name = "EncodingBatch", module = "subtok", sequence)]
pub(crate) struct PyEncodingBatch {
    tokenizer: Tokenizer,
    rows: Arc<HeldRows>,
    options: Arc<EncodeOptions>,
    longest: usize,
    /// The number of tokens of each row that are no padding; empty where there is no padding.
    unpadded: Vec<usize>,
    /// Where rows begin. The array below is what Python sees, and may write to.
    ends: Arc<Vec<i64>>,
    /// The memory of `ids`, which Arrow's consumers see, too.
    shared: Arc<SharedIds>,
    ids: Py<PyArray1<u32>>,
    /// Whether somebody else has seen `ids`, and may have written to it.
    shown: AtomicBool,
    row_offsets: Py<PyArray1<i64>>,
}

impl PyEncodingBatch {
    pub(crate) fn new(
        py: Python<'_>,
        tokenizer: Tokenizer,
        rows: HeldRows,
        options: Arc<EncodeOptions>,
        batch: BatchIds,
    ) -> PyResult<Self> {
        let BatchIds { ids, row_offsets, longest, unpadded } = batch;
        let shared = SharedIds::new(ids);
        let ids = arrow::numpy(py, &shared)?.unbind();
        let ends = Arc::new(row_offsets);
        let row_offsets = PyArray1::from_slice(py, &ends).unbind();
        let rows = Arc::new(rows);
        let shown = AtomicBool::new(false);
        Ok(Self {
            tokenizer,
            rows,
            options,
            longest,
            unpadded,
            ends,
            shared,
            ids,
            shown,
            row_offsets,
        })
    }

    /// The ids of a row as they are now; none behind the last.
    pub(crate) fn row_ids(&self, py: Python<'_>, row: usize) -> PyResult<Option<Vec<u32>>> {
        if row >= self.rows.len() {
            return Ok(None);
        }
        let flat = self.ids.bind(py).try_readonly()?;
        Ok(Some(flat.as_slice()?.get(self.range(row)).unwrap_or_default().to_vec()))
    }

    /// Where a row's ids are. Nothing of it depends on what Python wrote into an array.
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let at = |row: usize| self.ends.get(row).and_then(|&at| usize::try_from(at).ok());
        at(row).unwrap_or(0)..at(row + 1).unwrap_or(0)
    }
}

#[pymethods]
impl PyEncodingBatch {
    #[getter]
    fn ids(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.shown.store(true, Ordering::Relaxed);
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
        let range = self.range(row);
        let flat = self.ids.bind(py).try_readonly()?;
        let ids = PyArray1::from_slice(py, flat.as_slice()?.get(range).unwrap_or_default());
        let source = Source {
            tokenizer: self.tokenizer.clone(),
            row: RowSource::Batch(Arc::clone(&self.rows), row),
            options: Arc::clone(&self.options),
            longest: self.longest,
        };
        // Ids may be others than those of the text, where either was written to.
        let changed = self.shown.load(Ordering::Relaxed) || self.rows.are_foreign();
        Ok(PyEncoding::new(ids, source).shown(changed))
    }

    /// Matrices by the names that models take: ids filled up, the mask of what is no filling, and
    /// type ids where rows are pairs.
    #[pyo3(signature = (
        length = None, dtype = None, out = None, return_attention_mask = true,
        return_token_type_ids = None, *, pad_id = None, padding_side = None
    ))]
    fn padded<'py>(
        &self,
        py: Python<'py>,
        length: Option<&Bound<'py, PyAny>>,
        dtype: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
        return_attention_mask: bool,
        return_token_type_ids: Option<bool>,
        pad_id: Option<&Bound<'py, PyAny>>,
        padding_side: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let columns = self.padded_length(py, length)?;
        let padding = self.options.padding.as_ref();
        let pad_id = match (pad_id, padding) {
            (Some(given), _) => self::pad_id(given)?,
            (None, Some(padding)) => padding.pad_id,
            (None, None) => self.tokenizer.padding_token().0,
        };
        let sides = [("right", Direction::Right), ("left", Direction::Left)];
        let side = match (padding_side, padding) {
            (Some(given), _) => choice("padding_side", given, &sides)?,
            (None, Some(padding)) => padding.direction,
            (None, None) => Direction::Right,
        };
        let frame = Frame { rows: self.rows.len(), columns, side }.check(py)?;
        let wanted = Wanted {
            pad_id,
            mask: return_attention_mask,
            types: return_token_type_ids.unwrap_or(self.rows.pairs.is_some()),
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
            "int64" => self.matrices::<i64>(py, frame, &dtype, wanted, out, i64::from),
            "int32" => self.matrices::<i32>(py, frame, &dtype, wanted, out, u32::cast_signed),
            "uint32" => self.matrices::<u32>(py, frame, &dtype, wanted, out, |id| id),
            other => {
                Err(argument(py, format!("dtype is {other}, but must be int64, int32 or uint32")))
            }
        }
    }

    /// The rows for whoever speaks the Arrow C data interface: `list<uint32>`, the ids not copied.
    /// `large_list<uint32>` where it is asked for, or where 32 bits do not count the ids.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        self.shown.store(true, Ordering::Relaxed);
        self.list().array(py, requested_schema)
    }

    /// The type of what [`PyEncodingBatch::__arrow_c_array__`] gives.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.list().schema(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let tokens = self.ids.bind(py).len();
        format!("EncodingBatch(rows={}, tokens={tokens})", self.rows.len())
    }
}

/// Which matrices are wanted, and what fills up the ids.
#[derive(Clone, Copy)]
struct Wanted {
    pad_id: u32,
    mask: bool,
    types: bool,
}

impl PyEncodingBatch {
    fn list(&self) -> List<'_> {
        List { ids: &self.shared, ends: &self.ends }
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
        let longest = (0..self.rows.len()).map(|row| self.range(row).len()).max().unwrap_or(0);
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

    fn matrices<'py, T: Element + Copy + Send + Sync + From<bool>>(
        &self,
        py: Python<'py>,
        frame: Frame,
        dtype: &str,
        wanted: Wanted,
        out: Option<&Bound<'py, PyUntypedArray>>,
        convert: impl Fn(u32) -> T + Send + Sync,
    ) -> PyResult<Bound<'py, PyDict>> {
        let result = PyDict::new(py);
        let ranges: Vec<_> = (0..frame.rows).map(|row| self.range(row)).collect();
        let lengths: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
        let matrix = frame.matrix::<T>(py, dtype, out)?;
        let flat = self.ids.bind(py).try_readonly()?;
        let ids = flat.as_slice()?;
        frame.write(&matrix, convert(wanted.pad_id), &lengths, |row, at| {
            convert(ids.get(ranges[row].start + at).copied().unwrap_or(wanted.pad_id))
        })?;
        result.set_item("input_ids", matrix)?;
        if wanted.types {
            let types = py.detach(|| self.type_ids())?;
            let matrix = frame.matrix::<T>(py, dtype, None)?;
            frame.write(&matrix, convert(0), &lengths, |row, at| {
                convert(types[row].get(at).copied().unwrap_or(0))
            })?;
            result.set_item("token_type_ids", matrix)?;
        }
        if wanted.mask {
            let matrix = frame.matrix::<T>(py, dtype, None)?;
            let real: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(row, &length)| self.real_tokens(row, length))
                .collect();
            frame.write(&matrix, T::from(false), &lengths, |row, at| {
                T::from(real[row].contains(&at))
            })?;
            result.set_item("attention_mask", matrix)?;
        }
        Ok(result)
    }

    /// The type ids of all rows.
    fn type_ids(&self) -> Result<Vec<Vec<u32>>, Error> {
        let encode = |(number, row): (usize, &BatchRow<'_>)| {
            let Self { tokenizer, options, longest, .. } = self;
            let (texts, at) = ((row.input, row.pair), (number, *longest));
            Ok(tokenizer.encode_columns(texts, options, at, None, Columns::MARKS)?.type_ids)
        };
        self.rows.with(|rows| rows.iter().enumerate().map(encode).collect())
    }
}

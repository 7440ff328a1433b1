//! `subtok.FactorizedEmbedding`: arrays in, arrays out, the interpreter free meanwhile.

// Ids are copied into a vector of our own before the interpreter is released: another Python thread
// may then write into the caller's array, and every id that is used has been checked.

mod albert;
mod arrays;
mod dense;
mod recycle;
mod transfer;

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};

pub(super) use self::albert::PyAlbertEmbeddings;
use self::arrays::{
    Numbers, Output, empty, floats, ids_of, number, offsets_of, output, weights_of,
};
use super::args::{self, choice, size};
use super::errors::{argument, wrong_type};
use crate::embed::{
    DenseOptions, FactorizedEmbedding, Factors, Kind as TableKind, PoolMode, PoolOptions, PoolRows,
    Size,
};
use crate::error::Error;

/// `A`, `P` and `b`.
type FactorArrays<'py> = (
    Bound<'py, PyArray2<f32>>,
    Option<Bound<'py, PyArray2<f32>>>,
    Option<Bound<'py, PyArray1<f32>>>,
);

/// What becomes of the vectors of a text.
pub(crate) const POOL_MODES: [(&str, PoolMode); 3] =
    [("mean", PoolMode::Mean), ("sum", PoolMode::Sum), ("max", PoolMode::Max)];

/// A table of vectors, kept as two thin factors: immutable, picklable, safe to share.
#[pyclass(frozen, name = "FactorizedEmbedding", module = "subtok")]
pub(crate) struct PyFactorizedEmbedding(Arc<FactorizedEmbedding>);

impl From<FactorizedEmbedding> for PyFactorizedEmbedding {
    fn from(embedding: FactorizedEmbedding) -> Self {
        Self(Arc::new(embedding))
    }
}

impl PyFactorizedEmbedding {
    /// The table itself.
    pub(crate) fn shared(&self) -> Arc<FactorizedEmbedding> {
        Arc::clone(&self.0)
    }
}

/// The array that results of this shape are written to: the caller's, or a new one.
pub(super) fn result<'py>(
    py: Python<'py>,
    out: Option<&Bound<'py, PyAny>>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    match (output(py, out, None, shape)?.numbers, out) {
        (Numbers::Half(..), Some(out)) => Err(wrong_type("out", "a numpy array of float32", out)),
        (Numbers::Full(array), _) => Ok(array),
        (Numbers::Half(..), None) => empty(py, shape),
    }
}

/// A new array, of memory that is used again when it is large.
pub(super) fn new_rows(
    py: Python<'_>,
    rows: usize,
    width: usize,
) -> PyResult<Bound<'_, PyArray2<f32>>> {
    Ok(empty(py, &[rows, width])?.cast_into::<PyArray2<f32>>()?)
}

#[pymethods]
impl PyFactorizedEmbedding {
    #[new]
    #[pyo3(
        signature = (vocab_size, embedding_dim, hidden_dim, *, seed = None, padding_id = None, bias = false),
        text_signature = "(vocab_size, embedding_dim, hidden_dim, *, seed=0, padding_id=None, bias=False)"
    )]
    fn new(
        vocab_size: &Bound<'_, PyAny>,
        embedding_dim: &Bound<'_, PyAny>,
        hidden_dim: &Bound<'_, PyAny>,
        seed: Option<&Bound<'_, PyAny>>,
        padding_id: Option<&Bound<'_, PyAny>>,
        bias: bool,
    ) -> PyResult<Self> {
        let py = vocab_size.py();
        let vocab_size = size("vocab_size", vocab_size)?;
        let embedding_dim = size("embedding_dim", embedding_dim)?;
        let hidden_dim = size("hidden_dim", hidden_dim)?;
        let seed = seed.map_or(Ok(0), |seed| size("seed", seed))? as u64;
        let padding = padding_id.map(|id| size("padding_id", id)).transpose()?;
        let padding = padding_of(padding, vocab_size)?;
        let made = py.detach(|| {
            FactorizedEmbedding::new(vocab_size, embedding_dim, hidden_dim, seed, padding, bias)
        })?;
        Ok(made.into())
    }

    #[staticmethod]
    #[pyo3(
        signature = (weight, *, rank = None, energy = None, budget_bytes = None, counts = None, alpha = None, center = false, tokenizer = None, threads = None),
        text_signature = "(weight, *, rank=None, energy=None, budget_bytes=None, counts=None, alpha=0.75, center=False, tokenizer=None, threads=None)"
    )]
    fn from_dense<'py>(
        weight: &Bound<'py, PyAny>,
        rank: Option<&Bound<'py, PyAny>>,
        energy: Option<&Bound<'py, PyAny>>,
        budget_bytes: Option<&Bound<'py, PyAny>>,
        counts: Option<&Bound<'py, PyAny>>,
        alpha: Option<&Bound<'py, PyAny>>,
        center: bool,
        tokenizer: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Self, Bound<'py, PyDict>)> {
        let py = weight.py();
        let size = match (rank, energy, budget_bytes) {
            (Some(rank), None, None) => Size::Rank(size("rank", rank)?),
            (None, Some(energy), None) => Size::Energy(number("energy", energy)?),
            (None, None, Some(bytes)) => Size::Budget(size("budget_bytes", bytes)?),
            _ => return Err(argument(py, "give exactly one of rank, energy and budget_bytes")),
        };
        let weight = floats(weight, "W", 2)?;
        let tokenizer = tokenizer.map(dense::tokenizer).transpose()?;
        let (counts, origin) = dense::counts(counts, tokenizer.as_ref(), weight.rows())?;
        let threads = args::threads(threads)?;
        let alpha = alpha.map_or(Ok(0.75), |alpha| number("alpha", alpha))?;
        let (embedding, report) = weight.with_f32(|values, shape| {
            let options = DenseOptions { size, counts: counts.as_deref(), alpha, center };
            py.detach(|| FactorizedEmbedding::from_dense(values, shape[1], &options, threads))
        })?;
        Ok((embedding.into(), dense::report(py, &report, origin, tokenizer.as_ref())?))
    }

    #[staticmethod]
    #[pyo3(signature = (path, mmap = true))]
    fn load(path: &Bound<'_, PyAny>, mmap: bool) -> PyResult<Self> {
        let py = path.py();
        let path = args::path("path", path)?;
        Ok(py.detach(|| FactorizedEmbedding::load(&path, mmap))?.into())
    }

    /// Plain modules of torch that compute the same.
    fn to_torch<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("subtok.torch")?.call_method1("to_torch", (slf,))
    }

    fn save(&self, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = path.py();
        let path = args::path("path", path)?;
        Ok(py.detach(|| self.0.save(&path))?)
    }

    #[pyo3(signature = (ids, out = None, *, dtype = None, threads = None))]
    fn __call__<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
        dtype: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = ids.py();
        let (mut shape, ids) = ids_of(&self.0, ids)?;
        shape.push(self.0.hidden_dim());
        let threads = thread_count(threads, shape.iter().product())?;
        let Output { numbers, returned } = output(py, out, dtype, &shape)?;
        let not_contiguous = |_| argument(py, arrays::NOT_CONTIGUOUS);
        match numbers {
            Numbers::Full(array) => {
                let mut guard = arrays::writable(&array)?;
                let values = guard.as_slice_mut().map_err(not_contiguous)?;
                py.detach(|| self.0.lookup_into(&ids, values, threads))?;
            }
            Numbers::Half(array, format) => {
                let mut guard = arrays::writable(&array)?;
                let values = guard.as_slice_mut().map_err(not_contiguous)?;
                py.detach(|| self.0.lookup_halves_into(&ids, values, format, threads))?;
            }
        }
        Ok(returned)
    }

    #[pyo3(signature = (kind, *, threads = None))]
    fn quantize(
        &self,
        kind: &Bound<'_, PyAny>,
        threads: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = kind.py();
        let kind = choice("kind", kind, &TableKind::NAMES)?;
        let threads = args::threads(threads)?;
        Ok(py.detach(|| self.0.quantize(kind, threads))?.into())
    }

    #[staticmethod]
    #[pyo3(signature = (weight, *, padding_id = None))]
    fn from_table(
        weight: &Bound<'_, PyAny>,
        padding_id: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = weight.py();
        let padding = padding_id.map(|id| size("padding_id", id)).transpose()?;
        let weight = floats(weight, "W", 2)?;
        let made = weight.with_f32(|values, shape| {
            let padding = padding_of(padding, shape[0])?;
            py.detach(|| {
                let mut table = Vec::new();
                table.try_reserve_exact(values.len()).map_err(|_| {
                    let wanted = "small enough for the memory of this machine";
                    Error::argument("the size of the table", format!("{shape:?}"), wanted)
                })?;
                table.extend_from_slice(values);
                FactorizedEmbedding::from_table(table, shape[1], padding)
            })
        })?;
        Ok(made.into())
    }

    #[staticmethod]
    fn release_buffers() -> usize {
        recycle::release()
    }

    #[pyo3(
        signature = (ids, offsets = None, mask = None, mode = None, normalize = false, *, threads = None),
        text_signature = "($self, ids, offsets=None, mask=None, mode='mean', normalize=False, *, threads=None)"
    )]
    fn pool<'py>(
        &self,
        ids: &Bound<'py, PyAny>,
        offsets: Option<&Bound<'py, PyAny>>,
        mask: Option<&Bound<'py, PyAny>>,
        mode: Option<&Bound<'py, PyAny>>,
        normalize: bool,
        threads: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = ids.py();
        let mode =
            mode.map(|mode| choice("mode", mode, &POOL_MODES)).transpose()?.unwrap_or_default();
        let (mut shape, ids) = ids_of(&self.0, ids)?;
        let weights = mask.map(|mask| weights_of(mask, &shape)).transpose()?;
        let offsets = offsets.map(|offsets| offsets_of(offsets, &shape)).transpose()?;
        let Some(length) = shape.pop() else {
            return Err(argument(py, "a single id has no rows to pool; give at least one axis"));
        };
        let rows = match &offsets {
            Some(offsets) => PoolRows::Offsets(offsets),
            None => PoolRows::Equal { rows: shape.iter().product(), length },
        };
        if let Some(offsets) = &offsets {
            shape = vec![offsets.len().saturating_sub(1)];
        }
        shape.push(self.0.hidden_dim());
        let threads = thread_count(threads, ids.len() * self.0.embedding_dim())?;
        let array = empty(py, &shape)?;
        let mut guard = arrays::writable(&array)?;
        let values = guard.as_slice_mut().map_err(|_| argument(py, arrays::NOT_CONTIGUOUS))?;
        let options = PoolOptions { mode, weights: weights.as_deref(), normalize };
        py.detach(|| self.0.pool_into(&ids, rows, &options, values, threads))?;
        drop(guard);
        Ok(array.into_any())
    }

    fn transfer<'py>(
        &self,
        old_tok: &Bound<'py, PyAny>,
        new_tok: &Bound<'py, PyAny>,
    ) -> PyResult<(Self, Bound<'py, PyDict>)> {
        let py = old_tok.py();
        let rows = self.0.vocab_size();
        let (old, new) = transfer::tokenizers(old_tok, new_tok)?;
        let (made, padding) = transfer::planned(py, rows, (&old, &new), self.0.padding_id())?;
        let moved = py.detach(|| self.0.recomposed(&made.recipe, padding))?;
        Ok((moved.into(), transfer::report(py, &made, (&old, &new), rows)?))
    }

    fn factors<'py>(&self, py: Python<'py>) -> PyResult<FactorArrays<'py>> {
        let factors = py.detach(|| self.0.factors())?;
        factor_arrays(py, factors, self.0.embedding_dim(), self.0.hidden_dim())
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind().name()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.0.bytes()
    }

    #[getter]
    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    #[getter]
    fn embedding_dim(&self) -> usize {
        self.0.embedding_dim()
    }

    #[getter]
    fn hidden_dim(&self) -> usize {
        self.0.hidden_dim()
    }

    #[getter]
    fn padding_id(&self) -> Option<u32> {
        self.0.padding_id()
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "a property of Python's")]
    fn layout(&self) -> &'static str {
        "plain"
    }

    fn __repr__(&self) -> String {
        let mut options = String::new();
        if let Some(id) = self.0.padding_id() {
            options = format!(", padding_id={id}");
        }
        if self.0.has_bias() {
            options += ", bias=True";
        }
        if !self.0.has_projection() {
            options += ", projection=False";
        }
        if self.0.kind() != TableKind::F32 {
            options.extend([", kind=\"", self.0.kind().name(), "\""]);
        }
        format!(
            "FactorizedEmbedding(vocab_size={}, embedding_dim={}, hidden_dim={}{options})",
            self.0.vocab_size(),
            self.0.embedding_dim(),
            self.0.hidden_dim(),
        )
    }

    #[classmethod]
    fn _from_bytes(_class: &Bound<'_, PyType>, content: &Bound<'_, PyBytes>) -> PyResult<Self> {
        Ok(FactorizedEmbedding::from_bytes(content.as_bytes().to_vec())?.into())
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let py = slf.py();
        let embedding = &slf.get().0;
        let content = py.detach(|| embedding.to_bytes())?;
        let restore = slf.get_type().getattr("_from_bytes")?;
        // An error, and no panic, where memory does not suffice for a second copy.
        let content = PyBytes::new_with(py, content.len(), |bytes| {
            bytes.copy_from_slice(&content);
            Ok(())
        })?;
        Ok((restore, (content,)))
    }
}

/// An id of a vocabulary of this size.
fn padding_of(id: Option<usize>, vocab_size: usize) -> Result<Option<u32>, Error> {
    let wanted = || format!("less than vocab_size ({vocab_size})");
    let convert = |id| u32::try_from(id).map_err(|_| Error::argument("padding_id", id, wanted()));
    id.map(convert).transpose()
}

/// Factors as arrays: rows x width, width x columns, columns.
fn factor_arrays(
    py: Python<'_>,
    factors: Factors,
    width: usize,
    columns: usize,
) -> PyResult<FactorArrays<'_>> {
    let rows = factors.table.len() / width;
    let table = factors.table.into_pyarray(py).reshape([rows, width])?;
    let projection = factors.projection.map(|values| values.into_pyarray(py));
    let projection = projection.map(|values| values.reshape([width, columns])).transpose()?;
    Ok((table, projection, factors.bias.map(|bias| bias.into_pyarray(py))))
}

/// The number of threads of a call. What the machine allows takes as long to find out as a small call,
/// which would not use it.
fn thread_count(threads: Option<&Bound<'_, PyAny>>, numbers: usize) -> PyResult<usize> {
    const SMALL: usize = 1 << 16;
    if threads.is_none() && numbers < SMALL { Ok(1) } else { args::threads(threads) }
}

//! `subtok.Counts`.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};

use super::args::{path, size};
use super::errors::wrong_type;
use crate::error::Error;
use crate::formats;
use crate::normalize::Normalizer;
use crate::pretokenize::PreTokenizer;
use crate::train::{Counts, Manifest};

/// Words with how often they occur: what training starts from.
#[pyclass(frozen, name = "Counts", module = "subtok")]
pub(crate) struct PyCounts {
    pub(crate) inner: Arc<Counts>,
}

impl From<Arc<Counts>> for PyCounts {
    fn from(inner: Arc<Counts>) -> Self {
        Self { inner }
    }
}

impl From<Counts> for PyCounts {
    fn from(counts: Counts) -> Self {
        Arc::new(counts).into()
    }
}

/// Bytes of all words in a row, where each starts and ends, counts, manifest.
type Parts<'py> =
    (Bound<'py, PyBytes>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u64>>, String);

/// The same with the counts of each source.
type Reduced<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<u64>>,
    String,
    Vec<Bound<'py, PyArray1<u64>>>,
);

const FORMAT: &str = "word counts";

#[pymethods]
impl PyCounts {
    #[staticmethod]
    #[pyo3(name = "load")]
    fn read<'py>(path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        helper(path.py())?.call_method1("load", (self::path("path", path)?,))
    }

    fn save(slf: &Bound<'_, Self>, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let path = self::path("path", path)?;
        helper(slf.py())?.call_method1("save", (slf, path)).map(drop)
    }

    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        helper(slf.py())?.call_method1("to_arrow", (slf,))
    }

    #[staticmethod]
    fn merge(parts: &Bound<'_, PyAny>) -> PyResult<Self> {
        let items = parts.try_iter().map_err(|_| wrong_type("parts", "a list of Counts", parts))?;
        let mut counts = Vec::new();
        for (index, part) in items.enumerate() {
            counts.push(counts_of(&format!("parts[{index}]"), &part?)?);
        }
        let merge = || Counts::merge(counts.iter().map(AsRef::as_ref));
        Ok(parts.py().detach(merge)?.into())
    }

    #[getter]
    fn manifest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        manifest_dict(py, self.inner.manifest())
    }

    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let weights = PyDict::new(py);
        for source in &self.inner.manifest().sources {
            weights.set_item(&source.name, source.weight)?;
        }
        Ok(weights)
    }

    fn weighted(&self, weights: &Bound<'_, PyAny>) -> PyResult<Self> {
        let weights_of = super::sources::numbers("weights", weights)?;
        Ok(weights.py().detach(|| self.inner.weighted(&weights_of))?.into())
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let theirs = counts_of("the second operand", other)?;
        Ok(other.py().detach(|| self.inner.add(&theirs))?.into())
    }

    fn __radd__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        // What `sum` starts from.
        if other.is_exact_instance_of::<PyInt>() && other.eq(0)? {
            return Ok(slf.get().inner.clone().into());
        }
        Err(wrong_type("the first operand", "Counts", other))
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        let theirs = counts_of("the second operand", other)?;
        Ok(other.py().detach(|| self.inner.subtract(&theirs))?.into())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else { return false };
        let theirs = &other.get().inner;
        other.py().detach(|| self.inner == *theirs)
    }

    fn __mul__(&self, weight: &Bound<'_, PyAny>) -> PyResult<Self> {
        let times = size("the weight", weight)? as u64;
        Ok(weight.py().detach(|| self.inner.times(times))?.into())
    }

    fn __rmul__(&self, weight: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.__mul__(weight)
    }

    fn __repr__(&self) -> String {
        let total =
            self.inner.total().map_or("2**64 and more".to_owned(), |total| total.to_string());
        format!("<Counts: {} words, {total} occurrences>", self.inner.len())
    }

    #[pyo3(name = "_parts")]
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        let (bytes, ends, counts) = self.inner.parts();
        let offset = |&end: &usize| i64::try_from(end).unwrap_or(i64::MAX);
        let offsets: Vec<i64> = std::iter::once(0).chain(ends.iter().map(offset)).collect();
        let counts = PyArray1::from_slice(py, counts);
        Ok((PyBytes::new(py, bytes), offsets.into_pyarray(py), counts, self.manifest_json()?))
    }

    /// How often the words occur in each source, where that is more than `_parts` says.
    #[pyo3(name = "_columns")]
    fn columns<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<u64>>> {
        let sources = &self.inner.manifest().sources;
        if sources.len() < 2 && sources.iter().all(|source| source.weight == 1) {
            return Vec::new();
        }
        let columns = self.inner.columns();
        columns.into_iter().map(|column| PyArray1::from_slice(py, column)).collect()
    }

    /// Counts from what `_parts` and `_columns` give. Everything is checked: it may come out of a file.
    #[staticmethod]
    #[pyo3(signature = (bytes, offsets, counts, manifest, columns = Vec::new()))]
    #[expect(clippy::needless_pass_by_value, reason = "what extraction gives")]
    fn _from_parts(
        py: Python<'_>,
        bytes: &[u8],
        offsets: PyReadonlyArray1<'_, i64>,
        counts: PyReadonlyArray1<'_, u64>,
        manifest: &str,
        columns: Vec<PyReadonlyArray1<'_, u64>>,
    ) -> PyResult<Self> {
        let manifest: Manifest = serde_json::from_str(manifest)
            .map_err(|error| Error::format(FORMAT, "manifest", error.to_string()))?;
        how(&manifest)?;
        let bad = |problem: &str| Error::format(FORMAT, "offsets", problem);
        // Copies: other threads may write into the arrays while the interpreter is let go.
        let (offsets, counts) = (offsets.as_slice()?.to_vec(), counts.as_slice()?.to_vec());
        let columns = columns.iter().map(|column| Ok(column.as_slice()?.to_vec()));
        let columns = columns.collect::<PyResult<Vec<_>>>()?;
        if offsets.len() != counts.len() + 1 {
            return Err(bad("there must be one more than there are counts").into());
        }
        let make = || {
            let mut words = Vec::with_capacity(counts.len());
            for span in offsets.windows(2) {
                let word = match (usize::try_from(span[0]), usize::try_from(span[1])) {
                    (Ok(start), Ok(end)) => bytes.get(start..end),
                    _ => None,
                };
                words.push(word.ok_or_else(|| bad("they must ascend and stay within"))?);
            }
            if columns.is_empty() {
                let words = words.into_iter().zip(counts).collect();
                return Counts::from_words(words, manifest);
            }
            // What was stored in order of bytes is so again, and sums are compared with what stands there.
            let ordered = words.is_sorted();
            let made = Counts::from_columns(&words, &columns, manifest)?;
            if !ordered || made.parts().2 != counts {
                let problem =
                    "the counts are not the weighted sums of those of the sources, in order";
                return Err(Error::format(FORMAT, "", problem));
            }
            Ok(made)
        };
        Ok(py.detach(make)?.into())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Reduced<'py>)> {
        let (bytes, offsets, counts, manifest) = slf.get().parts(slf.py())?;
        let columns = slf.get().columns(slf.py());
        Ok((slf.getattr("_from_parts")?, (bytes, offsets, counts, manifest, columns)))
    }
}

impl PyCounts {
    fn manifest_json(&self) -> PyResult<String> {
        Ok(manifest_json(self.inner.manifest())?)
    }
}

fn manifest_json(manifest: &Manifest) -> Result<String, Error> {
    let json = serde_json::to_string(manifest);
    json.map_err(|error| Error::format(FORMAT, "manifest", error.to_string()))
}

/// A manifest as Python shows it.
pub(crate) fn manifest_dict<'py>(
    py: Python<'py>,
    manifest: &Manifest,
) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (manifest_json(manifest)?,))
}

/// The part that knows `pyarrow`.
fn helper(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("subtok._counts")
}

fn counts_of(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Arc<Counts>> {
    let counts = value.cast::<PyCounts>().map_err(|_| wrong_type(name, "Counts", value))?;
    Ok(counts.get().inner.clone())
}

/// How a manifest says that words were cut.
pub(crate) fn how(manifest: &Manifest) -> Result<(Option<Normalizer>, PreTokenizer), Error> {
    let normalizer = formats::normalizer_from_json(&manifest.normalizer)?;
    let pre_tokenizer = formats::pre_tokenizer_from_json(&manifest.pretokenizer)?;
    let problem = || Error::format(FORMAT, "manifest", "there is no pretokenizer");
    Ok((normalizer, pre_tokenizer.ok_or_else(problem)?))
}

/// The manifest of counts that are about to be made.
pub(crate) fn manifest(
    normalizer: Option<&Normalizer>,
    pre_tokenizer: &PreTokenizer,
) -> Result<Manifest, Error> {
    Ok(Manifest {
        pretokenizer: formats::pre_tokenizer_to_json(pre_tokenizer)?,
        normalizer: formats::normalizer_to_json(normalizer)?,
        unicode: crate::unicode::CLASSES_VERSION.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Manifest::default()
    })
}

//! `subtok._subtok._TextEmbedder`: texts in, an array of vectors out. The class that users see wraps it.

use std::sync::Arc;

use numpy::{PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use super::args::{choice, size, wanted_threads};
use super::arrow::{NULLS, Nulls};
use super::embedding::{self, PyFactorizedEmbedding};
use super::errors::{argument, check_signals};
use super::text::{HeldRows, Reading, Surrogates};
use super::tokenizer::PyTokenizer;
use crate::postprocess::fit::TruncationParams;
use crate::text_embedder::{TextEmbedder, TextPooling};
use crate::tokenizer::EncodeOptions;

/// A tokenizer and a table, ready for texts.
#[pyclass(frozen, name = "_TextEmbedder", module = "subtok._subtok")]
pub(crate) struct PyTextEmbedder(Arc<TextEmbedder>);

#[pymethods]
impl PyTextEmbedder {
    #[new]
    fn new(
        py: Python<'_>,
        tokenizer: &Bound<'_, PyTokenizer>,
        embedding: &Bound<'_, PyFactorizedEmbedding>,
        mode: &Bound<'_, PyAny>,
        max_length: Option<&Bound<'_, PyAny>>,
        add_special_tokens: bool,
        normalize: bool,
        weights: Option<PyReadonlyArray1<'_, f32>>,
        rows: Option<PyReadonlyArray1<'_, u32>>,
        skip: Vec<u32>,
    ) -> PyResult<Self> {
        let max_length = max_length.map(|given| size("max_length", given)).transpose()?;
        let truncation = max_length
            .map(|max_length| TruncationParams { max_length, ..TruncationParams::default() });
        let options = EncodeOptions { add_special_tokens, truncation, ..EncodeOptions::default() };
        let pooling = TextPooling {
            mode: choice("mode", mode, &embedding::POOL_MODES)?,
            normalize,
            weights: weights.map(|weights| weights.as_array().to_vec()),
            rows: rows.map(|rows| rows.as_array().to_vec()),
            skip,
        };
        let tokenizer = tokenizer.get().inner.clone();
        let embedding = embedding.get().shared();
        let made = py.detach(|| TextEmbedder::new(tokenizer, embedding, options, pooling))?;
        Ok(Self(Arc::new(made)))
    }

    #[pyo3(signature = (texts, out = None, threads = None, nulls = None))]
    fn __call__<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        out: Option<&Bound<'py, PyAny>>,
        threads: Option<&Bound<'py, PyAny>>,
        nulls: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = texts.py();
        let threads = wanted_threads(threads)?;
        let nulls = nulls.map_or(Ok(Nulls::Error), |nulls| choice("nulls", nulls, &NULLS))?;
        let reading = Reading { words: false, surrogates: Surrogates::Strict, nulls };
        let held = HeldRows::new(texts, None, reading)?;
        let array = embedding::result(py, out, &[held.len(), self.0.hidden_dim()])?;
        let mut guard = array
            .try_readwrite()
            .map_err(|error| argument(py, format!("out cannot be written: {error}")))?;
        let values = guard.as_slice_mut()?;
        py.detach(|| {
            held.with(|rows| self.0.embed_into(rows, values, threads, &mut check_signals))
        })?;
        drop(guard);
        Ok(array.into_any())
    }
}

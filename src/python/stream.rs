//! `subtok.DecodeStream`: text as its ids come.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use super::arrays;
use crate::tokenizer::TokenStream;

/// Text as its ids come.
#[pyclass(frozen, name = "DecodeStream", module = "subtok")]
pub(crate) struct PyDecodeStream {
    stream: Mutex<TokenStream>,
    size: usize,
}

impl PyDecodeStream {
    /// `size`: ids below this number may exist.
    pub(crate) fn new(stream: TokenStream, size: usize) -> Self {
        Self { stream: Mutex::new(stream), size }
    }
}

impl PyDecodeStream {
    fn locked<T>(&self, work: impl FnOnce(&mut TokenStream) -> T) -> T {
        work(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl PyDecodeStream {
    fn step(&self, id: &Bound<'_, PyAny>) -> PyResult<String> {
        let id = arrays::id(id, self.locked(|stream| stream.position()), self.size)?;
        Ok(self.locked(|stream| stream.step(id))?)
    }

    fn finish(&self) -> PyResult<String> {
        Ok(self.locked(TokenStream::finish)?)
    }
}

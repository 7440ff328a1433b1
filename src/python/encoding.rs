//! `subtok.Encoding`: ids at once, everything else when it is asked for.

use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArray2, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple};

use super::args::size;
use super::arrays::spans;
use super::text::{HeldInput, HeldRows};
use crate::error::Result;
use crate::tokenizer::{EncodeOptions, Encoding, Tokenizer};

/// What is needed to encode the row again, with everything about every token.
pub(crate) struct Source {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) row: RowSource,
    /// Shared by all encodings of calls that give nothing but the usual.
    pub(crate) options: Arc<EncodeOptions>,
    pub(crate) longest: usize,
}

/// Where the texts of a row are.
pub(crate) enum RowSource {
    /// Here. The second one is boxed because hardly any row has it: an encoding is moved into its
    /// object, and what it weighs is part of what a short call costs.
    Own(HeldInput, Option<Box<HeldInput>>),
    /// In a batch.
    Batch(Arc<HeldRows>, usize),
}

impl Source {
    fn encode(&self) -> Result<Encoding> {
        let Self { tokenizer, options, longest, .. } = self;
        match &self.row {
            RowSource::Own(text, pair) => text.with(|text| match pair {
                None => tokenizer.encode_places(text, None, options, 0, *longest),
                Some(pair) => pair
                    .with(|pair| tokenizer.encode_places(text, Some(pair), options, 0, *longest)),
            }),
            RowSource::Batch(rows, index) => rows.with_row(*index, |text, pair| {
                tokenizer.encode_places(text, pair, options, *index, *longest)
            }),
        }
    }
}

/// The tokens of one text, or of two.
#[pyclass(frozen, name = "Encoding", module = "subtok")]
pub(crate) struct PyEncoding {
    ids: Py<PyArray1<u32>>,
    origin: Origin,
    /// Everything but the tokens' strings.
    full: OnceLock<Box<Encoding>>,
    overflowing: PyOnceLock<Py<PyTuple>>,
}

/// Where an encoding comes from.
enum Origin {
    /// Its text is encoded again when more than ids is asked for.
    Source(Source),
    /// It is a part of another encoding, and complete.
    Part(Tokenizer),
}

impl PyEncoding {
    pub(crate) fn new(ids: Bound<'_, PyArray1<u32>>, source: Source) -> Self {
        Self {
            ids: ids.unbind(),
            origin: Origin::Source(source),
            full: OnceLock::new(),
            overflowing: PyOnceLock::new(),
        }
    }

    fn from_full(py: Python<'_>, tokenizer: &Tokenizer, full: &Encoding) -> Self {
        let ids = full.ids.to_pyarray(py).unbind();
        Self {
            ids,
            origin: Origin::Part(tokenizer.clone()),
            full: OnceLock::from(Box::new(full.clone())),
            overflowing: PyOnceLock::new(),
        }
    }

    fn full(&self, py: Python<'_>) -> PyResult<&Encoding> {
        if let (None, Origin::Source(source)) = (self.full.get(), &self.origin) {
            let full = Box::new(py.detach(|| source.encode())?);
            // Another thread may have been first; both made the same.
            return Ok(self.full.get_or_init(|| full));
        }
        Ok(self.full.get_or_init(Box::default))
    }

    fn tokenizer(&self) -> &Tokenizer {
        match &self.origin {
            Origin::Source(source) => &source.tokenizer,
            Origin::Part(tokenizer) => tokenizer,
        }
    }
}

fn position(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    // A position past every text is no position: the answer is None, not an error.
    size(name, value)
}

#[pymethods]
impl PyEncoding {
    #[getter]
    fn ids(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.ids.clone_ref(py)
    }

    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tokens: Vec<&str> = self.tokenizer().tokens_of(self.full(py)?).collect();
        PyList::new(py, tokens)
    }

    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        Ok(spans(py, &self.full(py)?.offsets))
    }

    #[getter]
    fn byte_offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        Ok(spans(py, &self.full(py)?.byte_offsets))
    }

    #[getter]
    fn word_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(self.full(py)?.word_ids.to_pyarray(py))
    }

    #[getter]
    fn sequence_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(self.full(py)?.sequence_ids.to_pyarray(py))
    }

    #[getter]
    fn type_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.full(py)?.type_ids.to_pyarray(py))
    }

    #[getter]
    fn special_tokens_mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.full(py)?.special_tokens_mask.to_pyarray(py))
    }

    #[getter]
    fn attention_mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.full(py)?.attention_mask.to_pyarray(py))
    }

    #[getter]
    fn overflowing(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        if let Some(made) = self.overflowing.get(py) {
            return Ok(made.clone_ref(py));
        }
        let parts = self.full(py)?.overflowing.iter();
        let parts: Vec<_> = parts
            .map(|part| Py::new(py, Self::from_full(py, self.tokenizer(), part)))
            .collect::<PyResult<_>>()?;
        let made = PyTuple::new(py, parts)?.unbind();
        Ok(self.overflowing.get_or_init(py, || made).clone_ref(py))
    }

    #[getter]
    fn n_sequences(&self, py: Python<'_>) -> PyResult<usize> {
        let full = self.full(py)?;
        Ok(1 + usize::from(full.sequence_ids.contains(&1)))
    }

    #[pyo3(signature = (char_pos, sequence = None))]
    fn char_to_token(
        &self,
        char_pos: &Bound<'_, PyAny>,
        sequence: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<usize>> {
        let (at, sequence) = (position("char_pos", char_pos)?, sequence_index(sequence)?);
        Ok(self.full(char_pos.py())?.char_to_token(at, sequence))
    }

    #[pyo3(signature = (char_pos, sequence = None))]
    fn char_to_word(
        &self,
        char_pos: &Bound<'_, PyAny>,
        sequence: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<usize>> {
        let (at, sequence) = (position("char_pos", char_pos)?, sequence_index(sequence)?);
        Ok(self.full(char_pos.py())?.char_to_word(at, sequence))
    }

    fn token_to_chars(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<(u32, u32)>> {
        let found = self.full(token.py())?.token_to_chars(position("token", token)?);
        Ok(found.map(|(_, span)| (span.start, span.end)))
    }

    fn token_to_word(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        let found = self.full(token.py())?.token_to_word(position("token", token)?);
        Ok(found.map(|(_, word)| word))
    }

    fn token_to_sequence(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        Ok(self.full(token.py())?.token_to_sequence(position("token", token)?))
    }

    #[pyo3(signature = (word, sequence = None))]
    fn word_to_tokens(
        &self,
        word: &Bound<'_, PyAny>,
        sequence: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<(usize, usize)>> {
        let (at, sequence) = (position("word", word)?, sequence_index(sequence)?);
        Ok(self.full(word.py())?.word_to_tokens(at, sequence))
    }

    #[pyo3(signature = (word, sequence = None))]
    fn word_to_chars(
        &self,
        word: &Bound<'_, PyAny>,
        sequence: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<(u32, u32)>> {
        let (at, sequence) = (position("word", word)?, sequence_index(sequence)?);
        let found = self.full(word.py())?.word_to_chars(at, sequence);
        Ok(found.map(|span| (span.start, span.end)))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.ids.bind(py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Encoding(num_tokens={})", self.__len__(py))
    }
}

fn sequence_index(value: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
    value.map_or(Ok(0), |value| size("sequence", value))
}

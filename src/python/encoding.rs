//! `subtok.Encoding`: ids at once, everything else when it is asked for.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple};

use super::args::size;
use super::arrays::spans;
use super::text::{HeldInput, HeldRows};
use crate::error::Result;
use crate::tokenizer::{Columns, EncodeOptions, Encoding, Input, Tokenizer};

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
    /// The columns that are wanted; `known` are the ids where nobody can have changed them.
    fn encode(&self, known: Option<&[u32]>, wanted: Columns) -> Result<Encoding> {
        let Self { tokenizer, options, longest, .. } = self;
        let encode = |row: usize, text: Input<'_>, pair: Option<Input<'_>>| {
            tokenizer.encode_columns((text, pair), options, (row, *longest), known, wanted)
        };
        match &self.row {
            RowSource::Own(text, pair) => text.with(|text| match pair {
                None => encode(0, text, None),
                Some(pair) => pair.with(|pair| encode(0, text, Some(pair))),
            }),
            RowSource::Batch(rows, index) => {
                rows.with_row(*index, |text, pair| encode(*index, text, pair))
            }
        }
    }
}

/// The tokens of one text, or of two.
#[pyclass(frozen, name = "Encoding", module = "subtok")]
pub(crate) struct PyEncoding {
    ids: Py<PyArray1<u32>>,
    origin: Origin,
    /// Whether Python has seen the array of ids, and may have written to it.
    shown: AtomicBool,
    /// Whether single columns were asked for: what is asked for again is kept.
    asked: AtomicBool,
    /// What depends on the number of tokens alone.
    marks: OnceLock<Box<Encoding>>,
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
            shown: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            marks: OnceLock::new(),
            full: OnceLock::new(),
            overflowing: PyOnceLock::new(),
        }
    }

    /// Whether the ids may be others than those of the source, since their array was seen before.
    pub(crate) fn shown(self, shown: bool) -> Self {
        self.shown.store(shown, Ordering::Relaxed);
        self
    }

    fn from_full(py: Python<'_>, tokenizer: &Tokenizer, full: &Encoding) -> Self {
        let ids = full.ids.to_pyarray(py).unbind();
        Self {
            ids,
            origin: Origin::Part(tokenizer.clone()),
            shown: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            marks: OnceLock::new(),
            full: OnceLock::from(Box::new(full.clone())),
            overflowing: PyOnceLock::new(),
        }
    }

    fn full(&self, py: Python<'_>) -> PyResult<&Encoding> {
        if let (None, Origin::Source(source)) = (self.full.get(), &self.origin) {
            let full = Box::new(self.encode(py, source, Columns::ALL)?);
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

    /// The columns that are wanted. The first to be asked for are computed alone, for often no others
    /// are; with the second everything is computed, and kept.
    fn columns(&self, py: Python<'_>, wanted: Columns) -> PyResult<Cow<'_, Encoding>> {
        match (&self.origin, self.full.get()) {
            (Origin::Source(source), None) if !self.asked.swap(true, Ordering::Relaxed) => {
                Ok(Cow::Owned(self.encode(py, source, wanted)?))
            }
            _ => Ok(Cow::Borrowed(self.full(py)?)),
        }
    }

    /// An encoding with type ids, sequence ids and masks.
    fn marks(&self, py: Python<'_>) -> PyResult<&Encoding> {
        match (&self.origin, self.full.get()) {
            (Origin::Source(source), None) => {
                if let Some(marks) = self.marks.get() {
                    return Ok(marks);
                }
                let marks = Box::new(self.encode(py, source, Columns::MARKS)?);
                Ok(self.marks.get_or_init(|| marks))
            }
            _ => self.full(py),
        }
    }

    fn encode(&self, py: Python<'_>, source: &Source, wanted: Columns) -> PyResult<Encoding> {
        // Marks depend on how many ids there are, and nobody can change that.
        if self.shown.load(Ordering::Relaxed) && wanted != Columns::MARKS {
            return Ok(py.detach(|| source.encode(None, wanted))?);
        }
        // While the interpreter is held, nobody is shown the array.
        let ids = self.ids.bind(py).try_readonly()?;
        let known = ids.as_slice()?;
        if known.len() <= HELD_TOKENS {
            return Ok(source.encode(Some(known), wanted)?);
        }
        let known = known.to_vec();
        Ok(py.detach(|| source.encode(Some(&known), wanted))?)
    }
}

/// The interpreter is not released for places of so few tokens whose ids are known.
const HELD_TOKENS: usize = 512;

fn position(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    // A position past every text is no position: the answer is None, not an error.
    size(name, value)
}

#[pymethods]
impl PyEncoding {
    #[getter]
    fn ids(&self, py: Python<'_>) -> Py<PyArray1<u32>> {
        self.shown.store(true, Ordering::Relaxed);
        self.ids.clone_ref(py)
    }

    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tokens: Vec<&str> = self.tokenizer().tokens_of(self.full(py)?).collect();
        PyList::new(py, tokens)
    }

    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        Ok(spans(py, &self.columns(py, Columns::OFFSETS)?.offsets))
    }

    #[getter]
    fn byte_offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        Ok(spans(py, &self.columns(py, Columns::BYTE_OFFSETS)?.byte_offsets))
    }

    #[getter]
    fn word_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(self.columns(py, Columns::WORD_IDS)?.word_ids.to_pyarray(py))
    }

    #[getter]
    fn sequence_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(self.marks(py)?.sequence_ids.to_pyarray(py))
    }

    #[getter]
    fn type_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.marks(py)?.type_ids.to_pyarray(py))
    }

    #[getter]
    fn special_tokens_mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.marks(py)?.special_tokens_mask.to_pyarray(py))
    }

    #[getter]
    fn attention_mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u32>>> {
        Ok(self.marks(py)?.attention_mask.to_pyarray(py))
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
        Ok(1 + usize::from(self.marks(py)?.sequence_ids.contains(&1)))
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

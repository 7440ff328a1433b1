//! Texts from Python: strings and bytes, held so that they can be read without the interpreter.

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyMapping, PyString, PyTuple};

use super::errors::{argument, raise, wrong_type};
use crate::error::Error;
use crate::tokenizer::{BatchRow, Input};

/// What becomes of lone surrogates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surrogates {
    /// They are an error that names their position.
    Strict,
    /// They become U+FFFD.
    Replace,
}

/// The values of the keyword `errors` of encoding calls.
pub(crate) const SURROGATES: [(&str, Surrogates); 2] =
    [("strict", Surrogates::Strict), ("replace", Surrogates::Replace)];

/// A text that stays where Python has it.
#[derive(Debug)]
pub(crate) enum Held {
    /// A string.
    Str(PyBackedStr),
    /// Bytes that were checked to be UTF-8.
    Bytes(PyBackedBytes),
    /// A text of our own: the string had surrogates.
    Owned(String),
}

impl Held {
    /// Takes one text; `row` is its place in a batch.
    pub(crate) fn new(
        value: &Bound<'_, PyAny>,
        name: &str,
        row: Option<usize>,
        surrogates: Surrogates,
    ) -> PyResult<Self> {
        if let Ok(string) = value.cast::<PyString>() {
            return match PyBackedStr::try_from(string.clone()) {
                Ok(held) => Ok(Self::Str(held)),
                Err(error) => surrogate(string, &error, row, surrogates),
            };
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            let held = PyBackedBytes::from(bytes.clone());
            if let Err(error) = std::str::from_utf8(&held) {
                return Err(in_row(Error::utf8(error), row).into());
            }
            return Ok(Self::Bytes(held));
        }
        let name = row.map_or_else(|| name.to_owned(), |row| format!("{name}[{row}]"));
        Err(wrong_type(&name, "a string (or bytes in UTF-8)", value))
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Str(string) => string,
            // Checked when it was taken.
            Self::Bytes(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Self::Owned(string) => string,
        }
    }
}

/// A text that must be a string, no bytes.
pub(crate) fn string(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Held> {
    if !value.is_instance_of::<PyString>() {
        return Err(wrong_type(name, "a string", value));
    }
    Held::new(value, name, None, Surrogates::Strict)
}

fn in_row(error: Error, row: Option<usize>) -> Error {
    match row {
        Some(row) => error.in_row(row),
        None => error,
    }
}

/// A string that has no UTF-8: an error with the place of the first surrogate, or the text without.
fn surrogate(
    string: &Bound<'_, PyString>,
    error: &PyErr,
    row: Option<usize>,
    surrogates: Surrogates,
) -> PyResult<Held> {
    let py = string.py();
    if surrogates == Surrogates::Replace {
        // By way of UTF-16, as tiktoken does: halves that belong together join, others become U+FFFD.
        let bytes = string.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
        let text = bytes.call_method1("decode", ("utf-16-le", "replace"))?;
        return Ok(Held::Owned(text.extract()?));
    }
    let Ok(start) = error.value(py).getattr("start").and_then(|start| start.extract()) else {
        return Err(error.clone_ref(py));
    };
    let fault =
        Error::Text { problem: "a lone surrogate", unit: "character", position: start, row: None };
    Err(in_row(fault, row).into())
}

/// One input: a text, or words.
#[derive(Debug)]
pub(crate) enum HeldInput {
    /// A text.
    Text(Held),
    /// A text that came in words.
    Words(Vec<Held>),
}

impl HeldInput {
    pub(crate) fn new(
        value: &Bound<'_, PyAny>,
        name: &str,
        row: Option<usize>,
        words: bool,
        surrogates: Surrogates,
    ) -> PyResult<Self> {
        if !words {
            return Held::new(value, name, row, surrogates).map(Self::Text);
        }
        let name = row.map_or_else(|| name.to_owned(), |row| format!("{name}[{row}]"));
        if !(value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>()) {
            return Err(wrong_type(&name, "a list of words", value));
        }
        let words = value
            .try_iter()?
            .enumerate()
            .map(|(number, word)| Held::new(&word?, &name, Some(number), surrogates));
        words.collect::<PyResult<_>>().map(Self::Words)
    }

    /// Calls `work` with the input; words are gathered for the time of the call.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Input<'_>) -> T) -> T {
        match self {
            Self::Text(text) => work(Input::Text(text.text())),
            Self::Words(words) => {
                let words: Vec<&str> = words.iter().map(Held::text).collect();
                work(Input::Words(&words))
            }
        }
    }
}

/// The rows of a batch, held.
#[derive(Debug)]
pub(crate) struct HeldRows {
    pub(crate) texts: Vec<HeldInput>,
    pub(crate) pairs: Option<Vec<HeldInput>>,
}

impl HeldRows {
    pub(crate) fn new(
        texts: &Bound<'_, PyAny>,
        pairs: Option<&Bound<'_, PyAny>>,
        words: bool,
        surrogates: Surrogates,
    ) -> PyResult<Self> {
        let texts = inputs("texts", texts, words, surrogates)?;
        let pairs = pairs.map(|given| {
            let pairs = inputs("pairs", given, words, surrogates)?;
            if pairs.len() != texts.len() {
                let message =
                    format!("pairs has {} rows, but texts has {}", pairs.len(), texts.len());
                return Err(argument(given.py(), message));
            }
            Ok(pairs)
        });
        let pairs = pairs.transpose()?;
        Ok(Self { texts, pairs })
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Calls `work` with the rows.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&[BatchRow<'_>]) -> T) -> T {
        let words = gather(&self.texts);
        let pair_words = self.pairs.as_deref().map(gather);
        let rows: Vec<BatchRow<'_>> = (0..self.texts.len())
            .map(|index| BatchRow {
                input: input(&self.texts[index], &words, index),
                pair: self
                    .pairs
                    .as_ref()
                    .zip(pair_words.as_ref())
                    .map(|(pairs, words)| input(&pairs[index], words, index)),
            })
            .collect();
        work(&rows)
    }
}

/// The words of inputs that came in words; nothing for texts.
fn gather(inputs: &[HeldInput]) -> Vec<Vec<&str>> {
    if inputs.iter().all(|input| matches!(input, HeldInput::Text(_))) {
        return Vec::new();
    }
    let words = inputs.iter().map(|input| match input {
        HeldInput::Text(_) => Vec::new(),
        HeldInput::Words(words) => words.iter().map(Held::text).collect(),
    });
    words.collect()
}

fn input<'a>(held: &'a HeldInput, words: &'a [Vec<&'a str>], index: usize) -> Input<'a> {
    match held {
        HeldInput::Text(text) => Input::Text(text.text()),
        HeldInput::Words(_) => Input::Words(words.get(index).map_or(&[], Vec::as_slice)),
    }
}

/// The inputs in a list, a tuple, an array, or anything else that is iterated over.
fn inputs(
    name: &str,
    given: &Bound<'_, PyAny>,
    words: bool,
    surrogates: Surrogates,
) -> PyResult<Vec<HeldInput>> {
    let make = |row: usize, value: &Bound<'_, PyAny>| {
        HeldInput::new(value, name, Some(row), words, surrogates)
    };
    if let Ok(list) = given.cast::<PyList>() {
        return list.iter().enumerate().map(|(row, value)| make(row, &value)).collect();
    }
    if let Ok(tuple) = given.cast::<PyTuple>() {
        return tuple.iter().enumerate().map(|(row, value)| make(row, &value)).collect();
    }
    let single = given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>();
    if single || given.cast::<PyMapping>().is_ok() {
        return Err(wrong_type(name, "a list of texts", given));
    }
    // Arrow data and numpy arrays of strings give their rows as Python strings.
    let rows = if given.hasattr("to_pylist")? {
        Some(given.call_method0("to_pylist")?)
    } else if given.hasattr("__arrow_c_stream__")? || given.hasattr("__arrow_c_array__")? {
        Some(arrow_rows(given)?)
    } else if given.hasattr("tolist")? {
        Some(given.call_method0("tolist")?)
    } else {
        None
    };
    if let Some(rows) = rows {
        // An array without a dimension is one text, not a list of its characters.
        let rows = rows.cast::<PyList>().map_err(|_| wrong_type(name, "a list of texts", given))?;
        return rows.iter().enumerate().map(|(row, value)| make(row, &value)).collect();
    }
    let rows = given.try_iter().map_err(|_| wrong_type(name, "a list of texts", given))?;
    let take = |(row, value): (usize, PyResult<Bound<'_, PyAny>>)| {
        if row == MAX_ITERATED {
            let message =
                format!("{name} gives more than {MAX_ITERATED} rows; encode them in parts");
            return Err(argument(given.py(), message));
        }
        make(row, &value?)
    };
    rows.enumerate().map(take).collect()
}

/// The most rows that are taken from something that does not say how many it has.
const MAX_ITERATED: usize = 1 << 24;

/// The rows of an object that only speaks the Arrow C interface.
fn arrow_rows<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = given.py();
    let Ok(pyarrow) = py.import("pyarrow") else {
        let message = "reading Arrow data needs the package pyarrow: pip install subtok[parquet]";
        return Err(raise(py, "MissingDependencyError", message));
    };
    let make = if given.hasattr("__arrow_c_stream__")? { "chunked_array" } else { "array" };
    let array = pyarrow.getattr(make)?.call1((given,)).map_err(|error| {
        raise(py, "ArgumentTypeError", format!("texts is not readable as Arrow data: {error}"))
    })?;
    array.call_method0("to_pylist")
}

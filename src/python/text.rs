//! Texts from Python: strings and bytes, held so that they can be read without the interpreter.

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyMapping, PyString, PyTuple};

use super::arrow::{self, Nulls, TextColumn};
use super::buffer::{self, TextBuffer};
use super::errors::{argument, wrong_type};
use crate::error::{Error, Result};
use crate::tokenizer::{BatchRow, Input};
use crate::unicode::utf8;

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
    /// The memory of something else, checked as well.
    Buffer(TextBuffer),
    /// A text of our own: the string had surrogates, or others may write to where it was.
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
            if let Err(error) = utf8::text(&held) {
                return Err(in_row(Error::utf8(error), row).into());
            }
            return Ok(Self::Bytes(held));
        }
        if let Some(taken) = buffer::text(value, row)? {
            return Ok(taken);
        }
        let name = row.map_or_else(|| name.to_owned(), |row| format!("{name}[{row}]"));
        Err(wrong_type(&name, "a string (or bytes in UTF-8)", value))
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Str(string) => string,
            // Checked when it was taken.
            Self::Bytes(bytes) => utf8::text(bytes).unwrap_or_default(),
            Self::Buffer(buffer) => buffer.text().unwrap_or_default(),
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

pub(crate) fn in_row(error: Error, row: Option<usize>) -> Error {
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

/// One column of a batch, held.
#[derive(Debug)]
pub(crate) enum HeldColumn {
    /// Python's objects.
    Each(Vec<HeldInput>),
    /// Somebody's memory.
    Arrow(TextColumn),
}

impl HeldColumn {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Each(inputs) => inputs.len(),
            Self::Arrow(texts) => texts.len(),
        }
    }

    /// Calls `work` with a row.
    fn with_row<T>(&self, row: usize, work: impl FnOnce(Input<'_>) -> Result<T>) -> Result<T> {
        match self {
            Self::Each(inputs) => match inputs.get(row) {
                Some(input) => input.with(work),
                None => work(Input::Text("")),
            },
            Self::Arrow(texts) => work(Input::Text(texts.get(row)?)),
        }
    }

    /// Calls `work` with all rows.
    fn with<T>(&self, work: impl FnOnce(&[Input<'_>]) -> Result<T>) -> Result<T> {
        match self {
            Self::Each(inputs) => {
                let words = gather(inputs);
                let rows = inputs.iter().enumerate();
                let rows: Vec<_> = rows.map(|(row, held)| input(held, &words, row)).collect();
                work(&rows)
            }
            Self::Arrow(texts) => {
                let rows: Vec<_> = texts.texts()?.into_iter().map(Input::Text).collect();
                work(&rows)
            }
        }
    }
}

/// How the rows of a batch are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Rows are lists of words.
    pub(crate) words: bool,
    pub(crate) surrogates: Surrogates,
    pub(crate) nulls: Nulls,
}

/// The rows of a batch, held.
#[derive(Debug)]
pub(crate) struct HeldRows {
    pub(crate) texts: HeldColumn,
    pub(crate) pairs: Option<HeldColumn>,
}

impl HeldRows {
    /// Whether texts lie in memory that somebody else may write to.
    pub(crate) fn are_foreign(&self) -> bool {
        let columns = [Some(&self.texts), self.pairs.as_ref()];
        columns.into_iter().flatten().any(|column| matches!(column, HeldColumn::Arrow(_)))
    }

    pub(crate) fn new(
        texts: &Bound<'_, PyAny>,
        pairs: Option<&Bound<'_, PyAny>>,
        reading: Reading,
    ) -> PyResult<Self> {
        let texts = inputs("texts", texts, reading)?;
        let pairs = pairs.map(|given| {
            let pairs = inputs("pairs", given, reading)?;
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

    /// Calls `work` with one row and its pair.
    pub(crate) fn with_row<T>(
        &self,
        row: usize,
        work: impl FnOnce(Input<'_>, Option<Input<'_>>) -> Result<T>,
    ) -> Result<T> {
        self.texts.with_row(row, |text| match &self.pairs {
            None => work(text, None),
            Some(pairs) => pairs.with_row(row, |pair| work(text, Some(pair))),
        })
    }

    /// Calls `work` with the rows.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&[BatchRow<'_>]) -> Result<T>) -> Result<T> {
        self.texts.with(|texts| match &self.pairs {
            None => {
                let rows = texts.iter().map(|&input| BatchRow { input, pair: None });
                work(&rows.collect::<Vec<_>>())
            }
            Some(pairs) => pairs.with(|pairs| {
                let rows = texts.iter().zip(pairs);
                let rows = rows.map(|(&input, &pair)| BatchRow { input, pair: Some(pair) });
                work(&rows.collect::<Vec<_>>())
            }),
        })
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

/// The inputs in a list, a tuple, an array, Arrow data, or anything else that is iterated over.
fn inputs(name: &'static str, given: &Bound<'_, PyAny>, reading: Reading) -> PyResult<HeldColumn> {
    let Reading { words, surrogates, nulls } = reading;
    let make = |row: usize, value: &Bound<'_, PyAny>| {
        if value.is_none() && nulls == Nulls::Empty {
            return Ok(HeldInput::Text(Held::Owned(String::new())));
        }
        HeldInput::new(value, name, Some(row), words, surrogates)
    };
    let list = |list: &Bound<'_, PyList>| {
        let rows = list.iter().enumerate().map(|(row, value)| make(row, &value));
        rows.collect::<PyResult<_>>().map(HeldColumn::Each)
    };
    if let Ok(given) = given.cast::<PyList>() {
        return list(given);
    }
    if let Ok(tuple) = given.cast::<PyTuple>() {
        let rows = tuple.iter().enumerate().map(|(row, value)| make(row, &value));
        return rows.collect::<PyResult<_>>().map(HeldColumn::Each);
    }
    let single = given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>();
    if single || given.cast::<PyMapping>().is_ok() {
        return Err(wrong_type(name, "a list of texts", given));
    }
    // Words come in lists, and what holds lists says them in Python's.
    if !words
        && arrow::speaks_arrow(given)?
        && let Some(column) = arrow::column(name, given, nulls)?
    {
        return Ok(HeldColumn::Arrow(column));
    }
    for method in ["to_pylist", "tolist"] {
        if given.hasattr(method)? {
            // An array without a dimension is one text, not a list of its characters.
            let rows = given.call_method0(method)?;
            let wrong = |_| wrong_type(name, "a list of texts", given);
            return list(rows.cast::<PyList>().map_err(wrong)?);
        }
    }
    let rows = given.try_iter().map_err(|_| wrong_type(name, "a list of texts", given))?;
    if buffer::has(given) {
        // A memory map is iterated over byte by byte: it is one text.
        return Err(wrong_type(name, "a list of texts", given));
    }
    let take = |(row, value): (usize, PyResult<Bound<'_, PyAny>>)| {
        if row == MAX_ITERATED {
            let message =
                format!("{name} gives more than {MAX_ITERATED} rows; encode them in parts");
            return Err(argument(given.py(), message));
        }
        make(row, &value?)
    };
    rows.enumerate().map(take).collect::<PyResult<_>>().map(HeldColumn::Each)
}

/// The most rows that are taken from something that does not say how many it has.
const MAX_ITERATED: usize = 1 << 24;

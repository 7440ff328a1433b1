//! From ids to text in Python: rows are read a few at a time, decoded without the interpreter, and
//! become strings, or one column of text.

use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyString, PyTuple};

use super::args::size;
use super::arrays::{self, IdRules};
use super::arrow::{self, IdColumn};
use super::batch::PyEncodingBatch;
use super::encoding::PyEncoding;
use super::errors::wrong_type;
use crate::ids::TokenId;
use crate::tokenizer::{BatchTexts, CHUNK_IDS, Check, DecodeRules, Tokenizer, UnknownIds};

/// Ids above this number are worth letting other threads run meanwhile.
const DETACH_IDS: usize = 4096;
/// Ids that are read at once for a single thread: they and their text stay in the processor's cache.
const GROUP_IDS: usize = 32 << 10;
/// The same for several threads, each of which gets some chunks.
const SHARED_IDS: usize = 16 * CHUNK_IDS;
/// Rows that are read at once, however short they are.
const GROUP_ROWS: usize = 1 << 16;

/// The text of one row.
pub(crate) fn text<'py>(
    tokenizer: &Tokenizer,
    ids: &Bound<'py, PyAny>,
    skip_special: bool,
    unknown: UnknownIds,
) -> PyResult<Bound<'py, PyString>> {
    let py = ids.py();
    let rules = IdRules { size: tokenizer.id_limit(), unknown, row: None };
    let ids = arrays::ids(ids, rules)?;
    let decode = || tokenizer.decode_unchecked(&ids, skip_special, unknown);
    let text = if ids.len() > DETACH_IDS { py.detach(decode) } else { decode() };
    string(py, &text?)
}

/// A string of bytes that nobody checked yet: Python does it anyway.
fn string<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match PyString::from_bytes(py, bytes) {
        Err(error) if error.is_instance_of::<PyUnicodeDecodeError>(py) => {
            Ok(PyString::new(py, &String::from_utf8_lossy(bytes)))
        }
        made => made,
    }
}

/// A call that decodes rows.
pub(crate) struct Call<'a, 'py> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) rows: &'a Bound<'py, PyAny>,
    pub(crate) skip_special: bool,
    pub(crate) unknown: UnknownIds,
    pub(crate) threads: Option<&'a Bound<'py, PyAny>>,
}

impl<'py> Call<'_, 'py> {
    /// The texts as a list of strings.
    pub(crate) fn strings(&self) -> PyResult<Bound<'py, PyList>> {
        let py = self.rows.py();
        let strings = PyList::empty(py);
        let mut texts = BatchTexts::default();
        self.each_group(Check::Later, &mut texts, |texts| {
            for row in 0..texts.len() {
                strings.append(string(py, texts.row(row).unwrap_or_default())?)?;
            }
            texts.clear();
            Ok(())
        })?;
        Ok(strings)
    }

    /// The texts one after the other.
    pub(crate) fn column(&self) -> PyResult<BatchTexts> {
        let mut texts = BatchTexts::default();
        self.each_group(Check::Now, &mut texts, |_| Ok(()))?;
        Ok(texts)
    }

    /// Decodes groups of rows, and calls `done` after each.
    fn each_group(
        &self,
        check: Check,
        texts: &mut BatchTexts,
        mut done: impl FnMut(&mut BatchTexts) -> PyResult<()>,
    ) -> PyResult<()> {
        let py = self.rows.py();
        let &Self { tokenizer, skip_special, unknown, .. } = self;
        let mut threads = Threads::new(self.threads)?;
        let rules = IdRules { size: tokenizer.id_limit(), unknown, row: None };
        let mut reader = Reader::new(self.rows)?;
        let mut first = 0;
        loop {
            let group = reader.group(py, rules, &mut threads)?;
            let mut decode = || {
                let rules = DecodeRules { skip_special, unknown, check };
                tokenizer.decode_rows(&group.rows, first, rules, group.threads, texts)
            };
            if group.ids > DETACH_IDS { py.detach(decode) } else { decode() }?;
            done(texts)?;
            first += group.rows.len();
            // The rows before it are decoded first: one of them may have the first error.
            if let Some(error) = group.error {
                return Err(error);
            }
            if group.last {
                return Ok(());
            }
            py.check_signals()?;
        }
    }
}

/// How many threads a call may use, found out when there is work for more than one.
struct Threads {
    given: Option<usize>,
    count: Option<usize>,
}

impl Threads {
    fn new(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let given = given.map(|given| size("threads", given)).transpose()?;
        Ok(Self { given, count: None })
    }

    fn count(&mut self) -> PyResult<usize> {
        if let Some(count) = self.count {
            return Ok(count);
        }
        let count = crate::threads::count(self.given)?;
        self.count = Some(count);
        Ok(count)
    }
}

/// Rows that are decoded together.
#[derive(Default)]
struct Group {
    rows: Vec<Vec<TokenId>>,
    ids: usize,
    threads: usize,
    /// What is wrong with the row behind them.
    error: Option<PyErr>,
    /// Whether there are no more.
    last: bool,
}

/// Where rows come from.
enum Reader<'py> {
    /// Python's objects.
    Each(Bound<'py, PyIterator>, usize),
    /// A batch of ours.
    Batch(Bound<'py, PyEncodingBatch>, usize),
    /// Somebody's memory.
    Arrow(IdColumn, usize),
}

impl<'py> Reader<'py> {
    fn new(rows: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(batch) = rows.cast::<PyEncodingBatch>() {
            return Ok(Self::Batch(batch.clone(), 0));
        }
        let plain = rows.is_instance_of::<PyList>() || rows.is_instance_of::<PyTuple>();
        if !plain
            && arrow::speaks_arrow(rows)?
            && let Some(column) = arrow::id_column("rows", rows)?
        {
            return Ok(Self::Arrow(column, 0));
        }
        let wrong = |_| wrong_type("rows", "a list of rows of ids", rows);
        Ok(Self::Each(rows.try_iter().map_err(wrong)?, 0))
    }

    /// The next row; none behind the last.
    fn next(&mut self, py: Python<'py>, rules: IdRules) -> Option<PyResult<Vec<TokenId>>> {
        match self {
            Self::Each(rows, number) => {
                let row = rows.next()?;
                let rules = IdRules { row: Some(*number), ..rules };
                *number += 1;
                Some(row.and_then(|row| match row.cast::<PyEncoding>() {
                    Ok(encoding) => arrays::ids(&encoding.getattr("ids")?, rules),
                    Err(_) => arrays::ids(&row, rules),
                }))
            }
            Self::Batch(batch, number) => {
                let ids = batch.get().row_ids(py, *number).transpose();
                *number += 1;
                ids
            }
            Self::Arrow(column, number) => {
                let rules = IdRules { row: Some(*number), ..rules };
                let ids = column.get(*number, |id, at| rules.take(id, at));
                *number += 1;
                ids
            }
        }
    }

    /// The next rows, as many as are decoded together.
    fn group(&mut self, py: Python<'py>, rules: IdRules, threads: &mut Threads) -> PyResult<Group> {
        let mut group = Group { threads: 1, ..Group::default() };
        let mut limit = GROUP_IDS;
        loop {
            match self.next(py, rules) {
                Some(Ok(row)) => {
                    group.ids += row.len();
                    group.rows.push(row);
                }
                Some(Err(error)) => group.error = Some(error),
                None => group.last = true,
            }
            if group.ids >= limit && group.threads == 1 {
                group.threads = threads.count()?.max(1);
                limit = if group.threads > 1 { SHARED_IDS } else { limit };
            }
            let full = group.ids >= limit || group.rows.len() >= GROUP_ROWS;
            if full || group.last || group.error.is_some() {
                return Ok(group);
            }
        }
    }
}

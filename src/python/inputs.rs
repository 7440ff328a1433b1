//! Text that Python reads or holds, as inputs of the counter: packed files, tables, iterators, columns.

use std::io;
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyIterator, PyString};

use super::arrow::{self, Nulls, TextColumn, TextStream};
use super::errors::raise;
use super::sources::{Given, is_packed, is_table};
use super::text::{Held, Surrogates};
use crate::error::Error;
use crate::train::{Batch, Bytes, Chunk, Counter, Cuts, FileDigest, Halt, Input, Part, TextFile};
use crate::unicode::utf8;

type Opened<'a> = Box<dyn Input<PyErr> + 'a>;

/// An input for the counter, still closed.
pub(crate) fn part<'a>(
    given: Given,
    column: &str,
    counter: &'a Counter,
    capped: bool,
) -> Part<'a, PyErr> {
    let batch = Batch::new(&counter.cuts(capped));
    let surrogates = if counter.replaces() { Surrogates::Replace } else { Surrogates::Strict };
    match given {
        Given::File(path) if is_table(&path) => {
            let (file, column) = (path.clone(), column.to_owned());
            let open = move || {
                let digest = FileDigest::open(&file).map_err(|error| Halt::Source(error.into()))?;
                let columns = Python::attach(|py| {
                    let module = py.import("subtok._text")?;
                    let columns = module.call_method1("parquet_column", (&file, &column))?;
                    Ok(columns.try_iter()?.unbind())
                });
                let columns = Arrays::Pulled(columns.map_err(halt)?);
                let place = digest.bytes();
                Ok(Box::new(Columns::new(columns, batch, Some((file, digest)), place))
                    as Opened<'a>)
            };
            Part { name: shown(&path), path: Some(path), open: Box::new(open) }
        }
        Given::File(path) if is_packed(&path) => {
            let file = path.clone();
            let open = move || {
                let digest = FileDigest::open(&file).map_err(|error| Halt::Source(error.into()))?;
                let reader = Python::attach(|py| {
                    let module = py.import("subtok._text")?;
                    Ok(module.call_method1("Unpacked", (&file,))?.unbind())
                });
                let reader = reader.map_err(halt)?;
                let bytes = Unpacked { reader, place: 0 };
                let longest = counter.memory().map_or(usize::MAX, |memory| memory.limit / 4);
                let text =
                    TextFile::new(&file, Box::new(bytes), counter.replaces()).at_most(longest);
                Ok(Box::new(Packed { text, digest }) as Opened<'a>)
            };
            Part { name: shown(&path), path: Some(path), open: Box::new(open) }
        }
        Given::File(path) => Part::plain(&path, counter),
        Given::Rows(rows) => {
            let open = move || {
                Ok(Box::new(Rows { strings: rows, surrogates, batch, taken: 0, bytes: 0 })
                    as Opened<'a>)
            };
            Part { name: "an iterator".to_owned(), path: None, open: Box::new(open) }
        }
        Given::Stream(stream) => {
            let open = move || {
                Ok(Box::new(Columns::new(Arrays::Stream(stream), batch, None, 0)) as Opened<'a>)
            };
            Part { name: "Arrow data".to_owned(), path: None, open: Box::new(open) }
        }
        Given::Columns(columns, name) => {
            let open = move || {
                Ok(Box::new(Columns::new(Arrays::Pulled(columns), batch, None, 0)) as Opened<'a>)
            };
            Part { name, path: None, open: Box::new(open) }
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What an exception of an iterator means: Ctrl-C may come up inside it, too.
fn halt(error: PyErr) -> Halt<PyErr> {
    let ordinary = Python::attach(|py| error.is_instance_of::<PyException>(py));
    if ordinary { Halt::Source(error) } else { Halt::Caller(error) }
}

/// Bytes of a file that Python unpacks.
struct Unpacked {
    reader: Py<PyAny>,
    place: u64,
}

impl Bytes for Unpacked {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        /// More would keep Ctrl-C waiting.
        const BLOCK: usize = 1 << 20;
        let read = Python::attach(|py| {
            let reader = self.reader.bind(py);
            let got = reader.call_method1("read", (most.min(BLOCK),))?;
            let got = got.cast::<PyBytes>()?.as_bytes();
            into.extend_from_slice(got);
            self.place = reader.call_method0("place")?.extract()?;
            Ok(got.len())
        });
        read.map_err(|error: PyErr| io::Error::other(error))
    }

    fn place(&self) -> u64 {
        self.place
    }

    fn digest(&self) -> Option<String> {
        None
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What closing says about a file that was only read is of no use to anybody.
        Python::attach(|py| drop(self.reader.bind(py).call_method0("close")));
    }
}

/// A packed text file.
struct Packed {
    text: TextFile,
    digest: FileDigest,
}

impl Input<PyErr> for Packed {
    fn next(&mut self, cuts: &Cuts) -> Result<Option<Chunk>, Halt<PyErr>> {
        self.digest.go_on().map_err(|error| Halt::Source(error.into()))?;
        self.text.next(cuts).map_err(|error| halt(error.into()))
    }

    fn place(&self) -> u64 {
        self.text.bytes().place()
    }

    fn digest(&mut self) -> Result<Option<String>, Error> {
        self.digest.shown()
    }

    fn replaced(&self) -> u64 {
        self.text.replaced()
    }
}

/// Strings.
struct Rows {
    strings: Py<PyIterator>,
    surrogates: Surrogates,
    batch: Batch,
    /// Rows taken out.
    taken: usize,
    bytes: u64,
}

impl Input<PyErr> for Rows {
    fn next(&mut self, _cuts: &Cuts) -> Result<Option<Chunk>, Halt<PyErr>> {
        let chunk = Python::attach(|py| self.pull(py)).map_err(halt)?;
        self.bytes += chunk.as_ref().map_or(0, Chunk::len) as u64;
        Ok(chunk)
    }

    fn place(&self) -> u64 {
        self.bytes
    }

    fn digest(&mut self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn replaced(&self) -> u64 {
        0
    }
}

impl Rows {
    /// Pulls strings until there is a chunk, or no more.
    fn pull(&mut self, py: Python<'_>) -> PyResult<Option<Chunk>> {
        let mut rows = self.strings.bind(py).clone();
        loop {
            if let Some(chunk) = self.batch.pop() {
                return Ok(Some(chunk));
            }
            let Some(row) = rows.next().transpose()? else {
                self.batch.close();
                return Ok(self.batch.pop());
            };
            let string = row.cast::<PyString>().ok();
            let text = string.map(|string| in_utf8(string, py)).transpose()?.flatten();
            if let Some(text) = text {
                self.batch.push(text.as_ref());
            } else {
                // What is not plain text takes the slow road to its error.
                let held = Held::new(&row, "source", Some(self.taken), self.surrogates)?;
                self.batch.push(held.text());
            }
            self.taken += 1;
        }
    }
}

/// The text of a string; none when it has no UTF-8.
fn in_utf8<'a>(string: &'a Bound<'_, PyString>, py: Python<'_>) -> PyResult<Option<Utf8<'a>>> {
    // Asked for its UTF-8, a string keeps it: of a corpus in memory that would be a second one. What is
    // ASCII is UTF-8 as it lies there.
    if string.call_method0(intern!(py, "isascii"))?.is_truthy()? {
        return Ok(string.to_str().ok().map(Utf8::Kept));
    }
    Ok(string.encode_utf8().ok().map(|bytes| Utf8::Copied(bytes.into())))
}

/// Text of a string.
enum Utf8<'a> {
    /// It lies in the string.
    Kept(&'a str),
    /// It was made.
    Copied(PyBackedBytes),
}

impl AsRef<str> for Utf8<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Kept(text) => text,
            Self::Copied(bytes) => utf8::text(bytes).unwrap_or_default(),
        }
    }
}

/// Where arrays of text come from.
enum Arrays {
    /// Out of a stream.
    Stream(TextStream),
    /// Out of an iterator.
    Pulled(Py<PyIterator>),
}

/// Columns of text, an array at a time.
struct Columns {
    arrays: Arrays,
    batch: Batch,
    /// The array at hand, and the next row of it.
    at_hand: Option<(TextColumn, usize)>,
    /// Rows before it.
    before: usize,
    file: Option<(PathBuf, FileDigest)>,
    bytes: u64,
    size: u64,
}

impl Columns {
    fn new(arrays: Arrays, batch: Batch, file: Option<(PathBuf, FileDigest)>, size: u64) -> Self {
        Self { arrays, batch, at_hand: None, before: 0, file, bytes: 0, size }
    }

    /// The next array with a row; none after the last.
    fn array(&mut self) -> Result<Option<TextColumn>, Halt<PyErr>> {
        if let Some((_, digest)) = &mut self.file {
            digest.go_on().map_err(|error| Halt::Source(error.into()))?;
        }
        match &mut self.arrays {
            Arrays::Stream(stream) => stream.next().map_err(|error| halt(error.into())),
            Arrays::Pulled(columns) => Python::attach(|py| {
                let Some(column) = columns.bind(py).clone().next().transpose()? else {
                    return Ok(None);
                };
                arrow::column("source", &column, Nulls::Error)
            })
            .map_err(halt),
        }
    }

    /// An error with the file and the row that it is in.
    fn told(&self, error: Error, row: usize) -> PyErr {
        let row = self.before + row;
        let Some((file, _)) = &self.file else { return place(error, row).into() };
        let class = if matches!(error, Error::Text { .. }) { "TextError" } else { "FormatError" };
        let message = format!("{}: {}", file.display(), place(error, row));
        Python::attach(|py| raise(py, class, message))
    }
}

/// The error with the number of its row in all arrays.
fn place(error: Error, number: usize) -> Error {
    match error {
        Error::Text { problem, unit, position, .. } => {
            Error::Text { problem, unit, position, row: Some(number) }
        }
        Error::Argument { name, wanted, .. } => {
            Error::Argument { name, given: format!("null in row {number}"), wanted }
        }
        other => other,
    }
}

impl Input<PyErr> for Columns {
    fn next(&mut self, _cuts: &Cuts) -> Result<Option<Chunk>, Halt<PyErr>> {
        loop {
            if let Some(chunk) = self.batch.pop() {
                self.bytes += chunk.len() as u64;
                return Ok(Some(chunk));
            }
            let Some((column, row)) = &mut self.at_hand else {
                let Some(array) = self.array()? else {
                    self.batch.close();
                    let chunk = self.batch.pop();
                    self.bytes += chunk.as_ref().map_or(0, Chunk::len) as u64;
                    return Ok(chunk);
                };
                self.at_hand = Some((array, 0));
                continue;
            };
            if *row == column.len() {
                self.before += *row;
                self.at_hand = None;
                continue;
            }
            let number = *row;
            match column.get(number) {
                Ok(text) => self.batch.push(text),
                Err(error) => return Err(Halt::Source(self.told(error, number))),
            }
            *row += 1;
        }
    }

    fn place(&self) -> u64 {
        // How far a table was read, nobody says: the text in it has about its size.
        if self.file.is_some() { self.bytes.min(self.size) } else { self.bytes }
    }

    fn digest(&mut self) -> Result<Option<String>, Error> {
        self.file.as_mut().map_or(Ok(None), |(_, digest)| digest.shown())
    }

    fn replaced(&self) -> u64 {
        0
    }
}

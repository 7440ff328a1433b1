//! Where text comes from: paths, iterators, counts; and who watches while it is read.

// The interpreter is attached only to pull documents out of an iterator, a chunk at a time; workers
// count the chunks before meanwhile. Exceptions of the iterator come through as they are.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyIterator, PyList, PyString, PyTuple};

use super::counts::PyCounts;
use super::errors::{raise, wrong_type};
use super::text::{Held, Surrogates};
use crate::error::Error;
use crate::train::{Batch, Chunk, Counts, Files, Halt, Phase};

/// What training was given.
pub(crate) enum Source {
    /// Words that were counted before.
    Counts(Arc<Counts>),
    /// Text.
    Feed(Feed),
}

const WANTED: &str = "a path, a list of paths, an iterator of strings, or Counts";

impl Source {
    pub(crate) fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(counts) = value.cast::<PyCounts>() {
            return Ok(Self::Counts(counts.get().inner.clone()));
        }
        let mut feed = Feed::default();
        if is_path(value) {
            feed.add_path(super::args::path("source", value)?);
        } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            for (index, item) in value.try_iter()?.enumerate() {
                let (item, name) = (item?, format!("source[{index}]"));
                if !is_path(&item) {
                    return Err(wrong_type(&name, "a path (texts come as an iterator)", &item));
                }
                feed.add_path(super::args::path(&name, &item)?);
            }
        } else {
            for method in ["__arrow_c_stream__", "__arrow_c_array__"] {
                if value.hasattr(method)? {
                    return Err(Error::unsupported("text from Arrow data", "source").into());
                }
            }
            let no_text = value.is_instance_of::<PyBytes>()
                || value.is_instance_of::<PyByteArray>()
                || value.is_instance_of::<PyDict>();
            let rows = if no_text { None } else { value.try_iter().ok() };
            let rows = rows.ok_or_else(|| wrong_type("source", WANTED, value))?;
            feed.parts.push_back(Part::Rows(rows.unbind()));
            feed.names.push("an iterator".to_owned());
        }
        Ok(Self::Feed(feed))
    }
}

fn is_path(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyString>() || value.hasattr("__fspath__").unwrap_or(false)
}

/// Chunks out of several sources, one after the other.
#[derive(Default)]
pub(crate) struct Feed {
    parts: VecDeque<Part>,
    names: Vec<String>,
    batch: Batch,
    /// The file that the rows at hand come from.
    file: Option<PathBuf>,
    /// Rows taken out of the iterator at hand.
    rows: usize,
    /// Bytes before the part at hand.
    done: u64,
    total: u64,
    may_cut: bool,
}

enum Part {
    /// Files that need no other library.
    Plain(Vec<PathBuf>),
    /// The same, while they are read.
    Open(Files),
    /// A file that the Python side reads.
    Other(PathBuf),
    /// Strings.
    Rows(Py<PyIterator>),
}

impl Feed {
    fn add_path(&mut self, path: PathBuf) {
        self.names.push(path.to_string_lossy().into_owned());
        let other = ["gz", "zst", "parquet"];
        let end = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        if end.is_some_and(|end| other.iter().any(|other| end == *other)) {
            self.parts.push_back(Part::Other(path));
        } else if let Some(Part::Plain(paths)) = self.parts.back_mut() {
            paths.push(path);
        } else {
            self.parts.push_back(Part::Plain(vec![path]));
        }
    }

    /// Looks at all files, so that a wrong path is told before the first is read.
    pub(crate) fn check(&mut self, may_cut: bool) -> Result<(), Error> {
        self.may_cut = may_cut;
        self.batch = Batch::new(may_cut);
        for part in &mut self.parts {
            match part {
                Part::Plain(paths) => {
                    let files = Files::new(std::mem::take(paths), may_cut)?;
                    self.total += files.total;
                    *part = Part::Open(files);
                }
                Part::Other(path) => {
                    path.metadata().map_err(|error| Error::io("read", path, error))?;
                }
                Part::Open(_) | Part::Rows(_) => {}
            }
        }
        Ok(())
    }

    /// What the text came from.
    pub(crate) fn names(self) -> Vec<String> {
        self.names
    }

    /// Tells that all is counted.
    pub(crate) fn end(&self, watch: &mut Watch) -> PyResult<()> {
        watch.now(Phase::Count, self.done, self.total)
    }

    /// The next chunk.
    pub(crate) fn next(&mut self, watch: &mut Watch) -> Result<Option<Chunk>, Halt<PyErr>> {
        while let Some(part) = self.parts.front_mut() {
            let chunk = match part {
                Part::Open(files) => {
                    let chunk = files.next().map_err(|error| Halt::Source(error.into()))?;
                    watch
                        .look(Phase::Count, self.done + files.done, self.total)
                        .map_err(Halt::Caller)?;
                    if chunk.is_none() {
                        self.done += files.done;
                    }
                    chunk
                }
                Part::Rows(rows) => {
                    let file = self.file.as_deref();
                    let (taken, batch) = (&mut self.rows, &mut self.batch);
                    let chunk = Python::attach(|py| pull(rows.bind(py), file, taken, batch));
                    let chunk = chunk.map_err(halt)?;
                    if let Some(chunk) = &chunk {
                        self.done += chunk.len() as u64;
                    }
                    watch.look(Phase::Count, self.done, self.total).map_err(Halt::Caller)?;
                    chunk
                }
                Part::Other(path) => {
                    let rows = Python::attach(|py| {
                        let options = PyDict::new(py);
                        options.set_item("rows", "whole")?;
                        let module = py.import("subtok._text")?;
                        let rows = module.call_method("read_rows", (&*path,), Some(&options))?;
                        Ok::<_, PyErr>(rows.try_iter()?.unbind())
                    });
                    self.file = Some(std::mem::take(path));
                    *part = Part::Rows(rows.map_err(halt)?);
                    continue;
                }
                Part::Plain(paths) => {
                    let paths = std::mem::take(paths);
                    let files = Files::new(paths, self.may_cut);
                    *part = Part::Open(files.map_err(|error| Halt::Source(error.into()))?);
                    continue;
                }
            };
            if chunk.is_some() {
                return Ok(chunk);
            }
            self.parts.pop_front();
            self.rows = 0;
            self.file = None;
        }
        Ok(None)
    }
}

/// What an exception of an iterator means: Ctrl-C may come up inside it, too.
fn halt(error: PyErr) -> Halt<PyErr> {
    let ordinary = Python::attach(|py| error.is_instance_of::<PyException>(py));
    if ordinary { Halt::Source(error) } else { Halt::Caller(error) }
}

/// The error of a text, with the file that it comes from.
fn in_file(py: Python<'_>, error: PyErr, file: Option<&Path>) -> PyErr {
    let Some(file) = file else { return error };
    raise(py, "TextError", format!("{}: {}", file.display(), error.value(py)))
}

/// Pulls strings until there is a chunk, or no more. `file` is where they come from.
fn pull(
    rows: &Bound<'_, PyIterator>,
    file: Option<&Path>,
    taken: &mut usize,
    batch: &mut Batch,
) -> PyResult<Option<Chunk>> {
    let mut rows = rows.clone();
    loop {
        if let Some(chunk) = batch.pop() {
            return Ok(Some(chunk));
        }
        let Some(row) = rows.next().transpose()? else {
            batch.close();
            return Ok(batch.pop());
        };
        let string = row.cast::<PyString>();
        if let Ok(Ok(text)) = string.as_ref().map(|string| string.to_str()) {
            batch.push(text);
        } else {
            // What is not plain text takes the slow road to its error.
            let held = Held::new(&row, "source", Some(*taken), Surrogates::Strict);
            batch.push(held.map_err(|error| in_file(row.py(), error, file))?.text());
        }
        *taken += 1;
    }
}

/// Calls back with the progress, and looks for Ctrl-C.
pub(crate) struct Watch {
    progress: Option<Py<PyAny>>,
    /// Whether it was made here, and is to be closed.
    owned: bool,
    last: Instant,
    /// What stopped it.
    raised: Option<PyErr>,
}

impl Watch {
    const INTERVAL: Duration = Duration::from_millis(50);

    pub(crate) fn new(progress: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let owned = progress.is_some_and(|given| !given.is_callable());
        let progress = match progress {
            Some(given) if owned => {
                let module = given.py().import("subtok._progress")?;
                Some(module.call_method1("reporter", (given,))?.unbind())
            }
            given => given.map(|given| given.clone().unbind()),
        };
        Ok(Self { progress, owned, last: Instant::now(), raised: None })
    }

    fn call(&self, phase: Phase, done: u64, total: u64) -> PyResult<()> {
        Python::attach(|py| {
            py.check_signals()?;
            if let Some(progress) = &self.progress {
                progress.call1(py, (phase.name(), done, total))?;
            }
            Ok(())
        })
    }

    /// Calls back when it is time.
    fn look(&mut self, phase: Phase, done: u64, total: u64) -> PyResult<()> {
        if self.last.elapsed() < Self::INTERVAL {
            return Ok(());
        }
        self.last = Instant::now();
        self.call(phase, done, total)
    }

    /// Calls back at once.
    pub(crate) fn now(&mut self, phase: Phase, done: u64, total: u64) -> PyResult<()> {
        self.call(phase, done, total)
    }

    /// Calls back; an exception waits until [`Watch::error`] asks for it.
    pub(crate) fn tell(&mut self, phase: Phase, done: u64, total: u64) -> ControlFlow<()> {
        match self.call(phase, done, total) {
            Ok(()) => ControlFlow::Continue(()),
            Err(raised) => {
                self.raised = Some(raised);
                ControlFlow::Break(())
            }
        }
    }

    /// The exception behind an error.
    pub(crate) fn error(&mut self, error: Error) -> PyErr {
        self.raised.take().unwrap_or_else(|| error.into())
    }
}

impl Drop for Watch {
    /// The line on the terminal goes, the file is closed; too late for an error to stop anything.
    fn drop(&mut self) {
        let Some(progress) = self.progress.take_if(|_| self.owned) else { return };
        Python::attach(|py| {
            if let Err(error) = progress.call_method0(py, "close") {
                error.write_unraisable(py, None);
            }
        });
    }
}

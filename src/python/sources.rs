//! Where text comes from: paths, iterators, Arrow data, counts; and who watches while it is read.

// The interpreter is attached only to pull documents out of an iterator, a chunk at a time; workers
// count the chunks before meanwhile. Exceptions of the iterator come through as they are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyIterator, PyList, PyMapping, PyString, PyTuple};

use super::arrow::{Nulls, TextStream, speaks_arrow};
use super::counts::PyCounts;
use super::errors::{argument, wrong_type};
use super::inputs;
use crate::error::Error;
use crate::train::{Counter, Counts, Phase, Source as Counted, TextSource};

/// What training was given.
pub(crate) enum Source {
    /// Words that were counted before.
    Counts(Arc<Counts>),
    /// Text: named sources, or one without a name.
    Text(Vec<(String, Vec<Given>)>),
}

/// Something with text.
pub(crate) enum Given {
    /// A file.
    File(PathBuf),
    /// An iterator of strings.
    Rows(Py<PyIterator>),
    /// A column of text.
    Stream(TextStream),
    /// An iterator of columns of text.
    Columns(Py<PyIterator>, String),
}

const WANTED: &str =
    "a path, a list of paths, an iterator of strings, Arrow data, a dict of these, or Counts";

impl Source {
    pub(crate) fn new(value: &Bound<'_, PyAny>, column: &str) -> PyResult<Self> {
        if let Ok(counts) = value.cast::<PyCounts>() {
            return Ok(Self::Counts(counts.get().inner.clone()));
        }
        if speaks_arrow(value)?
            || !value.is_instance_of::<PyDict>() && value.cast::<PyMapping>().is_err()
        {
            return Ok(Self::Text(vec![(String::new(), given("source", value, column)?)]));
        }
        let mut sources = Vec::new();
        for item in value.cast::<PyMapping>()?.items()?.iter() {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let string = name.cast::<PyString>();
            let name = string.map_err(|_| wrong_type("a name of a source", "a string", &name))?;
            let name = name.to_cow()?.into_owned();
            if name.is_empty() {
                return Err(argument(value.py(), "a name of a source is empty"));
            }
            if value.cast::<PyCounts>().is_ok() {
                let wanted = "text (counts are merged with Counts.merge)";
                return Err(wrong_type(&format!("source[{name:?}]"), wanted, &value));
            }
            let parts = given(&format!("source[{name:?}]"), &value, column)?;
            sources.push((name, parts));
        }
        Ok(Self::Text(sources))
    }
}

/// What one source is made of.
fn given(name: &str, value: &Bound<'_, PyAny>, column: &str) -> PyResult<Vec<Given>> {
    if is_path(value) {
        return files(value.py(), vec![super::args::path(name, value)?]);
    }
    if speaks_arrow(value)? {
        return arrow(value, column);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let mut paths = Vec::new();
        for (index, item) in value.try_iter()?.enumerate() {
            let (item, name) = (item?, format!("{name}[{index}]"));
            if !is_path(&item) {
                return Err(wrong_type(&name, "a path (texts come as an iterator)", &item));
            }
            paths.push(super::args::path(&name, &item)?);
        }
        return files(value.py(), paths);
    }
    let no_text = value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyDict>();
    let rows = if no_text { None } else { value.try_iter().ok() };
    let rows = rows.ok_or_else(|| wrong_type(name, WANTED, value))?;
    Ok(vec![Given::Rows(rows.unbind())])
}

fn is_path(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyString>() || value.hasattr("__fspath__").unwrap_or(false)
}

/// Files; folders and patterns stand for the files that they mean.
fn files(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<Given>> {
    let means_more = |path: &PathBuf| {
        path.is_dir() || path.to_string_lossy().contains(['*', '?', '[']) && !path.exists()
    };
    if !paths.iter().any(means_more) {
        return Ok(paths.into_iter().map(Given::File).collect());
    }
    let found = py.import("subtok._text")?.call_method1("expand", (paths,))?;
    found.try_iter()?.map(|path| Ok(Given::File(path?.extract()?))).collect()
}

/// A column, or the column of a table that has this name.
fn arrow(value: &Bound<'_, PyAny>, column: &str) -> PyResult<Vec<Given>> {
    let is_table = ["schema", "columns", "column_names"];
    for name in is_table {
        if value.hasattr(name)? {
            let module = value.py().import("subtok._text")?;
            let columns = module.call_method1("table_column", (value, column))?.try_iter()?;
            return Ok(vec![Given::Columns(columns.unbind(), "Arrow data".to_owned())]);
        }
    }
    if value.hasattr("__arrow_c_stream__")? {
        return Ok(vec![Given::Stream(TextStream::new("source", value, Nulls::Error)?)]);
    }
    let columns = PyList::new(value.py(), [value])?.try_iter()?;
    Ok(vec![Given::Columns(columns.unbind(), "Arrow data".to_owned())])
}

/// How the text of sources is read and counted, as the keywords of a call say it.
pub(crate) struct Reading {
    pub(crate) weights: BTreeMap<String, u64>,
    max_bytes: Caps,
    pub(crate) field: String,
    column: String,
    pub(crate) replace: bool,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) memory_limit: Option<usize>,
}

enum Caps {
    /// The same for each source, if any.
    Each(Option<u64>),
    /// By name.
    Named(BTreeMap<String, u64>),
}

/// The keywords that all calls which count have in common, besides `memory_limit`.
const KEYWORDS: [&str; 6] = ["weights", "max_bytes", "field", "column", "errors", "resume"];

impl Reading {
    /// What the keywords of `call` say that it has no names for.
    pub(crate) fn new(
        call: &str,
        keywords: Option<&Bound<'_, PyDict>>,
        memory_limit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let names = keywords.iter().flat_map(|given| given.keys());
        for name in names {
            let name = name.str()?.to_string();
            if !KEYWORDS.contains(&name.as_str()) {
                let message = format!("{call}() got an unexpected keyword argument '{name}'");
                return Err(PyTypeError::new_err(message));
            }
        }
        let get = |name: &str| match keywords.map(|given| given.get_item(name)) {
            Some(value) => Ok::<_, PyErr>(value?.filter(|value| !value.is_none())),
            None => Ok(None),
        };
        let text = |name: &str| match get(name)? {
            None => Ok("text".to_owned()),
            Some(value) => {
                let text = value.cast::<PyString>();
                let text = text.map_err(|_| wrong_type(name, "a string", &value))?;
                Ok::<_, PyErr>(text.to_cow()?.into_owned())
            }
        };
        Ok(Self {
            weights: match get("weights")? {
                None => BTreeMap::new(),
                Some(value) => numbers("weights", &value)?,
            },
            max_bytes: match get("max_bytes")? {
                None => Caps::Each(None),
                Some(value) if value.cast::<PyMapping>().is_ok() => {
                    Caps::Named(numbers("max_bytes", &value)?)
                }
                Some(value) => Caps::Each(Some(super::args::bytes("max_bytes", &value)? as u64)),
            },
            field: text("field")?,
            column: text("column")?,
            replace: match get("errors")? {
                None => false,
                Some(errors) => {
                    let choices = [("strict", false), ("replace", true)];
                    super::args::choice("errors", &errors, &choices)?
                }
            },
            resume: match get("resume")? {
                None => None,
                Some(value) => Some(super::args::path("resume", &value)?),
            },
            memory_limit: memory_limit
                .map(|value| super::args::bytes("memory_limit", value))
                .transpose()?,
        })
    }

    /// The name of the column of text in tables.
    pub(crate) fn column(&self) -> &str {
        &self.column
    }

    /// Whether something was said that counts cannot take any more.
    pub(crate) fn check_for_counts(&self, py: Python<'_>) -> PyResult<()> {
        if !matches!(self.max_bytes, Caps::Each(None)) {
            return Err(argument(py, "max_bytes is for text, and source is Counts"));
        }
        Ok(())
    }

    /// Text as the counter takes it.
    pub(crate) fn sources<'a>(
        &self,
        py: Python<'_>,
        text: Vec<(String, Vec<Given>)>,
        counter: &'a Counter,
    ) -> PyResult<Vec<Counted<'a, PyErr>>> {
        let names: Vec<&str> = text.iter().map(|(name, _)| name.as_str()).collect();
        let known = |what: &str, named: &BTreeMap<String, u64>| match named
            .keys()
            .find(|name| !names.contains(&name.as_str()))
        {
            Some(_) if names == [""] => Err(argument(
                py,
                format!("{what} has names, and source has none: give a dict of sources by name"),
            )),
            Some(name) => Err(argument(
                py,
                format!("{what} has {name:?}, which is no source; there is {names:?}"),
            )),
            None => Ok(()),
        };
        known("weights", &self.weights)?;
        if let Caps::Named(caps) = &self.max_bytes {
            known("max_bytes", caps)?;
        }
        let mut sources = Vec::new();
        for (name, parts) in text {
            let about = TextSource {
                weight: self.weights.get(&name).copied().unwrap_or(1),
                max_bytes: match &self.max_bytes {
                    Caps::Each(cap) => *cap,
                    Caps::Named(caps) => caps.get(&name).copied(),
                },
                name,
                ..TextSource::default()
            };
            let capped = about.max_bytes.is_some();
            let mut source = Counted::new(about);
            for given in parts {
                source.parts.push(inputs::part(given, &self.column, counter, capped));
            }
            sources.push(source);
        }
        Ok(sources)
    }
}

/// Whole numbers by name.
pub(crate) fn numbers(name: &str, value: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, u64>> {
    let wanted = "a dict of whole numbers by name of a source";
    let items = value.cast::<PyMapping>().map_err(|_| wrong_type(name, wanted, value))?.items()?;
    let mut numbers = BTreeMap::new();
    for item in items.iter() {
        let (key, number): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let text = key.cast::<PyString>().map_err(|_| wrong_type(name, wanted, &key))?;
        let text = text.to_cow()?.into_owned();
        let number = super::args::size(&format!("{name}[{text:?}]"), &number)? as u64;
        numbers.insert(text, number);
    }
    Ok(numbers)
}

/// Whether a file is packed, and how; whether it is a table.
pub(crate) fn is_packed(path: &Path) -> bool {
    has_end(path, &["gz", "zst"])
}

pub(crate) fn is_table(path: &Path) -> bool {
    has_end(path, &["parquet"])
        || (is_packed(path) && has_end(&path.with_extension(""), &["parquet"]))
}

fn has_end(path: &Path, ends: &[&str]) -> bool {
    let end = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    end.is_some_and(|end| ends.iter().any(|other| end == *other))
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
    pub(crate) fn look(&mut self, phase: Phase, done: u64, total: u64) -> PyResult<()> {
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

//! From [`Error`] to the exception classes of `subtok.errors`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

use crate::error::{Error, ErrorKind};

static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// An exception of the class with this name.
pub(crate) fn raise(py: Python<'_>, class: &str, message: impl Into<String>) -> PyErr {
    let made = CLASSES
        .get_or_try_init(py, || py.import("subtok.errors").map(Bound::unbind))
        .and_then(|module| module.bind(py).getattr(class)?.call1((message.into(),)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// An argument outside its bounds.
pub(crate) fn argument(py: Python<'_>, message: impl Into<String>) -> PyErr {
    raise(py, "ArgumentError", message)
}

/// An argument of the wrong type.
pub(crate) fn wrong_type(name: &str, wanted: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let class = given.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    raise(given.py(), "ArgumentTypeError", format!("{name} must be {wanted}, not {class}"))
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| {
            let class = match error.kind() {
                ErrorKind::Argument => "ArgumentError",
                ErrorKind::Text => "TextError",
                ErrorKind::UnknownId => "UnknownIdError",
                ErrorKind::Io => return file_error(py, &error),
                ErrorKind::Format => "FormatError",
                ErrorKind::Unsupported => "UnsupportedError",
                ErrorKind::Pattern => "PatternError",
                ErrorKind::UnknownPiece => "UnknownPieceError",
                ErrorKind::Training => "TrainingError",
                // What interrupted is still there: the signal's own exception.
                ErrorKind::Interrupted => return interrupted(py),
            };
            raise(py, class, error.to_string())
        })
    }
}

fn file_error(py: Python<'_>, error: &Error) -> PyErr {
    // What a reader in Python raised comes through as it is.
    if let Error::Io { source, .. } = error
        && let Some(raised) = source.get_ref().and_then(|inner| inner.downcast_ref::<PyErr>())
    {
        return raised.clone_ref(py);
    }
    let exception = raise(py, "FileError", error.to_string());
    if let Error::Io { path, source, .. } = error {
        let value = exception.value(py);
        // Attributes for whoever wants to react; without them the message still says everything.
        let set = value
            .setattr("filename", path.as_os_str())
            .and_then(|()| value.setattr("errno", source.raw_os_error()));
        if let Err(failure) = set {
            return failure;
        }
    }
    exception
}

fn interrupted(py: Python<'_>) -> PyErr {
    PyErr::take(py)
        .or_else(|| py.check_signals().err())
        .unwrap_or_else(|| pyo3::exceptions::PyKeyboardInterrupt::new_err(()))
}

/// Looks for signals during work without the interpreter; a signal's exception is left pending.
pub(crate) fn check_signals() -> Result<(), Error> {
    Python::attach(|py| {
        py.check_signals().map_err(|error| {
            error.restore(py);
            Error::Interrupted
        })
    })
}

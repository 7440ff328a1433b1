//! The Arrow C data interface by Python's capsules: texts in, ids out, neither of them copied.
//!
//! Own structs and not the arrow crates: what is needed of them is a column of text and a list of
//! integers, and they meet a producer's mistake with a panic (DESIGN.md has the numbers).

mod column;
mod export;
mod ffi;

use std::sync::Arc;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use column::{Kind, malformed};
pub(crate) use column::{NULLS, Nulls, TextColumn};
pub(crate) use export::{Offsets, SharedIds, numpy};
use ffi::{ArrowArray, ArrowArrayStream, ArrowSchema, Fault};

use super::errors::{check_signals, raise, wrong_type};
use crate::error::Error;

/// Whether an object says that it is Arrow data.
pub(crate) fn speaks_arrow(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(given.hasattr("__arrow_c_stream__")? || given.hasattr("__arrow_c_array__")?)
}

/// A column of text; none where the object cannot export itself after all.
pub(crate) fn column(
    name: &'static str,
    given: &Bound<'_, PyAny>,
    nulls: Nulls,
) -> PyResult<Option<TextColumn>> {
    let exported = |method: &str| match given.call_method0(method) {
        Ok(exported) => Ok(Some(exported)),
        // A data frame whose own Arrow library is not installed.
        Err(error) if error.is_instance_of::<PyImportError>(given.py()) => Ok(None),
        Err(error) => Err(error),
    };
    let mut texts = TextColumn::new(name, nulls);
    if given.hasattr("__arrow_c_array__")? {
        let Some(pair) = exported("__arrow_c_array__")? else { return Ok(None) };
        let (schema, array) = capsules(&pair)?;
        let (schema, array) = taken(&schema, &array).map_err(|fault| fault_of(name, &fault))?;
        let kind = kind(name, given, &schema)?;
        texts.push(array, &kind).map_err(|fault| fault_of(name, &fault))?;
    } else {
        let Some(stream) = exported("__arrow_c_stream__")? else { return Ok(None) };
        let stream = stream
            .cast::<PyCapsule>()
            .map_err(|_| wrong_type("the result of __arrow_c_stream__", "a capsule", &stream))?;
        let mut stream =
            ffi::take::<ArrowArrayStream>(stream).map_err(|fault| fault_of(name, &fault))?;
        // A stream may wait for threads of its own that need the interpreter.
        let py = given.py();
        let schema = py.detach(|| stream.schema()).map_err(|fault| fault_of(name, &fault))?;
        let kind = kind(name, given, &schema)?;
        py.detach(|| drain(name, &mut stream, &kind, &mut texts))?;
    }
    Ok(Some(texts))
}

/// Takes all arrays of a stream; Ctrl-C is seen between them.
fn drain(
    name: &'static str,
    stream: &mut ArrowArrayStream,
    kind: &Kind,
    texts: &mut TextColumn,
) -> Result<(), Error> {
    let fault_of = |fault: Fault| malformed(name, &fault, None);
    while let Some(array) = stream.next().map_err(fault_of)? {
        texts.push(array, kind).map_err(fault_of)?;
        check_signals()?;
    }
    Ok(())
}

fn fault_of(name: &'static str, fault: &Fault) -> PyErr {
    malformed(name, fault, None).into()
}

fn capsules<'py>(
    pair: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let wrong = || wrong_type("the result of __arrow_c_array__", "a pair of capsules", pair);
    let tuple = pair.cast::<PyTuple>().map_err(|_| wrong())?;
    let (schema, array): (Bound<'py, PyAny>, Bound<'py, PyAny>) =
        tuple.extract().map_err(|_| wrong())?;
    Ok((
        schema.cast_into::<PyCapsule>().map_err(|_| wrong())?,
        array.cast_into::<PyCapsule>().map_err(|_| wrong())?,
    ))
}

fn taken(
    schema: &Bound<'_, PyCapsule>,
    array: &Bound<'_, PyCapsule>,
) -> Result<(ArrowSchema, ArrowArray), Fault> {
    Ok((ffi::take(schema)?, ffi::take(array)?))
}

fn kind(name: &'static str, given: &Bound<'_, PyAny>, schema: &ArrowSchema) -> PyResult<Kind> {
    let found = Kind::new(schema).map_err(|fault| fault_of(name, &fault))?;
    found.ok_or_else(|| {
        let format = schema.format().unwrap_or_default();
        let format: String = format.chars().take(40).collect();
        let message = format!(
            "{name} must be a column of text (utf8 or binary, also large, as views or in a \
             dictionary), not Arrow data of the format {format:?}"
        );
        raise(given.py(), "ArgumentTypeError", message)
    })
}

/// Rows of ids as an Arrow array; which of the two types of lists, the caller may say.
pub(crate) struct List<'a> {
    pub(crate) ids: &'a Arc<SharedIds>,
    pub(crate) ends: &'a Arc<Vec<i64>>,
}

impl List<'_> {
    /// Lists of 32-bit offsets are what everybody knows, so they are the first choice.
    fn fits_short(&self) -> bool {
        i32::try_from(self.ids.len()).is_ok()
    }

    /// The schema's capsule.
    pub(crate) fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule(py, export::list_schema(!self.fits_short()))
    }

    /// The capsules of schema and array. The ids are not copied; the offsets are not either in a
    /// `large_list`.
    pub(crate) fn array<'py>(
        &self,
        py: Python<'py>,
        requested: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // A wish for another type than the two is left to the consumer's cast, as the protocol has
        // it.
        let wants_long = requested.map(requested_format).transpose()?.as_deref() == Some("+L");
        let large = wants_long || !self.fits_short();
        let offsets = if large {
            Offsets::Long(Arc::clone(self.ends))
        } else {
            let short = |&end: &i64| i32::try_from(end).unwrap_or(i32::MAX);
            Offsets::Short(Arc::new(self.ends.iter().map(short).collect()))
        };
        let array = export::list(self.ids, offsets);
        Ok((capsule(py, export::list_schema(large))?, capsule(py, array)?))
    }
}

fn requested_format(requested: &Bound<'_, PyAny>) -> PyResult<String> {
    let capsule = requested
        .cast::<PyCapsule>()
        .map_err(|_| wrong_type("requested_schema", "a capsule of an Arrow schema", requested))?;
    ffi::format_of(capsule).map_err(|fault| fault_of("requested_schema", &fault))
}

/// A capsule that releases the struct in it, unless a consumer moved it out.
fn capsule<T: ffi::Structure + Send + 'static>(
    py: Python<'_>,
    structure: T,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, structure, T::NAME)
}

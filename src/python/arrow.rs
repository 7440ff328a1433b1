//! The Arrow C data interface by Python's capsules: texts and ids, in and out.
//!
//! Own structs and not the arrow crates: what is needed of them is a column of text and a list of
//! integers, and they meet a producer's mistake with a panic (DESIGN.md has the numbers).

mod column;
mod export;
mod ffi;
mod lists;

use std::sync::Arc;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use column::{Kind, malformed};
pub(crate) use column::{NULLS, Nulls, TextColumn};
pub(crate) use export::{Offsets, SharedIds, numpy};
use ffi::{ArrowArray, ArrowArrayStream, ArrowSchema, Fault};
pub(crate) use lists::IdColumn;
use lists::ListKind;

use super::errors::{check_signals, raise, wrong_type};
use crate::error::Error;
use crate::tokenizer::BatchTexts;

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
    let texts = TextColumn::new(name, nulls);
    gather(name, given, texts, kind, TextColumn::push)
}

/// A column of lists of ids; none where the object cannot export itself after all.
pub(crate) fn id_column(
    name: &'static str,
    given: &Bound<'_, PyAny>,
) -> PyResult<Option<IdColumn>> {
    let lists = IdColumn::new(name);
    gather(name, given, lists, list_kind, |lists, array, &kind| lists.push(array, kind))
}

/// Reads all arrays that an object exports.
fn gather<C: Send, K: Send + Sync>(
    name: &'static str,
    given: &Bound<'_, PyAny>,
    mut column: C,
    kind: impl Fn(&'static str, &Bound<'_, PyAny>, &ArrowSchema) -> PyResult<K>,
    push: impl Fn(&mut C, ArrowArray, &K) -> Result<(), Fault> + Sync,
) -> PyResult<Option<C>> {
    let exported = |method: &str| match given.call_method0(method) {
        Ok(exported) => Ok(Some(exported)),
        // A data frame whose own Arrow library is not installed.
        Err(error) if error.is_instance_of::<PyImportError>(given.py()) => Ok(None),
        Err(error) => Err(error),
    };
    if given.hasattr("__arrow_c_array__")? {
        let Some(pair) = exported("__arrow_c_array__")? else { return Ok(None) };
        let (schema, array) = capsules(&pair)?;
        let (schema, array) = taken(&schema, &array).map_err(|fault| fault_of(name, &fault))?;
        let kind = kind(name, given, &schema)?;
        push(&mut column, array, &kind).map_err(|fault| fault_of(name, &fault))?;
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
        py.detach(|| drain(name, &mut stream, |array| push(&mut column, array, &kind)))?;
    }
    Ok(Some(column))
}

/// A column of text whose arrays come one at a time, for text that need not be in memory as a whole.
pub(crate) struct TextStream {
    name: &'static str,
    nulls: Nulls,
    kind: Kind,
    stream: ArrowArrayStream,
}

impl TextStream {
    /// The stream that an object exports.
    pub(crate) fn new(
        name: &'static str,
        given: &Bound<'_, PyAny>,
        nulls: Nulls,
    ) -> PyResult<Self> {
        let stream = given.call_method0("__arrow_c_stream__")?;
        let stream = stream
            .cast::<PyCapsule>()
            .map_err(|_| wrong_type("the result of __arrow_c_stream__", "a capsule", &stream))?;
        let mut stream =
            ffi::take::<ArrowArrayStream>(stream).map_err(|fault| fault_of(name, &fault))?;
        let schema = given.py().detach(|| stream.schema());
        let kind = kind(name, given, &schema.map_err(|fault| fault_of(name, &fault))?)?;
        Ok(Self { name, nulls, kind, stream })
    }

    /// The next array; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<TextColumn>, Error> {
        let fault_of = |fault: Fault| malformed(self.name, &fault, None);
        let Some(array) = self.stream.next().map_err(fault_of)? else { return Ok(None) };
        let mut texts = TextColumn::new(self.name, self.nulls);
        texts.push(array, &self.kind).map_err(fault_of)?;
        Ok(Some(texts))
    }
}

/// Takes all arrays of a stream; Ctrl-C is seen between them.
fn drain(
    name: &'static str,
    stream: &mut ArrowArrayStream,
    mut push: impl FnMut(ArrowArray) -> Result<(), Fault>,
) -> Result<(), Error> {
    let fault_of = |fault: Fault| malformed(name, &fault, None);
    while let Some(array) = stream.next().map_err(fault_of)? {
        push(array).map_err(fault_of)?;
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
    let wanted = "a column of text (utf8 or binary, also large, as views or in a dictionary)";
    found.ok_or_else(|| wrong_format(name, wanted, given, schema))
}

fn list_kind(
    name: &'static str,
    given: &Bound<'_, PyAny>,
    schema: &ArrowSchema,
) -> PyResult<ListKind> {
    let found = ListKind::new(schema).map_err(|fault| fault_of(name, &fault))?;
    let wanted = "a column of lists of integers (list, also large or of a fixed size)";
    found.ok_or_else(|| wrong_format(name, wanted, given, schema))
}

fn wrong_format(name: &str, wanted: &str, given: &Bound<'_, PyAny>, schema: &ArrowSchema) -> PyErr {
    let format = schema.format().unwrap_or_default();
    let format: String = format.chars().take(40).collect();
    let message = format!("{name} must be {wanted}, not Arrow data of the format {format:?}");
    raise(given.py(), "ArgumentTypeError", message)
}

/// The capsule of the type of texts.
pub(crate) fn text_schema<'py>(
    py: Python<'py>,
    texts: &BatchTexts,
) -> PyResult<Bound<'py, PyCapsule>> {
    capsule(py, export::text_schema(i32::try_from(texts.bytes().len()).is_err()))
}

/// The capsules of schema and array of texts, which are not copied. Offsets of 32 bits are what
/// everybody knows, so they are the first choice.
pub(crate) fn text_array<'py>(
    py: Python<'py>,
    texts: &Arc<BatchTexts>,
    requested: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let wants_long = requested.map(requested_format).transpose()?.as_deref() == Some("U");
    let large = wants_long || i32::try_from(texts.bytes().len()).is_err();
    let short = (!large).then(|| shorter(texts.row_offsets()));
    Ok((capsule(py, export::text_schema(large))?, capsule(py, export::text(texts, short))?))
}

/// Offsets that are known to fit 32 bits.
fn shorter(offsets: &[i64]) -> Arc<Vec<i32>> {
    let short = |&end: &i64| i32::try_from(end).unwrap_or(i32::MAX);
    Arc::new(offsets.iter().map(short).collect())
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
            Offsets::Short(shorter(self.ends))
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

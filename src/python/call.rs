//! `Tokenizer.encode` as Python calls it.
//!
//! Short texts are encoded in about the time that a call's arguments take to be read: a method with
//! many keywords asks for each of them, given or not. So this method reads the two calls that nearly all
//! are (a text alone, or with `add_special_tokens`) straight off the interpreter's stack, and leaves all
//! others to the method that knows every keyword. For 20 bytes of text that is a third of the
//! instructions of the call.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};

use super::tokenizer::PyTokenizer;

const DOC: &CStr = c"encode($self, text, pair=None, *, threads=None, add_special_tokens=True, \
split_special_tokens=False, is_split_into_words=False, max_length=None, truncation=None, \
truncation_side=None, stride=None, padding=None, padding_side=None, pad_to_multiple_of=None, \
pad_id=None, dropout=None, seed=None, errors=None)\n--\n\n";

/// The method that takes any call.
const ANY: &str = "_encode";

/// What Python keeps of a method. It is never changed.
struct Definition(ffi::PyMethodDef);

// SAFETY: it holds pointers to constants and to a function.
unsafe impl Sync for Definition {}

static ENCODE: Definition = Definition(ffi::PyMethodDef {
    ml_name: c"encode".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: encode },
    ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
    ml_doc: DOC.as_ptr(),
});

/// Gives the class its method; the one that it has takes the calls that this one leaves to it.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<PyTokenizer>();
    let definition = ptr::from_ref(&ENCODE.0).cast_mut();
    // SAFETY: the class is one, and the definition lives as long as the process; Python only reads it.
    let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: a new reference, or none with an exception set.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, method) }?;
    class.setattr(ANY, class.getattr("encode")?)?;
    class.setattr("encode", method)
}

/// The method. `arguments` are `count` by position and then those whose names `names` has, if it is not
/// null.
unsafe extern "C" fn encode(
    tokenizer: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let call = || {
        Python::attach(|py| {
            // SAFETY: Python calls a method with an object, which outlives the call.
            let tokenizer = unsafe { Borrowed::from_ptr(py, tokenizer) };
            // SAFETY: a tuple that outlives the call, or null.
            let names = unsafe { Borrowed::from_ptr_or_opt(py, names) };
            let names = names.as_ref().map(|names| names.cast::<PyTuple>()).transpose()?;
            let named = names.map_or(0, |names| names.len());
            let positional = usize::try_from(count).unwrap_or(0);
            let arguments = match positional + named {
                0 => &[],
                // SAFETY: Python passes as many arguments as it says, none of them null.
                all => unsafe { std::slice::from_raw_parts(arguments.cast(), all) },
            };
            Call { tokenizer, arguments, positional, names }.run()
        })
    };
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or(payload.downcast_ref::<String>().map(String::as_str));
        Err(PanicException::new_err(message.unwrap_or("panic").to_owned()))
    });
    match result {
        Ok(encoding) => encoding.into_ptr(),
        Err(error) => {
            Python::attach(|py| error.restore(py));
            ptr::null_mut()
        }
    }
}

/// The arguments of a call, borrowed from it.
struct Call<'a, 'py> {
    tokenizer: Borrowed<'a, 'py, PyAny>,
    arguments: &'a [Argument<'a, 'py>],
    positional: usize,
    names: Option<Borrowed<'a, 'py, PyTuple>>,
}

type Argument<'a, 'py> = Borrowed<'a, 'py, PyAny>;

impl Call<'_, '_> {
    fn run(&self) -> PyResult<Py<PyAny>> {
        let py = self.tokenizer.py();
        if let Some((text, special)) = self.usual()? {
            let tokenizer = self.tokenizer.cast::<PyTokenizer>()?;
            let encoding = tokenizer.get().encode_usual(&text, special)?;
            return Ok(Py::new(py, encoding)?.into_any());
        }
        let (positional, named) = self.arguments.split_at(self.positional);
        let positional = PyTuple::new(py, positional)?;
        let keywords = PyDict::new(py);
        for (name, value) in self.names.iter().flat_map(|names| names.iter()).zip(named) {
            keywords.set_item(name, value)?;
        }
        let encode = self.tokenizer.getattr(pyo3::intern!(py, ANY))?;
        Ok(encode.call(positional, Some(&keywords))?.unbind())
    }

    /// The text and whether special tokens are added, where nothing else is given.
    fn usual(&self) -> PyResult<Option<(Argument<'_, '_>, bool)>> {
        match (self.arguments, self.positional, &self.names) {
            (&[text], 1, _) => Ok(Some((text, true))),
            (&[text, value], 1, Some(names)) => {
                let name = names.get_borrowed_item(0)?;
                let known = name.cast::<PyString>()?.to_str()? == "add_special_tokens";
                let value = value.cast::<PyBool>().ok().filter(|_| known);
                Ok(value.map(|value| (text, value.is_true())))
            }
            _ => Ok(None),
        }
    }
}

// The borrowed arguments are read where Python keeps pointers.
const _: () = assert!(size_of::<Argument<'_, '_>>() == size_of::<*mut ffi::PyObject>());

//! Texts in the memory of objects that are neither strings nor bytes: memory maps, arrays of bytes,
//! views.

use std::ptr::NonNull;

use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;

use super::text::{Held, in_row};
use crate::error::Error;

/// UTF-8 in memory that its owner says nobody writes to, held and not copied.
///
/// As with Arrow data, whose owners make the same promise, nothing is remembered about the bytes: they
/// are checked each time a text is asked for. An owner that breaks its promise (a file is written to
/// while it is mapped) makes ids wrong, or the call fail.
#[derive(Debug)]
pub(crate) struct TextBuffer {
    /// Exported until this is dropped: it can be neither freed nor resized before.
    buffer: PyBuffer<u8>,
    bytes: NonNull<[u8]>,
}

// SAFETY: the bytes are only read, and the buffer that keeps them alive may be released on any thread.
unsafe impl Send for TextBuffer {}
// SAFETY: as above.
unsafe impl Sync for TextBuffer {}

/// The text of an object that shows bytes, in one dimension; none where it does not. It is copied where
/// the owner lets others write to it, or where there are gaps. `row` is its place in a batch.
pub(crate) fn text(value: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Option<Held>> {
    let Ok(buffer) = PyBuffer::<u8>::get(value) else { return Ok(None) };
    if buffer.dimensions() != 1 {
        return Ok(None);
    }
    let bytes = buffer.as_slice_ptr().filter(|_| buffer.readonly());
    let Some(bytes) = bytes else {
        let copy = String::from_utf8(buffer.to_vec(value.py())?);
        let copy = copy.map_err(|error| in_row(Error::utf8(error.utf8_error()), row))?;
        return Ok(Some(Held::Owned(copy)));
    };
    let held = TextBuffer { buffer, bytes };
    held.text().map_err(|error| in_row(Error::utf8(error), row))?;
    Ok(Some(Held::Buffer(held)))
}

/// Whether an object shows its memory at all.
pub(crate) fn has(value: &Bound<'_, PyAny>) -> bool {
    PyUntypedBuffer::get(value).is_ok()
}

impl TextBuffer {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Result<&str, std::str::Utf8Error> {
        debug_assert_eq!(self.bytes.len(), self.buffer.len_bytes());
        // SAFETY: the address and the length are those of the buffer, which is exported as long as
        // `buffer` lives, and whose owner called it read-only.
        std::str::from_utf8(unsafe { self.bytes.as_ref() })
    }
}

//! Texts in the memory of objects that are neither strings nor bytes: memory maps, arrays of bytes,
//! views.

use std::ptr::NonNull;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::text::{Held, in_row};
use crate::error::Error;
use crate::unicode::utf8;

/// UTF-8 in memory that nobody writes to, held and not copied: that of `bytes`, or of a file that is
/// mapped to be read.
///
/// As with Arrow data, whose owners make that promise, nothing is remembered about the bytes: they are
/// checked each time a text is asked for. Only somebody who writes to a mapped file while a call reads
/// it can be in the way of that, and the documentation says so.
#[derive(Debug)]
pub(crate) struct TextBuffer {
    /// Exported until this is dropped: it can be neither freed nor resized before.
    buffer: PyUntypedBuffer,
    bytes: NonNull<[u8]>,
}

// SAFETY: the bytes are only read, and the buffer that keeps them alive may be released on any thread.
unsafe impl Send for TextBuffer {}
// SAFETY: as above.
unsafe impl Sync for TextBuffer {}

/// The text of an object that shows bytes, in one dimension; none where it does not. It is copied where
/// somebody may write to it, or where there are gaps. `row` is its place in a batch.
pub(crate) fn text(value: &Bound<'_, PyAny>, row: Option<usize>) -> PyResult<Option<Held>> {
    let Ok(buffer) = PyUntypedBuffer::get(value) else { return Ok(None) };
    // Bytes are bytes, whether their owner takes them for numbers with a sign or without.
    let signed = match buffer.format().to_bytes() {
        b"B" | b"c" => false,
        b"b" => true,
        _ => return Ok(None),
    };
    if buffer.dimensions() != 1 || buffer.item_size() != 1 {
        return Ok(None);
    }
    let start = NonNull::new(buffer.buf_ptr().cast::<u8>());
    let stays = buffer.readonly() && buffer.is_c_contiguous() && is_constant(value)?;
    // What is empty need not be anywhere.
    let (Some(start), true) = (start, stays) else {
        let copy = if signed {
            let numbers = buffer.into_typed::<i8>()?.to_vec(value.py())?;
            numbers.into_iter().map(i8::cast_unsigned).collect()
        } else {
            buffer.into_typed::<u8>()?.to_vec(value.py())?
        };
        let copy = utf8::string(copy);
        let copy = copy.map_err(|error| in_row(Error::utf8(error.utf8_error()), row))?;
        return Ok(Some(Held::Owned(copy)));
    };
    let bytes = NonNull::slice_from_raw_parts(start, buffer.len_bytes());
    let held = TextBuffer { buffer, bytes };
    held.text().map_err(|error| in_row(Error::utf8(error), row))?;
    Ok(Some(Held::Buffer(held)))
}

/// The most views of views that are looked through.
const MAX_VIEWS: usize = 8;

/// Whether the memory that an object shows belongs to `bytes`, or to a file that is mapped to be read.
/// That a view is read-only says nothing about who else writes to the memory. Classes that others made out
/// of these may say what they like about whose it is, and are not asked.
fn is_constant(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    let map = py.import("mmap")?.getattr("mmap")?;
    let numpy = py.import("numpy")?;
    let arrays = [numpy.getattr("ndarray")?, numpy.getattr("memmap")?];
    let mut owner = value.clone();
    for _ in 0..MAX_VIEWS {
        if owner.is_instance_of::<PyBytes>() {
            return Ok(true);
        }
        if owner.get_type().is(&map) {
            return Ok(PyUntypedBuffer::get(&owner).is_ok_and(|buffer| buffer.readonly()));
        }
        let whose = if owner.is_instance_of::<PyMemoryView>() {
            "obj"
        } else if arrays.iter().any(|array| owner.get_type().is(array)) {
            "base"
        } else {
            return Ok(false);
        };
        owner = owner.getattr(whose)?;
    }
    Ok(false)
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
        // `buffer` lives, and `text` found that nobody has a way to write to it but through a file.
        utf8::text(unsafe { self.bytes.as_ref() })
    }
}

//! The structs of the Arrow C data interface, and the one place where a producer's pointers are
//! followed.
//!
//! Everything that can be told from the structs themselves is checked: capsules by name, structs that
//! were used already, missing pointers, counts and lengths that cannot be. What cannot be told is
//! whether a buffer is as long as the interface says it must be: lengths of buffers are not in the
//! structs. A producer in this process that lies about that could as well write to any address.
//!
//! Buffers come out as bytes. Integers are read from them by value, so that alignment never matters.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// What is wrong with a producer's structs, to stand behind "Arrow data with ".
pub(super) type Fault = String;

/// The type of an array.
#[repr(C)]
pub(super) struct ArrowSchema {
    pub(super) format: *const c_char,
    pub(super) name: *const c_char,
    pub(super) metadata: *const c_char,
    pub(super) flags: i64,
    pub(super) n_children: i64,
    pub(super) children: *mut *mut ArrowSchema,
    pub(super) dictionary: *mut ArrowSchema,
    pub(super) release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub(super) private_data: *mut c_void,
}

/// The buffers of an array.
#[repr(C)]
pub(super) struct ArrowArray {
    pub(super) length: i64,
    pub(super) null_count: i64,
    pub(super) offset: i64,
    pub(super) n_buffers: i64,
    pub(super) n_children: i64,
    pub(super) buffers: *mut *const c_void,
    pub(super) children: *mut *mut ArrowArray,
    pub(super) dictionary: *mut ArrowArray,
    pub(super) release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub(super) private_data: *mut c_void,
}

/// Arrays of one type, one after the other.
#[repr(C)]
pub(super) struct ArrowArrayStream {
    get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    private_data: *mut c_void,
}

/// A struct that travels in a capsule and is emptied by whoever takes it.
pub(super) trait Structure: Sized {
    /// The capsule's name.
    const NAME: &'static CStr;
    /// One that holds nothing.
    const RELEASED: Self;
    fn is_released(&self) -> bool;
}

impl Structure for ArrowSchema {
    const NAME: &'static CStr = c"arrow_schema";
    const RELEASED: Self = Self {
        format: ptr::null(),
        name: ptr::null(),
        metadata: ptr::null(),
        flags: 0,
        n_children: 0,
        children: ptr::null_mut(),
        dictionary: ptr::null_mut(),
        release: None,
        private_data: ptr::null_mut(),
    };
    fn is_released(&self) -> bool {
        self.release.is_none()
    }
}

impl Structure for ArrowArray {
    const NAME: &'static CStr = c"arrow_array";
    const RELEASED: Self = Self {
        length: 0,
        null_count: 0,
        offset: 0,
        n_buffers: 0,
        n_children: 0,
        buffers: ptr::null_mut(),
        children: ptr::null_mut(),
        dictionary: ptr::null_mut(),
        release: None,
        private_data: ptr::null_mut(),
    };
    fn is_released(&self) -> bool {
        self.release.is_none()
    }
}

impl Structure for ArrowArrayStream {
    const NAME: &'static CStr = c"arrow_array_stream";
    const RELEASED: Self = Self {
        get_schema: None,
        get_next: None,
        get_last_error: None,
        release: None,
        private_data: ptr::null_mut(),
    };
    fn is_released(&self) -> bool {
        self.release.is_none()
    }
}

// SAFETY: the interface lets a struct be used and released on any thread, one at a time. What is
// exported here owns its data by `Arc` and names no thread.
unsafe impl Send for ArrowSchema {}
// SAFETY: as above.
unsafe impl Send for ArrowArray {}
// SAFETY: as above.
unsafe impl Send for ArrowArrayStream {}
// SAFETY: through a shared reference a struct is only read, and neither the producer nor we change
// it between its making and its release.
unsafe impl Sync for ArrowArray {}

impl Drop for ArrowSchema {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: a struct with a callback was not released yet; it is dropped once.
            unsafe { release(self) };
            debug_assert!(self.release.is_none(), "a release callback clears itself");
        }
    }
}

impl Drop for ArrowArray {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: a struct with a callback was not released yet; it is dropped once.
            unsafe { release(self) };
            debug_assert!(self.release.is_none(), "a release callback clears itself");
        }
    }
}

impl Drop for ArrowArrayStream {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: a struct with a callback was not released yet; it is dropped once.
            unsafe { release(self) };
            debug_assert!(self.release.is_none(), "a release callback clears itself");
        }
    }
}

/// Where a capsule of the right name has its struct.
fn pointer<T: Structure>(capsule: &Bound<'_, PyCapsule>) -> Result<NonNull<T>, Fault> {
    let found = capsule.pointer_checked(Some(T::NAME));
    let found = found.map_err(|_| format!("no capsule named {:?}", T::NAME))?.cast::<T>();
    if found.is_aligned() { Ok(found) } else { Err("a struct at an odd address".to_owned()) }
}

/// Moves the struct out of a capsule, which holds nothing then.
pub(super) fn take<T: Structure>(capsule: &Bound<'_, PyCapsule>) -> Result<T, Fault> {
    let place = pointer::<T>(capsule)?;
    // SAFETY: the name says what the capsule points to, the address is aligned and not null, and
    // while the interpreter is attached nobody else uses the capsule. What is left there is a struct
    // that its owner must not release again.
    let taken = unsafe { place.replace(T::RELEASED) };
    if taken.is_released() {
        return Err("a struct that was used already".to_owned());
    }
    Ok(taken)
}

/// The format of the schema in a capsule, which keeps it.
pub(super) fn format_of(capsule: &Bound<'_, PyCapsule>) -> Result<String, Fault> {
    let place = pointer::<ArrowSchema>(capsule)?;
    // SAFETY: as in `take`; no Python code runs while the reference lives.
    let schema = unsafe { place.as_ref() };
    if schema.is_released() {
        return Err("a struct that was used already".to_owned());
    }
    Ok(schema.format()?.into_owned())
}

impl ArrowSchema {
    /// The format string.
    pub(super) fn format(&self) -> Result<Cow<'_, str>, Fault> {
        if self.format.is_null() {
            return Err("no format string".to_owned());
        }
        // SAFETY: not null, ended by a NUL as the interface has it, and alive as long as the schema.
        Ok(unsafe { CStr::from_ptr(self.format) }.to_string_lossy())
    }

    /// The type of a dictionary's values.
    pub(super) fn dictionary(&self) -> Result<Option<&Self>, Fault> {
        if !self.dictionary.is_aligned() {
            return Err("a struct at an odd address".to_owned());
        }
        // SAFETY: null, or a schema that lives as long as its parent.
        let found = unsafe { self.dictionary.as_ref() };
        match found {
            Some(schema) if schema.is_released() => {
                Err("a dictionary that was used already".to_owned())
            }
            found => Ok(found),
        }
    }
}

impl ArrowSchema {
    /// The type of a list's items.
    pub(super) fn only_child(&self) -> Result<&Self, Fault> {
        only_child(self.n_children, self.children)
    }
}

/// The one child that a list has.
fn only_child<'a, T: Structure>(count: i64, children: *mut *mut T) -> Result<&'a T, Fault> {
    if count != 1 {
        return Err(format!("{count} children, where lists have one"));
    }
    if children.is_null() || !children.is_aligned() {
        return Err("no list of children".to_owned());
    }
    // SAFETY: a list of one pointer, set before its parent was handed over.
    let child = unsafe { children.read() };
    if !child.is_aligned() {
        return Err("a struct at an odd address".to_owned());
    }
    // SAFETY: null, or a struct that lives as long as its parent: the callers give it that lifetime.
    let found = unsafe { child.as_ref() };
    let found = found.ok_or("no child, where lists have one")?;
    if found.is_released() {
        return Err("a child that was used already".to_owned());
    }
    Ok(found)
}

/// More buffers than this are not read: no array of texts has as many.
const MAX_BUFFERS: usize = 1 << 20;

impl ArrowArray {
    /// The array of a dictionary's values.
    pub(super) fn dictionary(&self) -> Result<Option<&Self>, Fault> {
        if !self.dictionary.is_aligned() {
            return Err("a struct at an odd address".to_owned());
        }
        // SAFETY: null, or an array that lives as long as its parent.
        let found = unsafe { self.dictionary.as_ref() };
        match found {
            Some(array) if array.is_released() => {
                Err("a dictionary that was used already".to_owned())
            }
            found => Ok(found),
        }
    }

    /// The array of a list's items.
    pub(super) fn only_child(&self) -> Result<&Self, Fault> {
        only_child(self.n_children, self.children)
    }

    /// The number of buffers.
    pub(super) fn buffer_count(&self) -> Result<usize, Fault> {
        let count = usize::try_from(self.n_buffers).ok().filter(|&count| count <= MAX_BUFFERS);
        let count = count.ok_or_else(|| format!("{} buffers", self.n_buffers))?;
        if count > 0 && (self.buffers.is_null() || !self.buffers.is_aligned()) {
            return Err("no list of buffers".to_owned());
        }
        Ok(count)
    }

    fn pointer(&self, index: usize) -> Result<Option<NonNull<u8>>, Fault> {
        if index >= self.buffer_count()? {
            return Err(format!("{} buffers, and none at {index}", self.n_buffers));
        }
        // SAFETY: the index is below the number of pointers in the list.
        let place = unsafe { self.buffers.add(index) };
        // SAFETY: inside the list, aligned, and set before the array was handed over.
        let pointer = unsafe { place.read() };
        Ok(NonNull::new(pointer.cast_mut().cast()))
    }
}

/// A buffer that somebody else owns, alive as long as this is.
#[derive(Clone)]
pub(super) struct Buffer {
    start: NonNull<u8>,
    length: usize,
    /// Releases the array that the buffer belongs to when nobody needs it any more.
    _owner: Arc<ArrowArray>,
}

// SAFETY: the interface forbids a producer to change what it exported, so the bytes are only read,
// and their owner may be released on any thread.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Takes the first `length` bytes of a buffer of `array`, which is `owner`, its dictionary, or its
    /// only child.
    /// A missing buffer is an error unless nothing is read from it.
    pub(super) fn new(
        owner: &Arc<ArrowArray>,
        array: &ArrowArray,
        index: usize,
        length: usize,
    ) -> Result<Self, Fault> {
        debug_assert!(
            ptr::eq(owner.as_ref(), array)
                || ptr::eq(owner.dictionary.cast_const(), array)
                || owner.only_child().is_ok_and(|child| ptr::eq(child, array)),
            "a buffer is kept alive by the array it belongs to"
        );
        let start = array.pointer(index)?;
        if start.is_none() && length > 0 {
            return Err(format!("no buffer at {index}, where {length} bytes must be"));
        }
        if isize::try_from(length).is_err() {
            return Err(format!("a buffer of {length} bytes"));
        }
        let start = start.unwrap_or(NonNull::dangling());
        Ok(Self { start, length, _owner: Arc::clone(owner) })
    }

    /// No bytes.
    pub(super) fn nothing(owner: &Arc<ArrowArray>) -> Self {
        Self { start: NonNull::dangling(), length: 0, _owner: Arc::clone(owner) }
    }

    /// Whether an array has a buffer at all.
    pub(super) fn exists(array: &ArrowArray, index: usize) -> Result<bool, Fault> {
        Ok(array.pointer(index)?.is_some())
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the length was computed as the interface prescribes it for the buffer, it fits
        // `isize`, and `_owner` keeps the buffer alive; a dangling start has length 0.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl ArrowArrayStream {
    /// The type of all arrays.
    pub(super) fn schema(&mut self) -> Result<ArrowSchema, Fault> {
        let get = self.get_schema.ok_or("a stream without functions")?;
        let mut schema = ArrowSchema::RELEASED;
        // SAFETY: the stream was not released, and the place for the result is an empty struct.
        let code = unsafe { get(self, &raw mut schema) };
        self.check(code)?;
        if schema.is_released() {
            return Err("a stream without a schema".to_owned());
        }
        Ok(schema)
    }

    /// The next array; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<ArrowArray>, Fault> {
        let get = self.get_next.ok_or("a stream without functions")?;
        let mut array = ArrowArray::RELEASED;
        // SAFETY: the stream was not released, and the place for the result is an empty struct.
        let code = unsafe { get(self, &raw mut array) };
        self.check(code)?;
        Ok(Some(array).filter(|array| !array.is_released()))
    }

    fn check(&mut self, code: c_int) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: asked right after the failure, as the interface has it.
        let message = self.get_last_error.map_or(ptr::null(), |get| unsafe { get(self) });
        if message.is_null() {
            return Err(format!("a stream that failed with the code {code}"));
        }
        // SAFETY: not null, ended by a NUL, and valid until the stream is called again.
        let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
        Err(format!("a stream that failed: {message}"))
    }
}

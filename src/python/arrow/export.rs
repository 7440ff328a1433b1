//! Ids for numpy and for Arrow out of one memory, which lives until the last of them lets go.

use std::ffi::{CStr, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use numpy::PyArray1;
use numpy::ndarray::ArrayView1;
use pyo3::prelude::*;

use super::ffi::{ArrowArray, ArrowSchema, Structure as _};
use crate::ids::TokenId;
use crate::tokenizer::BatchTexts;

/// Ids that numpy may write to. Nobody here holds a reference into them.
pub(crate) struct SharedIds {
    start: NonNull<TokenId>,
    length: usize,
    capacity: usize,
}

// SAFETY: it owns plain memory, which only its drop gives back.
unsafe impl Send for SharedIds {}
// SAFETY: through a shared reference only the address and the length are read.
unsafe impl Sync for SharedIds {}

impl SharedIds {
    pub(crate) fn new(ids: Vec<TokenId>) -> Arc<Self> {
        let mut ids = ManuallyDrop::new(ids);
        // A vector's pointer is never null; an empty one's dangles.
        let start = NonNull::new(ids.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Arc::new(Self { start, length: ids.len(), capacity: ids.capacity() })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl Drop for SharedIds {
    fn drop(&mut self) {
        // SAFETY: the three parts of the vector it was made from, taken apart once.
        drop(unsafe { Vec::from_raw_parts(self.start.as_ptr(), self.length, self.capacity) });
    }
}

/// What a numpy array of shared ids keeps alive.
#[pyclass(frozen, name = "_SharedIds", module = "subtok")]
struct Keeper {
    _ids: Arc<SharedIds>,
}

/// The ids as an array, not copied.
pub(crate) fn numpy<'py>(
    py: Python<'py>,
    ids: &Arc<SharedIds>,
) -> PyResult<Bound<'py, PyArray1<TokenId>>> {
    let keeper = Bound::new(py, Keeper { _ids: Arc::clone(ids) })?;
    // SAFETY: the memory holds so many ids, and `ids` outlives the view, which ends with this call.
    let view = unsafe { ArrayView1::from_shape_ptr(ids.length, ids.start.as_ptr().cast_const()) };
    // SAFETY: the memory is neither moved nor freed while the keeper lives, and the array holds the
    // keeper. Readers on our side go through numpy, too.
    Ok(unsafe { PyArray1::borrow_from_array(&view, keeper.into_any()) })
}

/// Where the rows of a list begin and end.
#[derive(Clone)]
pub(crate) enum Offsets {
    /// For `list`.
    Short(Arc<Vec<i32>>),
    /// For `large_list`.
    Long(Arc<Vec<i64>>),
}

impl Offsets {
    fn parts(&self) -> (*const c_void, usize) {
        match self {
            Self::Short(offsets) => (offsets.as_ptr().cast(), offsets.len()),
            Self::Long(offsets) => (offsets.as_ptr().cast(), offsets.len()),
        }
    }
}

/// What an exported array owns.
struct ArrayOwned {
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    /// Dropped with the array; the buffers are theirs.
    _ids: Option<Arc<SharedIds>>,
    _offsets: Option<Offsets>,
    _texts: Option<Arc<BatchTexts>>,
}

/// What an exported schema owns.
struct SchemaOwned {
    children: Vec<*mut ArrowSchema>,
}

/// The ids as an array of lists, not copied.
pub(super) fn list(ids: &Arc<SharedIds>, offsets: Offsets) -> ArrowArray {
    let flat = array(
        ids.length,
        ArrayOwned {
            buffers: vec![ptr::null(), ids.start.as_ptr().cast_const().cast()],
            children: Vec::new(),
            _ids: Some(Arc::clone(ids)),
            _offsets: None,
            _texts: None,
        },
    );
    let (start, count) = offsets.parts();
    array(
        count.saturating_sub(1),
        ArrayOwned {
            buffers: vec![ptr::null(), start],
            children: vec![Box::into_raw(Box::new(flat))],
            _ids: None,
            _offsets: Some(offsets),
            _texts: None,
        },
    )
}

/// Texts as an array, not copied: with offsets of their own, or with the 32-bit ones given.
pub(super) fn text(texts: &Arc<BatchTexts>, short: Option<Arc<Vec<i32>>>) -> ArrowArray {
    let offsets = match &short {
        Some(offsets) => offsets.as_ptr().cast(),
        None => texts.row_offsets().as_ptr().cast(),
    };
    array(
        texts.len(),
        ArrayOwned {
            buffers: vec![ptr::null(), offsets, texts.bytes().as_ptr().cast()],
            children: Vec::new(),
            _ids: None,
            _offsets: short.map(Offsets::Short),
            _texts: Some(Arc::clone(texts)),
        },
    )
}

/// The type `utf8`, or `large_utf8`.
pub(super) fn text_schema(large: bool) -> ArrowSchema {
    schema(if large { c"U" } else { c"u" }, c"", Vec::new())
}

fn array(length: usize, owned: ArrayOwned) -> ArrowArray {
    let mut owned = Box::new(owned);
    // No memory holds more elements than `i64` counts.
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    ArrowArray {
        length: count(length),
        n_buffers: count(owned.buffers.len()),
        n_children: count(owned.children.len()),
        buffers: owned.buffers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        release: Some(release_array),
        private_data: Box::into_raw(owned).cast(),
        null_count: 0,
        offset: 0,
        dictionary: ptr::null_mut(),
    }
}

/// Frees what [`array`] made. Needs no interpreter: a consumer may call it anywhere.
unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: a consumer passes the struct that holds this callback.
    let Some(array) = (unsafe { array.as_mut() }) else { return };
    debug_assert!(!array.is_released(), "released twice");
    // SAFETY: `array` put it there with `Box::into_raw`, and it is cleared below: taken once.
    let owned = unsafe { Box::from_raw(array.private_data.cast::<ArrayOwned>()) };
    for &child in &owned.children {
        // SAFETY: `list` made it with `Box::into_raw`. Its drop releases it, unless the consumer
        // has moved it out, which leaves no callback behind.
        drop(unsafe { Box::from_raw(child) });
    }
    array.private_data = ptr::null_mut();
    array.release = None;
}

/// The type `list<uint32>`, or `large_list<uint32>`.
pub(super) fn list_schema(large: bool) -> ArrowSchema {
    let item = schema(c"I", c"item", Vec::new());
    let format = if large { c"+L" } else { c"+l" };
    schema(format, c"", vec![Box::into_raw(Box::new(item))])
}

/// "May hold nulls", which is what every consumer takes a list for.
const NULLABLE: i64 = 2;

fn schema(
    format: &'static CStr,
    name: &'static CStr,
    children: Vec<*mut ArrowSchema>,
) -> ArrowSchema {
    let mut owned = Box::new(SchemaOwned { children });
    ArrowSchema {
        format: format.as_ptr(),
        name: name.as_ptr(),
        metadata: ptr::null(),
        flags: NULLABLE,
        n_children: i64::try_from(owned.children.len()).unwrap_or(i64::MAX),
        children: owned.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_schema),
        private_data: Box::into_raw(owned).cast(),
    }
}

/// Frees what [`schema`] made.
unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: a consumer passes the struct that holds this callback.
    let Some(schema) = (unsafe { schema.as_mut() }) else { return };
    debug_assert!(!schema.is_released(), "released twice");
    // SAFETY: `schema` put it there with `Box::into_raw`, and it is cleared below: taken once.
    let owned = unsafe { Box::from_raw(schema.private_data.cast::<SchemaOwned>()) };
    for &child in &owned.children {
        // SAFETY: as for arrays.
        drop(unsafe { Box::from_raw(child) });
    }
    schema.private_data = ptr::null_mut();
    schema.release = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_freed_once_whoever_lets_go_last() {
        let ids = SharedIds::new(vec![7, 8, 9]);
        let ends = Arc::new(vec![0_i64, 1, 3]);
        let exported = list(&ids, Offsets::Long(Arc::clone(&ends)));
        assert_eq!((exported.length, exported.n_buffers, exported.n_children), (2, 2, 1));
        assert_eq!((Arc::strong_count(&ids), Arc::strong_count(&ends)), (2, 2));
        drop(exported);
        assert_eq!((Arc::strong_count(&ids), Arc::strong_count(&ends)), (1, 1));
    }

    #[test]
    fn a_child_that_was_moved_out_outlives_its_parent() {
        let ids = SharedIds::new(vec![7, 8, 9]);
        let exported = list(&ids, Offsets::Short(Arc::new(vec![0, 3])));
        // SAFETY: one child, made by `list`.
        let place = unsafe { *exported.children };
        // SAFETY: as a consumer does it, see the interface's rules about moving children.
        let child = unsafe { ptr::replace(place, ArrowArray::RELEASED) };
        drop(exported);
        assert_eq!(Arc::strong_count(&ids), 2);
        assert_eq!(child.length, 3);
        drop(child);
        assert_eq!(Arc::strong_count(&ids), 1);
    }

    #[test]
    fn schemas_free_their_children() {
        for large in [false, true] {
            let schema = list_schema(large);
            assert_eq!(schema.format().as_deref(), Ok(if large { "+L" } else { "+l" }));
            // SAFETY: one child, made by `list_schema`.
            let child = unsafe { *schema.children };
            // SAFETY: alive as long as its parent.
            assert_eq!(unsafe { &*child }.format().as_deref(), Ok("I"));
        }
    }

    #[test]
    fn exported_texts_live_as_long_as_they_are_held() {
        let texts = Arc::new(BatchTexts::default());
        let offsets = Arc::new(vec![0]);
        let long = text(&texts, None);
        let short = text(&texts, Some(Arc::clone(&offsets)));
        assert_eq!((long.length, long.n_buffers, short.n_buffers), (0, 3, 3));
        assert_eq!((Arc::strong_count(&texts), Arc::strong_count(&offsets)), (3, 2));
        drop((long, short));
        assert_eq!((Arc::strong_count(&texts), Arc::strong_count(&offsets)), (1, 1));
        assert_eq!(text_schema(true).format().as_deref(), Ok("U"));
        assert_eq!(text_schema(false).format().as_deref(), Ok("u"));
    }

    #[test]
    fn nothing_is_a_list_too() {
        let ids = SharedIds::new(Vec::new());
        drop(list(&ids, Offsets::Long(Arc::new(vec![0]))));
        assert_eq!((ids.len(), Arc::strong_count(&ids)), (0, 1));
    }
}

//! Memory for large outputs, used again when nobody has the array any more.

// A fresh output of 100 MB costs more than computing it: the system hands out zeroed pages one by one
// (40 ms; 12 ms with huge pages; the look-up itself takes 7). So the memory of an array that the user
// has dropped is kept for the next one. An array holds its memory by its base object, as does every
// view of it, so memory comes back only when there is none left. What is kept is bounded, and is
// marked as free: a system that runs short of memory takes the pages without asking.

use std::ptr::NonNull;
use std::sync::{Mutex, TryLockError};

use memmap2::{Advice, MmapMut};
use numpy::ndarray::ArrayView;
use numpy::{Element, PyArray, PyArrayDyn};
use pyo3::prelude::*;

/// Smaller outputs are left to numpy, whose allocator keeps memory too.
const LEAST: usize = 1 << 20;

/// What is kept at most, in bytes and in pieces.
const MOST_BYTES: usize = 256 << 20;
const MOST_PIECES: usize = 8;

static KEPT: Mutex<Vec<MmapMut>> = Mutex::new(Vec::new());

/// What an array of recycled memory stands on.
#[pyclass(frozen, module = "subtok")]
struct OutputMemory(Option<MmapMut>);

impl Drop for OutputMemory {
    fn drop(&mut self) {
        if let Some(memory) = self.0.take() {
            give_back(memory);
        }
    }
}

/// An array of uninitialised numbers in memory of this module; none where the output is small, or the
/// system refuses: numpy may try then.
pub(super) fn array<'py, T: Element + Plain>(
    py: Python<'py>,
    shape: &[usize],
) -> PyResult<Option<Bound<'py, PyArrayDyn<T>>>> {
    let bytes = shape.iter().try_fold(size_of::<T>(), |size, side| size.checked_mul(*side));
    let Some(bytes) = bytes.filter(|bytes| *bytes >= LEAST && isize::try_from(*bytes).is_ok())
    else {
        return Ok(None);
    };
    let Some(mut memory) = take(bytes) else { return Ok(None) };
    debug_assert!(memory.len() >= bytes);
    let start = memory.as_mut_ptr().cast::<T>();
    debug_assert!(NonNull::new(start).is_some_and(NonNull::is_aligned));
    let owner = Bound::new(py, OutputMemory(Some(memory)))?;
    // SAFETY: the memory has room for the shape, is aligned to pages, and holds numbers whatever its
    // bytes are. It does not move when its owner does.
    let view = unsafe { ArrayView::from_shape_ptr(shape, start) };
    // SAFETY: the owner keeps the memory until the array and all of its views are gone, and nobody else
    // has a pointer to it.
    Ok(Some(unsafe { PyArray::borrow_from_array(&view, owner.into_any()) }))
}

/// Numbers that any bytes are.
pub(super) trait Plain {}

impl Plain for f32 {}
impl Plain for u16 {}

/// Memory of at least this size.
fn take(bytes: usize) -> Option<MmapMut> {
    if let Some(memory) = take_kept(bytes) {
        return Some(memory);
    }
    // Sizes in steps of an eighth, so that batches of similar length share them.
    let step = (bytes.checked_next_power_of_two()? / 8).max(4096);
    let memory = MmapMut::map_anon(bytes.checked_next_multiple_of(step)?).ok()?;
    // A wish: without it the same, more slowly.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(Advice::HugePage);
    Some(memory)
}

fn take_kept(bytes: usize) -> Option<MmapMut> {
    // Nobody waits here: after a fork the lock may be held by a thread that is not there.
    let mut kept = match KEPT.try_lock() {
        Ok(kept) => kept,
        Err(TryLockError::Poisoned(kept)) => kept.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    let fits = |memory: &MmapMut| memory.len() >= bytes && memory.len() / 2 <= bytes;
    let sizes = kept.iter().enumerate().filter(|(_, memory)| fits(memory));
    let (index, _) = sizes.min_by_key(|(_, memory)| memory.len())?;
    Some(kept.remove(index))
}

fn give_back(memory: MmapMut) {
    if memory.len() > MOST_BYTES {
        return;
    }
    // SAFETY: no array has this memory any more, and the next one does not care what is in it.
    #[cfg(target_os = "linux")]
    let _ = unsafe { memory.unchecked_advise(memmap2::UncheckedAdvice::Free) };
    let mut kept = match KEPT.try_lock() {
        Ok(kept) => kept,
        Err(TryLockError::Poisoned(kept)) => kept.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    kept.push(memory);
    // The oldest goes first.
    while kept.len() > MOST_PIECES || bytes_of(&kept) > MOST_BYTES {
        kept.remove(0);
    }
}

fn bytes_of(kept: &[MmapMut]) -> usize {
    kept.iter().map(|memory| memory.len()).sum()
}

/// Gives the kept memory to the system; returned is how many bytes that were.
pub(super) fn release() -> usize {
    let Ok(mut kept) = KEPT.try_lock() else { return 0 };
    let bytes = bytes_of(&kept);
    kept.clear();
    bytes
}

//! Copies to memory that is not read again soon.

// A store to a line that no cache holds first reads the line from memory, and drives something else out
// of the cache. Streaming stores do neither. 32,768 rows of 768 numbers: 5 to 9 ms with copies, 2.6 ms
// with streaming stores; 512-bit ones are no faster than the 128-bit ones that every x86-64 has.

/// Outputs of fewer bytes are copied: whoever reads them next finds them in a cache.
const LEAST: usize = 8 << 20;

/// Numbers without padding, whose bytes may be copied one by one.
pub(crate) trait Plain: Copy + Default + Send + Sync {}

impl Plain for f32 {}
impl Plain for u16 {}

/// How rows come into an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// As always.
    Plain,
    /// Past the caches. [`finish`] must be called afterwards, on the same thread.
    Streaming,
}

impl Stores {
    /// What is right for an output of this many bytes.
    pub(crate) fn for_output(bytes: usize) -> Self {
        if cfg!(target_arch = "x86_64") && bytes >= LEAST { Self::Streaming } else { Self::Plain }
    }
}

/// Copies a row. Both must be of one length.
#[inline]
pub(crate) fn copy<T: Plain>(stores: Stores, from: &[T], to: &mut [T]) {
    match stores {
        Stores::Plain => to.copy_from_slice(from),
        Stores::Streaming => stream(from, to),
    }
}

/// Makes streamed rows visible to other threads.
#[inline]
pub(crate) fn finish(stores: Stores) {
    #[cfg(target_arch = "x86_64")]
    if stores == Stores::Streaming {
        // SAFETY: every x86-64 has the instruction.
        unsafe { std::arch::x86_64::_mm_sfence() };
    }
    let _ = stores;
}

#[cfg(not(target_arch = "x86_64"))]
fn stream<T: Plain>(from: &[T], to: &mut [T]) {
    to.copy_from_slice(from);
}

#[cfg(target_arch = "x86_64")]
fn stream<T: Plain>(from: &[T], to: &mut [T]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};

    /// Bytes of a line.
    const LINE: usize = 64;
    const VECTOR: usize = size_of::<__m128i>();

    assert_eq!(from.len(), to.len(), "rows of one length");
    // What does not fill a line is copied.
    let head = to.as_ptr().align_offset(LINE).min(to.len());
    let (first, to) = to.split_at_mut(head);
    let (start, from) = from.split_at(head);
    copy_few(start, first);
    let per_line = LINE / size_of::<T>();
    let (mut lines_from, mut lines_to) =
        (from.chunks_exact(per_line), to.chunks_exact_mut(per_line));
    for (from, to) in lines_from.by_ref().zip(lines_to.by_ref()) {
        let (from, to) = (from.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
        debug_assert!(to.addr().is_multiple_of(VECTOR));
        for index in 0..LINE / VECTOR {
            let (from, to) = (from.wrapping_add(index), to.wrapping_add(index));
            // SAFETY: `from` has 64 bytes of initialised numbers; the load asks for no alignment.
            let vector = unsafe { _mm_loadu_si128(from) };
            // SAFETY: `to` has 64 bytes, which are aligned to 64, and any bytes are numbers. The
            // stores become visible to other threads by the fence in `finish`.
            unsafe { _mm_stream_si128(to, vector) };
        }
    }
    copy_few(lines_from.remainder(), lines_to.into_remainder());
}

/// Copies less than a line, without a call for it: two of them a row took 0.6 ms of 8.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn copy_few<T: Plain>(mut from: &[T], mut to: &mut [T]) {
    macro_rules! pieces {
        ($($length:literal)*) => {
            $(if let (Some((piece, from_rest)), Some((place, _))) =
                (from.split_first_chunk::<$length>(), to.split_first_chunk_mut::<$length>())
            {
                *place = *piece;
                from = from_rest;
                to = &mut to[$length..];
            })*
        };
    }
    pieces!(16 8 4 2 1);
    debug_assert!(from.is_empty() && to.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_alignment_is_copied_and_nothing_else() {
        fn check<T: Plain + PartialEq + std::fmt::Debug + From<u8>>() {
            let from: Vec<T> = (1..=200_u8).map(T::from).collect();
            for offset in 0..70 {
                for length in (0..66).chain([100, 128, 129]) {
                    let mut to = [T::default(); 300];
                    copy(Stores::Streaming, &from[..length], &mut to[offset..offset + length]);
                    finish(Stores::Streaming);
                    assert_eq!(to[offset..offset + length], from[..length]);
                    let around = to[..offset].iter().chain(&to[offset + length..]);
                    assert!(around.into_iter().all(|value| *value == T::default()));
                }
            }
        }
        check::<f32>();
        check::<u16>();
    }

    #[test]
    #[should_panic(expected = "rows of one length")]
    fn rows_of_other_lengths_are_refused() {
        copy(Stores::Streaming, &[1.0_f32; 100], &mut [0.0; 99]);
    }
}

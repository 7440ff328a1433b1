//! Zeroed memory for tables that are read at random, a line of the processor's cache at a time.

/// The bytes of a line of the processor's cache.
pub(crate) const LINE: usize = 64;
/// One line.
pub(crate) type Line = [u8; LINE];

/// Lines of zeros, each in one line of the processor's cache. Memory that was not touched takes none.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the first line begins.
    base: usize,
    count: usize,
}

impl Lines {
    /// So many lines.
    pub(crate) fn new(count: usize) -> Self {
        let bytes = vec![0; (count + 1) * LINE];
        let base = bytes.as_ptr().align_offset(LINE).min(LINE);
        Self { bytes, base, count }
    }

    /// The lines.
    #[inline]
    pub(crate) fn get(&self) -> &[Line] {
        let end = self.base + self.count * LINE;
        self.bytes.get(self.base..end).unwrap_or_default().as_chunks().0
    }

    /// The lines, to be written.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut [Line] {
        let end = self.base + self.count * LINE;
        self.bytes.get_mut(self.base..end).unwrap_or_default().as_chunks_mut().0
    }

    /// The memory it takes when all of it was touched.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut lines = Self::new(self.count);
        lines.get_mut().copy_from_slice(self.get());
        lines
    }
}

/// Asks the processor for the line in which something begins that will be read soon, after hundreds of
/// others: into the second cache. For pieces the first one is a sixth slower.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(place: &T) {
    hint::<false>(std::ptr::from_ref(place).cast());
}

/// The same for what is read after a few others, into the first cache. For stretches of WordPiece the
/// second one is a third slower.
#[inline]
pub(crate) fn prefetch_near<T: ?Sized>(place: &T) {
    hint::<true>(std::ptr::from_ref(place).cast());
}

/// As [`prefetch`], wherever that is: nothing is read.
#[inline]
pub(crate) fn prefetch_at<T>(place: *const T) {
    hint::<false>(place.cast());
}

#[inline]
#[expect(unsafe_code, reason = "a hint: without it encoding takes 1.7 times as long")]
fn hint<const NEAR: bool>(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let place = place.cast();
        if NEAR {
            // SAFETY: a hint that reads nothing and cannot fault; every x86-64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
        } else {
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(place) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_hint = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zeros_aligned_and_cloned() {
        for count in [0, 1, 100, 70_000] {
            let mut lines = Lines::new(count);
            assert_eq!(lines.get().len(), count);
            assert!(lines.get().iter().all(|line| line == &[0; LINE]));
            assert!(count == 0 || lines.get().as_ptr().addr().is_multiple_of(LINE));
            if let Some(last) = lines.get_mut().last_mut() {
                last[63] = 7;
                prefetch(last);
                prefetch_near(last);
            }
            let clone = lines.clone();
            assert_eq!(clone.get(), lines.get());
            assert!(count == 0 || clone.get().as_ptr().addr().is_multiple_of(LINE));
        }
    }
}

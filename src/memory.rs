//! Zeroed memory for tables that are read at random.
//!
//! A table of megabytes spreads over a thousand pages of 4 kB; a processor that runs in a virtual machine
//! pays for each page's address more than for the memory itself. Where the system has larger pages they
//! are asked for: it makes looking pieces up about twice as fast. Memory that was not touched takes none.

use memmap2::MmapMut;

/// The bytes of a line of the processor's cache.
pub(crate) const LINE: usize = 64;
/// One line.
pub(crate) type Line = [u8; LINE];

/// The size of a large page; less than that is allocated as usual.
const LARGE: usize = 2 << 20;

/// Lines of zeros, each in one line of the processor's cache.
#[derive(Debug)]
pub(crate) struct Lines {
    memory: Memory,
    /// Where the first line begins, so that pages of the largest size fit in.
    base: usize,
    count: usize,
}

#[derive(Debug)]
enum Memory {
    Mapped(MmapMut),
    Allocated(Vec<u8>),
}

impl Lines {
    /// So many lines.
    pub(crate) fn new(count: usize) -> Self {
        let bytes = count * LINE;
        let mapped = if bytes >= LARGE { map(bytes) } else { None };
        let (memory, alignment) = match mapped {
            Some(map) => (Memory::Mapped(map), LARGE),
            None => (Memory::Allocated(vec![0; bytes + LINE]), LINE),
        };
        let mut lines = Self { memory, base: 0, count };
        let start = lines.memory.bytes().as_ptr().align_offset(alignment);
        lines.base = start.min(lines.memory.bytes().len() - bytes);
        lines
    }

    /// The lines.
    #[inline]
    pub(crate) fn get(&self) -> &[Line] {
        let end = self.base + self.count * LINE;
        self.memory.bytes().get(self.base..end).unwrap_or_default().as_chunks().0
    }

    /// The lines, to be written.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut [Line] {
        let end = self.base + self.count * LINE;
        self.memory.bytes_mut().get_mut(self.base..end).unwrap_or_default().as_chunks_mut().0
    }

    /// The memory it takes when all of it was touched.
    pub(crate) fn bytes(&self) -> usize {
        self.count * LINE
    }
}

/// Asks the processor for a line that will be read soon.
#[inline]
#[expect(unsafe_code, reason = "a hint: without it encoding takes two to three times as long")]
pub(crate) fn prefetch(line: &Line) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads nothing and cannot fault; every x86-64 has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_hint = line;
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut lines = Self::new(self.count);
        lines.get_mut().copy_from_slice(self.get());
        lines
    }
}

impl Memory {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Allocated(bytes) => bytes,
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Allocated(bytes) => bytes,
        }
    }
}

/// Memory with large pages where there are any; none when it is not to be had this way.
fn map(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes.checked_add(LARGE)?).ok()?;
    #[cfg(target_os = "linux")]
    // A wish: where it is not granted pages are small.
    let _asked = map.advise(memmap2::Advice::HugePage);
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zeros_aligned_and_cloned() {
        for count in [0, 1, 100, LARGE / LINE - 1, LARGE / LINE, 3 * LARGE / LINE + 5] {
            let mut lines = Lines::new(count);
            assert_eq!((lines.get().len(), lines.bytes()), (count, count * LINE));
            assert!(lines.get().iter().all(|line| line == &[0; LINE]));
            assert_eq!(lines.get().as_ptr().addr() % LINE, 0);
            if let Some(last) = lines.get_mut().last_mut() {
                last[63] = 7;
            }
            let clone = lines.clone();
            assert_eq!(clone.get(), lines.get());
            assert_eq!(clone.get().as_ptr().addr() % LINE, 0);
        }
    }
}

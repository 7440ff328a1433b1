//! The cache of short pieces.

use super::{Ids, Key, SLOT, filled, find, key_of, line, slots};
use crate::memory::{LINE, Lines, prefetch};

/// A cache of fixed size. A new piece moves the first of its line to second place and drops that.
///
/// It begins with few of its lines, and takes twice as many in use when half as many pieces came as there
/// are lines: a process that encodes little touches little memory. A piece that is missed in its new line is
/// looked for in its old one.
#[derive(Debug)]
pub(crate) struct PieceCache {
    lines: Lines,
    /// The lines in use, a power of two.
    used: usize,
    /// Pieces that may come before more are used.
    room: usize,
    /// Pieces that were found, that were not, and that made another one leave.
    pub(crate) stats: CacheStats,
}

/// What a cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Pieces found in the cache. Those found in the model's own table are not counted.
    pub hits: u64,
    /// Pieces that had to be encoded.
    pub misses: u64,
    /// Pieces that made another one leave.
    pub evictions: u64,
}

/// The lines of a [`PieceCache`]: 8 MiB.
const MOST_LINES: usize = 1 << 17;
/// Those it begins with: 256 KiB.
const FIRST_LINES: usize = 1 << 12;

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::new(MOST_LINES),
            used: FIRST_LINES,
            room: FIRST_LINES / 2,
            stats: CacheStats::default(),
        }
    }

    /// Asks for the memory where a piece lies.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch(line(self.lines.get().get(..self.used).unwrap_or_default(), hash));
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&mut self, key: Key, hash: u64) -> Option<Ids> {
        let used = self.lines.get().get(..self.used).unwrap_or_default();
        let mut found = find(line(used, hash), key);
        if found.is_none() && self.used > FIRST_LINES {
            let before = used.get(..self.used / 2).unwrap_or_default();
            found = find(line(before, hash), key);
            if let Some(ids) = found {
                self.write(key, hash, ids);
            }
        }
        self.stats.hits += u64::from(found.is_some());
        found
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    pub(crate) fn put(&mut self, key: Key, hash: u64, ids: &[u32]) {
        self.stats.misses += 1;
        let Some(ids) = Ids::new(ids) else { return };
        self.room -= 1;
        if self.room == 0 {
            self.used = (self.used * 2).min(MOST_LINES);
            self.room = self.used / 2;
        }
        self.write(key, hash, ids);
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the number of lines")]
    fn write(&mut self, key: Key, hash: u64, ids: Ids) {
        let at = hash as usize & (self.used - 1);
        let Some(line) = self.lines.get_mut().get_mut(at) else { return };
        let [_, second] = slots(line);
        self.stats.evictions += u64::from(key_of(second) != 0);
        line.copy_within(..SLOT, SLOT);
        line[..SLOT].copy_from_slice(&filled(key, ids));
    }

    /// The memory it takes when it is full.
    pub(crate) const BYTES: usize = MOST_LINES * LINE;
}

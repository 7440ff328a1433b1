//! The cache of short pieces.

use super::{Ids, Key, MAX_IDS, SLOT, filled, find, key_of, line, slots};
use crate::memory::{LINE, Lines, prefetch};

/// A cache of fixed size. A new piece moves the first of its line to second place and drops that.
///
/// It begins with few of its lines, and takes twice as many in use when half as many pieces came as there
/// are lines: a process that encodes little touches little memory.
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

/// Where the ids of a piece are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Here.
    Here(Ids),
    /// There are more of them than fit here: the cache of long pieces may have them.
    Elsewhere,
    /// In no cache.
    Nowhere,
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

    /// The ids of a piece, or where they are.
    #[inline]
    pub(crate) fn find(&mut self, key: Key, hash: u64) -> Place {
        let used = self.lines.get().get(..self.used).unwrap_or_default();
        match find(line(used, hash), key) {
            None => Place::Nowhere,
            Some(ids) if ids.is_none() => Place::Elsewhere,
            Some(ids) => {
                self.stats.hits += 1;
                Place::Here(ids)
            }
        }
    }

    /// The ids of a piece, if they are here.
    #[inline]
    pub(crate) fn get(&mut self, key: Key, hash: u64) -> Option<Ids> {
        match self.find(key, hash) {
            Place::Here(ids) => Some(ids),
            Place::Elsewhere | Place::Nowhere => None,
        }
    }

    /// Remembers the ids of a piece that was not there; of more ids than fit, that they are elsewhere.
    pub(crate) fn put(&mut self, key: Key, hash: u64, ids: &[u32]) {
        // Who keeps the ids counts them.
        self.stats.misses += u64::from(ids.len() <= MAX_IDS);
        if ids.is_empty() {
            return;
        }
        self.room -= 1;
        if self.room == 0 {
            self.widen();
        }
        self.write(key, hash, Ids::new(ids).unwrap_or(Ids::NONE));
    }

    /// Takes twice as many lines in use; pieces that lie in one of them move there.
    fn widen(&mut self) {
        let used = self.used;
        if used < MOST_LINES {
            self.used = used * 2;
            let lines = self.lines.get_mut().get_mut(..used * 2).unwrap_or_default();
            let (old, new) = lines.split_at_mut(used);
            for (old, new) in old.iter_mut().zip(new) {
                for (from, to) in
                    old.as_chunks_mut::<SLOT>().0.iter_mut().zip(new.as_chunks_mut().0)
                {
                    let key = key_of(from);
                    if key != 0 && Key(key).hash() & used as u64 != 0 {
                        *to = std::mem::replace(from, [0; SLOT]);
                    }
                }
            }
        }
        self.room = self.used / 2;
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

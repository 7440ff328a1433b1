//! The cache of pieces that are longer than a key.

use super::CacheStats;
use crate::memory::{LINE, Line, Lines, prefetch};

/// The longest piece that is kept, in bytes.
const MOST_BYTES: usize = 43;
/// The most ids.
const MOST_IDS: usize = (LINE - MOST_BYTES - 1) / 4;

/// A piece that may be kept: its bytes, zeros, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongKey {
    bytes: [u8; MOST_BYTES + 1],
    hash: u64,
}

impl LongKey {
    /// None for an empty piece and one that is too long.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "lengths below 44; a folded product")]
    pub(crate) fn new(piece: &[u8]) -> Option<Self> {
        let mut bytes = [0; MOST_BYTES + 1];
        if piece.is_empty() || piece.len() > MOST_BYTES {
            return None;
        }
        bytes[..piece.len()].copy_from_slice(piece);
        bytes[MOST_BYTES] = piece.len() as u8;
        // As for short keys, by pairs of words.
        let mut hash = 0x243F_6A88_85A3_08D3_u64;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let product = u128::from(hash ^ u64::from_le_bytes(*word)) * 0x9E37_79B9_7F4A_7C15_F39C;
            hash = (product as u64) ^ (product >> 64) as u64;
        }
        for (at, &byte) in rest.iter().enumerate() {
            hash ^= u64::from(byte) << (8 * at);
        }
        hash = hash.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Some(Self { bytes, hash: hash ^ hash >> 32 })
    }
}

/// A cache of fixed size: lines of 64 bytes that hold a piece and its ids, in pairs. A new piece moves the
/// other of its pair to second place. Like the cache of short pieces it begins small.
#[derive(Debug)]
pub(crate) struct LongCache {
    lines: Lines,
    used: usize,
    room: usize,
    pub(crate) stats: CacheStats,
}

/// 4 MiB.
const MOST_LINES: usize = 1 << 16;
/// 128 KiB.
const FIRST_LINES: usize = 1 << 11;

impl LongCache {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::new(MOST_LINES),
            used: FIRST_LINES,
            room: FIRST_LINES / 2,
            stats: CacheStats::default(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the number of lines")]
    fn places(key: &LongKey, used: usize) -> [usize; 2] {
        let first = key.hash as usize & (used - 1);
        [first, first ^ 1]
    }

    /// Asks for the memory where a piece lies.
    pub(crate) fn prefetch(&self, key: &LongKey) {
        let lines = self.lines.get();
        Self::places(key, self.used).into_iter().filter_map(|at| lines.get(at)).for_each(prefetch);
    }

    fn find(&self, key: &LongKey, used: usize) -> Option<Line> {
        let lines = self.lines.get();
        let places = Self::places(key, used).into_iter();
        let mut found = places.filter_map(|at| lines.get(at));
        found.find(|line| line[..=MOST_BYTES] == key.bytes).copied()
    }

    /// Appends the ids of a piece to `out`, if they are known.
    #[inline]
    pub(crate) fn get(&mut self, key: &LongKey, out: &mut Vec<u32>) -> bool {
        let mut found = self.find(key, self.used);
        if found.is_none() && self.used > FIRST_LINES {
            found = self.find(key, self.used / 2);
            if let Some(line) = found {
                self.write(key, line);
            }
        }
        let Some(line) = found else { return false };
        self.stats.hits += 1;
        let ids = line[MOST_BYTES + 1..].as_chunks::<4>().0.iter().map(|id| u32::from_le_bytes(*id));
        out.extend(ids.take_while(|&id| id != u32::MAX));
        true
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    pub(crate) fn put(&mut self, key: &LongKey, ids: &[u32]) {
        self.stats.misses += 1;
        if ids.is_empty() || ids.len() > MOST_IDS {
            return;
        }
        self.room -= 1;
        if self.room == 0 {
            self.used = (self.used * 2).min(MOST_LINES);
            self.room = self.used / 2;
        }
        let mut line = [0xFF; LINE];
        line[..=MOST_BYTES].copy_from_slice(&key.bytes);
        for (place, id) in line[MOST_BYTES + 1..].chunks_exact_mut(4).zip(ids) {
            place.copy_from_slice(&id.to_le_bytes());
        }
        self.write(key, line);
    }

    fn write(&mut self, key: &LongKey, line: Line) {
        let places = Self::places(key, self.used);
        if let Ok([one, other]) = self.lines.get_mut().get_disjoint_mut(places) {
            self.stats.evictions += u64::from(other[MOST_BYTES] != 0);
            *other = std::mem::replace(one, line);
        }
    }

    /// The memory it takes when it is full.
    pub(crate) const BYTES: usize = MOST_LINES * LINE;
}

const _: () = assert!(MOST_IDS == 5 && MOST_BYTES + 1 + 4 * MOST_IDS == LINE);

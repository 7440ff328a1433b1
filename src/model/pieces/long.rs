//! The cache of pieces that are too long for a key, or have too many ids for a slot.

use super::{CacheStats, Key};
use crate::memory::{LINE, Line, Lines, prefetch};

/// Two lines hold an entry: how many bytes the piece has, how many ids, the piece, and the ids. Most are in
/// the first line.
const ENTRY: usize = 2 * LINE;
/// The bytes of piece and ids together.
const ROOM: usize = ENTRY - 2;

/// A piece that may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongKey<'a> {
    piece: &'a [u8],
    hash: u64,
}

impl<'a> LongKey<'a> {
    /// None for an empty piece and one that is too long. Short ones have the hash of their [`Key`].
    #[inline]
    pub(crate) fn new(piece: &'a [u8]) -> Option<Self> {
        if let Some(key) = Key::new(piece, 0, piece.len()) {
            return Some(Self { piece, hash: key.hash() });
        }
        if piece.len().wrapping_sub(1) >= ROOM - 4 {
            return None;
        }
        let mut hash = piece.len() as u64;
        let (words, _) = piece.as_chunks::<8>();
        for word in words {
            hash = mix(hash, u64::from_le_bytes(*word));
        }
        // The last eight bytes, however many of them were there before.
        hash = mix(hash, piece.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)));
        Some(Self { piece, hash: hash ^ hash >> 32 })
    }

    /// The same for a piece whose short key is there.
    #[inline]
    pub(crate) fn of_short(piece: &'a [u8], key: Key, hash: u64) -> Option<Self> {
        (key != Key::NONE).then_some(Self { piece, hash })
    }
}

/// One multiplication, folded; the constants are digits of pi.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves of the product")]
fn mix(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x243F_6A88_85A3_08D3) * u128::from(word ^ 0x1319_8A2E_0370_7344);
    (product as u64) ^ (product >> 64) as u64
}

/// A cache of fixed size. An entry may lie in either of two neighbouring places; a new one takes a free one
/// of them, or either in turns. Like the cache of short pieces it begins small.
#[derive(Debug)]
pub(crate) struct LongCache {
    lines: Lines,
    /// The entries in use, a power of two.
    used: usize,
    /// Pieces that may come before more are used.
    room: usize,
    /// Which of two entries leaves next.
    turn: bool,
    pub(crate) stats: CacheStats,
}

/// 16 MiB.
const MOST: usize = 1 << 17;
/// 128 KiB.
const FIRST: usize = 1 << 10;

impl LongCache {
    pub(crate) fn new() -> Self {
        let lines = Lines::new(MOST * ENTRY / LINE);
        Self { lines, used: FIRST, room: FIRST / 4, turn: false, stats: CacheStats::default() }
    }

    fn entries(&self) -> &[[Line; 2]] {
        self.lines.get().as_chunks().0
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the number of entries")]
    fn places(key: &LongKey<'_>, used: usize) -> [usize; 2] {
        let first = key.hash as usize & (used - 1);
        [first, first ^ 1]
    }

    /// Asks for the memory where a piece lies.
    #[inline]
    pub(crate) fn prefetch(&self, key: &LongKey<'_>) {
        for at in Self::places(key, self.used) {
            if let Some([line, _]) = self.entries().get(at) {
                prefetch(line);
            }
        }
    }

    fn find(&self, key: &LongKey<'_>) -> Option<&[u8]> {
        let entries = self.entries();
        let found = Self::places(key, self.used).into_iter().filter_map(|at| entries.get(at));
        found.map(|entry| entry.as_flattened()).find(|entry| piece_of(entry) == key.piece)
    }

    /// Appends the ids of a piece to `out`, if they are known.
    #[inline]
    pub(crate) fn get(&mut self, key: &LongKey<'_>, out: &mut Vec<u32>) -> bool {
        let Some(entry) = self.find(key) else { return false };
        let (start, count) = (2 + key.piece.len(), usize::from(entry[1]));
        let ids = entry.get(start..).unwrap_or_default().as_chunks().0;
        out.extend(ids.iter().take(count).map(|id| u32::from_le_bytes(*id)));
        self.stats.hits += 1;
        true
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    #[expect(clippy::cast_possible_truncation, reason = "both fit into an entry")]
    pub(crate) fn put(&mut self, key: &LongKey<'_>, ids: &[u32]) {
        self.stats.misses += 1;
        if ids.is_empty() || key.piece.len() + 4 * ids.len() > ROOM {
            return;
        }
        self.room -= 1;
        if self.room == 0 {
            self.widen();
        }
        let Some(entry) = self.place_for(key) else { return };
        entry[0] = key.piece.len() as u8;
        entry[1] = ids.len() as u8;
        let (piece, rest) = entry[2..].split_at_mut(key.piece.len());
        piece.copy_from_slice(key.piece);
        for (place, id) in rest.as_chunks_mut().0.iter_mut().zip(ids) {
            *place = id.to_le_bytes();
        }
    }

    /// A free place for a piece, or one that has to be given up: the two take turns.
    fn place_for(&mut self, key: &LongKey<'_>) -> Option<&mut [u8]> {
        let places = Self::places(key, self.used);
        let (entries, _) = self.lines.get_mut().as_chunks_mut::<2>();
        let [one, other] = entries.get_disjoint_mut(places).ok()?;
        let (one, other) = (one.as_flattened_mut(), other.as_flattened_mut());
        if one[0] != 0 && other[0] != 0 {
            self.turn = !self.turn;
            self.stats.evictions += 1;
        }
        let takes_one = one[0] == 0 || other[0] != 0 && self.turn;
        Some(if takes_one { one } else { other })
    }

    /// Takes twice as many entries in use; those that belong there move.
    fn widen(&mut self) {
        let used = self.used;
        if used < MOST {
            self.used = used * 2;
            let (entries, _) = self.lines.get_mut().as_chunks_mut::<2>();
            let (old, new) = entries.get_mut(..used * 2).unwrap_or_default().split_at_mut(used);
            for (old, new) in old.iter_mut().zip(new) {
                let piece = piece_of(old.as_flattened());
                let hash = LongKey::new(piece).map_or(0, |key| key.hash);
                if hash & used as u64 != 0 {
                    *new = std::mem::replace(old, [[0; LINE]; 2]);
                }
            }
        }
        self.room = self.used / 4;
    }

    /// The memory it takes when it is full.
    pub(crate) const BYTES: usize = MOST * ENTRY;
}

/// The piece of an entry; an empty one where there is none.
#[inline]
fn piece_of(entry: &[u8]) -> &[u8] {
    let length = entry.first().map_or(0, |&length| usize::from(length));
    entry.get(2..2 + length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(cache: &mut LongCache, piece: &str) -> Option<Vec<u32>> {
        let mut out = Vec::new();
        cache.get(&LongKey::new(piece.as_bytes())?, &mut out).then_some(out)
    }

    #[test]
    fn pieces_of_every_length_with_any_number_of_ids() {
        let mut cache = LongCache::new();
        for length in 1..200 {
            let piece = "ж".repeat(length);
            for count in [1, 2, 5, 12, 30] {
                let piece = format!("{piece}{count}");
                let Some(key) = LongKey::new(piece.as_bytes()) else {
                    assert!(piece.len() > ROOM - 4);
                    continue;
                };
                assert_eq!(ids(&mut cache, &piece), None);
                let expected: Vec<u32> = (7..7 + count).collect();
                cache.put(&key, &expected);
                let fits = piece.len() + 4 * expected.len() <= ROOM;
                assert_eq!(ids(&mut cache, &piece), fits.then_some(expected));
            }
        }
    }

    #[test]
    fn what_is_kept_is_right_while_the_cache_grows_and_evicts() {
        let mut cache = LongCache::new();
        let piece = |n: u32| format!("a piece of some length, number {n}");
        for n in 0..300_000 {
            let key = piece(n);
            let key = LongKey::new(key.as_bytes()).unwrap();
            assert!(!cache.get(&key, &mut Vec::new()));
            cache.put(&key, &[n, n + 1]);
        }
        let kept = (0..300_000).filter(|&n| match ids(&mut cache, &piece(n)) {
            Some(found) => {
                assert_eq!(found, [n, n + 1]);
                true
            }
            None => false,
        });
        assert!(kept.count() > 20_000);
        assert!(cache.stats.evictions > 100_000);
    }
}

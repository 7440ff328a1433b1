//! Tables from short pieces of text to their token ids: one look-up instead of a merge.
//!
//! A slot is 32 bytes: the piece itself, up to 15 bytes with the length in the sixteenth, and up to
//! four ids. The whole key is compared, so a hash never decides; two slots share a cache line, so a
//! look-up touches one line. A set that is full drops or replaces an entry: no table ever grows, and
//! nobody can make one slow by choosing what goes into it.
//!
//! [`PieceTable`] is built once with a model and shared; [`PieceCache`] belongs to one call at a time
//! and learns. Both are used by every model: what a piece is (a pre-token, a word between spaces) is
//! the caller's business.

/// The longest piece that fits into a key, in bytes.
pub(crate) const MAX_KEY: usize = 15;
/// The most ids that fit into a slot.
pub(crate) const MAX_IDS: usize = 4;
/// Stands in the places of a slot that hold no id.
const NO_ID: u32 = u32::MAX;

/// A piece of 1 to 15 bytes with its length, in one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u128);

const fn masks() -> [u128; MAX_KEY + 1] {
    let mut masks = [0; MAX_KEY + 1];
    let mut length = 0;
    while length <= MAX_KEY {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
}

static MASKS: [u128; MAX_KEY + 1] = masks();

impl Key {
    /// No piece's key: nothing lies under it.
    pub(crate) const NONE: Self = Self(u128::MAX);

    /// The key of `text[start..end]`; none when it has no byte or more than [`MAX_KEY`].
    #[inline]
    pub(crate) fn new(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end - start;
        if length.wrapping_sub(1) >= MAX_KEY {
            return None;
        }
        // Sixteen bytes are loaded at once where the text has them, the tail byte by byte.
        let bytes = match text[start..].first_chunk::<16>() {
            Some(window) => u128::from_le_bytes(*window) & MASKS[length],
            None => Self::tail(&text[start..end]),
        };
        Some(Self(bytes | (length as u128) << 120))
    }

    #[cold]
    fn tail(piece: &[u8]) -> u128 {
        let mut bytes = [0; 16];
        bytes[..piece.len()].copy_from_slice(piece);
        u128::from_le_bytes(bytes)
    }

    /// The hash that [`PieceTable`] and [`PieceCache`] place it by; computed once for both.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves of the key and of the product")]
    pub(crate) fn hash(self) -> u64 {
        // One multiplication of the two halves, folded; the constants are digits of pi.
        let (low, high) = (self.0 as u64 ^ 0x243F_6A88_85A3_08D3, (self.0 >> 64) as u64);
        let product = u128::from(low) * u128::from(high ^ 0x1319_8A2E_0370_7344);
        (product as u64) ^ (product >> 64) as u64
    }
}

/// One to four ids, padded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids([u32; MAX_IDS]);

impl Ids {
    /// None when there are no ids or more than [`MAX_IDS`].
    pub(crate) fn new(ids: &[u32]) -> Option<Self> {
        if ids.is_empty() || ids.len() > MAX_IDS {
            return None;
        }
        let mut padded = [NO_ID; MAX_IDS];
        padded[..ids.len()].copy_from_slice(ids);
        Some(Self(padded))
    }

    /// Appends the ids to `out`.
    #[inline]
    pub(crate) fn push_to(self, out: &mut Vec<u32>) {
        let count = 1 + self.0[1..].iter().map(|&id| usize::from(id != NO_ID)).sum::<usize>();
        // Four stores at once and a shorter length cost less than a copy of variable length.
        let length = out.len() + count;
        out.extend_from_slice(&self.0);
        out.truncate(length);
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u128,
    ids: [u32; MAX_IDS],
}

const EMPTY: Slot = Slot { key: 0, ids: [NO_ID; MAX_IDS] };

/// Two slots in one cache line. The first one is tried first.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set([Slot; 2]);

impl Set {
    #[inline]
    fn get(&self, key: Key) -> Option<Ids> {
        let [first, second] = &self.0;
        if first.key == key.0 {
            Some(Ids(first.ids))
        } else if second.key == key.0 {
            Some(Ids(second.ids))
        } else {
            None
        }
    }

    fn put_if_free(&mut self, key: Key, ids: Ids) -> bool {
        let free = self.0.iter_mut().find(|slot| slot.key == 0);
        free.map(|slot| *slot = Slot { key: key.0, ids: ids.0 }).is_some()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "masked to the number of sets")]
fn places(hash: u64, sets: usize) -> (usize, usize) {
    (hash as usize & (sets - 1), (hash >> 32) as usize & (sets - 1))
}

/// An immutable table, shared by all threads. A piece may lie in either of two sets.
#[derive(Clone, Debug)]
pub(crate) struct PieceTable {
    sets: Box<[Set]>,
}

impl PieceTable {
    /// A table for about `entries` pieces; later entries are left out when both their sets are full.
    ///
    /// Between 0.4 and 0.8 of the slots are taken. A fuller table loses a few percent of its last
    /// entries to the cache; an emptier one falls out of the processor's cache.
    pub(crate) fn build(entries: usize, pieces: impl Iterator<Item = (Key, Ids)>) -> Self {
        let sets = (entries * 5 / 8).max(1).next_power_of_two();
        let mut table = Self { sets: vec![Set([EMPTY; 2]); sets].into_boxed_slice() };
        for (key, ids) in pieces {
            let (first, second) = places(key.hash(), sets);
            if !table.sets[first].put_if_free(key, ids) {
                table.sets[second].put_if_free(key, ids);
            }
        }
        table
    }

    /// The ids of a piece that lies in its first set, where most do.
    #[inline]
    pub(crate) fn get_first(&self, key: Key, hash: u64) -> Option<Ids> {
        self.sets[places(hash, self.sets.len()).0].get(key)
    }

    /// The ids of a piece that lies in its second set.
    #[inline]
    pub(crate) fn get_second(&self, key: Key, hash: u64) -> Option<Ids> {
        self.sets[places(hash, self.sets.len()).1].get(key)
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&self, key: Key, hash: u64) -> Option<Ids> {
        self.get_first(key, hash).or_else(|| self.get_second(key, hash))
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.sets)
    }
}

/// A cache of fixed size. A new piece moves the first of its set to second place and drops that.
#[derive(Debug)]
pub(crate) struct PieceCache {
    sets: Box<[Set]>,
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

/// The number of sets of a [`PieceCache`]: 8 MiB.
const CACHE_SETS: usize = 1 << 17;

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self {
            sets: vec![Set([EMPTY; 2]); CACHE_SETS].into_boxed_slice(),
            stats: CacheStats::default(),
        }
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&mut self, key: Key, hash: u64) -> Option<Ids> {
        let found = self.sets[places(hash, CACHE_SETS).0].get(key);
        self.stats.hits += u64::from(found.is_some());
        found
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    pub(crate) fn put(&mut self, key: Key, hash: u64, ids: &[u32]) {
        self.stats.misses += 1;
        let Some(ids) = Ids::new(ids) else { return };
        let Set([first, second]) = &mut self.sets[places(hash, CACHE_SETS).0];
        self.stats.evictions += u64::from(second.key != 0);
        *second = *first;
        *first = Slot { key: key.0, ids: ids.0 };
    }

    /// The memory it takes.
    pub(crate) const BYTES: usize = CACHE_SETS * size_of::<Set>();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text.as_bytes(), 0, text.len()).unwrap()
    }

    fn ids(found: Option<Ids>) -> Vec<u32> {
        let mut out = Vec::new();
        if let Some(ids) = found {
            ids.push_to(&mut out);
        }
        out
    }

    fn find(cache: &mut PieceCache, word: &str) -> Option<Ids> {
        cache.get(key(word), key(word).hash())
    }

    #[test]
    fn keys_tell_length_and_content() {
        assert!(Key::new(b"", 0, 0).is_none());
        assert!(Key::new(&[b'a'; 16], 0, 16).is_none());
        assert!(Key::new(&[b'a'; 16], 0, 15).is_some());
        assert_ne!(key("a"), key("a\0"));
        // The same piece has the same key whatever follows it, or nothing.
        assert_eq!(Key::new(b"the cat sat on the mat", 4, 7), Some(key("cat")));
        assert_eq!(Key::new(b"the cat", 4, 7), Some(key("cat")));
    }

    #[test]
    fn a_table_gives_what_was_put_or_nothing() {
        let words: Vec<String> = (0..5_000).map(|n| format!("w{n}")).collect();
        let entries = (0..).zip(&words).map(|(n, w)| (key(w), Ids::new(&[n, n + 1]).unwrap()));
        let table = PieceTable::build(words.len(), entries);
        let found = (0..).zip(&words).filter(|(n, w)| match table.get(key(w), key(w).hash()) {
            Some(found) => {
                assert_eq!(ids(Some(found)), [*n, n + 1]);
                true
            }
            None => false,
        });
        assert!(found.count() > 4_800, "two sets of two hold nearly everything");
        assert!(table.get(key("other"), key("other").hash()).is_none());
    }

    #[test]
    fn a_cache_replaces_within_its_set_and_counts() {
        let mut cache = PieceCache::new();
        let words: Vec<String> = (0..400_000).map(|n| format!("{n}")).collect();
        for (n, word) in (0..).zip(&words) {
            assert!(find(&mut cache, word).is_none());
            cache.put(key(word), key(word).hash(), &[n; 3]);
            assert_eq!(ids(find(&mut cache, word)), [n; 3]);
        }
        assert_eq!((cache.stats.misses, cache.stats.hits), (400_000, 400_000));
        assert!(cache.stats.evictions > 100_000);
        cache.put(key("none"), 1, &[]);
        cache.put(key("many"), 1, &[1, 2, 3, 4, 5]);
        assert!(cache.get(key("none"), 1).is_none() && cache.get(key("many"), 1).is_none());
    }
}

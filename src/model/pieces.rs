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

    /// The key in two halves.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves of the key")]
    pub(crate) fn words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    #[cold]
    fn tail(piece: &[u8]) -> u128 {
        let mut bytes = [0; 16];
        bytes[..piece.len()].copy_from_slice(piece);
        u128::from_le_bytes(bytes)
    }

    /// Whether the piece is ASCII.
    pub(crate) fn is_ascii(self) -> bool {
        self.0 & 0x8080_8080_8080_8080_8080_8080_8080_8080 == 0
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

/// The words of a slot: two of the key, two of the ids. A free slot is all zeros, so that new tables
/// come zeroed from the system and cost nothing until they are used.
const SLOT: usize = 4;
/// The words of a set: two slots, one cache line.
const SET: usize = 2 * SLOT;

/// Sets of two slots. The first slot is tried first.
#[derive(Clone, Debug)]
struct Sets {
    words: Vec<u64>,
    /// Where the first set begins, so that each lies in one cache line.
    base: usize,
    count: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "halves of what is stored")]
impl Sets {
    fn new(count: usize) -> Self {
        let words = vec![0; (count + 1) * SET];
        // A clone may lie elsewhere; then its sets touch two lines, and all else stays right.
        let base = words.as_ptr().align_offset(SET * size_of::<u64>()).min(SET);
        Self { words, base, count }
    }

    #[inline]
    fn set(&self, index: usize) -> &[u64; SET] {
        const FREE: &[u64; SET] = &[0; SET];
        let start = self.base + index * SET;
        self.words.get(start..).and_then(|rest| rest.first_chunk()).unwrap_or(FREE)
    }

    #[inline]
    fn get(&self, index: usize, key: Key) -> Option<Ids> {
        let (low, high) = (key.0 as u64, (key.0 >> 64) as u64);
        let set = self.set(index);
        let ids = if (set[0], set[1]) == (low, high) {
            [set[2], set[3]]
        } else if (set[4], set[5]) == (low, high) {
            [set[6], set[7]]
        } else {
            return None;
        };
        Some(Ids([ids[0] as u32, (ids[0] >> 32) as u32, ids[1] as u32, (ids[1] >> 32) as u32]))
    }

    /// The slots of a set, to be written.
    fn slots(&mut self, index: usize) -> [&mut [u64]; 2] {
        let start = self.base + index * SET;
        let (first, second) = self.words[start..start + SET].split_at_mut(SLOT);
        [first, second]
    }

    fn fill(slot: &mut [u64], key: Key, ids: Ids) {
        let pair = |at: usize| u64::from(ids.0[at]) | u64::from(ids.0[at + 1]) << 32;
        slot.copy_from_slice(&[key.0 as u64, (key.0 >> 64) as u64, pair(0), pair(2)]);
    }

    fn put_if_free(&mut self, index: usize, key: Key, ids: Ids) -> bool {
        let free = self.slots(index).into_iter().find(|slot| is_free(slot));
        free.map(|slot| Self::fill(slot, key, ids)).is_some()
    }

    fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.words)
    }
}

fn is_free(slot: &[u64]) -> bool {
    slot[0] == 0 && slot[1] == 0
}

#[expect(clippy::cast_possible_truncation, reason = "masked to the number of sets")]
fn places(hash: u64, sets: usize) -> (usize, usize) {
    (hash as usize & (sets - 1), (hash >> 32) as usize & (sets - 1))
}

/// An immutable table, shared by all threads. A piece may lie in either of two sets.
#[derive(Clone, Debug)]
pub(crate) struct PieceTable {
    sets: Sets,
}

impl PieceTable {
    /// A table for about `entries` pieces; later entries are left out when both their sets are full.
    ///
    /// Between 0.4 and 0.8 of the slots are taken. A fuller table loses a few percent of its last
    /// entries to the cache; an emptier one falls out of the processor's cache.
    pub(crate) fn build(entries: usize, pieces: impl Iterator<Item = (Key, Ids)>) -> Self {
        let sets = (entries * 5 / 8).max(1).next_power_of_two();
        let mut table = Self { sets: Sets::new(sets) };
        for (key, ids) in pieces {
            let (first, second) = places(key.hash(), sets);
            if !table.sets.put_if_free(first, key, ids) {
                table.sets.put_if_free(second, key, ids);
            }
        }
        table
    }

    /// A table of texts, each with the ids that `encode` gives it, where it does.
    pub(crate) fn of_texts<'a>(
        texts: impl Iterator<Item = &'a str>,
        mut encode: impl FnMut(&'a str, &mut Vec<u32>) -> bool,
    ) -> Self {
        let mut ids = Vec::new();
        let entries: Vec<(Key, Ids)> = texts
            .filter_map(|text| {
                let key = Key::new(text.as_bytes(), 0, text.len())?;
                ids.clear();
                let ids = encode(text, &mut ids).then(|| Ids::new(&ids)).flatten()?;
                Some((key, ids))
            })
            .collect();
        Self::build(entries.len(), entries.into_iter())
    }

    /// The ids of a piece that lies in its first set, where most do.
    #[inline]
    pub(crate) fn get_first(&self, key: Key, hash: u64) -> Option<Ids> {
        self.sets.get(places(hash, self.sets.count).0, key)
    }

    /// The ids of a piece that lies in its second set.
    #[inline]
    pub(crate) fn get_second(&self, key: Key, hash: u64) -> Option<Ids> {
        self.sets.get(places(hash, self.sets.count).1, key)
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&self, key: Key, hash: u64) -> Option<Ids> {
        self.get_first(key, hash).or_else(|| self.get_second(key, hash))
    }

    /// The memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.sets.bytes()
    }
}

/// A cache of fixed size. A new piece moves the first of its set to second place and drops that.
#[derive(Debug)]
pub(crate) struct PieceCache {
    sets: Sets,
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

/// The number of sets of a [`PieceCache`]: 2 MiB.
const CACHE_SETS: usize = 1 << 15;

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self { sets: Sets::new(CACHE_SETS), stats: CacheStats::default() }
    }

    /// The ids of a piece.
    #[inline]
    pub(crate) fn get(&mut self, key: Key, hash: u64) -> Option<Ids> {
        let found = self.sets.get(places(hash, CACHE_SETS).0, key);
        self.stats.hits += u64::from(found.is_some());
        found
    }

    /// Remembers the ids of a piece that was not there, if they fit.
    pub(crate) fn put(&mut self, key: Key, hash: u64, ids: &[u32]) {
        self.stats.misses += 1;
        let Some(ids) = Ids::new(ids) else { return };
        let [first, second] = self.sets.slots(places(hash, CACHE_SETS).0);
        self.stats.evictions += u64::from(!is_free(second));
        second.copy_from_slice(first);
        Sets::fill(first, key, ids);
    }

    /// The memory it takes.
    pub(crate) const BYTES: usize = CACHE_SETS * SET * size_of::<u64>();
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
        assert!(key("a\u{7F}").is_ascii() && key("123456789012345").is_ascii());
        assert!(!key("é").is_ascii() && !key("1234567890123é").is_ascii());
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

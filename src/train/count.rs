//! Counting words: a table for each thread, keyed by the bytes of the word.
//!
//! A word of up to 15 bytes is its own key, so a hit costs one probe and allocates nothing; longer
//! words are hashed and compared in full. Hashes are seeded: nobody can aim collisions. The order of
//! the result is that of the bytes, whatever the seed was.

// Words come in batches: a scanner is a chain of branches that the processor often guesses wrong, and a
// probe is a memory access that it would like to start early. Collected first, probed later, the
// accesses overlap. (Shares of words of 15 bytes or less: English 99.98 %, code 98.8 %, Chinese under
// GPT-2's pattern 82.8 %.)

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Counts of words, still unordered.
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// Used entries.
    used: usize,
    /// One less than the number of entries, which is a power of two.
    mask: usize,
    seeds: [u64; 2],
    batch: Vec<[u64; 2]>,
    long: HashTable<Long>,
    hasher: hashbrown::DefaultHashBuilder,
    arena: Vec<u8>,
}

/// A word of up to 15 bytes and its count. Bytes 0-7 in `key[0]`, bytes 8-14 in `key[1]`, the length in
/// the top byte, so no word is 0.
#[derive(Clone, Copy, Default)]
struct Entry {
    key: [u64; 2],
    count: u64,
}

struct Long {
    start: usize,
    length: usize,
    count: u64,
}

const SHORT: usize = 15;
const BATCH: usize = 32;

impl Table {
    /// An empty table.
    pub(crate) fn new() -> Self {
        let random = RandomState::new();
        let size = if cfg!(test) { 4 } else { 1 << 15 };
        Self {
            entries: vec![Entry::default(); size],
            used: 0,
            mask: size - 1,
            // Odd, so that neither factor of the hash is ever 0 for two keys in a row.
            seeds: [random.hash_one(1) | 1, random.hash_one(2) | 1],
            batch: Vec::with_capacity(BATCH),
            long: HashTable::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
            arena: Vec::new(),
        }
    }

    /// Counts the word `text[start..end]`.
    #[inline]
    pub(crate) fn add(&mut self, text: &[u8], start: usize, end: usize) {
        let length = end - start;
        if length > SHORT {
            self.add_long(&text[start..end], 1);
            return;
        }
        if length == 0 {
            return;
        }
        let key = match text.get(start..start + 16) {
            Some(ahead) => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(ahead);
                let all = u128::from_le_bytes(bytes) & (u128::MAX >> (128 - 8 * length));
                key(all, length)
            }
            None => short_key(&text[start..end]),
        };
        self.batch.push(key);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    #[inline]
    fn home(&self, key: [u64; 2]) -> usize {
        let wide = u128::from(key[0] ^ self.seeds[0]) * u128::from(key[1] ^ self.seeds[1]);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are mixed")]
        let mixed = (wide >> 64) as usize ^ wide as usize;
        mixed & self.mask
    }

    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        // Independent reads first: the processor fetches them together.
        let ahead = batch.iter().fold(0, |all, &key| all ^ self.entries[self.home(key)].key[0]);
        std::hint::black_box(ahead);
        for key in batch.drain(..) {
            self.add_short(key, 1);
        }
        self.batch = batch;
    }

    #[inline]
    fn add_short(&mut self, key: [u64; 2], count: u64) {
        let mut at = self.home(key);
        loop {
            let entry = &mut self.entries[at];
            if entry.key == key {
                entry.count += count;
                return;
            }
            if entry.key[1] == 0 {
                *entry = Entry { key, count };
                self.used += 1;
                if self.used * 2 > self.mask {
                    self.grow();
                }
                return;
            }
            at = (at + 1) & self.mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.mask + 1) * 2;
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); size]);
        self.mask = size - 1;
        for entry in old.into_iter().filter(|entry| entry.key[1] != 0) {
            let mut at = self.home(entry.key);
            while self.entries[at].key[1] != 0 {
                at = (at + 1) & self.mask;
            }
            self.entries[at] = entry;
        }
    }

    fn add_long(&mut self, word: &[u8], count: u64) {
        let Self { long, arena, hasher, .. } = self;
        let bytes = |entry: &Long| &arena[entry.start..entry.start + entry.length];
        let hash = hasher.hash_one(word);
        if let Some(entry) = long.find_mut(hash, |entry| bytes(entry) == word) {
            entry.count += count;
        } else {
            let entry = Long { start: arena.len(), length: word.len(), count };
            long.insert_unique(hash, entry, |entry| hasher.hash_one(bytes(entry)));
            arena.extend_from_slice(word);
        }
    }

    /// The words and their counts, ordered by bytes.
    pub(crate) fn into_sorted(mut self) -> Sorted {
        self.flush();
        let used = self.entries.into_iter().filter(|entry| entry.key[1] != 0);
        // Bytes first, then the length: the order of the bytes, as the key is filled up with zeros.
        let order =
            |key: [u64; 2]| u128::from(key[0].swap_bytes()) << 64 | u128::from(key[1].swap_bytes());
        let mut short: Vec<(u128, u64)> =
            used.map(|entry| (order(entry.key), entry.count)).collect();
        short.sort_unstable_by_key(|entry| entry.0);
        let arena = self.arena;
        let mut long: Vec<Long> = self.long.into_iter().collect();
        long.sort_unstable_by_key(|entry| &arena[entry.start..entry.start + entry.length]);
        Sorted { short, long, arena }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
fn key(bytes: u128, length: usize) -> [u64; 2] {
    [bytes as u64, (bytes >> 64) as u64 | (length as u64) << 56]
}

#[cold]
fn short_key(word: &[u8]) -> [u64; 2] {
    let mut bytes = [0; 16];
    bytes[..word.len()].copy_from_slice(word);
    key(u128::from_le_bytes(bytes), word.len())
}

/// The words of one thread, ordered by bytes.
pub(crate) struct Sorted {
    short: Vec<(u128, u64)>,
    long: Vec<Long>,
    arena: Vec<u8>,
}

impl Sorted {
    /// Calls `word` for each word, in order.
    pub(crate) fn each(&self, mut word: impl FnMut(&[u8], u64)) {
        let mut long = self.long.iter().peekable();
        let bytes = |entry: &Long| &self.arena[entry.start..entry.start + entry.length];
        for &(order, count) in &self.short {
            let key = order.to_be_bytes();
            let short = &key[..usize::from(key[15])];
            while let Some(entry) = long.next_if(|entry| bytes(entry) < short) {
                word(bytes(entry), entry.count);
            }
            word(short, count);
        }
        for entry in long {
            word(bytes(entry), entry.count);
        }
    }

    /// Both together. Counts are occurrences in a text, so they do not overflow.
    pub(crate) fn merge(self, other: Self) -> Self {
        let mut short = Vec::with_capacity(self.short.len().max(other.short.len()));
        let mut theirs = other.short.into_iter().peekable();
        for (order, mut count) in self.short {
            while let Some(entry) = theirs.next_if(|entry| entry.0 < order) {
                short.push(entry);
            }
            if let Some(entry) = theirs.next_if(|entry| entry.0 == order) {
                count += entry.1;
            }
            short.push((order, count));
        }
        short.extend(theirs);

        let mut arena = self.arena;
        let shift = arena.len();
        arena.extend_from_slice(&other.arena);
        let bytes = |entry: &Long| &arena[entry.start..entry.start + entry.length];
        let mut long: Vec<Long> = Vec::with_capacity(self.long.len().max(other.long.len()));
        let moved = |entry: Long| Long { start: entry.start + shift, ..entry };
        let mut theirs = other.long.into_iter().map(moved).peekable();
        for mut entry in self.long {
            while let Some(other) = theirs.next_if(|other| bytes(other) < bytes(&entry)) {
                long.push(other);
            }
            if let Some(other) = theirs.next_if(|other| bytes(other) == bytes(&entry)) {
                entry.count += other.count;
            }
            long.push(entry);
        }
        long.extend(theirs);
        Self { short, long, arena }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn all(sorted: &Sorted) -> Vec<(Vec<u8>, u64)> {
        let mut words = Vec::new();
        sorted.each(|word, count| words.push((word.to_vec(), count)));
        words
    }

    fn count(text: &[u8], cuts: &[usize]) -> Sorted {
        let mut table = Table::new();
        cuts.windows(2).for_each(|ends| table.add(text, ends[0], ends[1]));
        table.into_sorted()
    }

    proptest! {
        #[test]
        fn tables_count_as_a_map_does(
            text in vec(prop_oneof![3 => Just(b'a'), 1 => Just(0), 1 => any::<u8>()], 0..400),
            lengths in vec(prop_oneof![4 => 0..4_usize, 1 => 12..20_usize], 0..200),
            half in 0..200_usize,
        ) {
            let mut cuts = vec![0];
            cuts.extend(lengths.iter().scan(0, |at, length| {
                *at = (*at + length).min(text.len());
                Some(*at)
            }));
            let mut map: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for ends in cuts.windows(2).filter(|ends| ends[0] < ends[1]) {
                *map.entry(text[ends[0]..ends[1]].to_vec()).or_default() += 1;
            }
            let want: Vec<(Vec<u8>, u64)> = map.into_iter().collect();
            prop_assert_eq!(&all(&count(&text, &cuts)), &want);
            let half = half.min(cuts.len() - 1);
            let merged = count(&text, &cuts[..=half]).merge(count(&text, &cuts[half..]));
            prop_assert_eq!(&all(&merged), &want);
        }
    }
}

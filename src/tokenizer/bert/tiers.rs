//! What a call remembers of the stretches it met: their ids, by their bytes.
//!
//! Three tiers: stretches of up to 15 bytes with up to four ids, of 31 with eight, of 63 with sixteen.
//! A slot holds the whole stretch, its length and its ids, and the whole is compared, so that a hash
//! never decides. Two slots make a set, and a set that is full uses its neighbour's room; else a new
//! stretch moves the first to second place and drops that.
//!
//! A tier begins small, so that the first text of a process touches few pages, and grows in place as it
//! fills: its memory comes zeroed from the system, and a page that nobody touched costs nothing. It
//! never grows beyond a fixed size.

/// Words of a set, by those of a key: two slots of a key and as many words of ids.
const fn set_words(key: usize) -> usize {
    4 * key
}

/// Sets that a tier begins with.
const FIRST_SETS: usize = 1 << 9;
/// Ids below this can be remembered: the bits above say in the last one how many are missing.
const ID_LIMIT: u32 = 1 << 28;

/// Stretches of up to `8 * KEY - 1` bytes with up to `2 * KEY` ids.
#[derive(Debug)]
pub(super) struct Tier<const KEY: usize> {
    words: Vec<u64>,
    /// Where the first set begins, so that a set lies in as few cache lines as it can.
    base: usize,
    /// The sets in use, a power of two, and how many there may be.
    sets: usize,
    most: usize,
    /// The slots in use.
    filled: usize,
}

/// The key of a stretch: its bytes, zeros, and the length in the last byte.
pub(super) type Key<const KEY: usize> = [u64; KEY];

#[expect(clippy::cast_possible_truncation, reason = "halves of what is stored, and hashes cut off")]
impl<const KEY: usize> Tier<KEY> {
    /// The most bytes of a stretch, and the most ids.
    pub(super) const MAX_BYTES: usize = 8 * KEY - 1;
    pub(super) const MAX_IDS: usize = 2 * KEY;

    /// The memory of a tier of so many sets.
    pub(super) const fn bytes(sets: usize) -> usize {
        sets * set_words(KEY) * size_of::<u64>()
    }

    pub(super) fn new(most: usize) -> Self {
        let words = vec![0; (most + 1) * set_words(KEY)];
        let base = words.as_ptr().align_offset(64).min(8);
        Self { words, base, sets: FIRST_SETS.min(most), most, filled: 0 }
    }

    /// A hash that places keys; the whole key is compared, so it needs to be quick, not good.
    #[inline]
    pub(super) fn hash(key: &Key<KEY>) -> u64 {
        // Multiplications of two words each, folded; the constants are digits of pi.
        let mut hash = 0x243F_6A88_85A3_08D3;
        for at in 0..KEY / 2 {
            let product = u128::from(key[2 * at] ^ hash)
                * u128::from(key[2 * at + 1] ^ 0x1319_8A2E_0370_7344);
            hash = (product as u64) ^ (product >> 64) as u64;
        }
        hash
    }

    /// The set that a hash leads to, and its neighbour, where what does not fit there may lie.
    #[inline]
    fn sets_of(&self, hash: u64) -> [usize; 2] {
        let set = hash as usize & (self.sets - 1);
        [self.base + set * set_words(KEY), self.base + (set ^ 1) * set_words(KEY)]
    }

    /// Fetches what a hash leads to.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        let [home, _] = self.sets_of(hash);
        if let Some(set) = self.words.get(home..) {
            crate::memory::prefetch_near(set);
        }
    }

    /// The ids of a stretch, to be unpacked by [`unpack`].
    #[inline]
    pub(super) fn get(&self, key: &Key<KEY>, hash: u64) -> Option<&[u64; KEY]> {
        let [home, beside] = self.sets_of(hash);
        self.get_at(home, key).or_else(|| self.get_at(beside, key))
    }

    /// What lies in the home set, or anything, and whether it is the stretch that was asked for: no
    /// branch that would have to wait for memory.
    #[inline]
    pub(super) fn probe(&self, key: &Key<KEY>, hash: u64) -> ([u64; KEY], bool) {
        let [home, _] = self.sets_of(hash);
        let Some(set) = self.words.get(home..home + set_words(KEY)) else {
            return ([0; KEY], false);
        };
        let (first, second) = set.split_at(2 * KEY);
        let (in_first, in_second) = (is(first, key), is(second, key));
        let mut ids = [0; KEY];
        for at in 0..KEY {
            ids[at] = if in_second { second[KEY + at] } else { first[KEY + at] };
        }
        (ids, in_first | in_second)
    }

    #[inline]
    fn get_at(&self, start: usize, key: &Key<KEY>) -> Option<&[u64; KEY]> {
        let set = self.words.get(start..start + set_words(KEY))?;
        let (first, second) = set.split_at(2 * KEY);
        // Both are compared, for nobody can predict which one it is.
        let (in_first, in_second) = (is(first, key), is(second, key));
        if in_first | in_second {
            let slot = if in_second { second } else { first };
            slot[KEY..].first_chunk()
        } else {
            None
        }
    }

    /// Remembers the ids of a stretch, if they fit; whether another one had to leave.
    pub(super) fn put(&mut self, key: &Key<KEY>, hash: u64, ids: &[u32]) -> bool {
        if ids.is_empty() || ids.len() > Self::MAX_IDS || ids.iter().any(|&id| id >= ID_LIMIT) {
            return false;
        }
        // Three slots of eight: fuller sets push out what comes back soon.
        if self.filled * 8 > self.sets * 2 * 3 && self.sets < self.most {
            self.grow();
        }
        let mut packed = [0; KEY];
        for (at, &id) in ids.iter().enumerate() {
            packed[at / 2] |= u64::from(id) << (32 * (at % 2));
        }
        packed[KEY - 1] |= ((Self::MAX_IDS - ids.len()) as u64) << 60;
        let [home, beside] = self.sets_of(hash);
        let full = |start: usize| !is_free(&self.words[start + 2 * KEY..start + set_words(KEY)]);
        let start = if full(home) && !full(beside) { beside } else { home };
        let (first, second) = self.words[start..start + set_words(KEY)].split_at_mut(2 * KEY);
        let leaves = !is_free(second);
        self.filled += usize::from(!leaves);
        second.copy_from_slice(first);
        let (place, values) = first.split_at_mut(KEY);
        place.copy_from_slice(key);
        values.copy_from_slice(&packed);
        leaves
    }

    /// Doubles the sets in use: one more bit of the hash decides which half a stretch lies in.
    #[cold]
    fn grow(&mut self) {
        let half = self.sets;
        for set in 0..half {
            let low = self.base + set * set_words(KEY);
            let (lower, upper) = self.words[low..].split_at_mut(half * set_words(KEY));
            let moves = |slot: &[u64]| {
                let key = slot.first_chunk().map_or(0, Self::hash);
                !is_free(slot) && key as usize & half != 0
            };
            let (first, second) = lower[..set_words(KEY)].split_at_mut(2 * KEY);
            let (upper_first, upper_second) = upper[..set_words(KEY)].split_at_mut(2 * KEY);
            match (moves(first), moves(second)) {
                (false, false) => {}
                (false, true) => upper_first.swap_with_slice(second),
                (true, moves_second) => {
                    upper_first.swap_with_slice(first);
                    if moves_second {
                        upper_second.swap_with_slice(second);
                    } else {
                        first.swap_with_slice(second);
                    }
                }
            }
        }
        self.sets = 2 * half;
    }
}

#[inline]
fn is<const KEY: usize>(slot: &[u64], key: &Key<KEY>) -> bool {
    let mut other = 0;
    for at in 0..KEY {
        other |= slot[at] ^ key[at];
    }
    other == 0
}

/// No stretch is empty, so no key is all zeros.
fn is_free(slot: &[u64]) -> bool {
    slot[..slot.len() / 2].iter().all(|&word| word == 0)
}

/// Writes the ids of a slot to the front of `out`, with others behind them, and returns how many count.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves of what is stored")]
pub(super) fn unpack<const KEY: usize>(ids: &[u64; KEY], out: &mut [u32; 16]) -> usize {
    for at in 0..KEY {
        out[2 * at] = ids[at] as u32;
        out[2 * at + 1] = (ids[at] >> 32) as u32;
    }
    2 * KEY - (ids[KEY - 1] >> 60) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<const KEY: usize>(text: &str) -> Key<KEY> {
        super::super::keys::padded(text.as_bytes(), 0, text.len())
    }

    fn check<const KEY: usize>() {
        let mut tier = Tier::<KEY>::new(1 << 12);
        let mut left = 0;
        for number in 0..40_000_u32 {
            let word = format!("{number}{}", "x".repeat(number as usize % (8 * KEY - 6)));
            let key = key(&word);
            let hash = Tier::hash(&key);
            assert!(tier.get(&key, hash).is_none());
            let ids: Vec<u32> =
                (number..).take(number as usize % (2 * KEY)).chain([ID_LIMIT - 1]).collect();
            left += u32::from(tier.put(&key, hash, &ids));
            let mut found = [0; 16];
            let count = unpack(tier.get(&key, hash).unwrap(), &mut found);
            assert_eq!(found[..count], ids);
            assert!(tier.filled <= 2 * tier.sets && tier.sets <= 1 << 12);
        }
        assert_eq!(tier.sets, 1 << 12, "it grew");
        assert_eq!(left as usize + tier.filled, 40_000, "and then others had to leave");
        // Growing loses nothing.
        let mut tier = Tier::<KEY>::new(1 << 12);
        let keys: Vec<_> = (0..3_000).map(|n| key::<KEY>(&format!("{n}"))).collect();
        let mut kept = Vec::new();
        for (n, key) in (0..).zip(&keys) {
            let before = tier.sets;
            tier.put(key, Tier::hash(key), &[n]);
            if before != tier.sets {
                let alive = |kept: &&u32| {
                    tier.get(&keys[**kept as usize], Tier::hash(&keys[**kept as usize])).is_some()
                };
                kept = kept.iter().filter(alive).copied().collect();
            }
            kept.push(n);
        }
        assert!(kept.len() > 2_000);
    }

    #[test]
    fn what_was_put_is_found_until_it_has_to_leave() {
        check::<2>();
        check::<4>();
        check::<8>();
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let mut tier = Tier::<2>::new(1 << 4);
        for ids in [&[][..], &[1, 2, 3, 4, 5], &[ID_LIMIT]] {
            let key = key("word");
            assert!(!tier.put(&key, Tier::hash(&key), ids));
            assert!(tier.get(&key, Tier::hash(&key)).is_none());
        }
        assert_ne!(key::<2>("a"), key::<2>("a\0"));
    }
}

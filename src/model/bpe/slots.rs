//! Hash tables from pairs of symbols to merges: the slots behind [`PairTable`](super::pairs::PairTable).
//!
//! Both kinds are seeded per process, so that a file cannot be made whose pairs collide; nothing that
//! leaves a table depends on the seed.

use std::hash::{BuildHasher, RandomState};

use crate::ids::{Pair, TokenId};
use crate::memory::prefetch_near;

/// What a pair becomes that does not merge, rank and id in one word.
pub(super) const NOTHING: u64 = u64::MAX;

/// A slot that holds no pair. No pair of valid ids is packed so.
const FREE: u64 = u64::MAX;

fn seed() -> u64 {
    RandomState::new().hash_one(0) | 1
}

/// Slots in a bucket, 32 bytes of either kind.
const WIDE: usize = 2;
const NARROW: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Slot {
    pair: u64,
    merge: u64,
}

/// Slots of 16 bytes in buckets, linear probing over buckets at a load of at most one half. The last
/// bucket stays free.
#[derive(Clone, Debug)]
pub(super) struct Wide {
    slots: Box<[Slot]>,
    seed: u64,
    shift: u32,
    len: usize,
}

impl Wide {
    /// An empty table with room for `pairs`.
    pub(super) fn with_room(pairs: usize) -> Self {
        let slots = (pairs * 2).next_power_of_two().max(16);
        let free = Slot { pair: FREE, merge: NOTHING };
        Self {
            slots: vec![free; slots + WIDE].into_boxed_slice(),
            seed: seed(),
            shift: 64 - (slots / WIDE).trailing_zeros(),
            len: 0,
        }
    }

    /// The first slot of the last bucket.
    #[inline]
    fn room(&self) -> usize {
        self.slots.len() - WIDE
    }

    /// The first slot of a pair's bucket.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted to the number of buckets")]
    fn place(&self, pair: u64) -> usize {
        let product = u128::from(pair ^ self.seed) * u128::from(self.seed);
        (((product as u64) ^ (product >> 64) as u64) >> self.shift) as usize * WIDE
    }

    fn after(&self, at: usize) -> usize {
        let next = at + WIDE;
        if next == self.room() { 0 } else { next }
    }

    /// Sets what a pair becomes, and returns what it became before.
    pub(super) fn insert(&mut self, pair: Pair, merge: u64) -> u64 {
        if (self.len + 1) * 2 > self.room() {
            self.grow();
        }
        let pair = pair.packed();
        let mut at = self.place(pair);
        loop {
            for slot in &mut self.slots[at..at + WIDE] {
                if slot.pair == pair {
                    return std::mem::replace(&mut slot.merge, merge);
                }
                if slot.pair == FREE {
                    *slot = Slot { pair, merge };
                    self.len += 1;
                    return NOTHING;
                }
            }
            at = self.after(at);
        }
    }

    fn grow(&mut self) {
        let mut larger = Self::with_room(self.room());
        for slot in self.slots.iter().filter(|slot| slot.pair != FREE) {
            larger.insert(Pair::from_packed(slot.pair), slot.merge);
        }
        *self = larger;
    }

    /// What a pair becomes. Where it `may` not become anything the free bucket is looked at.
    #[inline]
    pub(super) fn find(&self, left: TokenId, right: TokenId, may: bool) -> u64 {
        let pair = Pair::new(left, right).packed();
        let at = if may { self.place(pair) } else { self.room() };
        let Some(bucket) = self.slots.get(at..).and_then(|rest| rest.first_chunk::<WIDE>()) else {
            return NOTHING;
        };
        let mut found = NOTHING;
        for slot in bucket {
            found = if slot.pair == pair { slot.merge } else { found };
        }
        // Buckets fill up from the first slot.
        if found == NOTHING && bucket[WIDE - 1].pair != FREE {
            return self.find_further(at, pair);
        }
        found
    }

    /// Asks for the memory where a pair lies.
    #[inline]
    pub(super) fn prefetch(&self, left: TokenId, right: TokenId) {
        if let Some(slot) = self.slots.get(self.place(Pair::new(left, right).packed())) {
            prefetch_near(slot);
        }
    }

    #[cold]
    fn find_further(&self, mut at: usize, pair: u64) -> u64 {
        loop {
            at = self.after(at);
            for slot in &self.slots[at..at + WIDE] {
                if slot.pair == pair || slot.pair == FREE {
                    return slot.merge;
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

/// Slots of 8 bytes, for models of usual size. Buckets do not spill over: the table that takes what
/// does not go in is seldom looked at.
///
/// A pair is multiplied by an odd factor. The high bits of the product are its bucket; those that follow
/// stand in the slot, from the top, and rank and id at the bottom.
#[derive(Clone, Debug)]
pub(super) struct Narrow {
    /// Buckets, and behind them one that stays free.
    slots: Box<[u64]>,
    /// Shifted so that the product ends at the top of a word.
    factor: u64,
    /// The bits of a symbol, and of the number of a bucket.
    symbol: u32,
    bucket: u32,
    /// Rank and id of a slot are less; all bits of a rank set are those of a free slot.
    limit: u64,
    further: Wide,
    /// There is more in the other table than buckets had no place for.
    more: bool,
}

fn bits(limit: usize) -> u32 {
    usize::BITS - limit.leading_zeros()
}

impl Narrow {
    /// A table with room for `pairs`, of symbols and ranks below their limits; none where 8 bytes are
    /// not enough.
    pub(super) fn with_room(pairs: usize, symbols: usize, ranks: usize) -> Option<Self> {
        let slots = (pairs * 2).next_power_of_two().max(16);
        let (symbol, rank) = (bits(symbols), bits(ranks + 1));
        let bucket = (slots / NARROW).trailing_zeros();
        let rest = (2 * symbol).checked_sub(bucket)?;
        if symbol > 31 || rank > 31 || rest == 0 || rest + rank + symbol > 64 {
            return None;
        }
        Some(Self {
            slots: vec![FREE; slots + NARROW].into_boxed_slice(),
            factor: seed() << (64 - 2 * symbol),
            symbol,
            bucket,
            limit: ((1 << rank) - 1) << symbol,
            further: Wide::with_room(slots / 64),
            more: false,
        })
    }

    /// The first slot of a pair's bucket, and the high bits of its slot.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted to the number of buckets")]
    fn place(&self, left: TokenId, right: TokenId) -> (usize, u64) {
        let pair = u64::from(left) << self.symbol | u64::from(right);
        let product = pair.wrapping_mul(self.factor);
        ((product >> (64 - self.bucket)) as usize * NARROW, product << self.bucket)
    }

    /// What a slot keeps for a merge; none where a number is too large.
    fn pack(&self, pair: Pair, merge: u64) -> Option<u64> {
        let (rank, id) = (merge >> 32, merge & 0xFFFF_FFFF);
        let symbols = [u64::from(pair.left()), u64::from(pair.right()), id];
        let fits = symbols.iter().all(|&symbol| symbol >> self.symbol == 0);
        Some(rank << self.symbol | id).filter(|&value| fits && value < self.limit)
    }

    /// Sets what a pair becomes, and returns what it became before.
    pub(super) fn insert(&mut self, pair: Pair, merge: u64) -> u64 {
        let Some(value) = self.pack(pair, merge) else {
            self.more = true;
            let old = self.remove(pair);
            let other = self.further.insert(pair, merge);
            return old.min(other);
        };
        let (left, right) = (pair.left(), pair.right());
        if self.more && self.further.find(left, right, true) != NOTHING {
            return self.further.insert(pair, merge);
        }
        let (at, high) = self.place(left, right);
        for slot in &mut self.slots[at..at + NARROW] {
            let old = slot.wrapping_sub(high);
            if *slot == FREE || old < self.limit {
                let free = *slot == FREE;
                *slot = high | value;
                return if free { NOTHING } else { self.unpack(old) };
            }
        }
        self.further.insert(pair, merge)
    }

    /// Takes a pair out of its bucket, if it is there, and returns what it became.
    fn remove(&mut self, pair: Pair) -> u64 {
        if u64::from(pair.left() | pair.right()) >> self.symbol != 0 {
            return NOTHING;
        }
        let (at, high) = self.place(pair.left(), pair.right());
        let bucket = &mut self.slots[at..at + NARROW];
        let Some(place) = bucket.iter().position(|slot| slot.wrapping_sub(high) < self.limit)
        else {
            return NOTHING;
        };
        let old = bucket[place].wrapping_sub(high);
        bucket[place..].rotate_left(1);
        bucket[NARROW - 1] = FREE;
        self.unpack(old)
    }

    /// Rank and id of a slot, apart.
    #[inline]
    fn unpack(&self, value: u64) -> u64 {
        let rank = value >> self.symbol;
        rank << 32 | (value ^ rank << self.symbol)
    }

    /// As [`Wide::find`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the two of a merge wait for memory together")]
    pub(super) fn find(&self, left: TokenId, right: TokenId, may: bool) -> u64 {
        if u64::from(left | right) >> self.symbol != 0 {
            return self.further.find(left, right, may);
        }
        let (at, high) = self.place(left, right);
        let at = if may { at } else { self.slots.len() - NARROW };
        let Some(bucket) = self.slots.get(at..).and_then(|rest| rest.first_chunk::<NARROW>())
        else {
            return NOTHING;
        };
        // A slot with other high bits is less, which makes it large, or is larger by more than a limit.
        let [a, b, c, d] = bucket.map(|slot| slot.wrapping_sub(high));
        let value = a.min(b).min(c.min(d));
        if value < self.limit {
            return self.unpack(value);
        }
        if bucket[NARROW - 1] != FREE || self.more {
            return self.further.find(left, right, may);
        }
        NOTHING
    }

    /// Asks for the memory where a pair lies.
    #[inline]
    pub(super) fn prefetch(&self, left: TokenId, right: TokenId) {
        if let Some(slot) = self.slots.get(self.place(left, right).0) {
            prefetch_near(slot);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots) + self.further.bytes()
    }
}

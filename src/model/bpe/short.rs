//! Merging a few symbols in arrays of fixed size.
//!
//! Every place keeps what it would merge to with its right neighbour as one integer: rank, place, id,
//! from the high bits to the low. The least of them is the next merge, among equals the leftmost, and
//! says all about it. Places never move: which of them still hold a symbol is a set of bits, and
//! neighbours are found by counting zeros. So there is little to copy and hardly a branch that cannot
//! be foreseen.

use super::pairs::PairTable;
use crate::ids::TokenId;

/// The most symbols that are merged so.
pub(super) const SHORT: usize = 64;
/// Places are padded to a multiple of this, so that loops over them have few lengths.
const STEP: usize = 8;
/// Ranks must lie below.
pub(super) const RANKS: u32 = (1 << 26) - 1;
/// From here on keys say that nothing is merged.
const NEVER: u64 = (RANKS as u64) << 38;

/// What symbols there are, and what neighbours merge to at first.
pub(super) trait Source {
    /// The number of symbols.
    fn len(&self) -> usize;
    /// A symbol.
    fn symbol(&self, at: usize) -> TokenId;
    /// What the symbols at a place and after it merge to, as [`PairTable::packed`].
    fn first(&self, at: usize) -> u64;
    /// Whether the symbols of two ranges are the same.
    fn same(&self, a: std::ops::Range<usize>, b: std::ops::Range<usize>) -> bool;
}

/// Bytes that all have tokens, each pair of which has its merge in a table of its own.
pub(super) struct Bytes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) firsts: &'a Firsts,
}

/// The symbols of single bytes and the merges of their pairs.
#[derive(Clone, Debug)]
pub(super) struct Firsts {
    ids: [TokenId; 256],
    pairs: Box<[u64]>,
}

impl Firsts {
    /// The tokens of all bytes, with what `pairs` says of those that are in `merges`.
    pub(super) fn new(
        ids: &[TokenId; 256],
        merges: &[(TokenId, TokenId)],
        pairs: &PairTable,
    ) -> Self {
        let mut bytes: Vec<(TokenId, usize)> = ids.iter().copied().zip(0..).collect();
        bytes.sort_unstable();
        let largest = bytes.last().map_or(0, |&(id, _)| id);
        let byte = |id: TokenId| {
            let at = bytes.binary_search_by_key(&id, |&(id, _)| id).ok()?;
            bytes.get(at).map(|&(_, byte)| byte)
        };
        let mut firsts = vec![u64::MAX; 1 << 16].into_boxed_slice();
        for &(left, right) in merges {
            if left <= largest
                && right <= largest
                && let (Some(first), Some(second)) = (byte(left), byte(right))
            {
                firsts[first << 8 | second] = pairs.packed(left, right);
            }
        }
        Self { ids: *ids, pairs: firsts }
    }

    /// The token of a byte.
    #[inline]
    pub(super) fn id(&self, byte: u8) -> TokenId {
        self.ids[usize::from(byte)]
    }

    /// What two bytes merge to, as [`PairTable::packed`].
    #[inline]
    pub(super) fn pair(&self, left: u8, right: u8) -> u64 {
        self.pairs[usize::from(left) << 8 | usize::from(right)]
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.pairs)
    }
}

impl Source for Bytes<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn symbol(&self, at: usize) -> TokenId {
        self.firsts.id(self.bytes[at])
    }

    #[inline]
    fn first(&self, at: usize) -> u64 {
        self.firsts.pair(self.bytes[at], self.bytes[at + 1])
    }

    #[inline]
    fn same(&self, a: std::ops::Range<usize>, b: std::ops::Range<usize>) -> bool {
        self.bytes[a] == self.bytes[b]
    }
}

/// Symbols as they come.
pub(super) struct Symbols<'a> {
    pub(super) symbols: &'a [TokenId],
    pub(super) pairs: &'a PairTable,
}

impl Source for Symbols<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.symbols.len()
    }

    #[inline]
    fn symbol(&self, at: usize) -> TokenId {
        self.symbols[at]
    }

    #[inline]
    fn first(&self, at: usize) -> u64 {
        self.pairs.packed(self.symbols[at], self.symbols[at + 1])
    }

    #[inline]
    fn same(&self, a: std::ops::Range<usize>, b: std::ops::Range<usize>) -> bool {
        self.symbols[a] == self.symbols[b]
    }
}

/// Up to [`SHORT`] symbols, and what is left of them.
#[derive(Debug)]
pub(super) struct Short {
    symbols: [TokenId; SHORT],
    keys: [u64; SHORT],
    /// The places that hold a symbol.
    live: u64,
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { symbols: [0; SHORT], keys: [0; SHORT], live: 0, len: 0 }
    }
}

/// A merge that was made, and the symbols that stand before and after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    id: TokenId,
    at: usize,
    before: u64,
    after: u64,
}

impl Change {
    #[inline]
    fn next(self) -> Option<usize> {
        (self.after != 0).then(|| self.after.trailing_zeros() as usize % SHORT)
    }

    #[inline]
    fn previous(self) -> Option<usize> {
        (self.before != 0).then(|| self.before.ilog2() as usize % SHORT)
    }
}

/// The key of a place: `packed` has rank and id in its halves.
#[inline]
fn key(packed: u64, place: usize) -> u64 {
    packed >> 32 << 38 | packed & 0xFFFF_FFFF | (place as u64) << 32
}

/// The bits below a place.
#[inline]
fn below(place: usize) -> u64 {
    (1 << place) - 1
}

impl Short {
    /// Merges the symbols `from..to` of a source, which are one to [`SHORT`].
    pub(super) fn run(&mut self, source: &impl Source, from: usize, to: usize, pairs: &PairTable) {
        let padded = self.start(source, from, to);
        while let Some(change) = self.take(padded) {
            self.settle(change, pairs);
        }
    }

    /// Takes the symbols `from..to` of a source, which are one to [`SHORT`], and returns how many keys
    /// are to be looked at.
    pub(super) fn start(&mut self, source: &impl Source, from: usize, to: usize) -> usize {
        let len = (to - from).clamp(1, SHORT);
        debug_assert_eq!(len, to - from);
        self.len = len;
        self.live = u64::MAX >> (SHORT - len);
        for (place, (symbol, key_at)) in
            self.symbols[..len - 1].iter_mut().zip(&mut self.keys[..len - 1]).enumerate()
        {
            *symbol = source.symbol(from + place);
            *key_at = key(source.first(from + place), place);
        }
        self.symbols[len - 1] = source.symbol(to - 1);
        let padded = (len - 1).next_multiple_of(STEP);
        self.keys[len - 1..padded].fill(u64::MAX);
        padded
    }

    /// Makes the next merge; none is left where it gives none. Its neighbours are to be settled next.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "parts of a key")]
    pub(super) fn take(&mut self, padded: usize) -> Option<Change> {
        let Self { symbols, keys, live, .. } = self;
        let best = least(&keys[..padded]);
        if best >= NEVER {
            return None;
        }
        let (id, at) = (best as TokenId, (best >> 32) as usize % SHORT);
        // What is to the right of the left symbol: the right one, and what comes after it.
        let rest = *live & (u64::MAX << at << 1);
        let right = rest.trailing_zeros() as usize % SHORT;
        let after = rest & rest.wrapping_sub(1);
        let before = *live & below(at);
        *live &= !(1 << right);
        symbols[at] = id;
        keys[right] = u64::MAX;
        keys[at] = u64::MAX;
        Some(Change { id, at, before, after })
    }

    /// Finds what the symbol that a merge made merges to with its neighbours.
    #[inline]
    pub(super) fn settle(&mut self, change: Change, pairs: &PairTable) {
        let (Self { symbols, keys, .. }, id) = (self, change.id);
        if let Some(next) = change.next() {
            keys[change.at % SHORT] = key(pairs.packed(id, symbols[next]), change.at);
        }
        if let Some(previous) = change.previous() {
            keys[previous] = key(pairs.packed(symbols[previous], id), previous);
        }
    }

    /// Asks for the memory that settling will read.
    #[inline]
    pub(super) fn prefetch(&self, change: Change, pairs: &PairTable) {
        pairs.prefetch_sides(change.id);
        if let Some(next) = change.next() {
            pairs.prefetch(change.id, self.symbols[next]);
        }
        if let Some(previous) = change.previous() {
            pairs.prefetch(self.symbols[previous], change.id);
        }
    }

    /// Calls `emit` with each symbol that is left and the range of symbols it was.
    #[inline]
    pub(super) fn for_each(&self, mut emit: impl FnMut(TokenId, usize, usize)) {
        let mut live = self.live;
        while live != 0 {
            let at = live.trailing_zeros() as usize;
            live &= live - 1;
            let end = if live == 0 { self.len } else { live.trailing_zeros() as usize };
            emit(self.symbols[at % SHORT], at, end);
        }
    }
}

/// The least key; their number is a multiple of [`STEP`].
#[inline]
fn least(keys: &[u64]) -> u64 {
    let mut best = u64::MAX;
    for step in keys.chunks_exact(STEP) {
        let pair = |at: usize| step[at].min(step[at + 1]);
        best = best.min(pair(0).min(pair(2)).min(pair(4).min(pair(6))));
    }
    best
}

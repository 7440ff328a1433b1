//! Merging one piece: the pair of least rank first, among equals the leftmost, until none is left.
//!
//! Short pieces keep the merge of every neighbouring pair in an array and scan it for the least one:
//! for the dozen symbols of a usual miss nothing beats a scan. Long pieces keep a linked list and a
//! heap of candidates, O(n log n); a candidate is stale when its symbols have changed, and is skipped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pairs::{Merge, PairTable};
use crate::ids::{Pair, TokenId};

/// Above this many symbols the heap wins over the scan.
const SCAN_LIMIT: usize = 64;
/// Candidates that are looked at where chance decides, beside eight for each symbol.
const STEPS: usize = 1 << 26;
/// No symbol: the end of the linked list.
const END: u32 = u32::MAX;
/// The merge of a pair that has none.
const NEVER: Merge = Merge { rank: u32::MAX, id: u32::MAX };

/// The buffers of a merge, to be reused.
#[derive(Debug, Default)]
pub(crate) struct MergeScratch {
    /// The symbols: filled by the caller, replaced by the result.
    pub(crate) symbols: Vec<TokenId>,
    /// The bytes of the piece that each symbol covers, where anybody asks.
    pub(super) lengths: Vec<u32>,
    merges: Vec<Merge>,
    links: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<(u32, u32, TokenId)>>,
    /// Merges that chance has left out until the next one is made.
    skipped: Vec<(u32, u32, TokenId)>,
    /// A piece in the byte alphabet.
    pub(super) spelled: String,
}

impl MergeScratch {
    /// Gives the buffers back when the largest of them takes more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        // A candidate is the largest thing that is kept for a symbol.
        let candidate = size_of::<Reverse<(u32, u32, TokenId)>>();
        let most = self.symbols.capacity().max(self.heap.capacity()).max(self.skipped.capacity());
        if most * candidate > bytes || self.spelled.capacity() > bytes {
            *self = Self::default();
        }
    }

    #[inline]
    pub(super) fn push(&mut self, symbol: TokenId, length: u32) {
        self.symbols.push(symbol);
        self.lengths.push(length);
    }

    /// Merges `symbols` in place, and `lengths` where they are asked for.
    pub(super) fn run<const LENGTHS: bool>(&mut self, pairs: &PairTable) {
        if self.symbols.len() <= SCAN_LIMIT {
            self.scan::<LENGTHS>(pairs);
        } else {
            self.heap::<LENGTHS>(pairs);
        }
    }

    fn scan<const LENGTHS: bool>(&mut self, pairs: &PairTable) {
        let Self { symbols, lengths, merges, .. } = self;
        let merge = |left, right| pairs.get(Pair::new(left, right)).unwrap_or(NEVER);
        merges.clear();
        merges.extend(symbols.windows(2).map(|pair| merge(pair[0], pair[1])));
        while let Some(at) = least(merges) {
            let id = merges[at].id;
            symbols[at] = id;
            symbols.remove(at + 1);
            merges.remove(at);
            if LENGTHS {
                lengths[at] += lengths.remove(at + 1);
            }
            if at < merges.len() {
                merges[at] = merge(id, symbols[at + 1]);
            }
            if at > 0 {
                merges[at - 1] = merge(symbols[at - 1], id);
            }
        }
    }

    fn heap<const LENGTHS: bool>(&mut self, pairs: &PairTable) {
        self.propose_all(pairs);
        while let Some(Reverse((rank, at, _))) = self.heap.pop() {
            // A pair has a rank of its own, except in scored vocabularies, where what counts is that
            // a merge is still possible and still as good.
            if let Some((right, merge)) = self.candidate(at, pairs)
                && merge.rank == rank
            {
                self.apply::<LENGTHS>(at, right, merge.id, pairs);
            }
        }
        self.compact::<LENGTHS>();
    }

    /// Merges as the reference library does to the letter, where that is not the same: `drops` says
    /// which merges are put off until another one is made. A candidate there is good as long as it
    /// still leads to the same token, also from another pair, which takes a token without text.
    ///
    /// Where nearly all merges are put off, each one that is made costs a walk through all others; so
    /// in a piece of megabytes the walk ends some time, and the merges that are left are not made.
    pub(super) fn queue(&mut self, pairs: &PairTable, mut drops: impl FnMut() -> bool) {
        self.propose_all(pairs);
        self.skipped.clear();
        let mut steps = STEPS.saturating_add(self.symbols.len().saturating_mul(8));
        while let Some(Reverse(top)) = self.heap.pop() {
            steps = steps.saturating_sub(1);
            if steps == 0 {
                break;
            }
            if drops() {
                self.skipped.push(top);
                continue;
            }
            self.heap.extend(self.skipped.drain(..).map(Reverse));
            let (_, at, id) = top;
            if let Some((right, merge)) = self.candidate(at, pairs)
                && merge.id == id
            {
                self.apply::<true>(at, right, id, pairs);
            }
        }
        self.compact::<true>();
    }

    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 symbols")]
    fn propose_all(&mut self, pairs: &PairTable) {
        let Self { symbols, links, heap, .. } = self;
        let count = symbols.len() as u32;
        links.clear();
        links.extend((0..count).map(|at| (at.wrapping_sub(1), at + 1)));
        if let Some(last) = links.last_mut() {
            last.1 = END;
        }
        heap.clear();
        // Built in one go: that is linear.
        let mut all = std::mem::take(heap).into_vec();
        all.extend((0..).zip(symbols.windows(2)).filter_map(|(at, pair)| {
            let merge = pairs.get(Pair::new(pair[0], pair[1]))?;
            Some(Reverse((merge.rank, at, merge.id)))
        }));
        *heap = all.into();
    }

    /// The right half of the pair that stands at `at` now, and what the pair becomes.
    #[inline]
    fn candidate(&self, at: u32, pairs: &PairTable) -> Option<(u32, Merge)> {
        // A symbol that was merged away is marked END, which is no half of a pair.
        let right = self.links[at as usize].1;
        let symbol = self.symbols[at as usize];
        if symbol == END || right == END {
            return None;
        }
        Some((right, pairs.get(Pair::new(symbol, self.symbols[right as usize]))?))
    }

    #[inline]
    fn apply<const LENGTHS: bool>(&mut self, at: u32, right: u32, id: TokenId, pairs: &PairTable) {
        let Self { symbols, lengths, links, heap, .. } = self;
        let propose = |heap: &mut BinaryHeap<_>, at: u32, left: TokenId, right: TokenId| {
            if let Some(merge) = pairs.get(Pair::new(left, right)) {
                heap.push(Reverse((merge.rank, at, merge.id)));
            }
        };
        let (left, next) = (links[at as usize].0, links[right as usize].1);
        symbols[at as usize] = id;
        symbols[right as usize] = END;
        if LENGTHS {
            lengths[at as usize] += lengths[right as usize];
        }
        links[at as usize].1 = next;
        if next != END {
            links[next as usize].0 = at;
            propose(heap, at, id, symbols[next as usize]);
        }
        if left != END {
            propose(heap, left, symbols[left as usize], id);
        }
    }

    fn compact<const LENGTHS: bool>(&mut self) {
        let Self { symbols, lengths, .. } = self;
        if LENGTHS {
            let mut symbol = symbols.iter();
            lengths.retain(|_| symbol.next().is_some_and(|&symbol| symbol != END));
        }
        symbols.retain(|&symbol| symbol != END);
    }
}

/// The place of the leftmost merge of least rank.
#[inline]
fn least(merges: &[Merge]) -> Option<usize> {
    let mut best = (u32::MAX, None);
    for (at, merge) in merges.iter().enumerate() {
        if merge.rank < best.0 {
            best = (merge.rank, Some(at));
        }
    }
    best.1
}

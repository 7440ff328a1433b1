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
/// No symbol: the end of the linked list.
const END: u32 = u32::MAX;
/// The merge of a pair that has none.
const NEVER: Merge = Merge { rank: u32::MAX, id: u32::MAX };

/// The buffers of a merge, to be reused.
#[derive(Debug, Default)]
pub(crate) struct MergeScratch {
    /// The symbols: filled by the caller, replaced by the result.
    pub(crate) symbols: Vec<TokenId>,
    merges: Vec<Merge>,
    links: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<(u32, u32, TokenId, Pair)>>,
}

impl MergeScratch {
    /// Gives the buffers back when the largest of them takes more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        // A candidate is the largest thing that is kept for a symbol.
        let candidate = size_of::<Reverse<(u32, u32, TokenId, Pair)>>();
        if self.symbols.capacity().max(self.heap.capacity()) * candidate > bytes {
            *self = Self::default();
        }
    }

    /// Merges `symbols` in place.
    pub(crate) fn run(&mut self, pairs: &PairTable) {
        if self.symbols.len() <= SCAN_LIMIT { self.scan(pairs) } else { self.heap(pairs) }
    }

    fn scan(&mut self, pairs: &PairTable) {
        let Self { symbols, merges, .. } = self;
        let merge = |left, right| pairs.get(Pair::new(left, right)).unwrap_or(NEVER);
        merges.clear();
        merges.extend(symbols.windows(2).map(|pair| merge(pair[0], pair[1])));
        while let Some(at) = least(merges) {
            let id = merges[at].id;
            symbols[at] = id;
            symbols.remove(at + 1);
            merges.remove(at);
            if at < merges.len() {
                merges[at] = merge(id, symbols[at + 1]);
            }
            if at > 0 {
                merges[at - 1] = merge(symbols[at - 1], id);
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 symbols")]
    fn heap(&mut self, pairs: &PairTable) {
        let Self { symbols, links, heap, .. } = self;
        let count = symbols.len() as u32;
        links.clear();
        links.extend((0..count).map(|at| (at.wrapping_sub(1), at + 1)));
        links[symbols.len() - 1].1 = END;
        heap.clear();
        let propose = |heap: &mut BinaryHeap<_>, at: u32, pair: Pair| {
            if let Some(merge) = pairs.get(pair) {
                heap.push(Reverse((merge.rank, at, merge.id, pair)));
            }
        };
        for (at, pair) in (0..).zip(symbols.windows(2)) {
            propose(heap, at, Pair::new(pair[0], pair[1]));
        }
        while let Some(Reverse((_, at, id, pair))) = heap.pop() {
            let right = links[at as usize].1;
            // A symbol that was merged away is marked END and so equals no half of a pair.
            if symbols[at as usize] != pair.left()
                || right == END
                || symbols[right as usize] != pair.right()
            {
                continue;
            }
            let (left, next) = (links[at as usize].0, links[right as usize].1);
            symbols[at as usize] = id;
            symbols[right as usize] = END;
            links[at as usize].1 = next;
            if next != END {
                links[next as usize].0 = at;
                propose(heap, at, Pair::new(id, symbols[next as usize]));
            }
            if left != END {
                propose(heap, left, Pair::new(symbols[left as usize], id));
            }
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

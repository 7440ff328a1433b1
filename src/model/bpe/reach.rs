//! Which tokens merging reaches, told from the merges without merging anything.
//!
//! A token is reached when its own text merges to it alone. Merging every token to see costs most of
//! the time that a model takes to load. For nearly all of them it follows from their parts:
//!
//! Let (l, r) with rank k become t, let l and r be reached, each by merges of rising ranks that all
//! lie below k. Merging looks at the least rank first, so the merges of the text of l and those of
//! the text of r happen as they would apart, until one reaches across the border between the two;
//! and if none does before both are whole, (l, r) is merged and t is reached, by rising ranks again.
//! The only two symbols that could meet there are, at any time, the last one of the left side and
//! the first one of the right side. Both sides are known backwards: before the last merge on the
//! left its end was the right part of l, before that the right part of this one, and so on. The pair
//! (a, b) reaches across when its rank comes before the merge that takes a or b away: below that on
//! the left, or up to that on the right, since among equals the leftmost goes first.
//!
//! What is not proven so is not wrong: there are merges that use a token before any makes it. Those
//! are for the caller to merge.

use super::pairs::{Merge, PairTable};
use crate::ids::{Pair, TokenId};

/// How a token is made.
#[derive(Clone, Copy)]
struct Made {
    /// One more than the rank of the merge that makes it; 0 for what text starts as.
    time: u32,
    left: TokenId,
    right: TokenId,
}

const UNPROVEN: Made = Made { time: u32::MAX, left: 0, right: 0 };

/// The tokens that are known to be reached.
pub(super) struct Reach {
    made: Vec<Made>,
}

impl Reach {
    /// Nothing is known; of `ids` below a limit.
    pub(super) fn new(ids: usize) -> Self {
        Self { made: vec![UNPROVEN; ids] }
    }

    /// A symbol that text starts as.
    pub(super) fn add_base(&mut self, id: TokenId) {
        if let Some(made) = self.made.get_mut(id as usize) {
            made.time = 0;
        }
    }

    /// Learns from a merge, with all merges in `pairs`. Merges come by rank.
    pub(super) fn add(&mut self, pair: Pair, merge: Merge, pairs: &PairTable) {
        let time = merge.rank.saturating_add(1);
        let (left, right) = (pair.left(), pair.right());
        let rises = self.of(left).time < time && self.of(right).time < time;
        if rises
            && !self.has(merge.id)
            && !self.crosses(left, right, pairs)
            && let Some(made) = self.made.get_mut(merge.id as usize)
        {
            *made = Made { time, left, right };
        }
    }

    /// Whether the token is reached; those that are not may be.
    pub(super) fn has(&self, id: TokenId) -> bool {
        self.of(id).time != UNPROVEN.time
    }

    fn of(&self, id: TokenId) -> Made {
        self.made.get(id as usize).copied().unwrap_or(UNPROVEN)
    }

    /// Whether a merge reaches across the border before both sides are whole.
    fn crosses(&self, mut left: TokenId, mut right: TokenId, pairs: &PairTable) -> bool {
        loop {
            // The later of the last merges on both sides is undone; among equals the right one.
            let (l, r) = (self.of(left), self.of(right));
            let before = if l.time > r.time {
                left = l.right;
                l.time - 1
            } else if r.time > 0 {
                right = r.left;
                r.time
            } else {
                return false;
            };
            if pairs.get(Pair::new(left, right)).is_some_and(|merge| merge.rank < before) {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::bpe::merge::MergeScratch;

    /// Random merges over three letters: who claims to be reached is, by merging; where ranks always
    /// rise, who is reached claims it.
    fn check(merges: &[(usize, usize)], order: &[u32]) -> Result<(usize, usize), TestCaseError> {
        let mut texts: Vec<Vec<u32>> = (0..3).map(|letter| vec![letter]).collect();
        let mut made: Vec<(Pair, TokenId)> = Vec::new();
        for &(left, right) in merges {
            let (left, right) = (left % texts.len(), right % texts.len());
            let text = [texts[left].clone(), texts[right].clone()].concat();
            let pair = Pair::new(u32::try_from(left).unwrap(), u32::try_from(right).unwrap());
            if text.len() > 24 || made.iter().any(|(other, _)| *other == pair) {
                continue;
            }
            let id = texts.iter().position(|other| *other == text).unwrap_or(texts.len());
            if id == texts.len() {
                texts.push(text);
            }
            made.push((pair, u32::try_from(id).unwrap()));
        }
        // Some merges change their places, so that ranks do not always rise.
        for swap in order.chunks_exact(2) {
            if !made.is_empty() {
                let (a, b) = (swap[0] as usize % made.len(), swap[1] as usize % made.len());
                made.swap(a, b);
            }
        }
        let mut pairs = PairTable::with_room(made.len());
        let mut reach = Reach::new(texts.len());
        (0..3).for_each(|id| reach.add_base(id));
        let merge_of = |rank: usize, id| Merge { rank: u32::try_from(rank).unwrap(), id };
        for (rank, &(pair, id)) in made.iter().enumerate() {
            pairs.insert(pair, merge_of(rank, id));
        }
        for (rank, &(pair, id)) in made.iter().enumerate() {
            reach.add(pair, merge_of(rank, id), &pairs);
        }
        let mut scratch = MergeScratch::default();
        let (mut reached, mut proven) = (0, 0);
        let used_first = made.iter().enumerate().any(|(rank, (pair, _))| {
            made[rank..].iter().any(|&(_, id)| id == pair.left() || id == pair.right())
        });
        for (id, text) in (0..).zip(&texts) {
            scratch.symbols.clone_from(text);
            scratch.run::<false>(&pairs);
            let is = scratch.symbols == [id];
            reached += usize::from(is);
            proven += usize::from(reach.has(id));
            prop_assert!(is || !reach.has(id), "{:?} is not reached: {:?}", text, made);
            prop_assert!(!is || used_first || reach.has(id), "{:?} is reached: {:?}", text, made);
        }
        Ok((reached, proven))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_proven_is_so_by_merging(
            merges in prop::collection::vec((0usize..40, 0usize..40), 0..40),
            order in prop::collection::vec(any::<u32>(), 0..8),
        ) {
            check(&merges, &order)?;
            check(&merges, &[])?;
        }
    }

    #[test]
    fn equal_symbols_merge_from_the_left() {
        // a a -> aa (0), aa a -> aaa (1), a aa (2) -> aaa: a + aa never stays so.
        let mut pairs = PairTable::with_room(4);
        let merges = [(0, 0, 1), (1, 0, 2), (0, 1, 2), (1, 1, 3), (1, 2, 4), (2, 1, 4)];
        let all = (0..)
            .zip(merges)
            .map(|(rank, (left, right, id))| (Pair::new(left, right), Merge { rank, id }));
        all.clone().for_each(|(pair, merge)| assert!(pairs.insert(pair, merge).is_none()));
        let mut reach = Reach::new(5);
        reach.add_base(0);
        all.for_each(|(pair, merge)| reach.add(pair, merge, &pairs));
        assert!((0..4).all(|id| reach.has(id)));
        // aaaaa: aa aa a, aa aaa (its rank is the least), aaaaa.
        assert_eq!((reach.made[2].left, reach.made[3].left, reach.has(4)), (1, 1, true));
    }
}

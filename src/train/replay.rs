//! Merges that were found before, applied to a word: what comes before going on.

// Two meanings, which agree on what plain training learns. *In order*: each merge is applied once, to
// all places at its time, as the loop did it. *By rank*: the least merge that applies, again and again,
// as a tokenizer encodes. They part where a pair comes to stand in a word after its time: an affix that
// is spelled by the text, a vocabulary from elsewhere, pieces that stage one of superwords never saw.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::ids::{Pair, TokenId};

/// A merge that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) left: TokenId,
    pub(super) right: TokenId,
    pub(super) new: TokenId,
}

/// Words up to this many symbols are searched from end to end for their next merge.
const SHORT: usize = if cfg!(test) { 4 } else { 48 };

/// Merges to apply.
#[derive(Default)]
pub(super) struct Replay {
    /// The first time of each pair, and what it becomes.
    first: FxHashMap<Pair, (u32, TokenId)>,
    /// The later times of pairs that were merged more than once.
    later: FxHashMap<Pair, Vec<(u32, TokenId)>>,
    by_rank: bool,
}

impl Replay {
    /// Each merge once, in order.
    pub(super) fn in_order(events: &[Event]) -> Self {
        Self::new(events, false)
    }

    /// The least one that applies.
    pub(super) fn by_rank(events: &[Event]) -> Self {
        Self::new(events, true)
    }

    fn new(events: &[Event], by_rank: bool) -> Self {
        let mut replay = Self { by_rank, ..Self::default() };
        for (time, event) in (0_u32..).zip(events) {
            let pair = Pair::new(event.left, event.right);
            let entry = (time, event.new);
            match replay.first.entry(pair) {
                Entry::Occupied(_) => replay.later.entry(pair).or_default().push(entry),
                Entry::Vacant(first) => _ = first.insert(entry),
            }
        }
        replay
    }

    /// When the pair is merged next, not before `now`.
    #[inline]
    fn next(&self, left: TokenId, right: TokenId, now: u32) -> Option<(u32, TokenId)> {
        let pair = Pair::new(left, right);
        let &first = self.first.get(&pair)?;
        if self.by_rank || first.0 >= now {
            return Some(first);
        }
        let later = self.later.get(&pair)?;
        later.get(later.partition_point(|entry| entry.0 < now)).copied()
    }

    /// Applies them to a word.
    pub(super) fn apply(&self, symbols: &mut Vec<TokenId>) {
        if self.first.is_empty() || symbols.len() < 2 {
        } else if symbols.len() <= SHORT {
            self.scan(symbols);
        } else {
            self.queue(symbols);
        }
    }

    /// One merge after the other, the first of the least time; the times of all pairs stand in a list.
    fn scan(&self, symbols: &mut Vec<TokenId>) {
        const NEVER: (u32, TokenId) = (u32::MAX, 0);
        let due = |left, right, now| self.next(left, right, now).unwrap_or(NEVER);
        let mut times: Vec<_> = symbols.windows(2).map(|pair| due(pair[0], pair[1], 0)).collect();
        while let Some((at, &(time, new))) = times.iter().enumerate().min_by_key(|it| it.1.0) {
            if time == u32::MAX {
                return;
            }
            symbols[at] = new;
            symbols.remove(at + 1);
            times.remove(at);
            // A pair that this merge made has its time after it, if the merge is not due again.
            let now = if self.by_rank { 0 } else { time + 1 };
            for pair in at.saturating_sub(1)..=at {
                if let Some(due_at) = times.get_mut(pair) {
                    *due_at = due(symbols[pair], symbols[pair + 1], now);
                }
            }
        }
    }

    /// The same for long words: a queue of (time, place).
    fn queue(&self, symbols: &mut Vec<TokenId>) {
        let end = symbols.len();
        // Where the next and the previous symbol stands; `end` for a place that is gone.
        let mut after: Vec<usize> = (1..=end).collect();
        let mut before: Vec<usize> = (0..end).map(|at| at.wrapping_sub(1)).collect();
        let mut gone = vec![false; end];
        let mut queue = BinaryHeap::new();
        for (at, pair) in symbols.windows(2).enumerate() {
            if let Some((time, new)) = self.next(pair[0], pair[1], 0) {
                queue.push(Reverse((time, at, pair[0], pair[1], new)));
            }
        }
        while let Some(Reverse((time, at, left, right, new))) = queue.pop() {
            let next = after[at];
            if gone[at] || symbols[at] != left || next == end || symbols[next] != right {
                continue;
            }
            symbols[at] = new;
            gone[next] = true;
            after[at] = after[next];
            if after[at] < end {
                before[after[at]] = at;
            }
            // A pair that this merge made has its time after it, if the merge is not due again.
            let now = if self.by_rank { 0 } else { time + 1 };
            let around = [(before[at], at), (at, after[at])];
            for (one, two) in around.into_iter().filter(|&(one, two)| one < end && two < end) {
                if let Some((due, made)) = self.next(symbols[one], symbols[two], now) {
                    queue.push(Reverse((due, one, symbols[one], symbols[two], made)));
                }
            }
        }
        let mut gone = gone.into_iter();
        symbols.retain(|_| !gone.next().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Each event, over the whole word.
    fn in_order(events: &[Event], symbols: &mut Vec<TokenId>) {
        for event in events {
            let mut at = 0;
            while at + 1 < symbols.len() {
                if (symbols[at], symbols[at + 1]) == (event.left, event.right) {
                    symbols.splice(at..at + 2, [event.new]);
                }
                at += 1;
            }
        }
    }

    /// The least event that applies, leftmost first.
    fn by_rank(events: &[Event], symbols: &mut Vec<TokenId>) {
        let rank = |pair: &[TokenId]| {
            events.iter().position(|event| [event.left, event.right] == [pair[0], pair[1]])
        };
        while let Some((rank, at)) =
            symbols.windows(2).enumerate().filter_map(|(at, pair)| Some((rank(pair)?, at))).min()
        {
            symbols.splice(at..at + 2, [events[rank].new]);
        }
    }

    /// Events among few symbols, also such as training never makes: results that stand in the text,
    /// pairs that come again.
    fn events() -> impl Strategy<Value = Vec<Event>> {
        let fresh = vec((0..8_u32, 0..8_u32), 0..8).prop_map(|pairs| {
            let event = |(new, (left, right)): (u32, (u32, u32))| {
                (left < new && right < new).then_some(Event { left, right, new })
            };
            (3..).zip(pairs).filter_map(event).collect()
        });
        let any = vec((0..5_u32, 0..5_u32, 3..7_u32), 0..10).prop_map(|events| {
            events.into_iter().map(|(left, right, new)| Event { left, right, new }).collect()
        });
        prop_oneof![fresh, any]
    }

    proptest! {
        #[test]
        fn a_replay_is_what_was_done(events in events(), word in vec(0..4_u32, 0..40)) {
            let mut want = word.clone();
            in_order(&events, &mut want);
            let replay = Replay::in_order(&events);
            for road in [Replay::apply, Replay::scan, Replay::queue] {
                let mut got = word.clone();
                road(&replay, &mut got);
                prop_assert_eq!(&got, &want);
            }
        }

        #[test]
        fn a_replay_by_rank_is_what_a_tokenizer_does(
            events in events(), word in vec(0..4_u32, 0..40)
        ) {
            let mut events = events;
            events.sort_by_key(|event| (event.left, event.right));
            events.dedup_by_key(|event| (event.left, event.right));
            let mut want = word.clone();
            by_rank(&events, &mut want);
            let replay = Replay::by_rank(&events);
            let mut got = word.clone();
            replay.queue(&mut got);
            prop_assert_eq!(&got, &want);
            let mut got = word;
            replay.apply(&mut got);
            prop_assert_eq!(&got, &want);
        }
    }
}

//! What is to be said about a training.

use serde::{Deserialize, Serialize};

use super::policies::{Policy, Refused};

/// What happened while merges were learned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Merges for which another pair was as frequent, so that the rule for ties decided.
    pub near_ties: u64,
    /// What each limit refused, in the order of [`Policy::ALL`].
    pub refused: [Refused; Policy::ALL.len()],
    /// Entries of the vocabulary, and the tokens that the text had then: at the start, at powers of two
    /// and halfway between, and at the end.
    pub curve: Vec<(usize, u64)>,
    /// The bytes of the text, all words together.
    pub bytes: u64,
    /// Merges that were made for forced tokens alone.
    pub forced_merges: u64,
    /// What a limited alphabet left out.
    pub dropped: Dropped,
}

/// Characters without a place in the alphabet, which are deleted from the words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Distinct characters.
    pub characters: u64,
    /// How often they occur.
    pub occurrences: u64,
    /// The most frequent of them.
    pub examples: Vec<String>,
}

impl Dropped {
    /// The most examples there are.
    pub(super) const EXAMPLES: usize = 20;
}

/// Whether the curve has a point at this size.
pub(super) fn is_point(size: usize) -> bool {
    size.is_power_of_two() || (size.is_multiple_of(3) && (size / 3).is_power_of_two())
}

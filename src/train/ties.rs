//! Which of equally frequent pairs is merged first.

// The heap of the merge loop is ordered by count, then by one of the ranks below. Each is a total order
// of pairs that no later merge changes, so the top of the heap is the same however it was filled, and
// among all pairs of one count: a round tracks either all of them or none (`bpe.rs`). The rule is a
// type, so that the default one pays nothing for the others.

use std::cmp::Reverse;
use std::rc::Rc;

use super::Unit;
use super::policies::bytes;
use crate::ids::{Pair, TokenId};

/// Which of equally frequent pairs is merged first.
///
/// The bytes of a token are what it stands for: under [`Unit::Byte`] a character counts as the byte that it
/// shows, under [`Unit::Char`] and where it shows none, as UTF-8. Pairs of the same bytes go by ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// The smallest left id, then the smallest right id, as `tokenizers` has it.
    #[default]
    Tokenizers,
    /// The greatest bytes of the left token, then of the right one, as in Stanford's course CS336.
    Cs336,
    /// The smallest bytes of the left token, then of the right one.
    RawBytes,
}

impl Ties {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Tokenizers, Self::Cs336, Self::RawBytes];

    /// A name for options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokenizers => "tokenizers",
            Self::Cs336 => "cs336",
            Self::RawBytes => "raw_bytes",
        }
    }
}

/// A pair in the order of one rule: the greatest is merged first. No two pairs are equal.
pub(super) trait Rank: Ord {
    /// What the rule has to know of a token.
    type Name;

    /// The name of `token`.
    fn name(token: &str, unit: Unit) -> Self::Name;

    /// The rank of `pair`; `names` are those of all tokens, by id.
    fn new(pair: Pair, names: &[Self::Name]) -> Self;

    /// The pair again.
    fn pair(&self) -> Pair;
}

/// [`Ties::Tokenizers`].
pub(super) type SmallestIds = Reverse<Pair>;

impl Rank for SmallestIds {
    type Name = ();

    #[inline]
    fn name(_: &str, _: Unit) {}

    #[inline]
    fn new(pair: Pair, _: &[()]) -> Self {
        Reverse(pair)
    }

    #[inline]
    fn pair(&self) -> Pair {
        self.0
    }
}

/// [`Ties::Cs336`].
pub(super) type GreatestBytes = (Rc<[u8]>, Rc<[u8]>, Reverse<Pair>);

impl Rank for GreatestBytes {
    type Name = Rc<[u8]>;

    fn name(token: &str, unit: Unit) -> Self::Name {
        bytes(token, unit).into()
    }

    fn new(pair: Pair, names: &[Self::Name]) -> Self {
        let name = |id: TokenId| Rc::clone(&names[id as usize]);
        (name(pair.left()), name(pair.right()), Reverse(pair))
    }

    fn pair(&self) -> Pair {
        self.2.0
    }
}

/// [`Ties::RawBytes`].
pub(super) type SmallestBytes = Reverse<(Rc<[u8]>, Rc<[u8]>, Pair)>;

impl Rank for SmallestBytes {
    type Name = Rc<[u8]>;

    fn name(token: &str, unit: Unit) -> Self::Name {
        bytes(token, unit).into()
    }

    fn new(pair: Pair, names: &[Self::Name]) -> Self {
        let (left, right, Reverse(pair)) = GreatestBytes::new(pair, names);
        Reverse((left, right, pair))
    }

    fn pair(&self) -> Pair {
        self.0.2
    }
}

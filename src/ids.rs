//! Small integer types: token ids, pairs of them, and spans of a text.

use crate::error::{Error, Result};

/// The number of a token. Ids are dense or nearly so: see [`MAX_ID`].
pub type TokenId = u32;

/// The largest id that a vocabulary may hold. Above it sit the sentinels of packed tables.
pub const MAX_ID: TokenId = 0x7FFF_FFFF;

/// The longest text that one call takes, in bytes: positions are kept in 32 bits.
pub const MAX_TEXT_BYTES: usize = (u32::MAX - 64) as usize;

/// Two adjacent ids, packed so that one integer is hashed and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair(u64);

impl Pair {
    /// The pair of `left` and `right`; pairs order by left id, then by right id.
    #[inline]
    pub(crate) fn new(left: TokenId, right: TokenId) -> Self {
        Self(u64::from(left) << 32 | u64::from(right))
    }

    /// The first id.
    #[inline]
    pub(crate) fn left(self) -> TokenId {
        (self.0 >> 32) as TokenId
    }

    /// The second id.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    pub(crate) fn right(self) -> TokenId {
        self.0 as TokenId
    }

    /// The pair that [`Pair::packed`] gave.
    #[inline]
    pub(crate) fn from_packed(packed: u64) -> Self {
        Self(packed)
    }

    /// Both ids in one integer.
    #[inline]
    pub(crate) fn packed(self) -> u64 {
        self.0
    }
}

/// A range of bytes of one text, `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span `start..end`. Both must not exceed [`MAX_TEXT_BYTES`]: the calls that take text check
    /// it.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "texts are shorter than u32::MAX bytes")]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Self { start: start as u32, end: end as u32 }
    }

    /// As a range to index a text with.
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The number of bytes.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it covers no byte.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Checks that positions in `text` fit into a [`Span`].
///
/// # Errors
/// [`Error::Argument`] when the text is longer than [`MAX_TEXT_BYTES`].
#[inline]
pub(crate) fn check_text_length(text: &str) -> Result<()> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let wanted = format!("at most {MAX_TEXT_BYTES} bytes long; split it first");
    Err(Error::argument("text", format!("{} bytes long", text.len()), wanted))
}

/// What a file's steps may make of a short text ...
const SMALL: usize = 16 << 20;
/// ... and of a long one, as a multiple of it. No real step comes near either.
const TIMES: usize = 256;

/// The longest text that steps may make of one of `length` bytes. A file may hold steps that each
/// double a text, and what a step puts in front may be as long as the file.
pub(crate) fn growth_limit(length: usize) -> usize {
    length.saturating_mul(TIMES).saturating_add(SMALL).min(MAX_TEXT_BYTES)
}

/// The error of what grew beyond `limit`.
#[cold]
pub(crate) fn grown_too_long(what: &'static str, limit: usize) -> Error {
    let wanted = format!("at most {limit} bytes long for this text");
    Error::argument(what, format!("more than {limit} bytes long"), wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_both_ids_and_order_by_the_left_one() {
        let pair = Pair::new(7, MAX_ID);
        assert_eq!((pair.left(), pair.right()), (7, MAX_ID));
        assert!(Pair::new(1, 9) < Pair::new(2, 0));
    }
}

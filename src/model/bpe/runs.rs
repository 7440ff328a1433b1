//! Texts of characters that tokens seldom join: Chinese, Japanese, Thai, Korean and others.
//!
//! A piece of them falls into stretches of a character or two ([`Joins`]), and what a character of
//! three bytes becomes alone is known when the model is built. So most of such a piece becomes ids with
//! one look at a table for each character, and nothing is hashed.

use super::cuts::Joins;
use super::pairs::PairTable;
use super::short::Firsts;
use crate::ids::TokenId;

/// What each character of three bytes becomes on its own.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    entries: Box<[Entry]>,
}

/// One to three ids of 21 bits, and a bit that says that they are here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry(u64);

const BITS: u32 = 21;
/// No id; larger ones have no place here.
const NONE: u32 = (1 << BITS) - 1;
const HERE: u64 = 1 << 63;

impl Entry {
    const EMPTY: Self = Self(0);

    fn new(ids: &[TokenId]) -> Self {
        if ids.is_empty() || ids.len() > 3 || ids.iter().any(|&id| id >= NONE) {
            return Self::EMPTY;
        }
        let id = |at: usize| u64::from(ids.get(at).copied().unwrap_or(NONE));
        Self(id(0) | id(1) << BITS | id(2) << (2 * BITS) | HERE)
    }

    #[inline]
    fn is_here(self) -> bool {
        self.0 & HERE != 0
    }

    /// Appends the ids.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "parts of the entry")]
    pub(super) fn push_to(self, out: &mut Vec<TokenId>) {
        let ids = [0, BITS, 2 * BITS].map(|shift| (self.0 >> shift) as u32 & NONE);
        let count = 1 + usize::from(ids[1] != NONE) + usize::from(ids[2] != NONE);
        // Three stores and a shorter length cost less than a copy of variable length.
        let length = out.len() + count;
        out.extend_from_slice(&ids);
        out.truncate(length);
    }
}

/// The first character of three bytes.
const FIRST: u32 = 0x800;

impl Runs {
    /// Of a model of bytes, each of which has a token.
    pub(super) fn new(firsts: &Firsts, pairs: &PairTable) -> Self {
        let mut entries = vec![Entry::EMPTY; 1 << 16].into_boxed_slice();
        let chars = (FIRST..).zip(entries.iter_mut().skip(FIRST as usize));
        for (code, entry) in chars {
            let mut buffer = [0; 4];
            let text = char::from_u32(code).map(|c| &*c.encode_utf8(&mut buffer));
            if let Some(&[a, b, c]) = text.map(str::as_bytes) {
                *entry = Self::merged([a, b, c], firsts, pairs);
            }
        }
        Self { entries }
    }

    /// The tokens of three bytes.
    #[expect(clippy::cast_possible_truncation, reason = "halves of what pairs become")]
    fn merged(bytes: [u8; 3], firsts: &Firsts, pairs: &PairTable) -> Entry {
        let [a, b, c] = bytes.map(|byte| firsts.id(byte));
        let (left, right) = (firsts.pair(bytes[0], bytes[1]), firsts.pair(bytes[1], bytes[2]));
        if left == u64::MAX && right == u64::MAX {
            return Entry::new(&[a, b, c]);
        }
        // Among equals the left one goes first.
        let two =
            if left >> 32 <= right >> 32 { [left as TokenId, c] } else { [a, right as TokenId] };
        match pairs.packed(two[0], two[1]) {
            u64::MAX => Entry::new(&two),
            whole => Entry::new(&[whole as TokenId]),
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.entries)
    }

    /// What a character becomes; nothing is here for those of other lengths.
    #[inline]
    fn entry(&self, code: u32) -> Entry {
        self.entries.get(code as usize).copied().unwrap_or(Entry::EMPTY)
    }

    /// Cuts a piece where `joins` allows it. Appends the ids of stretches of one character of three
    /// bytes, and gives the other stretches to `other`.
    #[inline]
    pub(super) fn each(
        &self,
        piece: &str,
        joins: &Joins,
        out: &mut Vec<TokenId>,
        mut other: impl FnMut(usize, usize, &mut Vec<TokenId>),
    ) {
        let bytes = piece.as_bytes();
        let (mut start, mut at) = (0, 0);
        let mut before: Option<(u32, Entry)> = None;
        while let Some((code, length)) = decode(bytes, at) {
            if let Some((left, entry)) = before
                && !joins.may_join(left, code)
            {
                if at - start == 3 && entry.is_here() {
                    entry.push_to(out);
                } else {
                    other(start, at, out);
                }
                start = at;
            }
            before = Some((code, self.entry(code)));
            at += length;
        }
        if let Some((_, entry)) = before {
            if at - start == 3 && entry.is_here() {
                entry.push_to(out);
            } else {
                other(start, at, out);
            }
        }
    }
}

/// The character that starts at a place of a text, and its length in bytes; none at the end.
#[inline]
fn decode(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let low = |at: usize| rest.get(at).map_or(0, |&byte| u32::from(byte) & 0x3F);
    let first = u32::from(*rest.first()?);
    Some(match first {
        0..0x80 => (first, 1),
        0xE0..0xF0 => ((first & 0xF) << 12 | low(1) << 6 | low(2), 3),
        0x80..0xE0 => ((first & 0x1F) << 6 | low(1), 2),
        _ => ((first & 0x7) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_decoded() {
        for c in '\0'..=char::MAX {
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(decode(text, 0), Some((u32::from(c), text.len())));
            assert_eq!(decode(text, text.len()), None);
        }
    }

    #[test]
    fn all_characters_of_three_bytes_become_what_merging_makes_of_them() {
        let mut ranks: Vec<(Vec<u8>, TokenId)> =
            (0..=255u8).map(|byte| (vec![byte], u32::from(byte))).collect();
        // Beginnings, ends and whole characters, in an order that follows nothing.
        let mut longer: Vec<Vec<u8>> = Vec::new();
        for c in ('\u{800}'..='\u{FFFF}').step_by(29) {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            let (from, to) = [(0, 2), (1, 3), (0, 3), (0, 3)][c as usize % 4];
            longer.push(bytes[from..to].to_vec());
        }
        longer.sort_by_key(|bytes| {
            bytes.iter().fold(7u64, |hash, &byte| hash.wrapping_mul(0x9E37_79B9) ^ u64::from(byte))
        });
        longer.dedup();
        let mut seen = std::collections::HashSet::new();
        longer.retain(|bytes| seen.insert(bytes.clone()));
        ranks.extend(longer.into_iter().zip(256..));
        let model = crate::model::Bpe::from_ranks(&ranks, &[]).unwrap();
        let runs = model.runs.as_ref().unwrap();
        let mut scratch = crate::model::bpe::merge::MergeScratch::default();
        let mut kinds = [0; 4];
        for c in '\u{800}'..='\u{FFFF}' {
            let mut buffer = [0; 4];
            model.start_bytes(c.encode_utf8(&mut buffer).as_bytes(), &mut scratch);
            scratch.heap(&model.pairs);
            let mut expected = Vec::new();
            scratch.left(|token| expected.push(token.id));
            let mut out = Vec::new();
            runs.entry(u32::from(c)).push_to(&mut out);
            assert_eq!(out, expected, "{c}");
            kinds[out.len()] += 1;
        }
        assert!(kinds[1..].iter().all(|&count| count > 100), "{kinds:?}");
    }

    #[test]
    fn entries_give_their_ids() {
        for ids in [&[0][..], &[7, 0], &[1, 2, 3], &[NONE - 1; 3]] {
            let mut out = vec![9];
            let entry = Entry::new(ids);
            assert!(entry.is_here());
            entry.push_to(&mut out);
            assert_eq!(&out[1..], ids);
        }
        assert!(!Entry::new(&[NONE]).is_here() && !Entry::new(&[]).is_here());
        assert!(!Entry::new(&[1; 4]).is_here());
    }
}

//! What BERT's normaliser and splitter ask about a character, as tokenizers 0.23.3 answers it.
//!
//! One byte of flags per code point answers every yes-or-no question; decompositions and lower case
//! are looked up only where a flag says that there is one.
//!
//! Why three Unicode versions: the reference library takes its categories from a crate of Unicode 8.0,
//! its decompositions from one of 9.0, and lower case from the compiler it was built with (17.0).
//! A newer version in any of the three changes ids, so the tables are generated once and committed;
//! the generator beside the tests proves that they are what those sources say.

#[cfg(test)]
pub(super) mod generate;

use super::FlagTable;
use super::bert_tables::{
    CLASSES, DECOMPOSITION_BLOCKS, DECOMPOSITION_CHARS, DECOMPOSITION_INDEX, FLAG_BLOCKS,
    FLAG_INDEX, HIGH_FLAGS, LOWER_BLOCKS, LOWER_CHARS, LOWER_INDEX,
};

/// `clean_text` removes it: NUL, U+FFFD and the categories Cc, Cf and Co, save tab and line ends.
pub(crate) const REMOVED: u8 = 1;
/// White space; `clean_text` turns what it has not removed into a space.
pub(crate) const WHITE: u8 = 1 << 1;
/// ASCII punctuation and symbols, and the category P.
pub(crate) const PUNCTUATION: u8 = 1 << 2;
/// `handle_chinese_chars` puts spaces around it.
pub(crate) const CHINESE: u8 = 1 << 3;
/// A mark that takes no space of its own (Mn): `strip_accents` removes it.
pub(crate) const MARK: u8 = 1 << 4;
/// Its canonical combining class is not zero, so that it may change places with its neighbours.
pub(crate) const REORDERS: u8 = 1 << 5;
/// It has a canonical decomposition.
pub(crate) const DECOMPOSES: u8 = 1 << 6;
/// Its lower case is something else.
pub(crate) const LOWERS: u8 = 1 << 7;

static FLAGS: FlagTable = FlagTable { index: &FLAG_INDEX, blocks: &FLAG_BLOCKS, high: &HIGH_FLAGS };

/// The flags of `c`.
#[inline]
pub(crate) fn flags(c: char) -> u8 {
    FLAGS.get(c)
}

/// The flags of an ASCII character.
#[inline]
pub(crate) fn ascii_flags(byte: u8) -> u8 {
    FLAG_BLOCKS[0][usize::from(byte & 127)]
}

/// Calls `part` with each character of the full canonical decomposition of `c`, which is `c` alone
/// when it has none. The order is the canonical one within `c`.
#[inline]
pub(crate) fn decompose(c: char, mut part: impl FnMut(char)) {
    if let Some(([lead, vowel], tail)) = hangul(c) {
        part(lead);
        part(vowel);
        if let Some(tail) = tail {
            part(tail);
        }
        return;
    }
    match sequence(&DECOMPOSITION_INDEX, &DECOMPOSITION_BLOCKS, &DECOMPOSITION_CHARS, c) {
        [] => part(c),
        parts => parts.iter().copied().for_each(part),
    }
}

/// The letters of a Hangul syllable: lead and vowel, and the tail when there is one. None of them has
/// any flag.
#[inline]
pub(crate) fn hangul(c: char) -> Option<([char; 2], Option<char>)> {
    const TAILS: u32 = 28;
    const VOWELS: u32 = 21;
    let index = u32::from(c).wrapping_sub(0xAC00);
    if index >= 19 * VOWELS * TAILS {
        return None;
    }
    let lead = char::from_u32(0x1100 + index / (VOWELS * TAILS))?;
    let vowel = char::from_u32(0x1161 + index / TAILS % VOWELS)?;
    let tail = (index % TAILS > 0).then(|| char::from_u32(0x11A7 + index % TAILS)).flatten();
    Some(([lead, vowel], tail))
}

/// Calls `part` with each character of the lower case of `c`.
#[inline]
pub(crate) fn lower(c: char, part: impl FnMut(char)) {
    match sequence(&LOWER_INDEX, &LOWER_BLOCKS, &LOWER_CHARS, c) {
        [] => std::iter::once(c).for_each(part),
        parts => parts.iter().copied().for_each(part),
    }
}

/// The canonical combining class of `c`.
pub(crate) fn combining_class(c: char) -> u8 {
    let code = u32::from(c);
    let next = CLASSES.partition_point(|&(_, last, _)| last < code);
    match CLASSES.get(next) {
        Some(&(first, _, class)) if first <= code => class,
        _ => 0,
    }
}

/// The entry of `c` in a table of short sequences: `index` gives the block of 64 code points, the
/// block holds `start << 3 | length` into `chars`, and zero means that there is no entry.
#[inline]
fn sequence(
    index: &[u8],
    blocks: &[[u16; 64]],
    chars: &'static [char],
    c: char,
) -> &'static [char] {
    let code = c as usize;
    let Some(&block) = index.get(code >> 6) else { return &[] };
    let entry = usize::from(blocks[usize::from(block)][code & 63]);
    let start = entry >> 3;
    chars.get(start..start + (entry & 7)).unwrap_or(&[])
}

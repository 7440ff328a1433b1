//! Decomposition, composition, marks and clusters of characters, as tokenizers 0.23.3 knows them.
//!
//! One byte of flags per code point says what a walk may step over; only what is flagged is looked up
//! further. The four normal forms and the marks are those of Unicode 9.0, since the reference library
//! takes them from a crate of that version; clusters are those of 17.0. Canonical decompositions,
//! combining classes and lower case are shared with the BERT road: see [`super::bert`].
//!
//! The tables are frozen; the generator beside the tests proves that they are what those crates say.

#[cfg(test)]
mod generate;

use super::FlagTable;
use super::bert::{
    REORDERS, combining_class, decompose as decompose_canonical, flags as bert_flags,
};
use super::bert_tables::CLASSES;
use super::forms_tables::{
    COMPATIBLE_BLOCKS, COMPATIBLE_CHARS, COMPATIBLE_INDEX, COMPATIBLE_STARTS, COMPOSITIONS,
    FLAG_BLOCKS, FLAG_INDEX, HIGH_FLAGS,
};

/// NFC may change it, reorder it or join it with what stands before it.
pub(crate) const NFC: u8 = 1;
/// NFD may change or reorder it.
pub(crate) const NFD: u8 = 1 << 1;
/// As [`NFC`], for NFKC.
pub(crate) const NFKC: u8 = 1 << 2;
/// As [`NFD`], for NFKD.
pub(crate) const NFKD: u8 = 1 << 3;
/// A mark of any kind (the category M).
pub(crate) const MARK: u8 = 1 << 4;
/// It may share a grapheme cluster with a neighbour. Between two characters without this flag there
/// is always a border.
pub(crate) const CLUSTERS: u8 = 1 << 5;

static FLAGS: FlagTable = FlagTable { index: &FLAG_INDEX, blocks: &FLAG_BLOCKS, high: &HIGH_FLAGS };

/// The flags of `c`.
#[inline]
pub(crate) fn flags(c: char) -> u8 {
    FLAGS.get(c)
}

/// The first of the combining marks that most text has, U+0300 to U+036F.
const MARKS: u32 = 0x300;

static MARK_CLASSES: [u8; 0x70] = {
    let mut classes = [0; 0x70];
    let mut at = 0;
    while at < CLASSES.len() {
        let (first, last, class) = CLASSES[at];
        let mut code = first;
        while code <= last {
            if code >= MARKS && code < MARKS + 0x70 {
                classes[(code - MARKS) as usize] = class;
            }
            code += 1;
        }
        at += 1;
    }
    classes
};

/// The canonical combining class of `c`.
#[inline]
pub(crate) fn class(c: char) -> u8 {
    let code = u32::from(c);
    if code < MARKS {
        return 0;
    }
    match MARK_CLASSES.get((code - MARKS) as usize) {
        Some(&class) => class,
        None if bert_flags(c) & REORDERS == 0 => 0,
        None => combining_class(c),
    }
}

/// Calls `part` with each character of the full decomposition of `c`, canonical or compatible, which
/// is `c` alone when it has none.
#[inline]
pub(crate) fn decompose(c: char, compatible: bool, part: impl FnMut(char)) {
    if c.is_ascii() {
        return std::iter::once(c).for_each(part);
    }
    match compatible_sequence(c) {
        [] => decompose_canonical(c, part),
        _ if !compatible => decompose_canonical(c, part),
        parts => parts.iter().copied().for_each(part),
    }
}

/// The compatible decomposition of `c` where it is not the canonical one.
#[inline]
fn compatible_sequence(c: char) -> &'static [char] {
    let code = c as usize;
    let Some(&block) = COMPATIBLE_INDEX.get(code >> 6) else { return &[] };
    let entry = usize::from(COMPATIBLE_BLOCKS[usize::from(block)][code & 63]);
    match COMPATIBLE_STARTS.get(entry..entry + 2) {
        Some(&[start, end]) if entry > 0 => {
            COMPATIBLE_CHARS.get(usize::from(start)..usize::from(end)).unwrap_or(&[])
        }
        _ => &[],
    }
}

/// The character that `first` and `second` compose, if there is one.
#[inline]
pub(crate) fn compose(first: char, second: char) -> Option<char> {
    let (a, b) = (u32::from(first), u32::from(second));
    // Hangul by arithmetic: a lead and a vowel, or both of them and a tail.
    if (0x1161..0x1176).contains(&b) && (0x1100..0x1113).contains(&a) {
        return char::from_u32(0xAC00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28);
    }
    if (0x11A8..0x11C3).contains(&b) && (0xAC00..0xD7A4).contains(&a) && (a - 0xAC00) % 28 == 0 {
        return char::from_u32(a + (b - 0x11A7));
    }
    let range = match LATIN_STARTS.get(a as usize..a as usize + 2) {
        Some(&[start, end]) => usize::from(start)..usize::from(end),
        _ => usize::from(LATIN_STARTS[LATIN])..COMPOSITIONS.len(),
    };
    let pairs = COMPOSITIONS.get(range).unwrap_or(&[]);
    let found = pairs.binary_search_by_key(&(a, b), |&(first, second, _)| (first, second));
    found.ok().and_then(|at| char::from_u32(pairs[at].2))
}

/// The end of the Latin letters, which compose most.
const LATIN: usize = 0x250;

/// Where the pairs of each Latin letter start; the next one's start is their end.
static LATIN_STARTS: [u16; LATIN + 1] = {
    let mut starts = [0; LATIN + 1];
    let (mut at, mut letter) = (0, 0);
    while letter <= LATIN {
        while at < COMPOSITIONS.len() && (COMPOSITIONS[at].0 as usize) < letter {
            at += 1;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "there are fewer than a thousand pairs"
        )]
        {
            starts[letter] = at as u16;
        }
        letter += 1;
    }
    starts
};

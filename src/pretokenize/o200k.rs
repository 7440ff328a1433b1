//! The scanner for o200k's pattern and Tekken's, which take words apart where a lower-case letter is
//! followed by an upper-case one.
//!
//! A word is `U*L+`, else `U+L*`, with one character in front that is no letter, number or newline: `U`
//! are letters that are not lower case, `L` those that are not upper case; marks and letters without
//! case are both. What a backtracking engine finds is said here directly. `U*` runs as far as it can.
//! A lower-case letter there begins `L+`. Else `U*` gives characters back until one may begin `L+`, the
//! last one that is both: the word ends behind it. Where the run has none, it is the word.

use super::gpt::{Runs, any_case_contraction, is_other};
use crate::unicode::classes::{
    CASELESS, Class, ClassTable, LOWER, MARK, NUMBER, SPACE, UPPER, is_letter,
};

/// `[^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?U+L*(?i:…)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
/// where `U` is `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and `L` is `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct O200kScanner {
    runs: Runs,
    /// The most characters in a piece of numbers.
    digits: usize,
    /// Whether a word takes a contraction along.
    contractions: bool,
}

#[inline]
fn is_both(class: Class) -> bool {
    class == CASELESS || class == MARK
}

impl O200kScanner {
    /// The most characters in a piece of numbers.
    #[inline]
    pub(super) fn digits(self) -> usize {
        self.digits
    }

    /// Whether a word takes a contraction along.
    #[inline]
    pub(super) fn contractions(self) -> bool {
        self.contractions
    }

    pub(super) fn new(digits: usize, contractions: bool) -> Self {
        Self { runs: Runs(ClassTable::get()), digits, contractions }
    }

    /// Where the piece ends that starts at `at`, which is less than the text's length.
    #[inline]
    pub(super) fn next(self, text: &[u8], at: usize) -> usize {
        let runs = self.runs;
        let (class, length) = runs.0.at(text, at);
        let first = text[at];
        if class == NUMBER {
            return runs.numbers(text, at + length, self.digits - 1);
        }
        if first != b'\n'
            && first != b'\r'
            && let Some(end) = self.word(text, at, class, length)
        {
            return self.with_contraction(text, end);
        }
        if is_other(class) || (first == b' ' && is_other(runs.class(text, at + 1))) {
            let end = runs.end(text, at + length, is_other);
            let after = text[end..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | b'/'));
            return end + after.count();
        }
        runs.white_space(text, at, false)
    }

    /// Where the word ends that starts at `at`, with a character in front or without.
    #[inline]
    fn word(self, text: &[u8], at: usize, class: Class, length: usize) -> Option<usize> {
        let start = if is_letter(class) { at } else { at + length };
        let (mut end, mut both) = (start, None);
        let mut next = SPACE;
        while end < text.len() {
            let (class, length) = self.runs.0.at(text, end);
            next = class;
            if class != UPPER && !is_both(class) {
                break;
            }
            end += length;
            if is_both(class) {
                both = Some(end);
            }
            next = SPACE;
        }
        if next == LOWER {
            return Some(self.runs.lowers(text, end));
        }
        if both.is_some() {
            return both;
        }
        // A mark in front of nothing that could begin `L+` is a word of its own.
        if class == MARK {
            return Some(start);
        }
        (end > start).then_some(end)
    }

    #[inline]
    fn with_contraction(self, text: &[u8], end: usize) -> usize {
        if self.contractions
            && text.get(end) == Some(&b'\'')
            && let Some(length) = any_case_contraction(&text[end + 1..])
        {
            return end + 1 + length;
        }
        end
    }
}

impl Runs {
    /// Where a run of letters that are not upper case, and of marks, ends.
    #[inline]
    fn lowers(self, text: &[u8], at: usize) -> usize {
        self.end_by_words(text, at, not_lower, |class| class == LOWER || is_both(class))
    }
}

/// Marks the bytes of a word that are not `a` to `z`, by their highest bit.
#[inline]
fn not_lower(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Without the highest bit nothing carries into a neighbour.
    let low = word & (0x7F * EACH);
    let from_a = low + (0x80 - 0x61) * EACH;
    let after_z = low + (0x7F - 0x7A) * EACH;
    (!from_a | after_z | word) & (0x80 * EACH)
}

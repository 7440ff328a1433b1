//! The borders of pieces out of the masks of a window.
//!
//! In all of these patterns a piece is a run of characters of a kind, perhaps with one character of
//! another kind in front; so starts of runs are borders, unless the character before takes that part.
//! Each rule says which does. Runs are found by shifting: all bytes of a character have its bits.

#![expect(
    clippy::inline_always,
    reason = "compiled for each instruction set, inside of a loop over windows"
)]

use super::{Rule, Window};
use crate::pretokenize::gpt::{Cl100kScanner, Gpt2Scanner, any_case_contraction, contraction};
use crate::pretokenize::o200k::O200kScanner;

/// The first bytes of runs.
#[inline(always)]
fn run_starts(mask: u64) -> u64 {
    mask & !(mask << 1)
}

/// Everything before the first of some places.
#[inline(always)]
fn before_first(places: u64) -> u64 {
    // No place at all: everything.
    (places & places.wrapping_neg()).wrapping_sub(1)
}

/// The contractions that start at some apostrophes.
#[derive(Clone, Copy, Default)]
struct Contractions {
    /// Apostrophes.
    starts: u64,
    /// The letters after them: no word starts there.
    inside: u64,
    /// The places after them.
    ends: u64,
}

impl Contractions {
    #[inline(always)]
    fn find(
        mut apostrophes: u64,
        text: &[u8],
        at: usize,
        length: impl Fn(&[u8]) -> Option<usize>,
    ) -> Self {
        let mut found = Self::default();
        while apostrophes != 0 {
            let place = apostrophes.trailing_zeros();
            apostrophes &= apostrophes - 1;
            let rest = text.get(at + place as usize + 1..).unwrap_or_default();
            if let Some(length) = length(rest) {
                found.starts |= 1 << place;
                // Places beyond the window are none.
                found.inside |= ((2 << length) - 2) << place;
                found.ends |= (2 << length) << place;
            }
        }
        found
    }
}

/// The starts of pieces of white space. A run is one piece but for its last character, which goes with
/// what follows or stands alone; `newline`s, where they are told apart, end a piece, the last of a run.
#[inline(always)]
fn space_borders(space: u64, newline: u64, starts: u64) -> u64 {
    // White space has up to three bytes.
    let end = space & !(space >> 1);
    let second = (end & !starts) >> 1;
    let last = (end & starts) | (second & starts) | ((second & !starts) >> 1);
    let mut borders = run_starts(space) | (last & !newline);
    let plain = space & !newline;
    // What follows the last newline of a run; another one may still come.
    let mut open = (newline << 1) & plain;
    while open != 0 {
        let place = open.trailing_zeros();
        open &= open - 1;
        let end = place + (plain >> place).trailing_ones();
        if end < u64::BITS && newline >> end & 1 == 0 {
            borders |= 1 << place;
        }
    }
    borders
}

/// The first character after each of some characters, which start at `places`. `tails` are bytes that
/// continue a character.
#[inline(always)]
fn next_character(places: u64, tails: u64) -> u64 {
    // A sum carries through the bytes that continue a character.
    ((places << 1).wrapping_add(tails)) & !tails
}

/// Letters and numbers with a space in front, see [`Gpt2Scanner`].
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct Gpt2Rule(pub(in crate::pretokenize) Gpt2Scanner);

impl Rule for Gpt2Rule {
    #[inline(always)]
    fn borders(self, window: &Window, text: &[u8], at: usize) -> (u64, u64) {
        let letter = window.upper | window.lower | window.caseless;
        let space = window.space;
        let other = window.valid & !(letter | window.number | space);
        let runs = run_starts(letter) | run_starts(window.number) | run_starts(other);
        let joined = window.blank << 1;
        let apostrophes = window.apostrophe & run_starts(other) & !joined;
        let contractions = Contractions::find(apostrophes, text, at, contraction);
        let borders = (runs & !joined & !contractions.inside)
            | contractions.ends
            | space_borders(space, 0, window.starts);
        (borders, u64::MAX)
    }

    #[inline]
    fn next(self, text: &[u8], at: usize) -> usize {
        self.0.next(text, at)
    }
}

/// Words with any character in front, numbers in groups, see [`Cl100kScanner`].
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct Cl100kRule(pub(in crate::pretokenize) Cl100kScanner);

impl Rule for Cl100kRule {
    #[inline(always)]
    fn borders(self, window: &Window, text: &[u8], at: usize) -> (u64, u64) {
        let marks = if self.0.marks() { window.mark } else { 0 };
        let letter = window.upper | window.lower | window.caseless | marks;
        let other = window.valid & !(letter | window.number | window.space);
        let other_runs = run_starts(other) & !(window.blank << 1);
        let apostrophes = window.apostrophe & other_runs;
        let contractions = Contractions::find(apostrophes, text, at, any_case_contraction);
        // A run of others takes the newlines that follow it along.
        let taken = flood(window.newline, window.newline & (other << 1));
        let space = window.space & !taken;
        // A single character of the others goes with the word after it.
        let single = next_character(other_runs & !contractions.starts, other & !window.starts);
        let joined = single | (window.space & !window.newline) << 1 | contractions.inside;
        let borders = (run_starts(letter) & !joined)
            | run_starts(window.number)
            | groups(window, self.0.digits())
            | other_runs
            | contractions.ends
            | space_borders(space, window.newline & !taken, window.starts);
        (borders, u64::MAX)
    }

    #[inline]
    fn next(self, text: &[u8], at: usize) -> usize {
        self.0.next(text, at)
    }
}

/// Words apart where a capital follows a small letter, see [`O200kScanner`].
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct O200kRule(pub(in crate::pretokenize) O200kScanner);

impl Rule for O200kRule {
    #[inline(always)]
    fn borders(self, window: &Window, text: &[u8], at: usize) -> (u64, u64) {
        let both = window.caseless | window.mark;
        let word = window.upper | window.lower | both;
        let other = window.valid & !(word | window.number | window.space);
        // Where a mark comes after no letter it may be part of anything, and where a capital comes
        // after a letter without case it depends on what follows: left to the scanner.
        let unclear = (window.mark & run_starts(word)) | (window.upper & (both << 1));
        let mut certain = before_first(unclear);
        let mut contractions = Contractions::default();
        if self.0.contractions() {
            let apostrophes = window.apostrophe & (word << 1);
            contractions = Contractions::find(apostrophes, text, at, any_case_contraction);
            // Right after one there is no other, and a mark begins a piece.
            let after = contractions.ends & (window.apostrophe | window.mark);
            certain &= before_first(after) << 1 | 1;
        }
        let taken = newlines_and_slashes(window, other);
        let other = other & !taken;
        let all_others = run_starts(other) & !contractions.starts;
        let other_runs = all_others & !(window.blank << 1);
        let space = window.space & !taken;
        let single = next_character(other_runs, other & !window.starts);
        let joined = single | (window.space & !window.newline) << 1 | contractions.inside;
        let borders = ((run_starts(word) | (window.upper & (window.lower << 1))) & !joined)
            | run_starts(window.number)
            | groups(window, self.0.digits())
            | other_runs
            | contractions.ends
            | space_borders(space, window.newline & !taken, window.starts);
        (borders, certain)
    }

    #[inline]
    fn next(self, text: &[u8], at: usize) -> usize {
        self.0.next(text, at)
    }
}

/// The runs of a mask that begin at some places, from there on.
#[inline(always)]
fn flood(mask: u64, from: u64) -> u64 {
    mask & !mask.wrapping_add(from)
}

/// Newlines that follow others, and slashes that follow these.
#[inline(always)]
fn newlines_and_slashes(window: &Window, other: u64) -> u64 {
    let mask = window.newline | window.slash;
    let mut from = window.newline & (other << 1);
    let mut taken = 0;
    while from != 0 {
        let place = from.trailing_zeros();
        let length = (mask >> place).trailing_ones();
        taken |= (u64::MAX >> (u64::BITS - length)) << place;
        from &= !taken;
    }
    taken
}

/// Where numbers are cut that have more than so many characters.
#[inline(always)]
fn groups(window: &Window, digits: usize) -> u64 {
    let number = window.number;
    if digits == 1 {
        return number & window.starts;
    }
    let pairs = number & number << 1;
    if digits >= 3 && pairs & pairs << 2 == 0 {
        // No run of four bytes, nor of four characters.
        return 0;
    }
    let (mut borders, mut count) = (0, 0);
    let mut characters = number & window.starts;
    while characters != 0 {
        let place = characters & characters.wrapping_neg();
        characters ^= place;
        if number & place >> 1 == 0 {
            count = 0;
        } else if count == digits {
            borders |= place;
            count = 0;
        }
        count += 1;
    }
    borders
}

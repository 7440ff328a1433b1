//! Piece borders by bit masks, 64 bytes of text at a time.
//!
//! A window of 64 bytes that starts where a piece starts becomes one mask for each class of
//! characters; shifts and sums of masks give the borders of all pieces in it (`rules.rs`). The next
//! window starts at the last border that is certain, so nothing is carried from one to the next: a
//! scanner has no memory at the start of a piece. What a window cannot decide (a piece longer than the
//! window, rare mixtures) is left to the scanner that goes character by character, which is also the
//! twin of all this.
//!
//! Windows are classified by what the processor has: AVX-512, AVX2, or plain 64-bit arithmetic. All of
//! them give the same masks; a test compares them.

#![expect(
    clippy::inline_always,
    reason = "compiled for each instruction set, inside of a loop over windows"
)]

mod classify;
mod portable;
mod rules;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::gpt::{Cl100kScanner, Gpt2Scanner};
use super::o200k::O200kScanner;
use super::pattern::Known;
use crate::unicode::classes::ClassTable;
use rules::{Cl100kRule, Gpt2Rule, O200kRule};

/// The bytes of a window.
pub(super) const WINDOW: usize = 64;

/// What the bytes of a window are, a bit each. All bytes of a character have its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Bytes of characters that lie in the window as a whole.
    pub(super) valid: u64,
    /// First bytes of characters.
    pub(super) starts: u64,
    pub(super) upper: u64,
    pub(super) lower: u64,
    pub(super) caseless: u64,
    pub(super) mark: u64,
    pub(super) number: u64,
    /// White space of any kind.
    pub(super) space: u64,
    /// `\r` and `\n`.
    pub(super) newline: u64,
    /// U+0020.
    pub(super) blank: u64,
    pub(super) apostrophe: u64,
    pub(super) slash: u64,
}

/// How the classes of ASCII are told in one byte: a bit each.
pub(super) const UPPER_BIT: u8 = 1;
pub(super) const LOWER_BIT: u8 = 1 << 1;
pub(super) const NUMBER_BIT: u8 = 1 << 2;
pub(super) const SPACE_BIT: u8 = 1 << 3;
pub(super) const NEWLINE_BIT: u8 = 1 << 4;
pub(super) const BLANK_BIT: u8 = 1 << 5;
pub(super) const APOSTROPHE_BIT: u8 = 1 << 6;
pub(super) const SLASH_BIT: u8 = 1 << 7;

/// The classes of ASCII.
pub(super) const ASCII: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'A'..=b'Z' => UPPER_BIT,
            b'a'..=b'z' => LOWER_BIT,
            b'0'..=b'9' => NUMBER_BIT,
            b' ' => SPACE_BIT | BLANK_BIT,
            b'\n' | b'\r' => SPACE_BIT | NEWLINE_BIT,
            b'\t' | 0x0B | 0x0C => SPACE_BIT,
            b'\'' => APOSTROPHE_BIT,
            b'/' => SLASH_BIT,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// The window's bytes in masks, before characters beyond ASCII are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ascii {
    pub(super) classes: [u64; 8],
    /// Bytes beyond ASCII, and those of them that continue a character.
    pub(super) high: u64,
    pub(super) tails: u64,
    /// First bytes of three whose character is caseless whatever follows: Chinese characters and most
    /// syllables of Hangul.
    pub(super) caseless: u64,
}

/// First bytes whose 4,096 characters are all letters without case; a test holds it against the table.
#[inline(always)]
pub(super) const fn is_caseless_lead(byte: u8) -> bool {
    matches!(byte, 0xE5..=0xE9 | 0xEB | 0xEC)
}

/// Classifies the bytes of a window.
pub(super) trait Classify: Copy {
    /// The masks of 64 bytes.
    fn classify(self, bytes: &[u8; WINDOW]) -> Ascii;
}

/// The borders of a pattern's pieces, by masks and one by one.
pub(super) trait Rule: Copy {
    /// The starts of pieces in the window at `at`, where one starts, and the places of which that is
    /// certain. White space that the window may cut is the caller's business.
    fn borders(self, window: &Window, text: &[u8], at: usize) -> (u64, u64);

    /// Where the piece ends that starts at `at`.
    fn next(self, text: &[u8], at: usize) -> usize;
}

/// Ends of pieces that follow one another.
#[derive(Debug)]
pub(crate) struct Ends {
    len: usize,
    ends: [u32; Ends::MOST + WINDOW],
}

impl Ends {
    /// Filling stops at this many or few more.
    pub(crate) const MOST: usize = 448;

    pub(crate) fn new() -> Self {
        Self { len: 0, ends: [0; Self::MOST + WINDOW] }
    }

    /// The ends, ascending.
    #[inline]
    pub(crate) fn get(&self) -> &[u32] {
        self.ends.get(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len >= Self::MOST
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
    pub(super) fn push(&mut self, end: usize) {
        if let Some(place) = self.ends.get_mut(self.len) {
            *place = end as u32;
            self.len += 1;
        }
    }

    /// Appends the places of the bits, counted from `at`.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
    fn push_bits(&mut self, at: usize, mut bits: u64) {
        let count = bits.count_ones() as usize;
        let Some(places) = self.ends.get_mut(self.len..self.len + WINDOW) else { return };
        // Eight at a time, whether they are there or not: the number of pieces in a window is
        // nothing that a branch could predict, that there are more than eight or sixteen is.
        for places in places.as_chunks_mut::<8>().0 {
            for place in places {
                *place = at as u32 + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            if bits == 0 {
                break;
            }
        }
        self.len += count;
    }
}

/// What classifies windows on this processor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    Portable,
}

impl Isa {
    /// Everything that this processor can do, the quickest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = [x86::Avx512::detect().map(Self::Avx512), x86::Avx2::detect().map(Self::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let fast = [None];
        fast.into_iter().flatten().chain([Self::Portable])
    }

    /// The quickest.
    pub(super) fn best() -> Self {
        Self::all().next().unwrap_or(Self::Portable)
    }

    /// Appends the ends of the pieces of `text` from `at` on, until enough are there or the text ends,
    /// and returns the last.
    #[inline]
    pub(super) fn fill(self, rule: impl Rule, text: &[u8], at: usize, ends: &mut Ends) -> usize {
        let table = ClassTable::get();
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => isa.fill(rule, table, text, at, ends),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => isa.fill(rule, table, text, at, ends),
            Self::Portable => fill(portable::Portable, rule, table, text, at, ends),
        }
    }
}

/// A known pattern's scanner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner {
    isa: Isa,
    pattern: ScannedPattern,
}

/// The patterns that have one.
#[derive(Clone, Copy, Debug)]
enum ScannedPattern {
    Gpt2(Gpt2Rule),
    Cl100k(Cl100kRule),
    O200k(O200kRule),
}

impl Scanner {
    /// Of a pattern.
    pub(super) fn new(known: Known) -> Self {
        let pattern = match known {
            Known::Gpt2 => ScannedPattern::Gpt2(Gpt2Rule(Gpt2Scanner::new())),
            Known::Cl100k { digits, end_run, marks } => {
                ScannedPattern::Cl100k(Cl100kRule(Cl100kScanner::new(digits, end_run, marks)))
            }
            Known::O200k { digits, contractions } => {
                ScannedPattern::O200k(O200kRule(O200kScanner::new(digits, contractions)))
            }
        };
        Self { isa: Isa::best(), pattern }
    }

    /// What it is called.
    pub(super) fn describe(self) -> &'static str {
        match self.pattern {
            ScannedPattern::Gpt2(_) => "gpt2 scanner",
            ScannedPattern::Cl100k(_) => "cl100k scanner",
            ScannedPattern::O200k(_) => "o200k scanner",
        }
    }

    /// Fills `ends` with the ends of the pieces of `text` from `at` on, as many as there is room for, and
    /// returns the last of them; `at` must be the start of a piece and no later than the text's end.
    #[inline]
    pub(crate) fn fill(self, text: &str, at: usize, ends: &mut Ends) -> usize {
        ends.clear();
        let text = text.as_bytes();
        match self.pattern {
            ScannedPattern::Gpt2(rule) => self.isa.fill(rule, text, at, ends),
            ScannedPattern::Cl100k(rule) => self.isa.fill(rule, text, at, ends),
            ScannedPattern::O200k(rule) => self.isa.fill(rule, text, at, ends),
        }
    }

    /// Calls `piece` with the range of every piece.
    #[inline]
    pub(super) fn for_each(self, text: &str, mut piece: impl FnMut(usize, usize)) {
        let mut ends = Ends::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            at = self.fill(text, at, &mut ends);
            for &end in ends.get() {
                let end = end as usize;
                debug_assert!(end > start && text.is_char_boundary(end));
                piece(start, end);
                start = end;
            }
        }
    }
}

/// Appends the ends of the pieces of `text` from `at` on, until enough are there, and returns the last.
#[inline(always)]
fn fill(
    classify: impl Classify,
    rule: impl Rule,
    table: &ClassTable,
    text: &[u8],
    mut at: usize,
    ends: &mut Ends,
) -> usize {
    while at < text.len() && !ends.is_full() {
        let mut buffer = [0; WINDOW];
        let rest = &text[at..];
        let (bytes, length) = if let Some(bytes) = rest.first_chunk::<WINDOW>() {
            (bytes, WINDOW)
        } else {
            buffer[..rest.len()].copy_from_slice(rest);
            (&buffer, rest.len())
        };
        let window = Window::new(classify.classify(bytes), bytes, length, table);
        // White space at the end of the window may go on behind it, and where its last character
        // belongs depends on what follows: only its start is certain.
        let open = window.space | !window.valid;
        let open_from = u64::BITS - open.leading_ones();
        let known = u64::MAX.checked_shl(open_from + 1).map_or(u64::MAX, |unknown| !unknown);
        let (borders, certain) = rule.borders(&window, text, at);
        let borders = borders & certain & window.valid & known & !1;
        let all = u64::MAX >> (WINDOW - length);
        let whole = rest.len() <= WINDOW && window.valid == all && certain == u64::MAX;
        if whole && window.space & !(all >> 1) == 0 {
            // The text ends here, and not in white space.
            ends.push_bits(at, borders);
            ends.push(text.len());
            return text.len();
        }
        if borders == 0 {
            at = rule.next(text, at);
            ends.push(at);
            continue;
        }
        ends.push_bits(at, borders);
        at += (u64::BITS - 1 - borders.leading_zeros()) as usize;
    }
    at
}

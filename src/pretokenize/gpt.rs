//! Scanners for the split patterns of GPT-2 and cl100k, and the patterns that differ from the latter
//! in how they group digits and what they do with marks (Llama 3, Qwen 2, Qwen 3.5).
//!
//! Each step looks at one character's class and extends a run, so a text costs one table look-up per
//! character. The pattern's look-ahead, `\s+(?!\S)`, means: a run of white space before something
//! else leaves its last character to what follows.
//!
//! The twin of both is the regular expression itself, in `reference.rs`.

use crate::unicode::classes::{Class, ClassTable, MARK, NUMBER, OTHER, SPACE, is_letter};

/// Punctuation, symbols, marks: what is neither white space, letter nor number.
#[inline]
pub(super) fn is_other(class: Class) -> bool {
    class == OTHER || class == MARK
}

/// Runs of characters of a kind.
#[derive(Clone, Copy)]
pub(super) struct Runs(pub(super) &'static ClassTable);

impl Runs {
    /// Where the run of characters of a kind ends that starts at `at`.
    #[inline]
    pub(super) fn end(self, text: &[u8], mut at: usize, is: impl Fn(Class) -> bool) -> usize {
        while at < text.len() {
            let (class, length) = self.0.at(text, at);
            if !is(class) {
                break;
            }
            at += length;
        }
        at
    }

    /// Where the run of letters ends.
    #[inline]
    fn letters(self, text: &[u8], at: usize, marks: bool) -> usize {
        let is = |class| is_letter(class) || (marks && class == MARK);
        self.end_by_words(text, at, not_letters, is)
    }

    /// As [`Runs::end`] for runs that are mostly ASCII and shorter than eight: their end is found without a
    /// branch on each character. `others` marks the bytes that are not ASCII of the kind.
    #[inline]
    pub(super) fn end_by_words(
        self,
        text: &[u8],
        mut at: usize,
        others: impl Fn(u64) -> u64,
        is: impl Fn(Class) -> bool,
    ) -> usize {
        while let Some(&chunk) = text[at..].first_chunk() {
            let others = others(u64::from_le_bytes(chunk));
            if others != 0 {
                at += (others.trailing_zeros() / 8) as usize;
                if text[at].is_ascii() {
                    return at;
                }
                break;
            }
            at += 8;
        }
        self.end(text, at, is)
    }

    /// The same for white space, and where the run's last character starts.
    #[inline]
    fn space_run(self, text: &[u8], mut at: usize) -> (usize, usize) {
        let mut last = at;
        while at < text.len() {
            let (class, length) = self.0.at(text, at);
            if class != SPACE {
                break;
            }
            last = at;
            at += length;
        }
        (at, last)
    }

    /// Where a run of at most `left` numbers ends.
    #[inline]
    pub(super) fn numbers(self, text: &[u8], mut at: usize, mut left: usize) -> usize {
        while left > 0 && at < text.len() {
            let (class, length) = self.0.at(text, at);
            if class != NUMBER {
                break;
            }
            at += length;
            left -= 1;
        }
        at
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`; with `end_run` all white space at the end of the text is one piece.
    #[inline]
    pub(super) fn white_space(self, text: &[u8], at: usize, end_run: bool) -> usize {
        let (end, last) = self.space_run(text, at);
        let at_end = end == text.len();
        if at_end && end_run {
            return end;
        }
        // \r and \n are the only bytes of their value in UTF-8, so the run is searched as bytes.
        if let Some(newline) = memchr::memrchr2(b'\r', b'\n', &text[at..end]) {
            return at + newline + 1;
        }
        if at_end || last == at { end } else { last }
    }

    /// The class of the character at `at`; white space past the end, which extends nothing.
    #[inline]
    pub(super) fn class(self, text: &[u8], at: usize) -> Class {
        if at < text.len() { self.0.at(text, at).0 } else { SPACE }
    }
}

/// Marks the bytes of a word that are no ASCII letters, by their highest bit.
#[inline]
fn not_letters(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // In lower case and without the highest bit nothing carries into a neighbour.
    let lower = (word | (0x20 * EACH)) & (0x7F * EACH);
    let from_a = lower + (0x80 - 0x61) * EACH;
    let after_z = lower + (0x7F - 0x7A) * EACH;
    (!from_a | after_z | word) & (0x80 * EACH)
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runs")
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
#[derive(Clone, Copy, Debug)]
pub(super) struct Gpt2Scanner {
    runs: Runs,
}

impl Gpt2Scanner {
    pub(super) fn new() -> Self {
        Self { runs: Runs(ClassTable::get()) }
    }

    /// Where the piece ends that starts at `at`, which is less than the text's length.
    #[inline]
    pub(super) fn next(self, text: &[u8], at: usize) -> usize {
        let runs = self.runs;
        let first = text[at];
        let start = at + usize::from(first == b' ');
        let class = runs.class(text, start);
        if is_letter(class) {
            return runs.letters(text, start, false);
        }
        if class == NUMBER {
            return runs.end(text, start, |class| class == NUMBER);
        }
        if is_other(class) {
            if first == b'\''
                && let Some(length) = contraction(&text[at + 1..])
            {
                return at + 1 + length;
            }
            return runs.end(text, start, is_other);
        }
        let (end, last) = runs.space_run(text, at);
        if end == text.len() || last == at { end } else { last }
    }
}

/// The length of what follows the apostrophe of an English contraction, in lower case.
#[inline]
pub(super) fn contraction(rest: &[u8]) -> Option<usize> {
    match rest {
        [b's' | b't' | b'm' | b'd', ..] => Some(1),
        [b'r' | b'v', b'e', ..] | [b'l', b'l', ..] => Some(2),
        _ => None,
    }
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
#[derive(Clone, Copy, Debug)]
pub(super) struct Cl100kScanner {
    runs: Runs,
    /// The most characters in a piece of numbers.
    digits: usize,
    /// Whether white space at the end of the text is one piece whatever newlines it holds, as in
    /// the pattern's later spelling (`\s++$` before `\s*[\r\n]`).
    end_run: bool,
    /// Whether marks count as letters, as in Qwen 3.5.
    marks: bool,
}

impl Cl100kScanner {
    /// Whether marks count as letters.
    #[inline]
    pub(super) fn marks(self) -> bool {
        self.marks
    }

    /// The most characters in a piece of numbers.
    #[inline]
    pub(super) fn digits(self) -> usize {
        self.digits
    }

    pub(super) fn new(digits: usize, end_run: bool, marks: bool) -> Self {
        Self { runs: Runs(ClassTable::get()), digits, end_run, marks }
    }

    /// Where the piece ends that starts at `at`, which is less than the text's length.
    #[inline]
    pub(super) fn next(self, text: &[u8], at: usize) -> usize {
        let runs = self.runs;
        let is_word = |class| is_letter(class) || (self.marks && class == MARK);
        let is_other = |class| class == OTHER || (!self.marks && class == MARK);
        let (class, length) = runs.0.at(text, at);
        if is_word(class) {
            return runs.letters(text, at + length, self.marks);
        }
        if class == NUMBER {
            return runs.numbers(text, at + length, self.digits - 1);
        }
        let first = text[at];
        if first == b'\''
            && let Some(length) = any_case_contraction(&text[at + 1..])
        {
            return at + 1 + length;
        }
        let next = runs.class(text, at + length);
        if is_word(next) && first != b'\n' && first != b'\r' {
            return runs.letters(text, at + length, self.marks);
        }
        if is_other(class) || (first == b' ' && is_other(next)) {
            let end = runs.end(text, at + length, is_other);
            let newlines = text[end..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
            return end + newlines.count();
        }
        runs.white_space(text, at, self.end_run)
    }
}

/// The length of what follows the apostrophe of a contraction; `ſ` is an `s` when case is ignored.
#[inline]
pub(super) fn any_case_contraction(rest: &[u8]) -> Option<usize> {
    let lower = |index: usize| rest.get(index).map(|byte| byte | 0x20);
    match (rest.first()? | 0x20, lower(1)) {
        (b's' | b't' | b'm' | b'd', _) if rest[0].is_ascii_alphabetic() => Some(1),
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(2),
        _ if rest.starts_with("ſ".as_bytes()) => Some(2),
        _ => None,
    }
}

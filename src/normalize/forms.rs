//! NFC, NFD, NFKC and NFKD.
//!
//! Nearly all text is in its form already, so the walk looks for a character that may not be, and
//! takes only the stretch around it apart: from the character before it, which it may compose with, to
//! the next one that nothing in front of it can touch.
//!
//! The places of the reference library: a decomposed character's first part takes its place and the
//! others are new; sorting moves those notes along with the parts; and what is composed stands for as
//! many places as its parts did.

use super::changes::Changes;
use crate::error::Result;
use crate::unicode::bert::hangul;
use crate::unicode::forms::{NFC, NFD, NFKC, NFKD, class, compose, decompose, flags};

/// One of the four normal forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    flag: u8,
    compatible: bool,
    composed: bool,
}

impl Form {
    pub(super) const NFC: Self = Self { flag: NFC, compatible: false, composed: true };
    pub(super) const NFD: Self = Self { flag: NFD, compatible: false, composed: false };
    pub(super) const NFKC: Self = Self { flag: NFKC, compatible: true, composed: true };
    pub(super) const NFKD: Self = Self { flag: NFKD, compatible: true, composed: false };

    /// Reports the changes that give `text` this form; false when there are none.
    pub(super) fn walk(self, text: &str, sink: &mut impl Changes) -> Result<bool> {
        let mut parts = Vec::new();
        let mut kept = 0;
        while let Some(found) = self.next(text, kept) {
            let with_first = self.composed && found > kept;
            let start = if with_first { super::char_start(text, found - 1) } else { found };
            let plain = |&(_, c): &(usize, char)| flags(c) & self.flag == 0;
            let end = text[found..].char_indices().find(plain);
            let end = end.map_or(text.len(), |(at, _)| found + at);
            sink.keep(&text[kept..start]);
            self.stretch(&text[start..end], &mut parts, sink);
            sink.room(0)?;
            kept = end;
        }
        if kept == 0 {
            return Ok(false);
        }
        sink.keep(&text[kept..]);
        Ok(true)
    }

    /// The first byte from `from` on of a character with the flag of this form. None is ASCII.
    #[inline]
    fn next(self, text: &str, mut from: usize) -> Option<usize> {
        while from < text.len() {
            from += super::run_length(&text.as_bytes()[from..], |byte| byte.is_ascii());
            for c in text[from..].chars().take_while(|c| !c.is_ascii()) {
                if flags(c) & self.flag != 0 {
                    return Some(from);
                }
                from += c.len_utf8();
            }
        }
        None
    }

    fn stretch(self, text: &str, parts: &mut Vec<Part>, sink: &mut impl Changes) {
        for c in text.chars() {
            // Syllables are taken apart by arithmetic, and nothing in them has a class.
            if !self.composed
                && let Some(([lead, vowel], tail)) = hangul(c)
            {
                self.release(parts, sink);
                sink.put(lead, 0);
                sink.put(vowel, 1);
                if let Some(tail) = tail {
                    sink.put(tail, 1);
                }
                continue;
            }
            let mut change = 0;
            decompose(c, self.compatible, |c| {
                parts.push(Part { c, class: class(c), change });
                change = 1;
            });
        }
        self.release(parts, sink);
    }

    /// Puts the parts in order, together, and away.
    fn release(self, parts: &mut Vec<Part>, sink: &mut impl Changes) {
        sort(parts);
        if self.composed {
            join(parts);
        }
        for part in parts.drain(..) {
            sink.put(part.c, part.change);
        }
    }
}

/// A character of a decomposition.
#[derive(Clone, Copy)]
struct Part {
    c: char,
    class: u8,
    change: isize,
}

/// Brings each run of combining characters into the order of their classes.
fn sort(parts: &mut [Part]) {
    for run in parts.chunk_by_mut(|a, b| a.class != 0 && b.class != 0) {
        if !run.is_sorted_by_key(|part| part.class) {
            run.sort_by_key(|part| part.class);
        }
    }
}

/// Composes each character with the starter before it where nothing between them is in the way.
fn join(parts: &mut Vec<Part>) {
    let mut starter: Option<usize> = None;
    // The class of the last part that stayed behind the starter.
    let mut last: Option<u8> = None;
    let mut length = 0;
    for at in 0..parts.len() {
        let part = parts[at];
        if let Some(first) = starter
            && last.is_none_or(|last| last < part.class)
            && let Some(c) = compose(parts[first].c, part.c)
        {
            parts[first].c = c;
            // Two places become one.
            parts[first].change += part.change - 1;
            continue;
        }
        if part.class == 0 {
            starter = Some(length);
            last = None;
        } else if starter.is_some() {
            last = Some(part.class);
        }
        parts[length] = part;
        length += 1;
    }
    parts.truncate(length);
}

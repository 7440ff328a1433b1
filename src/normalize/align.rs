//! Normalised text with its way back: for each byte the bytes of the source that it came from.
//!
//! The definition is the reference library's: every normalised character descends from exactly one
//! character of the source, all of its bytes carry that character's range, and a stretch of normalised
//! text covers the source from the start of its first origin to the end of its last one. Source
//! characters that were removed belong to nobody; an inserted one belongs to its neighbour's source.

use std::ops::Range;

use crate::ids::Span;

/// Normalised text with, for each of its bytes, the byte range of the source it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// The normalised text.
    pub text: String,
    /// One range of the source for each byte of `text`; the bytes of one character share one range.
    pub origins: Vec<Span>,
}

impl Aligned {
    /// Forgets the text and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.origins.clear();
    }

    /// Replaces the content by `text` itself, each character its own origin.
    pub fn copy_from(&mut self, text: &str) {
        self.clear();
        self.text.push_str(text);
        for (start, c) in text.char_indices() {
            let end = start + c.len_utf8();
            self.origins.extend(std::iter::repeat_n(Span::new(start, end), end - start));
        }
    }

    /// The bytes of the source that the normalised bytes `range` came from. An empty range, or one
    /// that is not inside the text, comes back as it is: it has no origin.
    pub fn source(&self, range: Range<usize>) -> Span {
        match self.origins.get(range.clone()) {
            Some([only]) => *only,
            Some([first, .., last]) => Span { start: first.start, end: last.end },
            _ => Span::new(range.start, range.end.max(range.start)),
        }
    }
}

/// Where a normaliser writes.
pub(super) trait Sink {
    /// Whether origins are kept; the walk saves itself what only they need.
    const ALIGNED: bool;

    /// Appends `c`, which came from the bytes `origin`.
    fn push(&mut self, c: char, origin: Span);

    /// Appends ASCII text that stands at byte `start` of the source, in lower case on demand.
    fn push_ascii(&mut self, text: &str, start: usize, lower: bool);
}

impl Sink for String {
    const ALIGNED: bool = false;

    #[inline]
    fn push(&mut self, c: char, _: Span) {
        Self::push(self, c);
    }

    #[inline]
    fn push_ascii(&mut self, text: &str, _: usize, lower: bool) {
        let start = self.len();
        self.push_str(text);
        if lower && let Some(new) = self.get_mut(start..) {
            new.make_ascii_lowercase();
        }
    }
}

impl Sink for Aligned {
    const ALIGNED: bool = true;

    #[inline]
    fn push(&mut self, c: char, origin: Span) {
        self.text.push(c);
        self.origins.extend(std::iter::repeat_n(origin, c.len_utf8()));
    }

    #[inline]
    fn push_ascii(&mut self, text: &str, start: usize, lower: bool) {
        self.text.push_ascii(text, start, lower);
        self.origins.extend((start..start + text.len()).map(|at| Span::new(at, at + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_points_at_itself() {
        let mut aligned = Aligned::default();
        aligned.copy_from("aé");
        assert_eq!(aligned.origins, [Span::new(0, 1), Span::new(1, 3), Span::new(1, 3)]);
        assert_eq!(aligned.source(0..3), Span::new(0, 3));
        assert_eq!(aligned.source(1..2), Span::new(1, 3));
        assert_eq!(aligned.source(2..2), Span::new(2, 2));
    }
}

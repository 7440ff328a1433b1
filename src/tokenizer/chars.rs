//! From byte positions in a text to character positions.

use crate::ids::Span;

/// Bytes between two counted places.
const STEP: usize = 64;

/// Converts positions of one text. ASCII texts need no table.
#[derive(Debug)]
pub(crate) struct CharPositions<'a> {
    text: &'a [u8],
    /// The number of characters that start before byte `STEP * n`.
    before: Vec<u32>,
}

#[inline]
fn starts_char(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

impl<'a> CharPositions<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        if text.is_ascii() {
            return Self { text: bytes, before: Vec::new() };
        }
        let mut before = Vec::with_capacity(bytes.len() / STEP + 2);
        let mut count = 0u32;
        for chunk in bytes.chunks(STEP) {
            before.push(count);
            count += chunk.iter().map(|&byte| u32::from(starts_char(byte))).sum::<u32>();
        }
        before.push(count);
        Self { text: bytes, before }
    }

    /// Whether every character is a byte.
    #[inline]
    pub(crate) fn are_bytes(&self) -> bool {
        self.before.is_empty()
    }

    /// The number of characters that start before byte `at`.
    #[inline]
    pub(crate) fn at(&self, at: u32) -> u32 {
        let block = at as usize / STEP;
        let Some(&before) = self.before.get(block) else { return at };
        let tail = &self.text[block * STEP..at as usize];
        before + tail.iter().map(|&byte| u32::from(starts_char(byte))).sum::<u32>()
    }

    /// The characters of a span. Of one that does not start and end between characters, or that does
    /// not lie in the text, what the reference library makes.
    #[inline]
    pub(crate) fn span(&self, span: Span) -> Span {
        match (self.char_of(span.start), self.char_of(span.end)) {
            (Some(start), Some(end)) => Span { start, end },
            (Some(start), None) => {
                let last = span.end.checked_sub(1).and_then(|last| self.char_of(last));
                Span { start, end: last.unwrap_or(start + 1) + 1 }
            }
            (None, _) => span,
        }
    }

    /// The same for spans that mostly follow each other: `last` is a byte and the number of characters
    /// that start before it, zeros at first.
    #[inline]
    pub(crate) fn next_span(&self, span: Span, last: &mut (u32, u32)) -> Span {
        let Span { start, end } = span;
        if start >= end || end as usize > self.text.len() {
            return self.span(span);
        }
        if self.before.is_empty() {
            return span;
        }
        let between = |at: u32| self.text.get(at as usize).is_none_or(|&byte| starts_char(byte));
        if !between(start) || !between(end) {
            return self.span(span);
        }
        let start = self.near(start, last);
        Span { start, end: self.near(end, last) }
    }

    /// [`CharPositions::at`], counted from a place that is near.
    #[inline]
    fn near(&self, at: u32, last: &mut (u32, u32)) -> u32 {
        let (byte, count) = *last;
        let count = match self.text.get(byte as usize..at as usize) {
            Some(passed) if passed.len() < STEP => {
                count + passed.iter().map(|&byte| u32::from(starts_char(byte))).sum::<u32>()
            }
            _ => self.at(at),
        };
        *last = (at, count);
        count
    }

    /// The number of the character that byte `at` belongs to.
    #[inline]
    fn char_of(&self, at: u32) -> Option<u32> {
        let byte = *self.text.get(at as usize)?;
        let starts = self.at(at);
        Some(if starts_char(byte) { starts } else { starts.saturating_sub(1) })
    }

    /// The byte where the character starts that is `count` characters after the one at byte `at`.
    pub(crate) fn forward(&self, mut at: u32, count: u32) -> u32 {
        for _ in 0..count {
            at += 1;
            while self.text.get(at as usize).is_some_and(|&byte| !starts_char(byte)) {
                at += 1;
            }
        }
        at
    }

    /// The same, before it.
    pub(crate) fn back(&self, mut at: u32, count: u32) -> u32 {
        for _ in 0..count {
            at = at.saturating_sub(1);
            while self.text.get(at as usize).is_some_and(|&byte| !starts_char(byte)) {
                at -= 1;
            }
        }
        at
    }

    /// `span`, widened to whole characters.
    #[inline]
    pub(crate) fn whole(&self, mut span: Span) -> Span {
        if self.before.is_empty() {
            return span;
        }
        let inside = |at: u32| self.text.get(at as usize).is_some_and(|&byte| !starts_char(byte));
        while inside(span.start) {
            span.start -= 1;
        }
        while inside(span.end) {
            span.end += 1;
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_equal_counting() {
        for text in ["", "plain ascii", &"a한é😀 ".repeat(50)] {
            let positions = CharPositions::new(text);
            for (count, (at, _)) in (0..).zip(text.char_indices()) {
                assert_eq!(positions.at(u32::try_from(at).unwrap()), count);
            }
            let end = u32::try_from(text.len()).unwrap();
            assert_eq!(positions.at(end) as usize, text.chars().count());
        }
    }

    #[test]
    fn spans_in_any_order_equal_those_alone() {
        for text in ["", "plain ascii", &"a한é😀 ".repeat(50)] {
            let positions = CharPositions::new(text);
            let mut last = (0, 0);
            let length = text.len() + 3;
            for number in 0..20_000 {
                let start = (number * 7919 / 3) % length;
                let end = start + number % 11 * usize::from(number % 3 > 0);
                let span = Span::new(start, end);
                assert_eq!(positions.next_span(span, &mut last), positions.span(span), "{span:?}");
            }
        }
    }

    #[test]
    fn steps_are_whole_characters() {
        let positions = CharPositions::new("a한 \u{3000}b");
        assert_eq!([0, 1, 2, 3, 4, 5].map(|count| positions.forward(0, count)), [0, 1, 4, 5, 8, 9]);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|count| positions.back(9, count)), [9, 8, 5, 4, 1, 0]);
    }

    #[test]
    fn spans_widen_to_whole_characters() {
        let positions = CharPositions::new("a한b");
        assert_eq!(positions.whole(Span::new(2, 3)), Span::new(1, 4));
        assert_eq!(positions.whole(Span::new(0, 1)), Span::new(0, 1));
        assert_eq!(positions.whole(Span::new(4, 5)), Span::new(4, 5));
    }
}

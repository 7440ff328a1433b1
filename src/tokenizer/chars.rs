//! From byte positions in a text to character positions.

use crate::ids::Span;

/// Bytes of a block, which is a word of bits.
const STEP: usize = 64;

/// Converts positions of one text. ASCII texts need no table.
#[derive(Debug)]
pub(crate) struct CharPositions<'a> {
    text: &'a [u8],
    /// For each block, and for the end of the text.
    blocks: Vec<Block>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// A bit for each byte, the lowest first: whether a character starts there. The end of the text
    /// counts as a start.
    starts: u64,
    /// The number of characters that start before the block.
    before: u32,
}

#[inline]
fn starts_char(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

/// One bit for each of eight bytes.
#[inline]
fn starts_of(bytes: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(bytes);
    let inside = (word >> 7) & !(word >> 6) & EACH;
    // Moves the lowest bit of every byte to the highest byte, side by side.
    (inside ^ EACH).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl<'a> CharPositions<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        if text.is_ascii() {
            return Self { text: bytes, blocks: Vec::new() };
        }
        let mut blocks = Vec::with_capacity(bytes.len() / STEP + 1);
        let mut before = 0;
        let mut push = |chunk: &[u8; STEP]| {
            let (words, _) = chunk.as_chunks::<8>();
            let starts = words.iter().rev().fold(0, |bits, &word| bits << 8 | starts_of(word));
            blocks.push(Block { starts, before });
            before += starts.count_ones();
        };
        let (whole, rest) = bytes.as_chunks::<STEP>();
        whole.iter().for_each(&mut push);
        // Behind the end all bytes are starts.
        let mut last = [0; STEP];
        last[..rest.len()].copy_from_slice(rest);
        push(&last);
        Self { text: bytes, blocks }
    }

    /// Whether every character is a byte.
    #[inline]
    pub(crate) fn are_bytes(&self) -> bool {
        self.blocks.is_empty()
    }

    #[inline]
    fn block(&self, at: u32) -> (Block, u32) {
        let block = self.blocks.get(at as usize / STEP).copied().unwrap_or_default();
        (block, at % 64)
    }

    /// Whether byte `at`, of a text that has a table, lies inside a character.
    #[inline]
    fn is_inside(&self, at: u32) -> bool {
        let (block, bit) = self.block(at);
        block.starts >> bit & 1 == 0 && (at as usize) < self.text.len()
    }

    /// The number of characters that start before byte `at`.
    #[inline]
    pub(crate) fn at(&self, at: u32) -> u32 {
        if self.blocks.is_empty() {
            return at;
        }
        let (block, bit) = self.block(at);
        block.before + (block.starts & ((1 << bit) - 1)).count_ones()
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

    /// The same, sooner where the span is one of whole characters.
    #[inline]
    pub(crate) fn near_span(&self, span: Span) -> Span {
        let Span { start, end } = span;
        let strange = start >= end || end as usize > self.text.len();
        let ((first, from), (last, to)) = (self.block(start), self.block(end));
        // In blocks of ASCII there is nothing to count.
        if first.starts & last.starts == u64::MAX && !strange {
            return Span { start: first.before + from, end: last.before + to };
        }
        if strange || self.is_inside(start) || self.is_inside(end) {
            return self.span(span);
        }
        Span { start: self.at(start), end: self.at(end) }
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
        if self.are_bytes() {
            return at + count;
        }
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
        if self.are_bytes() {
            return at.saturating_sub(count);
        }
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
        if self.are_bytes() {
            return span;
        }
        while self.is_inside(span.start) {
            span.start -= 1;
        }
        while self.is_inside(span.end) {
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
    fn near_spans_are_the_same() {
        let long = format!("{}é", "a".repeat(127));
        for text in ["", "plain ascii", "é", &long, &"a한é😀 ".repeat(50)] {
            let positions = CharPositions::new(text);
            let length = text.len() + 3;
            for number in 0..20_000 {
                let start = (number * 7919 / 3) % length;
                let end = start + number % 11 * usize::from(number % 3 > 0);
                let span = Span::new(start, end);
                assert_eq!(positions.near_span(span), positions.span(span), "{span:?}");
            }
        }
    }

    #[test]
    fn every_byte_is_counted() {
        let text = "a한é😀 \u{7FF}\u{800}\u{FFFF}\u{10000}\0".repeat(40);
        for start in 0..70 {
            let Some(text) = text.get(start..) else { continue };
            let positions = CharPositions::new(text);
            for at in 0..=text.len() {
                let naive = text.bytes().take(at).filter(|&byte| starts_char(byte)).count();
                assert_eq!(positions.at(u32::try_from(at).unwrap()) as usize, naive);
                assert_eq!(
                    positions.is_inside(u32::try_from(at).unwrap()),
                    !text.is_char_boundary(at)
                );
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

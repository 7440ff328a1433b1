//! Where stretches between ASCII white space begin and end.
//!
//! Sixty-four bytes at a time become a word of bits, one for each byte of white space; where it
//! changes, a stretch begins or ends. Edges are written down by the round and used afterwards: nothing
//! that looks a stretch up waits for the search, and nobody has to predict how long a stretch is.

use super::machine;

/// The bytes of a text that are searched together.
const ROUND: usize = 2048;
/// The bytes of a block.
pub(super) const BLOCK: usize = 64;
/// At most every byte of a round changes sides, after a stretch that began before it and before the
/// end of the text; a block is always written in full.
const ROOM: usize = ROUND + BLOCK + 2;

/// The edges of stretches: where one begins, where it ends, where the next one begins.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    at: Box<[u32]>,
    len: usize,
    /// Where the search goes on.
    next: usize,
    /// Bit 0: whether the byte before that is white space, or there is none.
    before: u64,
    /// How edges are found.
    way: usize,
}

impl Edges {
    pub(super) fn new() -> Self {
        Self { at: vec![0; ROOM].into(), len: 0, next: 0, before: 1, way: machine::best() }
    }

    /// Begins with another text.
    pub(super) fn begin(&mut self) {
        (self.len, self.next, self.before) = (0, 0, 1);
    }

    /// Finds the stretches that end within the next bytes of `text`; `None` after the last ones.
    #[inline]
    pub(super) fn next_round(&mut self, text: &[u8]) -> Option<&[[u32; 2]]> {
        // A stretch that has begun waits for its end.
        let open = self.len % 2;
        if open == 1 {
            self.at[0] = self.at[self.len - 1];
        }
        self.len = open;
        if self.next >= text.len() {
            return None;
        }
        self.round(text);
        Some(self.at[..self.len].as_chunks().0)
    }

    #[inline]
    fn round(&mut self, text: &[u8]) {
        let end = text.len().min(self.next + ROUND);
        let (blocks, rest) = text[self.next..end].as_chunks::<BLOCK>();
        machine::find(self, blocks, self.way);
        if !rest.is_empty() {
            let mut block = [b' '; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            machine::find(self, &[block], self.way);
            self.next = end;
        }
        if end == text.len() && self.len % 2 == 1 {
            // Nothing behind the text ends its last stretch.
            self.at[self.len] = position(end);
            self.len += 1;
        }
    }

    /// Notes the edges in blocks, on any machine.
    pub(super) fn blocks(&mut self, blocks: &[[u8; BLOCK]]) {
        for block in blocks {
            self.block(white(block));
        }
    }

    /// Goes on by a block, given the white space in it: where that begins and ends, where the block
    /// begins, and room for the positions.
    #[inline]
    pub(super) fn changes(&mut self, white: u64) -> Option<(u64, u32, &mut [u32; BLOCK])> {
        let edges = white ^ (white << 1 | self.before);
        self.before = white >> (BLOCK - 1);
        let base = position(self.next);
        self.next += BLOCK;
        let room = self.at.get_mut(self.len..)?.first_chunk_mut()?;
        self.len += edges.count_ones() as usize;
        Some((edges, base, room))
    }

    /// Notes the edges in a block, given the white space in it.
    #[inline]
    pub(super) fn block(&mut self, white: u64) {
        let Some((mut edges, base, room)) = self.changes(white) else { return };
        let count = edges.count_ones() as usize;
        // Eight at a time: whether there are more is easier to predict than how many there are.
        for eight in room.as_chunks_mut::<8>().0.iter_mut().take(count.div_ceil(8)) {
            for at in eight {
                *at = base + edges.trailing_zeros();
                edges &= edges.wrapping_sub(1);
            }
        }
    }
}

/// No text is longer than positions are wide.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "checked where a text comes in")]
fn position(at: usize) -> u32 {
    at as u32
}

/// White space to every step, whatever its options: between words, never part of one.
#[inline]
pub(super) fn is_border(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A bit for each byte of white space.
#[inline]
fn white(block: &[u8; BLOCK]) -> u64 {
    // Bytes that compilers know how to make many at a time.
    let mut white = [0; BLOCK];
    for at in 0..BLOCK {
        white[at] = if is_border(block[at]) { 0x80 } else { 0 };
    }
    let mut bits = 0;
    for (at, eight) in white.as_chunks().0.iter().enumerate() {
        bits |= super::gather(u64::from_le_bytes(*eight)) << (8 * at);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: runs of bytes that are no border.
    fn twin(text: &[u8]) -> Vec<[u32; 2]> {
        let mut found = Vec::new();
        let mut start = None;
        for (at, &byte) in (0..).zip(text) {
            match (is_border(byte), start) {
                (false, None) => start = Some(at),
                (true, Some(from)) => {
                    found.push([from, at]);
                    start = None;
                }
                _ => {}
            }
        }
        found.extend(start.map(|from| [from, u32::try_from(text.len()).unwrap()]));
        found
    }

    /// By every way that the machine has; they must agree.
    fn all(edges: &mut Edges, text: &[u8]) -> Vec<[u32; 2]> {
        let by = |way: usize, edges: &mut Edges| {
            edges.way = way;
            edges.begin();
            let mut found = Vec::new();
            while let Some(round) = edges.next_round(text) {
                found.extend_from_slice(round);
            }
            found
        };
        let found = by(0, edges);
        for way in 1..machine::WAYS.min(machine::best() + 1) {
            assert_eq!(by(way, edges), found);
        }
        found
    }

    #[test]
    fn every_byte_is_a_border_or_not_wherever_it_stands() {
        for byte in 0..=255 {
            for at in 0..BLOCK {
                for around in [b'a', 0xC3, 0x80, 0xFF, 0] {
                    let mut block = [around; BLOCK];
                    block[at] = byte;
                    let expected = u64::from(is_border(byte)) << at;
                    assert_eq!(white(&block), expected);
                }
            }
        }
    }

    #[test]
    fn lengths_around_blocks_and_rounds() {
        let mut edges = Edges::new();
        for length in (0..300).chain(ROUND - 70..ROUND + 70).chain(2 * ROUND - 2..2 * ROUND + 2) {
            for text in [
                vec![b'a'; length],
                vec![b' '; length],
                b"a ".repeat(length / 2),
                b" a".repeat(length / 2),
            ] {
                assert_eq!(all(&mut edges, &text), twin(&text), "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_cut_as_by_the_definition(
            text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'a'), 0..=255_u8], 0..5000),
        ) {
            prop_assert_eq!(all(&mut Edges::new(), &text), twin(&text));
        }
    }
}

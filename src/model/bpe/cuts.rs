//! Safe cuts: places where a piece may be cut and each side encoded alone, with the same result.
//!
//! Whatever merging makes is a token of the vocabulary. Two characters that stand side by side inside
//! no token are therefore never merged across, and the piece may be cut between them. Where tokens are
//! bytes, one may start or end inside a character: it counts for every character with that edge.
//!
//! Which characters do stand side by side is kept as one bit for each hashed pair. Two pairs that share
//! a bit only cost speed: a cut that is not seen is not made. Most pairs need no look: a few bits for
//! each character tell whether it has neighbours in any token at all.

use std::collections::HashSet;

use super::symbols::{Class, Symbols};

/// Where pieces may be cut.
#[derive(Clone, Debug)]
pub(in crate::model) struct Cuts {
    joins: Joins,
    /// Any two characters may be parted, as far as characters without a token go.
    free: bool,
    may_drop: bool,
    /// Tokens that merging makes otherwise than a look-up of the whole piece: none of them may become
    /// a stretch, for whoever gets it could not tell it from a piece.
    exceptions: HashSet<Box<str>>,
}

impl Cuts {
    /// No cuts yet to keep from: all tokens follow by [`Cuts::add`]. `symbols` tells what becomes of
    /// characters; there are none where pieces are bytes that all have tokens.
    pub(super) fn new(tokens: usize, symbols: Option<&Symbols>) -> Self {
        Self {
            joins: Joins::new(tokens),
            free: symbols.is_none_or(|symbols| symbols.any_bytes),
            may_drop: symbols.is_some_and(Symbols::may_drop),
            exceptions: HashSet::new(),
        }
    }

    /// Cuts for a model whose tokens are these texts, and that gives every character tokens of its own.
    pub(in crate::model) fn of_texts<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut cuts = Self::new(texts.len(), None);
        texts.for_each(|text| cuts.add(text.as_bytes()));
        cuts
    }

    /// Calls `stretch` with the ranges of bytes into which the piece may be cut, for such a model.
    #[inline]
    pub(in crate::model) fn ranges(&self, piece: &str, stretch: impl FnMut(usize, usize)) {
        self.for_each_plain(piece, None, stretch);
    }

    /// Keeps what stands side by side in a token together.
    pub(super) fn add(&mut self, token: &[u8]) {
        self.joins.add_token(token);
    }

    /// Keeps a token from being a stretch.
    pub(super) fn except(&mut self, token: Box<str>) {
        self.exceptions.insert(token);
    }

    /// The pairs of characters between which nothing is cut, where that is all that counts.
    pub(super) fn joins(&self) -> Option<&Joins> {
        Some(&self.joins).filter(|_| self.free && !self.may_drop)
    }

    /// Whether the text is a token that was kept so.
    #[inline]
    pub(super) fn excepts(&self, text: &str) -> bool {
        !self.exceptions.is_empty() && self.exceptions.contains(text)
    }

    #[cfg(test)]
    pub(super) fn exceptions(&self) -> usize {
        self.exceptions.len()
    }

    pub(in crate::model) fn memory(&self) -> usize {
        self.joins.memory()
    }

    /// Calls `stretch` with the ranges of bytes into which the piece may be cut, in order.
    #[inline]
    pub(super) fn for_each(
        &self,
        piece: &str,
        symbols: Option<&Symbols>,
        mut stretch: impl FnMut(usize, usize),
    ) {
        if self.exceptions.is_empty() {
            return self.for_each_plain(piece, symbols, stretch);
        }
        // A token of the exceptions is joined with a neighbour: then it is no token any more, since
        // there is a cut inside.
        let is_odd = |start: usize, end: usize| self.exceptions.contains(&piece[start..end]);
        let mut held: Option<(usize, usize, bool)> = None;
        self.for_each_plain(piece, symbols, |start, end| {
            let odd = is_odd(start, end);
            held = match held {
                Some((first, _, before)) if odd || before => Some((first, end, false)),
                before => {
                    if let Some((start, end, _)) = before {
                        stretch(start, end);
                    }
                    Some((start, end, odd))
                }
            };
        });
        if let Some((start, end, _)) = held {
            stretch(start, end);
        }
    }

    #[inline]
    fn for_each_plain(
        &self,
        piece: &str,
        symbols: Option<&Symbols>,
        mut stretch: impl FnMut(usize, usize),
    ) {
        let mut start = 0;
        let mut left: Option<char> = None;
        for (at, right) in piece.char_indices() {
            // After a character that is dropped all places of the piece are moved: no cut may follow,
            // nor one just before it, for its neighbours may merge across it.
            if self.may_drop
                && symbols.is_some_and(|symbols| symbols.class(right) == Class::Dropped)
            {
                break;
            }
            if let Some(left) = left.replace(right)
                && !self.joins.may_join(u32::from(left), u32::from(right))
                && (self.free || symbols.is_some_and(|symbols| may_part(symbols, left, right)))
            {
                stretch(start, at);
                start = at;
            }
        }
        if start < piece.len() {
            stretch(start, piece.len());
        }
    }
}

/// Unknown characters may be fused, and an unknown token may wait behind tokens of bytes: only where
/// one of the two has a token of its own nothing reaches across.
fn may_part(symbols: &Symbols, left: char, right: char) -> bool {
    symbols.class(left) == Class::Known || symbols.class(right) == Class::Known
}

/// Pairs of characters that stand side by side in some token.
#[derive(Clone, Debug)]
pub(super) struct Joins {
    /// Pairs of ASCII characters: a row of bits for each left one.
    ascii: Box<[u128; 128]>,
    /// All other pairs, by hash.
    bits: Box<[u64]>,
    shift: u32,
    /// The neighbours of each character of the basic plane: of the others nothing is known.
    neighbours: Box<[u8]>,
    /// Tokens that end one character and begin the next: by the last byte and the first one, without
    /// their two high bits.
    edges: [u64; 64],
}

/// A character of which only the last byte is known, or only the first.
const ENDS: u32 = 0x0100_0000;
const STARTS: u32 = 0x0200_0000;

/// There is a token in which the character has a whole one to its right.
const LEFT: u8 = 1;
/// There is a token in which it has a whole one to its left.
const RIGHT: u8 = 2;
/// There is a token that ends within the character to its right.
const BEFORE_START: u8 = 4;
/// There is a token that starts within the character to its left.
const AFTER_END: u8 = 8;

/// The characters of the basic plane.
const PLANE: usize = 1 << 16;

impl Joins {
    fn new(tokens: usize) -> Self {
        let bits = (tokens * 16).next_power_of_two().clamp(1 << 12, 1 << 22);
        Self {
            ascii: Box::new([0; 128]),
            bits: vec![0; bits / 64].into_boxed_slice(),
            shift: 64 - bits.trailing_zeros(),
            neighbours: vec![0; PLANE].into_boxed_slice(),
            edges: [0; 64],
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted to the number of bits")]
    fn place(&self, left: u32, right: u32) -> (usize, u32) {
        let pair = u64::from(left) << 32 | u64::from(right);
        let mixed = (pair ^ pair >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bit = ((mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)) >> self.shift;
        (bit as usize / 64, bit as u32 % 64)
    }

    fn add(&mut self, left: u32, right: u32) {
        if left < 128 && right < 128 {
            self.ascii[left as usize] |= 1 << right;
        }
        if left & ENDS != 0 && right & STARTS != 0 {
            self.edges[left as usize % 64] |= 1 << (right % 64);
            return;
        }
        if let Some(neighbours) = self.neighbours.get_mut(left as usize) {
            *neighbours |= if right & STARTS != 0 { BEFORE_START } else { LEFT };
        }
        if let Some(neighbours) = self.neighbours.get_mut(right as usize) {
            *neighbours |= if left & ENDS != 0 { AFTER_END } else { RIGHT };
        }
        let (word, bit) = self.place(left, right);
        self.bits[word] |= 1 << bit;
    }

    #[inline]
    fn has(&self, left: u32, right: u32) -> bool {
        let (word, bit) = self.place(left, right);
        self.bits[word] >> bit & 1 == 1
    }

    fn add_token(&mut self, token: &[u8]) {
        if token.is_ascii() {
            for pair in token.windows(2) {
                self.ascii[usize::from(pair[0] & 0x7F)] |= 1 << (pair[1] & 0x7F);
            }
            return;
        }
        let head = token.iter().take_while(|&&byte| byte & 0xC0 == 0x80).count();
        let rest = &token[head..];
        let (text, tail) = match std::str::from_utf8(rest) {
            Ok(text) => (text, None),
            Err(error) => {
                let (text, tail) = rest.split_at(error.valid_up_to());
                // Bytes that no text has in this order are never met.
                if error.error_len().is_some() {
                    return;
                }
                (std::str::from_utf8(text).unwrap_or_default(), tail.first())
            }
        };
        let mut left = head.checked_sub(1).map(|last| ENDS | u32::from(token[last]));
        for c in text.chars() {
            if let Some(left) = left {
                self.add(left, u32::from(c));
            }
            left = Some(u32::from(c));
        }
        if let (Some(left), Some(&first)) = (left, tail) {
            self.add(left, STARTS | u32::from(first));
        }
    }

    /// What is known of the neighbours of a character.
    #[inline]
    fn of(&self, c: u32) -> u8 {
        self.neighbours.get(c as usize).copied().unwrap_or(u8::MAX)
    }

    /// Whether the two may become part of one token.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few instructions for each character")]
    pub(super) fn may_join(&self, left: u32, right: u32) -> bool {
        if left < 128 && right < 128 {
            return self.ascii[left as usize] >> right & 1 == 1;
        }
        let (l, r) = (self.of(left), self.of(right));
        let edge = left >= 128
            && right >= 128
            && self.edges[left as usize % 64] >> (first_byte(right) % 64) & 1 == 1;
        // LEFT and RIGHT meet, or one of the other two is there.
        let look = l & (r >> 1) & LEFT | l & BEFORE_START | r & AFTER_END;
        edge || (look != 0 && self.look_up(left, right, l, r))
    }

    #[inline(never)]
    fn look_up(&self, left: u32, right: u32, l: u8, r: u8) -> bool {
        (l & LEFT != 0 && r & RIGHT != 0 && self.has(left, right))
            || (l & BEFORE_START != 0 && right >= 128 && self.has(left, STARTS | first_byte(right)))
            || (r & AFTER_END != 0 && left >= 128 && self.has(ENDS | last_byte(left), right))
    }

    fn memory(&self) -> usize {
        size_of_val(&*self.bits) + size_of_val(&*self.ascii) + size_of_val(&*self.neighbours)
    }
}

/// The last byte of a character that is not ASCII.
#[inline]
fn last_byte(c: u32) -> u32 {
    0x80 | c & 0x3F
}

/// The first byte of a character that is not ASCII.
#[inline]
fn first_byte(c: u32) -> u32 {
    if c < 0x800 {
        0xC0 | c >> 6
    } else if c < 0x1_0000 {
        0xE0 | c >> 12
    } else {
        0xF0 | c >> 18
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_inside_a_character_count_for_all_characters_with_that_edge() {
        let mut cuts = Cuts::new(4, None);
        let joined = |cuts: &Cuts, text: &str| {
            let mut count = 0;
            cuts.for_each(text, None, |_, _| count += 1);
            count == 1
        };
        // The end of `é` or `щ`, then `x`; then `x` and the start of `é`; an end and a start.
        cuts.add(&[0xA9, b'x']);
        assert!(joined(&cuts, "éx") && joined(&cuts, "\u{429}x") && !joined(&cuts, "èx"));
        cuts.add(&[b'x', 0xC3]);
        assert!(joined(&cuts, "xé") && joined(&cuts, "xè") && !joined(&cuts, "x\u{429}"));
        assert!(!joined(&cuts, "é漢"));
        cuts.add(&[0xA9, 0xE6, 0xBC]);
        assert!(joined(&cuts, "é漢") && !joined(&cuts, "漢é"));
        // What no text contains is not met.
        cuts.add(&[b'a', 0xFF, b'b']);
        assert!(!joined(&cuts, "ab"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever stands around the border of two characters in a token keeps them together.
        #[test]
        fn what_a_token_joins_is_not_cut(
            texts in prop::collection::vec(
                ("[ -~é\u{429}ก漢漣한\u{FFFF}😀]{2,5}", 0usize..4, 0usize..4), 1..8),
        ) {
            let mut cuts = Cuts::new(texts.len(), None);
            for (text, from, less) in &texts {
                // Part of the characters at both ends.
                let last = text.chars().next_back().unwrap().len_utf8();
                let from = (*from).min(text.chars().next().unwrap().len_utf8() - 1);
                cuts.add(&text.as_bytes()[from..text.len() - (*less).min(last - 1)]);
            }
            for (text, ..) in &texts {
                let mut count = 0;
                cuts.ranges(text, |_, _| count += 1);
                prop_assert_eq!(count, 1, "{:?}", text);
            }
        }
    }

    #[test]
    fn first_and_last_bytes() {
        for c in ('\u{80}'..=char::MAX).step_by(7) {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(first_byte(u32::from(c)), u32::from(bytes[0]));
            assert_eq!(last_byte(u32::from(c)), u32::from(bytes[bytes.len() - 1]));
        }
    }
}

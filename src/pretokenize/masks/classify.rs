//! From the masks of bytes to those of characters.

#![expect(
    clippy::inline_always,
    reason = "compiled for each instruction set, inside of a loop over windows"
)]

use super::{Ascii, WINDOW, Window};
use crate::unicode::classes::{
    CASELESS, ClassTable, LOWER, MARK, NUMBER, OTHER, SPACE, UPPER, decode,
};

impl Window {
    /// The masks of the first `length` bytes.
    #[inline(always)]
    pub(super) fn new(
        ascii: Ascii,
        bytes: &[u8; WINDOW],
        length: usize,
        table: &ClassTable,
    ) -> Self {
        let [upper, lower, number, space, newline, blank, apostrophe, slash] = ascii.classes;
        let valid = u64::MAX >> (WINDOW - length);
        let mut window = Self {
            valid,
            starts: !ascii.tails,
            upper,
            lower,
            caseless: 0,
            mark: 0,
            number,
            space,
            newline,
            blank,
            apostrophe,
            slash,
        };
        if ascii.high != 0 {
            window.complete(ascii, bytes, length, table);
        }
        window
    }

    /// Adds the characters beyond ASCII.
    #[inline(always)]
    fn complete(&mut self, ascii: Ascii, bytes: &[u8; WINDOW], length: usize, table: &ClassTable) {
        let leads = ascii.high & !ascii.tails;
        // A character that the window cuts is left out.
        let last = u64::BITS - 1 - (leads | 1).leading_zeros();
        let size = match bytes[last as usize] {
            0xF0.. => 4,
            0xE0.. => 3,
            0xC0.. => 2,
            _ => 1,
        };
        if last as usize + size > length {
            self.valid = (1 << last) - 1;
        }
        let caseless = ascii.caseless & self.valid;
        self.caseless = caseless | caseless << 1 | caseless << 2;
        let mut rest = leads & self.valid & !caseless;
        let mut found = [0u64; 8];
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest - 1;
            let (code, size) = decode(&bytes[at as usize..]);
            found[usize::from(table.class(code) & 7)] |= ((1 << size) - 1) << at;
        }
        self.upper |= found[usize::from(UPPER)];
        self.lower |= found[usize::from(LOWER)];
        self.caseless |= found[usize::from(CASELESS)];
        self.number |= found[usize::from(NUMBER)];
        self.space |= found[usize::from(SPACE)];
        self.mark |= found[usize::from(MARK)];
    }
}

const _: () = assert!(OTHER == 0 && MARK < 8);

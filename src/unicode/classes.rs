//! The character classes that split patterns speak of, as one table look-up.
//!
//! A byte of the table holds the class of one code point: two levels, 256 code points a page, equal
//! pages shared (about 50 kB). It is expanded once per process out of the ranges in
//! `class_ranges.rs`, which a test regenerates from the data of the regex engine: committed ranges
//! are reviewable and small, and expanding them takes less time than reading a tokenizer file.

use std::sync::LazyLock;

use super::class_ranges::RANGES;

/// What a character is to a split pattern. Letters are told apart because newer patterns do.
pub(crate) type Class = u8;

/// Neither letter, number, mark nor white space: punctuation, symbols, controls, unassigned.
pub(crate) const OTHER: Class = 0;
/// `\p{Lu}` and `\p{Lt}`.
pub(crate) const UPPER: Class = 1;
/// `\p{Ll}`.
pub(crate) const LOWER: Class = 2;
/// `\p{Lm}` and `\p{Lo}`.
pub(crate) const CASELESS: Class = 3;
/// `\p{N}`.
pub(crate) const NUMBER: Class = 4;
/// `\s`: the property `White_Space`.
pub(crate) const SPACE: Class = 5;
/// `\p{M}`.
pub(crate) const MARK: Class = 6;

/// Whether `class` is `\p{L}`.
#[inline]
pub(crate) const fn is_letter(class: Class) -> bool {
    matches!(class, UPPER | LOWER | CASELESS)
}

/// The class of every code point.
pub(crate) struct ClassTable {
    /// The classes of U+0000 to U+007F; every byte above is 255 and means "decode first".
    pub(crate) ascii: [Class; 256],
    pages: Vec<[Class; 256]>,
    page_of: Vec<u8>,
}

/// The bytes of `ascii` that say nothing about a character.
pub(crate) const DECODE: Class = 255;

static TABLE: LazyLock<ClassTable> = LazyLock::new(ClassTable::expand);

impl ClassTable {
    /// The table of this process.
    pub(crate) fn get() -> &'static Self {
        &TABLE
    }

    fn expand() -> Self {
        let mut flat = vec![OTHER; 0x11_0000];
        for &(first, last, class) in RANGES {
            flat[first as usize..=last as usize].fill(class);
        }
        let mut ascii = [DECODE; 256];
        ascii[..128].copy_from_slice(&flat[..128]);
        let (mut pages, mut page_of) = (Vec::<[Class; 256]>::new(), Vec::new());
        for chunk in flat.as_chunks::<256>().0 {
            // Neighbouring pages repeat (CJK, unassigned planes), so the search starts at the end.
            let found = pages.iter().rposition(|page| page == chunk);
            let index = found.unwrap_or_else(|| {
                pages.push(*chunk);
                pages.len() - 1
            });
            page_of.push(u8::try_from(index).unwrap_or(0));
        }
        debug_assert!(pages.len() <= 256);
        Self { ascii, pages, page_of }
    }

    /// The class of a code point; `OTHER` for what is none.
    #[inline]
    pub(crate) fn class(&self, code: u32) -> Class {
        let page = self.page_of.get((code >> 8) as usize).map_or(0, |&page| page as usize);
        self.pages.get(page).map_or(OTHER, |page| page[(code & 0xFF) as usize])
    }

    /// The class of the character that starts at `at`, and its length in bytes.
    ///
    /// `text` must be UTF-8 and `at` the start of a character.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the innermost step of every scanner")]
    pub(crate) fn at(&self, text: &[u8], at: usize) -> (Class, usize) {
        let class = self.ascii[text[at] as usize];
        if class == DECODE { self.decode(text, at) } else { (class, 1) }
    }

    #[inline(never)]
    fn decode(&self, text: &[u8], at: usize) -> (Class, usize) {
        let (code, length) = decode(&text[at..]);
        (self.class(code), length)
    }
}

/// The first character of non-empty UTF-8 and its length; garbage, but no panic, for other bytes.
#[inline]
pub(crate) fn decode(text: &[u8]) -> (u32, usize) {
    let tail = |byte: u8| u32::from(byte & 0x3F);
    match *text {
        [a, ..] if a < 0x80 => (u32::from(a), 1),
        [a, b, ..] if a < 0xE0 => (u32::from(a & 0x1F) << 6 | tail(b), 2),
        [a, b, c, ..] if a < 0xF0 => (u32::from(a & 0x0F) << 12 | tail(b) << 6 | tail(c), 3),
        [a, b, c, d, ..] => (u32::from(a & 0x07) << 18 | tail(b) << 12 | tail(c) << 6 | tail(d), 4),
        _ => (0xFFFD, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::{Class as HirClass, HirKind};
    use std::fmt::Write;

    /// The ranges of a regex class, out of the engine's own data.
    fn ranges(class: &str) -> Vec<(u32, u32)> {
        let hir = regex_syntax::Parser::new().parse(class).unwrap();
        let HirKind::Class(HirClass::Unicode(class)) = hir.kind() else { panic!("{class}") };
        class.iter().map(|range| (range.start() as u32, range.end() as u32)).collect()
    }

    #[test]
    fn ranges_are_those_of_the_regex_engine() {
        let classes = [
            (UPPER, r"[\p{Lu}\p{Lt}]"),
            (LOWER, r"\p{Ll}"),
            (CASELESS, r"[\p{Lm}\p{Lo}]"),
            (NUMBER, r"\p{N}"),
            (SPACE, r"\s"),
            (MARK, r"\p{M}"),
        ];
        let mut all: Vec<(u32, u32, Class)> = Vec::new();
        for (class, pattern) in classes {
            all.extend(ranges(pattern).into_iter().map(|(first, last)| (first, last, class)));
        }
        all.sort_unstable();
        let mut source = String::from(
            "//! Generated out of the regex engine's Unicode 16.0 data; see the tests of `classes.rs`.\n\n\
             use super::classes::Class;\n\n\
             /// First and last code point, class. Sorted, disjoint; what is missing is `OTHER`.\n\
             #[rustfmt::skip]\n\
             pub(super) static RANGES: &[(u32, u32, Class)] = &[\n",
        );
        for row in all.chunks(5) {
            source.push_str("   ");
            for (first, last, class) in row {
                write!(source, " (0x{first:X}, 0x{last:X}, {class}),").unwrap();
            }
            source.push('\n');
        }
        source.push_str("];\n");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/unicode/class_ranges.rs");
        if std::env::var_os("SUBTOK_REGENERATE").is_some() {
            std::fs::write(path, &source).unwrap();
        }
        assert!(source == std::fs::read_to_string(path).unwrap(), "run with SUBTOK_REGENERATE=1");
    }

    #[test]
    fn look_ups_equal_the_ranges() {
        let table = ClassTable::get();
        for pattern in [r"\p{L}", r"\p{N}", r"\s"] {
            let mut inside = vec![false; 0x11_0000];
            for (first, last) in ranges(pattern) {
                inside[first as usize..=last as usize].fill(true);
            }
            for (code, &inside) in (0..).zip(&inside) {
                let class = table.class(code);
                let found = match pattern {
                    r"\p{L}" => is_letter(class),
                    r"\p{N}" => class == NUMBER,
                    _ => class == SPACE,
                };
                assert_eq!(found, inside, "{pattern} U+{code:04X}");
            }
        }
    }

    #[test]
    fn decoding_equals_the_standard_library() {
        let mut buffer = [0; 4];
        for c in '\0'..=char::MAX {
            let text = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(decode(text), (c as u32, text.len()));
        }
    }
}

//! The characters as one pattern tells them apart: each belongs to one class, and every set of the
//! pattern is a set of classes. So a character is looked up once, whatever is asked of it.

use hashbrown::HashMap;

use super::set::CharSet;
use crate::unicode::classes::decode;

/// The most sets and the most classes of one pattern.
const MAX_SETS: usize = 4096;
/// The most work that telling characters apart may be.
const MAX_WORK: usize = 1 << 26;

/// The classes of one pattern.
#[derive(Debug)]
pub(crate) struct Alphabet {
    /// How many classes there are.
    pub(crate) classes: usize,
    ascii: [u16; 128],
    page_of: Vec<u16>,
    pages: Vec<[u16; 256]>,
    /// Whether a class lies in a set, set by set.
    members: Vec<bool>,
    /// The same for the characters of ASCII.
    ascii_members: Vec<[bool; 128]>,
}

impl Alphabet {
    /// The coarsest classes that tell apart what `sets` tell apart; none when that is too much work.
    pub(crate) fn new(sets: &[CharSet]) -> Option<Self> {
        let words = sets.len().div_ceil(64).max(1);
        let mut events: Vec<(u32, usize)> = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            for &(first, last) in set.ranges() {
                events.extend([(first, index), (last + 1, index)]);
            }
        }
        if sets.len() > MAX_SETS || events.len().saturating_mul(words) > MAX_WORK {
            return None;
        }
        events.sort_unstable();
        let mut known: HashMap<Vec<u64>, u16> = HashMap::new();
        let mut kinds: Vec<Vec<u64>> = Vec::new();
        let mut segments: Vec<(u32, u16)> = Vec::new();
        let mut inside = vec![0_u64; words];
        let mut rest = events.as_slice();
        let mut start = 0;
        while start <= char::MAX as u32 {
            while let [(code, index), tail @ ..] = rest
                && *code == start
            {
                inside[index / 64] ^= 1 << (index % 64);
                rest = tail;
            }
            let class = if let Some(&class) = known.get(&inside) {
                class
            } else {
                if kinds.len() >= MAX_SETS {
                    return None;
                }
                let class = u16::try_from(kinds.len()).ok()?;
                known.insert(inside.clone(), class);
                kinds.push(inside.clone());
                class
            };
            segments.push((start, class));
            start = rest.first().map_or(u32::MAX, |&(code, _)| code);
        }
        let mut members = Vec::with_capacity(sets.len() * kinds.len());
        for index in 0..sets.len() {
            members.extend(kinds.iter().map(|kind| kind[index / 64] >> (index % 64) & 1 == 1));
        }
        let mut alphabet = Self {
            classes: kinds.len(),
            ascii: [0; 128],
            page_of: Vec::with_capacity(0x1100),
            pages: Vec::new(),
            members,
            ascii_members: Vec::new(),
        };
        alphabet.fill(&segments);
        for (index, slot) in alphabet.ascii.iter_mut().enumerate() {
            *slot = alphabet.pages[usize::from(alphabet.page_of[0])][index];
        }
        for set in 0..sets.len() {
            let mut row = [false; 128];
            for (slot, &class) in row.iter_mut().zip(&alphabet.ascii) {
                *slot = alphabet.members[set * alphabet.classes + usize::from(class)];
            }
            alphabet.ascii_members.push(row);
        }
        Some(alphabet)
    }

    /// Lays the segments out in pages; equal pages are kept once.
    fn fill(&mut self, segments: &[(u32, u16)]) {
        let mut known: HashMap<[u16; 256], u16> = HashMap::new();
        let mut rest = segments;
        let mut class = 0;
        for page in 0..0x1100_u32 {
            let mut content = [class; 256];
            while let [(start, next), tail @ ..] = rest
                && start >> 8 == page
            {
                class = *next;
                content[(start & 0xFF) as usize..].fill(class);
                rest = tail;
            }
            let index = *known.entry(content).or_insert_with(|| {
                self.pages.push(content);
                u16::try_from(self.pages.len() - 1).unwrap_or_default()
            });
            self.page_of.push(index);
        }
    }

    /// The class of a code point.
    #[inline]
    pub(crate) fn class(&self, code: u32) -> usize {
        let page = self.page_of.get((code >> 8) as usize).map_or(0, |&page| usize::from(page));
        self.pages.get(page).map_or(0, |page| usize::from(page[(code & 0xFF) as usize]))
    }

    /// The class of the character at `at`, which is inside the text, and its length.
    #[inline]
    pub(crate) fn at(&self, text: &[u8], at: usize) -> (usize, usize) {
        let byte = text[at];
        if byte < 0x80 {
            (usize::from(self.ascii[usize::from(byte)]), 1)
        } else {
            let (code, length) = decode(&text[at..]);
            (self.class(code), length)
        }
    }

    /// Whether a class lies in a set.
    #[inline]
    pub(crate) fn has(&self, set: usize, class: usize) -> bool {
        self.members.get(set * self.classes + class).is_some_and(|&member| member)
    }

    /// The length of the character at `at` when it lies in a set; none at the end of the text.
    #[inline]
    pub(crate) fn length_in(&self, set: usize, text: &[u8], at: usize) -> Option<usize> {
        let &byte = text.get(at)?;
        if byte < 0x80 {
            self.ascii_members[set][usize::from(byte)].then_some(1)
        } else {
            let (code, length) = decode(&text[at..]);
            self.has(set, self.class(code)).then_some(length)
        }
    }

    /// Where the characters of a set end that start at `at`, and how many they are, up to `most`.
    #[inline]
    pub(crate) fn run(&self, set: usize, text: &[u8], mut at: usize, most: u32) -> (usize, u32) {
        let mut count = 0;
        let ascii = &self.ascii_members[set];
        while count < most
            && let Some(&byte) = text.get(at)
        {
            if byte < 0x80 {
                if !ascii[usize::from(byte)] {
                    break;
                }
                at += 1;
            } else {
                let (code, length) = decode(&text[at..]);
                if !self.has(set, self.class(code)) {
                    break;
                }
                at += length;
            }
            count += 1;
        }
        (at, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_point_lies_where_its_sets_say() {
        let sets = [
            crate::regex::property::word(),
            crate::regex::property::space(),
            CharSet::of(['a', '漢', '\u{10FFFF}']),
            CharSet::all(),
            CharSet::empty(),
        ];
        let alphabet = Alphabet::new(&sets).unwrap();
        let mut buffer = [0; 4];
        for c in '\0'..=char::MAX {
            let text = c.encode_utf8(&mut buffer).as_bytes();
            let (class, length) = alphabet.at(text, 0);
            assert_eq!(length, text.len());
            for (index, set) in sets.iter().enumerate() {
                let inside = set.contains(c as u32);
                assert_eq!(alphabet.has(index, class), inside, "{c:?}");
                assert_eq!(alphabet.length_in(index, text, 0), inside.then_some(length));
            }
        }
    }
}

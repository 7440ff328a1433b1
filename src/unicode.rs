//! Unicode data: the classes of split patterns, and the byte alphabet of byte-level models.
//!
//! Each table states the Unicode version it carries; [`CLASSES_VERSION`] is what split patterns use.

pub(crate) mod bert;
#[rustfmt::skip]
mod bert_tables;
pub(crate) mod byte_level;
mod class_ranges;
pub(crate) mod classes;
pub(crate) mod forms;
#[rustfmt::skip]
mod forms_tables;
pub(crate) mod script_ranges;
pub(crate) mod utf8;

/// A table of a byte for each character: blocks of 128 for the planes that hold much, ranges (first,
/// last, byte) for those that hold little: tags, variation selectors, private use.
struct FlagTable {
    index: &'static [u8],
    blocks: &'static [[u8; 128]],
    high: &'static [(u32, u32, u8)],
}

impl FlagTable {
    #[inline]
    fn get(&self, c: char) -> u8 {
        let code = c as usize;
        match self.index.get(code >> 7) {
            Some(&block) => self.blocks[usize::from(block)][code & 127],
            None => self.get_high(u32::from(c)),
        }
    }

    #[cold]
    fn get_high(&self, code: u32) -> u8 {
        let range = self.high.iter().find(|&&(first, last, _)| (first..=last).contains(&code));
        range.map_or(0, |&(_, _, flags)| flags)
    }
}

/// The Unicode version of the classes that split patterns use (`\p{L}`, `\p{N}`, `\s`).
pub const CLASSES_VERSION: &str = "16.0";
/// The Unicode version of the general categories (control, punctuation, marks) on the BERT road.
pub const BERT_CATEGORIES_VERSION: &str = "8.0";
/// The Unicode version of the canonical decompositions on the BERT road.
pub const BERT_DECOMPOSITION_VERSION: &str = "9.0";
/// The Unicode version of lower case and white space on the BERT road.
pub const BERT_LOWER_CASE_VERSION: &str = "17.0";
/// The Unicode version of NFC, NFD, NFKC, NFKD and of the marks that `StripAccents` drops.
pub const NORMAL_FORMS_VERSION: &str = "9.0";
/// The Unicode version of the `Lowercase` normalizer and of the white space that `Strip` drops.
pub const LOWER_CASE_VERSION: &str = "17.0";
/// The Unicode version of the grapheme clusters that `Precompiled` looks up.
pub const GRAPHEME_CLUSTERS_VERSION: &str = "17.0";
/// The Unicode version of the numbers that `Digits` sets apart.
pub const NUMBERS_VERSION: &str = "17.0";
/// The Unicode version of the scripts that `UnicodeScripts` tells apart.
pub const SCRIPTS_VERSION: &str = "9.0";

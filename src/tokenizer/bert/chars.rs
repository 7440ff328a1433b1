//! What BERT's normaliser and splitter make of a character, as one number.
//!
//! But for the order of some combining characters, every step looks at one character at a time: so
//! does this table, and a stretch becomes its words in one pass. Characters whose neighbours matter are
//! marked, and a stretch that holds one is left to the normaliser itself.

use crate::ids::TokenId;
use crate::model::WordPiece;
use crate::normalize::BertNormalizer;
use crate::unicode::bert::{
    CHINESE, DECOMPOSES, LOWERS, MARK, PUNCTUATION, REMOVED, REORDERS, WHITE, decompose, flags,
    lower,
};

/// What a character becomes, with the kind in the high byte. Below [`ALONE`] the kind is the length of
/// what stands in a word for it, up to three bytes, which are in the low ones.
pub(super) type Entry = u32;

/// It is a word of its own; the id is in the low bytes.
pub(super) const ALONE: u32 = 4;
/// It ends a word and goes.
pub(super) const BREAK: u32 = 5;
/// It stands for more than three bytes: see [`Chars::longer`].
pub(super) const LONGER: u32 = 6;
/// A Hangul syllable, to be taken apart.
pub(super) const HANGUL: u32 = 7;
/// What it becomes depends on its neighbours, or fits no other kind.
pub(super) const OTHER: u32 = 8;

/// The most bytes that one character becomes; others are [`OTHER`].
pub(super) const MAX_LONGER: usize = 15;
/// Characters with entries of their own: the basic plane.
const TABLE: u32 = 0x1_0000;

/// The kind of an entry.
#[inline]
pub(super) fn kind(entry: Entry) -> u32 {
    entry >> 24
}

/// What an entry holds beside its kind.
#[inline]
pub(super) fn value(entry: Entry) -> u32 {
    entry & 0xFF_FFFF
}

/// The table of one tokenizer.
#[derive(Clone, Debug)]
pub(super) struct Chars {
    entries: Vec<Entry>,
    /// What some characters stand for, with the length in front.
    longer: Vec<[u8; MAX_LONGER + 1]>,
    options: Option<BertNormalizer>,
}

impl Chars {
    /// `options` are none where no normaliser changes the text.
    pub(super) fn new(model: &WordPiece, options: Option<&BertNormalizer>) -> Self {
        let mut chars = Self { entries: Vec::new(), longer: Vec::new(), options: options.cloned() };
        let mut longer = Vec::new();
        let mut word = String::new();
        let entries = (0..TABLE).map(|code| {
            // Surrogates are no characters, and nobody asks.
            let Some(c) = char::from_u32(code) else { return OTHER << 24 };
            word.clear();
            match chars.becomes(c, &mut word) {
                Becomes::Word => Self::word(&word, &mut longer),
                Becomes::Alone => alone(model, &word),
                Becomes::Break => BREAK << 24,
                Becomes::Hangul => HANGUL << 24,
                Becomes::Other => OTHER << 24,
            }
        });
        let entries = entries.collect();
        (chars.entries, chars.longer) = (entries, longer);
        chars
    }

    fn word(word: &str, longer: &mut Vec<[u8; MAX_LONGER + 1]>) -> Entry {
        let bytes = word.as_bytes();
        let Ok(length) = u8::try_from(bytes.len()) else { return OTHER << 24 };
        let mut short = [0; 4];
        if let Some(room) = short[..3].get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            short[3] = length;
            return u32::from_le_bytes(short);
        }
        let mut long = [0; MAX_LONGER + 1];
        let Some(room) = long[1..].get_mut(..bytes.len()) else { return OTHER << 24 };
        room.copy_from_slice(bytes);
        long[0] = length;
        longer.push(long);
        u32::try_from(longer.len() - 1).map_or(OTHER << 24, |index| LONGER << 24 | index)
    }

    /// The entry of a character; [`OTHER`] beyond the table for all but plain characters.
    #[inline]
    pub(super) fn get(&self, c: char) -> Option<Entry> {
        self.entries.get(c as usize).copied()
    }

    /// The entry of an ASCII character.
    #[inline]
    pub(super) fn ascii(&self, byte: u8) -> Entry {
        self.entries.get(usize::from(byte)).copied().unwrap_or(OTHER << 24)
    }

    /// What a character with an entry of [`LONGER`] stands for, with the length in front.
    #[inline]
    pub(super) fn longer(&self, entry: Entry) -> [u8; MAX_LONGER + 1] {
        self.longer.get(value(entry) as usize).copied().unwrap_or_default()
    }

    /// The memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries) + size_of_val(&*self.longer)
    }

    /// Whether letters become lower case.
    pub(super) fn lowers(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.lowercase)
    }

    /// What becomes of `c`; for a word or a part of one, what it becomes is appended to `word`.
    pub(super) fn becomes(&self, c: char, word: &mut String) -> Becomes {
        let about = flags(c);
        let Some(options) = &self.options else { return split(c, about, word) };
        if options.clean_text && about & (REMOVED | WHITE) != 0 {
            return if about & REMOVED == 0 { Becomes::Break } else { Becomes::Word };
        }
        let strip = options.strips_accents();
        if strip && ('가'..='힣').contains(&c) {
            return Becomes::Hangul;
        }
        let mut count = 0;
        let (mut last, mut words) = (Becomes::Word, true);
        let mut put = |c: char, word: &mut String| {
            last = split(c, flags(c), word);
            words &= last == Becomes::Word;
            count += 1;
        };
        let mut part = |c: char, about: u8| {
            if strip && about & MARK != 0 {
                return true;
            }
            if options.lowercase && about & LOWERS != 0 {
                lower(c, |c| put(c, word));
            } else {
                put(c, word);
            }
            // One that stays may change places with its neighbours.
            !strip || about & REORDERS == 0
        };
        let mut calm = true;
        if strip && about & DECOMPOSES != 0 {
            decompose(c, |c| calm &= part(c, flags(c)));
        } else {
            calm = part(c, about);
        }
        let alone = options.handle_chinese_chars && about & CHINESE != 0;
        match last {
            _ if !calm || (count != 1 && (alone || !words)) => Becomes::Other,
            // Spaces go around it.
            Becomes::Word if alone => Becomes::Alone,
            last => last,
        }
    }
}

/// What becomes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// A part of a word, or nothing.
    Word,
    /// A word of its own, of one character.
    Alone,
    Break,
    Hangul,
    Other,
}

/// What the splitter makes of a character that is normalised.
fn split(c: char, about: u8, word: &mut String) -> Becomes {
    if about & PUNCTUATION != 0 {
        word.push(c);
        Becomes::Alone
    } else if about & WHITE != 0 {
        Becomes::Break
    } else {
        word.push(c);
        Becomes::Word
    }
}

fn alone(model: &WordPiece, word: &str) -> Entry {
    let (mut id, mut count): (TokenId, _) = (0, 0);
    model.encode_word(word, |token, _, _| (id, count) = (token, count + 1));
    if count == 1 && id <= 0xFF_FFFF { ALONE << 24 | id } else { OTHER << 24 }
}

//! From a stretch that is not remembered to its ids: normalised and split in one pass.

use super::chars::Becomes;
use super::chars::{ALONE, BREAK, Chars, HANGUL, LONGER, MAX_LONGER, OTHER, kind, value};
use super::gather;
use super::keys::MASKS;
use super::tiers::Key;
use crate::ids::TokenId;
use crate::model::WordPiece;
use crate::model::pieces::Key as PieceKey;
use crate::unicode::bert::hangul;

/// Each byte of a word of eight.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// The words of stretches.
pub(super) struct Words<'a> {
    pub(super) model: &'a WordPiece,
    pub(super) chars: &'a Chars,
    pub(super) lowers: bool,
    /// The word that is being written, and room behind it.
    pub(super) word: &'a mut Vec<u8>,
    /// What a character outside of the table becomes.
    pub(super) rare: &'a mut String,
}

impl Words<'_> {
    /// Appends the ids of a stretch of printable ASCII, given as its key; false for any other, and
    /// then nothing is appended.
    #[inline]
    pub(super) fn ascii<const KEY: usize>(
        &self,
        key: &Key<KEY>,
        length: usize,
        out: &mut Vec<TokenId>,
    ) -> bool {
        let mut text = [0_u8; 80];
        let mut special = 0;
        let mut odd = 0;
        for at in 0..KEY {
            // The last byte of the key is the length, and what is behind the stretch is zero.
            let word = if at == KEY - 1 { key[at] & (u64::MAX >> 8) } else { key[at] };
            let inside = HIGH & MASKS[length.saturating_sub(8 * at).min(8)];
            let upper = least(word, b'A') & !least(word, b'Z' + 1);
            let small = word | upper >> 2;
            let letter = least(small, b'a') & !least(small, b'z' + 1);
            let digit = least(word, b'0') & !least(word, b'9' + 1);
            odd |= word & HIGH | inside & (!least(word, b'!') | least(word, 0x7F));
            special |= gather(inside & !(letter | digit)) << (8 * at);
            let word = if self.lowers { small } else { word };
            text[8 * at..8 * at + 8].copy_from_slice(&word.to_le_bytes());
        }
        if odd != 0 {
            return false;
        }
        let before = out.len();
        let mut start = 0;
        // Behind the stretch stands a border.
        let mut rest = special | 1 << length;
        loop {
            let at = rest.trailing_zeros() as usize;
            if at > start {
                self.word(&text, start, at, out);
            }
            if at >= length {
                return true;
            }
            let entry = self.chars.ascii(text[at]);
            if kind(entry) != ALONE {
                // An id that has no room in the table.
                out.truncate(before);
                return false;
            }
            out.push(value(entry));
            start = at + 1;
            rest &= rest - 1;
        }
    }

    /// Appends the ids of any stretch; false, and then nothing is appended, when it holds a character
    /// that depends on its neighbours.
    pub(super) fn walk(&mut self, stretch: &str, out: &mut Vec<TokenId>) -> bool {
        let before = out.len();
        let mut length = 0;
        for c in stretch.chars() {
            if self.word.len() < length + MAX_LONGER + 1 {
                self.word.resize(2 * length + 64, 0);
            }
            let Some(room) = self.word[length..].first_chunk_mut::<{ MAX_LONGER + 1 }>() else {
                break;
            };
            let Some(entry) = self.chars.get(c) else {
                if self.rare(c, &mut length, out) {
                    continue;
                }
                out.truncate(before);
                return false;
            };
            match kind(entry) {
                ALONE => {
                    self.flush(&mut length, out);
                    out.push(value(entry));
                }
                BREAK => self.flush(&mut length, out),
                LONGER => {
                    let [count, bytes @ ..] = self.chars.longer(entry);
                    room[..MAX_LONGER].copy_from_slice(&bytes);
                    length += usize::from(count);
                }
                HANGUL => {
                    let Some((letters, tail)) = hangul(c) else { continue };
                    for letter in letters.into_iter().chain(tail) {
                        length += letter.encode_utf8(&mut self.word[length..]).len();
                    }
                }
                OTHER => {
                    out.truncate(before);
                    return false;
                }
                short => {
                    // The kind is written, too, and then written over.
                    room[..4].copy_from_slice(&entry.to_le_bytes());
                    length += short as usize;
                }
            }
        }
        self.flush(&mut length, out);
        true
    }

    /// A character outside of the basic plane.
    fn rare(&mut self, c: char, length: &mut usize, out: &mut Vec<TokenId>) -> bool {
        self.rare.clear();
        match self.chars.becomes(c, self.rare) {
            Becomes::Word => {
                let end = *length + self.rare.len();
                if self.word.len() < end + MAX_LONGER + 1 {
                    self.word.resize(2 * end + 64, 0);
                }
                self.word[*length..end].copy_from_slice(self.rare.as_bytes());
                *length = end;
            }
            Becomes::Alone => {
                self.flush(length, out);
                self.model.encode_utf8(self.rare.as_bytes(), out);
            }
            Becomes::Break => self.flush(length, out),
            Becomes::Hangul | Becomes::Other => return false,
        }
        true
    }

    #[inline]
    fn flush(&mut self, length: &mut usize, out: &mut Vec<TokenId>) {
        if *length > 0 {
            self.word(self.word, 0, *length, out);
            *length = 0;
        }
    }

    /// Appends the ids of the word `text[start..end]`, which is normalised.
    #[inline]
    fn word(&self, text: &[u8], start: usize, end: usize, out: &mut Vec<TokenId>) {
        let key = PieceKey::new(text, start, end);
        match key.and_then(|key| self.model.table().get(key, key.hash())) {
            Some(ids) => ids.push_to(out),
            None => self.model.encode_utf8(&text[start..end], out),
        }
    }
}

/// The high bit of each byte of ASCII that is not below `limit`.
#[inline]
fn least(word: u64, limit: u8) -> u64 {
    ((word & !HIGH) + EACH * u64::from(0x80 - limit)) & HIGH
}

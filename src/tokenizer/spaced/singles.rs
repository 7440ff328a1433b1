//! Characters of three bytes that stand alone, as most of Chinese, Japanese and Korean do where no token
//! holds two of them: their ids by code point, with nothing hashed and nothing compared.

use crate::ids::TokenId;
use crate::model::sentencepiece::byte_piece;
use crate::model::{Model, ModelScratch};

/// The first character of three bytes.
const FIRST: usize = 0x800;
/// One more than the last.
const LIMIT: usize = 0x1_0000;

/// The ids of characters, for a model that has tokens for all bytes.
#[derive(Debug)]
pub(super) struct Singles {
    /// The id of a character's token plus one; 0 for a character that becomes the tokens of its bytes.
    tokens: Box<[u32]>,
    bytes: [TokenId; 256],
}

impl Singles {
    pub(super) fn new(model: &Model) -> Self {
        let vocab = model.vocab();
        let mut tokens = vec![0; LIMIT - FIRST].into_boxed_slice();
        let (mut state, mut ids) = (ModelScratch::default(), Vec::new());
        for (_, token) in vocab.iter() {
            let &[first, second, third] = token.as_bytes() else { continue };
            if first < 0xE0 {
                continue;
            }
            ids.clear();
            // What is not one token becomes the tokens of its bytes, as do characters without any.
            if model.encode_ids(token, &mut state, &mut ids).is_ok()
                && let [id] = *ids
                && let Some(slot) = tokens.get_mut(place([first, second, third]))
            {
                *slot = id + 1;
            }
        }
        let mut bytes = [0; 256];
        for (byte, id) in (0..=255).zip(&mut bytes) {
            *id = vocab.id(&byte_piece(byte)).unwrap_or_default();
        }
        Self { tokens, bytes }
    }

    /// Appends the ids of a character that is a stretch of its own.
    #[inline]
    pub(super) fn push(&self, text: [u8; 3], out: &mut Vec<TokenId>) {
        match self.tokens.get(place(text)) {
            Some(&token) if token > 0 => out.push(token - 1),
            _ => out.extend(text.map(|byte| self.bytes[usize::from(byte)])),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.tokens) + size_of_val(&self.bytes)
    }
}

/// Where the character of three bytes stands in the table.
#[inline]
fn place([first, second, third]: [u8; 3]) -> usize {
    let bits = |byte: u8, mask: u8| usize::from(byte & mask);
    (bits(first, 0x0F) << 12 | bits(second, 0x3F) << 6 | bits(third, 0x3F)).wrapping_sub(FIRST)
}

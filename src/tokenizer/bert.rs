//! The fast road of WordPiece behind BERT's normaliser and pre-tokenizer.
//!
//! Whole stretches between ASCII white space are looked up before anything is normalised: white space
//! is a border that no step of the pipeline looks across, so the ids of a stretch depend on its bytes
//! alone.

use super::block::Block;
use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::TokenId;
use crate::model::WordPiece;
use crate::model::pieces::{Ids, Key, PieceTable};
use crate::normalize::Normalizer;
use crate::pretokenize::Splitter;

/// Whether a normaliser leaves white space where it stands and looks at nothing across it. Others may
/// write it, spell it, or put something in front of the text.
pub(super) fn keeps_borders(normalizer: Option<&Normalizer>) -> bool {
    matches!(normalizer, None | Some(Normalizer::Bert(_)))
}

/// WordPiece behind BERT's normaliser and pre-tokenizer.
#[derive(Clone, Debug)]
pub(super) struct BertRoad {
    /// Words that the normaliser leaves as they are, with their ids: right for raw stretches of text
    /// and for normalised words alike.
    table: PieceTable,
}

impl BertRoad {
    pub(super) fn new(
        model: &WordPiece,
        normalizer: Option<&Normalizer>,
        splitter: &Splitter,
    ) -> Self {
        let prefix = model.options().continuing_subword_prefix.as_str();
        let mut entries = Vec::new();
        let mut normal = String::new();
        for (_, token) in model.vocab().iter() {
            if !prefix.is_empty() && token.starts_with(prefix) {
                continue;
            }
            let Some(key) = Key::new(token.as_bytes(), 0, token.len()) else { continue };
            normal.clear();
            match normalizer {
                Some(normalizer) if normalizer.normalize_into(token, &mut normal).is_err() => {
                    continue;
                }
                Some(_) => {}
                None => normal.push_str(token),
            }
            let mut whole = true;
            let split =
                splitter.for_each(token, |start, end| whole &= (start, end) == (0, token.len()));
            if normal != token || !whole || split.is_err() {
                continue;
            }
            let mut ids = Vec::new();
            model.encode_word(token, |id, _, _| ids.push(id));
            entries.extend(Ids::new(&ids).map(|ids| (key, ids)));
        }
        Self { table: PieceTable::build(entries.len(), entries.into_iter()) }
    }

    /// Appends the ids of a text without added tokens.
    pub(super) fn encode(
        &self,
        model: &WordPiece,
        normalizer: Option<&Normalizer>,
        splitter: &Splitter,
        text: &str,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let bytes = text.as_bytes();
        let Scratch { cache, long, text: normal, block, .. } = scratch;
        block.clear();
        let mut look_up = |block: &mut Block| {
            block.look_up(bytes, &self.table, cache, long, out, |span, out| {
                self.words(model, normalizer, splitter, &text[span.range()], normal, out)
            })
        };
        let mut at = 0;
        while at < bytes.len() {
            if is_border(bytes[at]) {
                at += 1;
                continue;
            }
            let start = at;
            at = next_border(bytes, at);
            block.push(start, at);
            if block.is_full() {
                look_up(block)?;
            }
        }
        look_up(block)
    }

    /// Normalises and splits a stretch, and looks its words up one by one.
    fn words(
        &self,
        model: &WordPiece,
        normalizer: Option<&Normalizer>,
        splitter: &Splitter,
        text: &str,
        normal: &mut String,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let text = match normalizer {
            None => text,
            Some(normalizer) => {
                normal.clear();
                normalizer.normalize_into(text, normal)?;
                normal
            }
        };
        let bytes = text.as_bytes();
        splitter.for_each(text, |start, end| {
            let key = Key::new(bytes, start, end);
            match key.and_then(|key| self.table.get(key, key.hash())) {
                Some(ids) => ids.push_to(out),
                None => model.encode_word(&text[start..end], |id, _, _| out.push(id)),
            }
        })
    }

    /// The memory of the table.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// Where the next border stands, or the text ends.
#[inline]
fn next_border(bytes: &[u8], mut at: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    while let Some(&chunk) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(chunk);
        // The lowest mark is a byte below 0x21; a borrow can only mark wrongly above it.
        let low = word.wrapping_sub(0x21 * EACH) & !word & (0x80 * EACH);
        if low == 0 {
            at += 8;
            continue;
        }
        at += (low.trailing_zeros() / 8) as usize;
        if is_border(bytes[at]) {
            return at;
        }
        at += 1;
    }
    while at < bytes.len() && !is_border(bytes[at]) {
        at += 1;
    }
    at
}

/// White space to every step, whatever its options: between words, never part of one.
#[inline]
fn is_border(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_found_wherever_they_stand() {
        for byte in 0..=255 {
            for before in 0..20 {
                for after in 0..20 {
                    let text = [vec![b'a'; before], vec![byte], vec![0xC3; after]].concat();
                    let naive = text.iter().position(|&byte| is_border(byte));
                    assert_eq!(next_border(&text, 0), naive.unwrap_or(text.len()));
                }
            }
        }
    }
}

//! The fast road: ids alone, through tables of pieces.
//!
//! Byte-level BPE looks every piece up in the model's table, then in the cache of the call, and
//! merges what is in neither. WordPiece with BERT's components does the same with whole stretches
//! between white space, before anything is normalised: ASCII white space is a border that no step of
//! the pipeline looks across, so the ids of a stretch depend on its bytes alone.
//!
//! Its twin is the general road in `aligned.rs`, which also knows where tokens came from.

use super::scratch::Scratch;
use crate::error::Result;
use crate::ids::{Span, TokenId};
use crate::model::bpe::merge::MergeScratch;
use crate::model::pieces::{Ids, Key, PieceCache, PieceTable};
use crate::model::{Bpe, SentencePiece, WordPiece};
use crate::normalize::Normalizer;
use crate::pretokenize::Splitter;

/// Appends the ids of a text without added tokens.
#[inline]
pub(super) fn byte_level(
    model: &Bpe,
    splitter: &Splitter,
    text: &str,
    scratch: &mut Scratch,
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let Scratch { cache, merge, text: prefixed, block, .. } = scratch;
    if splitter.add_prefix_space && !text.is_empty() && !text.starts_with(' ') {
        prefixed.clear();
        prefixed.push(' ');
        prefixed.push_str(text);
        return pieces(model, splitter, prefixed, (cache, merge, block), out);
    }
    pieces(model, splitter, text, (cache, merge, block), out)
}

fn pieces(
    model: &Bpe,
    splitter: &Splitter,
    text: &str,
    (cache, merge, block): (&mut PieceCache, &mut MergeScratch, &mut Block),
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let bytes = text.as_bytes();
    block.len = 0;
    let mut look_up = |block: &mut Block| {
        block.look_up(bytes, model.table(), cache, out, |span, out| {
            model.encode_piece(&bytes[span.range()], merge);
            out.extend_from_slice(&merge.symbols);
        });
    };
    splitter.for_each(text, |start, end| {
        block.push(start, end);
        if block.is_full() {
            look_up(block);
        }
    })?;
    look_up(block);
    Ok(())
}

/// Appends the ids of a text without added tokens.
pub(super) fn sentencepiece(
    model: &SentencePiece,
    normalizer: Option<&Normalizer>,
    text: &str,
    scratch: &mut Scratch,
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let Scratch { text: normal, sentencepiece, .. } = scratch;
    let text = match normalizer {
        None => text,
        Some(normalizer) => {
            normal.clear();
            normalizer.normalize_into(text, normal)?;
            normal
        }
    };
    model.encode(text, sentencepiece, |id, _, _| out.push(id));
    Ok(())
}

/// Pieces that are found first and looked up together. A look-up waits for memory; a hundred of them
/// that do not depend on each other, nor on where the next piece ends, wait at the same time.
#[derive(Debug)]
pub(super) struct Block {
    len: usize,
    spans: [Span; BLOCK],
    keys: [(Key, u64); BLOCK],
    found: [Option<Ids>; BLOCK],
    /// The pieces that do not lie where most do.
    rest: [usize; BLOCK],
}

/// Pieces in a block: all that is kept about them stays in the first-level cache.
const BLOCK: usize = 128;

impl Block {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            spans: [Span::default(); BLOCK],
            keys: [(Key::NONE, 0); BLOCK],
            found: [None; BLOCK],
            rest: [0; BLOCK],
        }
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize) {
        self.spans[self.len] = Span::new(start, end);
        self.len += 1;
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.len == BLOCK
    }

    /// Appends the ids of all pieces, in order, and empties the block. `encode` appends those of a
    /// piece that is in neither table.
    fn look_up(
        &mut self,
        text: &[u8],
        table: &PieceTable,
        cache: &mut PieceCache,
        out: &mut Vec<TokenId>,
        mut encode: impl FnMut(Span, &mut Vec<TokenId>),
    ) {
        let Self { len, spans, keys, found, rest } = self;
        let spans = &spans[..std::mem::take(len)];
        // Three rounds, so that nothing waits for a look-up but the step that needs its result: the
        // set where most pieces lie, the two sets for the rest, and the ids in order. The list of
        // the rest is written without a branch, for nobody can predict it.
        let mut left = 0;
        for (at, span) in spans.iter().enumerate() {
            let key = Key::new(text, span.start as usize, span.end as usize).unwrap_or(Key::NONE);
            let hash = key.hash();
            keys[at] = (key, hash);
            found[at] = table.get_first(key, hash);
            rest[left] = at;
            left += usize::from(found[at].is_none());
        }
        for &at in &rest[..left] {
            let (key, hash) = keys[at];
            found[at] = table.get_second(key, hash).or(cache.get(key, hash));
        }
        for (at, &span) in spans.iter().enumerate() {
            let (key, hash) = keys[at];
            if let Some(ids) = found[at] {
                ids.push_to(out);
            } else if key == Key::NONE {
                encode(span, out);
            } else if let Some(ids) = cache.get(key, hash) {
                // The same piece stands earlier in this block.
                ids.push_to(out);
            } else {
                let before = out.len();
                encode(span, out);
                cache.put(key, hash, &out[before..]);
            }
        }
    }
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
        let Scratch { cache, text: normal, block, .. } = scratch;
        let mut result = Ok(());
        let mut look_up = |block: &mut Block| {
            block.look_up(bytes, &self.table, cache, out, |span, out| {
                let stretch = &text[span.range()];
                if result.is_ok() {
                    result = self.words(model, normalizer, splitter, stretch, normal, out);
                }
            });
        };
        block.len = 0;
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
                look_up(block);
            }
        }
        look_up(block);
        result
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

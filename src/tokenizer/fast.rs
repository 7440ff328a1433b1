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
use crate::ids::TokenId;
use crate::model::bpe::merge::MergeScratch;
use crate::model::pieces::{Ids, Key, PieceCache, PieceTable};
use crate::model::{Bpe, WordPiece};
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
    let Scratch { cache, merge, text: prefixed, .. } = scratch;
    if splitter.add_prefix_space && !text.is_empty() && !text.starts_with(' ') {
        prefixed.clear();
        prefixed.push(' ');
        prefixed.push_str(text);
        return pieces(model, splitter, prefixed, cache, merge, out);
    }
    pieces(model, splitter, text, cache, merge, out)
}

#[inline]
fn pieces(
    model: &Bpe,
    splitter: &Splitter,
    text: &str,
    cache: &mut PieceCache,
    merge: &mut MergeScratch,
    out: &mut Vec<TokenId>,
) -> Result<()> {
    let bytes = text.as_bytes();
    let table = model.table();
    splitter.for_each(text, |start, end| {
        let Some(key) = Key::new(bytes, start, end) else {
            model.encode_piece(&bytes[start..end], merge);
            out.extend_from_slice(&merge.symbols);
            return;
        };
        let hash = key.hash();
        if let Some(ids) = table.get(key, hash).or_else(|| cache.get(key, hash)) {
            ids.push_to(out);
        } else {
            model.encode_piece(&bytes[start..end], merge);
            cache.put(key, hash, &merge.symbols);
            out.extend_from_slice(&merge.symbols);
        }
    })
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
                Some(normalizer) => normalizer.normalize_into(token, &mut normal),
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
        let mut at = 0;
        while at < bytes.len() {
            if is_border(bytes[at]) {
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && !is_border(bytes[at]) {
                at += 1;
            }
            let Some(key) = Key::new(bytes, start, at) else {
                self.words(model, normalizer, splitter, &text[start..at], scratch, out)?;
                continue;
            };
            let hash = key.hash();
            if let Some(ids) = self.table.get(key, hash).or_else(|| scratch.cache.get(key, hash)) {
                ids.push_to(out);
            } else {
                let before = out.len();
                self.words(model, normalizer, splitter, &text[start..at], scratch, out)?;
                scratch.cache.put(key, hash, &out[before..]);
            }
        }
        Ok(())
    }

    /// Normalises and splits a stretch, and looks its words up one by one.
    fn words(
        &self,
        model: &WordPiece,
        normalizer: Option<&Normalizer>,
        splitter: &Splitter,
        text: &str,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        let text = match normalizer {
            None => text,
            Some(normalizer) => {
                scratch.text.clear();
                normalizer.normalize_into(text, &mut scratch.text);
                &scratch.text
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

/// White space to every step, whatever its options: between words, never part of one.
#[inline]
fn is_border(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

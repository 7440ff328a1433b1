//! From a piece to tokens: the whole piece, or its stretches, started and merged.

use std::collections::HashSet;

use super::merge::MergeScratch;
use super::short::{Bytes, Firsts};
use super::symbols::Symbols;
use super::{Alphabet, Bpe, NO_BYTE};
use crate::error::Result;
use crate::ids::TokenId;
use crate::model::ModelScratch;
use crate::model::pieces::{Ids, Key, MAX_IDS, MAX_KEY, PieceCache, PieceTable};
use crate::unicode::byte_level;

/// Pieces of fewer bytes are merged as they are: looking for cuts would cost more than it saves.
pub(super) const LONG: usize = 32;

/// Whether a piece starts with a character of three bytes, after a space or not: most characters that
/// tokens seldom join have three.
#[inline]
pub(super) fn has_run(piece: &[u8]) -> bool {
    let is_lead = |&byte: &u8| byte & 0xF0 == 0xE0;
    piece.first().is_some_and(is_lead) || piece.get(1).is_some_and(is_lead)
}

impl Bpe {
    /// Calls `emit` with each token of `piece`, and the bytes `start..end` of the piece that it covers
    /// as the reference library counts them: the running sum of what its symbols covered. So after a
    /// character that is dropped the places lag behind.
    ///
    /// # Errors
    /// [`Error::UnknownPiece`](crate::Error::UnknownPiece) for a character without a token when
    /// `unk_token` is none either.
    pub(crate) fn encode(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        mut emit: impl FnMut(TokenId, usize, usize),
    ) -> Result<()> {
        let ModelScratch { merge, dropout, .. } = scratch;
        if let Some(dropout) = dropout {
            // Nothing whole is looked up then, as in the reference library.
            self.start(piece, merge)?;
            merge.queue(&self.pairs, || dropout.drops());
            return self.finish(merge, 0, &mut emit);
        }
        if let Some(id) = self.whole_in(piece, merge) {
            emit(id, 0, piece.len());
            return Ok(());
        }
        if let Some(firsts) = self.firsts.as_ref().filter(|_| self.simple) {
            self.stretches(piece, |start, end| {
                let source = Bytes { bytes: &piece.as_bytes()[start..end], firsts };
                merge.each(&source, &self.pairs, |id, from, to| emit(id, start + from, start + to));
            });
            return Ok(());
        }
        let mut result = Ok(());
        self.stretches(piece, |start, end| {
            if result.is_ok() {
                result = self.merge(&piece[start..end], merge);
                if result.is_ok() {
                    result = self.finish(merge, start, &mut emit);
                }
            }
        });
        result
    }

    /// Appends the ids of `piece`.
    pub(crate) fn encode_ids(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        self.encode_ids_with(piece, scratch, None, out)
    }

    /// The same, with a cache of pieces for the stretches that a long piece falls into.
    pub(crate) fn encode_ids_with(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        mut cache: Option<&mut PieceCache>,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if !self.simple || scratch.dropout.is_some() {
            return self.encode(piece, scratch, |id, _, _| out.push(id));
        }
        let merge = &mut scratch.merge;
        if let Some(id) = self.whole_in(piece, merge) {
            out.push(id);
            return Ok(());
        }
        if let (Some(runs), Some(firsts), Some(cuts)) = (&self.runs, &self.firsts, &self.cuts)
            && let Some(joins) = cuts.joins()
        {
            if piece.len() >= LONG || has_run(piece.as_bytes()) {
                runs.each(piece, joins, out, |start, end, out| {
                    self.stretch_ids(piece, (start, end), firsts, merge, cache.as_deref_mut(), out);
                });
            } else {
                let source = Bytes { bytes: piece.as_bytes(), firsts };
                merge.each(&source, &self.pairs, |id, _, _| out.push(id));
            }
            return Ok(());
        }
        let mut result = Ok(());
        let bytes = piece.as_bytes();
        self.stretches(piece, |start, end| {
            // A piece that is all there is was looked up by the caller.
            let key = if end - start < bytes.len() { Key::new(bytes, start, end) } else { None };
            if let Some(ids) = key.and_then(|key| self.table.get(key, key.hash())) {
                ids.push_to(out);
            } else if result.is_ok() {
                result = self.merge_ids(&piece[start..end], merge, out);
            }
        });
        result
    }

    /// Appends the ids of a stretch of a piece of bytes.
    fn stretch_ids(
        &self,
        piece: &str,
        (start, end): (usize, usize),
        firsts: &Firsts,
        merge: &mut MergeScratch,
        cache: Option<&mut PieceCache>,
        out: &mut Vec<TokenId>,
    ) {
        let bytes = piece.as_bytes();
        let source = Bytes { bytes: &bytes[start..end], firsts };
        // Tables have the results of whole pieces, which are other ones for the exceptions.
        let is_odd = || self.cuts.as_ref().is_none_or(|cuts| cuts.excepts(&piece[start..end]));
        let key = Key::new(bytes, start, end);
        let Some(key) = key.filter(|_| end - start == bytes.len() || !is_odd()) else {
            merge.each(&source, &self.pairs, |id, _, _| out.push(id));
            return;
        };
        let hash = key.hash();
        if let Some(ids) = self.table.get(key, hash) {
            ids.push_to(out);
            return;
        }
        match cache {
            None => merge.each(&source, &self.pairs, |id, _, _| out.push(id)),
            Some(cache) => {
                if let Some(ids) = cache.get(key, hash) {
                    ids.push_to(out);
                    return;
                }
                let before = out.len();
                merge.each(&source, &self.pairs, |id, _, _| out.push(id));
                if out.len() - before <= MAX_IDS {
                    cache.put(key, hash, &out[before..]);
                }
            }
        }
    }

    /// Whether short pieces that start so are better encoded than looked up.
    #[inline]
    pub(crate) fn takes_runs(&self) -> bool {
        self.runs.is_some()
    }

    /// Calls `stretch` with stretches of a long piece whose results, joined, are the piece's; where
    /// whole pieces are looked up first, that was in vain.
    #[inline]
    fn stretches(&self, piece: &str, mut stretch: impl FnMut(usize, usize)) {
        match &self.cuts {
            Some(cuts) if piece.len() >= LONG => {
                cuts.for_each(piece, self.symbols.as_ref(), stretch);
            }
            _ if piece.is_empty() => {}
            _ => stretch(0, piece.len()),
        }
    }

    /// The same for a piece of any length that was not looked up.
    #[inline]
    pub(crate) fn cuts(&self, piece: &str, mut stretch: impl FnMut(usize, usize)) {
        match &self.cuts {
            Some(cuts) if self.whole(piece).is_none() => {
                cuts.for_each(piece, self.symbols.as_ref(), stretch);
            }
            _ if piece.is_empty() => {}
            _ => stretch(0, piece.len()),
        }
    }

    /// Whether any piece of characters may be cut wherever no token joins, with nothing else to ask.
    pub(crate) fn may_cut_anywhere(&self) -> bool {
        let any_bytes = self.symbols.as_ref().is_some_and(|symbols| symbols.any_bytes);
        any_bytes && self.simple && !self.options.ignore_merges && self.cuts.is_some()
    }

    /// The token that is the whole piece, where that goes before merging.
    pub(crate) fn whole(&self, piece: &str) -> Option<TokenId> {
        if !self.options.ignore_merges {
            return None;
        }
        self.whole_in(piece, &mut MergeScratch::default())
    }

    #[inline]
    pub(super) fn whole_in(&self, piece: &str, scratch: &mut MergeScratch) -> Option<TokenId> {
        if !self.options.ignore_merges || piece.is_empty() {
            return None;
        }
        // Merging gives the same, save for the exceptions.
        if self.cuts.as_ref().is_some_and(|cuts| !cuts.excepts(piece)) {
            return None;
        }
        self.look_whole_up(piece, scratch)
    }

    fn look_whole_up(&self, piece: &str, scratch: &mut MergeScratch) -> Option<TokenId> {
        let id = match self.options.alphabet {
            Alphabet::Chars => self.vocab.id(piece)?,
            // No longer text is looked for in a vocabulary that has none as long.
            Alphabet::Bytes if piece.len() > self.longest => return None,
            Alphabet::Bytes => {
                let spelled = &mut scratch.spelled;
                spelled.clear();
                spelled.extend(piece.bytes().map(|byte| byte_level::BYTE_TO_CHAR[byte as usize]));
                self.vocab.id(spelled)?
            }
        };
        self.special.binary_search(&id).is_err().then_some(id)
    }

    /// Merges a stretch; what each symbol covers is known.
    fn merge(&self, stretch: &str, scratch: &mut MergeScratch) -> Result<()> {
        self.start(stretch, scratch)?;
        if self.to_the_letter {
            scratch.queue(&self.pairs, || false);
        } else {
            scratch.run::<true>(&self.pairs);
        }
        Ok(())
    }

    /// Merges a stretch and appends its ids.
    fn merge_ids(
        &self,
        stretch: &str,
        scratch: &mut MergeScratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        if let Some(firsts) = &self.firsts {
            let source = Bytes { bytes: stretch.as_bytes(), firsts };
            scratch.each(&source, &self.pairs, |id, _, _| out.push(id));
            return Ok(());
        }
        match &self.symbols {
            None => self.start_bytes(stretch.as_bytes(), scratch),
            Some(symbols) => symbols.start(stretch, scratch)?,
        }
        scratch.run::<false>(&self.pairs);
        out.extend_from_slice(&scratch.symbols);
        Ok(())
    }

    pub(super) fn start_bytes(&self, stretch: &[u8], scratch: &mut MergeScratch) {
        scratch.symbols.clear();
        // A byte without a token is dropped, as in the reference library.
        let symbols = stretch.iter().map(|&byte| self.byte_ids[byte as usize]);
        scratch.symbols.extend(symbols.filter(|&id| id != NO_BYTE));
    }

    fn start(&self, stretch: &str, scratch: &mut MergeScratch) -> Result<()> {
        if let Some(symbols) = &self.symbols {
            return symbols.start(stretch, scratch);
        }
        self.start_bytes(stretch.as_bytes(), scratch);
        scratch.lengths.clear();
        scratch.lengths.resize(scratch.symbols.len(), 1);
        Ok(())
    }

    /// Emits the merged symbols of a stretch that starts at `at`.
    fn finish(
        &self,
        scratch: &MergeScratch,
        mut at: usize,
        emit: &mut impl FnMut(TokenId, usize, usize),
    ) -> Result<()> {
        let mut token = |id: TokenId, length: u32| {
            let end = at + length as usize;
            emit(id, at, end);
            at = end;
        };
        match &self.symbols {
            Some(symbols) if symbols.are_late() => symbols.resolve(scratch, token),
            _ => {
                let pairs = scratch.symbols.iter().zip(&scratch.lengths);
                pairs.for_each(|(&id, &length)| token(id, length));
                Ok(())
            }
        }
    }

    /// Fills the table with the results of the model's own tokens, and finds the tokens that a look-up
    /// of the whole piece gives and merging does not. `reached` says whether merging the token's text
    /// gives the token, where that is known; where it is not, the text is merged.
    pub(super) fn fill_table(&mut self, reached: impl Fn(TokenId) -> Option<bool>) {
        let (table, exceptions) = self.own_results(reached);
        self.table = table;
        if let Some(cuts) = &mut self.cuts {
            for token in exceptions {
                cuts.except(token);
            }
        }
    }

    fn own_results(
        &self,
        reached: impl Fn(TokenId) -> Option<bool>,
    ) -> (PieceTable, Vec<Box<str>>) {
        let mut scratch = ModelScratch::default();
        let mut exceptions = Vec::new();
        // Only with affixes two tokens may stand for the same text.
        let affixes = self.symbols.as_ref().is_some_and(Symbols::have_affixes);
        let whole = self.options.ignore_merges && !affixes;
        let mut seen = HashSet::new();
        let mut ids = Vec::new();
        let entries = self.vocab.iter().filter_map(|(id, token)| {
            let (text, start, end) = self.window(id, token);
            let length = end - start;
            if length == 0 || self.special.binary_search(&id).is_ok() {
                return None;
            }
            let reached = reached(id);
            let key = Key::new(text, start, end);
            if reached == Some(true) {
                // What is no text is not met.
                let key = key.filter(|key| {
                    key.is_ascii() || std::str::from_utf8(&text[start..end]).is_ok()
                })?;
                return Some((key, Ids::new(&[id])?));
            }
            let text = std::str::from_utf8(&text[start..end]).ok()?;
            if affixes && !seen.insert(text) {
                return None;
            }
            if whole && self.cuts.is_some() {
                let merged = || {
                    self.merge(text, &mut scratch.merge).is_ok() && scratch.merge.symbols == [id]
                };
                if !reached.unwrap_or_else(merged) {
                    exceptions.push(text.into());
                }
            }
            let key = key?;
            ids.clear();
            if whole {
                ids.push(id);
            } else {
                self.encode_ids(text, &mut scratch, &mut ids).ok()?;
            }
            Some((key, Ids::new(&ids)?))
        });
        let short = self.vocab.iter().filter(|&(id, token)| {
            let (_, start, end) = self.window(id, token);
            (1..=MAX_KEY).contains(&(end - start))
        });
        let table = PieceTable::build(short.count(), entries);
        (table, exceptions)
    }

    /// The bytes as which a token may be met, within a longer text where there is one; none of them
    /// for a token that is not met at all.
    fn window<'a>(&'a self, id: TokenId, token: &'a str) -> (&'a [u8], usize, usize) {
        match &self.symbols {
            Some(symbols) => {
                let text = symbols.without_affixes(token).as_bytes();
                (text, 0, text.len())
            }
            None if self.is_spelled(id) => {
                let at = |id: usize| self.starts.get(id).map_or(0, |&start| start as usize);
                (&self.bytes, at(id as usize), at(id as usize + 1))
            }
            None => (&[], 0, 0),
        }
    }
}

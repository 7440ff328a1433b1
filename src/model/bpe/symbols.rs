//! What a piece is before anything is merged: the symbols of its bytes or of its characters.
//!
//! Characters that have no token become tokens of their bytes, or the unknown token, or nothing, in
//! this order of preference. The reference library's habits are kept where they show: an unknown token
//! waits until the next character that has a token of its own, also across tokens of bytes, and a
//! character that is dropped is missing in the running sum that places are made of.

use super::merge::MergeScratch;
use super::{BpeOptions, NO_BYTE};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::vocab::Vocab;
use crate::unicode::byte_level;

/// No token stands for this character, or this byte.
const NONE: TokenId = NO_BYTE;

/// Marks a character that has no token while it may still become part of one: above all ids.
const LATE: u32 = 0x8000_0000;

/// Ids of characters: a page for each 256 code points of which one has an id.
#[derive(Clone, Debug)]
struct CharTable {
    /// The page of each block of code points; page 0 is empty.
    pages: Box<[u16]>,
    ids: Vec<TokenId>,
}

const PAGE: usize = 256;

impl CharTable {
    fn new() -> Self {
        let pages = vec![0; (char::MAX as usize + 1) / PAGE].into_boxed_slice();
        Self { pages, ids: vec![NONE; PAGE] }
    }

    fn insert(&mut self, c: char, id: TokenId) {
        let page = &mut self.pages[c as usize / PAGE];
        if *page == 0 {
            // There are 4,352 pages at most.
            *page = u16::try_from(self.ids.len() / PAGE).unwrap_or_default();
            self.ids.resize(self.ids.len() + PAGE, NONE);
        }
        self.ids[usize::from(*page) * PAGE + c as usize % PAGE] = id;
    }

    #[inline]
    fn get(&self, c: char) -> Option<TokenId> {
        let page = usize::from(self.pages[c as usize / PAGE]);
        Some(self.ids[page * PAGE + c as usize % PAGE]).filter(|&id| id != NONE)
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.pages) + size_of_val(&*self.ids)
    }
}

/// What becomes of a character on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It has a token.
    Known,
    /// It becomes the tokens of its bytes.
    Bytes,
    /// It becomes the unknown token, or an error where there is none.
    Unknown,
    /// It is left out.
    Dropped,
}

/// The first symbols of pieces of characters.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    /// By whether the character continues the piece (1) and whether it ends it (2), where that makes
    /// a difference.
    tables: Vec<CharTable>,
    /// Which of the two make one.
    kinds: usize,
    prefix: String,
    suffix: String,
    bytes: Option<Box<[TokenId; 256]>>,
    /// All 256 bytes have tokens.
    pub(super) any_bytes: bool,
    unk_token: Option<String>,
    pub(super) unk: Option<TokenId>,
    fuse_unk: bool,
    /// Characters without a token take part in merging; what is left of them is resolved afterwards.
    late: bool,
}

impl Symbols {
    pub(super) fn new(vocab: &Vocab, options: &BpeOptions, late: bool) -> Self {
        let prefix = options.continuing_subword_prefix.clone().unwrap_or_default();
        let suffix = options.end_of_word_suffix.clone().unwrap_or_default();
        let kinds = usize::from(!prefix.is_empty()) | usize::from(!suffix.is_empty()) << 1;
        let mut tables = Vec::new();
        for kind in 0..=kinds {
            let mut table = CharTable::new();
            let before = if kind & 1 == 0 { "" } else { &prefix };
            let after = if kind & 2 == 0 { "" } else { &suffix };
            for (id, token) in vocab.iter() {
                let inner = token.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                if let Some(c) = inner.and_then(only_char) {
                    table.insert(c, id);
                }
            }
            tables.push(table);
        }
        let bytes = options
            .byte_fallback
            .then(|| Box::new(vocab.byte_tokens().map(|id| id.unwrap_or(NONE))));
        let any_bytes = bytes.as_ref().is_some_and(|bytes| !bytes.contains(&NONE));
        let unk_token = options.unk_token.clone();
        let unk = unk_token.as_ref().and_then(|token| vocab.id(token));
        let fuse_unk = options.fuse_unk;
        Self { tables, kinds, prefix, suffix, bytes, any_bytes, unk_token, unk, fuse_unk, late }
    }

    /// The tokens of single characters, where there are no affixes.
    pub(super) fn chars(&self) -> impl Iterator<Item = TokenId> {
        self.tables[0].ids.iter().copied().filter(|&id| id != NONE)
    }

    /// Whether the place of a character in its piece matters.
    pub(super) fn have_affixes(&self) -> bool {
        self.kinds != 0
    }

    /// The text of a piece that a token may be the whole of.
    pub(super) fn without_affixes<'a>(&self, token: &'a str) -> &'a str {
        let token = token.strip_prefix(self.prefix.as_str()).unwrap_or(token);
        token.strip_suffix(self.suffix.as_str()).unwrap_or(token)
    }

    /// Whether the token is made of what is no token: such tokens are seldom meant to be merged.
    pub(super) fn is_made_up(&self, id: TokenId) -> bool {
        self.unk == Some(id) || self.bytes.as_ref().is_some_and(|bytes| bytes.contains(&id))
    }

    /// What becomes of a character, where there are no affixes.
    #[inline]
    pub(super) fn class(&self, c: char) -> Class {
        if self.tables[0].get(c).is_some() {
            return Class::Known;
        }
        let mut buffer = [0; 4];
        if self.bytes_of(c.encode_utf8(&mut buffer)).is_some() {
            Class::Bytes
        } else if self.unk_token.is_some() {
            Class::Unknown
        } else {
            Class::Dropped
        }
    }

    /// Whether there may be characters that are left out.
    pub(super) fn may_drop(&self) -> bool {
        self.unk_token.is_none() && !self.any_bytes
    }

    /// The tokens of the bytes of a text, if all have one.
    fn bytes_of<'a>(&'a self, text: &'a str) -> Option<impl Iterator<Item = TokenId>> {
        let bytes = self.bytes.as_ref()?;
        let all = text.bytes().all(|byte| bytes[usize::from(byte)] != NONE);
        all.then(|| text.bytes().map(|byte| bytes[usize::from(byte)]))
    }

    /// The id by which a character takes part in merging; none where it takes no part.
    pub(super) fn merging_id(&self, c: char) -> Option<TokenId> {
        self.tables[0].get(c).or(self.late.then_some(LATE | u32::from(c)))
    }

    /// Whether [`Symbols::resolve`] has anything to do.
    pub(super) fn are_late(&self) -> bool {
        self.late
    }

    /// Puts the symbols of a piece into the scratch, with the bytes that each covers.
    pub(super) fn start(&self, piece: &str, scratch: &mut MergeScratch) -> Result<()> {
        scratch.symbols.clear();
        scratch.lengths.clear();
        let mut unk: Option<(TokenId, u32)> = None;
        for (at, c) in piece.char_indices() {
            let length = c.len_utf8();
            let ends = at + length == piece.len();
            let kind = self.kinds & (usize::from(at > 0) | usize::from(ends) << 1);
            if let Some(id) = self.tables[kind].get(c) {
                if let Some((id, length)) = unk.take() {
                    scratch.push(id, length);
                }
                scratch.push(id, small(length));
            } else if self.late {
                scratch.push(LATE | u32::from(c), small(length));
            } else if !self.push_bytes(c, kind, scratch)
                && let Some(token) = &self.unk_token
            {
                unk = match unk {
                    Some((id, before)) if self.fuse_unk => Some((id, before + small(length))),
                    before => {
                        if let Some((id, length)) = before {
                            scratch.push(id, length);
                        }
                        Some((self.unk_id(token, &piece[at..at + length])?, small(length)))
                    }
                };
            }
        }
        if let Some((id, length)) = unk {
            scratch.push(id, length);
        }
        Ok(())
    }

    fn unk_id(&self, token: &str, text: &str) -> Result<TokenId> {
        self.unk.ok_or_else(|| {
            let problem = format!("the vocabulary has no unk_token {token:?}");
            Error::unknown_piece(text, problem)
        })
    }

    /// Pushes the tokens of a character's bytes, if all have one. Its affixes fall apart with it.
    fn push_bytes(&self, c: char, kind: usize, scratch: &mut MergeScratch) -> bool {
        if self.bytes.is_none() {
            return false;
        }
        let before = if kind & 1 == 0 { "" } else { &self.prefix };
        let after = if kind & 2 == 0 { "" } else { &self.suffix };
        let mut buffer = [0; 4];
        let c: &str = c.encode_utf8(&mut buffer);
        let parts = [before, c, after].map(|part| self.bytes_of(part));
        let [Some(before), Some(c), Some(after)] = parts else { return false };
        before.chain(c).chain(after).for_each(|id| scratch.push(id, 1));
        true
    }

    /// Resolves the characters that merging has left over. Calls `token` with each token and the
    /// number of bytes it covers.
    pub(super) fn resolve(
        &self,
        scratch: &MergeScratch,
        mut token: impl FnMut(TokenId, u32),
    ) -> Result<()> {
        let mut unk: Option<(TokenId, u32)> = None;
        for (&symbol, &length) in scratch.symbols.iter().zip(&scratch.lengths) {
            let late = (symbol & LATE != 0).then(|| char::from_u32(symbol & !LATE)).flatten();
            let mut buffer = [0; 4];
            let text = late.map(|c| &*c.encode_utf8(&mut buffer));
            let bytes = text.and_then(|text| self.bytes_of(text));
            if let (Some(text), None) = (text, &bytes) {
                let Some(name) = &self.unk_token else { continue };
                let id = self.unk_id(name, text)?;
                unk = match unk {
                    Some((id, before)) if self.fuse_unk => Some((id, before + length)),
                    before => {
                        if let Some((id, length)) = before {
                            token(id, length);
                        }
                        Some((id, length))
                    }
                };
                continue;
            }
            if let Some((id, length)) = unk.take() {
                token(id, length);
            }
            match bytes {
                Some(bytes) => bytes.for_each(|id| token(id, 1)),
                None => token(symbol, length),
            }
        }
        if let Some((id, length)) = unk {
            token(id, length);
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> usize {
        self.tables.iter().map(CharTable::bytes).sum()
    }
}

/// The ids of single bytes, spelled in the byte alphabet.
pub(super) fn byte_ids(vocab: &Vocab) -> [TokenId; 256] {
    let mut buffer = [0; 4];
    byte_level::BYTE_TO_CHAR.map(|c| vocab.id(c.encode_utf8(&mut buffer)).unwrap_or(NONE))
}

fn only_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

#[expect(clippy::cast_possible_truncation, reason = "at most four")]
fn small(length: usize) -> u32 {
    length as u32
}

//! Byte-pair encoding over bytes (Sennrich et al. 2016; byte-level as in GPT-2).
//!
//! A model is a vocabulary and an ordered list of merges. A piece of text starts as its bytes; the
//! merge of least rank that applies is applied, leftmost first, until none does. Every merge result
//! is a token of the vocabulary, and the result of a piece depends on the piece alone: that is why
//! results can be kept in tables, and why [`Bpe`] computes those of all its own tokens when built.
//!
//! Rank files (tiktoken) carry no merges. There two neighbours merge when their concatenation is a
//! token, at that token's rank. A token's bytes are only ever joined through one last pair, the one
//! that is left when the token is encoded alone, so the list of merges follows from the tokens,
//! taken by length.

pub(crate) mod merge;
mod pairs;
#[cfg(any(test, feature = "reference"))]
pub mod reference;

use hashbrown::HashMap;

use self::merge::MergeScratch;
use self::pairs::{Merge, PairTable};
use super::pieces::{Ids, Key, MAX_KEY, PieceTable};
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, Pair, TokenId};
use crate::unicode::byte_level;

/// What the symbols of a model are before anything is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alphabet {
    /// The bytes of the text; tokens are spelled in the byte alphabet.
    #[default]
    Bytes,
    /// The characters of the text.
    Chars,
}

/// How a model departs from plain merging.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BpeOptions {
    /// What is merged.
    pub alphabet: Alphabet,
    /// The share of merges that are left out at random.
    pub dropout: Option<f32>,
    /// The token of characters that have none.
    pub unk_token: Option<String>,
    /// What marks a token that continues a word.
    pub continuing_subword_prefix: Option<String>,
    /// What marks a token that ends a word.
    pub end_of_word_suffix: Option<String>,
    /// Neighbouring unknown characters become one token.
    pub fuse_unk: bool,
    /// A character without a token becomes tokens of its bytes, such as `<0x0A>`.
    pub byte_fallback: bool,
    /// A piece that is a token of the vocabulary becomes that token, whatever the merges say.
    pub ignore_merges: bool,
}

/// A byte-level BPE model.
#[derive(Clone, Debug)]
pub struct Bpe {
    vocab: Vocab,
    merges: Vec<(TokenId, TokenId)>,
    options: BpeOptions,
    /// The bytes of all tokens, one after the other; entries of `starts` mark where an id begins.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    byte_ids: [TokenId; 256],
    pairs: PairTable,
    /// The merge results of the model's own tokens: not their own ids, for there are tokens that
    /// merging never reaches.
    table: PieceTable,
    /// Token bytes to ids, only where whole pieces are looked up.
    whole: HashMap<Box<[u8]>, TokenId>,
}

/// A byte that no token stands for.
const NO_BYTE: TokenId = TokenId::MAX;

impl Bpe {
    /// A model out of tokens spelled in the byte alphabet, and merges, the first with rank 0.
    ///
    /// A pair that is listed twice keeps its last rank, as in the reference library. Tokens that
    /// spell no bytes are kept (special tokens often stand in the vocabulary) but never produced.
    ///
    /// # Errors
    /// [`Error::Format`] names the merge that speaks of a token which the vocabulary lacks.
    pub fn new(vocab: Vocab, merges: &[(String, String)], options: BpeOptions) -> Result<Self> {
        Self::of(vocab, merges, options)
    }

    /// The same, of merges that may be borrowed.
    pub(crate) fn of<S: AsRef<str>>(
        vocab: Vocab,
        merges: &[(S, S)],
        options: BpeOptions,
    ) -> Result<Self> {
        let mut model = Self::without_merges(vocab, options)?;
        let mut joined = String::new();
        model.pairs = PairTable::with_room(merges.len());
        model.merges.reserve_exact(merges.len());
        for (rank, (left, right)) in (0u32..).zip(merges) {
            let (left, right) = (left.as_ref(), right.as_ref());
            let id = |token: &str| {
                model.vocab.id(token).ok_or_else(|| {
                    let problem = format!("the vocabulary has no token `{token}`");
                    Error::format("tokenizer.json", format!("model.merges[{rank}]"), problem)
                })
            };
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            let (left, right, whole) = (id(left)?, id(right)?, id(&joined)?);
            model.merges.push((left, right));
            model.pairs.insert(Pair::new(left, right), Merge { rank, id: whole });
        }
        model.fill_table(&[]);
        Ok(model)
    }

    /// A model out of a rank file: the bytes of each token, and its rank, which is its id; and the
    /// special tokens, which have ids of their own and are never produced from text.
    ///
    /// # Errors
    /// [`Error::Format`] when a byte has no token, or as [`Vocab::new`].
    pub fn from_ranks(ranks: &[(Vec<u8>, TokenId)], special: &[(String, TokenId)]) -> Result<Self> {
        let spelled = ranks.iter().map(|(bytes, rank)| (byte_level::spell(bytes), *rank));
        let entries = spelled.chain(special.iter().cloned()).collect();
        let options = BpeOptions { ignore_merges: true, ..BpeOptions::default() };
        let mut model = Self::without_merges(Vocab::new(entries)?, options)?;
        let mut special: Vec<TokenId> = special.iter().map(|&(_, id)| id).collect();
        special.sort_unstable();
        if let Some(byte) = (0..=255).find(|&byte| model.byte_id(byte).is_none()) {
            let problem = format!("no token for the single byte 0x{byte:02X}");
            return Err(Error::format("rank file", "", problem));
        }
        let mut order: Vec<&(Vec<u8>, TokenId)> =
            ranks.iter().filter(|(bytes, _)| bytes.len() > 1).collect();
        order.sort_unstable_by_key(|(bytes, rank)| (bytes.len(), *rank));
        model.pairs = PairTable::with_room(order.len());
        let mut scratch = MergeScratch::default();
        let mut found = Vec::with_capacity(order.len());
        for (bytes, rank) in order {
            model.merge(bytes, &mut scratch);
            if let [left, right] = scratch.symbols[..] {
                model.pairs.insert(Pair::new(left, right), Merge { rank: *rank, id: *rank });
                found.push((*rank, left, right));
            }
        }
        found.sort_unstable();
        model.merges = found.into_iter().map(|(_, left, right)| (left, right)).collect();
        model.fill_table(&special);
        Ok(model)
    }

    fn without_merges(vocab: Vocab, options: BpeOptions) -> Result<Self> {
        let mut model = Self {
            merges: Vec::new(),
            bytes: Vec::new(),
            starts: Vec::with_capacity(vocab.id_limit() + 1),
            byte_ids: [NO_BYTE; 256],
            pairs: PairTable::with_room(0),
            table: PieceTable::build(0, std::iter::empty()),
            whole: HashMap::new(),
            vocab,
            options,
        };
        for (id, token) in model.vocab.iter() {
            model.starts.resize(id as usize + 1, Self::position(model.bytes.len())?);
            let start = model.bytes.len();
            for c in token.chars() {
                if let Some(byte) = byte_level::char_to_byte(c) {
                    model.bytes.push(byte);
                } else {
                    // A token outside the byte alphabet stands for its own text.
                    model.bytes.truncate(start);
                    model.bytes.extend_from_slice(token.as_bytes());
                    break;
                }
            }
            if let (Some(byte), true) = (single_byte(token), model.bytes.len() == start + 1) {
                model.byte_ids[byte as usize] = id;
            }
        }
        model.starts.push(Self::position(model.bytes.len())?);
        Ok(model)
    }

    fn position(bytes: usize) -> Result<u32> {
        u32::try_from(bytes).map_err(|_| {
            Error::format(
                "vocabulary",
                "",
                format!("its tokens have {bytes} bytes together, more than 2^32"),
            )
        })
    }

    /// Encodes every token alone and keeps the results; `special` ids, ascending, are left out.
    fn fill_table(&mut self, special: &[TokenId]) {
        let mut scratch = MergeScratch::default();
        let produced = |id: TokenId| special.binary_search(&id).is_err();
        if self.options.ignore_merges {
            let produced = self.vocab.iter().filter(|&(id, _)| produced(id));
            let spelled = produced.filter_map(|(id, token)| {
                Some((byte_level::unspell(token)?.into_boxed_slice(), id))
            });
            self.whole = spelled.collect();
        }
        let mut entries = Vec::with_capacity(self.vocab.len());
        for (id, token) in self.vocab.iter() {
            let Some(bytes) = self.token_bytes(id) else { continue };
            if bytes.len() > MAX_KEY || byte_level::unspell(token).is_none() || !produced(id) {
                continue;
            }
            let Some(key) = Key::new(bytes, 0, bytes.len()) else { continue };
            if self.options.ignore_merges {
                entries.extend(Ids::new(&[id]).map(|ids| (key, ids)));
            } else {
                self.merge(bytes, &mut scratch);
                entries.extend(Ids::new(&scratch.symbols).map(|ids| (key, ids)));
            }
        }
        self.table = PieceTable::build(entries.len(), entries.into_iter());
    }

    /// Leaves the ids of `piece` in `scratch.symbols`.
    pub(crate) fn encode_piece(&self, piece: &[u8], scratch: &mut MergeScratch) {
        if let Some(id) = self.whole_piece(piece) {
            scratch.symbols.clear();
            scratch.symbols.push(id);
            return;
        }
        self.merge(piece, scratch);
    }

    fn merge(&self, piece: &[u8], scratch: &mut MergeScratch) {
        scratch.symbols.clear();
        // A byte without a token is dropped, as in the reference library.
        let symbols = piece.iter().map(|&byte| self.byte_ids[byte as usize]);
        scratch.symbols.extend(symbols.filter(|&id| id != NO_BYTE));
        scratch.run(&self.pairs);
    }

    /// The token that is the whole piece, where that goes before merging.
    fn whole_piece(&self, piece: &[u8]) -> Option<TokenId> {
        self.options.ignore_merges.then(|| self.whole.get(piece).copied()).flatten()
    }

    /// The token of a single byte.
    fn byte_id(&self, byte: u8) -> Option<TokenId> {
        Some(self.byte_ids[byte as usize]).filter(|&id| id != NO_BYTE)
    }

    /// The results of the model's own tokens.
    #[inline]
    pub(crate) fn table(&self) -> &PieceTable {
        &self.table
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The merges as pairs of ids, by rank.
    pub fn merges(&self) -> &[(TokenId, TokenId)] {
        &self.merges
    }

    /// How the model departs from plain merging.
    pub fn options(&self) -> &BpeOptions {
        &self.options
    }

    /// The bytes that a token stands for; none for an id without a token.
    #[inline]
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        let (start, end) = (self.starts.get(id as usize)?, self.starts.get(id as usize + 1)?);
        // An id in a hole has the range of nothing, and so has an empty token: the vocabulary knows.
        let bytes = &self.bytes[*start as usize..*end as usize];
        (!bytes.is_empty() || self.vocab.token(id).is_some()).then_some(bytes)
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        self.pairs.bytes() + self.table.bytes()
    }
}

fn single_byte(token: &str) -> Option<u8> {
    let mut chars = token.chars();
    let byte = byte_level::char_to_byte(chars.next()?)?;
    chars.next().is_none().then_some(byte)
}

const _: () = assert!(MAX_ID < NO_BYTE);

#[cfg(test)]
mod tests;

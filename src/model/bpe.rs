//! Byte-pair encoding (Sennrich et al. 2016) over bytes, as in GPT-2, or over characters.
//!
//! A model is a vocabulary and an ordered list of merges. A piece of text starts as its symbols; the
//! merge of least rank that applies is applied, leftmost first, until none does. Every merge result
//! is a token of the vocabulary, and the result of a piece depends on the piece alone: that is why
//! results can be kept in tables, and why [`Bpe`] computes those of all its own tokens when built.
//!
//! Rank files (tiktoken) carry no merges. There two neighbours merge when their concatenation is a
//! token, at that token's rank. A token's bytes are only ever joined through one last pair, the one
//! that is left when the token is encoded alone, so the list of merges follows from the tokens,
//! taken by length.

pub(super) mod cuts;
mod dropout;
mod encode;
mod lanes;
pub(crate) mod merge;
mod pairs;
mod ranks;
mod reach;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod runs;
mod scores;
mod short;
mod slots;
mod symbols;
mod windows;

pub(crate) use self::dropout::Dropout;
pub(crate) use self::lanes::Lanes;

use self::cuts::Cuts;
use self::pairs::{Merge, PairTable};
use self::reach::Reach;
use self::runs::Runs;
use self::short::Firsts;
use self::symbols::Symbols;
use super::pieces::PieceTable;
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

impl BpeOptions {
    fn has_affixes(&self) -> bool {
        let affixes = [&self.continuing_subword_prefix, &self.end_of_word_suffix];
        affixes.into_iter().flatten().any(|affix| !affix.is_empty())
    }

    /// Whether a model of pieces in the byte alphabet may take the bytes themselves
    /// ([`Alphabet::Bytes`]): when each byte has a token, and place in the piece does not matter.
    /// Otherwise the pieces are to be spelled, and are pieces of characters.
    pub fn takes_bytes(&self, vocab: &Vocab) -> bool {
        !self.has_affixes() && !symbols::byte_ids(vocab).contains(&NO_BYTE)
    }
}

/// A BPE model. Immutable.
#[derive(Clone, Debug)]
pub struct Bpe {
    vocab: Vocab,
    merges: Vec<(TokenId, TokenId)>,
    options: BpeOptions,
    /// The bytes of all tokens, one after the other; entries of `starts` mark where an id begins. Only
    /// where tokens are spelled in the byte alphabet.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    /// The tokens that are not written in the byte alphabet, ascending. They stand for their text.
    unspelled: Vec<TokenId>,
    /// The length of the longest of them.
    longest: usize,
    byte_ids: [TokenId; 256],
    /// How pieces of characters start; none where they are bytes.
    symbols: Option<Symbols>,
    pairs: PairTable,
    /// How pieces of bytes start, where each byte has a token.
    firsts: Option<Firsts>,
    /// What characters of three bytes become alone, where pieces may be cut.
    runs: Option<Runs>,
    /// The merge results of the model's own tokens: not their own ids, for there are tokens that
    /// merging never reaches.
    table: PieceTable,
    /// Where pieces may be cut, if they may be.
    cuts: Option<Cuts>,
    /// Ids that are never produced from text, ascending.
    special: Vec<TokenId>,
    /// Some merge adds a token without a text of its own. Then the reference library's queue takes
    /// other turns than "the least rank, leftmost", and so do we.
    to_the_letter: bool,
    /// Merging is all there is to it: no chance, no queue, nothing resolved afterwards.
    simple: bool,
}

/// A byte that no token stands for.
const NO_BYTE: TokenId = TokenId::MAX;

const FORMAT: &str = "tokenizer.json";

impl Bpe {
    /// A model out of tokens and merges, the first with rank 0.
    ///
    /// A pair that is listed twice keeps its last rank, as in the reference library. Tokens that
    /// nothing merges to are kept (special tokens often stand in the vocabulary) but never produced.
    /// An `unk_token` that the vocabulary lacks is an error when it is needed, as there.
    ///
    /// # Errors
    /// [`Error::Format`] names the merge that speaks of a token which the vocabulary lacks, or whose
    /// right part is shorter than the prefix; or says that dropout is not from 0 to 1.
    /// [`Error::Unsupported`] for affixes around bytes: see [`BpeOptions::takes_bytes`].
    pub fn new(vocab: Vocab, merges: &[(String, String)], options: BpeOptions) -> Result<Self> {
        Self::of(vocab, merges, options)
    }

    /// The same, of merges that may be borrowed.
    pub(crate) fn of<S: AsRef<str>>(
        vocab: Vocab,
        merges: &[(S, S)],
        options: BpeOptions,
    ) -> Result<Self> {
        let mut model = Self::without_merges(vocab, options, false)?;
        let prefix = model.options.continuing_subword_prefix.as_deref().map_or(0, str::len);
        let mut joined = String::new();
        let ids = model.vocab.id_limit();
        model.pairs = PairTable::with_limits(merges.len(), ids, merges.len());
        model.merges.reserve_exact(merges.len());
        let mut wholes: Vec<TokenId> = Vec::with_capacity(merges.len());
        let repeated = model.vocab.has_repeats();
        let mut repeats = false;
        let mut made_up = false;
        for (rank, (left, right)) in (0u32..).zip(merges) {
            let (left, right) = (left.as_ref(), right.as_ref());
            let fail = |problem| Error::format(FORMAT, format!("model.merges[{rank}]"), problem);
            let id = |token: &str| {
                let missing = || fail(format!("the vocabulary has no token `{token}`"));
                model.vocab.id(token).ok_or_else(missing)
            };
            let (left_id, right_id) = (id(left)?, id(right)?);
            let Some(rest) = right.get(prefix..) else {
                return Err(fail(format!("`{right}` is shorter than the prefix of its model")));
            };
            // Merges mostly come in the order of what they make: a guess that a comparison checks
            // is cheaper than a search.
            let last = wholes.last().copied().unwrap_or(0);
            let is_whole = |&id: &TokenId| {
                let token = model.vocab.token(id);
                token.and_then(|token| token.strip_prefix(left)).is_some_and(|end| end == rest)
            };
            let guessed = if repeated {
                None
            } else {
                [last.saturating_add(1), last].into_iter().find(is_whole)
            };
            let whole = if let Some(id) = guessed {
                id
            } else {
                joined.clear();
                joined.push_str(left);
                joined.push_str(rest);
                id(&joined)?
            };
            wholes.push(whole);
            model.merges.push((left_id, right_id));
            model.to_the_letter |= rest.is_empty();
            made_up |= model
                .symbols
                .as_ref()
                .is_some_and(|symbols| symbols.is_made_up(left_id) || symbols.is_made_up(right_id));
            let merge = Merge { rank, id: whole };
            repeats |= model.pairs.insert(Pair::new(left_id, right_id), merge).is_some();
        }
        let reach = if repeats { Reach::new(0) } else { model.reach(&wholes) };
        if repeats {
            let mut ranks = 0..;
            model.merges.retain(|&(left, right)| {
                let last = model.pairs.get(Pair::new(left, right)).map(|merge| merge.rank);
                last == ranks.next()
            });
        }
        model.find_cuts(!made_up);
        model.fill_table(|id| reach.has(id).then_some(true));
        Ok(model)
    }

    /// What is known to be reached; `wholes` are the results of all merges.
    fn reach(&self, wholes: &[TokenId]) -> Reach {
        let affixes = self.symbols.as_ref().is_some_and(Symbols::have_affixes);
        if self.to_the_letter || affixes {
            return Reach::new(0);
        }
        let mut reach = Reach::new(self.vocab.id_limit());
        match &self.symbols {
            None => self.byte_ids.iter().for_each(|&id| reach.add_base(id)),
            Some(symbols) => symbols.chars().for_each(|id| reach.add_base(id)),
        }
        for (rank, (&(left, right), &id)) in (0..).zip(self.merges.iter().zip(wholes)) {
            reach.add(Pair::new(left, right), Merge { rank, id }, &self.pairs);
        }
        reach
    }

    fn without_merges(vocab: Vocab, options: BpeOptions, late: bool) -> Result<Self> {
        if let Some(share) = options.dropout
            && !(0.0..=1.0).contains(&share)
        {
            let problem = format!("expected a number from 0 to 1, found {share}");
            return Err(Error::format(FORMAT, "model.dropout", problem));
        }
        let bytes = options.alphabet == Alphabet::Bytes;
        if bytes && options.has_affixes() {
            return Err(Error::unsupported("a prefix or a suffix of tokens of bytes", "model"));
        }
        let mut model = Self {
            merges: Vec::new(),
            bytes: Vec::new(),
            starts: Vec::new(),
            unspelled: Vec::new(),
            longest: 0,
            byte_ids: [NO_BYTE; 256],
            symbols: (!bytes).then(|| Symbols::new(&vocab, &options, late)),
            pairs: PairTable::with_room(0),
            firsts: None,
            runs: None,
            table: PieceTable::build(0, std::iter::empty()),
            cuts: None,
            special: Vec::new(),
            to_the_letter: false,
            simple: false,
            vocab,
            options,
        };
        if bytes {
            model.byte_ids = symbols::byte_ids(&model.vocab);
            model.spell_tokens()?;
        }
        Ok(model)
    }

    /// Lays out the bytes of all tokens.
    fn spell_tokens(&mut self) -> Result<()> {
        let Self { vocab, bytes, starts, unspelled, longest, .. } = self;
        starts.reserve_exact(vocab.id_limit() + 1);
        for (id, token) in vocab.iter() {
            starts.resize(id as usize + 1, Self::position(bytes.len())?);
            let start = bytes.len();
            if !byte_level::unspell_into(token, bytes) {
                // A token outside the byte alphabet stands for its own text.
                bytes.extend_from_slice(token.as_bytes());
                unspelled.push(id);
            }
            *longest = (*longest).max(bytes.len() - start);
        }
        starts.push(Self::position(bytes.len())?);
        Ok(())
    }

    /// Finds out where pieces may be cut, once all merges are there. Where they would reach across
    /// what is not in the text, or the place of a character in its piece matters, nowhere.
    fn find_cuts(&mut self, may_cut: bool) {
        let late = self.symbols.as_ref().is_some_and(Symbols::are_late);
        self.simple = !self.to_the_letter && !late;
        let whole = match &self.symbols {
            Some(symbols) => symbols.have_affixes(),
            None => self.byte_ids.contains(&NO_BYTE),
        };
        if self.symbols.is_none() && !whole {
            self.firsts = Some(Firsts::new(&self.byte_ids, &self.merges, &self.pairs));
        }
        if !may_cut || self.to_the_letter || whole {
            return;
        }
        let mut cuts = Cuts::new(self.vocab.len(), self.symbols.as_ref());
        for (id, token) in self.vocab.iter() {
            if self.symbols.is_some() {
                cuts.add(token.as_bytes());
            } else if let Some(bytes) = self.token_bytes(id).filter(|_| self.is_spelled(id)) {
                cuts.add(bytes);
            }
        }
        self.cuts = Some(cuts);
        self.runs = self.firsts.as_ref().map(|firsts| Runs::new(firsts, &self.pairs));
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

    /// Whether a token is written in the byte alphabet, where tokens are.
    fn is_spelled(&self, id: TokenId) -> bool {
        self.unspelled.is_empty() || self.unspelled.binary_search(&id).is_err()
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
        if self.symbols.is_some() {
            return self.vocab.token(id).map(str::as_bytes);
        }
        let (start, end) = (self.starts.get(id as usize)?, self.starts.get(id as usize + 1)?);
        // An id in a hole has the range of nothing, and so has an empty token: the vocabulary knows.
        let bytes = &self.bytes[*start as usize..*end as usize];
        (!bytes.is_empty() || self.vocab.token(id).is_some()).then_some(bytes)
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        let symbols = self.symbols.as_ref().map_or(0, Symbols::memory);
        let cuts = self.cuts.as_ref().map_or(0, Cuts::memory);
        let firsts = self.firsts.as_ref().map_or(0, Firsts::memory);
        let runs = self.runs.as_ref().map_or(0, Runs::memory);
        self.pairs.bytes() + self.table.bytes() + firsts + runs + symbols + cuts
    }
}

const _: () = assert!(MAX_ID < NO_BYTE);

#[cfg(test)]
mod tests;

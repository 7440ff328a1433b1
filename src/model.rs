//! The third step of encoding: pieces of text become tokens of the vocabulary.

pub(crate) mod bpe;
pub(crate) mod pieces;
pub(crate) mod sentencepiece;
#[cfg(test)]
mod tests;
mod unigram;
mod vocab;
mod wordlevel;
mod wordpiece;

use std::sync::OnceLock;

pub(crate) use bpe::Dropout;
#[cfg(feature = "reference")]
pub use bpe::reference as bpe_reference;
pub use bpe::{Alphabet, Bpe, BpeOptions};
pub use pieces::CacheStats;
use sentencepiece::SentencePieceScratch;
pub use sentencepiece::{Piece, PieceKind, SentencePiece, SentencePieceKind, SentencePieceOptions};
pub use unigram::{Unigram, UnigramOptions};
pub use vocab::Vocab;
pub use wordlevel::WordLevel;
#[cfg(feature = "reference")]
pub use wordpiece::reference as wordpiece_reference;
pub use wordpiece::{WordPiece, WordPieceOptions};

pub(crate) use self::bpe::Lanes;
use self::bpe::merge::MergeScratch;
use self::pieces::{PieceCache, PieceTable};
use self::unigram::Lattice;
use crate::error::Result;
use crate::ids::TokenId;

/// A model: the part of a tokenizer that was trained.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one model per tokenizer, never a list")]
pub enum Model {
    /// Byte-pair encoding.
    Bpe(Bpe),
    /// Greedy longest match with a continuation prefix.
    WordPiece(WordPiece),
    /// Whole pieces.
    WordLevel(WordLevel),
    /// The most likely segmentation.
    Unigram(Unigram),
    /// A model of sentencepiece, with its library's arithmetic.
    SentencePiece(SentencePiece),
}

/// The buffers that encoding a piece needs, to be reused.
#[derive(Debug, Default)]
pub(crate) struct ModelScratch {
    pub(crate) merge: MergeScratch,
    /// Short pieces that are merged in turns.
    pub(crate) lanes: Lanes,
    lattice: Lattice,
    sentencepiece: SentencePieceScratch,
    /// Where chance comes from, where merges are left out at random. Only BPE has merges.
    pub(crate) dropout: Option<Dropout>,
}

impl ModelScratch {
    /// Whether chance has a say in what comes out.
    pub(crate) fn is_random(&self) -> bool {
        self.dropout.is_some()
    }

    /// Gives buffers back that take more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.merge.shrink(bytes);
        self.lattice.shrink(bytes);
        self.sentencepiece.shrink(bytes);
    }
}

impl Model {
    /// Calls `emit` with each token of one piece, in order, and the bytes `start..end` of the piece
    /// that it covers, as the reference library computes them. They need not be borders of characters,
    /// nor lie inside the piece.
    ///
    /// # Errors
    /// [`Error::UnknownPiece`](crate::Error::UnknownPiece) when the model has no token for the piece
    /// nor for the unknown; some tokens may have been emitted.
    pub(crate) fn encode(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        mut emit: impl FnMut(TokenId, usize, usize),
    ) -> Result<()> {
        match self {
            Self::Bpe(model) => model.encode(piece, scratch, emit),
            Self::WordPiece(model) => {
                model.encode_word(piece, emit);
                Ok(())
            }
            Self::WordLevel(model) => {
                emit(model.encode(piece)?, 0, piece.len());
                Ok(())
            }
            Self::Unigram(model) => model.encode(piece, &mut scratch.lattice, emit),
            Self::SentencePiece(model) => {
                model.encode(piece, &mut scratch.sentencepiece, emit);
                Ok(())
            }
        }
    }

    /// Appends the ids of [`Model::encode`], sooner.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub(crate) fn encode_ids(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        match self {
            Self::Bpe(model) => model.encode_ids(piece, scratch, out),
            _ => self.encode(piece, scratch, |id, _, _| out.push(id)),
        }
    }

    /// The same, with a cache of pieces for the parts of a long one, where the model falls into any.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub(crate) fn encode_ids_with(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        cache: &mut PieceCache,
        out: &mut Vec<TokenId>,
    ) -> Result<()> {
        match self {
            Self::Bpe(model) => model.encode_ids_with(piece, scratch, Some(cache), out),
            _ => self.encode_ids(piece, scratch, out),
        }
    }

    /// Encodes those of some pieces, at most [`Lanes::MOST`], that are sooner encoded together than one by
    /// one: `scratch.lanes` has their ids.
    #[inline]
    pub(crate) fn encode_together<'a>(
        &self,
        pieces: impl Iterator<Item = Option<&'a str>>,
        scratch: &mut ModelScratch,
    ) {
        match self {
            Self::Bpe(model) => model.merge_together(pieces, scratch),
            _ => scratch.lanes.clear(),
        }
    }

    /// The results of the model's own tokens, taken for pieces. What is not there at once is built by
    /// the first call.
    pub(crate) fn table(&self) -> &PieceTable {
        match self {
            Self::Bpe(model) => model.table(),
            Self::WordPiece(model) => model.table(),
            Self::WordLevel(model) => model.table(),
            Self::Unigram(model) => model.table(),
            Self::SentencePiece(model) => model.table(),
        }
    }

    /// The share of merges that are left out where a call does not say.
    pub(crate) fn dropout(&self) -> Option<f32> {
        match self {
            Self::Bpe(model) => model.options().dropout,
            _ => None,
        }
    }

    /// Calls `stretch` with ranges of bytes, one after the other, that make up the piece. Encoded alone
    /// they give the ids of the piece, and its places when the stretch's start is added. It may be the
    /// whole piece; only merges are ever cut, and have no stretch of an empty piece.
    pub(crate) fn cuts(&self, piece: &str, mut stretch: impl FnMut(usize, usize)) {
        match self {
            Self::Bpe(model) => model.cuts(piece, stretch),
            Self::SentencePiece(model) => model.cuts(piece, stretch),
            _ => stretch(0, piece.len()),
        }
    }

    /// Whether pieces that start with a character of three bytes are better given to
    /// [`Model::encode_ids`] at once than looked up.
    #[inline]
    pub(crate) fn takes_runs(&self) -> bool {
        matches!(self, Self::Bpe(model) if model.takes_runs())
    }

    /// Whether a token's text is the text that it covers, and not that of its id: so the reference
    /// library shows what is unknown to a unigram model.
    pub(crate) fn shows_text(&self, id: TokenId) -> bool {
        matches!(self, Self::Unigram(model) if model.options().unk_id == Some(id))
    }

    /// The memory of the tables that encoding uses, in bytes.
    pub(crate) fn table_bytes(&self) -> usize {
        match self {
            Self::Bpe(model) => model.table_bytes(),
            Self::WordPiece(model) => model.table_bytes(),
            Self::WordLevel(model) => model.table_bytes(),
            Self::Unigram(model) => model.table_bytes(),
            Self::SentencePiece(model) => model.table_bytes(),
        }
    }

    /// Whether pieces are the raw bytes of a text, and not characters that spell them.
    pub(crate) fn takes_bytes(&self) -> bool {
        matches!(self, Self::Bpe(model) if model.options().alphabet == Alphabet::Bytes)
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        match self {
            Self::Bpe(model) => model.vocab(),
            Self::WordPiece(model) => model.vocab(),
            Self::WordLevel(model) => model.vocab(),
            Self::Unigram(model) => model.vocab(),
            Self::SentencePiece(model) => model.vocab(),
        }
    }

    /// The name of the kind, as `tokenizer.json` writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bpe(_) => "BPE",
            Self::WordPiece(_) => "WordPiece",
            Self::WordLevel(_) => "WordLevel",
            Self::Unigram(_) => "Unigram",
            Self::SentencePiece(_) => "SentencePiece",
        }
    }
}

/// What is in `cell`, built when nothing is. Not `get_or_init`: a child that is forked while another
/// thread builds it would wait for that thread for ever. Two threads may build; one result is kept.
fn once<T>(cell: &OnceLock<T>, build: impl FnOnce() -> T) -> &T {
    if let Some(built) = cell.get() {
        return built;
    }
    let built = build();
    cell.get_or_init(|| built)
}

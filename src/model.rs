//! The third step of encoding: pieces of text become tokens of the vocabulary.

pub(crate) mod bpe;
pub(crate) mod pieces;
pub(crate) mod sentencepiece;
mod unigram;
mod vocab;
mod wordlevel;
mod wordpiece;

#[cfg(feature = "reference")]
pub use bpe::reference as bpe_reference;
pub use bpe::{Alphabet, Bpe, BpeOptions};
pub use pieces::CacheStats;
pub use sentencepiece::{
    Piece, PieceKind, SentencePiece, SentencePieceKind, SentencePieceOptions,
};
pub use unigram::{Unigram, UnigramOptions};
pub use vocab::Vocab;
pub use wordlevel::WordLevel;
#[cfg(feature = "reference")]
pub use wordpiece::reference as wordpiece_reference;
pub use wordpiece::{WordPiece, WordPieceOptions};

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

impl Model {
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

//! Whole pieces: one that is no token is unknown.

use std::sync::OnceLock;

use super::pieces::PieceTable;
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// A vocabulary of whole pieces.
#[derive(Clone, Debug)]
pub struct WordLevel {
    vocab: Vocab,
    unk_token: String,
    unk: Option<TokenId>,
    table: OnceLock<PieceTable>,
}

impl WordLevel {
    /// A model out of its tokens; `unk_token` stands for pieces that are none. Where it is no token
    /// itself, such a piece is an error when it is met.
    ///
    /// # Errors
    /// None yet.
    pub fn new(vocab: Vocab, unk_token: impl Into<String>) -> Result<Self> {
        let unk_token = unk_token.into();
        let unk = vocab.id(&unk_token);
        Ok(Self { vocab, unk_token, unk, table: OnceLock::new() })
    }

    /// The token of a piece.
    ///
    /// # Errors
    /// [`Error::UnknownPiece`] when the piece is no token and the vocabulary has no unknown one.
    #[inline]
    pub(crate) fn encode(&self, piece: &str) -> Result<TokenId> {
        self.vocab.id(piece).or(self.unk).ok_or_else(|| {
            let problem = format!("the vocabulary has no unk_token {:?}", self.unk_token);
            Error::unknown_piece(piece, problem)
        })
    }

    /// The model's own tokens.
    pub(crate) fn table(&self) -> &PieceTable {
        super::once(&self.table, || {
            PieceTable::of_texts(self.vocab.iter().map(|(_, token)| token), |token, ids| {
                ids.extend(self.vocab.id(token));
                true
            })
        })
    }

    /// The memory of the tables that encoding uses.
    pub(crate) fn table_bytes(&self) -> usize {
        self.table.get().map_or(0, PieceTable::bytes)
    }

    /// The tokens and their ids.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The token of pieces that are none.
    pub fn unk_token(&self) -> &str {
        &self.unk_token
    }
}

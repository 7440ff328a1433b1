//! The third step of encoding: pieces of text become tokens of the vocabulary.

mod vocab;
mod wordpiece;

pub use vocab::Vocab;
pub use wordpiece::{WordPiece, WordPieceOptions};

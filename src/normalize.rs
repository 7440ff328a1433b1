//! The first step of encoding: text is rewritten before it is split.
//!
//! [`Normalizer::normalize_into`] is for those who want ids alone; [`Normalizer::normalize_aligned`] also
//! says where each byte came from, so that tokens can be pointed at in the text as it was given.
//!
//! Why one walk for both: each normaliser reads the text once and writes into a sink; the sink of the
//! first road forgets the origins and costs nothing for them. What the reference library does in
//! several passes over a vector of changes stands, step by step, in `reference.rs`.
//!
//! Every step first looks for something to do, and a text without it is not copied. What a step
//! reports is in `changes.rs`, the order of steps in `run.rs`.

mod align;
mod bert;
mod border;
mod changes;
mod forms;
#[cfg(test)]
mod literal;
mod precompiled;
#[cfg(test)]
mod reference;
mod replace;
mod run;
mod sentencepiece;
mod simple;
#[cfg(test)]
mod tests;
mod unplaced;

pub use align::Aligned;
pub use bert::BertNormalizer;
pub(crate) use border::Around;
pub use precompiled::Precompiled;
pub use replace::Replace;
pub use sentencepiece::{SentencePieceNormalizer, SentencePieceSpaces};

use crate::budget;
use crate::error::Result;
use forms::Form;

/// A rewriting of the text before it is split, as declared in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalizer {
    /// Clean text, space out ideographs, strip accents, lower case.
    Bert(BertNormalizer),
    /// Every byte as a character of the byte alphabet.
    ByteLevel,
    /// Lower case.
    Lowercase,
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
    /// Control characters dropped and white space made plain, as sentencepiece's `nmt` rules do.
    Nmt,
    /// The character map of a sentencepiece model.
    Precompiled(Precompiled),
    /// A text in front of every text that is not empty.
    Prepend(String),
    /// A text for every match.
    Replace(Replace),
    /// What a sentencepiece model does to its text.
    SentencePiece(SentencePieceNormalizer),
    /// One after the other.
    Sequence(Vec<Normalizer>),
    /// White space at the ends dropped.
    Strip {
        /// At the beginning.
        left: bool,
        /// At the end.
        right: bool,
    },
    /// Marks without width dropped.
    StripAccents,
}

impl Normalizer {
    /// The name of the kind, as `tokenizer.json` writes it, with those of the members of a sequence.
    pub fn describe(&self) -> String {
        let name = match self {
            Self::Bert(_) => "BertNormalizer",
            Self::ByteLevel => "ByteLevel",
            Self::Lowercase => "Lowercase",
            Self::Nfc => "NFC",
            Self::Nfd => "NFD",
            Self::Nfkc => "NFKC",
            Self::Nfkd => "NFKD",
            Self::Nmt => "Nmt",
            Self::Precompiled(_) => "Precompiled",
            Self::Prepend(_) => "Prepend",
            Self::Replace(_) => "Replace",
            Self::SentencePiece(_) => "SentencePiece",
            Self::Strip { .. } => "Strip",
            Self::StripAccents => "StripAccents",
            Self::Sequence(members) => {
                let names: Vec<String> = members.iter().map(Self::describe).collect();
                return format!("Sequence[{}]", names.join(", "));
            }
        };
        name.to_owned()
    }

    /// Appends the normalised `text` to `out`. After an error `out` may hold a part of it.
    ///
    /// # Errors
    /// [`Error::Pattern`](crate::Error::Pattern) when a regular expression exceeds its bound;
    /// [`Error::Argument`](crate::Error::Argument) when the text grows out of all proportion;
    /// [`Error::Format`](crate::Error::Format) when a character map leads outside of itself;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for text inserted before the first character
    /// and rewritten by a later step, where the reference library fails too.
    pub fn normalize_into(&self, text: &str, out: &mut String) -> Result<()> {
        let before = out.len();
        match self {
            Self::Bert(bert) => {
                bert.write(text, out);
                Ok(())
            }
            Self::SentencePiece(normalizer) => normalizer.normalize_into(text, out),
            _ => self.run_plain(text, out),
        }?;
        budget::grow(out.len() - before)
    }

    /// Replaces `out` by the normalised `text` and the origin of each of its bytes.
    ///
    /// The text must not be longer than [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES): positions are kept
    /// in 32 bits.
    ///
    /// # Errors
    /// As [`Normalizer::normalize_into`].
    pub fn normalize_aligned(&self, text: &str, out: &mut Aligned) -> Result<()> {
        out.clear();
        match self {
            Self::Bert(bert) => {
                bert.write(text, out);
                Ok(())
            }
            Self::SentencePiece(normalizer) => normalizer.normalize_aligned(text, out),
            _ => self.run_aligned(text, out),
        }?;
        budget::grow(out.text.len())
    }
}

/// The length of the run of `good` bytes at the start of `bytes`.
#[inline]
fn run_length(bytes: &[u8], good: impl Fn(u8) -> bool) -> usize {
    // Whole blocks without a branch on single bytes, so that the compiler uses vectors.
    let blocks = bytes.chunks_exact(16);
    let clean = blocks.take_while(|block| block.iter().fold(true, |all, &byte| all & good(byte)));
    let start = clean.count() * 16;
    start + bytes[start..].iter().take_while(|&&byte| good(byte)).count()
}

/// The start of the character that holds byte `at`.
#[inline]
fn char_start(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

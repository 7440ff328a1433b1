//! The first step of encoding: text is rewritten before it is split.
//!
//! [`Normalizer::normalize_into`] is for those who want ids alone; [`Normalizer::normalize_aligned`] also
//! says where each byte came from, so that tokens can be pointed at in the text as it was given.
//!
//! Why one walk for both: each normaliser reads the text once and writes into a sink; the sink of the
//! first road forgets the origins and costs nothing for them. What the reference library does in
//! several passes over a vector of changes stands, step by step, in `reference.rs`.

mod align;
mod bert;
#[cfg(test)]
mod reference;

pub use align::Aligned;
pub use bert::BertNormalizer;

/// A rewriting of the text before it is split, as declared in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalizer {
    /// Clean text, space out ideographs, strip accents, lower case.
    Bert(BertNormalizer),
}

impl Normalizer {
    /// Appends the normalised `text` to `out`.
    pub fn normalize_into(&self, text: &str, out: &mut String) {
        match self {
            Self::Bert(bert) => bert.write(text, out),
        }
    }

    /// Replaces `out` by the normalised `text` and the origin of each of its bytes.
    ///
    /// The text must not be longer than [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES): positions are kept
    /// in 32 bits.
    pub fn normalize_aligned(&self, text: &str, out: &mut Aligned) {
        out.clear();
        match self {
            Self::Bert(bert) => bert.write(text, out),
        }
    }
}

//! Decoding: from the strings of tokens back to text.
//!
//! [`Decoder`] is a declaration; `None` where one could stand means tokens joined by spaces, as in
//! the reference library. Every decoder works token by token and needs to know of each only whether
//! it is the first, so one call, `append`, serves whole sequences, streams and offsets alike.
//! [`DecodeStream`] decodes one token at a time.

// Byte-level tokens give bytes, not characters: a character may be spread over several tokens, and
// what is no UTF-8 when all bytes are there becomes U+FFFD, one for each maximal part of a character
// (`String::from_utf8_lossy`; Python's `errors="replace"`, which tiktoken uses, does the same).
// That is also what the strict mode of decoding does: strictness is about ids that no token has,
// which never get here.

mod sentencepiece;
mod stream;
mod wordpiece;

pub use sentencepiece::SentencePieceDecoder;
pub(crate) use sentencepiece::SentencePieceState;
pub use stream::DecodeStream;

use crate::unicode::byte_level::char_to_byte;

/// How the strings of tokens become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// Each character of a token stands for a byte. The options mean nothing here; files carry them.
    ByteLevel {
        /// As for the pre-tokenizer.
        add_prefix_space: bool,
        /// As for the post-processor.
        trim_offsets: bool,
        /// As for the pre-tokenizer.
        use_regex: bool,
    },
    /// A space before every token but the first and those with the prefix, which goes.
    WordPiece {
        /// What marks a token that continues a word.
        prefix: String,
        /// Whether to take out spaces before punctuation and English contractions.
        cleanup: bool,
    },
    /// As sentencepiece decodes.
    SentencePiece(SentencePieceDecoder),
}

impl Decoder {
    /// Whether the bytes of a token are the same wherever it stands, so that they can be prepared.
    pub fn is_byte_level(&self) -> bool {
        matches!(self, Self::ByteLevel { .. })
    }
}

/// Appends what one token adds to the text. Bytes may be part of a character only with
/// [`Decoder::ByteLevel`].
pub(crate) fn append(decoder: Option<&Decoder>, token: &str, first: bool, out: &mut Vec<u8>) {
    match decoder {
        Some(Decoder::ByteLevel { .. }) => token_to_bytes(token, out),
        Some(Decoder::WordPiece { prefix, cleanup }) => {
            wordpiece::append(token, first, prefix, *cleanup, out);
        }
        // A token alone; a sequence has a state of its own.
        Some(Decoder::SentencePiece(decoder)) => {
            let mut state = SentencePieceState::default();
            state.push(decoder, token, out);
            state.finish(out);
        }
        None => {
            if !first {
                out.push(b' ');
            }
            out.extend_from_slice(token.as_bytes());
        }
    }
}

/// Appends the bytes that a byte-level token stands for. A token with a character outside the byte
/// alphabet (added tokens are such) stands for itself as a whole.
pub(crate) fn token_to_bytes(token: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.reserve(token.len());
    for c in token.chars() {
        if let Some(byte) = char_to_byte(c) {
            out.push(byte);
        } else {
            out.truncate(start);
            out.extend_from_slice(token.as_bytes());
            return;
        }
    }
}

/// The text of a sequence of tokens, special tokens already left out where they should be: the plain
/// way, which the tokenizer's tables and streams are held to.
#[cfg(test)]
pub(crate) fn decode_tokens<'a>(
    decoder: Option<&Decoder>,
    tokens: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut bytes = Vec::new();
    for (index, token) in tokens.into_iter().enumerate() {
        append(decoder, token, index == 0, &mut bytes);
    }
    into_text(bytes)
}

/// Decoded bytes as text, without a copy when they are UTF-8.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Decoding: from the strings of tokens back to text.
//!
//! [`Decoder`] is a declaration; `None` where one could stand means tokens joined by spaces, as in
//! the reference library. A declaration compiles to a `Chain`, a flat list of steps, and three
//! roads lead through it: [`decode_tokens`] takes whole sequences (and can say which token each byte
//! came from), a table of the tokenizer's takes chains whose tokens mean the same wherever they
//! stand, and [`DecodeStream`] takes one token at a time.

// In the reference library a decoder maps a list of strings to a list of strings, and what comes out
// last is joined. That is `batch.rs`, and what the other two are held to. Strings hold UTF-8 at each
// border between steps; only `ByteLevel` and `ByteFallback` make text out of bytes, and what is no
// UTF-8 becomes U+FFFD there: one for each maximal part of a character in the first, one for each
// byte of the group in the second. Where bytes are asked for, they stay as they are.

mod batch;
mod chain;
mod sentencepiece;
mod stream;
mod strings;
mod table;
mod wordpiece;

pub(crate) use batch::Form;
pub(crate) use chain::{Chain, Middle, Shape, byte_token};
pub use sentencepiece::SentencePieceDecoder;
pub use stream::DecodeStream;
pub(crate) use table::{Found, Kind, Table, Writer};

use crate::error::Result;
use crate::pretokenize::PrependScheme;
use crate::regex::Pattern;
use crate::unicode::byte_level::char_to_byte;
use crate::unicode::utf8;

/// How the strings of tokens become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// A suffix becomes a space, and nothing in the last token.
    Bpe {
        /// What marks the end of a word.
        suffix: String,
    },
    /// Tokens such as `<0x0A>` stand for bytes.
    ByteFallback,
    /// Each character of a token stands for a byte. The options mean nothing here; files carry them.
    ByteLevel {
        /// As for the pre-tokenizer.
        add_prefix_space: bool,
        /// As for the post-processor.
        trim_offsets: bool,
        /// As for the pre-tokenizer.
        use_regex: bool,
    },
    /// The output of connectionist temporal classification: repeated tokens count once.
    Ctc {
        /// What stands between two tokens that are the same, and goes.
        pad_token: String,
        /// What becomes a space, with `cleanup`.
        word_delimiter_token: String,
        /// Whether to take out spaces before punctuation and English contractions.
        cleanup: bool,
    },
    /// All tokens become one, for what comes after.
    Fuse,
    /// A visible character becomes a space, and nothing in the first token.
    Metaspace {
        /// What stands for a space.
        replacement: char,
        /// Unless it is never, the first token loses its spaces.
        prepend: PrependScheme,
        /// As for the pre-tokenizer.
        split: bool,
    },
    /// A text for every match.
    Replace {
        /// What is looked for.
        pattern: Pattern,
        /// What takes its place.
        content: String,
    },
    /// Characters at the ends of each token go.
    Strip {
        /// Which.
        content: char,
        /// The most at the beginning.
        start: usize,
        /// The most at the end.
        stop: usize,
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
    /// One after the other.
    Sequence(Vec<Decoder>),
}

impl Decoder {
    /// The name of the kind, as `tokenizer.json` writes it, with those of the members of a sequence.
    pub fn describe(&self) -> String {
        let name = match self {
            Self::Bpe { .. } => "BPEDecoder",
            Self::ByteFallback => "ByteFallback",
            Self::ByteLevel { .. } => "ByteLevel",
            Self::Ctc { .. } => "CTC",
            Self::Fuse => "Fuse",
            Self::SentencePiece(_) => "SentencePiece",
            Self::Metaspace { .. } => "Metaspace",
            Self::Replace { .. } => "Replace",
            Self::Strip { .. } => "Strip",
            Self::WordPiece { .. } => "WordPiece",
            Self::Sequence(members) => {
                let names: Vec<String> = members.iter().map(Self::describe).collect();
                return format!("Sequence[{}]", names.join(", "));
            }
        };
        name.to_owned()
    }

    /// Checks what the type cannot: that patterns compile, and that there is a bound to the number of
    /// steps.
    ///
    /// # Errors
    /// As [`Regex::new`](crate::Regex::new); [`Error::Argument`](crate::Error::Argument) above 256
    /// steps.
    pub fn check(&self) -> Result<()> {
        Chain::compile(Some(self)).map(|_| ())
    }
}

/// The text of a sequence of tokens.
///
/// # Errors
/// As [`Decoder::check`]; [`Error::Pattern`](crate::Error::Pattern) where a regular expression exceeds
/// its bound, [`Error::Argument`](crate::Error::Argument) where replacements make the text more than a
/// thousand times as long.
pub fn decode_tokens<'a>(
    decoder: Option<&Decoder>,
    tokens: impl IntoIterator<Item = &'a str>,
) -> Result<String> {
    Chain::compile(decoder)?.text(tokens)
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

/// Decoded bytes as text, without a copy when they are UTF-8.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    utf8::string(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;

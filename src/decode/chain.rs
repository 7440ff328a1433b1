//! The compiled form of a decoder: steps in a row.

use std::sync::Arc;

use super::batch::{self, Form, Text};
use super::strings::{Budget, Origins, Piece};
use super::{Decoder, SentencePieceDecoder};
use crate::error::{Error, Result};
use crate::pretokenize::PrependScheme;
use crate::regex::{Dialect, Pattern, Regex};

/// The most steps that a chain may have: each costs stack in a stream.
const MAX_STEPS: usize = 256;

/// One step: strings to strings.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bpe {
        suffix: String,
    },
    ByteFallback,
    ByteLevel,
    Ctc {
        pad_token: String,
        delimiter: String,
        cleanup: bool,
    },
    Fuse,
    /// Without a decoder: a space before every string but the first.
    Join,
    Literal {
        pattern: String,
        content: String,
    },
    Metaspace {
        replacement: char,
        drop_first: bool,
    },
    Regex {
        regex: Regex,
        content: String,
    },
    /// Whole sequences at once, with a state of its own.
    SentencePiece(SentencePieceDecoder),
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    WordPiece {
        prefix: String,
        cleanup: bool,
    },
}

/// A compiled decoder. Immutable and cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    steps: Arc<[Step]>,
}

/// How the tokens of a chain can be prepared: steps that look at one token alone, then at most one
/// step that makes text out of bytes, then steps on the whole text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The number of steps on single tokens.
    pre: usize,
    /// What makes text out of bytes.
    pub(crate) middle: Middle,
    /// Where the steps on the whole text begin.
    tail: usize,
    /// Whether the first token is not like the others.
    pub(crate) first: bool,
    /// Whether the last one is not.
    pub(crate) last: bool,
    /// Whether every token but the first is a word with a space, or a part of one that is marked as such.
    pub(crate) words: bool,
}

/// What makes text out of the bytes of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Middle {
    /// Nothing: tokens are text.
    Nothing,
    /// Their characters stand for bytes.
    ByteLevel,
    /// Some of them stand for a byte each.
    ByteFallback,
}

impl Chain {
    /// Compiles a declaration.
    ///
    /// # Errors
    /// As [`Regex::new`] and [`Error::Argument`] above [`MAX_STEPS`].
    pub(crate) fn compile(decoder: Option<&Decoder>) -> Result<Self> {
        let mut steps = Vec::new();
        match decoder {
            Some(decoder) => add(decoder, &mut steps)?,
            None => steps.push(Step::Join),
        }
        Ok(Self { steps: steps.into() })
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the bytes of a token are the same wherever it stands, and there is nothing more to it.
    pub(crate) fn is_byte_level(&self) -> bool {
        matches!(&*self.steps, [Step::ByteLevel])
    }

    /// The text of a sequence of tokens.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens).
    pub(crate) fn text<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) -> Result<String> {
        Ok(super::into_text(self.run(tokens, Form::Text, Origins::Forgotten)?.bytes))
    }

    /// The bytes of a sequence of tokens.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens).
    pub(crate) fn bytes<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>> {
        Ok(self.run(tokens, Form::Bytes, Origins::Forgotten)?.bytes)
    }

    /// The text of a sequence of tokens, and the character at which each of them starts.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens).
    pub(crate) fn text_and_starts(&self, tokens: &[&str]) -> Result<(String, Vec<i64>)> {
        let text = self.run(tokens.iter().copied(), Form::Text, Origins::Kept)?;
        let starts = text.starts(tokens.len());
        Ok((super::into_text(text.bytes), starts))
    }

    fn run<'a>(
        &self,
        tokens: impl IntoIterator<Item = &'a str>,
        form: Form,
        origins: Origins,
    ) -> Result<Text> {
        let tokens = tokens.into_iter().zip(0u32..);
        let pieces: Vec<Piece> =
            tokens.map(|(token, at)| Piece::new(token.as_bytes(), at, origins)).collect();
        let mut budget = Budget::of(pieces.iter().map(|piece| piece.bytes.len()).sum());
        batch::run(&self.steps, pieces, form, &mut budget)
    }

    /// How tokens can be prepared; none when their neighbours change them.
    pub(crate) fn shape(&self) -> Option<Shape> {
        let alone = |step: &Step| {
            matches!(
                step,
                Step::Bpe { .. }
                    | Step::Join
                    | Step::Literal { .. }
                    | Step::Metaspace { .. }
                    | Step::Regex { .. }
                    | Step::Strip { .. }
                    | Step::WordPiece { .. }
            )
        };
        let pre = self.steps.iter().take_while(|step| alone(step)).count();
        let (middle, tail) = match &self.steps[pre..] {
            [] => (Middle::Nothing, pre),
            [Step::Fuse, ..] => (Middle::Nothing, pre + 1),
            [Step::ByteLevel, ..] => (Middle::ByteLevel, pre + 1),
            [Step::ByteFallback] => (Middle::ByteFallback, pre + 1),
            [Step::ByteFallback, Step::Fuse, ..] => (Middle::ByteFallback, pre + 2),
            _ => return None,
        };
        let first = |step: &Step| {
            matches!(
                step,
                Step::Join | Step::WordPiece { .. } | Step::Metaspace { drop_first: true, .. }
            )
        };
        Some(Shape {
            pre,
            middle,
            tail,
            first: self.steps[..pre].iter().any(first),
            words: self.steps[..pre]
                .iter()
                .any(|step| matches!(step, Step::Join | Step::WordPiece { .. })),
            last: self.steps[..pre].iter().any(|step| matches!(step, Step::Bpe { .. })),
        })
    }

    /// What one token is before text is made out of bytes.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens).
    pub(crate) fn token(
        &self,
        shape: &Shape,
        token: &str,
        (first, last): (bool, bool),
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if shape.pre == 0 {
            out.extend_from_slice(token.as_bytes());
            return Ok(());
        }
        let mut piece = Piece::new(token.as_bytes(), 0, Origins::Forgotten);
        let mut budget = Budget::of(token.len());
        for step in &self.steps[..shape.pre] {
            batch::alone(step, &mut piece, (first, last), &mut budget)?;
        }
        out.extend_from_slice(&piece.bytes);
        Ok(())
    }

    /// Whether there are no steps on the whole text.
    pub(crate) fn ends_with(&self, shape: &Shape) -> bool {
        shape.tail == self.steps.len()
    }

    /// The steps on the whole text.
    ///
    /// # Errors
    /// As [`decode_tokens`](super::decode_tokens).
    pub(crate) fn finish(&self, shape: &Shape, text: Vec<u8>, form: Form) -> Result<Vec<u8>> {
        if self.ends_with(shape) {
            return Ok(text);
        }
        let mut budget = Budget::of(text.len());
        let origins = Origins::Forgotten;
        let piece = Piece { bytes: text, from: Vec::new(), token: 0, origins };
        Ok(batch::run(&self.steps[shape.tail..], vec![piece], form, &mut budget)?.bytes)
    }
}

fn add(decoder: &Decoder, steps: &mut Vec<Step>) -> Result<()> {
    if let Decoder::Sequence(members) = decoder {
        return members.iter().try_for_each(|member| add(member, steps));
    }
    if steps.len() == MAX_STEPS {
        let wanted = format!("a sequence of at most {MAX_STEPS}");
        return Err(Error::argument("decoder", "a sequence of more steps", wanted));
    }
    steps.push(match decoder {
        Decoder::Bpe { suffix } => Step::Bpe { suffix: suffix.clone() },
        Decoder::ByteFallback => Step::ByteFallback,
        Decoder::ByteLevel { .. } => Step::ByteLevel,
        Decoder::Ctc { pad_token, word_delimiter_token, cleanup } => Step::Ctc {
            pad_token: pad_token.clone(),
            delimiter: word_delimiter_token.clone(),
            cleanup: *cleanup,
        },
        Decoder::Fuse => Step::Fuse,
        Decoder::SentencePiece(decoder) => Step::SentencePiece(decoder.clone()),
        Decoder::Metaspace { replacement, prepend, .. } => Step::Metaspace {
            replacement: *replacement,
            drop_first: *prepend != PrependScheme::Never,
        },
        Decoder::Replace { pattern: Pattern::String(pattern), content } => {
            Step::Literal { pattern: pattern.clone(), content: content.clone() }
        }
        Decoder::Replace { pattern: Pattern::Regex(pattern), content } => Step::Regex {
            regex: Regex::new(pattern, Dialect::TokenizerJson)?,
            content: content.clone(),
        },
        Decoder::Strip { content, start, stop } => {
            Step::Strip { content: *content, start: *start, stop: *stop }
        }
        Decoder::WordPiece { prefix, cleanup } => {
            Step::WordPiece { prefix: prefix.clone(), cleanup: *cleanup }
        }
        Decoder::Sequence(_) => return Ok(()),
    });
    Ok(())
}

/// The byte that a token such as `<0x0A>` stands for. The reference library reads the two
/// characters as a Rust number, so that `<0x+A>` is one too.
pub(crate) fn byte_token(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

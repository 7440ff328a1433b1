//! Decoding one token at a time.

use super::{Decoder, SentencePieceState, append};

/// Turns tokens into text as they come, at a cost per step that does not grow.
///
/// The pieces joined, with what [`DecodeStream::finish`] gives, are the text that
/// `decode_tokens` makes of all tokens at once. A piece never holds half a
/// character: bytes wait until the character is whole, or until it cannot become one any more.
#[derive(Clone, Debug)]
pub struct DecodeStream {
    decoder: Option<Decoder>,
    started: bool,
    /// Bytes not given out yet: between steps at most three, the beginning of a character.
    waiting: Vec<u8>,
    sentencepiece: SentencePieceState,
}

impl DecodeStream {
    /// A stream at its beginning.
    pub fn new(decoder: Option<Decoder>) -> Self {
        let sentencepiece = SentencePieceState::default();
        Self { decoder, started: false, waiting: Vec::new(), sentencepiece }
    }

    /// Takes the next token and appends the text that is certain now.
    pub fn step(&mut self, token: &str, out: &mut String) {
        if let Some(Decoder::SentencePiece(decoder)) = &self.decoder {
            self.sentencepiece.push(decoder, token, &mut self.waiting);
        } else {
            append(self.decoder.as_ref(), token, !self.started, &mut self.waiting);
        }
        self.started = true;
        self.give(out);
    }

    /// Appends what still waits, and goes back to the beginning. Half a character becomes U+FFFD.
    pub fn finish(&mut self, out: &mut String) {
        self.sentencepiece.finish(&mut self.waiting);
        out.push_str(&String::from_utf8_lossy(&self.waiting));
        self.waiting.clear();
        self.started = false;
    }

    fn give(&mut self, out: &mut String) {
        let mut rest = self.waiting.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    out.push_str(text);
                    self.waiting.clear();
                    return;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    // Checked just now, so nothing is replaced here.
                    out.push_str(&String::from_utf8_lossy(valid));
                    let Some(length) = error.error_len() else {
                        let start = self.waiting.len() - after.len();
                        self.waiting.drain(..start);
                        return;
                    };
                    out.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[length..];
                }
            }
        }
    }
}

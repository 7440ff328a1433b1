//! From ids back to text.

use super::{Plan, Tokenizer};
use crate::decode::{
    DecodeStream, Decoder, SentencePieceState, append, into_text, token_to_bytes,
};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// What becomes of an id that no token has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownIds {
    /// It is an error that names the id and its position.
    #[default]
    Error,
    /// It is left out, as in the reference library.
    Skip,
}

/// The bytes of every id, where they are the same wherever a token stands.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeTable {
    bytes: Vec<u8>,
    /// Where each id begins in `bytes`; one more entry than ids.
    starts: Vec<u32>,
    /// What each id is.
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Plain,
    Special,
}

impl DecodeTable {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut table = Self::default();
        let byte_level = plan.declared.decoder.as_ref().is_some_and(Decoder::is_byte_level);
        for id in 0..plan.id_limit() {
            table.starts.push(u32::try_from(table.bytes.len()).unwrap_or(u32::MAX));
            let token = TokenId::try_from(id).ok().and_then(|id| plan.decoded_token(id));
            table.kinds.push(match token {
                None => Kind::Missing,
                Some(token) if plan.added.is_special(token) => Kind::Special,
                Some(_) => Kind::Plain,
            });
            if let (Some(token), true) = (token, byte_level) {
                token_to_bytes(token, &mut table.bytes);
            }
        }
        table.starts.push(u32::try_from(table.bytes.len()).unwrap_or(u32::MAX));
        table
    }

    #[inline]
    fn bytes(&self, id: usize) -> &[u8] {
        &self.bytes[self.starts[id] as usize..self.starts[id + 1] as usize]
    }
}

impl Tokenizer {
    /// The text of `ids`. Special tokens are left out on demand. Bytes that are no UTF-8 become
    /// U+FFFD, as in the reference libraries.
    ///
    /// # Errors
    /// [`Error::UnknownId`] with the id and its position.
    pub fn decode(
        &self,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
    ) -> Result<String> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        self.decode_into(ids, skip_special, unknown, &mut bytes)?;
        Ok(into_text(bytes))
    }

    /// The bytes of `ids`, special tokens included, whether they are UTF-8 or not.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        self.decode_into(ids, false, UnknownIds::Error, &mut bytes)?;
        Ok(bytes)
    }

    /// The text of `ids` and the character at which each of them starts; a token that continues a
    /// character starts where that character does. Special tokens are included.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_with_offsets(&self, ids: &[TokenId]) -> Result<(String, Vec<i64>)> {
        let (mut bytes, mut starts) = (Vec::new(), Vec::with_capacity(ids.len()));
        let mut state = SentencePieceState::default();
        let mut characters = 0i64;
        for (position, &id) in ids.iter().enumerate() {
            let before = bytes.len();
            self.append_token(id, position, position == 0, &mut state, &mut bytes)?;
            let added = &bytes[before..];
            let continues = added.first().is_some_and(|byte| byte & 0xC0 == 0x80);
            starts.push((characters - i64::from(continues)).max(0));
            characters += added.iter().map(|byte| i64::from(byte & 0xC0 != 0x80)).sum::<i64>();
        }
        state.finish(&mut bytes);
        Ok((into_text(bytes), starts))
    }

    fn append_token(
        &self,
        id: TokenId,
        position: usize,
        first: bool,
        state: &mut SentencePieceState,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let token = self.plan.decoded_token(id).ok_or_else(|| self.unknown(id, position))?;
        match &self.plan.declared.decoder {
            Some(Decoder::SentencePiece(decoder)) => state.push(decoder, token, out),
            decoder => append(decoder.as_ref(), token, first, out),
        }
        Ok(())
    }

    fn unknown(&self, id: TokenId, position: usize) -> Error {
        Error::UnknownId { id: id.into(), position, row: None, size: self.id_limit() }
    }

    fn decode_into(
        &self,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let table = self.plan.decode_table();
        let decoder = self.plan.declared.decoder.as_ref();
        let byte_level = decoder.is_some_and(Decoder::is_byte_level);
        let mut first = true;
        let mut state = SentencePieceState::default();
        for (position, &id) in ids.iter().enumerate() {
            match table.kinds.get(id as usize) {
                Some(Kind::Special) if skip_special => {}
                Some(Kind::Plain | Kind::Special) if byte_level => {
                    out.extend_from_slice(table.bytes(id as usize));
                }
                Some(Kind::Plain | Kind::Special) => {
                    let token = self.plan.decoded_token(id).unwrap_or_default();
                    match decoder {
                        Some(Decoder::SentencePiece(decoder)) => state.push(decoder, token, out),
                        _ => append(decoder, token, first, out),
                    }
                    first = false;
                }
                _ if unknown == UnknownIds::Skip => {}
                _ => return Err(self.unknown(id, position)),
            }
        }
        state.finish(out);
        Ok(())
    }

    /// Begins to decode id by id.
    pub fn stream(&self, skip_special: bool) -> TokenStream {
        let stream = DecodeStream::new(self.plan.declared.decoder.clone());
        TokenStream { tokenizer: self.clone(), stream, skip_special, position: 0 }
    }
}

/// Text as its ids come: see [`Tokenizer::stream`].
#[derive(Clone, Debug)]
pub struct TokenStream {
    tokenizer: Tokenizer,
    stream: DecodeStream,
    skip_special: bool,
    position: usize,
}

impl TokenStream {
    /// Takes one id and gives the text that is certain now: never half a character.
    ///
    /// # Errors
    /// [`Error::UnknownId`] with the id and its position; the stream stays as it was.
    pub fn step(&mut self, id: TokenId) -> Result<String> {
        let mut out = String::new();
        let plan = &self.tokenizer.plan;
        let token =
            plan.decoded_token(id).ok_or_else(|| self.tokenizer.unknown(id, self.position))?;
        if !(self.skip_special && plan.added.is_special(token)) {
            self.stream.step(token, &mut out);
        }
        self.position += 1;
        Ok(out)
    }

    /// The number of ids taken so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The text that still waited; the stream begins anew.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.stream.finish(&mut out);
        self.position = 0;
        out
    }
}

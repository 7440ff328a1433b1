//! From ids back to text.

use super::{Plan, Tokenizer};
use crate::decode::{
    Chain, DecodeStream, Form, Middle, Shape, byte_token, into_text, token_to_bytes,
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

/// What every id adds to a text, where its neighbours do not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeTable {
    /// How the chain is shaped; none where tokens cannot be prepared.
    shape: Option<Shape>,
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
    /// A plain token that stands for a byte: a group of them is text, or is not, as a whole.
    Byte,
    /// A special one that does.
    SpecialByte,
}

/// A table of more bytes than this, and than some for each of the vocabulary, is not made: a file can
/// ask for any.
const SPARE_BYTES: usize = 64 << 20;

impl DecodeTable {
    pub(super) fn new(plan: &Plan) -> Self {
        let shape = plan.decoder.shape();
        // What a pattern gives up on is told by the call that meets it.
        let prepared = shape.and_then(|shape| Self::prepared(plan, shape).ok().flatten());
        prepared.unwrap_or_else(|| {
            let kinds = (0..plan.id_limit()).map(|id| match token_of(plan, id) {
                None => Kind::Missing,
                Some(token) if plan.added.is_special(token) => Kind::Special,
                Some(_) => Kind::Plain,
            });
            Self { kinds: kinds.collect(), ..Self::default() }
        })
    }

    fn prepared(plan: &Plan, shape: Shape) -> Result<Option<Self>> {
        let mut table = Self { shape: Some(shape), ..Self::default() };
        let mut spare = SPARE_BYTES;
        for id in 0..plan.id_limit() {
            let start = table.bytes.len();
            table.starts.push(u32::try_from(start).unwrap_or(u32::MAX));
            let Some(token) = token_of(plan, id) else {
                table.kinds.push(Kind::Missing);
                continue;
            };
            let byte = table.add(&plan.decoder, token, (false, false))?;
            table.kinds.push(match (plan.added.is_special(token), byte) {
                (false, false) => Kind::Plain,
                (false, true) => Kind::Byte,
                (true, false) => Kind::Special,
                (true, true) => Kind::SpecialByte,
            });
            let more = (table.bytes.len() - start).saturating_sub(4 * token.len());
            let Some(left) = spare.checked_sub(more) else { return Ok(None) };
            spare = left;
        }
        let Ok(end) = u32::try_from(table.bytes.len()) else { return Ok(None) };
        table.starts.push(end);
        Ok(Some(table))
    }

    /// Appends a token's bytes, and says whether it stands for one.
    fn add(&mut self, chain: &Chain, token: &str, ends: (bool, bool)) -> Result<bool> {
        let Some(shape) = &self.shape else { return Ok(false) };
        append(chain, shape, token, ends, &mut self.bytes)
    }

    #[inline]
    fn bytes(&self, id: usize) -> &[u8] {
        &self.bytes[self.starts[id] as usize..self.starts[id + 1] as usize]
    }
}

/// Appends a token's bytes as the shape has them, and says whether it stands for a byte.
fn append(
    chain: &Chain,
    shape: &Shape,
    token: &str,
    ends: (bool, bool),
    out: &mut Vec<u8>,
) -> Result<bool> {
    if shape.middle == Middle::ByteLevel && chain.is_byte_level() {
        token_to_bytes(token, out);
        return Ok(false);
    }
    let start = out.len();
    chain.token(shape, token, ends, out)?;
    match shape.middle {
        Middle::Nothing => {}
        Middle::ByteLevel => {
            let spelled = out.split_off(start);
            token_to_bytes(&String::from_utf8_lossy(&spelled), out);
        }
        Middle::ByteFallback => {
            if let Some(byte) = byte_token(&out[start..]) {
                out.truncate(start);
                out.push(byte);
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The text of a group of byte tokens: U+FFFD for each when they are no UTF-8 together.
fn end_group(group: &mut Vec<u8>, form: Form, out: &mut Vec<u8>) {
    if form == Form::Bytes || std::str::from_utf8(group).is_ok() {
        out.append(group);
    } else {
        out.extend("\u{FFFD}".as_bytes().repeat(group.len()));
        group.clear();
    }
}

fn token_of(plan: &Plan, id: usize) -> Option<&str> {
    TokenId::try_from(id).ok().and_then(|id| plan.decoded_token(id))
}

impl Tokenizer {
    /// The text of `ids`. Special tokens are left out on demand. Bytes that are no UTF-8 become
    /// U+FFFD, as in the reference libraries.
    ///
    /// # Errors
    /// [`Error::UnknownId`] with the id and its position; [`Error::Pattern`] where a decoder's regular
    /// expression exceeds its bound, [`Error::Argument`] where its replacements have no end.
    pub fn decode(
        &self,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
    ) -> Result<String> {
        Ok(into_text(self.decoded(ids, skip_special, unknown, Form::Text)?))
    }

    /// The bytes of `ids`, special tokens included, whether they are UTF-8 or not.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>> {
        self.decoded(ids, false, UnknownIds::Error, Form::Bytes)
    }

    /// The text of `ids` and the character at which each of them starts; a token that continues a
    /// character starts where that character does. Special tokens are included.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_with_offsets(&self, ids: &[TokenId]) -> Result<(String, Vec<i64>)> {
        let token =
            |(position, &id)| self.plan.decoded_token(id).ok_or_else(|| self.unknown(id, position));
        let tokens = ids.iter().enumerate().map(token).collect::<Result<Vec<&str>>>()?;
        self.plan.decoder.text_and_starts(&tokens)
    }

    /// The bytes that a token adds to decoded text in the middle of others; the bytes of its string,
    /// where what it adds depends on them.
    pub fn token_bytes(&self, id: TokenId) -> Option<Vec<u8>> {
        let token = self.plan.token(id)?;
        let chain = &self.plan.decoder;
        let mut bytes = Vec::new();
        let prepared = chain.shape().filter(|shape| !shape.words).and_then(|shape| {
            let text = self.plan.decoded_token(id)?;
            append(chain, &shape, text, (false, false), &mut bytes).ok()
        });
        Some(if prepared.is_some() { bytes } else { token.as_bytes().to_vec() })
    }

    fn unknown(&self, id: TokenId, position: usize) -> Error {
        Error::UnknownId { id: id.into(), position, row: None, size: self.id_limit() }
    }

    fn decoded(
        &self,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
        form: Form,
    ) -> Result<Vec<u8>> {
        let table = self.plan.decode_table();
        let Some(shape) = &table.shape else {
            return self.decoded_by_steps(table, ids, skip_special, unknown, form);
        };
        let kept = |id: TokenId| match table.kinds.get(id as usize) {
            Some(Kind::Special | Kind::SpecialByte) => !skip_special,
            Some(Kind::Plain | Kind::Byte) => true,
            _ => false,
        };
        let end = |found: Option<usize>, there| found.filter(|_| there).unwrap_or(usize::MAX);
        let first = end(ids.iter().position(|&id| kept(id)), shape.first);
        let last = end(ids.iter().rposition(|&id| kept(id)), shape.last);
        let chain = &self.plan.decoder;
        let mut out = Vec::with_capacity(ids.len() * 4);
        let mut group = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            let byte = match table.kinds.get(id as usize) {
                Some(Kind::Special | Kind::SpecialByte) if skip_special => continue,
                Some(Kind::Plain | Kind::Special) => false,
                Some(Kind::Byte | Kind::SpecialByte) => true,
                _ if unknown == UnknownIds::Skip => continue,
                _ => return Err(self.unknown(id, position)),
            };
            if position == first || position == last {
                // What it is at an end of the text may be a byte where it is none elsewhere.
                let token = self.plan.decoded_token(id).unwrap_or_default();
                let mut bytes = Vec::new();
                let ends = (position == first, position == last);
                if append(chain, shape, token, ends, &mut bytes)? {
                    group.append(&mut bytes);
                } else {
                    end_group(&mut group, form, &mut out);
                    out.append(&mut bytes);
                }
            } else if byte {
                group.extend_from_slice(table.bytes(id as usize));
            } else {
                if !group.is_empty() {
                    end_group(&mut group, form, &mut out);
                }
                out.extend_from_slice(table.bytes(id as usize));
            }
        }
        end_group(&mut group, form, &mut out);
        if shape.middle == Middle::ByteLevel && form == Form::Text && !chain.is_byte_level() {
            out = into_text(out).into_bytes();
        }
        chain.finish(shape, out, form)
    }

    /// The same where tokens cannot be prepared.
    fn decoded_by_steps(
        &self,
        table: &DecodeTable,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
        form: Form,
    ) -> Result<Vec<u8>> {
        let mut tokens = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            match table.kinds.get(id as usize) {
                Some(Kind::Special | Kind::SpecialByte) if skip_special => {}
                Some(Kind::Missing) | None if unknown == UnknownIds::Skip => {}
                Some(Kind::Missing) | None => return Err(self.unknown(id, position)),
                _ => tokens.push(self.plan.decoded_token(id).unwrap_or_default()),
            }
        }
        match form {
            Form::Text => self.plan.decoder.text(tokens).map(String::into_bytes),
            Form::Bytes => self.plan.decoder.bytes(tokens),
        }
    }

    /// Begins to decode id by id.
    pub fn stream(&self, skip_special: bool) -> TokenStream {
        let stream = DecodeStream::of(&self.plan.decoder);
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
    /// [`Error::UnknownId`] with the id and its position; the stream stays as it was. The other errors
    /// of [`Tokenizer::decode`], after which the stream is of no use.
    pub fn step(&mut self, id: TokenId) -> Result<String> {
        let mut out = String::new();
        let plan = &self.tokenizer.plan;
        let token =
            plan.decoded_token(id).ok_or_else(|| self.tokenizer.unknown(id, self.position))?;
        if !(self.skip_special && plan.added.is_special(token)) {
            self.stream.step(token, &mut out)?;
        }
        self.position += 1;
        Ok(out)
    }

    /// The number of ids taken so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The text that still waited; the stream begins anew.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`], where a decoder had to wait for the end.
    pub fn finish(&mut self) -> Result<String> {
        let mut out = String::new();
        self.position = 0;
        self.stream.finish(&mut out)?;
        Ok(out)
    }
}

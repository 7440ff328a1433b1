//! From ids back to text.

use std::ops::Range;

use super::{Plan, Tokenizer};
use crate::decode::{
    Chain, DecodeStream, Form, Found, Kind, Middle, Shape, Table, Writer, byte_token, into_text,
    token_to_bytes,
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

/// What ids are, and what each of them adds to a text where its neighbours do not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeTable {
    /// How the chain is shaped; none where tokens cannot be prepared, and then no id has bytes.
    shape: Option<Shape>,
    tokens: Table,
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
            let mut tokens = Table::with_capacity(plan.id_limit());
            for id in 0..plan.id_limit() {
                let special = token_of(plan, id).map(|token| plan.added.is_special(token));
                // Without bytes there is always room.
                let pushed =
                    special.is_some_and(|special| tokens.push(&[], Kind { special, byte: false }));
                if !pushed {
                    tokens.push_missing();
                }
            }
            Self { shape: None, tokens }
        })
    }

    fn prepared(plan: &Plan, shape: Shape) -> Result<Option<Self>> {
        let mut tokens = Table::with_capacity(plan.id_limit());
        let mut bytes = Vec::new();
        let mut spare = SPARE_BYTES;
        for id in 0..plan.id_limit() {
            let Some(token) = token_of(plan, id) else {
                tokens.push_missing();
                continue;
            };
            bytes.clear();
            let byte = append(&plan.decoder, &shape, token, (false, false), &mut bytes)?;
            let more = bytes.len().saturating_sub(4 * token.len());
            let Some(left) = spare.checked_sub(more) else { return Ok(None) };
            spare = left;
            if !tokens.push(&bytes, Kind { special: plan.added.is_special(token), byte }) {
                return Ok(None);
            }
        }
        Ok(Some(Self { shape: Some(shape), tokens }))
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
    if group.is_empty() {
        return;
    }
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

    /// What [`Tokenizer::decode`] gives, before it was checked to be UTF-8.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    #[cfg(feature = "python")]
    pub(crate) fn decode_unchecked(
        &self,
        ids: &[TokenId],
        skip_special: bool,
        unknown: UnknownIds,
    ) -> Result<Vec<u8>> {
        self.decoded(ids, skip_special, unknown, Form::Text)
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
        let mut out = Vec::new();
        Decoding::new(self, skip_special, unknown, form).append(ids, &mut out)?;
        Ok(out)
    }

    /// Begins to decode id by id.
    pub fn stream(&self, skip_special: bool) -> TokenStream {
        let stream = DecodeStream::of(&self.plan.decoder);
        TokenStream { tokenizer: self.clone(), stream, skip_special, position: 0 }
    }
}

/// Decodes rows, one after the other, with the same rules.
pub(super) struct Decoding<'a> {
    tokenizer: &'a Tokenizer,
    table: &'a DecodeTable,
    skip_special: bool,
    unknown: UnknownIds,
    form: Form,
    writer: Writer,
    /// Byte tokens whose group may go on.
    group: Vec<u8>,
}

impl<'a> Decoding<'a> {
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        skip_special: bool,
        unknown: UnknownIds,
        form: Form,
    ) -> Self {
        let table = tokenizer.plan.decode_table();
        let (writer, group) = (Writer::new(), Vec::new());
        Self { tokenizer, table, skip_special, unknown, form, writer, group }
    }

    /// Appends what the ids of a row are together. That may be no UTF-8, as text too.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]; then it is unknown what was appended.
    pub(super) fn append(&mut self, ids: &[TokenId], out: &mut Vec<u8>) -> Result<()> {
        let Some(shape) = &self.table.shape else {
            out.append(&mut self.by_steps(ids)?);
            return Ok(());
        };
        let chain = &self.tokenizer.plan.decoder;
        // Bytes that the step between made are text for the steps behind it.
        let lossy =
            shape.middle == Middle::ByteLevel && self.form == Form::Text && !chain.is_byte_level();
        // English text has about this many bytes a token, and no room is given back.
        out.reserve(ids.len() * 5);
        if !lossy && chain.ends_with(shape) {
            return self.join(shape, ids, out);
        }
        let mut text = Vec::with_capacity(ids.len() * 5);
        self.join(shape, ids, &mut text)?;
        if lossy {
            text = into_text(text).into_bytes();
        }
        out.append(&mut chain.finish(shape, text, self.form)?);
        Ok(())
    }

    /// Joins what the tokens are before the steps on the whole text.
    fn join(&mut self, shape: &Shape, ids: &[TokenId], out: &mut Vec<u8>) -> Result<()> {
        self.group.clear();
        let kept = |&id: &TokenId| match self.table.tokens.get(id) {
            Found::Token(kind, _) => !(kind.special && self.skip_special),
            Found::Missing => false,
        };
        // The tokens at the ends, where they are not like the others.
        let first = if shape.first { ids.iter().position(kept) } else { None };
        let last = if shape.last { ids.iter().rposition(kept) } else { None };
        let mut done = 0;
        for end in [first, last.filter(|_| last != first)].into_iter().flatten() {
            self.walk(ids, done..end, out)?;
            let token = ids.get(end).and_then(|&id| self.tokenizer.plan.decoded_token(id));
            // What it is at an end of the text may be a byte where it is none elsewhere.
            let (chain, mut bytes) = (&self.tokenizer.plan.decoder, Vec::new());
            let ends = (Some(end) == first, Some(end) == last);
            if append(chain, shape, token.unwrap_or_default(), ends, &mut bytes)? {
                self.group.append(&mut bytes);
            } else {
                end_group(&mut self.group, self.form, out);
                out.append(&mut bytes);
            }
            done = end + 1;
        }
        self.walk(ids, done..ids.len(), out)?;
        end_group(&mut self.group, self.form, out);
        Ok(())
    }

    /// Appends tokens that are what the table says.
    fn walk(&mut self, ids: &[TokenId], range: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let Range { start: mut at, end } = range;
        while at < end {
            if self.group.is_empty() {
                let rest = ids.get(at..end).unwrap_or_default();
                at += self.writer.plain(&self.table.tokens, rest, out);
            }
            let Some(&id) = ids.get(at).filter(|_| at < end) else { break };
            match self.table.tokens.get(id) {
                Found::Token(kind, _) if kind.special && self.skip_special => {}
                Found::Token(kind, bytes) if kind.byte => self.group.extend_from_slice(bytes),
                Found::Token(_, bytes) => {
                    end_group(&mut self.group, self.form, out);
                    out.extend_from_slice(bytes);
                }
                Found::Missing if self.unknown == UnknownIds::Skip => {}
                Found::Missing => return Err(self.tokenizer.unknown(id, at)),
            }
            at += 1;
        }
        Ok(())
    }

    /// A row where tokens cannot be prepared.
    fn by_steps(&self, ids: &[TokenId]) -> Result<Vec<u8>> {
        let plan = &self.tokenizer.plan;
        let mut tokens = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            match self.table.tokens.get(id) {
                Found::Token(kind, _) if kind.special && self.skip_special => {}
                Found::Token(..) => tokens.push(plan.decoded_token(id).unwrap_or_default()),
                Found::Missing if self.unknown == UnknownIds::Skip => {}
                Found::Missing => return Err(self.tokenizer.unknown(id, position)),
            }
        }
        match self.form {
            Form::Text => plan.decoder.text(tokens).map(String::into_bytes),
            Form::Bytes => plan.decoder.bytes(tokens),
        }
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

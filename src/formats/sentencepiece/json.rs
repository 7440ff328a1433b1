//! A tokenizer of a sentencepiece model as JSON: for storing and passing on what no component of a
//! `tokenizer.json` is equal to.

// The file has the keys of a tokenizer.json and a model of a type that only this library knows, with
// the model as its own format has it. So another library refuses it by name, where components that
// are nearly the same would give nearly the same ids.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{declare, read};
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::formats::json::FORMAT;
use crate::model::{Model, PieceKind, SentencePiece, SentencePieceKind};
use crate::normalize::Normalizer;
use crate::tokenizer::{AddedToken, Tokenizer, TokenizerBuilder};

/// The type of the model.
const TYPE: &str = "SentencePiece";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    truncation: (),
    padding: (),
    added_tokens: Vec<Added>,
    normalizer: (),
    pre_tokenizer: (),
    post_processor: (),
    decoder: (),
    model: ModelPart,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelPart {
    #[serde(rename = "type")]
    kind: String,
    /// The model as its own format has it, in base64.
    proto: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of the format")]
struct Added {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

/// Whether a JSON file is one of these.
pub(in crate::formats) fn is_ours(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Sketch {
        model: Kind,
    }
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    memchr::memmem::find(bytes, TYPE.as_bytes()).is_some()
        && serde_json::from_slice::<Sketch>(bytes).is_ok_and(|sketch| sketch.model.kind == TYPE)
}

/// The declaration in such a file.
///
/// # Errors
/// [`Error::Format`] with the line and column, or as for the model in it.
pub(in crate::formats) fn from_json(bytes: &[u8]) -> Result<TokenizerBuilder> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::format(FORMAT, place, format!("a model of type {TYPE}: {error}"))
    })?;
    if file.version != "1.0" {
        let what = format!("version {:?} with a model of type {TYPE}", file.version);
        return Err(Error::unsupported(what, "version"));
    }
    let proto = STANDARD
        .decode(&file.model.proto)
        .map_err(|error| Error::format(FORMAT, "model.proto", format!("no base64: {error}")))?;
    let mut declared = declare(read::read(&proto)?)?;
    declared.added_tokens = file.added_tokens.into_iter().map(Added::token).collect();
    Ok(declared)
}

impl Added {
    fn token(self) -> AddedToken {
        let Self { id: _, content, single_word, lstrip, rstrip, normalized, special } = self;
        AddedToken { content, single_word, lstrip, rstrip, normalized, special }
    }
}

/// The text of such a file; none when the tokenizer is of another kind.
///
/// # Errors
/// [`Error::Unsupported`] when a component was put beside those of the model.
pub(in crate::formats) fn to_json(tokenizer: &Tokenizer, pretty: bool) -> Option<Result<String>> {
    let declared = tokenizer.declaration();
    let Model::SentencePiece(model) = &declared.model else { return None };
    Some(write(tokenizer, declared, model, pretty))
}

fn write(
    tokenizer: &Tokenizer,
    declared: &TokenizerBuilder,
    model: &SentencePiece,
    pretty: bool,
) -> Result<String> {
    let (Some(Normalizer::SentencePiece(normalizer)), Some(Decoder::SentencePiece(decoder))) =
        (&declared.normalizer, &declared.decoder)
    else {
        let what = "a sentencepiece model with another normalizer or decoder than its own";
        return Err(Error::unsupported(what, "model"));
    };
    let beside = [
        ("pre_tokenizer", declared.pre_tokenizer.is_some()),
        ("post_processor", declared.post_processor.is_some()),
        ("truncation", declared.truncation.is_some()),
        ("padding", declared.padding.is_some()),
    ];
    if let Some((name, _)) = beside.iter().find(|(_, there)| *there) {
        return Err(Error::unsupported(format!("a sentencepiece model with a {name}"), *name));
    }
    let spaces = normalizer.spaces();
    let mut proto = Vec::new();
    for ((_, text), (score, kind)) in
        model.vocab().iter().zip(model.scores().iter().zip(model.kinds()))
    {
        let mut piece = Vec::new();
        put_bytes(&mut piece, 1, text.as_bytes());
        put_varint(&mut piece, 2 << 3 | 5);
        piece.extend_from_slice(&score.to_le_bytes());
        put_number(&mut piece, 3, kind_number(*kind));
        put_bytes(&mut proto, 1, &piece);
    }
    let options = model.options();
    let mut trainer = Vec::new();
    put_number(&mut trainer, 3, model_type(options.kind));
    put_number(&mut trainer, 24, u64::from(options.space_is_suffix));
    put_number(&mut trainer, 35, u64::from(options.byte_fallback));
    put_bytes(&mut trainer, 44, decoder.unknown_surface().as_bytes());
    put_bytes(&mut proto, 2, &trainer);
    let mut spec = Vec::new();
    put_bytes(&mut spec, 2, normalizer.charsmap());
    put_number(&mut spec, 3, u64::from(spaces.add_dummy_prefix));
    put_number(&mut spec, 4, u64::from(spaces.remove_extra));
    put_number(&mut spec, 5, u64::from(spaces.escape));
    put_bytes(&mut proto, 3, &spec);
    let mut added: Vec<_> = tokenizer.added_tokens().collect();
    added.sort_by_key(|(id, _)| *id);
    let file = File {
        version: "1.0".to_owned(),
        truncation: (),
        padding: (),
        added_tokens: added
            .into_iter()
            .map(|(id, token)| Added {
                id,
                content: token.content.clone(),
                single_word: token.single_word,
                lstrip: token.lstrip,
                rstrip: token.rstrip,
                normalized: token.normalized,
                special: token.special,
            })
            .collect(),
        normalizer: (),
        pre_tokenizer: (),
        post_processor: (),
        decoder: (),
        model: ModelPart { kind: TYPE.to_owned(), proto: STANDARD.encode(proto) },
    };
    let written =
        if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) };
    written.map_err(|error| Error::format(FORMAT, "", error.to_string()))
}

/// The number of a kind of piece in the format.
fn kind_number(kind: PieceKind) -> u64 {
    match kind {
        PieceKind::Normal => 1,
        PieceKind::Unknown => 2,
        PieceKind::Control => 3,
        PieceKind::UserDefined => 4,
        PieceKind::Unused => 5,
        PieceKind::Byte => 6,
    }
}

fn model_type(kind: SentencePieceKind) -> u64 {
    match kind {
        SentencePieceKind::Unigram => 1,
        SentencePieceKind::Bpe => 2,
        SentencePieceKind::Word => 3,
        SentencePieceKind::Char => 4,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time are what is asked for")]
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(out, field << 3);
    put_varint(out, number);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

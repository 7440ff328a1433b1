//! Models of sentencepiece (`.model`): what their library 0.2.3 makes of a text, without the ids that
//! it can be told to put around it.

mod components;
mod json;
mod proto;
mod read;

use std::path::Path;

pub use self::components::{Accepted, sentencepiece_components};
pub(super) use self::json::{from_json, is_ours, to_json};
use self::read::ModelFile;
use crate::decode::{Decoder, SentencePieceDecoder};
use crate::error::{Error, Result};
use crate::files;
use crate::model::sentencepiece::piece_byte;
use crate::model::{
    Model, Piece, PieceKind, SentencePiece, SentencePieceKind, SentencePieceOptions,
};
use crate::normalize::{Normalizer, SentencePieceNormalizer, SentencePieceSpaces};
use crate::tokenizer::TokenizerBuilder;

/// The name of the format in errors.
pub(super) const FORMAT: &str = "sentencepiece model";

/// The declaration in a `.model` file.
///
/// # Errors
/// As [`read_sentencepiece`], with the file; [`Error::Io`].
pub fn from_sentencepiece(path: &Path) -> Result<TokenizerBuilder> {
    read_sentencepiece(&files::read(path)?).map_err(|error| error.in_file(path))
}

/// The declaration in the bytes of a `.model` file.
///
/// # Errors
/// [`Error::Format`] with the path of the field and the byte of what is wrong;
/// [`Error::Unsupported`] for a model that changes decoded text by a map.
pub fn read_sentencepiece(bytes: &[u8]) -> Result<TokenizerBuilder> {
    declare(read::read(bytes)?)
}

fn declare(file: ModelFile) -> Result<TokenizerBuilder> {
    let ModelFile { pieces, trainer, normalizer, denormalizer_map } = file;
    if denormalizer_map {
        let place = "denormalizer_spec.precompiled_charsmap";
        return Err(Error::unsupported("a map for decoded text", place));
    }
    let kind = match trainer.model_type {
        2 => SentencePieceKind::Bpe,
        3 => SentencePieceKind::Word,
        4 => SentencePieceKind::Char,
        _ => SentencePieceKind::Unigram,
    };
    let options = SentencePieceOptions {
        kind,
        byte_fallback: trainer.byte_fallback,
        space_is_suffix: trainer.treat_whitespace_as_suffix,
    };
    let spaces = SentencePieceSpaces {
        add_dummy_prefix: normalizer.add_dummy_prefix,
        remove_extra: normalizer.remove_extra_whitespaces,
        escape: normalizer.escape_whitespaces,
        as_suffix: trainer.treat_whitespace_as_suffix,
    };
    assemble(pieces, options, spaces, &normalizer.precompiled_charsmap, &trainer.unk_surface)
}

fn assemble(
    pieces: Vec<Piece>,
    options: SentencePieceOptions,
    spaces: SentencePieceSpaces,
    charsmap: &[u8],
    unk_surface: &str,
) -> Result<TokenizerBuilder> {
    let model = SentencePiece::new(pieces, options)?;
    let of_kind = |wanted: PieceKind| {
        let both = model.vocab().iter().zip(model.kinds());
        both.filter(move |(_, kind)| **kind == wanted).map(|((_, text), _)| text.to_owned())
    };
    let symbols = of_kind(PieceKind::UserDefined).collect();
    let normalizer = SentencePieceNormalizer::new(charsmap, spaces, symbols)?;
    let unknown = of_kind(PieceKind::Unknown).next().unwrap_or_default();
    let bytes = of_kind(PieceKind::Byte);
    let bytes = bytes.filter_map(|token| piece_byte(&token).map(|byte| (token, byte)));
    let flags = (spaces.add_dummy_prefix, spaces.remove_extra);
    let controls = of_kind(PieceKind::Control);
    let decoder = SentencePieceDecoder::new(controls, (unknown, unk_surface), bytes, flags);
    Ok(TokenizerBuilder {
        normalizer: Some(Normalizer::SentencePiece(normalizer)),
        decoder: Some(Decoder::SentencePiece(decoder)),
        ..TokenizerBuilder::new(Model::SentencePiece(model))
    })
}

#[cfg(test)]
mod tests;

//! The fields of a model that matter, out of its messages.

use super::FORMAT;
use super::proto::{Message, Value, failed};
use crate::error::{Error, Result};
use crate::model::{Piece, PieceKind};

/// What a `.model` file says.
#[derive(Clone, Debug)]
pub(super) struct ModelFile {
    pub(super) pieces: Vec<Piece>,
    pub(super) trainer: Trainer,
    pub(super) normalizer: NormalizerSpec,
    /// The map that decoded text would go through.
    pub(super) denormalizer_map: bool,
}

/// What training was told and encoding obeys.
#[derive(Clone, Debug)]
pub(super) struct Trainer {
    pub(super) model_type: u64,
    pub(super) byte_fallback: bool,
    pub(super) treat_whitespace_as_suffix: bool,
    pub(super) unk_surface: String,
}

/// How text is normalised.
#[derive(Clone, Debug)]
pub(super) struct NormalizerSpec {
    pub(super) precompiled_charsmap: Vec<u8>,
    pub(super) add_dummy_prefix: bool,
    pub(super) remove_extra_whitespaces: bool,
    pub(super) escape_whitespaces: bool,
}

impl Default for ModelFile {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            trainer: Trainer {
                model_type: 1,
                byte_fallback: false,
                treat_whitespace_as_suffix: false,
                unk_surface: " \u{2047} ".to_owned(),
            },
            normalizer: NormalizerSpec {
                precompiled_charsmap: Vec::new(),
                add_dummy_prefix: true,
                remove_extra_whitespaces: true,
                escape_whitespaces: true,
            },
            denormalizer_map: false,
        }
    }
}

/// Reads a file. Fields that are not known, and known ones of another kind, are left out, as any
/// reader of protocol buffers does; of a field that comes twice the last counts.
///
/// # Errors
/// [`Error::Format`] with the path and the byte.
pub(super) fn read(bytes: &[u8]) -> Result<ModelFile> {
    let mut file = ModelFile::default();
    let mut message = Message::new(bytes);
    while let Some(field) = message.next("")? {
        match (field.number, field.value) {
            (1, Value::Bytes(piece)) => {
                let path = format!("pieces[{}]", file.pieces.len());
                file.pieces.push(read_piece(piece, &path)?);
            }
            (2, Value::Bytes(spec)) => read_trainer(spec, &mut file.trainer)?,
            (3, Value::Bytes(spec)) => read_normalizer(spec, &mut file.normalizer)?,
            (5, Value::Bytes(mut spec)) => {
                while let Some(field) = spec.next("denormalizer_spec")? {
                    if let (2, Value::Bytes(map)) = (field.number, field.value) {
                        file.denormalizer_map = !map.bytes.is_empty();
                    }
                }
            }
            _ => {}
        }
    }
    Ok(file)
}

fn read_piece(mut message: Message<'_>, path: &str) -> Result<Piece> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    while let Some(field) = message.next(path)? {
        match (field.number, field.value) {
            (1, Value::Bytes(text)) => piece.text = string(text, &format!("{path}.piece"))?,
            (2, Value::Fixed32(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Varint(kind)) => piece.kind = piece_kind(kind).unwrap_or(piece.kind),
            _ => {}
        }
    }
    Ok(piece)
}

/// A number that is none of these is one that a later version may know: it is as if it were not there.
fn piece_kind(number: u64) -> Option<PieceKind> {
    Some(match number {
        1 => PieceKind::Normal,
        2 => PieceKind::Unknown,
        3 => PieceKind::Control,
        4 => PieceKind::UserDefined,
        5 => PieceKind::Unused,
        6 => PieceKind::Byte,
        _ => return None,
    })
}

/// The longest text of what is unknown, in bytes: decoded text has it once for each such id.
const MAX_SURFACE: usize = 1024;

fn read_trainer(mut message: Message<'_>, trainer: &mut Trainer) -> Result<()> {
    let path = "trainer_spec";
    while let Some(field) = message.next(path)? {
        match (field.number, field.value) {
            (3, Value::Varint(kind @ 1..=4)) => trainer.model_type = kind,
            (24, Value::Varint(on)) => trainer.treat_whitespace_as_suffix = on != 0,
            (35, Value::Varint(on)) => trainer.byte_fallback = on != 0,
            (44, Value::Bytes(text)) => {
                let path = "trainer_spec.unk_surface";
                if text.bytes.len() > MAX_SURFACE {
                    let problem = format!("it is longer than {MAX_SURFACE} bytes");
                    return Err(Error::format(FORMAT, path, problem));
                }
                trainer.unk_surface = string(text, path)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_normalizer(mut message: Message<'_>, spec: &mut NormalizerSpec) -> Result<()> {
    let path = "normalizer_spec";
    while let Some(field) = message.next(path)? {
        match (field.number, field.value) {
            (2, Value::Bytes(map)) => spec.precompiled_charsmap = map.bytes.to_vec(),
            (3, Value::Varint(on)) => spec.add_dummy_prefix = on != 0,
            (4, Value::Varint(on)) => spec.remove_extra_whitespaces = on != 0,
            (5, Value::Varint(on)) => spec.escape_whitespaces = on != 0,
            _ => {}
        }
    }
    Ok(())
}

fn string(message: Message<'_>, path: &str) -> Result<String, Error> {
    let text = std::str::from_utf8(message.bytes).map_err(|error| {
        let position = message.position + error.valid_up_to();
        failed(path, position, "invalid UTF-8".to_owned())
    })?;
    Ok(text.to_owned())
}

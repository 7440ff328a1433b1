//! Whole sequences: a list of strings goes through one step after the other.

use super::chain::{Step, byte_token};
use super::sentencepiece::{SentencePieceDecoder, SentencePieceState};
use super::strings::{Budget, Origins, Piece};
use super::{token_to_bytes, wordpiece};
use crate::error::Result;

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text: what is no UTF-8 becomes U+FFFD.
    Text,
    /// Bytes as they are.
    Bytes,
}

/// What came out.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// The token of each byte, where that was asked for.
    from: Vec<u32>,
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// Runs all steps and joins what comes out.
pub(super) fn run(
    steps: &[Step],
    mut pieces: Vec<Piece>,
    form: Form,
    budget: &mut Budget,
) -> Result<Text> {
    for step in steps {
        match step {
            Step::ByteFallback => pieces = byte_fallback(pieces, form, budget)?,
            Step::ByteLevel => pieces = vec![byte_level(&pieces, form, budget)?],
            Step::Fuse => pieces = vec![fuse(&pieces, budget)?],
            Step::SentencePiece(decoder) => {
                pieces = vec![sentencepiece(decoder, &pieces, budget)?];
            }
            Step::Ctc { .. } => {
                pieces.dedup_by(|next, kept| next.bytes == kept.bytes);
                for piece in &mut pieces {
                    alone(step, piece, (false, false), budget)?;
                }
                pieces.retain(|piece| !piece.bytes.is_empty());
            }
            _ => {
                let last = pieces.len().saturating_sub(1);
                for (at, piece) in pieces.iter_mut().enumerate() {
                    alone(step, piece, (at == 0, at == last), budget)?;
                }
            }
        }
    }
    let Piece { bytes, from, .. } = match pieces.len() {
        1 => pieces.swap_remove(0),
        _ => fuse(&pieces, budget)?,
    };
    Ok(Text { bytes, from })
}

impl Text {
    /// The character at which each of `tokens` tokens starts; one that continues a character starts
    /// where that does, one that gives nothing where the next one starts.
    pub(super) fn starts(&self, tokens: usize) -> Vec<i64> {
        let mut starts = Vec::with_capacity(tokens);
        let mut characters = 0;
        for (byte, from) in self.bytes.iter().zip(&self.from) {
            let continues = byte & 0xC0 == 0x80;
            while starts.len() <= *from as usize {
                starts.push(characters - i64::from(continues));
            }
            characters += i64::from(!continues);
        }
        starts.resize(tokens, characters);
        starts
    }
}

/// One step on one string, for those steps that need to know no more than whether it is the first or
/// the last one.
pub(super) fn alone(
    step: &Step,
    piece: &mut Piece,
    (first, last): (bool, bool),
    budget: &mut Budget,
) -> Result<()> {
    match step {
        Step::Bpe { suffix } => {
            piece.replace_all(suffix.as_bytes(), if last { b"" } else { b" " }, budget)
        }
        Step::Ctc { pad_token, delimiter, cleanup } => {
            piece.replace_all(pad_token.as_bytes(), b"", budget)?;
            if *cleanup {
                wordpiece::cleanup(piece, budget)?;
                piece.replace_all(delimiter.as_bytes(), b" ", budget)?;
            }
            Ok(())
        }
        Step::Join if !first => piece.replace(std::iter::once((0, 0)), b" ", budget),
        // The reference library's search finds nothing in an empty text.
        Step::Literal { .. } | Step::Regex { .. } if piece.bytes.is_empty() => Ok(()),
        Step::Literal { pattern, content } => {
            piece.replace_all(pattern.as_bytes(), content.as_bytes(), budget)
        }
        Step::Metaspace { replacement, drop_first } => {
            let content: &[u8] = if first && *drop_first { b"" } else { b" " };
            piece.replace_all(replacement.encode_utf8(&mut [0; 4]).as_bytes(), content, budget)
        }
        Step::Regex { regex, content } => {
            // Bytes that are no text stay where they are.
            let mut found = Vec::new();
            let mut at = 0;
            for chunk in piece.bytes.utf8_chunks() {
                if !chunk.valid().is_empty() {
                    regex.for_each_match(chunk.valid(), |start, end| {
                        found.push((at + start, at + end));
                    })?;
                }
                at += chunk.valid().len() + chunk.invalid().len();
            }
            piece.replace(found.into_iter(), content.as_bytes(), budget)
        }
        Step::Strip { content, start, stop } => {
            let mut buffer = [0; 4];
            let content = content.encode_utf8(&mut buffer).as_bytes();
            let bytes = piece.bytes.as_slice();
            let leading = bytes.chunks(content.len()).take(*start);
            let begin = leading.take_while(|chunk| *chunk == content).count() * content.len();
            // The reference library counts characters at both ends of the whole string, and panics
            // where the ends meet.
            let trailing = bytes[begin..].rchunks(content.len()).take(*stop);
            let cut = trailing.take_while(|chunk| *chunk == content).count() * content.len();
            piece.keep(begin, piece.bytes.len() - cut);
            Ok(())
        }
        Step::WordPiece { prefix, cleanup } => {
            if !first {
                if piece.bytes.starts_with(prefix.as_bytes()) {
                    piece.keep(prefix.len(), piece.bytes.len());
                } else {
                    piece.replace(std::iter::once((0, 0)), b" ", budget)?;
                }
            }
            if *cleanup { wordpiece::cleanup(piece, budget) } else { Ok(()) }
        }
        Step::Join | Step::ByteFallback | Step::ByteLevel | Step::Fuse | Step::SentencePiece(_) => {
            Ok(())
        }
    }
}

/// An empty string in which several others may be put together.
fn empty(pieces: &[Piece]) -> Piece {
    pieces.first().map_or_else(|| Piece::new(&[], 0, Origins::Forgotten), Piece::like)
}

fn fuse(pieces: &[Piece], budget: &mut Budget) -> Result<Piece> {
    budget.take(pieces.iter().map(|piece| piece.bytes.len()).sum())?;
    let mut fused = empty(pieces);
    for piece in pieces {
        fused.copy(piece, 0, piece.bytes.len());
    }
    Ok(fused)
}

/// All tokens with the decoder of a sentencepiece model; a character of several bytes comes from the
/// last of them.
fn sentencepiece(
    decoder: &SentencePieceDecoder,
    pieces: &[Piece],
    budget: &mut Budget,
) -> Result<Piece> {
    let mut whole = empty(pieces);
    let mut state = SentencePieceState::default();
    let mut text = Vec::new();
    for piece in pieces {
        // Tokens come as they stand in the vocabulary.
        debug_assert!(std::str::from_utf8(&piece.bytes).is_ok());
        let token = std::str::from_utf8(&piece.bytes).unwrap_or_default();
        state.push(decoder, token, &mut text);
        budget.take(text.len())?;
        whole.insert(piece, 0, &text);
        text.clear();
    }
    state.finish(&mut text);
    if let Some(last) = pieces.last() {
        whole.insert(last, 0, &text);
    }
    Ok(whole)
}

fn byte_level(pieces: &[Piece], form: Form, budget: &mut Budget) -> Result<Piece> {
    let mut raw = empty(pieces);
    for piece in pieces {
        let start = raw.bytes.len();
        match std::str::from_utf8(&piece.bytes) {
            Ok(text) => token_to_bytes(text, &mut raw.bytes),
            Err(_) => raw.bytes.extend_from_slice(&piece.bytes),
        }
        if raw.origins == Origins::Forgotten {
            continue;
        }
        if raw.bytes.len() - start == piece.bytes.len() {
            raw.from.extend_from_slice(&piece.from);
        } else {
            raw.from.extend(super::strings::borders(&piece.bytes).map(|at| piece.from[at]));
        }
    }
    budget.take(raw.bytes.len())?;
    if form == Form::Bytes || std::str::from_utf8(&raw.bytes).is_ok() {
        return Ok(raw);
    }
    let mut text = raw.like();
    let mut at = 0;
    for chunk in raw.bytes.utf8_chunks() {
        let valid = at + chunk.valid().len();
        text.copy(&raw, at, valid);
        if !chunk.invalid().is_empty() {
            text.insert(&raw, valid, REPLACEMENT);
        }
        at = valid + chunk.invalid().len();
    }
    budget.take(text.bytes.len())?;
    Ok(text)
}

fn byte_fallback(pieces: Vec<Piece>, form: Form, budget: &mut Budget) -> Result<Vec<Piece>> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut group: Vec<(u8, Piece)> = Vec::new();
    for piece in pieces {
        if let Some(byte) = byte_token(&piece.bytes) {
            group.push((byte, piece));
        } else {
            end_group(&mut group, form, &mut out, budget)?;
            out.push(piece);
        }
    }
    end_group(&mut group, form, &mut out, budget)?;
    Ok(out)
}

/// A group of bytes is one string when it is UTF-8, else as many strings of U+FFFD.
fn end_group(
    group: &mut Vec<(u8, Piece)>,
    form: Form,
    out: &mut Vec<Piece>,
    budget: &mut Budget,
) -> Result<()> {
    let Some((_, first)) = group.first() else { return Ok(()) };
    let mut whole = first.like();
    for (byte, piece) in group.iter() {
        whole.insert(piece, 0, &[*byte]);
    }
    budget.take(3 * group.len())?;
    if form == Form::Bytes || std::str::from_utf8(&whole.bytes).is_ok() {
        out.push(whole);
    } else {
        out.extend(group.iter().map(|(_, piece)| {
            let mut replaced = piece.like();
            replaced.insert(piece, 0, REPLACEMENT);
            replaced
        }));
    }
    group.clear();
    Ok(())
}

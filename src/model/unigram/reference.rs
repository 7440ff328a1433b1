//! The slow twin: every start of every end is tried, and texts are looked up.

use super::{UNK_PENALTY, Unigram};
use crate::ids::TokenId;

/// The tokens of a piece with the bytes they cover; none where a character is unknown and may not be.
pub(super) fn encode(model: &Unigram, piece: &str) -> Option<Vec<(TokenId, usize, usize)>> {
    let unk = model.options().unk_id;
    let unk_score = model.scores().iter().copied().fold(f64::INFINITY, f64::min) - UNK_PENALTY;
    let mut borders: Vec<usize> = piece.char_indices().map(|(at, _)| at).collect();
    borders.push(piece.len());
    let mut best: Vec<(f64, usize, Option<TokenId>)> = vec![(0.0, 0, None)];
    for end in 1..borders.len() {
        let mut found: Option<(f64, usize, Option<TokenId>)> = None;
        for start in 0..end {
            let id = model.vocab().id(&piece[borders[start]..borders[end]]);
            let score = match id {
                Some(id) => model.scores()[id as usize],
                None if start + 1 == end => unk_score,
                None => continue,
            } + best[start].0;
            if found.is_none_or(|(least, ..)| score > least) {
                // No token at all: the unknown one, which may be missing.
                if id.is_none() && unk.is_none() {
                    return None;
                }
                found = Some((score, start, id.or(unk)));
            }
        }
        best.push(found?);
    }
    let mut path: Vec<(TokenId, usize, usize)> = Vec::new();
    let mut end = borders.len() - 1;
    while end > 0 {
        let (_, start, id) = best[end];
        let id = id?;
        match path.last_mut() {
            Some(last) if last.0 == id && Some(id) == unk => last.1 = borders[start],
            _ => path.push((id, borders[start], borders[end])),
        }
        end = start;
    }
    let mut tokens = Vec::new();
    for &(id, start, end) in path.iter().rev() {
        let text = &piece[start..end];
        let bytes: Option<Vec<TokenId>> =
            text.bytes().map(|byte| model.vocab().id(&format!("<0x{byte:02X}>"))).collect();
        match (model.vocab().id(text), bytes.filter(|_| model.options().byte_fallback)) {
            (Some(id), _) => tokens.push((id, start, end)),
            (None, Some(bytes)) => tokens.extend(bytes.into_iter().map(|id| (id, start, end))),
            (None, None) => tokens.push((id, start, end)),
        }
    }
    Some(tokens)
}

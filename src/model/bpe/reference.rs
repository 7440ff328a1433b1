//! The naive twin of BPE: symbols as strings, every pair looked at, the best merged, and again.

use super::{Alphabet, Bpe};
use crate::ids::{Pair, TokenId};
use crate::unicode::byte_level;

/// The tokens of one piece with what they cover, by the definition; none where a character is unknown
/// and the unknown token is, too. Without dropout, and for models with lists of merges.
pub fn encode(model: &Bpe, piece: &str) -> Option<Vec<(TokenId, usize, usize)>> {
    let options = model.options();
    let bytes = options.alphabet == Alphabet::Bytes;
    let spelled = byte_level::spell(piece.as_bytes());
    let text = if bytes { spelled.as_str() } else { piece };
    if options.ignore_merges
        && let Some(id) = model.vocab().id(text).filter(|id| !model.special.contains(id))
    {
        return Some(vec![(id, 0, piece.len())]);
    }
    let mut symbols = start(model, text)?;
    if bytes {
        for (_, length) in &mut symbols {
            *length = 1;
        }
    }
    loop {
        let candidates = symbols.windows(2).enumerate().filter_map(|(at, pair)| {
            let merge = model.pairs.get(Pair::new(pair[0].0, pair[1].0))?;
            Some((merge.rank, at, merge.id))
        });
        let Some((_, at, id)) = candidates.min() else { break };
        let length = symbols[at].1 + symbols[at + 1].1;
        symbols.splice(at..at + 2, [(id, length)]);
    }
    let mut at = 0;
    let places = symbols.into_iter().map(|(id, length)| {
        at += length;
        (id, at - length, at)
    });
    Some(places.collect())
}

/// The first symbols and their lengths.
fn start(model: &Bpe, text: &str) -> Option<Vec<(TokenId, usize)>> {
    let (vocab, options) = (model.vocab(), model.options());
    let affix =
        |wanted: bool, affix: &Option<String>| affix.clone().filter(|_| wanted).unwrap_or_default();
    let mut symbols = Vec::new();
    let mut waiting: Vec<(TokenId, usize)> = Vec::new();
    for (at, c) in text.char_indices() {
        let length = c.len_utf8();
        let before = affix(at > 0, &options.continuing_subword_prefix);
        let after = affix(at + length == text.len(), &options.end_of_word_suffix);
        let spelled = format!("{before}{c}{after}");
        if let Some(id) = vocab.id(&spelled) {
            symbols.append(&mut waiting);
            symbols.push((id, length));
            continue;
        }
        let bytes: Option<Vec<TokenId>> =
            spelled.bytes().map(|byte| vocab.id(&format!("<0x{byte:02X}>"))).collect();
        if let Some(bytes) = bytes.filter(|_| options.byte_fallback) {
            symbols.extend(bytes.into_iter().map(|id| (id, 1)));
        } else if let Some(unk) = &options.unk_token {
            let id = vocab.id(unk)?;
            match waiting.last_mut() {
                Some(last) if options.fuse_unk => last.1 += length,
                _ => {
                    symbols.append(&mut waiting);
                    waiting.push((id, length));
                }
            }
        }
    }
    symbols.append(&mut waiting);
    Some(symbols)
}

//! The naive twin of merging: look at every pair, merge the best, begin again.

use super::Bpe;
use crate::ids::{Pair, TokenId};

/// The ids of one piece, by the definition of BPE.
pub fn encode_piece(model: &Bpe, piece: &[u8]) -> Vec<TokenId> {
    if let Some(id) = model.whole_piece(piece) {
        return vec![id];
    }
    let mut symbols: Vec<TokenId> = piece.iter().filter_map(|&byte| model.byte_id(byte)).collect();
    loop {
        let candidates = symbols
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| Some((model.pairs.get(Pair::new(pair[0], pair[1]))?, at)));
        let Some((merge, at)) = candidates.min_by_key(|&(merge, at)| (merge.rank, at)) else {
            return symbols;
        };
        symbols.splice(at..at + 2, [merge.id]);
    }
}

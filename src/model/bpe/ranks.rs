//! Models of rank files: the last pair of every token, found by merging it with the shorter ones.
//!
//! This is most of what loading such a file costs, so tokens of usual length are merged in arrays of
//! fixed size, and the first pairs, of two bytes, are looked up in a table of their own.

use super::merge::MergeScratch;
use super::pairs::{Merge, PairTable};
use super::{Bpe, BpeOptions};
use crate::error::{Error, Result};
use crate::ids::{Pair, TokenId};
use crate::model::vocab::Vocab;
use crate::unicode::byte_level;

/// Tokens of more bytes are merged as any long piece.
const SHORT: usize = 64;
/// The rank of a pair that does not merge: above all ranks.
const NEVER: u32 = u32::MAX;

impl Bpe {
    /// A model out of a rank file: the bytes of each token, and its rank, which is its id; and the
    /// special tokens, which have ids of their own and are never produced from text.
    ///
    /// # Errors
    /// [`Error::Format`] when a byte has no token, or as [`Vocab::new`].
    pub fn from_ranks(ranks: &[(Vec<u8>, TokenId)], special: &[(String, TokenId)]) -> Result<Self> {
        Self::of_ranks(ranks, special)
    }

    /// The same, of bytes that may be borrowed.
    pub(crate) fn of_ranks<B: AsRef<[u8]>>(
        ranks: &[(B, TokenId)],
        special: &[(String, TokenId)],
    ) -> Result<Self> {
        let mut tokens: Vec<(&[u8], TokenId)> =
            ranks.iter().map(|(bytes, rank)| (bytes.as_ref(), *rank)).collect();
        if !tokens.is_sorted_by_key(|&(_, rank)| rank) {
            tokens.sort_unstable_by_key(|&(_, rank)| rank);
        }
        let options = BpeOptions { ignore_merges: true, ..BpeOptions::default() };
        let mut model = Self::without_merges(spelled(&tokens, special)?, options, false)?;
        model.special = special.iter().map(|&(_, id)| id).collect();
        model.special.sort_unstable();
        if let Some(byte) = (0..=255).find(|&byte| model.byte_id(byte).is_none()) {
            let problem = format!("no token for the single byte 0x{byte:02X}");
            return Err(Error::format("rank file", "", problem));
        }
        let unreached = model.join(&tokens);
        model.find_cuts(true);
        model.fill_table(|id| Some(unreached.binary_search(&id).is_err()));
        Ok(model)
    }

    /// Finds the last pair of each token; the tokens come by rank. Returns the ranks of those that
    /// have none, ascending.
    fn join(&mut self, tokens: &[(&[u8], TokenId)]) -> Vec<TokenId> {
        // By length, then by rank, in which they are.
        let mut by_length: Vec<Vec<usize>> = vec![Vec::new(); SHORT + 1];
        let mut long: Vec<(usize, usize)> = Vec::new();
        for (at, (bytes, _)) in tokens.iter().enumerate().filter(|(_, (bytes, _))| bytes.len() > 1)
        {
            match by_length.get_mut(bytes.len()) {
                Some(same) => same.push(at),
                None => long.push((bytes.len(), at)),
            }
        }
        long.sort_unstable();
        let order = by_length.into_iter().flatten().chain(long.into_iter().map(|(_, at)| at));
        // Ranks are ids.
        let ids = self.vocab.id_limit();
        let mut joiner = Joiner {
            bytes: self.byte_ids,
            firsts: vec![NEVER; 1 << 16],
            pairs: PairTable::with_limits(tokens.len(), ids, ids),
            symbols: [0; SHORT],
            ranks: [NEVER; SHORT],
            scratch: MergeScratch::default(),
        };
        let mut found: Vec<Option<(TokenId, TokenId)>> = vec![None; tokens.len()];
        for at in order {
            let (bytes, rank) = tokens[at];
            found[at] = joiner.last_pair(bytes);
            if let Some((left, right)) = found[at] {
                joiner.add(bytes, Pair::new(left, right), rank);
            }
        }
        self.pairs = joiner.pairs;
        self.merges = found.iter().copied().flatten().collect();
        let unreached = tokens
            .iter()
            .zip(found)
            .filter(|((bytes, _), found)| bytes.len() > 1 && found.is_none());
        unreached.map(|(&(_, rank), _)| rank).collect()
    }
}

/// The vocabulary of a rank file, in the byte alphabet; the tokens come by rank.
fn spelled(tokens: &[(&[u8], TokenId)], special: &[(String, TokenId)]) -> Result<Vocab> {
    let bytes: usize = tokens.iter().map(|(bytes, _)| bytes.len()).sum();
    let mut text = String::with_capacity(bytes + bytes / 2);
    let mut ends = Vec::with_capacity(tokens.len());
    for (bytes, _) in tokens {
        text.extend(bytes.iter().map(|&byte| byte_level::BYTE_TO_CHAR[usize::from(byte)]));
        ends.push(text.len());
    }
    let mut start = 0;
    let mut entries: Vec<(&str, TokenId)> = Vec::with_capacity(tokens.len() + special.len());
    for (end, &(_, rank)) in ends.into_iter().zip(tokens) {
        entries.push((&text[start..end], rank));
        start = end;
    }
    entries.extend(special.iter().map(|(token, id)| (token.as_str(), *id)));
    Vocab::of(entries)
}

/// Merges tokens with the pairs that are known so far.
struct Joiner {
    bytes: [TokenId; 256],
    /// The rank of each pair of bytes.
    firsts: Vec<u32>,
    pairs: PairTable,
    /// The symbols of a short token, and the rank of each with the next one.
    symbols: [TokenId; SHORT],
    ranks: [u32; SHORT],
    scratch: MergeScratch,
}

impl Joiner {
    fn add(&mut self, bytes: &[u8], pair: Pair, rank: TokenId) {
        if let [first, second] = *bytes {
            self.firsts[usize::from(first) << 8 | usize::from(second)] = rank;
        }
        self.pairs.insert(pair, Merge { rank, id: rank });
    }

    /// The two tokens that are left of `bytes`, if it is two. The token itself has no pair yet, nor
    /// has any that is as long and merges from the same two.
    fn last_pair(&mut self, bytes: &[u8]) -> Option<(TokenId, TokenId)> {
        if bytes.len() > SHORT {
            let symbols = &mut self.scratch.symbols;
            symbols.clear();
            symbols.extend(bytes.iter().map(|&byte| self.bytes[usize::from(byte)]));
            self.scratch.run::<false>(&self.pairs);
            return match self.scratch.symbols[..] {
                [left, right] => Some((left, right)),
                _ => None,
            };
        }
        // The rank of each symbol with the next one is what they become.
        let Self { bytes: ids, firsts, pairs, symbols, ranks, .. } = self;
        let rank_of =
            |left, right| pairs.get(Pair::new(left, right)).map_or(NEVER, |merge| merge.rank);
        for (symbol, &byte) in symbols.iter_mut().zip(bytes) {
            *symbol = ids[usize::from(byte)];
        }
        for (rank, pair) in ranks.iter_mut().zip(bytes.windows(2)) {
            *rank = firsts[usize::from(pair[0]) << 8 | usize::from(pair[1])];
        }
        let mut length = bytes.len();
        while length > 2 {
            let (mut rank, mut at) = (NEVER, 0);
            for (place, &other) in ranks[..length - 1].iter().enumerate() {
                if other < rank {
                    (rank, at) = (other, place);
                }
            }
            if rank == NEVER {
                return None;
            }
            length -= 1;
            symbols[at] = rank;
            for place in at + 1..length {
                symbols[place] = symbols[place + 1];
                ranks[place - 1] = ranks[place];
            }
            if at + 1 < length {
                ranks[at] = rank_of(rank, symbols[at + 1]);
            }
            if at > 0 {
                ranks[at - 1] = rank_of(symbols[at - 1], rank);
            }
        }
        Some((symbols[0], symbols[1]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The last pair by merging as any piece is merged.
    fn by_merging(tokens: &[(Vec<u8>, TokenId)]) -> (Vec<(TokenId, TokenId)>, Vec<TokenId>) {
        let mut order: Vec<_> = tokens.iter().filter(|(bytes, _)| bytes.len() > 1).collect();
        order.sort_by_key(|(bytes, rank)| (bytes.len(), *rank));
        let mut pairs = PairTable::with_room(0);
        let mut scratch = MergeScratch::default();
        let (mut found, mut unreached) = (Vec::new(), Vec::new());
        for (bytes, rank) in order {
            let byte_id = |byte: &u8| tokens.iter().find(|(b, _)| b[..] == [*byte]).unwrap().1;
            scratch.symbols = bytes.iter().map(byte_id).collect();
            scratch.run::<false>(&pairs);
            if let [left, right] = scratch.symbols[..] {
                pairs.insert(Pair::new(left, right), Merge { rank: *rank, id: *rank });
                found.push((*rank, left, right));
            } else {
                unreached.push(*rank);
            }
        }
        found.sort_unstable();
        unreached.sort_unstable();
        (found.into_iter().map(|(_, left, right)| (left, right)).collect(), unreached)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn last_pairs_are_those_of_the_plain_merge(
            longer in prop::collection::hash_set("[abc]{2,5}|[ab]{2,12}|(ab|a){30,50}", 0..60),
            order in any::<u64>(),
        ) {
            let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
            tokens.extend(longer.into_iter().map(String::into_bytes));
            // Ranks in any order: also parts that come after what they make.
            tokens.sort_by_key(|token| (order | 1).wrapping_mul(
                token.iter().fold(7, |hash: u64, &byte| hash.wrapping_mul(31) ^ u64::from(byte)),
            ));
            let tokens: Vec<(Vec<u8>, TokenId)> = tokens.into_iter().zip(0..).collect();
            let mut model = Bpe::from_ranks(&tokens, &[]).unwrap();
            let borrowed: Vec<(&[u8], TokenId)> =
                tokens.iter().map(|(bytes, rank)| (&bytes[..], *rank)).collect();
            let unreached = model.join(&borrowed);
            prop_assert_eq!((model.merges, unreached), by_merging(&tokens));
        }
    }
}

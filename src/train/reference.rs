//! BPE training by its definition: count all pairs, merge the most frequent one, again.
//!
//! Slow and short, to be believed: the twin that the fast trainer is tested against.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::alphabet::{Alphabet, Words};
use super::{BpeTrainConfig, Learned, Stop, Ties, Unit};
use crate::error::Result;
use crate::ids::TokenId;
use crate::unicode::byte_level::BYTE_TO_CHAR;

/// The same as [`super::learn_bpe`], but for progress, by counting every pair before each merge.
pub(crate) fn learn_bpe_slowly<W: Words + ?Sized>(
    words: &W,
    unit: Unit,
    config: &BpeTrainConfig,
) -> Result<Learned> {
    let Alphabet { mut tokens, mut ids, special_tokens, .. } =
        Alphabet::new(words, unit, config, &mut |_| Ok(()))?;
    let alphabet = Alphabet::new(words, unit, config, &mut |_| Ok(()))?;
    let alphabet_end = tokens.len();
    let mut rows: Vec<(Vec<TokenId>, u64)> = Vec::new();
    words.each(&mut |word, count| {
        let mut symbols = Vec::new();
        alphabet.symbols(word, &mut symbols);
        rows.push((symbols, count));
        Ok(())
    })?;
    let mut lengths: HashMap<TokenId, usize> = HashMap::new();
    let length = |lengths: &HashMap<TokenId, usize>, id| lengths.get(&id).copied().unwrap_or(1);
    let limit = config.max_token_length.unwrap_or(usize::MAX);
    let prefix = config.continuing_subword_prefix.as_deref().unwrap_or_default();
    let (mut merges, mut known) = (Vec::new(), HashSet::new());
    let stop = loop {
        if tokens.len() >= config.vocab_size {
            break if merges.is_empty() { Stop::Alphabet } else { Stop::VocabSize };
        }
        let mut pairs: BTreeMap<(TokenId, TokenId), u64> = BTreeMap::new();
        for (symbols, count) in rows.iter().filter(|row| row.1 > 0) {
            for pair in symbols.windows(2) {
                let sum = length(&lengths, pair[0]) + length(&lengths, pair[1]);
                if sum == 2 || sum < limit {
                    *pairs.entry((pair[0], pair[1])).or_default() += count;
                }
            }
        }
        let Some(&count) = pairs.values().max() else { break Stop::NoPairs };
        let mut equals: Vec<_> =
            pairs.iter().filter(|pair| *pair.1 == count).map(|pair| *pair.0).collect();
        let spelled = |&(left, right): &(TokenId, TokenId)| {
            (bytes(&tokens[left as usize], unit), bytes(&tokens[right as usize], unit))
        };
        // They stand in ascending order of ids, and stable sorts keep it among equals.
        match config.ties {
            Ties::Tokenizers => {}
            Ties::Cs336 => equals.sort_by_key(|pair| std::cmp::Reverse(spelled(pair))),
            Ties::RawBytes => equals.sort_by_key(spelled),
        }
        let (left, right) = equals[0];
        if count < config.min_frequency {
            break Stop::MinFrequency;
        }
        let tail = &tokens[right as usize];
        let tail = tail.strip_prefix(prefix).unwrap_or(tail);
        let token = format!("{}{tail}", tokens[left as usize]);
        let next = TokenId::try_from(tokens.len()).unwrap_or(TokenId::MAX);
        let new = *ids.entry(token.clone()).or_insert(next);
        if new == next {
            tokens.push(token);
        }
        let sum = length(&lengths, left) + length(&lengths, right);
        lengths.insert(new, sum);
        if known.insert((left, right)) {
            merges.push((left, right));
        }
        for (symbols, _) in &mut rows {
            let mut i = 0;
            while i + 1 < symbols.len() {
                if (symbols[i], symbols[i + 1]) == (left, right) {
                    symbols.splice(i..i + 2, [new]);
                }
                i += 1;
            }
        }
    };
    Ok(Learned { tokens, merges, special_tokens, alphabet_end, stop })
}

/// The bytes of a token; characters that show no byte are taken as UTF-8.
fn bytes(token: &str, unit: Unit) -> Vec<u8> {
    let byte = |c: char| (0..=255_u8).find(|&b| BYTE_TO_CHAR[usize::from(b)] == c);
    let of = |c: char| match byte(c) {
        Some(byte) if unit == Unit::Byte => vec![byte],
        _ => c.to_string().into_bytes(),
    };
    token.chars().flat_map(of).collect()
}

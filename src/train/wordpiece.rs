//! WordPiece vocabularies, as `tokenizers` trains them: byte-pair encoding over characters, where every
//! symbol that continues a word carries a prefix (`##`); the merges are thrown away.
//!
//! The entries are special tokens, characters by code point, prefixed characters in the same order, then
//! what was merged. `tokenizers` numbers the prefixed characters in the order of a hash map, so its ids,
//! and on ties its entries, differ from run to run; here they never do.

use super::{
    BpeTrainConfig, Counts, InitialAlphabet, Learned, Progress, Stop, Unit, learn_bpe, likelihood,
    not_empty,
};
use crate::error::{Error, Result};

/// Which pair a `WordPiece` vocabulary merges next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// The most frequent one, as `tokenizers` has it.
    #[default]
    Frequency,
    /// The one with the highest `count(a b) / (count(a) * count(b))`: see `likelihood.rs`.
    Likelihood,
}

impl Score {
    /// Every score.
    pub const ALL: [Self; 2] = [Self::Frequency, Self::Likelihood];

    /// A name for options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frequency => "frequency",
            Self::Likelihood => "likelihood",
        }
    }
}

/// What a WordPiece vocabulary shall be like. The default is BERT's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordPieceTrainConfig {
    /// Entries wanted: special tokens, characters and merges together.
    pub vocab_size: usize,
    /// Tokens with the first ids, in this order.
    pub special_tokens: Vec<String>,
    /// Pairs that occur less often are not merged. 0 means the same as 1.
    pub min_frequency: u64,
    /// The number of characters to keep, the most frequent ones.
    pub limit_alphabet: Option<usize>,
    /// Characters that are kept whether the text has them or not.
    pub initial_alphabet: Vec<char>,
    /// Written before every token that does not start a word.
    pub continuing_subword_prefix: String,
    /// Which pair is merged next.
    pub score: Score,
    /// As in [`BpeTrainConfig`]; for [`Score::Frequency`] only.
    pub memory_limit: Option<u64>,
    /// As there.
    pub threads: Option<usize>,
}

impl Default for WordPieceTrainConfig {
    fn default() -> Self {
        let special_tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        Self {
            vocab_size: 30_000,
            special_tokens: special_tokens.map(String::from).to_vec(),
            min_frequency: 0,
            limit_alphabet: None,
            initial_alphabet: Vec::new(),
            continuing_subword_prefix: "##".into(),
            score: Score::Frequency,
            memory_limit: None,
            threads: None,
        }
    }
}

impl WordPieceTrainConfig {
    /// The training that is behind it.
    pub(super) fn merging(&self) -> BpeTrainConfig {
        BpeTrainConfig {
            vocab_size: self.vocab_size,
            special_tokens: self.special_tokens.clone(),
            min_frequency: self.min_frequency,
            limit_alphabet: self.limit_alphabet,
            initial_alphabet: InitialAlphabet::Chars(self.initial_alphabet.clone()),
            continuing_subword_prefix: Some(self.continuing_subword_prefix.clone()),
            memory_limit: self.memory_limit,
            threads: self.threads,
            ..BpeTrainConfig::default()
        }
    }
}

/// Learns a WordPiece vocabulary from counts of words of characters.
///
/// # Errors
/// Those of [`learn_bpe`]; [`Error::Argument`] when `vocab_size` cannot hold special tokens and characters.
pub fn learn_wordpiece(
    counts: &Counts,
    config: &WordPieceTrainConfig,
    progress: &mut Progress<'_>,
) -> Result<Learned> {
    let merging = config.merging();
    let learned = match config.score {
        Score::Frequency => learn_bpe(counts, Unit::Char, &merging, progress)?,
        Score::Likelihood => {
            not_empty(counts)?;
            likelihood::learn(counts, Unit::Char, &merging, progress)?
        }
    };
    if learned.stop == Stop::Alphabet && learned.tokens.len() > config.vocab_size {
        let (all, specials) = (learned.tokens.len(), learned.special_tokens);
        let characters = all - specials;
        let wanted =
            format!("at least {all}: {specials} special tokens and {characters} characters");
        return Err(Error::argument("vocab_size", config.vocab_size, wanted));
    }
    Ok(learned)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::train::Manifest;

    fn learn(vocab_size: usize) -> Result<Learned> {
        let words = vec![(&b"hugging"[..], 10), (b"hug", 5), (b"pug", 4)];
        let counts = Counts::from_words(words, Manifest::default())?;
        let special_tokens = vec!["[UNK]".into()];
        let config =
            WordPieceTrainConfig { vocab_size, special_tokens, ..WordPieceTrainConfig::default() };
        learn_wordpiece(&counts, &config, &mut |_, _, _| ControlFlow::Continue(()))
    }

    #[test]
    fn characters_come_first_then_their_forms_then_merges() {
        let learned = learn(14).unwrap();
        // Characters are entries as such, even where they never start a word.
        let tokens = [
            "[UNK]", "g", "h", "i", "n", "p", "u", "##g", "##i", "##n", "##u", "##ug", "hug",
            "##gi",
        ];
        assert_eq!(learned.tokens, tokens);
    }

    #[test]
    fn a_size_below_the_alphabet_is_an_error() {
        let error = learn(10).unwrap_err();
        let wanted =
            "vocab_size is 10, but must be at least 11: 1 special tokens and 10 characters";
        assert_eq!(error.to_string(), wanted);
    }
}

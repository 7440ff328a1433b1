//! From counts of words to counts of tokens: what a table's rows are weighed by.

use super::counts::Counts;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::model::ModelScratch;
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{EncodeOptions, Input, Tokenizer};

/// Words between two looks for an interruption.
const STEP: usize = 4096;

impl Counts {
    /// How often a tokenizer's tokens occur in the text that was counted, one number for each id.
    ///
    /// With `same_words` the words are taken for what the tokenizer's own normalizer and
    /// pre-tokenizer make of text, and go to its model; otherwise each is encoded as a text of its
    /// own, without special tokens, which is what it would be in its text but for what depends on
    /// neighbours. `poll` is called now and then; its error ends the call.
    ///
    /// # Errors
    /// [`Error::Training`] when a word is not UTF-8 or a sum does not fit into 64 bits, the tokenizer's
    /// for words that it cannot encode, and `poll`'s.
    pub fn token_counts(
        &self,
        tokenizer: &Tokenizer,
        same_words: bool,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<u64>> {
        let options = EncodeOptions {
            add_special_tokens: false,
            split_special_tokens: true,
            dropout: Some(0.0),
            ..EncodeOptions::default()
        };
        let declared = tokenizer.declaration();
        let byte_level = declared.pre_tokenizer.as_ref().is_some_and(PreTokenizer::is_byte_level);
        let direct = same_words && byte_level == declared.model.takes_bytes();
        let mut scratch = ModelScratch::default();
        let mut counts = vec![0_u64; tokenizer.id_limit()];
        let mut ids: Vec<TokenId> = Vec::new();
        for (index, (word, count)) in self.iter().enumerate() {
            if index % STEP == 0 {
                poll()?;
            }
            let word = std::str::from_utf8(word)
                .map_err(|_| Error::training(format!("word {index} of the counts is not UTF-8")))?;
            ids.clear();
            if direct {
                declared.model.encode_ids(word, &mut scratch, &mut ids)?;
            } else {
                tokenizer.encode_ids(Input::Text(word), None, &options, &mut ids)?;
            }
            for id in &ids {
                let sum = counts.get_mut(*id as usize);
                let Some(sum) = sum else {
                    let (id, size) = ((*id).into(), tokenizer.id_limit());
                    return Err(Error::UnknownId { id, position: 0, row: None, size });
                };
                let larger = sum.checked_add(count);
                *sum = larger.ok_or_else(|| Error::training("a token's count is 2^64 or more"))?;
            }
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        BpeTrainConfig, Counter, Manifest, WordPieceTrainConfig, train_bpe, train_wordpiece,
    };
    use super::*;
    use crate::error::ErrorKind;

    const TEXTS: &[&str] =
        &["low lower lowest newest, widest; new news Größe größer", "low low lower 1234  x"];

    fn counted(pre_tokenizer: &PreTokenizer) -> Counts {
        let counter = Counter::new(None, pre_tokenizer, Manifest::default(), Some(1)).unwrap();
        counter.count_texts(TEXTS.iter().copied()).unwrap()
    }

    /// The naive twin: the texts themselves, encoded.
    fn by_encoding(tokenizer: &Tokenizer) -> Vec<u64> {
        let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
        let mut want = vec![0; tokenizer.id_limit()];
        for text in TEXTS {
            let mut ids = Vec::new();
            tokenizer.encode_ids(Input::Text(text), None, &options, &mut ids).unwrap();
            for id in ids {
                want[id as usize] += 1;
            }
        }
        want
    }

    #[test]
    fn tokens_are_counted_as_the_texts_have_them() {
        let mut go = |_, _, _| std::ops::ControlFlow::Continue(());
        let gpt2 = PreTokenizer::by_name("gpt2").unwrap();
        let config = BpeTrainConfig { vocab_size: 270, ..BpeTrainConfig::default() };
        let counts = counted(&gpt2);
        let (tok, _) = train_bpe(&counts, None, gpt2, &config, &mut go).unwrap();
        let bert = counted(&PreTokenizer::Bert);
        let config = WordPieceTrainConfig { vocab_size: 40, ..WordPieceTrainConfig::default() };
        let (wordpiece, _) = train_wordpiece(&bert, None, &config, &mut go).unwrap();
        for (counts, tokenizer) in [(&counts, &tok), (&bert, &wordpiece)] {
            let want = by_encoding(tokenizer);
            for same_words in [true, false] {
                let got = counts.token_counts(tokenizer, same_words, &mut || Ok(())).unwrap();
                assert_eq!(got, want, "same words: {same_words}");
            }
        }
        let twice = counts.times(2).unwrap().token_counts(&tok, true, &mut || Ok(())).unwrap();
        assert!(twice.iter().zip(by_encoding(&tok)).all(|(twice, once)| *twice == 2 * once));
        let error = counts.token_counts(&tok, true, &mut || Err(Error::Interrupted)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        let much = Counts::from_words(vec![(b"qq", u64::MAX)], Manifest::default()).unwrap();
        assert_eq!(
            much.token_counts(&tok, false, &mut || Ok(())).unwrap_err().kind(),
            ErrorKind::Training
        );
        let broken = Counts::from_words(vec![(b"\xFF", 1)], Manifest::default()).unwrap();
        let error = broken.token_counts(&tok, true, &mut || Ok(())).unwrap_err().to_string();
        assert!(error.contains("word 0 of the counts is not UTF-8"), "{error}");
    }
}

//! The slow twin: every prefix of the rest, from the longest down, is looked up in the vocabulary.

use super::WordPiece;
use crate::ids::TokenId;

/// The tokens of `word` with the bytes they cover, by the definition.
pub fn encode_word(model: &WordPiece, word: &str) -> Vec<(TokenId, usize, usize)> {
    let (vocab, options) = (model.vocab(), model.options());
    let unknown = vec![(model.unk_id(), 0, word.len())];
    if word.chars().count() > options.max_input_chars_per_word {
        return unknown;
    }
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < word.len() {
        let prefix = if start > 0 { options.continuing_subword_prefix.as_str() } else { "" };
        let ends = word[start..].char_indices().map(|(at, c)| start + at + c.len_utf8()).rev();
        let look_up = |end| Some((vocab.id(&format!("{prefix}{}", &word[start..end]))?, end));
        let Some((id, end)) = ends.into_iter().find_map(look_up) else { return unknown };
        tokens.push((id, start, end));
        start = end;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::vocab::Vocab;
    use crate::model::wordpiece::WordPieceOptions;

    fn model(tokens: &[&str], prefix: &str, limit: usize) -> WordPiece {
        let entries = (0..).zip(tokens).map(|(id, &token)| (token.to_owned(), id)).collect();
        let options = WordPieceOptions {
            continuing_subword_prefix: prefix.to_owned(),
            max_input_chars_per_word: limit,
            ..WordPieceOptions::default()
        };
        WordPiece::new(Vocab::new(entries).unwrap(), options).unwrap()
    }

    fn encode(model: &WordPiece, word: &str) -> Vec<(TokenId, usize, usize)> {
        let mut tokens = Vec::new();
        model.encode_word(word, |id, start, end| tokens.push((id, start, end)));
        assert_eq!(tokens, encode_word(model, word), "{word:?}");
        tokens
    }

    #[test]
    fn longest_first_and_all_or_nothing() {
        let model =
            model(&["[UNK]", "un", "##aff", "##able", "##a", "unaffa", "##", "##x"], "##", 9);
        assert_eq!(encode(&model, "unaffable"), [(0, 0, 9)], "greedy: `unaffa`, then no `##ble`");
        assert_eq!(encode(&model, "unaff"), [(1, 0, 2), (2, 2, 5)]);
        assert_eq!(encode(&model, ""), []);
        assert_eq!(encode(&model, "##x"), [(7, 0, 3)], "a continuation may be a word");
        assert_eq!(encode(&model, "unaaaaaaaa"), [(0, 0, 10)], "too long");
        assert_eq!(encode(&model, "unaaaaaaa").len(), 8);
    }

    #[test]
    fn more_tokens_than_wait_on_the_stack() {
        let model = model(&["[UNK]", "a", "##a", "##é"], "##", 100);
        for length in 1..=101 {
            let word = "a".repeat(length);
            assert_eq!(encode(&model, &word).len(), if length > 100 { 1 } else { length });
            let word = format!("{}b", "aé".repeat(length));
            assert_eq!(encode(&model, &word), [(0, 0, word.len())]);
        }
    }

    #[test]
    fn the_library_agrees() {
        let golden = include_str!("../../../tests/data/bert_golden.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let vocab = golden["vocab"].as_array().unwrap();
        let tokens: Vec<&str> = vocab.iter().map(|token| token.as_str().unwrap()).collect();
        let model = model(&tokens, "##", 10);
        for case in golden["words"].as_array().unwrap() {
            let word = case[0].as_str().unwrap();
            assert_eq!(serde_json::json!(encode(&model, word)), case[1], "{word:?}");
        }
    }

    #[test]
    fn limits_at_the_ends() {
        let entries = vec![("[UNK]".to_owned(), 0), ("a".to_owned(), 1), ("##a".to_owned(), 2)];
        for (limit, count) in [(0, 1), (1, 1), (usize::MAX, 30)] {
            let options =
                WordPieceOptions { max_input_chars_per_word: limit, ..WordPieceOptions::default() };
            let model = WordPiece::new(Vocab::new(entries.clone()).unwrap(), options).unwrap();
            assert_eq!(encode(&model, &"a".repeat(30)).len(), count);
        }
    }

    #[test]
    fn tokens_that_make_every_step_long_are_refused() {
        let build = |length: usize, limit: usize| {
            let long = format!("##{}", "a".repeat(length));
            let entries = vec![("[UNK]".to_owned(), 0), (long, 1)];
            let options =
                WordPieceOptions { max_input_chars_per_word: limit, ..WordPieceOptions::default() };
            WordPiece::new(Vocab::new(entries).unwrap(), options)
        };
        assert!(build(1024, usize::MAX).is_ok());
        let error = build(1025, usize::MAX).unwrap_err().to_string();
        assert!(error.starts_with("a WordPiece token of 1027 bytes"), "{error}");
        // A word cannot contain it, so nobody walks that far.
        assert!(build(1025, 100).is_ok());
    }

    #[test]
    fn without_its_unknown_token_a_model_is_refused() {
        let vocab = Vocab::new(vec![("a".to_owned(), 0)]).unwrap();
        let error = WordPiece::new(vocab, WordPieceOptions::default()).unwrap_err();
        let text = "WordPiece model at unk_token: \"[UNK]\" is not in the vocabulary";
        assert_eq!(error.to_string(), text);
    }

    proptest! {
        #[test]
        fn random_words_are_as_by_the_definition(
            tokens in proptest::collection::btree_set("(##)?[ab漢é]{0,4}", 0..40),
            words in proptest::collection::vec("#{0,2}[ab漢é]{0,40}", 1..20),
            prefix in prop_oneof![Just("##"), Just(""), Just("a")],
            limit in prop_oneof![Just(100_usize), 0..40_usize],
        ) {
            let mut all = vec!["[UNK]"];
            all.extend(tokens.iter().map(String::as_str));
            let model = model(&all, prefix, limit);
            for word in &words {
                encode(&model, word);
            }
        }
    }
}

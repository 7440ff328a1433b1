//! The fast trainer against the one that counts everything anew before each merge.

use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::bpe;
use super::reference::learn_bpe_slowly;
use super::{BpeTrainConfig, InitialAlphabet, Learned, Stop, Ties, Unit};

fn learn(words: &[(Vec<u8>, u64)], unit: Unit, config: &BpeTrainConfig) -> Learned {
    bpe::learn(words, unit, config, &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

fn list(words: &[(&str, u64)]) -> Vec<(Vec<u8>, u64)> {
    words.iter().map(|(word, count)| (word.as_bytes().to_vec(), *count)).collect()
}

fn no_alphabet(vocab_size: usize) -> BpeTrainConfig {
    let initial_alphabet = InitialAlphabet::Chars(vec![]);
    BpeTrainConfig { vocab_size, initial_alphabet, ..BpeTrainConfig::default() }
}

/// Words of few letters, so that runs, ties and repeats are common.
fn words(letters: &'static str, longest: usize) -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
    let letter = proptest::sample::select(letters.chars().collect::<Vec<_>>());
    let word = vec(letter, 1..longest).prop_map(|word| word.into_iter().collect::<String>());
    let large = (1_u64 << 32) - 3..(1 << 32) + 3;
    let count = prop_oneof![8 => 1..5_u64, 1 => 0..2_u64, 1 => 40..43_u64, 1 => large];
    vec((word.prop_map(String::into_bytes), count), 0..40)
}

fn ties() -> impl Strategy<Value = Ties> {
    proptest::sample::select(Ties::ALL.to_vec())
}

fn config() -> impl Strategy<Value = BpeTrainConfig> {
    let specials = proptest::sample::select(vec!["<s>", "ab", "a", "bab", "##b", "b</w>", "é"]);
    (
        (0..60_usize, vec(specials, 0..3), 0..4_u64, proptest::option::of(0..8_usize)),
        (proptest::option::of(0..5_usize), vec(proptest::sample::select(vec!['a', 'z']), 0..3)),
        (
            proptest::option::of(proptest::sample::select(vec!["##", "#", "a"])),
            proptest::option::of(proptest::sample::select(vec!["</w>", "b"])),
        ),
        ties(),
    )
        .prop_map(
            |((vocab_size, specials, min_frequency, max), (limit, initial), (head, tail), ties)| {
                BpeTrainConfig {
                    vocab_size,
                    special_tokens: specials.into_iter().map(String::from).collect(),
                    min_frequency,
                    max_token_length: max,
                    limit_alphabet: limit.map(|limit| limit.max(initial.len())),
                    initial_alphabet: InitialAlphabet::Chars(initial),
                    continuing_subword_prefix: head.map(String::from),
                    end_of_word_suffix: tail.map(String::from),
                    ties,
                }
            },
        )
}

fn check(words: &[(Vec<u8>, u64)], unit: Unit, config: &BpeTrainConfig) {
    let config = BpeTrainConfig { vocab_size: config.vocab_size + 20, ..config.clone() };
    let slow = learn_bpe_slowly(words, unit, &config).unwrap();
    assert_eq!(learn(words, unit, &config), slow);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn fast_equals_slow_on_bytes(words in words("ab ", 14), config in config()) {
        check(&words, Unit::Byte, &config);
    }

    #[test]
    fn fast_equals_slow_on_characters(words in words("ab#é", 10), config in config()) {
        check(&words, Unit::Char, &config);
    }

    /// Bytes whose order is not that of the characters that show them, and tokens that begin others.
    #[test]
    fn ties_are_decided_by_bytes(words in words("a\n ~é", 14), rule in ties()) {
        for max_token_length in [None, Some(4)] {
            let config = BpeTrainConfig { ties: rule, max_token_length, ..no_alphabet(80) };
            check(&words, Unit::Byte, &config);
            check(&words, Unit::Char, &config);
        }
    }

    #[test]
    fn the_order_of_the_words_is_nothing(
        words in words("abc", 12).prop_shuffle(),
        rule in ties(),
    ) {
        let mut sorted = words.clone();
        sorted.sort();
        let config = BpeTrainConfig { ties: rule, ..no_alphabet(40) };
        prop_assert_eq!(learn(&words, Unit::Byte, &config), learn(&sorted, Unit::Byte, &config));
    }

    #[test]
    fn counts_of_one_word_may_stand_apart(words in words("abc", 12)) {
        let twice: Vec<_> = words.iter().chain(&words).cloned().collect();
        let doubled: Vec<_> = words.iter().map(|(word, count)| (word.clone(), count * 2)).collect();
        let config = no_alphabet(40);
        prop_assert_eq!(learn(&twice, Unit::Byte, &config), learn(&doubled, Unit::Byte, &config));
    }
}

#[test]
fn runs_are_counted_by_windows_and_merged_from_the_left() {
    let learned = learn(&list(&[("aaaaa", 2), ("ab", 7)]), Unit::Byte, &no_alphabet(5));
    assert_eq!(learned.tokens, ["a", "b", "aa", "ab", "aaa"]);
    assert_eq!(learned.merges, [(0, 0), (0, 1), (2, 0)]);
    assert_eq!(learned.stop, Stop::VocabSize);
}

#[test]
fn each_rule_for_ties_has_its_first_pair() {
    // Space and line break are shown by characters above `z` and are below it as bytes.
    let words = list(&[("\n ", 1), ("az", 1), ("zb", 1), ("zc", 1), (" \n", 1)]);
    let shown = |ties| {
        let config = BpeTrainConfig { ties, ..no_alphabet(9) };
        let learned = learn(&words, Unit::Byte, &config);
        learned.tokens[learned.alphabet_end..].to_vec()
    };
    assert_eq!(shown(Ties::Tokenizers), ["az", "zb", "zc"]);
    assert_eq!(shown(Ties::Cs336), ["zc", "zb", "az"]);
    assert_eq!(shown(Ties::RawBytes), ["ĊĠ", "ĠĊ", "az"]);
}

#[test]
fn a_tie_sees_the_pair_that_a_merge_has_just_made() {
    // After `l` + `o` every other pair occurs three times, and so does what they become.
    let words = list(&[("low", 3), ("lo", 1), ("new", 3), ("lzq", 3)]);
    let config = BpeTrainConfig { ties: Ties::Cs336, ..no_alphabet(13) };
    let learned = learn(&words, Unit::Byte, &config);
    let made = &learned.tokens[learned.alphabet_end..];
    assert_eq!(made, ["lo", "zq", "ne", "new", "low", "lzq"]);
}

#[test]
fn a_special_token_takes_the_merge_that_spells_it() {
    let config = BpeTrainConfig { special_tokens: vec!["the".into()], ..no_alphabet(6) };
    let learned = learn(&list(&[("the", 9), ("then", 3)]), Unit::Byte, &config);
    assert_eq!(learned.tokens, ["the", "e", "h", "n", "t", "he"]);
    assert_eq!(learned.merges, [(2, 1), (4, 5)][..learned.merges.len()]);
    assert_eq!(learned.merges.len(), 1, "the vocabulary was full before `t` + `he`");
    let config = BpeTrainConfig { vocab_size: 7, ..config };
    let learned = learn(&list(&[("the", 9), ("then", 3)]), Unit::Byte, &config);
    assert_eq!(learned.tokens, ["the", "e", "h", "n", "t", "he", "then"]);
    assert_eq!(learned.merges, [(2, 1), (4, 5), (0, 3)]);
}

#[test]
fn every_stop_has_its_reason() {
    let words = list(&[("ab", 3), ("cd", 1)]);
    let stop = |config: BpeTrainConfig| learn(&words, Unit::Char, &config).stop;
    assert_eq!(stop(no_alphabet(5)), Stop::VocabSize);
    assert_eq!(stop(no_alphabet(4)), Stop::Alphabet);
    assert_eq!(stop(no_alphabet(50)), Stop::NoPairs);
    assert_eq!(stop(BpeTrainConfig { min_frequency: 2, ..no_alphabet(50) }), Stop::MinFrequency);
}

#[test]
fn counts_above_32_bits_are_exact() {
    let words = list(&[("ab", 3_000_000_000), ("cab", 3_000_000_001), ("ca", 6_000_000_000)]);
    for size in 3..6 {
        check(&words, Unit::Byte, &no_alphabet(size));
    }
}

#[test]
fn bytes_that_do_not_fit_are_an_error() {
    let words = list(&[("ab", 1)]);
    let config = BpeTrainConfig { vocab_size: 100, ..BpeTrainConfig::default() };
    let error =
        bpe::learn(words.as_slice(), Unit::Byte, &config, &mut |_, _, _| ControlFlow::Continue(()));
    let text = "vocab_size is 100, but must be at least 256: 0 special tokens and 256 bytes";
    assert_eq!(error.unwrap_err().to_string(), text);
}

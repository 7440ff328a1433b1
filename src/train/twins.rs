//! The fast trainer against the one that counts everything anew before each merge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::bpe::{self, Job};
use super::extend::Base;
use super::reference::learn_slowly;
use super::{
    BpeTrainConfig, Checkpoint, InitialAlphabet, Learned, Policies, Policy, Score, Stop,
    Superwords, Ties, Unit, likelihood,
};
use crate::error::Result;
use crate::pretokenize::PreTokenizer;

type List = [(Vec<u8>, u64)];

fn job<'a>(words: &'a List, unit: Unit, config: &'a BpeTrainConfig) -> Job<'a, List> {
    Job { words, wide: None, unit, config, base: None }
}

fn run(job: &Job<'_, List>) -> Result<Learned> {
    bpe::learn(job, &mut |_, _, _| ControlFlow::Continue(()))
}

fn learn(words: &List, unit: Unit, config: &BpeTrainConfig) -> Learned {
    run(&job(words, unit, config)).unwrap()
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
                    ..BpeTrainConfig::default()
                }
            },
        )
}

fn check(words: &List, unit: Unit, config: &BpeTrainConfig) {
    let config = BpeTrainConfig { vocab_size: config.vocab_size + 20, ..config.clone() };
    check_job(&job(words, unit, &config));
}

fn check_job(job: &Job<'_, List>) {
    let slow = learn_slowly(job, Score::Frequency).unwrap();
    let threads = Some(1 + job.config.vocab_size % 3);
    let config = BpeTrainConfig { threads, ..job.config.clone() };
    assert_eq!(run(&Job { config: &config, ..*job }).unwrap(), slow);
    let config = BpeTrainConfig { memory_limit: Some(0), threads: Some(1), ..job.config.clone() };
    assert_eq!(run(&Job { config: &config, ..*job }).unwrap(), slow);
}

fn policies() -> impl Strategy<Value = Policies> {
    let veto = proptest::sample::select(vec!["a", "ab", "ba", " b", "1"]);
    (
        proptest::option::of(1..6_usize),
        any::<bool>(),
        proptest::option::of(0..3_usize),
        vec(veto, 0..3),
    )
        .prop_map(|(max_token_bytes, one_script, max_digits, veto)| Policies {
            max_token_bytes,
            one_script,
            max_digits,
            veto: veto.into_iter().map(String::from).collect(),
        })
}

/// The words between spaces, each with the space before it.
fn narrow(wide: &List) -> Vec<(Vec<u8>, u64)> {
    let mut words: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (piece, count) in wide {
        let mut word = Vec::new();
        for &byte in piece {
            if byte == b' ' && !word.is_empty() {
                *words.entry(std::mem::take(&mut word)).or_default() += count;
            }
            word.push(byte);
        }
        *words.entry(word).or_default() += count;
    }
    words.into_iter().collect()
}

fn superwords(from: usize, max_words: usize) -> Superwords {
    Superwords { from, max_words, words: PreTokenizer::by_name("gpt2").unwrap() }
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

    /// Few tokens of many places: threads share merges, and words have enough symbols for parts.
    #[test]
    fn threads_change_nothing(words in vec(("[ab]{1,30}", 1..5_u64), 1..60), rule in ties()) {
        let words: Vec<_> = words.into_iter().map(|(word, n)| (word.into_bytes(), n)).collect();
        let config = BpeTrainConfig { ties: rule, threads: Some(1), ..no_alphabet(60) };
        let one = learn(&words, Unit::Byte, &config);
        for threads in [2, 5] {
            let config = BpeTrainConfig { threads: Some(threads), ..config.clone() };
            prop_assert_eq!(&learn(&words, Unit::Byte, &config), &one);
        }
    }

    #[test]
    fn limits_refuse_the_same(
        words in words("ab1 б", 12), policies in policies(), rule in ties(), head in any::<bool>()
    ) {
        let config = BpeTrainConfig { policies, ties: rule, ..no_alphabet(60) };
        check(&words, Unit::Byte, &config);
        let continuing_subword_prefix = head.then(|| "##".to_owned());
        check(&words, Unit::Char, &BpeTrainConfig { continuing_subword_prefix, ..config });
    }

    #[test]
    fn forced_tokens_are_reached(
        words in words("abc", 9), forced in vec("[abc]{1,7}", 0..5), size in 0..30_usize,
        policies in policies(),
    ) {
        let mut words = words;
        words.push((b"cab".to_vec(), 1));
        let config = BpeTrainConfig {
            vocab_size: 40 + size, forced_tokens: forced.clone(), policies, ..no_alphabet(0)
        };
        let job = job(&words, Unit::Byte, &config);
        check_job(&job);
        let learned = run(&job).unwrap();
        for token in &forced {
            prop_assert!(learned.tokens.contains(token));
        }
    }

    #[test]
    fn superwords_are_the_same(
        wide in words("ab ", 16), from in 0..12_usize, max_words in 1..4_usize, size in 3..40_usize,
        rule in ties(), forced in vec("[ab][ab ]{0,5}", 0..2),
    ) {
        let mut wide = wide;
        wide.push((b"a b".to_vec(), 2));
        let words = narrow(&wide);
        let superwords = Some(superwords(from, max_words));
        let config = BpeTrainConfig {
            superwords, ties: rule, forced_tokens: forced, ..no_alphabet(size + 20)
        };
        check_job(&Job { wide: Some(&wide), ..job(&words, Unit::Byte, &config) });
    }

    /// What was learned from one text goes on with another, and with its own it is as if it had never
    /// stopped.
    #[test]
    fn a_vocabulary_goes_on(
        first in words("abc", 12), second in words("abcd", 12), size in 3..30_usize, rule in ties()
    ) {
        let config = BpeTrainConfig { ties: rule, ..no_alphabet(size) };
        let begun = learn(&first, Unit::Byte, &config);
        let base = Base::of(&begun, ["ab", "<x>"]);
        let config = BpeTrainConfig { vocab_size: size + 30, ..config };
        let again = Job { base: Some(&base), ..job(&second, Unit::Byte, &config) };
        check_job(&again);
        let plain = Base::of(&begun, []);
        let same = run(&Job { base: Some(&plain), ..job(&first, Unit::Byte, &config) }).unwrap();
        let whole = learn(&first, Unit::Byte, &config);
        prop_assert_eq!((same.tokens, same.merges), (whole.tokens, whole.merges));
    }

    #[test]
    fn likelihood_is_the_same_for_all_counts(
        words in words("ab#é", 10), config in config(),
    ) {
        let config = BpeTrainConfig {
            vocab_size: config.vocab_size + 20, ties: Ties::Tokenizers, ..config
        };
        let slow = learn_slowly(&job(&words, Unit::Char, &config), Score::Likelihood).unwrap();
        let go = &mut |_, _, _| ControlFlow::Continue(());
        let fast = likelihood::learn(words.as_slice(), Unit::Char, &config, go).unwrap();
        prop_assert_eq!(fast, slow);
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
    let error = run(&job(&words, Unit::Byte, &config));
    let text = "vocab_size is 100, but must be at least 256: 0 special tokens and 256 bytes";
    assert_eq!(error.unwrap_err().to_string(), text);
}

/// Training that is stopped again and again, each time a little later, gives what training in one go does.
#[test]
fn training_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 7_u64;
    let mut wide: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for _ in 0..3000 {
        let mut word = Vec::new();
        for _ in 0..9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.push(b"aab bc "[(state >> 40) as usize % 7]);
        }
        *wide.entry(word).or_default() += 1 + (state >> 60);
    }
    let wide: Vec<_> = wide.into_iter().collect();
    let words = narrow(&wide);
    let policies = Policies { veto: vec!["bcb".into()], ..Policies::default() };
    for (number, superwords) in [None, Some(superwords(40, 2))].into_iter().enumerate() {
        let config = BpeTrainConfig {
            superwords,
            policies: policies.clone(),
            forced_tokens: vec!["cccc".into()],
            ..no_alphabet(300)
        };
        let wide = config.superwords.as_ref().map(|_| wide.as_slice());
        let plain = Job { wide, ..job(&words, Unit::Byte, &config) };
        let whole = run(&plain).unwrap();
        assert!(whole.stats.refused[Policy::Veto as usize].pairs > 0);
        let path = folder.path().join(format!("{number}.json"));
        let checkpoint = Some(Checkpoint { path: path.clone(), every: Duration::ZERO });
        let config = BpeTrainConfig { checkpoint, ..config.clone() };
        let kept = Job { config: &config, ..plain };
        let mut stops = 0;
        let result = loop {
            // Time is looked at every 50 ms; a checkpoint that is due at once makes it pass.
            let mut left = 1 + stops / 4;
            let result = bpe::learn(&kept, &mut |_, _, _| {
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match result {
                Err(crate::Error::Interrupted) => stops += 1,
                other => break other.unwrap(),
            }
        };
        assert_eq!(result, whole);
        assert_eq!(run(&kept).unwrap(), whole, "of a checkpoint that is complete");

        // Cut off anywhere, as after a crash between two saves.
        let text = std::fs::read_to_string(&path).unwrap();
        let full: serde_json::Value = serde_json::from_str(&text).unwrap();
        let events = full["state"]["events"].as_array().unwrap().len();
        assert!(events > 100);
        let other = BpeTrainConfig { vocab_size: 301, ..config.clone() };
        let error = run(&Job { config: &other, ..plain }).unwrap_err().to_string();
        assert!(error.contains("belongs to other counts or to another configuration"), "{error}");
        let fewer = &words[1..];
        let error = run(&Job { words: fewer, ..kept }).unwrap_err().to_string();
        assert!(error.contains("belongs to other counts"), "{error}");
        for (from, to) in [("\"left\":", "\"left\":4000000"), ("{", "["), ("checkpoint", "x")] {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = run(&kept).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Format, "{error}");
        }
    }
}

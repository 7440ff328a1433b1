//! The slow twin: the four steps one after the other, each a list of changes as the library makes it.
//!
//! Categories and decompositions come from the crates that the reference library is built on, so the
//! tables are tested along with the walk.

use proptest::prelude::*;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

use super::{Aligned, BertNormalizer, Normalizer};
use crate::ids::Span;

type Chars = Vec<(char, Span)>;
type Step = fn(&Chars) -> Chars;

/// Applies changes: `1` is a new character, `0` takes the place of the next old one, and `-n` does so
/// and removes the `n` old ones after it. `skip` old ones at the very start are removed.
fn transform(old: &Chars, new: impl IntoIterator<Item = (char, isize)>, skip: usize) -> Chars {
    let mut next = skip;
    new.into_iter()
        .map(|(c, change)| {
            if change > 0 {
                return (c, next.checked_sub(1).map_or(Span::new(0, 0), |last| old[last].1));
            }
            let origin = old[next].1;
            next += 1 + change.unsigned_abs();
            (c, origin)
        })
        .collect()
}

fn filter(old: &Chars, keep: impl Fn(char) -> bool) -> Chars {
    let skip = old.iter().take_while(|&&(c, _)| !keep(c)).count();
    let mut changes: Vec<(char, isize)> = Vec::new();
    for &(c, _) in &old[skip..] {
        if keep(c) {
            changes.push((c, 0));
        } else if let Some((_, removed)) = changes.last_mut() {
            *removed -= 1;
        }
    }
    transform(old, changes, skip)
}

fn clean(old: &Chars) -> Chars {
    let line = |c| matches!(c, '\t' | '\n' | '\r');
    let removed = |c: char| c == '\0' || c == '\u{FFFD}' || (!line(c) && c.is_other());
    let kept = filter(old, |c| !removed(c));
    kept.into_iter().map(|(c, at)| (if c.is_whitespace() { ' ' } else { c }, at)).collect()
}

fn space_out(old: &Chars) -> Chars {
    let is_chinese = |c: char| {
        let ranges = [
            (0x4E00, 0x9FFF),
            (0x3400, 0x4DBF),
            (0x20000, 0x2A6DF),
            (0x2A700, 0x2B73F),
            (0x2B740, 0x2B81F),
            (0x2B920, 0x2CEAF),
            (0xF900, 0xFAFF),
            (0x2F800, 0x2FA1F),
        ];
        ranges.iter().any(|&(first, last)| (first..=last).contains(&u32::from(c)))
    };
    let changes = old.iter().flat_map(|&(c, _)| {
        if is_chinese(c) { vec![(' ', 0), (c, 1), (' ', 1)] } else { vec![(c, 0)] }
    });
    transform(old, changes, 0)
}

fn strip(old: &Chars) -> Chars {
    let decomposed = transform(old, old.iter().map(|&(c, _)| c).nfd(), 0);
    filter(&decomposed, |c| !c.is_mark_nonspacing())
}

fn lower(old: &Chars) -> Chars {
    let changes = old.iter().flat_map(|&(c, _)| {
        c.to_lowercase().enumerate().map(|(index, c)| (c, isize::from(index > 0)))
    });
    transform(old, changes, 0)
}

/// The normalised text and its origins, by the definition.
pub(super) fn normalize(bert: &BertNormalizer, text: &str) -> Aligned {
    let span = |(at, c): (usize, char)| (c, Span::new(at, at + c.len_utf8()));
    let mut chars: Chars = text.char_indices().map(span).collect();
    let steps: [(bool, Step); 4] = [
        (bert.clean_text, clean),
        (bert.handle_chinese_chars, space_out),
        (bert.strip_accents.unwrap_or(bert.lowercase), strip),
        (bert.lowercase, lower),
    ];
    for (_, step) in steps.iter().filter(|(on, _)| *on) {
        chars = step(&chars);
    }
    Aligned {
        text: chars.iter().map(|&(c, _)| c).collect(),
        origins: chars.iter().flat_map(|&(c, at)| vec![at; c.len_utf8()]).collect(),
    }
}

/// All sixteen settings, and the two where accents follow the case.
fn settings() -> Vec<BertNormalizer> {
    let bit = |bits: u32, n: u32| bits >> n & 1 == 1;
    let mut all: Vec<BertNormalizer> = (0..16)
        .map(|bits| BertNormalizer {
            clean_text: bit(bits, 0),
            handle_chinese_chars: bit(bits, 1),
            strip_accents: Some(bit(bits, 2)),
            lowercase: bit(bits, 3),
        })
        .collect();
    all.push(BertNormalizer::default());
    all.push(BertNormalizer { lowercase: false, ..BertNormalizer::default() });
    all
}

fn check(bert: &BertNormalizer, text: &str) {
    let expected = normalize(bert, text);
    let normalizer = Normalizer::Bert(bert.clone());
    let mut aligned = Aligned::default();
    normalizer.normalize_aligned(text, &mut aligned).unwrap();
    assert_eq!(aligned, expected, "{bert:?} on {text:?}");
    let mut out = "before ".to_owned();
    normalizer.normalize_into(text, &mut out).unwrap();
    assert_eq!(out.strip_prefix("before "), Some(&*expected.text), "{bert:?} on {text:?}");
}

#[test]
fn every_code_point_is_as_by_the_definition() {
    // Nothing, each step alone, all of them.
    for bert in [0, 1, 2, 4, 8, 15].map(|setting| settings().swap_remove(setting)) {
        for c in '\0'..=char::MAX {
            check(&bert, c.encode_utf8(&mut [0; 4]));
        }
    }
}

#[test]
fn every_code_point_among_others_is_as_by_the_definition() {
    let uncased = BertNormalizer::default();
    for c in '\0'..=char::MAX {
        // A mark of class 230 from a decomposition, then the character, then survivors and marks of
        // lower classes: whatever combines must find its place.
        check(&uncased, &format!("É{c}\u{302E}x\u{1D165}{c}\u{323}{c}漢{c}"));
    }
}

/// Characters that meet every branch: ASCII, controls, accents, survivors of stripping, Hangul,
/// ideographs and their compatibility forms, spaces, capitals that grow.
const TROUBLE: &str = "aZ 9\t\n\r\u{0}\u{b}\u{7f}\u{85}\u{a0}\u{ad}éÅİßſǅ\u{301}\u{323}\u{344}\u{345}\u{302E}\u{302F}\
    \u{1D165}\u{1D16D}\u{1D15E}\u{8D4}\u{8E3}\u{F73}\u{F71}\u{F72}\u{F75}\u{F81}\u{1E944}\u{1E00A}\u{9CB}\u{93C}\u{DDE}\u{DDC}한글각漢字\
    \u{F900}\u{2F800}\u{FAD2}\u{2001}\u{2028}\u{200B}\u{FFFD}\u{E000}\u{E0001}\u{E0100}\u{37E}\u{212A}Σσς。、\u{3000}";

fn text() -> impl Strategy<Value = String> {
    let trouble: Vec<char> = TROUBLE.chars().collect();
    let one = prop_oneof![
        3 => proptest::sample::select(trouble),
        1 => proptest::char::range(' ', '~'),
        1 => any::<char>(),
    ];
    proptest::collection::vec(one, 0..40).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn random_text_is_as_by_the_definition(text in text()) {
        for bert in settings() {
            check(&bert, &text);
        }
    }
}

#[test]
fn the_library_agrees() {
    let golden = include_str!("../../tests/data/bert_golden.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    assert_eq!(golden["tokenizers"], "0.23.3");
    for case in golden["normalizer"].as_array().unwrap() {
        let on = |name: &str| case[name].as_bool();
        let bert = BertNormalizer {
            clean_text: on("clean_text").unwrap(),
            handle_chinese_chars: on("handle_chinese_chars").unwrap(),
            strip_accents: on("strip_accents"),
            lowercase: on("lowercase").unwrap(),
        };
        for line in case["texts"].as_array().unwrap() {
            let text = line[0].as_str().unwrap();
            check(&bert, text);
            let aligned = normalize(&bert, text);
            assert_eq!(Some(&*aligned.text), line[1].as_str(), "{bert:?} on {text:?}");
            let count = |bytes: u32| text[..bytes as usize].chars().count();
            let origins: Vec<usize> = aligned
                .text
                .char_indices()
                .map(|(at, c)| aligned.source(at..at + c.len_utf8()))
                .flat_map(|span| [count(span.start), count(span.end)])
                .collect();
            assert_eq!(serde_json::json!(origins), line[2], "{bert:?} on {text:?}");
        }
    }
}

#[test]
fn a_long_row_of_combining_characters_stays_linear_enough() {
    let text = "a".to_owned() + &"\u{1D165}\u{302E}\u{323}".repeat(100_000);
    check(&BertNormalizer::default(), &text);
}

#[test]
fn ascii_runs_of_every_length_and_phase() {
    for length in 0..70 {
        let letters = "The Quick brown Fox jumps over THE lazy dog, 42 times; or so it is said.";
        check(&BertNormalizer::default(), &letters[..length]);
        check(&BertNormalizer::default(), &format!("{}\u{7f}é\n{}", &letters[..length], letters));
    }
}

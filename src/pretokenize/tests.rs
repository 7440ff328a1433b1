//! Scanners against their twins: every code point, every triple of class representatives, and
//! random text; the syntax check of unknown patterns.

use super::reference::Twins;
use super::*;
use crate::ids::Span;
use crate::regex::Regex;
use proptest::prelude::*;
use std::sync::LazyLock;

static TWINS: LazyLock<Vec<Twins>> = LazyLock::new(|| Twins::all().unwrap());

fn compile(declared: &PreTokenizer, dialect: Dialect) -> Splitter {
    Splitter::compile(declared, dialect, ByteAlphabet::Raw).unwrap()
}

fn check(text: &str) {
    for twin in TWINS.iter() {
        let (fast, slow) = twin.pieces(text).unwrap();
        assert_eq!(fast, slow, "{:?} by {}", text, twin.pattern);
    }
}

#[test]
fn every_code_point_alone_and_between_others() {
    for c in ('\0'..'\u{33480}').chain('\u{e0000}'..'\u{e0200}') {
        check(&format!("a{c}b {c}1{c}'{c} {c}{c}\n{c}"));
    }
    let rest: Vec<char> = ('\u{33480}'..='\u{dffff}').chain('\u{e0200}'..=char::MAX).collect();
    for some in rest.chunks(16) {
        let parts: Vec<String> = some.iter().map(|c| format!("a{c} {c}{c}'{c}1\n")).collect();
        check(&parts.concat());
    }
}

/// One or more characters of every class and case that a pattern tells apart.
pub(super) const REPRESENTATIVES: &[&str] = &[
    "a",
    "Z",
    "é",
    "ſ",
    "ǅ",
    "ʰ",
    "한",
    "中",
    "1",
    "½",
    "Ⅷ",
    "٣",
    " ",
    "\u{a0}",
    "\u{3000}",
    "\t",
    "\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "'",
    "'s",
    "'S",
    "'ll",
    "'Re",
    "'d",
    "'ſ",
    "!",
    "/",
    "…",
    "€",
    "\u{301}",
    "\u{903}",
    "\u{0}",
    "\u{378}",
    "\u{200d}",
    "😀",
    "𝔸",
    "\u{10ffff}",
];

#[test]
fn every_triple_of_class_representatives() {
    for a in REPRESENTATIVES {
        for b in REPRESENTATIVES {
            for c in REPRESENTATIVES {
                check(&format!("{a}{b}{c}"));
            }
            check(&format!("x{a}{a}{b}{b}y{b}{a}"));
            check(&format!(" {a}  {b} {a}{b}  "));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_text(parts in prop::collection::vec(prop::sample::select(REPRESENTATIVES), 0..40)) {
        check(&parts.concat());
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }
}

#[test]
fn letter_runs_of_every_length_end_before_every_byte() {
    for length in 0..20 {
        let run = "aZzAm".repeat(5)[..length].to_owned();
        for byte in 0..=127u8 {
            let c = char::from(byte);
            check(&format!("{run}{c}{run}"));
            check(&format!(" {run}é{run}{c}x "));
        }
    }
}

#[test]
fn pieces_cover_the_text() {
    let splitter = compile(&PreTokenizer::by_name("gpt2").unwrap(), Dialect::TokenizerJson);
    let mut pieces = Vec::new();
    let text = "I'll say:  \"hello\n\n world\" 123 ";
    splitter.for_each(text, |start, end| pieces.push(&text[start..end])).unwrap();
    let wanted =
        ["I", "'ll", " say", ":", " ", " \"", "hello", "\n\n", " world", "\"", " 123", " "];
    assert_eq!(pieces, wanted);
}

#[test]
fn the_two_spellings_of_cl100k_part_only_at_the_end_of_the_text() {
    let split = |regex: &str, text: &str| {
        let declared = PreTokenizer::byte_level_split(regex);
        let mut ends = Vec::new();
        let splitter = compile(&declared, Dialect::Tiktoken);
        splitter.for_each(text, |_, end| ends.push(end)).unwrap();
        ends
    };
    let (old, new) = (pattern::CL100K, rank_file_pattern("cl100k_base").unwrap());
    assert_eq!(split(old, "a \n  b"), split(new, "a \n  b"));
    assert_eq!(split(old, "a \n  "), [1, 3, 5]);
    assert_eq!(split(new, "a \n  "), [1, 5]);
}

#[test]
fn a_pattern_out_of_bounds_is_an_error_with_its_place() {
    let regex = Regex::new(r"(?!(a+)+\1$)ab|(a|aa)+(?=!)", Dialect::Tiktoken);
    let text = format!("{}b", "a".repeat(64));
    let error = regex.unwrap().for_each_match(&text, |_, _| ()).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Pattern);
}

#[test]
fn a_misspelt_name_is_no_pattern() {
    for name in ["cl100k", "GPT2", "gpt-4", "o200k_harmon", "", " "] {
        assert_eq!(PreTokenizer::by_name(name).unwrap_err().kind(), crate::ErrorKind::Argument);
        assert_eq!(rank_file_pattern(name).unwrap_err().kind(), crate::ErrorKind::Argument);
    }
    let message = PreTokenizer::by_name("gpt9").unwrap_err().to_string();
    assert!(
        message.starts_with("pretokenizer is \"gpt9\", but must be gpt2, cl100k_base"),
        "{message}"
    );
    assert!(rank_file_pattern(r"\p{L}+").is_ok());
}

#[test]
fn a_prefix_space_is_the_callers_only_when_nothing_else_is_rewritten() {
    let mut declared = PreTokenizer::byte_level_split(r"\p{L}+|\p{N}+");
    assert!(!compile(&declared, Dialect::TokenizerJson).rewrites());
    let PreTokenizer::Sequence(parts) = &mut declared else { panic!("a sequence") };
    parts[1] =
        PreTokenizer::ByteLevel { add_prefix_space: true, trim_offsets: true, use_regex: false };
    let alone = parts[1].clone();
    let splitter = compile(&declared, Dialect::TokenizerJson);
    assert!(splitter.rewrites() && !splitter.add_prefix_space);
    assert!(splitter.for_each("a", |_, _| ()).is_err());
    let splitter = compile(&alone, Dialect::TokenizerJson);
    assert!(!splitter.rewrites() && splitter.add_prefix_space && splitter.is_byte_level());
    let spelled = ByteAlphabet::Spelled;
    assert!(Splitter::compile(&alone, Dialect::TokenizerJson, spelled).unwrap().rewrites());
}

#[test]
fn a_fixed_length_of_none_is_an_error() {
    let declared = PreTokenizer::FixedLength(0);
    let error = Splitter::compile(&declared, Dialect::TokenizerJson, ByteAlphabet::Raw);
    assert_eq!(error.unwrap_err().kind(), crate::ErrorKind::Argument);
}

#[test]
fn metaspace_first_asks_where_the_text_stands() {
    let first =
        PreTokenizer::Metaspace { replacement: '▁', prepend: PrependScheme::First, split: true };
    let cut = PreTokenizer::Sequence(vec![PreTokenizer::WhitespaceSplit, first.clone()]);
    let texts = |declared: &PreTokenizer, place| {
        let mut out = Pieces::default();
        compile(declared, Dialect::TokenizerJson).split(" a b", place, false, &mut out).unwrap();
        let texts = out.spans.iter().map(|span| out.text[span.range()].to_owned());
        texts.collect::<Vec<_>>().join("|")
    };
    let here = |start| Place { start, sources: None };
    assert_eq!(texts(&first, here(0)), "▁a|▁b");
    assert_eq!(texts(&first, here(7)), "▁a|▁b");
    // What is cut stands where its first character comes from.
    assert_eq!(texts(&cut, here(0)), "a|b");
    let sources: Vec<Span> = [(0, 0), (0, 1), (1, 2), (2, 3)].map(|(a, b)| Span::new(a, b)).into();
    let place = Place { start: 0, sources: Some(&sources) };
    assert_eq!(texts(&cut, place), "▁a|b");
}

#[test]
fn spelling_again_and_again_has_a_bound() {
    let spell =
        PreTokenizer::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };
    let many = PreTokenizer::Sequence(vec![spell; 60]);
    let splitter = Splitter::compile(&many, Dialect::TokenizerJson, ByteAlphabet::Spelled).unwrap();
    let place = Place { start: 0, sources: None };
    let error = splitter.split("é", place, false, &mut Pieces::default()).unwrap_err();
    assert!(error.to_string().starts_with("the rewritten text is more than"), "{error}");
}

#[test]
fn steps_have_a_bound() {
    let steps = |count| {
        let many = PreTokenizer::Sequence(vec![PreTokenizer::Whitespace; count]);
        Splitter::compile(&many, Dialect::TokenizerJson, ByteAlphabet::Spelled)
    };
    assert!(steps(1024).is_ok());
    assert!(steps(1025).unwrap_err().to_string().contains("more than 1024 steps"));
}

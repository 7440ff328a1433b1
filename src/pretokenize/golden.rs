//! Every kind of pre-tokenizer, alone and in sequences, against what the reference library gave
//! (`scripts/golden_pretokenize.py`). `SUBTOK_GOLDEN` names another file of the same form.

use serde_json::Value;

use super::*;
use crate::regex::Regex;

fn golden() -> Value {
    let text = match std::env::var_os("SUBTOK_GOLDEN") {
        Some(path) => std::fs::read_to_string(path).unwrap(),
        None => include_str!("../../tests/data/pretokenize_golden.json").to_owned(),
    };
    serde_json::from_str(&text).unwrap()
}

fn behavior(value: &Value) -> SplitBehavior {
    match value.as_str().unwrap() {
        "Removed" => SplitBehavior::Removed,
        "Isolated" => SplitBehavior::Isolated,
        "MergedWithPrevious" => SplitBehavior::MergedWithPrevious,
        "MergedWithNext" => SplitBehavior::MergedWithNext,
        "Contiguous" => SplitBehavior::Contiguous,
        other => panic!("{other}"),
    }
}

fn declared(value: &Value) -> PreTokenizer {
    let flag = |name: &str| value[name].as_bool().unwrap();
    let char_of = |name: &str| value[name].as_str().unwrap().chars().next().unwrap();
    match value["type"].as_str().unwrap() {
        "ByteLevel" => PreTokenizer::ByteLevel {
            add_prefix_space: flag("add_prefix_space"),
            trim_offsets: flag("trim_offsets"),
            use_regex: flag("use_regex"),
        },
        "Split" => {
            let text = |key: &str| value["pattern"][key].as_str().map(str::to_owned);
            let pattern = text("Regex").map(Pattern::Regex);
            PreTokenizer::Split {
                pattern: pattern.unwrap_or_else(|| Pattern::String(text("String").unwrap())),
                behavior: behavior(&value["behavior"]),
                invert: flag("invert"),
            }
        }
        "BertPreTokenizer" => PreTokenizer::Bert,
        "CharDelimiterSplit" => PreTokenizer::CharDelimiterSplit(char_of("delimiter")),
        "Digits" => PreTokenizer::Digits { individual: flag("individual_digits") },
        "FixedLength" => {
            let length = value["length"].as_u64().unwrap();
            PreTokenizer::FixedLength(usize::try_from(length).unwrap())
        }
        "Metaspace" => PreTokenizer::Metaspace {
            replacement: char_of("replacement"),
            prepend: match value["prepend_scheme"].as_str().unwrap() {
                "always" => PrependScheme::Always,
                "never" => PrependScheme::Never,
                "first" => PrependScheme::First,
                other => panic!("{other}"),
            },
            split: flag("split"),
        },
        "Punctuation" => PreTokenizer::Punctuation(behavior(&value["behavior"])),
        "UnicodeScripts" => PreTokenizer::UnicodeScripts,
        "Whitespace" => PreTokenizer::Whitespace,
        "WhitespaceSplit" => PreTokenizer::WhitespaceSplit,
        "Sequence" => {
            let parts = value["pretokenizers"].as_array().unwrap();
            PreTokenizer::Sequence(parts.iter().map(declared).collect())
        }
        other => panic!("{other}"),
    }
}

/// How many characters of `text` start before a byte.
fn chars_before(text: &str, byte: u32) -> usize {
    text.char_indices().filter(|&(at, _)| at < byte as usize).count()
}

#[test]
fn pieces_and_their_places_are_those_of_the_reference() {
    let mut out = Pieces::default();
    let mut plain = Pieces::default();
    for case in golden()["pre_tokenizers"].as_array().unwrap() {
        let pre_tokenizer = declared(&case[0]);
        let compile = |bytes| Splitter::compile(&pre_tokenizer, Dialect::TokenizerJson, bytes);
        let splitter = compile(ByteAlphabet::Spelled).unwrap();
        let raw = compile(ByteAlphabet::Raw).unwrap();
        for row in case[1].as_array().unwrap() {
            let text = row[0].as_str().unwrap();
            let place = Place { start: 0, sources: None };
            splitter.split(text, place, true, &mut out).unwrap();
            let found: Vec<(&str, usize, usize)> = out
                .spans
                .iter()
                .map(|span| {
                    let origins = &out.origins[span.range()];
                    let start = chars_before(text, origins[0].start);
                    let end = chars_before(text, origins[origins.len() - 1].end);
                    (&out.text[span.range()], start, end)
                })
                .collect();
            assert_eq!(serde_json::json!(found), row[1], "{} on {text:?}", case[0]);
            splitter.split(text, place, false, &mut plain).unwrap();
            assert_eq!((&plain.text, &plain.spans), (&out.text, &out.spans));
            if !splitter.rewrites() {
                let mut spans = Vec::new();
                let piece = |start, end| spans.push(crate::ids::Span::new(start, end));
                splitter.for_each(text, piece).unwrap();
                assert_eq!(spans, out.spans, "{}", case[0]);
            }
            // Bytes that are left as they are only lack their spelling.
            if !raw.rewrites() && splitter.byte_level && splitter.rewrites() {
                let prefix = raw.add_prefix_space && !text.starts_with(' ') && !text.is_empty();
                let text = if prefix { format!(" {text}") } else { text.to_owned() };
                let mut spelled = Vec::new();
                let spell = crate::unicode::byte_level::spell;
                raw.for_each(&text, |start, end| spelled.push(spell(&text.as_bytes()[start..end])))
                    .unwrap();
                let wanted: Vec<&str> = found.iter().map(|&(piece, _, _)| piece).collect();
                assert_eq!(spelled, wanted, "{}", case[0]);
            }
        }
    }
}

#[test]
fn patterns_match_what_they_match_in_the_reference() {
    for case in golden()["patterns"].as_array().unwrap() {
        let pattern = case[0].as_str().unwrap();
        let regex = Regex::new(pattern, Dialect::TokenizerJson).unwrap();
        for row in case[1].as_array().unwrap() {
            let text = row[0].as_str().unwrap();
            let mut found = Vec::new();
            regex
                .for_each_match(text, |start, end| {
                    let place = |byte: usize| chars_before(text, u32::try_from(byte).unwrap());
                    if start < end {
                        found.push([place(start), place(end)]);
                    }
                })
                .unwrap();
            assert_eq!(serde_json::json!(found), row[1], "{pattern} on {text:?}");
        }
    }
}

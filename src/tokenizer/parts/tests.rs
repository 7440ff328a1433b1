//! Texts in parts against texts as a whole: every kind of splitter, normaliser and added token, cut at
//! every place where a cut is allowed.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::{AddedToken, EncodeOptions, Input, Tokenizer, TokenizerBuilder};
use crate::formats::from_json;
use crate::normalize::{BertNormalizer, Normalizer, Replace};
use crate::postprocess::fit::TruncationParams;
use crate::pretokenize::{PreTokenizer, PrependScheme, SplitBehavior, rank_file_pattern};
use crate::regex::{Dialect, Pattern};

fn file(name: &str) -> TokenizerBuilder {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    from_json(&std::fs::read(path).unwrap()).unwrap()
}

fn replace(from: &str, to: &str) -> Normalizer {
    Normalizer::Replace(Replace::new(Pattern::String(from.to_owned()), to).unwrap())
}

fn added() -> Vec<AddedToken> {
    let flags = |content, normalized, lstrip, rstrip, single_word| AddedToken {
        content: String::from(content),
        normalized,
        lstrip,
        rstrip,
        single_word,
        special: !normalized,
    };
    vec![
        flags("<|end|>", false, false, false, false),
        flags("<m>", false, true, true, false),
        flags("low", false, false, false, true),
        flags("b a", true, false, false, false),
        flags("  ", true, false, true, false),
    ]
}

/// Name, tokenizer, whether its texts can be cut at all.
static TOKENIZERS: LazyLock<Vec<(String, Tokenizer, bool)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let mut add = |name: &str, declared: &TokenizerBuilder, cuts: bool| {
        all.push((name.to_owned(), Tokenizer::build(declared.clone()).unwrap(), cuts));
    };
    let normalizers = [
        ("none", None),
        ("nfc", Some(Normalizer::Nfc)),
        ("nfkd", Some(Normalizer::Nfkd)),
        ("lower", Some(Normalizer::Lowercase)),
        (
            "several",
            Some(Normalizer::Sequence(vec![
                Normalizer::Strip { left: true, right: true },
                Normalizer::Nfd,
                Normalizer::StripAccents,
                Normalizer::Lowercase,
                replace("x", "a b"),
            ])),
        ),
    ];
    let byte_level = |add_prefix_space, use_regex| PreTokenizer::ByteLevel {
        add_prefix_space,
        trim_offsets: true,
        use_regex,
    };
    for (name, normalizer) in normalizers {
        // Where accents go, a token of normalised text may come from any number of characters, and both
        // models have such tokens.
        let cuts = name != "several";
        for pattern in ["gpt2", "cl100k_base", "o200k_base", "qwen2"] {
            let mut declared = file("small_bpe");
            declared.normalizer.clone_from(&normalizer);
            declared.pre_tokenizer = Some(PreTokenizer::by_name(pattern).unwrap());
            add(&format!("{pattern}, {name}"), &declared, cuts);
            declared.added_tokens = added();
            add(&format!("{pattern}, {name}, added"), &declared, cuts);
        }
        let mut declared = file("small_bpe");
        declared.normalizer.clone_from(&normalizer);
        declared.pre_tokenizer = Some(byte_level(true, true));
        add(&format!("prefix, {name}"), &declared, cuts);
        let mut declared = file("small_wordpiece");
        declared.normalizer.clone_from(&normalizer);
        declared.pre_tokenizer = Some(PreTokenizer::Whitespace);
        add(&format!("wordpiece, whitespace, {name}"), &declared, cuts);
    }
    for pattern in ["gpt2", "cl100k_base", "o200k_base"] {
        let mut declared = file("small_bpe");
        let regex = rank_file_pattern(pattern).unwrap();
        declared.pre_tokenizer = Some(PreTokenizer::byte_level_split(regex));
        declared.dialect = Dialect::Tiktoken;
        add(&format!("{pattern} of a rank file"), &declared, true);
    }
    let mut declared = file("small_wordpiece");
    add("bert", &declared, true);
    declared.added_tokens = added();
    declared.added_tokens.retain(|token| !token.normalized);
    add("bert, added", &declared, true);
    declared.normalizer = Some(Normalizer::Bert(BertNormalizer {
        handle_chinese_chars: false,
        lowercase: false,
        ..BertNormalizer::default()
    }));
    add("bert, cased", &declared, true);
    declared.normalizer = None;
    add("bert, no normalizer", &declared, true);

    let metaspace =
        |prepend, split| Some(PreTokenizer::Metaspace { replacement: '▁', prepend, split });
    let mut declared = file("pipelines/bpe_byte_fallback");
    add("prepend", &declared, true);
    declared.added_tokens.extend(added().into_iter().filter(|token| !token.normalized));
    add("prepend, added", &declared, true);
    declared.added_tokens = added();
    add("prepend, normalized", &declared, false);
    declared.normalizer = Some(replace(" ", "▁"));
    declared.pre_tokenizer = Some(PreTokenizer::Split {
        pattern: Pattern::String(" ".to_owned()),
        behavior: SplitBehavior::MergedWithPrevious,
        invert: false,
    });
    add("spaceless", &declared, true);
    declared.normalizer = None;
    add("literal", &declared, true);
    for prepend in [PrependScheme::Always, PrependScheme::First, PrependScheme::Never] {
        for split in [true, false] {
            declared.pre_tokenizer = metaspace(prepend, split);
            add(&format!("metaspace {prepend:?} {split}"), &declared, true);
        }
    }
    for name in ["bpe_suffix", "unigram_bytes", "characters", "wordlevel", "unigram_precompiled"] {
        add(name, &file(&format!("pipelines/{name}")), false);
    }
    for name in ["bpe_affixes", "bpe_ignore_merges"] {
        add(name, &file(&format!("pipelines/{name}")), true);
    }
    all
});

/// Compares a text in parts of every length with the text as a whole. The number of cuts.
fn check(text: &str) -> Vec<usize> {
    let counts = TOKENIZERS.iter().map(|(name, tokenizer, _)| {
        let mut most = 0;
        for add_special_tokens in [true, false] {
            let options = EncodeOptions {
                add_special_tokens,
                split_special_tokens: !add_special_tokens,
                ..EncodeOptions::default()
            };
            let plan = &tokenizer.plan;
            let input = Input::Text(text);
            let mut whole = Vec::new();
            let wanted = tokenizer.encode_ids(input, None, &options, &mut whole);
            for bytes in [1, 3, 20] {
                let parts = plan.parts(input, None, &options, bytes);
                if parts.is_empty() {
                    continue;
                }
                most = most.max(parts.len());
                let mut joined = Vec::new();
                let mut end = 0;
                let result = parts.iter().try_for_each(|part| {
                    assert_eq!(part.start, end);
                    end = part.end;
                    let ids = &mut joined;
                    plan.scratch.with(|scratch| plan.part_ids(text, *part, &options, scratch, ids))
                });
                assert_eq!(end, text.len());
                assert_eq!(
                    result.map_err(|error| error.to_string()),
                    wanted.as_ref().map(|&()| ()).map_err(ToString::to_string),
                    "{name}: {text:?}"
                );
                if wanted.is_ok() {
                    assert_eq!(joined, whole, "{name}: {text:?} in {parts:?}");
                }
            }
        }
        most
    });
    counts.collect()
}

const FRAGMENTS: &[&str] = &[
    "a",
    "b",
    "low",
    "lower",
    "Z",
    "é",
    "e\u{301}",
    "İ",
    "ſ",
    "ß",
    "한국",
    "\u{1112}\u{1161}",
    "中",
    "文字",
    "豈",
    "かな",
    "カ",
    "ﾊﾞ",
    "、",
    "。",
    "「",
    "กำ",
    "1",
    "12345",
    "½",
    "٣",
    " ",
    "  ",
    "\u{a0}",
    "\u{3000}",
    "\t",
    "\n",
    "\r\n",
    "\u{85}",
    "\u{b}",
    "\u{c}",
    "'",
    "'s",
    "'LL",
    "!",
    ",",
    "...",
    "/",
    "—",
    "\u{301}",
    "\u{338}",
    "=",
    "<",
    "\u{0}",
    "\u{ad}",
    "\u{200d}",
    "😀",
    "<|end|>",
    "<m>",
    " <m> ",
    "b a",
    "▁",
    "▁▁",
    "x",
    "xx",
    "</s>",
    "[MASK]",
    "[SEP]",
    "the",
    " and",
    "ing",
];

#[test]
fn every_pair_of_fragments() {
    for a in FRAGMENTS {
        for b in FRAGMENTS {
            check(&format!("e{a}{b} {b}{a}1 the{b}"));
        }
    }
}

#[test]
fn what_is_cut_and_what_is_not() {
    let english = "It is a truth universally acknowledged, that a single man. ".repeat(4);
    let cuts = check(&format!("{english}中文字。文字、中文 かな {english}"));
    for ((name, _, can), cuts) in TOKENIZERS.iter().zip(cuts) {
        assert_eq!(cuts > 5, *can, "{name}: {cuts} parts");
    }
}

#[test]
fn a_text_of_added_tokens_is_looked_at_once() {
    let (_, tokenizer, _) =
        TOKENIZERS.iter().find(|(name, ..)| name == "gpt2, none, added").unwrap();
    let text = "a <m> b<|end|>".repeat(20_000);
    let options = EncodeOptions::default();
    assert!(tokenizer.plan.parts(Input::Text(&text), None, &options, 1000).is_empty());
    let text = "中".repeat(300_000);
    assert!(tokenizer.plan.parts(Input::Text(&text), None, &options, 1000).is_empty());
}

#[test]
fn chance_truncation_pairs_and_words_leave_texts_whole() {
    let (_, tokenizer, _) = &TOKENIZERS[0];
    let text = "one two three ".repeat(9);
    let parts =
        |input, pair, options: &EncodeOptions| tokenizer.plan.parts(input, pair, options, 10).len();
    let (usual, input) = (EncodeOptions::default(), Input::Text(&text));
    assert!(parts(input, None, &usual) > 5);
    assert_eq!(parts(input, Some(input), &usual), 0);
    let words = [text.as_str()];
    assert_eq!(parts(Input::Words(&words), None, &usual), 0);
    let random = EncodeOptions { dropout: Some(0.1), ..usual.clone() };
    assert_eq!(parts(input, None, &random), 0);
    let short = EncodeOptions { truncation: Some(TruncationParams::default()), ..usual };
    assert_eq!(parts(input, None, &short), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn random_texts(parts in prop::collection::vec(prop::sample::select(FRAGMENTS), 0..30)) {
        check(&parts.concat());
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }
}

#[test]
fn a_token_whose_characters_lie_far_apart_is_not_cut() {
    let mut declared = file("small_bpe");
    declared.pre_tokenizer = Some(PreTokenizer::by_name("gpt2").unwrap());
    declared.added_tokens = added();
    declared.added_tokens[3].content = "av2".to_owned();
    let text = format!("{}a{}v2 b", "a b ".repeat(100), "\u{301}".repeat(300));
    let at = text.find('2').unwrap();
    for normalizer in [Normalizer::StripAccents, replace("\u{301}", "")] {
        declared.normalizer = Some(normalizer.clone());
        let tokenizer = Tokenizer::build(declared.clone()).unwrap();
        assert_eq!(tokenizer.plan.added.is_clear(&text, at, Some(&normalizer)), None);
    }
    assert_eq!(
        Tokenizer::build(declared).unwrap().plan.added.is_clear("xyz 12", 3, None),
        Some(true)
    );
}

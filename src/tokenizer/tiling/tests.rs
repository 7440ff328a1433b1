//! Tiles against the general road, for every kind of tokenizer that has them.

use serde_json::{Value, json};

use super::*;
use crate::formats::from_json;
use crate::tokenizer::{Columns, EncodeOptions, Encoding, Input, Tokenizer};
use crate::unicode::byte_level::spell;

/// What texts are made of: characters of every length, marks that compose, white space of all kinds,
/// texts of added tokens and of tokens that stand for something else, and runs that become long tokens.
const PARTS: [&str; 48] = [
    "a",
    "b",
    "ab",
    "abc",
    "the",
    " ",
    "  ",
    " the",
    "\n",
    "\t",
    "\r\n",
    "\u{b}",
    "\u{85}",
    "\u{a0}",
    "\u{3000}",
    "é",
    "e\u{301}",
    "한",
    "국",
    "中",
    "文",
    "😀",
    "👩\u{200d}👧",
    "ß",
    "Ω",
    "İ",
    "ﬁ",
    "\u{301}",
    "\u{0}",
    "\u{7f}",
    "\u{fffd}",
    "\u{feff}",
    "1",
    "23",
    "don't",
    "I'LL",
    ".",
    ",,",
    "#",
    "##b",
    "<s>",
    "<m>",
    "[UNK]",
    "<unk>",
    "<0x41>",
    "▁",
    "▁a",
    "aaaaaaaaaaaaaaaaaaaaaa",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn text(&mut self) -> String {
        let length = [1, 2, 3, 5, 9, 30, 120][self.below(7)];
        (0..length).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    /// Without what falls back.
    fn plain_text(&mut self) -> String {
        let length = [3, 40, 200][self.below(3)];
        (0..length).map(|_| [" the", "ab", "a", " ", "b"][self.below(5)]).collect()
    }
}

fn added(content: &str, id: usize, special: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": content == "<m>",
           "rstrip": false, "normalized": content == "abc", "special": special})
}

fn file(mut parts: Value) -> Value {
    let all = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
                     "normalizer": null, "pre_tokenizer": null, "post_processor": null,
                     "decoder": null});
    for (key, value) in all.as_object().unwrap() {
        parts.as_object_mut().unwrap().entry(key.clone()).or_insert_with(|| value.clone());
    }
    parts
}

fn tokenizer(parts: Value) -> Tokenizer {
    let text = file(parts).to_string();
    Tokenizer::build(from_json(text.as_bytes()).unwrap()).unwrap()
}

fn bytes(normalizer: &Value, pre_tokenizer: &Value, trim: bool, prefix: bool) -> Value {
    let mut tokens: Vec<String> = (0..=255).map(|byte| spell(&[byte])).collect();
    let mut merges = Vec::new();
    let pairs: [(&[u8], &[u8]); 12] = [
        (b" ", b"t"),
        (b"h", b"e"),
        (b" t", b"he"),
        (b"a", b"b"),
        (b"ab", b"c"),
        (b" ", b" "),
        (b"a", b"a"),
        (b"aa", b"aa"),
        (b"\xED", b"\x95"),
        (b"\x9C", b"\xEA"),
        (b"\xC3", b"\xA9"),
        (b"\x98", b"\x80"),
    ];
    for (left, right) in pairs {
        merges.push(json!([spell(left), spell(right)]));
        tokens.push(spell(&[left, right].concat()));
    }
    let vocab: serde_json::Map<String, Value> =
        (0..).zip(tokens).map(|(id, token): (u32, _)| (token, json!(id))).collect();
    let next = vocab.len();
    json!({
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
        "added_tokens": [added("<s>", next, true), added("<m>", next + 1, true),
                         added("abc", next + 2, false), added(" \u{3000}", next + 3, false)],
        "post_processor": {"type": "RobertaProcessing", "sep": ["<s>", next], "cls": ["<s>", next],
                           "trim_offsets": trim, "add_prefix_space": prefix},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    })
}

fn chars(normalizer: &Value, pre_tokenizer: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut tokens: Vec<String> = ["<unk>", "<s>"].into_iter().map(str::to_owned).collect();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    let known = ["▁", "a", "b", "c", "t", "h", "e", "é", "한", "中", " ", "\n", ".", ","];
    tokens.extend(known.map(str::to_owned));
    let mut merges = Vec::new();
    for (left, right) in [
        ("▁", "t"),
        ("h", "e"),
        ("▁t", "he"),
        ("a", "b"),
        ("▁", "▁"),
        ("a", "a"),
        ("aa", "aa"),
        ("▁", "a"),
        ("中", "한"),
        ("b", "▁"),
    ] {
        merges.push(json!([left, right]));
        tokens.push(format!("{left}{right}"));
    }
    let vocab: serde_json::Map<String, Value> =
        (0..).zip(tokens).map(|(id, token): (u32, _)| (token, json!(id))).collect();
    let mut model = json!({"type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>",
                           "fuse_unk": true, "byte_fallback": true});
    change(&mut model);
    json!({"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "model": model,
           "added_tokens": [added("<unk>", 0, true), added("<s>", 1, true)]})
}

fn words(normalizer: &Value, unk: &str, prefix: &str) -> Value {
    let continued = |token: &str| format!("{prefix}{token}");
    let mut tokens: Vec<String> =
        vec![unk.to_owned(), "[CLS]".to_owned(), "#".to_owned(), "\u{2028}".to_owned()];
    for token in ["a", "b", "ab", "t", "h", "e", "the", "中", "é", "1", "e\u{301}", "한", "un"] {
        tokens.extend([token.to_owned(), continued(token)]);
    }
    tokens.extend([".", ",", "'", "<", ">"].map(str::to_owned));
    let vocab: serde_json::Map<String, Value> =
        (0..).zip(tokens).map(|(id, token): (u32, _)| (token, json!(id))).collect();
    json!({"normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"},
           "added_tokens": [added(unk, 0, true), added("<s>", vocab.len(), true)],
           "model": {"type": "WordPiece", "vocab": vocab, "unk_token": unk,
                     "continuing_subword_prefix": prefix, "max_input_chars_per_word": 12}})
}

/// Holds all ways to places against each other. The share of texts, in percent, that were tiled.
fn check(tok: &Tokenizer, seed: u64) -> usize {
    let plan = &tok.plan;
    let mut dice = Dice(seed);
    let mut tiled = 0;
    let texts: Vec<String> =
        (0..100).map(|n| if n % 2 == 0 { dice.text() } else { dice.plain_text() }).collect();
    for (number, text) in texts.iter().enumerate() {
        let plain = number % 5 == 0;
        plan.scratch.with(|scratch| {
            let (mut general, mut ids) = (Tokens::default(), Vec::new());
            plan.tokens(text, None, plain, scratch, &mut general).unwrap();
            plan.text_ids(text, plain, scratch, &mut ids).unwrap();
            assert_eq!(ids, general.ids, "{text:?}");
            let mut tokens = Tokens::default();
            let words = plan.tiles_words(true);
            if plan.tiles_words(words)
                && plan
                    .tile_tokens(text, &ids, None, (plain, words), scratch, &mut tokens)
                    .is_some()
            {
                tiled += 1;
                assert_eq!(tokens.ids, ids, "{text:?}");
                assert_eq!(tokens.spans, general.spans, "{text:?}");
                assert!(!words || tokens.words == general.words, "{text:?}");
                assert!(general.surfaces.is_empty(), "{text:?}");
            }
            let mut found = Vec::new();
            if plan.tile_chars(text, &ids, plain, None, &mut found).is_some() {
                let positions = CharPositions::new(text);
                let wanted: Vec<Span> =
                    general.spans.iter().map(|&span| positions.span(span)).collect();
                assert_eq!(found, wanted, "{text:?}");
            }
        });
        columns(tok, text, plain);
    }
    tiled
}

type Shown = fn(&Encoding) -> String;

/// Columns that are asked for alone, with ids that are known and without.
fn columns(tok: &Tokenizer, text: &str, plain: bool) {
    for special in [false, true] {
        let options = EncodeOptions {
            add_special_tokens: special,
            split_special_tokens: plain,
            ..EncodeOptions::default()
        };
        let input = (Input::Text(text), None);
        let encode = |known: Option<&[TokenId]>, wanted| {
            tok.encode_columns(input, &options, (0, 0), known, wanted).unwrap()
        };
        let whole = encode(None, Columns::ALL);
        assert_eq!(encode(Some(&whole.ids), Columns::ALL), whole);
        let shown: [(Columns, Shown); 4] = [
            (Columns::OFFSETS, |e| format!("{:?}", e.offsets)),
            (Columns::BYTE_OFFSETS, |e| format!("{:?}", e.byte_offsets)),
            (Columns::WORD_IDS, |e| format!("{:?}", e.word_ids)),
            (Columns::MARKS, |e| {
                let masks = (&e.special_tokens_mask, &e.attention_mask);
                format!("{:?} {:?} {masks:?}", e.type_ids, e.sequence_ids)
            }),
        ];
        for (wanted, shown) in shown {
            for known in [None, Some(&*whole.ids)] {
                let alone = encode(known, wanted);
                assert_eq!(alone.ids, whole.ids);
                assert_eq!(shown(&alone), shown(&whole), "{wanted:?} of {text:?}");
            }
        }
    }
}

#[test]
fn tokens_of_bytes_tile_their_text() {
    let level = |prefix: bool, regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true,
               "use_regex": regex})
    };
    let split = |behavior: &str| {
        let split = json!({"type": "Split", "pattern": {"Regex": "\\d|\\s"}, "behavior": behavior,
                           "invert": false});
        json!({"type": "Sequence", "pretokenizers": [split, level(false, true)]})
    };
    for (seed, trim) in (0..).zip([false, true]) {
        for prefix in [false, true] {
            let tok = tokenizer(bytes(&Value::Null, &level(prefix, true), trim, prefix));
            assert!(check(&tok, seed) > 70);
            let tok = tokenizer(bytes(&Value::Null, &level(prefix, false), trim, prefix));
            assert!(check(&tok, seed) > 70);
        }
        let tok = tokenizer(bytes(&json!({"type": "NFC"}), &level(false, true), trim, true));
        assert!(check(&tok, seed) > 60);
        for behavior in ["Isolated", "MergedWithPrevious", "Contiguous"] {
            assert!(
                check(&tokenizer(bytes(&Value::Null, &split(behavior), trim, true)), seed) > 70
            );
        }
        // Bytes that are dropped belong to no token.
        assert_eq!(check(&tokenizer(bytes(&Value::Null, &split("Removed"), trim, true)), seed), 0);
        let lower = json!({"type": "Lowercase"});
        check(&tokenizer(bytes(&lower, &level(true, true), trim, true)), seed);
    }
}

#[test]
fn tokens_of_characters_tile_their_text() {
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let both = json!({"type": "Sequence", "normalizers": [prepend, replace]});
    let split = json!({"type": "Split", "pattern": {"String": " "},
                       "behavior": "MergedWithPrevious", "invert": false});
    for normalizer in [Value::Null, prepend, replace, both] {
        for pre_tokenizer in [&Value::Null, &split] {
            let tok = tokenizer(chars(&normalizer, pre_tokenizer, |_| {}));
            assert!(check(&tok, 1) > 80);
        }
    }
    for scheme in ["always", "first", "never"] {
        for split in [false, true] {
            let metaspace = json!({"type": "Metaspace", "replacement": "▁", "split": split,
                                   "prepend_scheme": scheme});
            let tok = tokenizer(chars(&Value::Null, &metaspace, |_| {}));
            assert!(check(&tok, 2) > 80);
        }
    }
    let without = |model: &mut Value| model["byte_fallback"] = json!(false);
    assert!(check(&tokenizer(chars(&Value::Null, &Value::Null, without)), 3) > 40);
    let dropped = |model: &mut Value| {
        model["byte_fallback"] = json!(false);
        model["unk_token"] = Value::Null;
    };
    check(&tokenizer(chars(&Value::Null, &Value::Null, dropped)), 4);
    // What would make lengths ambiguous is no case for tiles at all.
    let whole = |model: &mut Value| model["ignore_merges"] = json!(true);
    assert_eq!(check(&tokenizer(chars(&Value::Null, &Value::Null, whole)), 5), 0);
    let suffixed = |model: &mut Value| model["end_of_word_suffix"] = json!("</w>");
    let tok = tokenizer(chars(&Value::Null, &Value::Null, suffixed));
    assert_eq!(check(&tok, 6), 0);
    let merged = |model: &mut Value| {
        model["merges"] = json!([["<0x41>", "<0x42>"]]);
        model["vocab"]["<0x41><0x42>"] = json!(400);
    };
    assert_eq!(check(&tokenizer(chars(&Value::Null, &Value::Null, merged)), 7), 0);
}

#[test]
fn words_tile_the_text_between_white_space() {
    for (lower, clean) in [(true, true), (true, false), (false, true), (false, false)] {
        for strip in [Value::Null, json!(false), json!(true)] {
            let normalizer = json!({"type": "BertNormalizer", "clean_text": clean,
                                    "handle_chinese_chars": lower, "strip_accents": strip,
                                    "lowercase": lower});
            assert!(check(&tokenizer(words(&normalizer, "[UNK]", "##")), 8) > 80);
        }
    }
    assert!(check(&tokenizer(words(&Value::Null, "[UNK]", "##")), 9) > 80);
    // Words that may be spelled as the unknown token is, or as a continuation.
    assert_eq!(check(&tokenizer(words(&Value::Null, "un", "##")), 10), 0);
    assert_eq!(check(&tokenizer(words(&Value::Null, "[UNK]", "a")), 11), 0);
}

#[test]
fn ids_that_do_not_fit_are_no_tiles() {
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tok = tokenizer(bytes(&Value::Null, &level, false, false));
    let text = "the ab";
    let mut ids = Vec::new();
    let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
    tok.encode_ids(Input::Text(text), None, &options, &mut ids).unwrap();
    let tile =
        |ids: &[TokenId]| tok.plan.tile_chars(text, ids, false, None, &mut Vec::new()).is_some();
    assert!(tile(&ids));
    assert!(!tile(&ids[1..]) && !tile(&[]) && !tile(&[&ids[..], &[5]].concat()));
    assert!(!tile(&[TokenId::MAX]) && !tile(&[270]));
}

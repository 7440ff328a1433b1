//! The fast road against the general one.

use proptest::prelude::*;

use crate::model::{Model, Vocab, WordPiece, WordPieceOptions};
use crate::normalize::{BertNormalizer, Normalizer};
use crate::pretokenize::PreTokenizer;
use crate::tokenizer::{EncodeOptions, Input, Tokenizer, TokenizerBuilder};

/// Every combination of options, and no normaliser at all.
fn options() -> Vec<Option<BertNormalizer>> {
    let mut all = vec![None];
    for bits in 0..24 {
        all.push(Some(BertNormalizer {
            clean_text: bits & 1 == 0,
            handle_chinese_chars: bits & 2 == 0,
            lowercase: bits & 4 == 0,
            strip_accents: [None, Some(true), Some(false)][bits >> 3],
        }));
    }
    all
}

/// A tokenizer that tells characters apart: each of some, at the start of a word and inside, and words.
fn tokenizer(options: Option<BertNormalizer>, limit: usize) -> Tokenizer {
    let chars = ('!'..='~').chain("éèçñüßæœабвгийёαβγςσάאبתकाि가각각ㄱ漢字かなガ々，。！—…\u{300}\u{301}\u{302e}\u{ad}\u{a0}𠀀😀İıſK".chars());
    let mut tokens = vec!["[UNK]".to_owned()];
    for c in chars.chain('\u{1100}'..='\u{11FF}') {
        // A few may not stand inside of words, so that some words are unknown.
        tokens.push(c.to_string());
        if !"qxQX".contains(c) {
            tokens.push(format!("##{c}"));
        }
    }
    tokens.extend(
        ["the", "##ing", "hello", "Hello", "don", "привет", "##вет", "漢字", "##ab", "abc"]
            .map(String::from),
    );
    tokens.sort_unstable();
    tokens.dedup();
    let entries = (0..).zip(tokens).map(|(id, token)| (token, id)).collect();
    let options_of_model =
        WordPieceOptions { max_input_chars_per_word: limit, ..WordPieceOptions::default() };
    let model = WordPiece::new(Vocab::new(entries).unwrap(), options_of_model).unwrap();
    let mut declared = TokenizerBuilder::new(Model::WordPiece(model));
    declared.normalizer = options.map(Normalizer::Bert);
    declared.pre_tokenizer = Some(PreTokenizer::Bert);
    let tokenizer = Tokenizer::build(declared).unwrap();
    assert_eq!(tokenizer.road().0, "fast: stretches between white space");
    tokenizer
}

fn check(tokenizer: &Tokenizer, text: &str) {
    let options = EncodeOptions::default();
    let twin = tokenizer.encode(Input::Text(text), None, &options).unwrap().ids;
    // Once to learn, once from memory.
    for _ in 0..2 {
        let mut ids = Vec::new();
        tokenizer.encode_ids(Input::Text(text), None, &options, &mut ids).unwrap();
        let start: String = text.chars().take(300).collect();
        assert!(ids == twin, "{:?} {start:?}", tokenizer.declaration().normalizer);
    }
}

#[test]
fn every_code_point_in_several_contexts() {
    // Every one with the options of most models, those of the planes with letters by all options.
    for (index, options) in options().into_iter().enumerate() {
        let tokenizer = tokenizer(options, 100);
        let last = match index {
            1 => char::MAX,
            0 | 5 | 14 => '\u{1_FFFF}',
            _ => '\u{3400}',
        };
        let mut text = String::new();
        for c in '\0'..=last {
            text.extend([c, ' ', 'a', c, '\u{301}', 'b', ' ', '\u{302e}', c, '.', '\n']);
            if text.len() > 1 << 14 {
                check(&tokenizer, &text);
                text.clear();
            }
        }
        check(&tokenizer, &text);
    }
}

#[test]
fn lengths_around_those_of_keys_words_and_blocks() {
    for (options, limit) in
        [(Some(BertNormalizer::default()), 100), (None, 10), (options()[5].clone(), 0)]
    {
        let tokenizer = tokenizer(options, limit);
        for length in (0..140).chain([1000, 2047, 2048, 2049, 5000]) {
            for part in
                ["a", "é", "漢", "가", "!", "A", "q", "x,", "\u{301}a", "😀", "\u{9cb}", "\u{7f}"]
            {
                let run = part.repeat(length);
                check(&tokenizer, &run);
                check(&tokenizer, &format!("{run} {run}, {run}\n"));
                check(&tokenizer, &format!("the {run}the"));
            }
        }
    }
}

#[test]
fn what_is_remembered_is_what_was_found() {
    // More stretches than any tier holds, so that some leave and come back.
    let tokenizer = tokenizer(Some(BertNormalizer::default()), 100);
    let mut text = String::new();
    for number in 0..400_000_u32 {
        let number = number.wrapping_mul(0x9E37_79B1) % 300_000;
        let rest = ["", "!", "-the-hello-hello", "привет,привет", "a.b.c.d"][number as usize % 5];
        let digits = format!("{number:x}");
        text.extend([&digits, rest, " "]);
        if text.len() > 1 << 16 {
            check(&tokenizer, &text);
            text.clear();
        }
    }
}

proptest! {
    #[test]
    fn random_text_has_the_ids_of_the_general_road(
        index in 0..25_usize,
        limit in prop_oneof![Just(100_usize), 0..12_usize],
        texts in proptest::collection::vec(
            prop_oneof![
                "([a-cA-CQqx!.,' \t\u{b}\u{0}éÉП漢가\u{301}\u{302e}\u{323}\u{ad}]{0,20} ?){0,12}",
                "([a-zA-Z0-9._/-]{1,70} ?){0,6}",
                "(\\PC{0,12}[ \n]){0,8}",
                "([\u{900}-\u{980}\u{9c7}-\u{9cd}\u{ac00}-\u{ad00}\u{1100}-\u{11ff}\u{f900}-\u{faff}\u{20000}-\u{20010}\u{2f800}-\u{2fa1f}]{0,9} ?){0,9}",
            ], 1..4),
    ) {
        let tokenizer = tokenizer(options()[index].clone(), limit);
        for text in &texts {
            check(&tokenizer, text);
        }
    }
}

//! Tokenizers as wholes: both roads, batches and threads, truncation and padding, decoding, budgets.
//!
//! The tokenizers are trained here, on the texts that ship with the repository.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use proptest::prelude::*;
use subtok::{
    AddedToken, BatchRow, BertNormalizer, BpeTrainConfig, Counter, Direction, EncodeOptions,
    ErrorKind, Input, Manifest, Normalizer, PaddingParams, PaddingStrategy, PreTokenizer, Span,
    Tokenizer, TruncationParams, UnknownIds, WordPieceTrainConfig, train_bpe, train_wordpiece,
};

const FILES: [&str; 4] = [
    "en_austen_persuasion.txt",
    "de_aphorisms.txt",
    "ko_constitution.txt",
    "zh_shanhaijing_shiji.txt",
];

static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/text/");
    FILES.iter().map(|name| std::fs::read_to_string(format!("{folder}{name}")).unwrap()).collect()
});

/// Documents of a few lines.
fn documents() -> Vec<&'static str> {
    let cut = |text: &'static String| {
        let mut rest = text.as_str();
        std::iter::from_fn(move || {
            let end = rest.char_indices().filter(|&(_, c)| c == '\n').nth(4);
            let (document, tail) = rest.split_at(end.map_or(rest.len(), |(at, _)| at + 1));
            rest = tail;
            (!document.is_empty()).then_some(document)
        })
    };
    TEXTS.iter().flat_map(cut).collect()
}

fn counted(normalizer: Option<Normalizer>, pre_tokenizer: &PreTokenizer) -> subtok::Counts {
    let counter = Counter::new(normalizer, pre_tokenizer, Manifest::default(), Some(1)).unwrap();
    counter.count_texts(TEXTS.iter().map(String::as_str)).unwrap()
}

fn bpe(pattern: &str) -> Tokenizer {
    let pre_tokenizer = PreTokenizer::by_name(pattern).unwrap();
    let config = BpeTrainConfig {
        vocab_size: 2_000,
        special_tokens: vec!["<|end|>".to_owned(), "<|pad|>".to_owned()],
        ..BpeTrainConfig::default()
    };
    let counts = counted(None, &pre_tokenizer);
    let mut silent = |_, _, _| ControlFlow::Continue(());
    train_bpe(&counts, None, pre_tokenizer, &config, &mut silent).unwrap().0
}

fn wordpiece() -> Tokenizer {
    let normalizer = Some(Normalizer::Bert(BertNormalizer::default()));
    let counts = counted(normalizer.clone(), &PreTokenizer::Bert);
    let config = WordPieceTrainConfig { vocab_size: 4_000, ..WordPieceTrainConfig::default() };
    let mut silent = |_, _, _| ControlFlow::Continue(());
    train_wordpiece(&counts, normalizer, &config, &mut silent).unwrap().0
}

static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let mut mask = AddedToken::new("<mask>", true);
    mask.lstrip = true;
    let mut plain = AddedToken::new("Wentworth", false);
    plain.single_word = true;
    let with_added = bpe("gpt2").with_added_tokens([mask.clone(), plain]).unwrap();
    let prefixed = {
        let mut declared = bpe("gpt2").declaration().clone();
        declared.pre_tokenizer = Some(PreTokenizer::ByteLevel {
            add_prefix_space: true,
            trim_offsets: true,
            use_regex: true,
        });
        Tokenizer::build(declared).unwrap()
    };
    let normalized = wordpiece().with_added_tokens([AddedToken::new("Anne", false)]).unwrap();
    let masked = wordpiece().with_added_tokens([mask]).unwrap();
    vec![
        bpe("gpt2"),
        bpe("cl100k_base"),
        bpe("o200k_base"),
        with_added,
        prefixed,
        masked,
        normalized,
    ]
});

fn ids(tokenizer: &Tokenizer, text: &str, options: &EncodeOptions) -> Vec<u32> {
    let mut ids = Vec::new();
    tokenizer.encode_ids(Input::Text(text), None, options, &mut ids).unwrap();
    ids
}

fn plain() -> EncodeOptions {
    EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() }
}

const NASTY: &[&str] = &[
    "",
    " ",
    "\n",
    "a",
    "é",
    "e\u{301}",
    "한국어 中文",
    "<|end|>",
    " <mask> <mask>x",
    "Wentworths Wentworth",
    "anne ANNE Anne's",
    "\u{0}\u{7f}\u{85}\u{ad}",
    "İſK",
    "'s 'S don't",
    "1234567 ½",
    "\r\n \n\t x  ",
    "😀👨‍👩‍👧",
];

#[test]
fn both_roads_give_the_same_ids() {
    for tokenizer in TOKENIZERS.iter() {
        for text in documents().into_iter().step_by(7).chain(NASTY.iter().copied()) {
            for split_special_tokens in [false, true] {
                let options = EncodeOptions { split_special_tokens, ..EncodeOptions::default() };
                let full = tokenizer.encode(Input::Text(text), None, &options).unwrap();
                assert_eq!(ids(tokenizer, text, &options), full.ids, "{text:?}");
            }
        }
    }
}

#[test]
fn spans_are_whole_characters_in_order_and_spell_the_token() {
    let tokenizer = &TOKENIZERS[0];
    for text in documents().into_iter().step_by(11).chain(NASTY.iter().copied()) {
        let full = tokenizer.encode(Input::Text(text), None, &plain()).unwrap();
        let chars: Vec<char> = text.chars().collect();
        for (index, (bytes, chars_of)) in full.byte_offsets.iter().zip(&full.offsets).enumerate() {
            let slice = &text[bytes.range()];
            assert_eq!(slice, chars[chars_of.range()].iter().collect::<String>());
            let token = tokenizer.token_bytes(full.ids[index]).unwrap();
            assert!(slice.as_bytes().windows(token.len()).any(|window| window == token));
        }
    }
}

#[test]
fn batches_equal_single_calls_for_any_number_of_threads() {
    let documents = documents();
    let rows: Vec<BatchRow<'_>> =
        documents.iter().map(|text| BatchRow { input: Input::Text(text), pair: None }).collect();
    for tokenizer in [&TOKENIZERS[0], &TOKENIZERS[5]] {
        let options = EncodeOptions::default();
        let one = tokenizer.encode_batch(&rows, &options, 1, &mut || Ok(())).unwrap();
        for threads in [2, 3, 8] {
            let many = tokenizer.encode_batch(&rows, &options, threads, &mut || Ok(())).unwrap();
            assert_eq!(one, many);
        }
        for (index, text) in documents.iter().enumerate().step_by(13) {
            assert_eq!(one.row(index).unwrap(), ids(tokenizer, text, &options));
        }
        assert_eq!(one.len(), rows.len());
    }
}

#[test]
fn a_batch_stops_when_the_caller_wants_to() {
    let documents = documents();
    let rows: Vec<BatchRow<'_>> =
        documents.iter().map(|text| BatchRow { input: Input::Text(text), pair: None }).collect();
    for threads in [1, 2] {
        let stop = &mut || Err(subtok::Error::Interrupted);
        let result = TOKENIZERS[0].encode_batch(&rows, &plain(), threads, stop).map(|_| ());
        assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::Interrupted));
    }
}

#[test]
fn truncation_keeps_windows_and_padding_fills_rows() {
    let tokenizer = &TOKENIZERS[5];
    let text = documents()[3];
    let all = ids(tokenizer, text, &plain());
    for direction in [Direction::Right, Direction::Left] {
        let truncation = TruncationParams {
            max_length: 12,
            stride: 3,
            direction,
            ..TruncationParams::default()
        };
        let options = EncodeOptions { truncation: Some(truncation), ..EncodeOptions::default() };
        let full = tokenizer.encode(Input::Text(text), None, &options).unwrap();
        let kept = if direction == Direction::Right { &all[..10] } else { &all[all.len() - 10..] };
        assert_eq!(&full.ids[1..11], kept);
        assert_eq!(full.ids, ids(tokenizer, text, &options));
        let covered: usize =
            10 + full.overflowing.iter().map(|part| part.len() - 2 - 3).sum::<usize>();
        assert_eq!(covered, all.len());
        let padding = PaddingParams {
            strategy: PaddingStrategy::Fixed(16),
            direction,
            ..PaddingParams::default()
        };
        let options = EncodeOptions { padding: Some(padding), ..options };
        let padded = tokenizer.encode(Input::Text(text), None, &options).unwrap();
        assert_eq!(padded.len(), 16);
        assert_eq!(padded.attention_mask.iter().sum::<u32>(), 12);
        assert!(padded.overflowing.iter().all(|part| part.len() == 16));
        assert_eq!(padded.ids, ids(tokenizer, text, &options));
    }
}

#[test]
fn impossible_options_are_errors_even_for_short_texts() {
    let tokenizer = &TOKENIZERS[5];
    let truncated = |max_length, stride| {
        let truncation = TruncationParams { max_length, stride, ..TruncationParams::default() };
        let options = EncodeOptions { truncation: Some(truncation), ..EncodeOptions::default() };
        tokenizer.encode(Input::Text("a"), None, &options).unwrap_err()
    };
    assert_eq!(
        truncated(1, 0).to_string(),
        "max_length is 1, but must be at least 2, the number of special tokens"
    );
    assert_eq!(truncated(5, 3).kind(), ErrorKind::Argument);
    let padding =
        PaddingParams { strategy: PaddingStrategy::Fixed(1 << 40), ..PaddingParams::default() };
    let options = EncodeOptions { padding: Some(padding), ..EncodeOptions::default() };
    let error = tokenizer.encode(Input::Text("a"), None, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn words_keep_their_numbers_and_count_offsets_from_their_own_start() {
    let words = ["Hello", "", "wörld", "x"];
    for tokenizer in TOKENIZERS.iter() {
        let full = tokenizer.encode(Input::Words(&words), None, &plain()).unwrap();
        let single: Vec<u32> =
            words.iter().flat_map(|word| ids(tokenizer, word, &plain())).collect();
        assert_eq!(full.ids, single);
        assert_eq!(full.word_ids.last(), Some(&3));
        assert_eq!(full.offsets.last(), Some(&Span { start: 0, end: 1 }));
    }
}

#[test]
fn maps_between_characters_words_and_tokens() {
    let tokenizer = &TOKENIZERS[5];
    let full = tokenizer
        .encode(
            Input::Text("Anne walked"),
            Some(Input::Text("he spoke")),
            &EncodeOptions::default(),
        )
        .unwrap();
    let token = full.char_to_token(5, 0).unwrap();
    assert_eq!(full.token_to_word(token), Some((0, 1)));
    let (start, end) = full.word_to_tokens(1, 0).unwrap();
    assert!((start..end).contains(&token));
    assert_eq!(full.word_to_chars(1, 0), Some(Span { start: 5, end: 11 }));
    let second = full.char_to_token(0, 1).unwrap();
    assert_eq!(full.token_to_chars(second), Some((1, Span { start: 0, end: 2 })));
    assert_eq!(full.token_to_sequence(0), None);
    assert_eq!(full.char_to_token(99, 0), None);
}

#[test]
fn decoding_gives_the_text_back_in_one_call_and_in_steps() {
    for tokenizer in &TOKENIZERS[..3] {
        for text in documents().into_iter().step_by(9).chain(NASTY.iter().copied()) {
            let ids = ids(tokenizer, text, &plain());
            assert_eq!(tokenizer.decode(&ids, false, UnknownIds::Error).unwrap(), text);
            assert_eq!(tokenizer.decode_bytes(&ids).unwrap(), text.as_bytes());
            let mut stream = tokenizer.stream(false);
            let mut steps: String = ids.iter().map(|&id| stream.step(id).unwrap()).collect();
            steps.push_str(&stream.finish().unwrap());
            assert_eq!(steps, text);
            let (decoded, starts) = tokenizer.decode_with_offsets(&ids).unwrap();
            assert_eq!((decoded.as_str(), starts.len()), (text, ids.len()));
        }
    }
}

#[test]
fn unknown_ids_are_errors_with_their_position_or_skipped() {
    let tokenizer = &TOKENIZERS[0];
    let [known] = ids(tokenizer, "a", &plain())[..] else { panic!("one token") };
    let error = tokenizer.decode(&[known, 70_000], true, UnknownIds::Error).unwrap_err();
    assert_eq!(error.to_string(), "id 70000 at position 1 is not in the vocabulary of 2000 ids");
    assert_eq!(tokenizer.decode(&[known, 70_000, known], true, UnknownIds::Skip).unwrap(), "aa");
    let mut stream = tokenizer.stream(true);
    assert!(stream.step(70_000).is_err());
    assert_eq!(stream.step(known).unwrap(), "a");
}

#[test]
fn prefixes_and_chunks_fit_their_budget_and_cover_the_text() {
    let count = |tokenizer: &Tokenizer, text: &str| tokenizer.count(text, &plain()).unwrap();
    for tokenizer in [&TOKENIZERS[0], &TOKENIZERS[1], &TOKENIZERS[5]] {
        for text in documents().into_iter().step_by(29) {
            let chars: Vec<char> = text.chars().collect();
            for budget in [1, 2, 7, 50] {
                let prefix = tokenizer.truncate(text, budget).unwrap();
                assert!(text.starts_with(prefix) && count(tokenizer, prefix) <= budget);
                let chunks = tokenizer.chunk(text, budget, 0).unwrap();
                let mut done = 0;
                for &(start, end) in &chunks {
                    assert_eq!(start, done);
                    let chunk: String = chars[start..end].iter().collect();
                    assert!(count(tokenizer, &chunk) <= budget || end - start == 1, "{chunk:?}");
                    done = end;
                }
                assert_eq!(done, chars.len());
            }
        }
        assert_eq!(tokenizer.chunk("", 5, 2).unwrap(), []);
        assert_eq!(tokenizer.chunk("a", 0, 0).unwrap_err().kind(), ErrorKind::Argument);
        assert_eq!(tokenizer.chunk("a", 2, 2).unwrap_err().kind(), ErrorKind::Argument);
    }
}

#[test]
fn caches_are_bounded_counted_and_cleared() {
    let tokenizer = bpe("gpt2");
    assert_eq!(tokenizer.cache_stats().0, 0);
    let text = "Annex Annex Annex";
    let once = ids(&tokenizer, text, &plain());
    let (caches, stats) = tokenizer.cache_stats();
    assert_eq!(caches, 1);
    assert!(stats.misses >= 1 && stats.hits >= 1, "{stats:?}");
    tokenizer.cache_clear();
    assert_eq!(tokenizer.cache_stats().0, 0);
    assert_eq!(ids(&tokenizer, text, &plain()), once);
}

#[test]
fn tokenizers_cross_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Tokenizer>();
    check::<subtok::Encoding>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_survives_both_roads(
        parts in prop::collection::vec(prop_oneof![
            prop::sample::select(NASTY).prop_map(str::to_owned),
            any::<String>(),
            "[a-zA-Z ,.]{1,20}",
        ], 0..8),
    ) {
        let text = parts.concat();
        for tokenizer in TOKENIZERS.iter() {
            let full = tokenizer.encode(Input::Text(&text), None, &EncodeOptions::default()).unwrap();
            prop_assert_eq!(&ids(tokenizer, &text, &EncodeOptions::default()), &full.ids);
        }
        let ids = ids(&TOKENIZERS[0], &text, &plain());
        prop_assert_eq!(TOKENIZERS[0].decode(&ids, false, UnknownIds::Error).unwrap(), text);
    }
}

/// White space is a border only where no normaliser writes, spells or looks across it.
#[test]
fn wordpiece_behind_any_normalizer_takes_both_roads_alike() {
    let plain = wordpiece();
    for normalizer in [
        Normalizer::ByteLevel,
        Normalizer::Prepend("ab".to_owned()),
        Normalizer::Lowercase,
        Normalizer::Strip { left: true, right: true },
        Normalizer::Nmt,
    ] {
        let mut declared = plain.declaration().clone();
        declared.normalizer = Some(normalizer.clone());
        declared.added_tokens.clear();
        declared.post_processor = None;
        let tokenizer = Tokenizer::build(declared).unwrap();
        for text in documents().into_iter().take(20) {
            let options = EncodeOptions::default();
            let mut ids = Vec::new();
            tokenizer.encode_ids(Input::Text(text), None, &options, &mut ids).unwrap();
            let encoding = tokenizer.encode(Input::Text(text), None, &options).unwrap();
            assert_eq!(ids, encoding.ids, "{normalizer:?}");
        }
    }
}

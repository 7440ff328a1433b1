//! What the fuzz targets do with their input. `tests/rust/fuzz_replay.rs` runs the same functions on
//! the corpus, so that ordinary tests hold what fuzzing has found. Each says whether the input was
//! taken or refused.
//!
//! Where a target takes two things, the first line is the one (a component's JSON, a pattern) and
//! what follows is the other (a text).

use std::sync::OnceLock;

use subtok::pretokenize_reference::Twins;
use subtok::{
    Aligned, Bpe, BpeOptions, DecodeStream, Dialect, EncodeOptions, Encoding, Input, Model,
    PreTokenizer, Regex, Tokenizer, TokenizerBuilder, TruncationParams, UnknownIds,
    VocabTxtOptions, decode_tokens, decoder_from_json, decoder_to_json, from_bpe_bytes, from_json,
    from_tekken, from_vocab_txt, normalizer_from_json, normalizer_to_json,
    post_processor_from_json, post_processor_to_json, pre_tokenizer_from_json,
    pre_tokenizer_to_json, read_sentencepiece, read_tiktoken, to_json,
};

const SMALL_BPE: &str = include_str!("../tests/data/small_bpe.json");

/// The scanners against the regex engine, and the fast road against the general one.
pub(crate) fn encode_vs_reference(data: &[u8]) -> bool {
    static SPLITTERS: OnceLock<Vec<Twins>> = OnceLock::new();
    static TOKENIZERS: OnceLock<[Tokenizer; 2]> = OnceLock::new();
    let tokenizers = TOKENIZERS
        .get_or_init(|| [SMALL_BPE, include_str!("../tests/data/small_wordpiece.json")].map(built));
    let text = String::from_utf8_lossy(data);
    for twins in SPLITTERS.get_or_init(|| Twins::all().unwrap()) {
        if let Ok((fast, slow)) = twins.pieces(&text) {
            assert_eq!(fast, slow, "{}", twins.pattern);
        }
    }
    for tokenizer in tokenizers {
        use_it(tokenizer, &text);
    }
    true
}

/// Any text through tokenizers of many kinds.
pub(crate) fn encode_pipelines(data: &[u8]) -> bool {
    macro_rules! pipelines {
        ($($name:literal)*) => {
            [$(include_str!(concat!("../tests/data/pipelines/", $name, ".json"))),*].map(built)
        };
    }
    static TOKENIZERS: OnceLock<[Tokenizer; 10]> = OnceLock::new();
    let tokenizers = TOKENIZERS.get_or_init(|| {
        pipelines! {
            "bpe_byte_fallback" "bpe_suffix" "bpe_affixes" "bpe_ignore_merges" "bpe_normalized_bytes"
            "unigram_precompiled" "unigram_bytes" "wordlevel" "wordpiece_digits" "characters"
        }
    });
    let text = String::from_utf8_lossy(data);
    for tokenizer in tokenizers {
        use_it(tokenizer, &text);
    }
    true
}

/// A `tokenizer.json`: refused, or built, used, written and read back.
pub(crate) fn load_json(data: &[u8]) -> bool {
    let Ok(tokenizer) = from_json(data).and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    if let Ok(json) = to_json(&tokenizer, false) {
        let again = from_json(json.as_bytes()).and_then(Tokenizer::build).unwrap();
        assert_eq!(to_json(&again, false).unwrap(), json);
        assert_eq!(ids(&again, TEXT), ids(&tokenizer, TEXT));
    }
    true
}

/// A rank file: refused, or built and used.
pub(crate) fn load_tiktoken(data: &[u8]) -> bool {
    let Ok(model) = read_tiktoken(data).and_then(|ranks| Bpe::from_ranks(&ranks, &[])) else {
        return false;
    };
    let declared = TokenizerBuilder {
        pre_tokenizer: Some(PreTokenizer::by_name("cl100k_base").unwrap()),
        ..TokenizerBuilder::new(Model::Bpe(model))
    };
    let Ok(tokenizer) = Tokenizer::build(declared) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

/// A `vocab.txt`: refused, or built and used.
pub(crate) fn load_vocab(data: &[u8]) -> bool {
    let declared = from_vocab_txt(data, &VocabTxtOptions::default());
    let Ok(tokenizer) = declared.and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

/// A `vocab.json` up to an empty line, and a `merges.txt` behind it: refused, or built and used.
pub(crate) fn load_bpe(data: &[u8]) -> bool {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (vocab, merges) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    let split = PreTokenizer::by_name("gpt2").unwrap();
    let declared = from_bpe_bytes(vocab, merges, split, BpeOptions::default());
    let Ok(tokenizer) = declared.and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

/// A sentencepiece `.model`: refused, or built and used.
pub(crate) fn load_sentencepiece(data: &[u8]) -> bool {
    let declared = read_sentencepiece(data);
    let Ok(tokenizer) = declared.and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    let _ = to_json(&tokenizer, false);
    true
}

/// A `tekken.json`: refused, or built and used.
pub(crate) fn load_tekken(data: &[u8]) -> bool {
    let Ok(tokenizer) = from_tekken(data).and_then(Tokenizer::build) else { return false };
    use_it(&tokenizer, TEXT);
    true
}

/// A pattern of either dialect: matches come in order, and never end within a character.
pub(crate) fn regex(data: &[u8]) -> bool {
    let Some((pattern, text)) = two(data) else { return false };
    let mut taken = false;
    for dialect in [Dialect::Tiktoken, Dialect::TokenizerJson] {
        let Ok(regex) = Regex::new(pattern, dialect) else { continue };
        taken = true;
        let mut done = 0;
        let _ = regex.for_each_match(text, |start, end| {
            assert!(done <= start && start <= end, "{start}..{end} behind {done}");
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end));
            done = end;
        });
    }
    taken
}

/// A normalizer: the same text on both roads, and each character from whole ones of the source.
pub(crate) fn normalizer(data: &[u8]) -> bool {
    let Some((json, text)) = two(data) else { return false };
    let Ok(normalizer) = normalizer_from_json(json) else { return false };
    let written = normalizer_to_json(normalizer.as_ref()).unwrap();
    let Some(normalizer) = normalizer else { return true };
    assert_eq!(normalizer_from_json(&written).unwrap().as_ref(), Some(&normalizer));
    let (mut plain, mut aligned) = (String::new(), Aligned::default());
    let (one, other) = (
        normalizer.normalize_into(text, &mut plain),
        normalizer.normalize_aligned(text, &mut aligned),
    );
    assert_eq!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    if one.is_ok() {
        assert_eq!(plain, aligned.text);
        assert_eq!(aligned.origins.len(), plain.len());
        for (at, c) in plain.char_indices() {
            let origins = &aligned.origins[at..at + c.len_utf8()];
            assert!(origins.iter().all(|origin| *origin == origins[0]));
            let (start, end) = (origins[0].start as usize, origins[0].end as usize);
            assert!(text.get(start..end).is_some(), "{c:?} at {at} came from {start}..{end}");
        }
    }
    true
}

/// A pre-tokenizer, in front of models of both alphabets: both roads agree.
pub(crate) fn pre_tokenizer(data: &[u8]) -> bool {
    let Some((json, text)) = two(data) else { return false };
    let Ok(pre_tokenizer) = pre_tokenizer_from_json(json) else { return false };
    let Some(pre_tokenizer) = pre_tokenizer else { return true };
    let written = pre_tokenizer_to_json(&pre_tokenizer).unwrap();
    assert_eq!(pre_tokenizer_from_json(&written).unwrap().as_ref(), Some(&pre_tokenizer));
    let unigram =
        r#"{"type":"Unigram","unk_id":0,"vocab":[["?",-9],["a",-2],["b",-2],["ab",-3]]}}"#;
    let bpe = SMALL_BPE.find(r#""model":"#).map(|at| &SMALL_BPE[at + 8..]).unwrap();
    let mut taken = false;
    for model in [unigram, bpe] {
        let document = format!(r#"{{"pre_tokenizer":{written},"model":{model}"#);
        let declared = from_json(document.as_bytes()).unwrap();
        if let Ok(tokenizer) = Tokenizer::build(declared) {
            use_it(&tokenizer, text);
            taken = true;
        }
    }
    taken
}

/// A post-processor: both roads agree, for pairs and cut rows too.
pub(crate) fn post_processor(data: &[u8]) -> bool {
    static DECLARED: OnceLock<TokenizerBuilder> = OnceLock::new();
    let Some((json, text)) = two(data) else { return false };
    let Ok(post_processor) = post_processor_from_json(json) else { return false };
    let Some(post_processor) = post_processor else { return true };
    let written = post_processor_to_json(&post_processor).unwrap();
    assert_eq!(post_processor_from_json(&written).unwrap().as_ref(), Some(&post_processor));
    let declared = DECLARED.get_or_init(|| from_json(SMALL_BPE.as_bytes()).unwrap());
    let declared = TokenizerBuilder { post_processor: Some(post_processor), ..declared.clone() };
    let Ok(tokenizer) = Tokenizer::build(declared) else { return false };
    use_it(&tokenizer, text);
    true
}

/// A decoder with tokens, one on each line: a stream gives what the whole gives.
pub(crate) fn decoder(data: &[u8]) -> bool {
    let Some((json, text)) = two(data) else { return false };
    let Ok(decoder) = decoder_from_json(json) else { return false };
    if let Some(decoder) = &decoder {
        let written = decoder_to_json(decoder).unwrap();
        assert_eq!(decoder_from_json(&written).unwrap().as_ref(), Some(decoder));
    }
    let tokens: Vec<&str> = text.lines().collect();
    let whole = decode_tokens(decoder.as_ref(), tokens.iter().copied());
    let stream = DecodeStream::new(decoder.as_ref()).and_then(|mut stream| {
        let mut out = String::new();
        tokens.iter().try_for_each(|token| stream.step(token, &mut out))?;
        stream.finish(&mut out)?;
        Ok(out)
    });
    match (whole, stream) {
        (Ok(whole), Ok(stream)) => assert_eq!(whole, stream),
        // What may be written depends on how much has come, and only a stream does not know it yet.
        (whole, _) => return whole.is_ok(),
    }
    true
}

const TEXT: &str = "The Grüße, 안녕 世界 don't  \u{301}x1234\r\n [CLS] low lower lowest";

fn built(json: &str) -> Tokenizer {
    Tokenizer::build(from_json(json.as_bytes()).unwrap()).unwrap()
}

/// The first line and the rest.
fn two(data: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(data).ok()?.split_once('\n')
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Option<Vec<u32>> {
    ids_with(tokenizer, text, None, &EncodeOptions::default())
}

fn ids_with(
    tokenizer: &Tokenizer,
    text: &str,
    pair: Option<&str>,
    options: &EncodeOptions,
) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    tokenizer
        .encode_ids(Input::Text(text), pair.map(Input::Text), options, &mut found)
        .ok()
        .map(|()| found)
}

/// Both roads give the same ids, the second time too, and what they give can be decoded: a stream
/// gives what the whole gives.
fn use_it(tokenizer: &Tokenizer, text: &str) {
    let plain = EncodeOptions::default();
    let truncation = TruncationParams { max_length: 9, stride: 2, ..TruncationParams::default() };
    let cut = EncodeOptions { truncation: Some(truncation), ..plain.clone() };
    for (options, pair) in [(&plain, None), (&plain, Some(TEXT)), (&cut, None), (&cut, Some(TEXT))]
    {
        let fast = ids_with(tokenizer, text, pair, options);
        let pair_input = pair.map(Input::Text);
        let general = tokenizer.encode(Input::Text(text), pair_input, options).ok();
        if let Some(encoding) = &general {
            check(encoding);
        }
        assert_eq!(fast, general.map(|encoding| encoding.ids));
        assert_eq!(fast, ids_with(tokenizer, text, pair, options));
    }
    let Some(ids) = ids(tokenizer, text) else { return };
    for skip in [false, true] {
        let whole = tokenizer.decode(&ids, skip, UnknownIds::Error);
        let mut stream = tokenizer.stream(skip);
        let steps: subtok::Result<String> = ids.iter().map(|&id| stream.step(id)).collect();
        let stream = steps.and_then(|steps| Ok(steps + &stream.finish()?));
        if let (Ok(whole), Ok(stream)) = (whole, stream) {
            assert_eq!(whole, stream);
        }
    }
    let _ = tokenizer.decode_bytes(&ids);
    let _ = tokenizer.decode_with_offsets(&ids);
}

/// All columns are equally long, and so are those of the overflowing parts.
fn check(encoding: &Encoding) {
    let length = encoding.ids.len();
    let Encoding { type_ids, tokens, offsets, byte_offsets, word_ids, .. } = encoding;
    let columns = [type_ids.len(), tokens.len(), offsets.len(), byte_offsets.len(), word_ids.len()];
    assert_eq!(columns, [length; 5]);
    let Encoding { sequence_ids, special_tokens_mask, attention_mask, .. } = encoding;
    let columns = [sequence_ids.len(), special_tokens_mask.len(), attention_mask.len()];
    assert_eq!(columns, [length; 3]);
    encoding.overflowing.iter().for_each(check);
}

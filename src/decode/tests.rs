//! Decoders against the reference's rules, streams against whole sequences.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::unicode::byte_level::spell;

fn byte_level() -> Decoder {
    Decoder::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: true }
}

fn wordpiece(cleanup: bool) -> Decoder {
    Decoder::WordPiece { prefix: "##".to_owned(), cleanup }
}

fn streamed(decoder: Option<&Decoder>, tokens: &[&str]) -> String {
    let mut stream = DecodeStream::new(decoder).unwrap();
    let mut out = String::new();
    for token in tokens {
        stream.step(token, &mut out).unwrap();
    }
    stream.finish(&mut out).unwrap();
    out
}

fn decode_tokens<'a>(
    decoder: Option<&Decoder>,
    tokens: impl IntoIterator<Item = &'a str>,
) -> String {
    super::decode_tokens(decoder, tokens).unwrap()
}

/// The reference's cleanup, word for word.
fn naive_wordpiece(tokens: &[&str], prefix: &str) -> String {
    let mut out = String::new();
    for (index, token) in tokens.iter().enumerate() {
        let mut text = match token.strip_prefix(prefix) {
            _ if index == 0 => (*token).to_owned(),
            Some(rest) => rest.to_owned(),
            None => format!(" {token}"),
        };
        for (from, to) in [
            (" .", "."),
            (" ?", "?"),
            (" !", "!"),
            (" ,", ","),
            (" ' ", "'"),
            (" n't", "n't"),
            (" 'm", "'m"),
            (" do not", " don't"),
            (" 's", "'s"),
            (" 've", "'ve"),
            (" 're", "'re"),
        ] {
            text = text.replace(from, to);
        }
        out.push_str(&text);
    }
    out
}

#[test]
fn without_a_decoder_tokens_are_joined_by_spaces() {
    assert_eq!(decode_tokens(None, ["a", "", "b"]), "a  b");
    assert_eq!(decode_tokens(None, []), "");
    assert_eq!(streamed(None, &["a", "", "b"]), "a  b");
}

#[test]
fn byte_level_joins_bytes_before_it_reads_characters() {
    let decoder = byte_level();
    assert_eq!(
        decode_tokens(Some(&decoder), ["ĠH", "Ã", "©", "<|end of text|>"]),
        " Hé<|end of text|>"
    );
    // Half a character at the end, and a byte that never starts one.
    assert_eq!(decode_tokens(Some(&decoder), ["aÃ"]), "a\u{FFFD}");
    assert_eq!(decode_tokens(Some(&decoder), ["ÿ", "a"]), "\u{FFFD}a");
}

#[test]
fn a_token_outside_the_alphabet_stands_for_itself() {
    let mut out = b"x".to_vec();
    token_to_bytes("Ġé ", &mut out);
    assert_eq!(out, "xĠé ".as_bytes());
    token_to_bytes("Ã©", &mut out);
    assert_eq!(out, "xĠé é".as_bytes());
}

#[test]
fn wordpiece_glues_prefixed_tokens_and_keeps_the_first_as_it_is() {
    let tokens = ["##uelo", "Ara", "##új", "##o", "No", "##guera"];
    assert_eq!(decode_tokens(Some(&wordpiece(false)), tokens), "##uelo Araújo Noguera");
}

#[test]
fn wordpiece_cleans_up_token_by_token() {
    let decoder = wordpiece(true);
    let tokens = ["I", "'m", ".", "do not", "n't", "x", "'s", "do", "not", "a . b"];
    assert_eq!(decode_tokens(Some(&decoder), tokens), "I'm. don'tn't x's do not a. b");
}

#[test]
fn a_stream_holds_half_characters_back() {
    let mut stream = DecodeStream::new(Some(&byte_level())).unwrap();
    let mut step = |token: &str| {
        let mut out = String::new();
        stream.step(token, &mut out).unwrap();
        out
    };
    assert_eq!(step("aÃ"), "a");
    assert_eq!(step("©b"), "éb");
    // F0 9F waits; a letter shows that it never becomes a character.
    assert_eq!(step("ðŁ"), "");
    assert_eq!(step("x"), "\u{FFFD}x");
    assert_eq!(step("ð"), "");
    let mut rest = String::new();
    stream.finish(&mut rest).unwrap();
    assert_eq!(rest, "\u{FFFD}");
}

#[test]
fn a_finished_stream_starts_again() {
    let mut stream = DecodeStream::new(Some(&wordpiece(true))).unwrap();
    let mut out = String::new();
    for _ in 0..2 {
        stream.step("a", &mut out).unwrap();
        stream.step("b", &mut out).unwrap();
        stream.finish(&mut out).unwrap();
    }
    assert_eq!(out, "a ba b");
}

const GOLDEN: &str = include_str!("../../tests/data/decode_golden.json");

#[test]
fn every_road_gives_what_the_reference_gives() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 300);
    for case in cases {
        let decoder = crate::formats::decoder_from_json(&case["decoder"].to_string()).unwrap();
        let decoder = decoder.as_ref();
        for row in case["rows"].as_array().unwrap() {
            let tokens: Vec<&str> =
                row[0].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
            let wanted = row[1].as_str().unwrap();
            let told = format!("{} {}", case["decoder"], row[0]);
            assert_eq!(decode_tokens(decoder, tokens.iter().copied()), wanted, "{told}");
            assert_eq!(streamed(decoder, &tokens), wanted, "stream {told}");
            let chain = Chain::compile(decoder).unwrap();
            let (text, starts) = chain.text_and_starts(&tokens).unwrap();
            assert_eq!(text, wanted, "starts {told}");
            assert_eq!(starts.len(), tokens.len());
            assert!(starts.is_sorted() && starts.iter().all(|&at| at <= 1 << 20), "{told}");
            if !wanted.contains('\u{FFFD}') {
                let bytes = chain.bytes(tokens.iter().copied()).unwrap();
                assert_eq!(into_text(bytes), wanted, "bytes {told}");
            }
        }
    }
}

fn replace(pattern: &str, content: &str) -> Decoder {
    Decoder::Replace { pattern: Pattern::String(pattern.to_owned()), content: content.to_owned() }
}

fn strip(content: char, start: usize, stop: usize) -> Decoder {
    Decoder::Strip { content, start, stop }
}

/// The decoder of Llama 2.
fn llama() -> Decoder {
    Decoder::Sequence(vec![
        replace("▁", " "),
        Decoder::ByteFallback,
        Decoder::Fuse,
        strip(' ', 1, 0),
    ])
}

/// What each step of a stream gives, and the end.
fn steps(decoder: &Decoder, tokens: &[&str]) -> Vec<String> {
    let mut stream = DecodeStream::new(Some(decoder)).unwrap();
    let mut given = vec![String::new(); tokens.len() + 1];
    for (token, out) in tokens.iter().zip(&mut given) {
        stream.step(token, out).unwrap();
    }
    stream.finish(&mut given[tokens.len()]).unwrap();
    given
}

#[test]
fn strip_gives_nothing_where_its_ends_meet() {
    // The reference library panics for each of these.
    for (tokens, start, stop) in
        [(["a"], 1, 1), (["a"], 0, 2), ([""], 0, 1), (["aa"], 9, 9), (["aaa"], 2, usize::MAX)]
    {
        let decoder = strip('a', start, stop);
        assert_eq!(decode_tokens(Some(&decoder), tokens), "");
        assert_eq!(streamed(Some(&decoder), &tokens), "");
    }
    let decoder = strip('a', usize::MAX, usize::MAX);
    assert_eq!(decode_tokens(Some(&decoder), ["aabaa", "aa"]), "b");
    let fused = Decoder::Sequence(vec![Decoder::Fuse, strip('▁', 1, 2)]);
    assert_eq!(steps(&fused, &["▁▁a", "▁▁▁", "b▁"]), ["▁a", "▁", "▁▁b", ""]);
}

#[test]
fn texts_that_grow_without_end_are_an_error_on_every_road() {
    let doubling = Decoder::Sequence(vec![replace("a", "aa"); 60]);
    let error = super::decode_tokens(Some(&doubling), ["a"]).unwrap_err();
    assert!(error.to_string().starts_with("decoder is one that makes texts endlessly longer"));
    for decoder in [doubling.clone(), Decoder::Sequence(vec![Decoder::Fuse, doubling])] {
        let mut stream = DecodeStream::new(Some(&decoder)).unwrap();
        assert!(stream.step("a", &mut String::new()).is_err());
    }
}

#[test]
fn a_chain_of_any_depth_has_a_bound() {
    let deep = (0..300)
        .fold(Decoder::Fuse, |inner, _| Decoder::Sequence(vec![Decoder::ByteFallback, inner]));
    assert!(deep.check().is_err());
    assert!(Decoder::Sequence(vec![Decoder::Fuse; 256]).check().is_ok());
    assert!(matches!(
        Decoder::Replace { pattern: Pattern::Regex("(".to_owned()), content: String::new() }
            .check(),
        Err(crate::Error::Argument { .. })
    ));
}

#[test]
fn a_stream_gives_what_is_certain() {
    let tokens =
        ["▁Hi", "▁", "▁you", "<0xE2>", "<0x96>", "<0x81>", "x", "<0xE2>", "<0x41>", "<0x42>"];
    let given = steps(&llama(), &tokens);
    // A group of bytes waits until it ends, and once it is no text its bytes do not.
    let wanted = ["Hi", " ", " you", "", "", "", "▁x", "", "\u{FFFD}\u{FFFD}", "\u{FFFD}", ""];
    assert_eq!(given, wanted);
    let bpe = Decoder::Bpe { suffix: "</w>".to_owned() };
    assert_eq!(steps(&bpe, &["he", "llo</w>", "x</w>"]), ["he", "llo", " x", ""]);
    // Behind `Fuse` a regular expression waits for the end, and a literal for no more than itself.
    let pattern = Pattern::Regex("a+".to_owned());
    let regex = Decoder::Replace { pattern, content: "-".to_owned() };
    let fused = Decoder::Sequence(vec![Decoder::Fuse, regex]);
    assert_eq!(steps(&fused, &["xa", "ay"]), ["", "", "x-y"]);
    let fused = Decoder::Sequence(vec![Decoder::Fuse, replace("aab", "-")]);
    assert_eq!(steps(&fused, &["xa", "a", "a", "b", "a"]), ["x", "", "a", "-", "", "a"]);
}

#[test]
fn a_copy_of_a_stream_goes_its_own_way() {
    let mut stream = DecodeStream::new(Some(&byte_level())).unwrap();
    let mut out = String::new();
    stream.step("aÃ", &mut out).unwrap();
    let mut copy = stream.clone();
    let (mut one, mut other) = (String::new(), String::new());
    stream.step("©", &mut one).unwrap();
    copy.step("x", &mut other).unwrap();
    assert_eq!((out.as_str(), one.as_str(), other.as_str()), ("a", "é", "\u{FFFD}x"));
}

#[test]
fn tokens_start_where_their_text_does() {
    let starts = |decoder: Option<&Decoder>, tokens: &[&str]| {
        Chain::compile(decoder).unwrap().text_and_starts(tokens).unwrap()
    };
    let (text, at) = starts(Some(&llama()), &["▁Hi", "▁", "<0xC3>", "<0xA9>", "!", ""]);
    assert_eq!((text.as_str(), at), ("Hi é!", vec![0, 2, 3, 3, 4, 5]));
    let (text, at) = starts(Some(&wordpiece(true)), &["a", "##b", "c", "."]);
    assert_eq!((text.as_str(), at), ("ab c.", vec![0, 1, 2, 4]));
    let (text, at) = starts(None, &["a", "b"]);
    assert_eq!((text.as_str(), at), ("a b", vec![0, 1]));
    let (text, at) = starts(Some(&byte_level()), &["Ã", "©", "ÿ", "x"]);
    assert_eq!((text.as_str(), at), ("é\u{FFFD}x", vec![0, 0, 1, 2]));
}

#[test]
fn bytes_come_as_they_are() {
    let bytes = |decoder: &Decoder, tokens: &[&str]| {
        Chain::compile(Some(decoder)).unwrap().bytes(tokens.iter().copied()).unwrap()
    };
    assert_eq!(bytes(&llama(), &["▁a", "<0xFF>", "<0xC3>", "▁b"]), b"a\xFF\xC3 b");
    assert_eq!(bytes(&byte_level(), &["ÿ", "a"]), b"\xFFa");
    let pattern = Pattern::Regex("a".to_owned());
    let regex = Decoder::Replace { pattern, content: "-".to_owned() };
    let chain = Decoder::Sequence(vec![byte_level(), regex]);
    assert_eq!(bytes(&chain, &["aÿa"]), b"-\xFF-");
}

proptest! {
    #[test]
    fn streams_give_what_whole_sequences_give(
        rows in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..20),
    ) {
        let decoder = byte_level();
        let tokens: Vec<String> =
            rows.iter().map(|row| spell(row)).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let whole = decode_tokens(Some(&decoder), tokens.iter().copied());
        let joined = rows.concat();
        prop_assert_eq!(&whole, &String::from_utf8_lossy(&joined));
        prop_assert_eq!(streamed(Some(&decoder), &tokens), whole);
    }

    #[test]
    fn wordpiece_equals_its_naive_twin(
        tokens in proptest::collection::vec("(##)?[ .?!,'ndostmver]{0,8}", 0..12),
        prefix in "(##)?",
    ) {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let decoder = Decoder::WordPiece { prefix: prefix.clone(), cleanup: true };
        let whole = decode_tokens(Some(&decoder), tokens.iter().copied());
        prop_assert_eq!(&whole, &naive_wordpiece(&tokens, &prefix));
        prop_assert_eq!(streamed(Some(&decoder), &tokens), whole);
    }
}

use super::*;
use crate::error::ErrorKind;
use crate::tokenizer::{EncodeOptions, Input, Tokenizer};

/// A model of `a` and `▁`, as bytes; `more` comes behind its pieces.
fn tiny(more: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pieces = [("<unk>", 0.0f32, 2u8), ("<s>", 0.0, 3), ("a", -1.0, 1), ("▁", -2.0, 1)];
    for (text, score, kind) in pieces {
        let mut piece = vec![0x0A, u8::try_from(text.len()).unwrap()];
        piece.extend_from_slice(text.as_bytes());
        piece.push(0x15);
        piece.extend_from_slice(&score.to_le_bytes());
        piece.extend([0x18, kind]);
        bytes.extend([0x0A, u8::try_from(piece.len()).unwrap()]);
        bytes.extend(piece);
    }
    bytes.extend_from_slice(more);
    bytes
}

fn ids(bytes: &[u8], text: &str) -> Vec<u32> {
    let tokenizer = Tokenizer::build(read_sentencepiece(bytes).unwrap()).unwrap();
    let mut ids = Vec::new();
    tokenizer.encode_ids(Input::Text(text), None, &EncodeOptions::default(), &mut ids).unwrap();
    let encoding = tokenizer.encode(Input::Text(text), None, &EncodeOptions::default()).unwrap();
    assert_eq!(encoding.ids, ids);
    ids
}

#[test]
fn what_a_file_does_not_say_is_the_default() {
    assert_eq!(ids(&tiny(b""), "a  a "), [3, 2, 3, 2]);
    // normalizer_spec: no dummy prefix, extra spaces kept.
    assert_eq!(ids(&tiny(b"\x1a\x04\x18\x00\x20\x00"), "a  a "), [2, 3, 3, 2, 3]);
    // trainer_spec: white space behind words.
    assert_eq!(ids(&tiny(b"\x12\x03\xc0\x01\x01"), "a a"), [2, 3, 2, 3]);
    // Fields and choices that nobody knows, and known fields of another kind.
    assert_eq!(ids(&tiny(b"\x12\x02\x18\x09\xf8\x3f\x01\x1a\x02\x1a\x00"), "a"), [3, 2]);
}

#[test]
fn half_a_file_is_an_error_with_its_byte() {
    let whole = tiny(b"\x12\x02\x18\x02");
    let mut good = Vec::new();
    for length in 0..whole.len() {
        match read_sentencepiece(&whole[..length]) {
            Ok(_) => good.push(length),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Format, "{length}"),
        }
    }
    // Between two fields there is nothing to be missed.
    assert_eq!(good.len(), 2, "{good:?}");
}

#[test]
fn any_byte_may_change() {
    let whole = tiny(b"\x12\x02\x18\x02\x1a\x04\x18\x00\x20\x00");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(declared) = read_sentencepiece(&bytes) {
                assert!(Tokenizer::build(declared).is_ok());
            }
        }
    }
}

#[test]
fn a_map_for_decoded_text_is_refused_by_name() {
    let error = read_sentencepiece(&tiny(b"\x2a\x03\x12\x01x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(read_sentencepiece(&tiny(b"\x2a\x02\x12\x00")).is_ok());
}

#[test]
fn a_broken_map_is_an_error() {
    let low = |length: usize| u8::try_from(length & 0x7F).unwrap() | 0x80;
    let high = |length: usize| u8::try_from(length >> 7).unwrap();
    for map in [&b"abc"[..], b"\x04\0\0\0abcd", b"\xff\xff\xff\x7fabcd", &[0; 1028], &[0, 4, 0, 0]]
    {
        let length = map.len();
        let mut spec = vec![0x12, low(length), high(length)];
        spec.extend_from_slice(map);
        let length = spec.len();
        let mut more = vec![0x1A, low(length), high(length)];
        more.extend(spec);
        let error = read_sentencepiece(&tiny(&more)).unwrap_err().to_string();
        assert!(error.contains("normalizer_spec.precompiled_charsmap"), "{error}");
    }
}

#[test]
fn its_json_gives_the_same_tokenizer() {
    let tokenizer = Tokenizer::build(read_sentencepiece(&tiny(b"")).unwrap()).unwrap();
    let text = to_json(&tokenizer, false).unwrap().unwrap();
    assert!(is_ours(text.as_bytes()));
    let again = Tokenizer::build(from_json(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(to_json(&again, false).unwrap().unwrap(), text);
    assert!(!is_ours(b"{\"model\": {\"type\": \"BPE\", \"x\": \"SentencePiece\"}}"));
    let broken = text.replace("\"proto\":\"", "\"proto\":\"!");
    assert!(from_json(broken.as_bytes()).unwrap_err().to_string().contains("model.proto"));
}

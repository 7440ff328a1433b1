//! Files against the reference library, one test for each way to lie, and random damage.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::regex::Dialect;

const GOLDEN: &str = include_str!("../../tests/data/formats_golden.json");

/// The tokenizer in a text.
fn build(given: &str) -> Result<Tokenizer> {
    Tokenizer::build(from_json(given.as_bytes())?)
}

/// The text that what was read from a text is written as.
fn rewrite(given: &str, pretty: bool) -> Result<String> {
    to_json(&build(given)?, pretty)
}

fn bpe() -> Value {
    json!({
        "model": {
            "type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "x y": 3},
            "merges": [["a", "b"]]
        },
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
        }
    })
}

fn wordpiece() -> Value {
    json!({"model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1}
    }})
}

/// The document with one value changed or added, at a path of keys and numbers.
fn with(mut document: Value, path: &str, value: Value) -> Value {
    let mut at = &mut document;
    for key in path.split('.') {
        at = match key.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[key],
        };
    }
    *at = value;
    document
}

fn refusal(text: &str) -> String {
    match from_json(text.as_bytes()) {
        Ok(_) => panic!("read {text}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn refused(document: &Value, wanted: &str) {
    assert_eq!(refusal(&document.to_string()), wanted);
}

#[test]
fn files_are_read_and_written_as_the_reference_does() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let given = case["given"].as_str().unwrap();
        if case.get("refused").is_some() {
            let error = from_json(given.as_bytes()).expect_err(name);
            assert!(matches!(error, Error::Format { .. } | Error::Unsupported { .. }), "{name}");
            continue;
        }
        for (form, pretty) in [("compact", false), ("pretty", true)] {
            let wanted = case[form].as_str().unwrap();
            assert_eq!(rewrite(given, pretty).unwrap(), wanted, "{name}");
            // What was written reads as what was read.
            assert_eq!(rewrite(wanted, pretty).unwrap(), wanted, "{name}");
        }
    }
}

#[test]
fn a_syntax_error_has_line_and_column() {
    let text = refusal("{\n  \"version\": \"1.0\",\n  \"model\": {\"type\" \"BPE\"}\n}");
    assert_eq!(text, "tokenizer.json at line 3, column 20: expected `:`");
    let text = refusal("{\"model\": {}} x");
    assert_eq!(text, "tokenizer.json at line 1, column 15: trailing characters");
    let text = refusal("[1]");
    assert!(text.ends_with("invalid type: sequence, expected an object"), "{text}");
}

#[test]
fn half_a_file_is_an_error_at_its_end() {
    let whole = bpe().to_string();
    for length in 1..whole.len() {
        let text = refusal(&whole[..length]);
        assert!(text.starts_with("tokenizer.json at line 1, column "), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let error = from_json(b"{\"model\": \"\xFF\"}").unwrap_err().to_string();
    assert_eq!(error, "tokenizer.json at byte 11: invalid UTF-8");
    assert_eq!(refusal(""), "tokenizer.json: the file is empty");
    assert!(refusal("\u{FEFF}{}").contains("byte order mark"));
    assert!(
        refusal("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"\\ud800\": 0}, \"merges\": []}}")
            .contains("model.vocab")
    );
}

#[test]
fn keys_that_are_missing_unknown_or_double_are_named() {
    assert_eq!(refusal("{}"), "tokenizer.json: the key `model` is missing");
    refused(
        &with(bpe(), "more", json!(1)),
        "tokenizer.json at more: a tokenizer.json has only version, truncation, padding, added_tokens, \
         normalizer, pre_tokenizer, post_processor, decoder, model",
    );
    let text = refusal("{\"model\": 1, \"model\": 2}");
    assert!(text.starts_with("tokenizer.json at .model: the key is there twice"), "{text}");
}

#[test]
fn versions_that_nobody_knows_are_refused() {
    let text = "tokenizer.json at version: expected \"1.0\", found \"9.9\"";
    refused(&with(bpe(), "version", json!("9.9")), text);
    let text = "tokenizer.json at version: expected a string, found null";
    refused(&with(bpe(), "version", json!(null)), text);
}

#[test]
fn a_wrong_type_is_named_with_its_path() {
    let cases = [
        ("pre_tokenizer.add_prefix_space", json!("yes"), "expected true or false, found \"yes\""),
        ("pre_tokenizer", json!(5), "expected an object, found 5"),
        ("added_tokens", json!({}), "expected a list, found an object"),
        ("truncation", json!([]), "expected an object, found a list"),
        ("model.ignore_merges", json!("x"), "expected true or false, found \"x\""),
        ("model.dropout", json!(1.5), "expected a number from 0 to 1, found 1.5"),
        ("model.type", json!("Nope"), "there is no model type \"Nope\""),
    ];
    for (path, value, problem) in cases {
        refused(&with(bpe(), path, value), &format!("tokenizer.json at {path}: {problem}"));
    }
    let text = "tokenizer.json at model.vocab: invalid type: string \"x\", expected an object of tokens \
                and ids (line 1, column 55)";
    refused(&with(bpe(), "model.vocab", json!("x")), text);
    let text =
        "tokenizer.json at model: invalid type: null, expected an object (line 1, column 14)";
    assert_eq!(refusal("{\"model\": null}"), text);
}

#[test]
fn a_missing_field_is_named_with_its_path() {
    let normalizer = json!({"type": "BertNormalizer", "clean_text": true});
    let text = "tokenizer.json at normalizer: the field `handle_chinese_chars` is missing";
    refused(&with(wordpiece(), "normalizer", normalizer), text);
    let roberta = json!({"type": "RobertaProcessing", "sep": ["a", 0], "cls": ["b", 1]});
    let text = "tokenizer.json at post_processor: the field `trim_offsets` is missing";
    refused(&with(bpe(), "post_processor", roberta), text);
    let text = "tokenizer.json at model: the field `merges` is missing";
    refused(&json!({"model": {"type": "BPE", "vocab": {}}}), text);
    let text =
        "tokenizer.json at model: there is no `type`, and the fields are not those of a model";
    refused(&json!({"model": {}}), text);
}

#[test]
fn components_are_read_and_written_as_the_reference_does() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let components = golden["components"].as_array().unwrap();
    assert!(components.len() > 80);
    for component in components {
        let (slot, given) = (component["slot"].as_str().unwrap(), component["given"].to_string());
        let written = match slot {
            "normalizer" => normalizer_from_json(&given)
                .and_then(|normalizer| normalizer_to_json(normalizer.as_ref())),
            "pre_tokenizer" => pre_tokenizer_from_json(&given)
                .and_then(|part| pre_tokenizer_to_json(&part.unwrap())),
            "post_processor" => post_processor_from_json(&given)
                .and_then(|part| post_processor_to_json(&part.unwrap())),
            _ => decoder_from_json(&given).and_then(|part| decoder_to_json(&part.unwrap())),
        };
        match component["written"].as_str() {
            Some(wanted) => assert_eq!(written.unwrap(), wanted, "{slot} {given}"),
            None => assert!(written.is_err(), "{slot} {given} is {written:?}"),
        }
    }
}

#[test]
fn berts_processor_with_robertas_fields_is_robertas() {
    // So the reference library reads it, whatever its type says.
    let given = r#"{"type":"BertProcessing","sep":["a",0],"cls":["b",1],"trim_offsets":true,"add_prefix_space":true}"#;
    let processor = post_processor_from_json(given).unwrap().unwrap();
    assert_eq!(processor.name(), "RobertaProcessing");
}

#[test]
fn a_charsmap_is_base64() {
    let read = |charsmap: &str| {
        let given = json!({"type": "Precompiled", "precompiled_charsmap": charsmap});
        normalizer_from_json(&given.to_string())
    };
    let text = read("!!").unwrap_err().to_string();
    assert!(text.contains("normalizer.precompiled_charsmap: it is no base64"), "{text}");
    // Padding belongs to it, as in the reference library.
    assert!(read("AAA").is_err());
}

#[test]
fn pieces_of_no_characters_are_refused() {
    let given = r#"{"type":"FixedLength","length":0}"#;
    let text = pre_tokenizer_from_json(given).unwrap_err().to_string();
    assert!(text.contains("pre_tokenizer.length: pieces of 0 characters"), "{text}");
}

#[test]
fn a_decoder_of_too_many_steps_is_refused() {
    let many = json!({"type": "Sequence", "decoders": vec![json!({"type": "Fuse"}); 257]});
    let text = decoder_from_json(&many.to_string()).unwrap_err().to_string();
    assert!(text.starts_with("tokenizer.json at decoder: "), "{text}");
}

#[test]
fn bytes_are_merged_where_every_byte_has_a_token() {
    let mut vocab: serde_json::Map<String, Value> =
        (0..=255u8).map(|byte| (byte_level::spell(&[byte]), json!(byte))).collect();
    let read = |pre_tokenizer: Value, changes: &[(&str, Value)]| {
        let mut document =
            with(with(bpe(), "model.merges", json!([])), "model.vocab", json!(vocab));
        document["pre_tokenizer"] = pre_tokenizer;
        for (path, value) in changes {
            document = with(document, path, value.clone());
        }
        match from_json(document.to_string().as_bytes()).unwrap().model {
            Model::Bpe(bpe) => bpe.options().alphabet,
            _ => panic!("another model"),
        }
    };
    let bytes = bpe()["pre_tokenizer"].clone();
    let sequence = |parts: Value| json!({"type": "Sequence", "pretokenizers": parts});
    let digits = json!({"type": "Digits", "individual_digits": true});
    assert_eq!(read(bytes.clone(), &[]), Alphabet::Bytes);
    assert_eq!(read(sequence(json!([digits, bytes])), &[]), Alphabet::Bytes);
    assert_eq!(read(bytes.clone(), &[("model.end_of_word_suffix", json!(""))]), Alphabet::Bytes);
    assert_eq!(read(bytes.clone(), &[("model.end_of_word_suffix", json!("x"))]), Alphabet::Chars);
    assert_eq!(read(sequence(json!([bytes, digits])), &[]), Alphabet::Chars);
    assert_eq!(read(json!(null), &[]), Alphabet::Chars);
    vocab.remove("Ġ");
    let mut document = with(with(bpe(), "model.merges", json!([])), "model.vocab", json!(vocab));
    document["pre_tokenizer"] = bytes;
    let read = from_json(document.to_string().as_bytes()).unwrap();
    assert!(matches!(read.model, Model::Bpe(bpe) if bpe.options().alphabet == Alphabet::Chars));
}

#[test]
fn version_two_is_read_in_the_words_of_version_one() {
    let two = |mut document: Value| {
        document["version"] = json!("2.0");
        document["role_to_token"] = json!(null);
        from_json(document.to_string().as_bytes())
    };
    let with_byte_level = with(bpe(), "model.byte_level", json!(true));
    let split = json!({
        "type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated", "invert": false
    });
    let declared = two(with(with_byte_level.clone(), "pre_tokenizer", split)).unwrap();
    assert_eq!(declared.pre_tokenizer, Some(PreTokenizer::byte_level_split(r"\p{L}+")));
    let declared = two(with(with_byte_level.clone(), "pre_tokenizer", json!(null))).unwrap();
    assert_eq!(declared.pre_tokenizer.unwrap().describe(), "ByteLevel");
    let text = two(with_byte_level.clone()).unwrap_err().to_string();
    assert!(text.contains("pre_tokenizer type `ByteLevel` in a tokenizer.json of version 2.0"));

    let metaspace = json!({
        "type": "MetaspaceNormalizer", "replacement": "▁", "prepend": "first",
        "drop_whitespace": true
    });
    let at_metaspace = json!({
        "type": "Split", "pattern": {"String": "▁"}, "behavior": "MergedWithNext",
        "invert": false
    });
    let document = with(bpe(), "pre_tokenizer", at_metaspace);
    let members = json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}, metaspace]});
    let declared = two(with(document.clone(), "normalizer", members)).unwrap();
    assert_eq!(declared.normalizer.unwrap().describe(), "NFKC");
    let joined = declared.pre_tokenizer.unwrap();
    assert_eq!(joined.describe(), "Sequence[WhitespaceSplit, Metaspace]");
    let whole = with(metaspace.clone(), "drop_whitespace", json!(false));
    let declared = two(with(document.clone(), "normalizer", whole.clone())).unwrap();
    assert_eq!(declared.pre_tokenizer.unwrap().describe(), "Metaspace");
    assert!(two(with(with(bpe(), "pre_tokenizer", json!(null)), "normalizer", whole)).is_ok());
    let alone = with(with(bpe(), "pre_tokenizer", json!(null)), "normalizer", metaspace.clone());
    assert!(matches!(two(alone), Err(Error::Unsupported { .. })));
    let members = json!({"type": "Sequence", "normalizers": [metaspace, {"type": "NFKC"}]});
    assert!(matches!(two(with(document, "normalizer", members)), Err(Error::Unsupported { .. })));

    let template = json!({
        "type": "TemplateProcessing",
        "single": [{"ids": [0]}, {"seq": "A", "type_id": 2}],
        "pair": [{"ids": [0, 1], "type_id": 1}, {"seq": "A"}, {"ids": [0]}, {"seq": "B"}]
    });
    let plain = with(bpe(), "pre_tokenizer", json!(null));
    let document = with(plain.clone(), "post_processor", template.clone());
    let processor = two(document).unwrap().post_processor.unwrap();
    assert_eq!((processor.added_tokens(false), processor.added_tokens(true)), (1, 3));
    let text = post_processor_to_json(&processor).unwrap();
    assert!(text.contains(r#""a b":{"id":"a b","ids":[0,1],"tokens":["a","b"]}"#), "{text}");
    let document =
        with(plain.clone(), "post_processor", with(template, "single.0.ids", json!([9])));
    assert!(two(document).unwrap_err().to_string().contains("no token has id 9"));

    let decoder = json!({"type": "Sequence", "decoders": [{"type": "ByteLevel"}]});
    assert!(two(with(plain.clone(), "decoder", decoder)).is_ok());
    let added = |id| {
        json!([{
            "id": id, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }])
    };
    assert!(two(with(plain.clone(), "added_tokens", added(4))).is_ok());
    let text = two(with(plain, "added_tokens", added(7))).unwrap_err().to_string();
    assert!(text.contains("an added token with id 7 that is neither"), "{text}");
}

#[test]
fn lengths_that_cannot_be_obeyed_are_refused() {
    let truncation = |max_length: u64, stride: u64| json!({"max_length": max_length, "stride": stride, "strategy": "LongestFirst"});
    let padding = |strategy: Value, multiple: Value| {
        json!({
            "strategy": strategy, "direction": "Right", "pad_to_multiple_of": multiple,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "a"
        })
    };
    let read = |path, value| from_json(with(bpe(), path, value).to_string().as_bytes());
    assert!(read("truncation", truncation(4, 3)).is_ok());
    assert!(read("truncation", truncation(0, 0)).is_ok());
    let text = read("truncation", truncation(4, 4)).unwrap_err().to_string();
    assert!(text.starts_with("tokenizer.json at truncation: stride is 4"), "{text}");
    let longest = || json!("BatchLongest");
    assert!(read("padding", padding(longest(), json!(0))).is_ok());
    for bad in [
        padding(json!({"Fixed": 1_000_000_000_000_u64}), json!(null)),
        padding(longest(), json!(1_u64 << 62)),
        padding(json!({"Fixed": 5}), json!(u64::MAX)),
    ] {
        let text = read("padding", bad).unwrap_err().to_string();
        assert!(text.starts_with("tokenizer.json at padding: padding length is "), "{text}");
    }
    // Two special tokens leave room for two more.
    let processor = json!({"type": "BertProcessing", "sep": ["a", 0], "cls": ["b", 1]});
    let document = with(bpe(), "post_processor", processor);
    let document = with(document, "truncation", truncation(4, 2));
    let text = refusal(&document.to_string());
    assert!(text.contains("less than 2, the tokens that a window holds beside 2"), "{text}");
}

#[test]
fn every_form_of_a_split_is_read() {
    use crate::pretokenize::SplitBehavior;
    use crate::regex::Pattern;
    for (name, behavior) in [
        ("Removed", SplitBehavior::Removed),
        ("Isolated", SplitBehavior::Isolated),
        ("MergedWithPrevious", SplitBehavior::MergedWithPrevious),
        ("MergedWithNext", SplitBehavior::MergedWithNext),
        ("Contiguous", SplitBehavior::Contiguous),
    ] {
        let part =
            json!({"type": "Split", "pattern": {"String": " "}, "behavior": name, "invert": true});
        let document = with(wordpiece(), "pre_tokenizer", part);
        let declaration = from_json(document.to_string().as_bytes()).unwrap();
        let pattern = Pattern::String(" ".to_owned());
        let wanted = PreTokenizer::Split { pattern, behavior, invert: true };
        assert_eq!(declaration.pre_tokenizer, Some(wanted));
    }
}

#[test]
fn an_unknown_type_is_an_error_whatever_fields_stand_beside_it() {
    let decoder = json!({"type": "Nope", "prefix": "##", "cleanup": true});
    let text = "tokenizer.json at decoder.type: there is no decoder type \"Nope\"";
    refused(&with(bpe(), "decoder", decoder), text);
    let text = "tokenizer.json at normalizer: the field `type` is missing, and the other fields do not \
                tell it";
    refused(&with(bpe(), "normalizer", json!({})), text);
}

#[test]
fn an_id_that_is_none_is_named_with_its_token() {
    let ids = ["2147483648", "4294967296", "-1", "1.5", "1e20", "\"3\"", "null", "true", "[]"];
    for id in ids {
        let text = bpe().to_string().replace("\"ab\":2", &format!("\"ab\":{id}"));
        let text = refusal(&text);
        assert!(text.starts_with("tokenizer.json at model.vocab[\"ab\"]: invalid "), "{text}");
        assert!(text.contains("expected an id from 0 to 2147483647"), "{text}");
    }
    let text =
        refusal(&bpe().to_string().replace("\"ab\":2", &format!("\"ab\":{}", "1".repeat(9000))));
    assert!(text.starts_with("tokenizer.json at model.vocab[\"ab\"]: "), "{text}");
}

#[test]
fn tokens_and_ids_that_are_there_twice_are_named() {
    let text = refusal(&bpe().to_string().replace("\"ab\":2", "\"a\":2,\"ab\":5"));
    assert!(text.starts_with("tokenizer.json at model.vocab") && text.contains("\"a\""), "{text}");
    let text = refusal(&with(bpe(), "model.vocab.ab", json!(0)).to_string());
    assert!(
        text.starts_with("tokenizer.json at model.vocab") && text.contains("two tokens"),
        "{text}"
    );
}

#[test]
fn ids_may_have_holes_up_to_a_bound() {
    let document = with(bpe(), "model.vocab.ab", json!(5000));
    let declaration = from_json(document.to_string().as_bytes()).unwrap();
    assert_eq!(declaration.model.vocab().id_limit(), 5001);
    let document = with(bpe(), "model.vocab.ab", json!(2_147_483_647));
    let text = refusal(&document.to_string());
    assert!(text.starts_with("tokenizer.json at model.vocab"), "{text}");
}

#[test]
fn a_merge_that_is_none_is_named_with_its_number() {
    let cases = [
        (json!([["a", "b"], ["a", "zz"]]), "model.merges[1]: "),
        (json!([["zz", "b"]]), "model.merges[0]: "),
        (json!([["b", "a"]]), "model.merges[0]: "),
        (
            json!(["ab"]),
            "model.merges[0]: expected two tokens and one space between them, found `ab`",
        ),
        (json!(["a b", "a b a"]), "model.merges[1]: expected two tokens and one space"),
        (json!([["a"]]), "model.merges[0]: expected a list of two tokens"),
        (json!([["a", "b", "a"]]), "model.merges[0]: expected a list of two tokens"),
        (json!([[1, 2]]), "model.merges[0]: invalid type: integer `1`, expected a string"),
        (json!([null]), "model.merges[0]: invalid type: null, expected a merge"),
        (json!(["a b", ["a", "b"]]), "model.merges[1]: some merges are strings and some are lists"),
        (json!("a b"), "model.merges: invalid type: string \"a b\", expected a list of merges"),
    ];
    for (merges, wanted) in cases {
        let text = refusal(&with(bpe(), "model.merges", merges).to_string());
        assert!(text.starts_with(&format!("tokenizer.json at {wanted}")), "{text}");
    }
}

#[test]
fn a_wordpiece_without_its_unknown_token_is_refused() {
    let text = refusal(&with(wordpiece(), "model.unk_token", json!("zz")).to_string());
    assert!(text.starts_with("tokenizer.json at model, unk_token: "), "{text}");
}

#[test]
fn templates_that_lie_are_refused() {
    let piece = |id: &str| json!([{"SpecialToken": {"id": id, "type_id": 0}}]);
    let special = json!({"x": {"id": "x", "ids": [0, 1], "tokens": ["x"]}});
    let template = |single: Value, special: Value| {
        let pair = json!([]);
        json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special})
    };
    let text = refusal(&with(bpe(), "post_processor", template(piece("x"), json!({}))).to_string());
    assert!(text.starts_with("tokenizer.json at post_processor: single is `x`"), "{text}");
    let text = refusal(&with(bpe(), "post_processor", template(json!([]), special)).to_string());
    assert!(text.contains("1 tokens for `x`"), "{text}");
    let sequence = json!([{"Sequence": {"id": "C", "type_id": 0}}]);
    let text = refusal(&with(bpe(), "post_processor", template(sequence, json!({}))).to_string());
    assert!(
        text.contains("post_processor.single[0].Sequence.id: expected one of `A`, `B`"),
        "{text}"
    );
    for type_id in [json!(-1), json!(4_294_967_296_u64), json!("x"), json!(null), json!(1.5)] {
        let sequence = json!([{"Sequence": {"id": "A", "type_id": type_id}}]);
        let text =
            refusal(&with(bpe(), "post_processor", template(sequence, json!({}))).to_string());
        assert!(text.contains("Sequence.type_id: expected a whole number"), "{text}");
    }
}

#[test]
fn depth_costs_nothing() {
    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let sequence = deep("{\"type\":\"Sequence\",\"pretokenizers\":[", "]}");
    for text in [
        deep("[", "]"),
        "[".repeat(100_000),
        deep("{\"a\":", "}"),
        format!("{{\"extra\": {}}}", deep("[", "]")),
        format!("{{\"model\": {}}}", deep("{\"a\":", "}")),
        format!("{{\"model\": {{\"type\": \"BPE\", \"vocab\": {{\"a\": {}}}}}}}", deep("[", "]")),
        format!("{{\"pre_tokenizer\": {sequence}, \"model\": {{}}}}"),
    ] {
        let text = refusal(&text);
        assert!(text.starts_with("tokenizer.json"), "{text}");
    }
}

#[test]
fn a_component_of_absurd_length_is_refused() {
    let piece = "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},";
    let pieces = piece.repeat(500_000);
    let text = refusal(&format!("{{\"post_processor\": [{pieces}0], \"model\": {{}}}}"));
    let start =
        "tokenizer.json at post_processor: it is 18000003 bytes long, and 16777216 is the limit";
    assert_eq!(text, start);
}

#[test]
fn messages_stay_short_whatever_a_file_holds() {
    let long = "x".repeat(1_000_000);
    for (path, value) in [
        ("model.vocab", json!({ &long: "0" })),
        ("model.vocab", json!(long)),
        ("model.merges", json!([long])),
        ("pre_tokenizer.type", json!(long)),
        ("truncation", json!({ &long: 1 })),
        ("pre_tokenizer.trim_offsets", json!(long)),
    ] {
        let text = refusal(&with(bpe(), path, value).to_string());
        assert!(text.len() < 500, "{} bytes", text.len());
    }
    let text = refusal(&json!({ &long: 1 }).to_string());
    assert!(text.len() < 500);
}

#[test]
fn the_same_tokenizer_gives_the_same_bytes() {
    let sorted = bpe().to_string();
    let turned = sorted.replace("\"a\":0,\"ab\":2,\"b\":1", "\"b\":1,\"ab\":2,\"a\":0");
    assert_ne!(sorted, turned);
    assert_eq!(rewrite(&sorted, false).unwrap(), rewrite(&turned, false).unwrap());
}

#[test]
fn a_rank_files_pattern_is_spelled_for_the_other_engine_or_refused() {
    let mut declaration = from_json(bpe().to_string().as_bytes()).unwrap();
    declaration.dialect = Dialect::Tiktoken;
    let mut written = |regex: &str| {
        declaration.pre_tokenizer = Some(PreTokenizer::byte_level_split(regex));
        to_json(&Tokenizer::build(declaration.clone()).unwrap(), false)
    };
    for name in ["gpt2", "cl100k_base", "llama3", "qwen2", "o200k_base"] {
        let regex = crate::pretokenize::rank_file_pattern(name).unwrap();
        let text = written(regex).unwrap();
        assert_eq!(rewrite(&text, false).unwrap(), text);
        assert!(!text.contains(",3}+"), "{text}");
    }
    let error = written(r"\w+$").unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn every_tokenizer_has_a_canonical_form() {
    let plain = build(&bpe().to_string()).unwrap();
    let (text, dialect) = canonical(&plain).unwrap();
    assert_eq!((&text, dialect), (&to_json(&plain, false).unwrap(), Dialect::TokenizerJson));
    let mut declared = from_json(bpe().to_string().as_bytes()).unwrap();
    declared.dialect = Dialect::Tiktoken;
    declared.pre_tokenizer = Some(PreTokenizer::byte_level_split(r"\w+$"));
    let own = Tokenizer::build(declared).unwrap();
    let (text, dialect) = canonical(&own).unwrap();
    assert_eq!(dialect, Dialect::Tiktoken);
    let again = Tokenizer::build(from_canonical(&text, dialect).unwrap()).unwrap();
    assert_eq!(canonical(&again).unwrap(), (text, dialect));
}

#[test]
fn files_are_saved_whole_and_loaded_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any.name");
    let tokenizer = build(&bpe().to_string()).unwrap();
    save(&tokenizer, false, &path).unwrap();
    let again = Tokenizer::build(load(&path).unwrap()).unwrap();
    assert_eq!(to_json(&again, false).unwrap(), to_json(&tokenizer, false).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), to_json(&again, false).unwrap());
    let missing = folder.path().join("no").join("x.json");
    assert!(matches!(save(&tokenizer, false, &missing), Err(Error::Io { .. })));
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let problem = |path: &Path| load(path).unwrap_err().to_string();
    let path = write("half.json", "{\"model\": {");
    assert!(
        problem(&path).ends_with(
            "half.json: tokenizer.json at line 1, column 11: EOF while parsing an object"
        )
    );
    let path = write("empty.json", "");
    assert!(problem(&path).ends_with("empty.json: tokenizer file: the file is empty"));
    let path = write("ranks", "IQ== 0\n");
    assert!(problem(&path).starts_with("pattern is not given"));
    let path = write("vocab.json", "{\"a\": 0}");
    assert!(problem(&path).ends_with("no merges.txt is beside it"));
    assert!(matches!(load(folder.path()), Err(Error::Io { .. })));
    assert!(matches!(load(Path::new("/no/such/file")), Err(Error::Io { .. })));
}

#[test]
fn two_files_make_a_bpe() {
    let folder = tempfile::tempdir().unwrap();
    let (vocab, merges) = (folder.path().join("vocab.json"), folder.path().join("merges.txt"));
    std::fs::write(&vocab, "{\"a\": 0, \"b\": 1, \"ab\": 2}").unwrap();
    std::fs::write(&merges, "#version: 0.2\na b\n").unwrap();
    let tokenizer = Tokenizer::build(load(&vocab).unwrap()).unwrap();
    assert!(to_json(&tokenizer, false).unwrap().contains("\"merges\":[[\"a\",\"b\"]]"));
    std::fs::write(&merges, "#version: 0.2\na b\na zz\n").unwrap();
    let text = load(&vocab).unwrap_err().to_string();
    assert!(text.contains("merges.txt at line 3: "), "{text}");
    std::fs::write(&vocab, "{\"a\": \"0\"}").unwrap();
    let text = load(&vocab).unwrap_err().to_string();
    assert!(text.contains("vocab.json at [\"a\"]: invalid type: string"), "{text}");
}

#[test]
fn a_vocab_txt_makes_a_wordpiece_of_berts_kind() {
    let text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";
    let declaration = from_vocab_txt(text.as_bytes(), &VocabTxtOptions::default()).unwrap();
    let added: Vec<_> = declaration.added_tokens.iter().map(|t| t.content.as_str()).collect();
    assert_eq!(added, ["[UNK]", "[SEP]", "[CLS]", "[PAD]"]);
    assert_eq!(declaration.post_processor.unwrap().name(), "BertProcessing");
    let plain = from_vocab_txt(b"[UNK]\na\n", &VocabTxtOptions::default()).unwrap();
    assert_eq!(plain.post_processor, None);
    let error = from_vocab_txt(b"a\nb\n", &VocabTxtOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("vocab.txt at unk_token"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = detect(&bytes);
        prop_assert!(from_json(&bytes).is_err());
        let _ = from_vocab_txt(&bytes, &VocabTxtOptions::default());
        let _ = read_vocab_json(&bytes);
        let _ = read_merges_txt(&bytes);
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        which in 0usize..40,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        let mut bytes = cases[which % cases.len()]["given"].as_str().unwrap().as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(tokenizer) = from_json(&bytes).and_then(Tokenizer::build) {
            let text = to_json(&tokenizer, false).unwrap();
            let again = rewrite(&text, false).unwrap();
            // Both sides of the reference library read numbers as serde_json does, to the last bit but one.
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            prop_assert!(again == text || is_close(&value(&again), &value(&text)), "{again}\n{text}");
        }
    }
}

/// Whether two documents differ in the last bits of numbers alone.
fn is_close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b))
                    if (a - b).abs() <= 2.0 * f64::EPSILON * a.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_close(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1))
        }
        _ => a == b,
    }
}

//! All models against what the reference library makes of random ones.

use serde_json::Value;

use super::*;
use crate::unicode::byte_level;

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The entries of a vocabulary, with all single bytes where it is one of bytes.
fn vocab(model: &Value, bytes: bool) -> Vocab {
    let entries = model["vocab"].as_object().unwrap().iter();
    let mut entries: Vec<(String, TokenId)> = entries
        .map(|(token, id)| (token.clone(), TokenId::try_from(id.as_u64().unwrap()).unwrap()))
        .collect();
    if bytes {
        let spelled = (0..=255).map(|byte| byte_level::spell(&[byte]));
        let missing = spelled.filter(|c| entries.iter().all(|(token, _)| token != c));
        let missing: Vec<_> = missing.collect();
        entries.extend(missing.into_iter().zip(0..));
    }
    Vocab::new(entries).unwrap()
}

/// The model of a case.
fn model(declared: &Value, bytes: bool) -> Model {
    let flag = |key: &str| declared[key].as_bool().unwrap_or(false);
    match declared["type"].as_str().unwrap() {
        "BPE" => {
            let vocab = vocab(declared, bytes);
            let pair = |pair: &Value| (text(&pair[0]).unwrap(), text(&pair[1]).unwrap());
            let merges: Vec<_> = declared["merges"].as_array().unwrap().iter().map(pair).collect();
            #[expect(clippy::cast_possible_truncation, reason = "as the library reads it")]
            let options = BpeOptions {
                alphabet: if bytes { Alphabet::Bytes } else { Alphabet::Chars },
                dropout: declared["dropout"].as_f64().map(|share| share as f32),
                unk_token: text(&declared["unk_token"]),
                continuing_subword_prefix: text(&declared["continuing_subword_prefix"]),
                end_of_word_suffix: text(&declared["end_of_word_suffix"]),
                fuse_unk: flag("fuse_unk"),
                byte_fallback: flag("byte_fallback"),
                ignore_merges: flag("ignore_merges"),
            };
            Model::Bpe(Bpe::new(vocab, &merges, options).unwrap())
        }
        "Unigram" => {
            let entry = |entry: &Value| (text(&entry[0]).unwrap(), entry[1].as_f64().unwrap());
            let entries = declared["vocab"].as_array().unwrap().iter().map(entry).collect();
            let unk_id = declared["unk_id"].as_u64().map(|id| TokenId::try_from(id).unwrap());
            let options = UnigramOptions { unk_id, byte_fallback: flag("byte_fallback") };
            Model::Unigram(Unigram::new(entries, options).unwrap())
        }
        "WordLevel" => {
            let unk = text(&declared["unk_token"]).unwrap();
            Model::WordLevel(WordLevel::new(vocab(declared, false), unk).unwrap())
        }
        _ => {
            let limit = declared["max_input_chars_per_word"].as_u64().unwrap();
            let options = WordPieceOptions {
                unk_token: text(&declared["unk_token"]).unwrap(),
                continuing_subword_prefix: text(&declared["continuing_subword_prefix"]).unwrap(),
                max_input_chars_per_word: usize::try_from(limit).unwrap(),
            };
            Model::WordPiece(WordPiece::new(vocab(declared, false), options).unwrap())
        }
    }
}

/// What a piece becomes, flat; none where it is refused. Ids alone, ids through stretches, and ids
/// from the table must be the same.
fn encode(model: &Model, piece: &str) -> Option<Vec<usize>> {
    let share = model.dropout().filter(|&share| share > 0.0);
    let dropout = share.map(|share| Dropout::new(share, 0, 0));
    let mut scratch = ModelScratch { dropout, ..ModelScratch::default() };
    let (mut flat, mut ids, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    let result = model.encode(piece, &mut scratch, |id, start, end| {
        flat.extend([id as usize, start, end]);
        ids.push(id);
    });
    let mut alone = Vec::new();
    assert_eq!(model.encode_ids(piece, &mut scratch, &mut alone).is_ok(), result.is_ok());
    result.ok()?;
    assert_eq!(alone, ids, "{piece:?}");
    if scratch.is_random() {
        return Some(flat);
    }
    model.cuts(piece, |start, end| {
        let encoded = model.encode(&piece[start..end], &mut scratch, |id, from, to| {
            joined.extend([id as usize, start + from, start + to]);
        });
        encoded.unwrap();
    });
    assert_eq!(joined, flat, "{piece:?} in stretches");
    let key = pieces::Key::new(piece.as_bytes(), 0, piece.len());
    if let Some(found) = key.and_then(|key| model.table().get(key, key.hash())) {
        let mut from_table = Vec::new();
        found.push_to(&mut from_table);
        assert_eq!(from_table, ids, "{piece:?} in the table");
    }
    Some(flat)
}

#[test]
fn the_library_agrees() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/model_golden.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut rows = 0;
    for case in golden["cases"].as_array().unwrap() {
        let declared = &case["model"];
        let model = model(declared, case["bytes"].as_bool().unwrap());
        assert_eq!(model.kind(), declared["type"]);
        for row in case["rows"].as_array().unwrap() {
            let piece = row[0].as_str().unwrap();
            let found = encode(&model, piece).map_or(Value::Null, Value::from);
            assert_eq!(found, row[1], "{piece:?} with {declared}");
            rows += 1;
        }
    }
    assert!(rows > 1_000);
}

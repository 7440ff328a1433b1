//! The stage against its definition in 64 bits, and files that are not what they should be.

use std::fs;

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::super::random::Random;
use super::*;
use crate::error::ErrorKind;

/// Sizes of a stage: words, width, columns (0: no projection), positions, types.
type Sizes = (usize, usize, usize, usize, usize);

#[expect(clippy::cast_possible_truncation, reason = "test data")]
fn normal(random: &mut Random, count: usize, deviation: f64, mean: f64) -> Vec<f32> {
    (0..count).map(|_| (random.normal() * deviation + mean) as f32).collect()
}

/// A stage whose words have this deviation and this mean.
fn stage(sizes: Sizes, deviation: f64, mean: f64) -> AlbertEmbeddings {
    let (vocab, width, hidden, positions, types) = sizes;
    let mut random = Random::new(vocab as u64 * 31 + width as u64);
    let table = normal(&mut random, vocab * width, deviation, mean);
    let words = if hidden == 0 {
        AlbertWords::whole(table, width)
    } else {
        let projection = normal(&mut random, hidden * width, 1.0 / (width as f64).sqrt(), 0.0);
        let bias = normal(&mut random, hidden, 0.5, 0.0);
        AlbertWords::projected(table, width, &projection, Some(bias))
    };
    AlbertEmbeddings::new(AlbertParts {
        words: words.expect("valid sizes"),
        positions: normal(&mut random, positions * width, 1.0, mean / 2.0),
        types: normal(&mut random, types * width, 1.0, 0.0),
        gamma: normal(&mut random, width, 0.5, 1.0),
        beta: normal(&mut random, width, 1.0, 0.0),
        layer_norm_eps: LAYER_NORM_EPS,
        position_padding_id: None,
    })
    .expect("valid parts")
}

/// The naive twin: the definition, token by token, in 64 bits.
fn twin(stage: &AlbertEmbeddings, id: TokenId, kind: u32, position: u32) -> Vec<f64> {
    let width = stage.embedding_dim();
    let parts = &stage.parts;
    let mut word = vec![0.0; width];
    stage.table().copy_row(id as usize, &mut word);
    let row = |values: &[f32], index: u32, k: usize| f64::from(values[index as usize * width + k]);
    let sum = |k: usize| {
        f64::from(word[k]) + row(&parts.positions, position, k) + row(&parts.types, kind, k)
    };
    let x: Vec<f64> = (0..width).map(sum).collect();
    let mean = x.iter().sum::<f64>() / width as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
    let sigma = (variance + parts.layer_norm_eps).sqrt();
    let normal =
        |k: usize| (x[k] - mean) / sigma * f64::from(parts.gamma[k]) + f64::from(parts.beta[k]);
    let normal: Vec<f64> = (0..width).map(normal).collect();
    let Some(factors) = stage.plain() else { return normal };
    let column = |j: usize| {
        let bias = factors.bias.as_ref().map_or(0.0, |bias| f64::from(bias[j]));
        let product = |k: usize| normal[k] * f64::from(factors.projection.get(k, j));
        (0..width).map(product).sum::<f64>() + bias
    };
    (0..factors.hidden_dim()).map(column).collect()
}

fn error(got: &[f32], want: &[f64]) -> f64 {
    let gap: f64 = got.iter().zip(want).map(|(x, y)| (f64::from(*x) - y).powi(2)).sum();
    let size: f64 = want.iter().map(|y| y * y).sum();
    (gap / size).sqrt()
}

fn draw(random: &mut Random, count: usize, below: usize) -> Vec<u32> {
    (0..count).map(|_| u32::try_from(random.bits() % below as u64).expect("small")).collect()
}

/// Random tokens on 1 and 3 threads against the twin; gives the largest error of a vector.
fn worst(stage: &AlbertEmbeddings, count: usize) -> f64 {
    let mut random = Random::new(9);
    let ids = draw(&mut random, count, stage.vocab_size());
    let types = draw(&mut random, count, stage.types());
    let positions = draw(&mut random, count, stage.positions());
    let mut out = vec![f32::NAN; count * stage.hidden_dim()];
    stage.embed_into(&ids, Some(&types), &positions, &mut out, 1).expect("in range");
    let mut again = vec![f32::NAN; out.len()];
    stage.embed_into(&ids, Some(&types), &positions, &mut again, 3).expect("in range");
    assert_eq!(out, again);
    let mut largest = 0.0_f64;
    for (i, got) in out.chunks(stage.hidden_dim()).enumerate() {
        let want = twin(stage, ids[i], types[i], positions[i]);
        largest = largest.max(error(got, &want));
        // Alone it is the same to the last bit.
        if i % 7 == 0 {
            let mut alone = vec![0.0; got.len()];
            let (types, positions) = (&types[i..=i], &positions[i..=i]);
            stage.embed_into(&ids[i..=i], Some(types), positions, &mut alone, 1).expect("in range");
            assert_eq!(alone, got);
        }
    }
    largest
}

const SHAPES: [Sizes; 6] = [
    (1, 1, 1, 1, 1),
    (50, 3, 5, 7, 2),
    (300, 20, 36, 512, 2),
    (97, 33, 17, 40, 3),
    (120, 24, 0, 30, 2),
    (400, 128, 70, 64, 2),
];

#[test]
fn vectors_equal_the_definition() {
    for sizes in SHAPES {
        let got = worst(&stage(sizes, 1.0, 0.0), 400);
        assert!(got < 2e-6, "{sizes:?}: {got:e}");
    }
}

#[test]
fn means_and_scales_cost_no_digits() {
    for (deviation, mean) in [(1.0, 1e4), (1.0, -3e6), (1e-6, 0.0), (1e6, 0.0), (1e-20, 1e-18)] {
        let got = worst(&stage((300, 20, 36, 60, 2), deviation, mean), 300);
        assert!(got < 2e-6, "deviation {deviation:e}, mean {mean:e}: {got:e}");
    }
    // No square of these is a number of 32 bits.
    for deviation in [1e20, 1e30, 1e37] {
        let got = worst(&stage((60, 20, 36, 60, 2), deviation, 0.0), 200);
        assert!(got < 2e-6, "deviation {deviation:e}: {got:e}");
    }
}

#[test]
fn words_that_nearly_cancel_their_place_are_as_exact() {
    for hidden in [0, 36] {
        let made = stage((200, 24, hidden, 10, 2), 1.0, 0.0);
        let mut parts = AlbertParts { words: made.parts.words.clone(), ..copy(&made) };
        for noise in [0.3, 0.1, 1e-2, 1e-4, 1e-6] {
            let mut random = Random::new(3);
            let at = |k: usize| parts.positions[3 * 24 + k] + parts.types[k];
            let table: Vec<f32> = normal(&mut random, 200 * 24, noise, 0.0)
                .iter()
                .enumerate()
                .map(|(i, noise)| noise - at(i % 24))
                .collect();
            parts.words = match made.plain() {
                None => AlbertWords::whole(table, 24).expect("valid"),
                Some(factors) => {
                    let cell = |i: usize| factors.projection.get(i % 24, i / 24);
                    let projection: Vec<f32> = (0..24 * hidden).map(cell).collect();
                    AlbertWords::projected(table, 24, &projection, factors.bias.clone())
                        .expect("valid")
                }
            };
            let near =
                AlbertEmbeddings::new(AlbertParts { words: parts.words.clone(), ..copy(&made) })
                    .expect("valid");
            let ids: Vec<u32> = (0..200).collect();
            let mut out = vec![0.0; 200 * near.hidden_dim()];
            near.embed_into(&ids, None, &[3; 200], &mut out, 1).expect("in range");
            for (id, got) in ids.iter().zip(out.chunks(near.hidden_dim())) {
                let got = error(got, &twin(&near, *id, 0, 3));
                assert!(got < 2e-6, "noise {noise:e}, id {id}: {got:e}");
            }
        }
    }
}

fn copy(stage: &AlbertEmbeddings) -> AlbertParts {
    let parts = &stage.parts;
    AlbertParts {
        words: parts.words.clone(),
        positions: parts.positions.clone(),
        types: parts.types.clone(),
        gamma: parts.gamma.clone(),
        beta: parts.beta.clone(),
        ..*parts
    }
}

#[test]
fn a_word_that_cancels_its_place_altogether_is_the_constant() {
    let made = stage((5, 8, 12, 4, 1), 1.0, 0.0);
    let table: Vec<f32> = [0.0_f32; 8 * 5].to_vec();
    let projection = vec![0.5; 12 * 8];
    let words = AlbertWords::projected(table, 8, &projection, None).expect("valid");
    let zeros = AlbertParts { words, positions: vec![0.0; 32], types: vec![0.0; 8], ..copy(&made) };
    let stage = AlbertEmbeddings::new(zeros).expect("valid");
    let got = stage.embed(&[0, 4, 2], 1).expect("in range");
    assert!(got.chunks(12).all(|row| row == stage.constant));
}

#[test]
fn many_places_are_projected_by_the_call() {
    // More numbers than are kept.
    let sizes = (70, 4, 4096, 2000, 1);
    let stage = stage(sizes, 1.0, 0.0);
    assert!(stage.positions() * (stage.hidden_dim() + 4) > KEPT_NUMBERS);
    assert!(worst(&stage, 60) < 2e-6);
    assert!(stage.kept.get().is_none());
}

#[test]
fn positions_count_from_0_or_behind_the_padding() {
    let made = stage((10, 4, 6, 5, 1), 1.0, 0.0);
    let ids = [1, 0, 7, 1, 3, 1, 1, 9];
    assert_eq!(made.default_positions(&ids, 4).expect("short"), [0, 1, 2, 3, 0, 1, 2, 3]);
    let padded = AlbertParts { position_padding_id: Some(1), ..copy(&made) };
    let padded = AlbertEmbeddings::new(padded).expect("valid");
    assert_eq!(padded.default_positions(&ids, 4).expect("short"), [1, 2, 3, 1, 2, 1, 1, 3]);
    // Three positions are left; a fourth id that is no padding has none.
    let got = padded.default_positions(&[5, 5, 1, 5], 4).expect("short");
    assert_eq!(got, [2, 3, 1, 4]);
    let error = padded.default_positions(&[5, 5, 5, 5], 4).expect_err("too long").to_string();
    assert!(error.starts_with("ids is 4 long in row 0, but must be at most 3 long"), "{error}");
    let error = made.default_positions(&[0; 6], 6).expect_err("too long").to_string();
    assert!(error.contains("at most 5 long"), "{error}");
    assert_eq!(made.default_positions(&[], 0).expect("empty"), [0_u32; 0]);
}

#[test]
fn what_is_out_of_range_is_named_with_its_place() {
    let stage = stage((10, 4, 6, 5, 2), 1.0, 0.0);
    let text = |result: Result<Vec<u32>>| result.expect_err("out of range").to_string();
    let got = text(stage.check_ids(&[0_i64, 1, 2, -7], Some(2)));
    assert_eq!(got, "id -7 at position 1 of row 1 is not in the vocabulary of 10 ids");
    let got = text(stage.check_ids(&[10_u8], None));
    assert_eq!(got, "id 10 at position 0 is not in the vocabulary of 10 ids");
    let got = text(stage.check_types(&[0_i32, 1, 2], Some(3)));
    assert_eq!(got, "token_type_ids is 2 at position 2 of row 0, but must be from 0 to 1");
    let got = text(stage.check_positions(&[0_i8, -1], None));
    assert_eq!(got, "position_ids is -1 at position 1, but must be from 0 to 4");
    let mut out = [1.0; 6];
    assert!(stage.embed_into(&[10], None, &[0], &mut out, 1).is_err());
    assert!(stage.embed_into(&[0], None, &[5], &mut out, 1).is_err());
    assert!(stage.embed_into(&[0], Some(&[2]), &[0], &mut out, 1).is_err());
    assert!(stage.embed_into(&[0], Some(&[0, 0]), &[0], &mut out, 1).is_err());
    assert!(stage.embed_into(&[0], None, &[0], &mut out[..5], 1).is_err());
    assert!(out.iter().all(|value| value.to_bits() == 1_f32.to_bits()));
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let made = stage((10, 4, 6, 5, 2), 1.0, 0.0);
    let refused = |parts: AlbertParts| {
        let error = AlbertEmbeddings::new(parts).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        error.to_string()
    };
    let whole = || copy(&made);
    assert!(refused(AlbertParts { positions: vec![], ..whole() }).starts_with("position_emb"));
    assert!(refused(AlbertParts { types: vec![0.0; 7], ..whole() }).starts_with("token_type"));
    assert!(refused(AlbertParts { gamma: vec![1.0; 5], ..whole() }).starts_with("layer_norm_w"));
    let beta = vec![0.0, 1.0, f32::NAN, 0.0];
    assert_eq!(
        refused(AlbertParts { beta, ..whole() }),
        "layer_norm_bias is NaN at position 2, but must be finite"
    );
    for layer_norm_eps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-31] {
        let text = refused(AlbertParts { layer_norm_eps, ..whole() });
        assert!(text.starts_with("layer_norm_eps is"), "{text}");
    }
    let text = refused(AlbertParts { position_padding_id: Some(5), ..whole() });
    assert!(text.starts_with("position_padding_id is 5"), "{text}");
    assert!(AlbertWords::whole(vec![], 3).is_err() && AlbertWords::whole(vec![0.0; 4], 0).is_err());
    assert!(AlbertWords::projected(vec![0.0; 6], 3, &[0.0; 4], None).is_err());
    assert!(AlbertWords::projected(vec![0.0; 6], 3, &[0.0; 3], Some(vec![0.0; 2])).is_err());
    assert!(AlbertWords::projected(vec![0.0; 6], 3, &[f32::INFINITY; 3], None).is_err());
}

fn all(stage: &AlbertEmbeddings) -> Vec<f32> {
    let ids: Vec<u32> = (0..).take(stage.vocab_size().min(stage.positions()) - 3).collect();
    stage.embed(&ids, 1).expect("in range")
}

fn read(bytes: Vec<u8>) -> Result<AlbertEmbeddings> {
    AlbertEmbeddings::from_bytes(bytes, &AlbertOptions::default())
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    for hidden in [0, 12] {
        let parts = AlbertParts {
            layer_norm_eps: 3.25e-7,
            position_padding_id: Some(2),
            ..copy(&stage((50, 8, hidden, 30, 2), 1.0, 0.0))
        };
        let made = AlbertEmbeddings::new(parts).expect("valid");
        let path = folder.path().join("stage.safetensors");
        made.save(&path).expect("saved");
        assert_eq!(fs::read(&path).expect("there"), made.to_bytes().expect("room"));
        for mmap in [true, false] {
            let options = AlbertOptions { mmap, ..AlbertOptions::default() };
            let loaded = AlbertEmbeddings::load(&path, &options).expect("loaded");
            assert_eq!(all(&loaded), all(&made));
            assert_eq!(loaded.layer_norm_eps().to_bits(), 3.25e-7_f64.to_bits());
            assert_eq!(loaded.position_padding_id(), Some(2));
            loaded.save(&path).expect("onto itself");
            assert_eq!(fs::read(&path).expect("there"), made.to_bytes().expect("room"));
        }
        let start =
            SafeTensors::read_metadata(&made.to_bytes().expect("room")).expect("a good file").0 + 8;
        assert!(start.is_multiple_of(64));
    }
}

/// The file of a stage with a header of another content.
fn with_header(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let bytes = stage((50, 8, 16, 30, 2), 1.0, 0.0).to_bytes().expect("room");
    let (header, _) = SafeTensors::read_metadata(&bytes).expect("a good file");
    let mut value: Value = serde_json::from_slice(&bytes[8..8 + header]).expect("a good header");
    change(value.as_object_mut().expect("an object"));
    let text = value.to_string();
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[8 + header..]].concat()
}

/// Gives all tensors other names, and no metadata.
fn renamed(rename: impl Fn(&str) -> String) -> Vec<u8> {
    with_header(|header| {
        header.remove("__metadata__");
        *header = std::mem::take(header).into_iter().map(|(k, v)| (rename(&k), v)).collect();
    })
}

type Rename = fn(&str) -> String;

#[test]
fn names_of_other_models_are_read() {
    let want = all(&stage((50, 8, 16, 30, 2), 1.0, 0.0));
    let projection = "encoder.embedding_hidden_mapping_in";
    let names: [Rename; 3] = [
        |name| format!("albert.{name}"),
        |name| {
            format!(
                "electra.{}",
                name.replace("encoder.embedding_hidden_mapping_in", "embeddings_project")
            )
        },
        |name| {
            name.replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta")
        },
    ];
    for rename in names {
        assert_eq!(all(&read(renamed(rename)).expect("read")), want);
    }
    // BERT: the stage ends at the normalisation.
    let bert = read(renamed(|name| match name.strip_prefix(projection) {
        Some(rest) => format!("cls{rest}"),
        None => format!("bert.{name}"),
    }));
    let bert = bert.expect("read");
    assert!(bert.plain().is_none() && bert.hidden_dim() == 8);
    // DistilBERT: no token types.
    let without =
        read(renamed(|name| format!("m.{}", name.replace("token_type_embeddings", "other"))));
    assert_eq!(without.expect("read").types(), 1);
}

#[test]
fn what_a_file_does_not_say_is_asked_for() {
    let bytes = renamed(|name| format!("roberta.{name}"));
    let error = read(bytes.clone()).expect_err("no epsilon").to_string();
    assert!(error.contains("give layer_norm_eps"), "{error}");
    let options = AlbertOptions { layer_norm_eps: Some(1e-5), ..AlbertOptions::default() };
    let read = AlbertEmbeddings::from_bytes(bytes.clone(), &options).expect("read");
    assert_eq!((read.layer_norm_eps(), read.position_padding_id()), (1e-5, Some(1)));
    let options = AlbertOptions { position_padding_id: Some(4), ..options };
    let read = AlbertEmbeddings::from_bytes(bytes.clone(), &options).expect("read");
    assert_eq!(read.position_padding_id(), Some(4));
    let options = AlbertOptions { layer_norm_eps: Some(-1.0), ..AlbertOptions::default() };
    let error = AlbertEmbeddings::from_bytes(bytes.clone(), &options).expect_err("negative");
    assert_eq!(error.kind(), ErrorKind::Argument);

    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("model.safetensors"), bytes).expect("written");
    let load = |config: &str| {
        fs::write(folder.path().join("config.json"), config).expect("written");
        AlbertEmbeddings::load(folder.path(), &AlbertOptions::default())
    };
    let read = load(r#"{"layer_norm_eps": 0.001, "model_type": "roberta", "pad_token_id": 3}"#);
    let read = read.expect("read");
    assert_eq!((read.layer_norm_eps(), read.position_padding_id()), (1e-3, Some(3)));
    let read = load(r#"{"layer_norm_eps": 0.001, "model_type": "bert", "pad_token_id": 3}"#);
    assert_eq!(read.expect("read").position_padding_id(), None);
    for (config, wanted) in [
        ("{", "config.json"),
        (r#"{"layer_norm_eps": "small"}"#, "config.json at layer_norm_eps"),
        (r#"{"layer_norm_eps": 1e-5, "position_embedding_type": "relative_key"}"#, "relative_key"),
    ] {
        let error = load(config).expect_err("must be refused").to_string();
        assert!(error.contains(wanted) && error.contains("config.json"), "{error}");
    }
}

#[test]
fn files_that_are_wrong_are_refused() {
    let refused = |bytes: Vec<u8>| {
        let error = read(bytes).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Format, "{error}");
        error.to_string()
    };
    let good = stage((50, 8, 16, 30, 2), 1.0, 0.0).to_bytes().expect("room");
    for length in (0..good.len()).step_by(53) {
        refused(good[..length].to_vec());
    }
    for name in ["word_embeddings.weight", "position_embeddings.weight", "LayerNorm.bias"] {
        let gone = format!("embeddings.{name}");
        let text =
            refused(renamed(|name| if name == gone { "x".to_owned() } else { name.to_owned() }));
        assert!(text.contains("there is no tensor") && text.contains(&gone[..20]), "{text}");
    }
    let plain = FactorizedEmbedding::from_bytes(good.clone()).expect_err("not plain").to_string();
    assert!(plain.contains("read it with AlbertEmbeddings"), "{plain}");
    let plain = FactorizedEmbedding::from_bytes(renamed(str::to_owned)).expect_err("not plain");
    assert!(plain.to_string().contains("read it with AlbertEmbeddings"), "{plain}");
    let text =
        refused(with_header(|header| header["__metadata__"]["subtok.layout"] = json!("full")));
    assert!(text.contains("\"full\" is not what stands there"), "{text}");
    let twice = with_header(|header| {
        let entry = header.remove("embeddings.token_type_embeddings.weight").expect("there");
        header.insert("b.embeddings.word_embeddings.weight".to_owned(), entry);
    });
    assert!(refused(twice).contains("under 2 prefixes"));
    for (name, shape) in [
        ("embeddings.position_embeddings.weight", json!([60, 4])),
        ("embeddings.LayerNorm.weight", json!([4, 2])),
        ("encoder.embedding_hidden_mapping_in.weight", json!([32, 4])),
        ("encoder.embedding_hidden_mapping_in.bias", json!([2, 8])),
        ("embeddings.word_embeddings.weight", json!([0, 8])),
    ] {
        let text = refused(with_header(|header| header[name]["shape"] = shape));
        assert!(text.contains("fit") || text.contains("shape"), "{text}");
    }
    let text = refused(with_header(|header| {
        header["__metadata__"]["subtok.layer_norm_eps"] = json!("little");
    }));
    assert!(text.contains("\"little\" is not what stands there"), "{text}");
    let mut spoilt = good.clone();
    let start = SafeTensors::read_metadata(&good).expect("a good file").0 + 8;
    spoilt[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(spoilt).contains("position_embeddings is NaN at position 0"));
}

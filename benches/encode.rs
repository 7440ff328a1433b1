//! Encoding: ids by the fast road, everything by the general one, threads, decoding. The tokenizers
//! are trained on the texts that ship with the repository, which are also what is encoded.

#![expect(clippy::expect_used, reason = "a benchmark that cannot start should stop")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use subtok::{
    BatchRow, BertNormalizer, BpeTrainConfig, Counter, EncodeOptions, Input, Manifest, Normalizer,
    PreTokenizer, Tokenizer, UnknownIds, WordPieceTrainConfig, train_bpe, train_wordpiece,
};

fn tokenizers(files: &[PathBuf]) -> Vec<(&'static str, Tokenizer)> {
    let mut silent = |_, _, _| ControlFlow::Continue(());
    let mut made = Vec::new();
    for name in ["gpt2", "cl100k_base"] {
        let pre_tokenizer = PreTokenizer::by_name(name).expect("a known name");
        let counter = Counter::new(None, &pre_tokenizer, Manifest::default(), None);
        let counts = counter.and_then(|counter| counter.count_files(files, &mut silent));
        let config = BpeTrainConfig { vocab_size: 16_000, ..BpeTrainConfig::default() };
        let trained =
            train_bpe(&counts.expect("readable"), None, pre_tokenizer, &config, &mut silent);
        made.push((name, trained.expect("enough text").0));
    }
    let normalizer = Some(Normalizer::Bert(BertNormalizer::default()));
    let counter = Counter::new(normalizer.clone(), &PreTokenizer::Bert, Manifest::default(), None);
    let counts = counter.and_then(|counter| counter.count_files(files, &mut silent));
    let config = WordPieceTrainConfig { vocab_size: 16_000, ..WordPieceTrainConfig::default() };
    let trained = train_wordpiece(&counts.expect("readable"), normalizer, &config, &mut silent);
    made.push(("bert", trained.expect("enough text").0));
    made
}

fn encode(criterion: &mut Criterion) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/text"));
    let names = [
        "en_austen_persuasion.txt",
        "de_aphorisms.txt",
        "ko_tax_tribunal_decisions.txt",
        "zh_tang_song_poems.txt",
    ];
    let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    let texts: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(file).expect("a text")).collect();
    let options = EncodeOptions { add_special_tokens: false, ..EncodeOptions::default() };
    for (pattern, tokenizer) in tokenizers(&files) {
        let mut group = criterion.benchmark_group(pattern);
        for (name, text) in names.iter().zip(&texts) {
            let language = &name[..2];
            group.throughput(Throughput::Bytes(text.len() as u64));
            let mut ids = Vec::new();
            group.bench_function(format!("ids/{language}"), |bencher| {
                bencher.iter(|| {
                    ids.clear();
                    let input = Input::Text(black_box(text));
                    tokenizer.encode_ids(input, None, &options, &mut ids).expect("valid text");
                });
            });
            group.bench_function(format!("everything/{language}"), |bencher| {
                let input = Input::Text(black_box(text));
                bencher.iter(|| tokenizer.encode(input, None, &options).expect("valid text"));
            });
            group.bench_function(format!("decode/{language}"), |bencher| {
                bencher.iter(|| tokenizer.decode(black_box(&ids), false, UnknownIds::Error));
            });
        }
        let rows: Vec<BatchRow<'_>> = texts
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| BatchRow { input: Input::Text(line), pair: None })
            .collect();
        group.throughput(Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum()));
        for threads in [1, 2] {
            group.bench_function(format!("batch of lines, threads {threads}"), |bencher| {
                bencher.iter(|| {
                    tokenizer.encode_batch(black_box(&rows), &options, threads, &mut || Ok(()))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);

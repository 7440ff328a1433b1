//! Training: counting words, and finding merges in what was counted.

#![expect(clippy::expect_used, reason = "a benchmark that cannot start should stop")]

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use subtok::{BpeTrainConfig, Counter, Counts, Manifest, Phase, PreTokenizer, Unit, learn_bpe};

/// Words with the frequencies of text (the n-th has a share of about 1/n), in lines of ten.
fn text(words: usize) -> String {
    let mut state = 1_u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut text = String::new();
    for number in 0..words {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 100,000"
        )]
        let mut rank = 100_000_f64.powf(draw()) as u64;
        loop {
            let letter = u8::try_from(rank % 21).unwrap_or(0);
            text.push(char::from(b'a' + letter));
            rank /= 21;
            if rank == 0 {
                break;
            }
        }
        text.push(if number % 10 == 9 { '\n' } else { ' ' });
    }
    text
}

fn go(_: Phase, _: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn count(text: &str, pattern: &str, threads: usize) -> Counts {
    let pre_tokenizer = PreTokenizer::by_name(pattern).expect("a known name");
    let counter = Counter::new(None, &pre_tokenizer, Manifest::default(), Some(threads));
    // Documents as files have them: some thousand bytes each.
    let documents = text.as_bytes().chunks(4096).filter_map(|part| std::str::from_utf8(part).ok());
    counter.and_then(|counter| counter.count_texts(documents)).expect("scanners do not fail")
}

fn counting(criterion: &mut Criterion) {
    let text = text(1_000_000);
    let mut group = criterion.benchmark_group("count");
    group.sample_size(10).throughput(Throughput::Bytes(text.len() as u64));
    for (pattern, threads) in [("gpt2", 1), ("gpt2", 2), ("cl100k_base", 1), ("bert", 1)] {
        group.bench_function(format!("{pattern}, {threads} threads"), |bencher| {
            bencher.iter(|| count(black_box(&text), pattern, threads));
        });
    }
    group.finish();
}

fn merging(criterion: &mut Criterion) {
    let counts = count(&text(1_000_000), "gpt2", 2);
    let symbols = counts.parts().0.len();
    let mut group = criterion.benchmark_group("merge");
    group.sample_size(10).throughput(Throughput::Elements(symbols as u64));
    for vocab_size in [1_000, 16_000] {
        let config = BpeTrainConfig { vocab_size, ..BpeTrainConfig::default() };
        group.bench_function(format!("{vocab_size} entries"), |bencher| {
            bencher.iter(|| learn_bpe(black_box(&counts), Unit::Byte, &config, &mut go));
        });
    }
    group.finish();
}

criterion_group!(benches, counting, merging);
criterion_main!(benches);

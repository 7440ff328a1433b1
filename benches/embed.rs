//! The factorised embedding: the product alone, look-ups, pooling, quantising, factorising.

#![expect(clippy::expect_used, reason = "a benchmark that cannot start should stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use subtok::{
    DenseOptions, FactorizedEmbedding, HalfFormat, PoolOptions, PoolRows, Size, TableKind,
};

const VOCAB: usize = 30_522;
const EMBED: usize = 128;
const HIDDEN: usize = 768;

/// Ids with the frequencies of text: about one in nine of a batch of 64 x 512 is distinct.
fn ids(count: usize) -> Vec<u32> {
    let mut state = 1_u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 30,522")]
    let id = |x: f64| (VOCAB as f64).powf(x).min(VOCAB as f64 - 1.0) as u32;
    (0..count).map(|_| id(draw())).collect()
}

fn lookups(criterion: &mut Criterion) {
    let made = FactorizedEmbedding::new(VOCAB, EMBED, HIDDEN, 0, None, true);
    let embedding = made.expect("valid sizes");
    let mut group = criterion.benchmark_group("embed");
    let distinct: Vec<u32> = (0..4096).map(|i| i * 7).collect();
    group.throughput(Throughput::Elements(4096));
    let mut out = vec![0.0; distinct.len() * HIDDEN];
    group.bench_function("product of 4,096 rows", |bencher| {
        bencher.iter(|| embedding.lookup_into(black_box(&distinct), &mut out, 1));
    });
    for (count, threads) in [(16, 1), (512, 1), (32_768, 1), (32_768, 2)] {
        let ids = ids(count);
        let mut out = vec![0.0; count * HIDDEN];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("look-up of {count} ids, {threads} threads"), |bencher| {
            bencher.iter(|| embedding.lookup_into(black_box(&ids), &mut out, threads));
        });
    }
    let ids = ids(32_768);
    let mut out = vec![0.0; 64 * HIDDEN];
    group.bench_function("mean of 64 rows of 512 ids", |bencher| {
        let rows = PoolRows::Equal { rows: 64, length: 512 };
        let options = PoolOptions::default();
        bencher.iter(|| embedding.pool_into(black_box(&ids), rows, &options, &mut out, 1));
    });
    let mut halves = vec![0; ids.len() * HIDDEN];
    group.throughput(Throughput::Elements(ids.len() as u64));
    group.bench_function("look-up of 32768 ids in half precision", |bencher| {
        let format = HalfFormat::Float16;
        bencher.iter(|| embedding.lookup_halves_into(black_box(&ids), &mut halves, format, 1));
    });
    drop(halves);
    let mut vectors = vec![0.0; ids.len() * HIDDEN];
    for (name, kind) in TableKind::NAMES.into_iter().filter(|(_, kind)| *kind != TableKind::F32) {
        let small = embedding.quantize(kind, 1).expect("small numbers");
        group.bench_function(format!("look-up of 32768 ids in {name}"), |bencher| {
            bencher.iter(|| small.lookup_into(black_box(&ids), &mut vectors, 1));
        });
        group.bench_function(format!("mean of 64 rows of 512 ids in {name}"), |bencher| {
            let rows = PoolRows::Equal { rows: 64, length: 512 };
            let options = PoolOptions::default();
            bencher.iter(|| small.pool_into(black_box(&ids), rows, &options, &mut out, 1));
        });
    }
    group.finish();
}

fn quantise(criterion: &mut Criterion) {
    let made = FactorizedEmbedding::new(VOCAB, EMBED, HIDDEN, 0, None, false);
    let embedding = made.expect("valid sizes");
    let mut group = criterion.benchmark_group("embed");
    group.sample_size(10);
    for (name, kind) in TableKind::NAMES {
        group.bench_function(format!("30,522 x 128 to {name}"), |bencher| {
            bencher.iter(|| black_box(&embedding).quantize(kind, 1));
        });
    }
    group.finish();
}

fn factorise(criterion: &mut Criterion) {
    let made = FactorizedEmbedding::new(VOCAB, 384, 384, 0, None, false).expect("valid sizes");
    let all: Vec<u32> = (0..).take(VOCAB).collect();
    let table = made.lookup(&all, 1).expect("ids are in range");
    let mut group = criterion.benchmark_group("embed");
    group.sample_size(10);
    group.bench_function("30,522 x 384 to rank 128", |bencher| {
        let options = DenseOptions::new(Size::Rank(128));
        bencher.iter(|| FactorizedEmbedding::from_dense(black_box(&table), 384, &options, 1));
    });
    group.finish();
}

criterion_group!(benches, lookups, quantise, factorise);
criterion_main!(benches);

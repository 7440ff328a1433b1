//! One vector for a row of ids: the mean, the sum or the maximum of their vectors.

// A mean or a sum commutes with the projection: rows are added up at `embedding_dim`, and each sum
// is multiplied by `P` once. A maximum does not: it is taken over the vectors of the row's distinct
// ids.

use super::factorized::FactorizedEmbedding;
use super::kernel::{BLOCK, Isa, Scratch, rows};
use super::lookup::Distinct;
use super::parallel::{self, SMALL};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// How the vectors of a row become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// Their weighted mean.
    #[default]
    Mean,
    /// Their weighted sum.
    Sum,
    /// The largest number of every column, over the ids whose weight is not zero.
    Max,
}

/// How a flat sequence of ids falls into rows.
#[derive(Clone, Copy, Debug)]
pub enum PoolRows<'a> {
    /// Rows of one length, as in a matrix.
    Equal {
        /// The number of rows.
        rows: usize,
        /// Ids in a row.
        length: usize,
    },
    /// Row `i` is `ids[offsets[i]..offsets[i + 1]]`: one number more than there are rows, the first 0
    /// and the last the number of ids.
    Offsets(&'a [usize]),
}

impl PoolRows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Equal { rows, .. } => *rows,
            Self::Offsets(offsets) => offsets.len() - 1,
        }
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Self::Equal { length, .. } => row * length..(row + 1) * length,
            Self::Offsets(offsets) => offsets[row]..offsets[row + 1],
        }
    }

    fn check(&self, ids: usize) -> Result<()> {
        let offsets = match self {
            Self::Equal { rows, length } if rows.checked_mul(*length) == Some(ids) => return Ok(()),
            Self::Equal { rows, length } => {
                let given = format!("{rows} x {length}");
                return Err(Error::argument("the shape of ids", given, format!("for {ids} ids")));
            }
            Self::Offsets(offsets) => offsets,
        };
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
            return Err(Error::argument(
                "offsets",
                "empty",
                "one number longer than there are rows",
            ));
        };
        let falling = offsets.windows(2).find(|pair| pair[0] > pair[1]);
        if let Some([before, after]) = falling {
            let given = format!("{after} after {before}");
            return Err(Error::argument("offsets", given, "rising"));
        }
        if first != 0 || last != ids {
            let wanted = format!("from 0 to the number of ids ({ids})");
            return Err(Error::argument("offsets", format!("from {first} to {last}"), wanted));
        }
        Ok(())
    }
}

/// What [`FactorizedEmbedding::pool_into`] computes.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolOptions<'a> {
    /// How vectors become one.
    pub mode: PoolMode,
    /// A weight for every id, zero to leave it out; 1 for all when missing.
    pub weights: Option<&'a [f32]>,
    /// Scale the results to length 1; zeros stay zeros.
    pub normalize: bool,
}

impl FactorizedEmbedding {
    /// Writes one vector for every row of ids into `out`. A row without ids, or without weight, gives
    /// zeros. The vector of the padding id counts as the zero vector that it is: give it no weight
    /// to leave it out of a mean.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id that the table does not have; [`Error::Argument`] when lengths do
    /// not fit, offsets fall, or a weight is negative or not finite.
    pub fn pool_into(
        &self,
        ids: &[TokenId],
        rows: PoolRows<'_>,
        options: &PoolOptions<'_>,
        out: &mut [f32],
        threads: usize,
    ) -> Result<()> {
        rows.check(ids.len())?;
        self.check_range(ids)?;
        check_weights(options.weights, ids.len())?;
        self.table.check()?;
        let width = self.hidden_dim();
        if rows.len().checked_mul(width) != Some(out.len()) {
            let given = format!("{} numbers long", out.len());
            let wanted = format!("{} x {width} long", rows.len());
            return Err(Error::argument("out", given, wanted));
        }
        let work = ids.len() * self.embedding_dim() + out.len() * self.embedding_dim();
        let threads = if work < SMALL && options.mode != PoolMode::Max { 1 } else { threads };
        let input = Input { ids, rows, weights: options.weights };
        parallel::for_rows(out, width, BLOCK, threads, Scratch::default, |scratch, first, out| {
            if options.mode == PoolMode::Max {
                self.pool_max(scratch, &input, first, out);
            } else {
                self.pool_sums(scratch, &input, first, options.mode, out);
            }
            if options.normalize {
                out.chunks_exact_mut(width).for_each(normalize);
            }
        });
        Ok(())
    }

    /// The sums or means of up to [`BLOCK`] rows.
    fn pool_sums(
        &self,
        scratch: &mut Scratch<f32>,
        input: &Input<'_>,
        first: usize,
        mode: PoolMode,
        out: &mut [f32],
    ) {
        let mut sums = vec![0.0_f64; self.embedding_dim()];
        let mut short = Vec::new();
        let (mut kept, mut kept_weights) = (Vec::new(), Vec::new());
        let mut shares = [0.0_f64; BLOCK];
        self.projection.multiply(scratch, out, |i, row| {
            let (ids, weights) = input.row(first + i);
            let total = weights.map_or(ids.len() as f64, |weights| {
                weights.iter().map(|weight| f64::from(*weight)).sum()
            });
            sums.fill(0.0);
            let plain = weights.is_none() && self.padding_id().is_none_or(|id| !ids.contains(&id));
            let padding = if plain {
                self.table.add_rows(ids, None, &mut sums, &mut short);
                0.0
            } else {
                let padding = self.keep(ids, weights, &mut kept, &mut kept_weights);
                self.table.add_rows(&kept, Some(&kept_weights), &mut sums, &mut short);
                padding
            };
            let scale = if mode == PoolMode::Mean && total > 0.0 { 1.0 / total } else { 1.0 };
            shares[i] = (total - padding) * scale;
            for (to, sum) in row.iter_mut().zip(&sums) {
                *to = round(sum * scale);
            }
        });
        let Some(bias) = &self.bias else { return };
        for (row, share) in out.chunks_exact_mut(bias.len()).zip(shares) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += round(f64::from(*bias) * share);
            }
        }
    }

    /// The ids of a row that count, and their weights. Returned is the weight of the padding id, whose
    /// vector is zero.
    fn keep(
        &self,
        ids: &[TokenId],
        weights: Option<&[f32]>,
        kept: &mut Vec<TokenId>,
        kept_weights: &mut Vec<f32>,
    ) -> f64 {
        kept.clear();
        kept_weights.clear();
        let mut padding = 0.0;
        for (i, &id) in ids.iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if self.padding_id() == Some(id) {
                padding += f64::from(weight);
            } else if weight > 0.0 {
                kept.push(id);
                kept_weights.push(weight);
            }
        }
        padding
    }

    /// The maxima of some rows.
    fn pool_max(
        &self,
        scratch: &mut Scratch<f32>,
        input: &Input<'_>,
        first: usize,
        out: &mut [f32],
    ) {
        let (isa, width) = (Isa::best(), self.hidden_dim());
        let mut vectors = vec![0.0; BLOCK * width];
        for (i, row) in out.chunks_exact_mut(width).enumerate() {
            let (ids, weights) = input.row(first + i);
            let there = |(i, _): &(usize, &TokenId)| weights.is_none_or(|all| all[*i] > 0.0);
            let ids: Vec<TokenId> =
                ids.iter().enumerate().filter(there).map(|(_, id)| *id).collect();
            let distinct = Distinct::of(&ids, self.vocab_size()).ids;
            row.fill(if distinct.is_empty() { 0.0 } else { f32::NEG_INFINITY });
            for block in distinct.chunks(BLOCK) {
                let vectors = &mut vectors[..block.len() * width];
                self.project_block(scratch, block, vectors);
                for vector in vectors.chunks_exact(width) {
                    rows::raise(isa, row, vector);
                }
            }
        }
    }
}

/// The ids of a call, and how they fall into rows.
struct Input<'a> {
    ids: &'a [TokenId],
    rows: PoolRows<'a>,
    weights: Option<&'a [f32]>,
}

impl Input<'_> {
    /// The ids of a row, and their weights.
    fn row(&self, row: usize) -> (&[TokenId], Option<&[f32]>) {
        let range = self.rows.range(row);
        (&self.ids[range.clone()], self.weights.map(|weights| &weights[range]))
    }
}

fn check_weights(weights: Option<&[f32]>, ids: usize) -> Result<()> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() != ids {
        let given = format!("{} numbers long", weights.len());
        return Err(Error::argument("mask", given, format!("as long as ids ({ids})")));
    }
    match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        None => Ok(()),
        Some(i) => {
            let given = format!("{} at position {i}", weights[i]);
            Err(Error::argument("mask", given, "finite and not negative"))
        }
    }
}

fn normalize(row: &mut [f32]) {
    let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
    if square > 0.0 {
        let scale = 1.0 / square.sqrt();
        for value in row {
            *value = round(f64::from(*value) * scale);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn round(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::super::reference;
    use super::*;

    fn embedding() -> FactorizedEmbedding {
        let mut made = FactorizedEmbedding::new(60, 9, 21, 2, Some(3), true).expect("valid sizes");
        for (j, value) in made.bias.iter_mut().flatten().enumerate() {
            *value = 0.01 * (j as f32) - 0.1;
        }
        made
    }

    #[test]
    fn pooled_rows_equal_the_naive_ones() {
        let embedding = embedding();
        let mut random = Random::new(8);
        let ids: Vec<TokenId> = (0..700).map(|_| (random.bits() % 60) as TokenId).collect();
        let weights: Vec<f32> = (0..700).map(|_| (random.bits() % 4) as f32 / 2.0).collect();
        let offsets: Vec<usize> = (0..=70).map(|i| (i * i) / 7).collect();
        for mode in [PoolMode::Mean, PoolMode::Sum, PoolMode::Max] {
            let options = PoolOptions { mode, weights: Some(&weights), normalize: false };
            let mut results = Vec::new();
            for threads in [1, 3] {
                let mut out = vec![0.0; 70 * 21];
                let rows = PoolRows::Offsets(&offsets);
                embedding.pool_into(&ids, rows, &options, &mut out, threads).expect("valid");
                results.push(out);
            }
            assert_eq!(results[0], results[1]);
            for (i, row) in results[0].chunks(21).enumerate() {
                let range = offsets[i]..offsets[i + 1];
                let want = reference::pool(&embedding, &ids[range.clone()], &weights[range], mode);
                for (got, want) in row.iter().zip(want) {
                    assert!((f64::from(*got) - want).abs() < 1e-6, "{mode:?}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn every_set_of_instructions_pools_to_the_same_bits() {
        let mut random = Random::new(9);
        let ids: Vec<TokenId> = (0..400).map(|_| (random.bits() % 60) as TokenId).collect();
        let weights: Vec<f32> = (0..400).map(|_| (random.bits() % 4) as f32 / 3.0).collect();
        for (_, kind) in crate::embed::Kind::NAMES {
            let embedding = embedding().quantize(kind, 1).expect("small numbers");
            for mode in [PoolMode::Mean, PoolMode::Sum, PoolMode::Max] {
                for weights in [None, Some(&weights[..])] {
                    let options = PoolOptions { mode, weights, normalize: true };
                    let rows = PoolRows::Equal { rows: 4, length: 100 };
                    let results = Isa::available().into_iter().map(|isa| {
                        let mut out = vec![0.0; 4 * 21];
                        isa.force(|| embedding.pool_into(&ids, rows, &options, &mut out, 1))
                            .expect("valid");
                        out
                    });
                    let results: Vec<_> = results.collect();
                    assert!(
                        results.windows(2).all(|pair| pair[0] == pair[1]),
                        "{kind:?}, {mode:?}"
                    );
                    assert!(results[0].iter().any(|x| *x != 0.0));
                }
            }
        }
    }

    #[test]
    fn normalised_rows_have_length_one_and_empty_rows_are_zero() {
        let options = PoolOptions { normalize: true, ..PoolOptions::default() };
        let mut out = vec![9.0; 2 * 21];
        let rows = PoolRows::Offsets(&[0, 3, 3]);
        embedding().pool_into(&[1, 2, 5], rows, &options, &mut out, 1).expect("valid");
        let square: f32 = out[..21].iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-5);
        assert!(out[21..].iter().all(|x| x.to_bits() == 0));
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let refused = |rows, weights| {
            let options = PoolOptions { weights, ..PoolOptions::default() };
            let mut out = vec![0.0; 21];
            let result = embedding().pool_into(&[1, 2, 5], rows, &options, &mut out, 1);
            result.expect_err("must be refused").to_string()
        };
        let rows = PoolRows::Offsets(&[0, 3, 2, 3]);
        assert_eq!(refused(rows, None), "offsets is 2 after 3, but must be rising");
        let text = "offsets is from 0 to 100, but must be from 0 to the number of ids (3)";
        assert_eq!(refused(PoolRows::Offsets(&[0, 100]), None), text);
        assert!(refused(PoolRows::Offsets(&[1, 3]), None).starts_with("offsets is from 1 to 3"));
        assert!(refused(PoolRows::Offsets(&[]), None).starts_with("offsets is empty"));
        assert!(refused(PoolRows::Equal { rows: 2, length: 2 }, None).contains("2 x 2"));
        let rows = PoolRows::Offsets(&[0, 3]);
        assert!(refused(rows, Some(&[1.0])).starts_with("mask is 1 numbers long"));
        let text = "mask is -1 at position 1, but must be finite and not negative";
        assert_eq!(refused(rows, Some(&[1.0, -1.0, 1.0])), text);
        assert!(refused(rows, Some(&[1.0, f32::NAN, 1.0])).starts_with("mask is NaN"));
    }
}

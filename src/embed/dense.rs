//! A table that was trained whole, as two factors: the best ones for its size.

// The best approximation of rank E of sqrt(D) W, with D the weights of the rows, projects W onto the
// E leading eigenvectors of W' D W (Eckart, Young). That matrix is H x H, so one symmetric solve
// gives every rank, three times as fast as a singular value decomposition of W; kept in 64 bits it
// costs no digit that a 32-bit table has. P has orthonormal rows, so inner products of rows of A are
// those of the vectors.

mod report;

use self::report::Losses;
pub use self::report::{Alternative, DenseReport, RowLoss};
use super::factorized::{FactorizedEmbedding, check_sizes, reserved};
use super::gram::gram;
use super::kernel::Panels;
use super::linalg::{Eigen, dot, eigen};
use super::parallel::{self, SMALL};
use super::table::Table;
use super::wide::{Factor, GROUP};
use crate::error::{Error, Result};

/// How `embedding_dim` is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// This `embedding_dim`, at most the width of the table.
    Rank(usize),
    /// The smallest that keeps this share, from 0 to 1, of the weighted squares of the table.
    Energy(f64),
    /// The largest whose factors fit into this many bytes.
    Budget(usize),
}

/// How [`FactorizedEmbedding::from_dense`] weighs the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseOptions<'a> {
    /// How `embedding_dim` is chosen.
    pub size: Size,
    /// How often every id occurs in the text that the table is for. All alike when missing.
    pub counts: Option<&'a [f64]>,
    /// A row weighs `counts ** alpha`. 0.75 was best for retrieval among 0, 0.25, ... 1.25.
    pub alpha: f64,
    /// Keep the weighted mean of the rows as bias, and factorise what deviates from it.
    pub center: bool,
}

impl DenseOptions<'_> {
    /// Equal weights, no bias.
    pub fn new(size: Size) -> Self {
        Self { size, counts: None, alpha: 0.75, center: false }
    }
}

impl FactorizedEmbedding {
    /// Factorises a table of `hidden_dim` columns, given row after row.
    ///
    /// Deterministic, and the same for every number of threads: every row of `P` has its largest
    /// component positive.
    ///
    /// # Errors
    /// [`Error::Argument`] when the table is empty, ragged or not finite, when counts are negative, not
    /// finite, all zero or of another number than rows, or when the size cannot be met.
    pub fn from_dense(
        table: &[f32],
        hidden_dim: usize,
        options: &DenseOptions<'_>,
        threads: usize,
    ) -> Result<(Self, DenseReport)> {
        let rows = check_table(table, hidden_dim)?;
        let weights = weights(rows, options)?;
        let dense = Dense { table, width: hidden_dim, weights: &weights, mean: None };
        let dense = Dense { mean: options.center.then(|| dense.weighted_mean()), ..dense };
        let matrix = gram(rows, hidden_dim, threads, |i, row| dense.weighted_row(i, row));
        let Some(solved) = eigen(matrix, hidden_dim) else {
            let wanted = "a table whose Gram matrix has eigenvalues that can be found";
            return Err(Error::argument("W", "a table without", wanted));
        };
        let kept = kept_shares(&solved.values);
        let rank = choose(options, rows, hidden_dim, &kept)?;
        check_sizes(rows, rank, hidden_dim)?;
        let (factor, lost) = dense.project(&solved, rank, threads)?;
        let losses = Losses {
            table,
            width: hidden_dim,
            counts: options.counts,
            largest: options
                .counts
                .map_or(1.0, |counts| counts.iter().copied().fold(0.0, f64::max)),
            lost: &lost,
            rank,
            bias: options.center,
            energy: kept[rank - 1],
        };
        let report = losses.report();
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        let at = |k: usize, j: usize| solved.vectors[k * hidden_dim + j] as f32;
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        let bias = dense.mean.map(|mean| mean.into_iter().map(|value| value as f32).collect());
        let panels = Panels::pack(rank, hidden_dim, at);
        let embedding = Self::from_parts(Table::owned(factor, rank), panels, bias, None)?;
        Ok((embedding, report))
    }
}

/// The table that is factorised.
struct Dense<'a> {
    table: &'a [f32],
    width: usize,
    /// The weight of every row.
    weights: &'a [f64],
    mean: Option<Vec<f64>>,
}

impl Dense<'_> {
    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.table.chunks_exact(self.width)
    }

    fn weighted_mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for (row, weight) in self.rows().zip(self.weights) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += weight * f64::from(*value);
            }
        }
        let total: f64 = self.weights.iter().sum();
        for sum in &mut mean {
            *sum /= total;
        }
        mean
    }

    /// Row `i`, less the mean.
    fn row(&self, i: usize, out: &mut [f64]) {
        let row = &self.table[i * self.width..][..self.width];
        out.iter_mut().zip(row).for_each(|(to, from)| *to = f64::from(*from));
        if let Some(mean) = &self.mean {
            out.iter_mut().zip(mean).for_each(|(value, mean)| *value -= mean);
        }
    }

    /// Row `i`, less the mean, times the root of its weight.
    fn weighted_row(&self, i: usize, out: &mut [f64]) {
        self.row(i, out);
        let root = self.weights[i].sqrt();
        for value in out {
            *value *= root;
        }
    }

    /// Every row on the leading eigenvectors, and the square of what it loses by that.
    fn project(&self, solved: &Eigen, rank: usize, threads: usize) -> Result<(Vec<f32>, Vec<f64>)> {
        // Rows that a thread takes at a time, and rows of a slab, which bounds the 64-bit numbers
        // that exist at a time.
        const PIECE: usize = 8 * GROUP;
        const SLAB: usize = 64 * PIECE;
        let vectors = Factor::of_columns(&solved.vectors[..rank * self.width], self.width);
        let count = self.weights.len();
        let mut factor = reserved(count, rank)?;
        let mut lost = Vec::with_capacity(count);
        // A row of the slab is one of the factor, and what it loses.
        let mut slab = vec![0.0; SLAB.min(count) * (rank + 1)];
        let threads = if slab.len() * self.width < SMALL { 1 } else { threads };
        let state =
            || (vec![0.0; self.width], vec![[0.0; GROUP]; self.width], vec![0.0; GROUP * rank]);
        for start in (0..count).step_by(SLAB) {
            let slab = &mut slab[..SLAB.min(count - start) * (rank + 1)];
            parallel::for_rows(slab, rank + 1, PIECE, threads, state, |state, first, slab| {
                let (row, group, block) = state;
                for (index, slab) in slab.chunks_mut(GROUP * (rank + 1)).enumerate() {
                    let rows = slab.len() / (rank + 1);
                    let mut squares = [0.0; GROUP];
                    for (i, square) in squares.iter_mut().enumerate().take(rows) {
                        self.row(start + first + index * GROUP + i, row);
                        *square = dot(row, row);
                        group.iter_mut().zip(&*row).for_each(|(to, from)| to[i] = *from);
                    }
                    vectors.multiply(group, &mut block[..rows * rank]);
                    let from = block.chunks_exact(rank).zip(squares);
                    for (to, (from, square)) in slab.chunks_exact_mut(rank + 1).zip(from) {
                        to[..rank].copy_from_slice(from);
                        to[rank] = (square - dot(from, from)).max(0.0);
                    }
                }
            });
            for row in slab.chunks_exact(rank + 1) {
                #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
                factor.extend(row[..rank].iter().map(|value| *value as f32));
                lost.push(row[rank]);
            }
        }
        Ok((factor, lost))
    }
}

/// The widest table: its Gram matrix, as wide as it is high, takes 2 GiB, and some more of them are needed.
const WIDEST: usize = 1 << 14;

fn check_table(table: &[f32], width: usize) -> Result<usize> {
    if width == 0 || table.is_empty() || !table.len().is_multiple_of(width) {
        let given = format!("{} numbers in rows of {width}", table.len());
        return Err(Error::argument("W", given, "at least one row and one column"));
    }
    check_sizes(table.len() / width, 1, width)?;
    let squares =
        [width, width, 4].into_iter().try_fold(1, usize::checked_mul).unwrap_or(usize::MAX);
    if width > WIDEST || Vec::<f64>::new().try_reserve_exact(squares).is_err() {
        let wanted = format!("at most {WIDEST} wide, and {width}^2 numbers four times in memory");
        return Err(Error::argument("W", format!("{width} numbers wide"), wanted));
    }
    match table.iter().position(|value| !value.is_finite()) {
        None => Ok(table.len() / width),
        Some(i) => {
            let given = format!("{} at [{}, {}]", table[i], i / width, i % width);
            Err(Error::argument("W", given, "finite, as 32-bit numbers"))
        }
    }
}

/// `counts ** alpha`, the largest scaled to 1.
fn weights(rows: usize, options: &DenseOptions<'_>) -> Result<Vec<f64>> {
    let alpha = options.alpha;
    if !(alpha.is_finite() && alpha >= 0.0) {
        return Err(Error::argument("alpha", alpha, "finite and not negative"));
    }
    let Some(counts) = options.counts else { return Ok(vec![1.0; rows]) };
    if counts.len() != rows {
        let given = format!("{} numbers long", counts.len());
        return Err(Error::argument(
            "counts",
            given,
            format!("as long as the table ({rows} rows)"),
        ));
    }
    if let Some(i) = counts.iter().position(|count| !(count.is_finite() && *count >= 0.0)) {
        let given = format!("{} at position {i}", counts[i]);
        return Err(Error::argument("counts", given, "finite and not negative"));
    }
    let largest = counts.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Err(Error::argument("counts", "zero throughout", "above zero somewhere"));
    }
    Ok(counts.iter().map(|count| (count / largest).powf(alpha)).collect())
}

/// For every rank from 1 the share of the squares that it keeps.
fn kept_shares(values: &[f64]) -> Vec<f64> {
    // Rounding may leave an eigenvalue of zero slightly below it.
    let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
    let mut sum = 0.0;
    let share = |value: &f64| {
        sum += value.max(0.0);
        if total > 0.0 { sum / total } else { 1.0 }
    };
    values.iter().map(share).collect()
}

fn choose(options: &DenseOptions<'_>, rows: usize, width: usize, kept: &[f64]) -> Result<usize> {
    match options.size {
        Size::Rank(rank) if (1..=width).contains(&rank) => Ok(rank),
        Size::Rank(rank) => {
            Err(Error::argument("rank", rank, format!("from 1 to the width of W ({width})")))
        }
        Size::Energy(energy) if energy > 0.0 && energy <= 1.0 => {
            Ok(kept.iter().position(|share| *share >= energy).map_or(width, |index| index + 1))
        }
        Size::Energy(energy) => Err(Error::argument("energy", energy, "above 0 and at most 1")),
        Size::Budget(bytes) => {
            let rank = bytes.saturating_sub(factor_bytes(rows, width, 0, options.center))
                / factor_bytes(rows, width, 1, false);
            if rank > 0 {
                return Ok(rank.min(width));
            }
            let least = factor_bytes(rows, width, 1, options.center);
            Err(Error::argument("budget_bytes", bytes, format!("at least {least} for one column")))
        }
    }
}

fn factor_bytes(rows: usize, width: usize, rank: usize, bias: bool) -> usize {
    4 * (rank * (rows + width) + if bias { width } else { 0 })
}

/// The weights of rows that are ordered by falling frequency, where nothing is counted: Zipf's law, as
/// `1 / (id + 10)`.
pub fn rank_prior(rows: usize) -> Vec<f64> {
    (0..rows).map(|id| 1.0 / (id as f64 + 10.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// A table whose columns fade, so that ranks differ clearly.
    fn table(rows: usize, width: usize) -> Vec<f32> {
        let mut random = Random::new(6);
        (0..rows * width)
            .map(|i| {
                #[expect(clippy::cast_possible_truncation, reason = "test data")]
                let value = (random.normal() * 0.8_f64.powf((i % width) as f64)) as f32;
                value
            })
            .collect()
    }

    fn made(table: &[f32], width: usize, options: &DenseOptions<'_>) -> (Vec<f32>, DenseReport) {
        let (embedding, report) =
            FactorizedEmbedding::from_dense(table, width, options, 2).expect("valid input");
        let ids: Vec<u32> = (0..).take(table.len() / width).collect();
        (embedding.lookup(&ids, 1).expect("in range"), report)
    }

    fn error(table: &[f32], got: &[f32], width: usize, counts: impl Fn(usize) -> f64) -> f64 {
        let (mut lost, mut whole) = (0.0, 0.0);
        for (i, (want, got)) in table.iter().zip(got).enumerate() {
            lost += counts(i / width) * (f64::from(*want) - f64::from(*got)).powi(2);
            whole += counts(i / width) * f64::from(*want).powi(2);
        }
        (lost / whole).sqrt()
    }

    #[test]
    fn the_report_says_what_is_lost() {
        let table = table(500, 30);
        let counts: Vec<f64> = (0..500).map(|i| 1e6 / (f64::from(i) + 1.0)).collect();
        for center in [false, true] {
            let options =
                DenseOptions { counts: Some(&counts), center, ..DenseOptions::new(Size::Rank(7)) };
            let (got, report) = made(&table, 30, &options);
            let plain = error(&table, &got, 30, |_| 1.0);
            let counted = error(&table, &got, 30, |i| counts[i]);
            assert!((report.relative_error - plain).abs() < 1e-6);
            assert!((report.weighted_error - counted).abs() < 1e-6);
            assert_eq!(report.bytes, 4 * (7 * 530 + if center { 30 } else { 0 }));
        }
    }

    #[test]
    fn rows_that_lost_most_are_listed() {
        let mut table = table(500, 30);
        // One row that no other is like, and one that is counted more often than all others.
        table[7 * 30..8 * 30].fill(0.0);
        table[7 * 30 + 29] = 1e-3;
        let mut counts = vec![1.0; 500];
        counts[11] = 1e9;
        let options =
            DenseOptions { counts: Some(&counts), alpha: 0.0, ..DenseOptions::new(Size::Rank(7)) };
        let (got, report) = made(&table, 30, &options);
        assert_eq!((report.worst.len(), report.worst[0].id), (10, 7));
        assert_eq!((report.costliest[0].id, report.costliest[0].count), (11, 1e9));
        assert!(report.costliest[0].share > 0.99 && report.costliest[0].share <= 1.0);
        for row in report.worst.iter().chain(&report.costliest) {
            let span = row.id * 30..(row.id + 1) * 30;
            let want = error(&table[span.clone()], &got[span], 30, |_| 1.0);
            assert!((row.relative_error - want).abs() < 1e-5, "{row:?}, {want}");
        }
        assert!(report.worst.is_sorted_by(|x, y| x.relative_error >= y.relative_error));
    }

    #[test]
    fn the_prior_falls_with_the_rank() {
        assert_eq!(rank_prior(2), [0.1, 1.0 / 11.0]);
    }

    #[test]
    fn full_rank_gives_the_table_back() {
        let table = table(90, 24);
        let (got, report) = made(&table, 24, &DenseOptions::new(Size::Rank(24)));
        assert!(error(&table, &got, 24, |_| 1.0) < 1e-6);
        assert!(report.relative_error < 1e-6 && report.energy > 0.999_999);
        assert!(report.recommendation.starts_with("keep the table"));
    }

    #[test]
    fn energy_and_budget_choose_the_rank() {
        let table = table(500, 30);
        let rank = |size| made(&table, 30, &DenseOptions::new(size)).1;
        let report = rank(Size::Energy(0.9));
        assert!(report.energy >= 0.9 && rank(Size::Rank(report.rank - 1)).energy < 0.9);
        assert_eq!(rank(Size::Energy(1.0)).rank, 30);
        let report = rank(Size::Budget(4 * 530 * 5 + 100));
        assert_eq!((report.rank, report.bytes), (5, 4 * 530 * 5));
        assert_eq!(rank(Size::Budget(usize::MAX)).rank, 30);
    }

    #[test]
    fn tables_without_structure_are_better_quantised() {
        let mut random = Random::new(1);
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        let table: Vec<f32> = (0..600 * 64).map(|_| random.normal() as f32).collect();
        let report = made(&table, 64, &DenseOptions::new(Size::Rank(32))).1;
        assert!(report.recommendation.starts_with("quantise"), "{}", report.recommendation);
        let report = made(&table, 64, &DenseOptions::new(Size::Rank(4))).1;
        assert!(report.recommendation.starts_with("factorise"), "{}", report.recommendation);
    }

    #[test]
    fn zeros_have_factors_too() {
        let (got, report) = made(&[0.0; 40], 4, &DenseOptions::new(Size::Rank(2)));
        assert!(got.iter().all(|value| *value == 0.0));
        assert_eq!((report.energy, report.relative_error), (1.0, 0.0));
    }

    #[test]
    fn bad_input_is_named() {
        let good = [1.0, 2.0, 3.0, 4.0];
        let refused = |table: &[f32], width, options: DenseOptions<'_>| {
            let made = FactorizedEmbedding::from_dense(table, width, &options, 1);
            made.expect_err("must be refused").to_string()
        };
        let options = DenseOptions::new(Size::Rank(1));
        assert!(refused(&[], 2, options).starts_with("W is 0 numbers"));
        assert!(refused(&good, 3, options).starts_with("W is 4 numbers in rows of 3"));
        assert!(refused(&[1.0, f32::NAN], 2, options).starts_with("W is NaN at [0, 1]"));
        assert!(
            refused(&[1.0, 2.0, f32::INFINITY, 0.0], 2, options).starts_with("W is inf at [1, 0]")
        );
        let wide = vec![1.0; 2 * (WIDEST + 1)];
        refused(&wide, WIDEST + 1, DenseOptions::new(Size::Rank(1)));
        let text = "rank is 3, but must be from 1 to the width of W (2)";
        assert_eq!(refused(&good, 2, DenseOptions::new(Size::Rank(3))), text);
        assert!(refused(&good, 2, DenseOptions::new(Size::Rank(0))).starts_with("rank is 0"));
        for energy in [0.0, -1.0, 1.5, f64::NAN] {
            let text = refused(&good, 2, DenseOptions::new(Size::Energy(energy)));
            assert!(text.starts_with("energy is"), "{text}");
        }
        let text = "budget_bytes is 15, but must be at least 16 for one column";
        assert_eq!(refused(&good, 2, DenseOptions::new(Size::Budget(15))), text);
        for counts in [&[1.0][..], &[1.0, -1.0], &[f64::NAN, 1.0], &[0.0, 0.0]] {
            let text = refused(&good, 2, DenseOptions { counts: Some(counts), ..options });
            assert!(text.starts_with("counts is"), "{text}");
        }
        let text = refused(&good, 2, DenseOptions { alpha: -0.5, ..options });
        assert!(text.starts_with("alpha is -0.5"));
    }
}

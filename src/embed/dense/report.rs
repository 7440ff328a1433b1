//! What a factorisation lost, where it lost it, and whether something else would have been better.

use std::fmt::Write as _;

use super::factor_bytes;

/// What a factorisation kept and what it lost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DenseReport {
    /// The `embedding_dim` that was chosen.
    pub rank: usize,
    /// The share of the weighted squares (of the deviations, when centred) that is kept.
    pub energy: f64,
    /// The length of the error against that of the table, every row alike.
    pub relative_error: f64,
    /// The same, every row as often as it was counted.
    pub weighted_error: f64,
    /// Bytes of the factors and the bias.
    pub bytes: usize,
    /// Bytes of the table as it was.
    pub dense_bytes: usize,
    /// Whether factors are the right choice, and what would be better.
    pub recommendation: String,
    /// The whole table, quantised: measured on up to 2048 of its rows.
    pub alternatives: Vec<Alternative>,
    /// Up to ten rows that lost the largest share of themselves, worst first.
    pub worst: Vec<RowLoss>,
    /// Up to ten rows that have the largest shares in the weighted error.
    pub costliest: Vec<RowLoss>,
}

/// The whole table in fewer bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// `int8` or `int4`.
    pub name: &'static str,
    /// Bytes of the table.
    pub bytes: usize,
    /// The length of the error against that of the table, every row alike.
    pub relative_error: f64,
    /// The same, every row as often as it was counted.
    pub weighted_error: f64,
}

/// What one row lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowLoss {
    /// The row.
    pub id: usize,
    /// How often it was counted; 1 when nothing was.
    pub count: f64,
    /// The length of its error against its own.
    pub relative_error: f64,
    /// Its share in the square of the weighted error.
    pub share: f64,
}

/// What the report is made from.
pub(super) struct Losses<'a> {
    pub(super) table: &'a [f32],
    pub(super) width: usize,
    pub(super) counts: Option<&'a [f64]>,
    /// The largest of them, above 0.
    pub(super) largest: f64,
    /// The square that each row lost.
    pub(super) lost: &'a [f64],
    pub(super) rank: usize,
    pub(super) bias: bool,
    pub(super) energy: f64,
}

/// Rows that are listed.
const LISTED: usize = 10;

/// Rows that are quantised to see what that loses.
const SAMPLE: usize = 2048;

/// Numbers that share a scale in int4.
const SHARING: usize = 32;

impl Losses<'_> {
    pub(super) fn report(&self) -> DenseReport {
        let (rows, width) = (self.lost.len(), self.width);
        let mut plain = Errors::default();
        let mut counted = Errors::default();
        let mut squares = Vec::with_capacity(rows);
        for (id, (row, lost)) in self.table.chunks_exact(width).zip(self.lost).enumerate() {
            let square = square(row);
            plain.add(*lost, square, 1.0);
            counted.add(*lost, square, self.weight(id));
            squares.push(square);
        }
        let row_loss = |id: usize| {
            let (lost, square) = (self.lost[id], squares[id]);
            let count = self.count(id);
            let relative_error = if square > 0.0 { (lost / square).sqrt() } else { 0.0 };
            let share =
                if counted.lost > 0.0 { self.weight(id) * lost / counted.lost } else { 0.0 };
            RowLoss { id, count, relative_error, share }
        };
        let alternatives = self.alternatives();
        let bytes = factor_bytes(rows, width, self.rank, self.bias);
        DenseReport {
            rank: self.rank,
            energy: self.energy,
            relative_error: plain.relative(),
            weighted_error: counted.relative(),
            bytes,
            dense_bytes: 4 * rows * width,
            recommendation: self.recommend(bytes, counted.relative(), &alternatives),
            worst: largest(rows, |id| row_loss(id).relative_error)
                .into_iter()
                .map(row_loss)
                .collect(),
            costliest: largest(rows, |id| row_loss(id).share).into_iter().map(row_loss).collect(),
            alternatives,
        }
    }

    fn count(&self, id: usize) -> f64 {
        self.counts.map_or(1.0, |counts| counts[id])
    }

    /// The count against the largest one: sums of counts may have no number.
    fn weight(&self, id: usize) -> f64 {
        self.count(id) / self.largest
    }

    fn alternatives(&self) -> Vec<Alternative> {
        let (rows, width) = (self.lost.len(), self.width);
        let step = rows.div_ceil(SAMPLE);
        let measure = |name, bytes, levels: f32, sharing: usize| {
            let (mut plain, mut counted) = (Errors::default(), Errors::default());
            let sampled = self.table.chunks_exact(width).enumerate().step_by(step);
            for (id, row) in sampled {
                let lost: f64 = row.chunks(sharing).map(|part| rounding(part, levels)).sum();
                let square = square(row);
                plain.add(lost, square, 1.0);
                counted.add(lost, square, self.weight(id));
            }
            let (relative_error, weighted_error) = (plain.relative(), counted.relative());
            Alternative { name, bytes, relative_error, weighted_error }
        };
        // A number of 16 bits for every row, or for every group of a row.
        let int4 = width.div_ceil(2) + 2 * width.div_ceil(SHARING);
        vec![
            measure("int8", rows * (width + 2), 127.0, width),
            measure("int4", rows * int4, 7.0, SHARING),
        ]
    }

    /// Quantising is the better buy where it loses less and takes no more.
    fn recommend(&self, bytes: usize, error: f64, alternatives: &[Alternative]) -> String {
        let rows = self.lost.len() as f64;
        let (each, percent) = (bytes as f64 / rows, 100.0 * error);
        if bytes >= 4 * self.lost.len() * self.width {
            return "keep the table as it is: these factors are no smaller".to_owned();
        }
        let better: Vec<String> = alternatives
            .iter()
            .filter(|other| other.bytes <= bytes && other.weighted_error < error)
            .map(|other| {
                format!(
                    "as {} it takes {:.0} bytes a token and loses {:.1} %",
                    other.name,
                    other.bytes as f64 / rows,
                    100.0 * other.weighted_error
                )
            })
            .collect();
        let smallest = alternatives.iter().map(|other| other.bytes).min().unwrap_or(0);
        let quantised = factor_bytes(self.lost.len(), self.width, self.rank, self.bias) / 4;
        if better.is_empty() {
            return format!(
                "factorise: at {each:.0} bytes a token these factors lose {percent:.1} % (by counts), and \
                 the whole table quantised to that size would lose more"
            );
        }
        let mut text = format!(
            "quantise the table instead: {}, while these factors take {each:.0} and lose {percent:.1} % \
             (by counts)",
            better.join(", ")
        );
        if quantised < smallest {
            let _ = write!(
                text,
                "; factors pay where the model is trained further, or quantised themselves below {:.0} \
                 bytes a token (these as int8: about {:.0})",
                smallest as f64 / rows,
                quantised as f64 / rows
            );
        }
        text
    }
}

/// Sums of squares: what was lost, and what there was.
#[derive(Default)]
struct Errors {
    lost: f64,
    whole: f64,
}

impl Errors {
    fn add(&mut self, lost: f64, whole: f64, weight: f64) {
        self.lost += weight * lost;
        self.whole += weight * whole;
    }

    fn relative(&self) -> f64 {
        if self.whole > 0.0 { (self.lost / self.whole).sqrt() } else { 0.0 }
    }
}

/// The square of the length, as eight sums side by side.
fn square(row: &[f32]) -> f64 {
    let (parts, rest) = row.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for part in parts {
        for i in 0..8 {
            sums[i] += f64::from(part[i]) * f64::from(part[i]);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()
}

/// The square that numbers lose when they are rounded to `levels` steps on either side of zero.
fn rounding(values: &[f32], levels: f32) -> f64 {
    // Adding this leaves no bits behind the point, and rounds as the machine does.
    const ROUNDER: f32 = 12_582_912.0;
    let largest = values.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
    let scale = largest / levels;
    if scale < f32::MIN_POSITIVE {
        return values.iter().map(|value| f64::from(*value).powi(2)).sum();
    }
    let gap = |value: &f32| {
        let step = (value / scale + ROUNDER) - ROUNDER;
        f64::from(*value) - f64::from(step) * f64::from(scale)
    };
    values.iter().map(gap).map(|gap| gap * gap).sum()
}

/// The rows with the largest values above zero, falling; of equal ones the first.
fn largest(rows: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut found: Vec<(f64, usize)> = Vec::with_capacity(LISTED + 1);
    for id in 0..rows {
        let this = value(id);
        if this > 0.0
            && (found.len() < LISTED || found.last().is_some_and(|(last, _)| this > *last))
        {
            let at = found.partition_point(|(other, _)| *other >= this);
            found.insert(at, (this, id));
            found.truncate(LISTED);
        }
    }
    found.into_iter().map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Random;
    use super::*;

    #[test]
    fn the_largest_are_found_in_order() {
        let mut random = Random::new(4);
        for rows in [0, 3, 10, 500] {
            let values: Vec<f64> = (0..rows).map(|_| (random.normal() * 8.0).round()).collect();
            let mut want: Vec<usize> = (0..rows).filter(|i| values[*i] > 0.0).collect();
            want.sort_by(|i, j| values[*j].total_cmp(&values[*i]));
            want.truncate(LISTED);
            assert_eq!(largest(rows, |i| values[i]), want);
        }
    }

    #[test]
    fn rounding_loses_what_the_naive_way_loses() {
        let mut random = Random::new(5);
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        let values: Vec<f32> = (0..500).map(|_| random.normal() as f32).collect();
        for levels in [127.0, 7.0] {
            for part in values.chunks(32) {
                let scale = part.iter().fold(0.0_f32, |max, x| max.max(x.abs())) / levels;
                let naive: f64 = part
                    .iter()
                    .map(|x| f64::from(*x) - f64::from((x / scale).round_ties_even() * scale))
                    .map(|gap| gap * gap)
                    .sum();
                assert!((rounding(part, levels) / naive - 1.0).abs() < 1e-4);
            }
        }
        assert!(rounding(&[0.0; 4], 7.0) == 0.0 && rounding(&[1e-45], 127.0) > 0.0);
    }

    #[test]
    fn a_normal_table_loses_what_was_measured_elsewhere() {
        // 0.7 % with one scale a row of 384, and 10 % in groups of 32.
        let mut random = Random::new(6);
        #[expect(clippy::cast_possible_truncation, reason = "test data")]
        let table: Vec<f32> = (0..300 * 384).map(|_| random.normal() as f32).collect();
        let losses = Losses {
            table: &table,
            width: 384,
            counts: None,
            largest: 1.0,
            lost: &[0.5; 300],
            rank: 128,
            bias: false,
            energy: 0.5,
        };
        let found = losses.alternatives();
        assert!((found[0].relative_error - 0.007).abs() < 0.0015, "{found:?}");
        assert!((found[1].relative_error - 0.097).abs() < 0.015, "{found:?}");
        assert_eq!((found[0].bytes, found[1].bytes), (300 * 386, 300 * (192 + 24)));
    }
}

//! How the numbers of a table are written, and what they decode to.

// The bodies here are plain loops over whole rows, always inlined: `kernel/rows.rs` compiles them for
// every set of instructions. Each number is decoded by itself, so the bits do not depend on the set.

#![expect(clippy::inline_always, reason = "compiled into callers with wider instructions")]

use crate::ids::TokenId;

/// Numbers of a group that share a scale in [`Kind::Int4`].
pub(crate) const GROUP: usize = 32;

/// How the numbers of a table are kept, in memory and in files; all are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32 bits.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an `f32`.
    Bf16,
    /// 8 bits with a sign, times a scale for every row.
    Int8,
    /// 4 bits with a sign, times a scale for every 32 numbers of a row. A byte holds two, the first in
    /// its lower half, each with 8 added; the last byte of a row of odd width is filled up with 8.
    Int4,
}

impl Kind {
    /// All of them, with their names.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("float32", Self::F32),
        ("float16", Self::F16),
        ("bfloat16", Self::Bf16),
        ("int8", Self::Int8),
        ("int4", Self::Int4),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }

    /// Bytes of the numbers of a row, without scales.
    pub(crate) fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::F32 => 4 * width,
            Self::F16 | Self::Bf16 => 2 * width,
            Self::Int8 => width,
            Self::Int4 => width.div_ceil(2),
        }
    }

    /// Scales of a row. A scale is a number of the kind [`Self::Bf16`]: it has the range of 32 bits, so
    /// none overflows, and its 8 digits cost nothing, as numbers are rounded to what the scale is.
    pub(crate) fn row_scales(self, width: usize) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 0,
            Self::Int8 => 1,
            Self::Int4 => width.div_ceil(GROUP),
        }
    }

    /// Bytes of the scales of a row.
    pub(crate) fn scale_bytes(self, width: usize) -> usize {
        2 * self.row_scales(width)
    }
}

/// The bytes of a row.
#[derive(Clone, Copy)]
pub(crate) struct Coded<'a> {
    pub(crate) kind: Kind,
    /// [`Kind::row_bytes`] of them.
    pub(crate) values: &'a [u8],
    /// [`Kind::scale_bytes`] of them.
    pub(crate) scales: &'a [u8],
}

/// Rows, one after the other.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Numbers of the machine.
    Plain { values: &'a [f32], width: usize },
    /// Bytes of all rows, and of their scales.
    Coded { all: Coded<'a>, width: usize },
}

impl Rows<'_> {
    /// The width of a row.
    #[inline(always)]
    fn width(&self) -> usize {
        match self {
            Self::Plain { width, .. } | Self::Coded { width, .. } => *width,
        }
    }
}

impl Coded<'_> {
    /// One of the rows of this width that these bytes are.
    #[inline(always)]
    pub(crate) fn row(&self, width: usize, index: usize) -> Self {
        let (size, scales) = (self.kind.row_bytes(width), self.kind.scale_bytes(width));
        Self {
            kind: self.kind,
            values: &self.values[index * size..][..size],
            scales: &self.scales[index * scales..][..scales],
        }
    }
}

/// Decodes a row, or as many numbers as `out` takes.
#[inline(always)]
pub(crate) fn decode(row: Coded<'_>, out: &mut [f32]) {
    let Coded { kind, values, scales } = row;
    match kind {
        Kind::F32 => each(values.as_chunks().0, out, |bytes| f32::from_le_bytes(*bytes)),
        Kind::F16 => each(values.as_chunks().0, out, half),
        Kind::Bf16 => each(values.as_chunks().0, out, brain),
        Kind::Int8 => {
            let scale = scale(scales, 0);
            each(values, out, |byte| signed(*byte) * scale);
        }
        Kind::Int4 => {
            let groups = out.chunks_mut(GROUP).zip(values.chunks(GROUP / 2));
            for (index, (out, bytes)) in groups.enumerate() {
                let scale = scale(scales, index);
                let (pairs, last) = out.as_chunks_mut::<2>();
                for (to, byte) in pairs.iter_mut().zip(bytes) {
                    *to = [nibble(byte & 15) * scale, nibble(byte >> 4) * scale];
                }
                if let ([to], Some(byte)) = (last, bytes.get(pairs.len())) {
                    *to = nibble(byte & 15) * scale;
                }
            }
        }
    }
}

#[inline(always)]
fn each<T>(from: &[T], out: &mut [f32], value: impl Fn(&T) -> f32) {
    for (to, from) in out.iter_mut().zip(from) {
        *to = value(from);
    }
}

/// Writes to `sums` the sum of rows, each decoded and then times its weight, the first one first; `C`
/// columns at a time.
#[inline(always)]
pub(crate) fn sum<const C: usize>(
    rows: Rows<'_>,
    ids: &[TokenId],
    weights: Option<&[f32]>,
    sums: &mut [f32],
) {
    let width = rows.width();
    let sums = &mut sums[..width];
    let mut first = 0;
    while let Some(sums) = sums[first..].first_chunk_mut::<C>() {
        sum_strip(rows, first, ids, weights, sums);
        first += C;
    }
    while let Some(sums) = sums[first..].first_chunk_mut::<16>() {
        sum_strip(rows, first, ids, weights, sums);
        first += 16;
    }
    // What is left is less than 16 columns.
    let mut row = [0.0; 16];
    let (sums, row) = (&mut sums[first..], &mut row[..width - first]);
    if row.is_empty() {
        return;
    }
    sums.fill(0.0);
    for (i, id) in ids.iter().enumerate() {
        match rows {
            Rows::Plain { values, width } => {
                row.copy_from_slice(&values[*id as usize * width + first..][..row.len()]);
            }
            Rows::Coded { all, width } => {
                decode(all.row(width, *id as usize).rest_of_row(first), row);
            }
        }
        let weight = weights.map_or(1.0, |weights| weights[i]);
        for (sum, value) in sums.iter_mut().zip(&*row) {
            *sum = value.mul_add(weight, *sum);
        }
    }
}

impl Coded<'_> {
    /// The rest of a row from this column on, which is a multiple of 16.
    #[inline(always)]
    fn rest_of_row(&self, first: usize) -> Self {
        let values = &self.values[self.kind.row_bytes(first)..];
        // A group of 32 may have been begun: decoding from the middle of it uses its scale.
        let scales = match self.kind {
            Kind::Int4 => &self.scales[2 * (first / GROUP)..],
            _ => self.scales,
        };
        Self { kind: self.kind, values, scales }
    }
}

/// [`sum`] for `C` columns from `first` on, a multiple of 16.
#[inline(always)]
fn sum_strip<const C: usize>(
    rows: Rows<'_>,
    first: usize,
    ids: &[TokenId],
    weights: Option<&[f32]>,
    sums: &mut [f32; C],
) {
    let (all, width) = match rows {
        Rows::Plain { values, width } => {
            let row = |id| (&values[id * width + first..], 1.0);
            return sum_each(ids, weights, sums, row, |value: &f32, _| *value);
        }
        Rows::Coded { all, width } => (all, width),
    };
    let bytes = |id: usize| &all.values[all.kind.row_bytes(id * width + first)..];
    match all.kind {
        Kind::F32 => {
            let row = |id| (bytes(id).as_chunks().0, 1.0);
            sum_each(ids, weights, sums, row, |bytes, _| f32::from_le_bytes(*bytes));
        }
        Kind::F16 => {
            sum_each(ids, weights, sums, |id| (bytes(id).as_chunks().0, 1.0), |x, _| half(x));
        }
        Kind::Bf16 => {
            sum_each(ids, weights, sums, |id| (bytes(id).as_chunks().0, 1.0), |x, _| brain(x));
        }
        Kind::Int8 => {
            let row = |id| (bytes(id), scale(all.scales, id));
            sum_each(ids, weights, sums, row, |byte, scale| signed(*byte) * scale);
        }
        Kind::Int4 => {
            let mut row = [0.0; C];
            *sums = [0.0; C];
            for (i, id) in ids.iter().enumerate() {
                decode(all.row(width, *id as usize).rest_of_row(first), &mut row);
                let weight = weights.map_or(1.0, |weights| weights[i]);
                for (sum, value) in sums.iter_mut().zip(&row) {
                    *sum = value.mul_add(weight, *sum);
                }
            }
        }
    }
}

/// Sums of numbers that are written one by one: `row` is where the numbers of an id begin, and its scale.
#[inline(always)]
fn sum_each<'a, T: 'a, const C: usize>(
    ids: &[TokenId],
    weights: Option<&[f32]>,
    sums: &mut [f32; C],
    row: impl Fn(usize) -> (&'a [T], f32),
    value: impl Fn(&T, f32) -> f32,
) {
    // A variable of its own: the compiler then keeps it in registers.
    let mut local = [0.0_f32; C];
    for (i, id) in ids.iter().enumerate() {
        let (row, scale) = row(*id as usize);
        let weight = weights.map_or(1.0, |weights| weights[i]);
        debug_assert!(row.len() >= C, "ids are in range");
        if let Some(row) = row.first_chunk::<C>() {
            for (sum, number) in local.iter_mut().zip(row) {
                *sum = value(number, scale).mul_add(weight, *sum);
            }
        }
    }
    *sums = local;
}

/// The scale with this index.
#[inline(always)]
fn scale(bytes: &[u8], index: usize) -> f32 {
    bytes.as_chunks().0.get(index).map_or(0.0, brain)
}

/// A number in half precision.
#[inline(always)]
fn half(bytes: &[u8; 2]) -> f32 {
    half_to_f32(u16::from_le_bytes(*bytes))
}

/// The upper half of an `f32`.
#[inline(always)]
fn brain(bytes: &[u8; 2]) -> f32 {
    brain_to_f32(u16::from_le_bytes(*bytes))
}

#[inline(always)]
fn signed(byte: u8) -> f32 {
    f32::from(byte.cast_signed())
}

#[inline(always)]
fn nibble(bits: u8) -> f32 {
    f32::from(bits.cast_signed() - 8)
}

/// The value of a number in half precision.
#[inline(always)]
pub(crate) fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7FFF) << 13;
    // Shifted into place the exponent is 112 too small; a multiplication mends normal and
    // subnormal numbers alike. What was infinite or no number stays so.
    let scaled = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = if half & 0x7C00 == 0x7C00 { 0xFF << 23 } else { 0 };
    f32::from_bits(sign | scaled | special)
}

/// The value of the upper half of an `f32`.
#[inline(always)]
pub(crate) fn brain_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// The nearest number in half precision, of two the one that ends in a zero; infinite beyond 65504.
#[inline(always)]
pub(crate) fn f32_to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7FFF_FFFF;
    // Below the normal numbers: adding a half lets the processor round to multiples of 2^-24.
    let tiny = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits());
    // The exponent is 112 too large; what is cut off carries when it is more than half, or half and
    // the rest is odd.
    let normal =
        magnitude.wrapping_sub(112 << 23).wrapping_add(0xFFF + ((magnitude >> 13) & 1)) >> 13;
    let special = if magnitude > 0x7F80_0000 { 0x7E00 } else { 0x7C00 };
    let rounded = if magnitude >= 143 << 23 { special } else { normal.min(0x7C00) };
    let rounded = if magnitude < 113 << 23 { tiny } else { rounded };
    low(sign | rounded)
}

/// The nearest upper half of an `f32`, of two the one that ends in a zero.
#[inline(always)]
pub(crate) fn f32_to_brain(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16;
    // What is no number stays none, and could carry into the sign.
    low(if value.is_nan() { (bits >> 16) | 0x40 } else { rounded })
}

#[inline(always)]
fn low(bits: u32) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is zero")]
    let bits = bits as u16;
    bits
}

/// Writes a row in another kind: its numbers and its scales are appended. The error is the column that
/// cannot be written and why.
pub(crate) fn encode(
    kind: Kind,
    row: &[f32],
    values: &mut Vec<u8>,
    scales: &mut Vec<u8>,
) -> Result<(), (usize, &'static str)> {
    if let Some(column) = row.iter().position(|value| !value.is_finite()) {
        return Err((column, "finite"));
    }
    match kind {
        Kind::F32 => values.extend(row.iter().flat_map(|value| value.to_le_bytes())),
        Kind::F16 => {
            let largest = largest(row);
            // Nothing may become infinite, and no row may vanish.
            if row.get(largest).is_some_and(|value| f32_to_half(*value) & 0x7FFF == 0x7C00) {
                return Err((largest, "at most 65504 for float16 (bfloat16 has the range)"));
            }
            if row.get(largest).is_some_and(|x| *x != 0.0 && f32_to_half(x.abs()) == 0) {
                return Err((largest, "at least 6e-8 for float16 (bfloat16 has the range)"));
            }
            values.extend(row.iter().flat_map(|value| f32_to_half(*value).to_le_bytes()));
        }
        Kind::Bf16 => {
            let code = |value: f32| {
                let code = f32_to_brain(value);
                // The largest numbers would be rounded up to infinity.
                if code & 0x7FFF == 0x7F80 { code - 1 } else { code }
            };
            values.extend(row.iter().flat_map(|value| code(*value).to_le_bytes()));
        }
        Kind::Int8 => {
            let largest = row.get(largest(row)).map_or(0.0, |value| value.abs());
            let (code, scale) = scale_up(largest / 127.0);
            let number = |value: &f32| quantised(*value, scale, -127.0, 127.0).to_le_bytes();
            values.extend(row.iter().flat_map(number));
            scales.extend(code.to_le_bytes());
        }
        Kind::Int4 => {
            for group in row.chunks(GROUP) {
                let (code, scale) = best_scale(group);
                let half = |value: &f32| (quantised(*value, scale, -8.0, 7.0) + 8).cast_unsigned();
                values.extend(group.chunks(2).map(|pair| match pair {
                    [low, high] => half(low) | half(high) << 4,
                    pair => pair.first().map_or(0x88, half) | 0x80,
                }));
                scales.extend(code.to_le_bytes());
            }
        }
    }
    Ok(())
}

/// Where the largest magnitude stands.
fn largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if value.abs() > row[best].abs() {
            best = index;
        }
    }
    best
}

/// The smallest scale that is not below `scale`, which is positive.
fn scale_up(scale: f32) -> (u16, f32) {
    let bits = scale.to_bits();
    let code = low(bits >> 16) + u16::from(bits & 0xFFFF != 0);
    (code, brain_to_f32(code))
}

/// The multiple of `scale` that is nearest to `value`, of those that are allowed and finite.
fn quantised(value: f32, scale: f32, least: f32, most: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    let mut multiple = (value / scale).round_ties_even().clamp(least, most);
    // Rounding may lead past the largest number.
    while !(multiple * scale).is_finite() {
        multiple -= multiple.signum();
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -128 and 127")]
    let multiple = multiple as i8;
    multiple
}

/// The scale of a group of four-bit numbers that loses the least.
fn best_scale(group: &[f32]) -> (u16, f32) {
    // There are eight steps on the one side and seven on the other, so the largest number, whatever its
    // sign, goes where there are eight, or a little beyond: tried are steps from 1/6.8 to 1/8.6 of it,
    // with either sign. On normally distributed groups that takes the error from 9.7 % (seven steps on
    // both sides) to 8.1 %.
    let peak = group.get(largest(group)).copied().unwrap_or(0.0);
    if peak == 0.0 {
        return (0, 0.0);
    }
    // Against the largest, so that squares have the range.
    let mut shares = [0.0; GROUP];
    for (share, value) in shares.iter_mut().zip(group) {
        *share = value / peak;
    }
    let mut best = (f32::INFINITY, 0, 0.0);
    for tenths in 68..=86_u8 {
        for sign in [-1.0, 1.0] {
            let code = f32_to_brain(sign * peak / (f32::from(tenths) / 10.0));
            let scale = brain_to_f32(code);
            let lost = lost(&shares, scale / peak);
            if lost < best.0 {
                best = (lost, code, scale);
            }
        }
    }
    (best.1, best.2)
}

/// The sum of the squares of what numbers lose that become multiples of `step`, from -8 to 7.
fn lost(numbers: &[f32; GROUP], step: f32) -> f32 {
    // Adding it rounds to whole numbers, in fewer instructions than asking for that.
    const ROUND: f32 = 12_582_912.0;
    // Eight sums, as many as a register has: one alone could not be computed in any other order.
    let mut sums = [0.0_f32; 8];
    let inverse = 1.0 / step;
    for numbers in numbers.as_chunks::<8>().0 {
        for (sum, number) in sums.iter_mut().zip(numbers) {
            let multiple = ((number * inverse + ROUND) - ROUND).clamp(-8.0, 7.0);
            let gap = number - multiple * step;
            *sum += gap * gap;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::kernel::{Isa, rows};
    use super::super::random::Random;
    use super::*;

    const WIDTHS: [usize; 12] = [1, 2, 15, 16, 17, 31, 32, 33, 48, 100, 128, 215];

    /// Rows of a kind, coded, and the rows that they were.
    struct Made {
        kind: Kind,
        rows: Vec<Vec<f32>>,
        values: Vec<u8>,
        scales: Vec<u8>,
    }

    impl Made {
        fn new(random: &mut Random, kind: Kind, width: usize) -> Self {
            #[expect(clippy::cast_possible_truncation, reason = "small")]
            let mut number = || random.normal() as f32;
            let rows: Vec<Vec<f32>> =
                (0..9).map(|_| (0..width).map(|_| number()).collect()).collect();
            let (mut values, mut scales) = (Vec::new(), Vec::new());
            for row in &rows {
                encode(kind, row, &mut values, &mut scales).expect("small numbers");
            }
            assert_eq!(values.len(), 9 * kind.row_bytes(width));
            assert_eq!(scales.len(), 9 * kind.scale_bytes(width));
            Self { kind, rows, values, scales }
        }

        fn all(&self) -> Coded<'_> {
            Coded { kind: self.kind, values: &self.values, scales: &self.scales }
        }
    }

    /// What a coded number stands for, said as simply as possible.
    fn naive(made: &Made, width: usize, i: usize, j: usize) -> f32 {
        let at = |bytes: &[u8], k: usize| u16::from_le_bytes([bytes[2 * k], bytes[2 * k + 1]]);
        let row = &made.values[i * made.kind.row_bytes(width)..];
        let scale =
            |k: usize| brain_to_f32(at(&made.scales[i * made.kind.scale_bytes(width)..], k));
        match made.kind {
            Kind::F32 => made.rows[i][j],
            Kind::F16 => half_to_f32(at(row, j)),
            Kind::Bf16 => brain_to_f32(at(row, j)),
            Kind::Int8 => f32::from(row[j].cast_signed()) * scale(0),
            Kind::Int4 => (f32::from(row[j / 2] >> (4 * (j % 2)) & 15) - 8.0) * scale(j / 32),
        }
    }

    #[test]
    fn rows_are_decoded_and_added_up_as_the_naive_way_does_on_every_machine() {
        let mut random = Random::new(11);
        for width in WIDTHS {
            for (_, kind) in Kind::NAMES {
                let made = Made::new(&mut random, kind, width);
                let value = |i: u32, j| naive(&made, width, i as usize, j);
                let ids = [3, 1, 4, 1, 5, 8, 2, 6, 5, 3, 5];
                let weights: Vec<f32> = (0..11).map(|i| 0.5 + 0.3 * i as f32).collect();
                let plain: Vec<f32> = made.rows.concat();
                for isa in Isa::available() {
                    let mut row = vec![9.0; width];
                    rows::decode(isa, made.all().row(width, 7), &mut row);
                    let want: Vec<f32> = (0..width).map(|j| value(7, j)).collect();
                    assert_eq!(row, want, "{kind:?}, {width} wide, {isa:?}");
                    for weights in [None, Some(&weights[..])] {
                        let sum = |j: usize| {
                            ids.iter().enumerate().fold(0.0_f32, |sum, (i, id)| {
                                value(*id, j).mul_add(weights.map_or(1.0, |all| all[i]), sum)
                            })
                        };
                        let want: Vec<f32> = (0..width).map(sum).collect();
                        let coded = Rows::Coded { all: made.all(), width };
                        rows::sum(isa, coded, &ids, weights, &mut row);
                        assert_eq!(row, want, "{kind:?}, {width} wide, {isa:?}");
                        if kind == Kind::F32 {
                            let rows = Rows::Plain { values: &plain, width };
                            rows::sum(isa, rows, &ids, weights, &mut row);
                            assert_eq!(row, want, "{width} wide, {isa:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn normally_distributed_rows_lose_what_the_documentation_says() {
        let mut random = Random::new(12);
        for (kind, least, most) in [
            (Kind::F32, 0.0, 0.0),
            (Kind::F16, 1e-4, 3e-4),
            (Kind::Bf16, 1e-3, 2.5e-3),
            (Kind::Int8, 0.005, 0.007),
            (Kind::Int4, 0.07, 0.085),
        ] {
            let (mut lost, mut whole) = (0.0, 0.0);
            for _ in 0..20 {
                let made = Made::new(&mut random, kind, 128);
                for (i, row) in made.rows.iter().enumerate() {
                    for (j, value) in row.iter().enumerate() {
                        lost += f64::from(value - naive(&made, 128, i, j)).powi(2);
                        whole += f64::from(*value).powi(2);
                    }
                }
            }
            let error = (lost / whole).sqrt();
            assert!((least..=most).contains(&error), "{kind:?}: {error}");
        }
    }

    #[test]
    fn rows_of_any_size_keep_it_and_zeros_stay_zeros() {
        for (kind, most) in [(Kind::Bf16, 0.004), (Kind::Int8, 0.009), (Kind::Int4, 0.12)] {
            for exponent in (-120..=127).step_by(13) {
                let size = 2_f32.powi(exponent);
                let row: Vec<f32> =
                    (0..40_u16).map(|j| size * (f32::from(j * 37 % 40) / 20.5 - 0.97)).collect();
                let (mut values, mut scales) = (Vec::new(), Vec::new());
                encode(kind, &row, &mut values, &mut scales).expect("finite");
                let mut got = vec![0.0; 40];
                decode(Coded { kind, values: &values, scales: &scales }, &mut got);
                let square = |x: f32| f64::from(x / size).powi(2);
                let lost: f64 = got.iter().zip(&row).map(|(got, want)| square(got - want)).sum();
                let whole: f64 = row.iter().map(|x| square(*x)).sum();
                assert!((lost / whole).sqrt() < most, "{kind:?}, 2^{exponent}: {}", lost / whole);
            }
            let (mut values, mut scales) = (Vec::new(), Vec::new());
            encode(kind, &[0.0, -0.0, 0.0], &mut values, &mut scales).expect("finite");
            let mut got = [1.0; 3];
            decode(Coded { kind, values: &values, scales: &scales }, &mut got);
            assert!(got.iter().all(|x| *x == 0.0), "{kind:?}: {got:?}");
        }
        for kind in [Kind::Bf16, Kind::Int8, Kind::Int4] {
            for row in [[f32::MAX, -f32::MAX, 1.0], [f32::MIN, f32::MAX, f32::MIN]] {
                let (mut values, mut scales) = (Vec::new(), Vec::new());
                encode(kind, &row, &mut values, &mut scales).expect("finite");
                let mut got = [0.0; 3];
                decode(Coded { kind, values: &values, scales: &scales }, &mut got);
                assert!(got.iter().all(|x| x.is_finite()), "{kind:?}: {got:?}");
                assert!(got[0] / row[0] > 0.85, "{kind:?}: {got:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_its_column() {
        let refused = |kind, row: &[f32]| encode(kind, row, &mut Vec::new(), &mut Vec::new());
        for (_, kind) in Kind::NAMES {
            assert_eq!(refused(kind, &[1.0, f32::NAN]), Err((1, "finite")));
            assert_eq!(refused(kind, &[f32::NEG_INFINITY]), Err((0, "finite")));
        }
        assert_eq!(refused(Kind::F16, &[0.0, 1.0, -65520.0]).expect_err("too large").0, 2);
        assert!(refused(Kind::F16, &[65519.0]).is_ok());
        assert_eq!(refused(Kind::F16, &[0.0, 1e-9]).expect_err("would vanish").0, 1);
        assert!(refused(Kind::F16, &[1.0, 1e-9]).is_ok());
    }

    #[test]
    fn halves_have_the_value_that_the_standard_gives_them() {
        for half in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 1023));
            let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
            let want = match exponent {
                0 => sign * fraction * 2_f32.powi(-24),
                31 if fraction == 0.0 => sign * f32::INFINITY,
                31 => f32::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
            };
            let got = half_to_f32(half);
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{half:#x}");
        }
    }

    /// Every number of 16 bits comes back; between two of them the nearer one wins, and in the middle
    /// the even one.
    fn check_rounding(to: impl Fn(f32) -> u16, from: impl Fn(u16) -> f32, infinity: u16) {
        for sign in [0, 0x8000] {
            for code in 0..infinity {
                let (low, high) = (from(code | sign), from((code + 1) | sign));
                assert_eq!(to(low), code | sign, "{low}");
                if code + 1 == infinity {
                    continue;
                }
                #[expect(clippy::cast_possible_truncation, reason = "exact: one digit more")]
                let middle = f64::midpoint(f64::from(low), f64::from(high)) as f32;
                let even = (code + (code & 1)) | sign;
                assert_eq!(to(middle), even, "{middle}");
                let (below, above) = (middle.to_bits() - 1, middle.to_bits() + 1);
                assert_eq!(to(f32::from_bits(below)), code | sign, "below {middle}");
                assert_eq!(to(f32::from_bits(above)), (code + 1) | sign, "above {middle}");
            }
            let signed = |x: f32| if sign == 0 { x } else { -x };
            assert_eq!(to(signed(f32::INFINITY)), infinity | sign);
            assert_eq!(to(signed(f32::MAX)), infinity | sign);
            let nan = to(f32::from_bits(0x7F80_0001 | u32::from(sign) << 16));
            assert!(nan & 0x7FFF > infinity, "{nan:#x}");
        }
    }

    #[test]
    fn numbers_of_16_bits_are_the_nearest_ones() {
        check_rounding(f32_to_half, half_to_f32, 0x7C00);
        check_rounding(f32_to_brain, brain_to_f32, 0x7F80);
        assert_eq!(f32_to_half(65519.996), 0x7BFF);
        assert_eq!(f32_to_half(65520.0), 0x7C00);
    }
}

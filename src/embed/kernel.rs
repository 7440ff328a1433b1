//! The matrix product `rows x factor`, blocked so that everything it touches stays in the first caches.
//!
//! The right-hand factor is packed once into *panels*: a few columns wide, `depth` long, row after
//! row, so that a tile of the product reads both of its operands from front to back. The left-hand
//! rows are gathered in blocks of [`BLOCK`] and interleaved the same way.

// Invariant: an element of the product is `((0 + a0*b0) + a1*b1) + ...`, one rounding for every
// product and every sum, in this order, whatever the shape of the tile it falls into. Hence the
// same bits for every batch, block and thread, and on every machine. Fused multiply-add would give
// other bits, and on a machine that adds and multiplies in separate pipes it gains nothing: this
// product runs at 98-100 GFLOP/s on one core where a fused BLAS was measured at 102.
//
// The tile comes twice. `tile` is plain Rust, for any machine. `avx2.rs` holds the same tile in
// vector registers, because the compiler turns the plain one into good code only by luck: over
// heights of 3 to 6 and widths of 8 to 32 it gave anything from 4 to 100 GFLOP/s.

#[cfg(target_arch = "x86_64")]
mod avx2;

use std::array;

/// Rows that are gathered together: packed, they share the second cache with one panel. A multiple
/// of [`HEIGHT`].
pub(crate) const BLOCK: usize = 48;

/// Rows of a full tile: with two vectors a row, the sums fill 12 of 16 registers.
const HEIGHT: usize = 6;

/// Numbers that the product is written for.
pub(crate) trait Real: Copy + Default + Send + Sync + 'static {
    /// Columns of a panel: two vectors of 256 bits.
    const WIDTH: usize;

    /// `sum + left * right`, rounded twice.
    fn add_product(sum: Self, left: Self, right: Self) -> Self;

    /// Multiplies `N` interleaved rows by one panel; see [`tile`].
    fn tile<const N: usize>(group: &[Self], panel: &[Self], out: Target<'_, Self>);
}

impl Real for f32 {
    const WIDTH: usize = 16;

    #[inline]
    fn add_product(sum: Self, left: Self, right: Self) -> Self {
        sum + left * right
    }

    #[inline]
    fn tile<const N: usize>(group: &[Self], panel: &[Self], out: Target<'_, Self>) {
        #[cfg(target_arch = "x86_64")]
        if avx2::is_available() {
            // SAFETY: the machine has AVX2, which is all that the function asks for.
            return unsafe { avx2::tile_f32::<N>(group, panel, out) };
        }
        tile::<Self, 16, N>(group, panel, out);
    }
}

impl Real for f64 {
    const WIDTH: usize = 8;

    #[inline]
    fn add_product(sum: Self, left: Self, right: Self) -> Self {
        sum + left * right
    }

    #[inline]
    fn tile<const N: usize>(group: &[Self], panel: &[Self], out: Target<'_, Self>) {
        #[cfg(target_arch = "x86_64")]
        if avx2::is_available() {
            // SAFETY: the machine has AVX2, which is all that the function asks for.
            return unsafe { avx2::tile_f64::<N>(group, panel, out) };
        }
        tile::<Self, 8, N>(group, panel, out);
    }
}

/// Where a tile goes: its first element is the first of `values`, its rows are `stride` apart, and
/// `width` of its columns exist.
pub(crate) struct Target<'a, T> {
    pub(crate) values: &'a mut [T],
    pub(crate) stride: usize,
    pub(crate) width: usize,
}

impl<T: Copy> Target<'_, T> {
    /// Stores row `i` of a tile.
    #[inline]
    fn store(&mut self, i: usize, row: &[T]) {
        self.values[i * self.stride..][..self.width].copy_from_slice(&row[..self.width]);
    }
}

/// `N` interleaved rows times one panel, in plain Rust.
fn tile<T: Real, const W: usize, const N: usize>(group: &[T], panel: &[T], mut out: Target<'_, T>) {
    let mut sums = [[T::default(); W]; N];
    for (a, b) in group.as_chunks::<N>().0.iter().zip(panel.as_chunks::<W>().0) {
        for (a, sums) in a.iter().zip(&mut sums) {
            *sums = array::from_fn(|j| T::add_product(sums[j], *a, b[j]));
        }
    }
    for (i, row) in sums.iter().enumerate() {
        out.store(i, row);
    }
}

/// The right-hand factor (`depth` rows, `columns` columns), packed into panels; the last panel is
/// filled up with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Panels<T> {
    depth: usize,
    columns: usize,
    values: Vec<T>,
}

impl<T: Real> Panels<T> {
    /// Packs a factor whose element in row `k` and column `j` is `at(k, j)`.
    pub(crate) fn pack(depth: usize, columns: usize, at: impl Fn(usize, usize) -> T) -> Self {
        debug_assert!(depth > 0 && columns > 0);
        let mut values = vec![T::default(); columns.div_ceil(T::WIDTH) * depth * T::WIDTH];
        for (index, panel) in values.chunks_exact_mut(depth * T::WIDTH).enumerate() {
            let first = index * T::WIDTH;
            for j in first..columns.min(first + T::WIDTH) {
                for (k, row) in panel.chunks_exact_mut(T::WIDTH).enumerate() {
                    row[j - first] = at(k, j);
                }
            }
        }
        Self { depth, columns, values }
    }

    /// The number of rows of the factor: the width of the left-hand rows.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The number of columns of the factor: the width of the results.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The element in row `k` and column `j`.
    pub(crate) fn get(&self, k: usize, j: usize) -> T {
        self.values[(j / T::WIDTH * self.depth + k) * T::WIDTH + j % T::WIDTH]
    }

    /// Writes the product of up to [`BLOCK`] rows, `out.len() / columns` of them, into `out`.
    ///
    /// `gather(i, row)` fills `row` (`depth` long) with the `i`-th left-hand row. `scratch` is
    /// reused from call to call.
    pub(crate) fn multiply(
        &self,
        scratch: &mut Scratch<T>,
        out: &mut [T],
        mut gather: impl FnMut(usize, &mut [T]),
    ) {
        let rows = out.len() / self.columns;
        debug_assert!(rows <= BLOCK && out.len() == rows * self.columns);
        scratch.row.resize(self.depth, T::default());
        scratch.packed.resize(BLOCK * self.depth, T::default());
        for first in (0..rows).step_by(HEIGHT) {
            let height = HEIGHT.min(rows - first);
            let group = &mut scratch.packed[first * self.depth..][..height * self.depth];
            for i in 0..height {
                gather(first + i, &mut scratch.row);
                for (to, from) in group[i..].iter_mut().step_by(height).zip(&scratch.row) {
                    *to = *from;
                }
            }
        }
        for (index, panel) in self.values.chunks_exact(self.depth * T::WIDTH).enumerate() {
            let column = index * T::WIDTH;
            for first in (0..rows).step_by(HEIGHT) {
                let height = HEIGHT.min(rows - first);
                let group = &scratch.packed[first * self.depth..][..height * self.depth];
                let target = Target {
                    values: &mut out[first * self.columns + column..],
                    stride: self.columns,
                    width: T::WIDTH.min(self.columns - column),
                };
                match height {
                    6 => T::tile::<6>(group, panel, target),
                    5 => T::tile::<5>(group, panel, target),
                    4 => T::tile::<4>(group, panel, target),
                    3 => T::tile::<3>(group, panel, target),
                    2 => T::tile::<2>(group, panel, target),
                    _ => T::tile::<1>(group, panel, target),
                }
            }
        }
    }
}

/// What [`Panels::multiply`] gathers into.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    row: Vec<T>,
    packed: Vec<T>,
}

//! The matrix product `rows x factor`, blocked so that everything it touches stays in the first caches.
//!
//! The right-hand factor is packed once into *panels*: a few columns wide, `depth` long, row after
//! row, so that a tile of the product reads both of its operands from front to back. The left-hand
//! rows are gathered in blocks of [`BLOCK`] and interleaved the same way.

// Invariant: an element of the product is `fma(a1, b1, fma(a0, b0, 0)) ...`: one rounding for every
// step, in this order, whatever the shape of the tile it falls into. Hence the same bits for every
// batch, block and thread, and on every machine: the fused multiply-add of IEEE 754 is the same
// number in an instruction of any width and in `f32::mul_add`, which a machine without the instruction
// (x86 before 2013) computes slowly. In 64 bits products and sums are rounded apart.
//
// The tile comes three times. `tile` is plain Rust, for any machine; AArch64 runs it, with the fused
// instruction that all of them have. `avx2.rs` and `avx512.rs` hold the same tile in vector registers,
// because the compiler turns the plain one into good code only by luck: over heights of 3 to 6 and
// widths of 8 to 32 it gave anything from 4 to 100 GFLOP/s.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
pub(crate) mod rows;
pub(crate) mod stream;

use std::array;

pub(crate) use isa::Isa;
#[cfg(target_arch = "x86_64")]
use isa::Set;

/// Rows that are gathered together: packed, they share the second cache with one panel. A multiple
/// of every height of a tile.
pub(crate) const BLOCK: usize = 48;

/// Rows of a full tile: with two vectors of 256 bits a row, the sums fill 12 of 16 registers.
const HEIGHT: usize = 6;

/// Numbers that the product is written for.
pub(crate) trait Real: Copy + Default + Send + Sync + 'static {
    /// Columns of a panel: two vectors of 256 bits.
    const WIDTH: usize;

    /// The number 1.
    const ONE: Self;

    /// `sum + left * right`, rounded once in 32 bits and twice in 64.
    fn add_product(sum: Self, left: Self, right: Self) -> Self;

    /// Multiplies `N` interleaved rows by one panel; see [`tile`].
    fn tile<const N: usize>(group: &[Self], panel: &[Self], out: Target<'_, Self>);

    /// How many rows and how many panels a full tile takes.
    fn tile_size(_isa: Isa) -> (usize, usize) {
        (HEIGHT, 1)
    }

    /// Multiplies `height` interleaved rows by as many panels as are there; neither may be more than
    /// [`Self::tile_size`] says.
    fn tiles(_isa: Isa, height: usize, group: &[Self], panels: &[Self], out: Target<'_, Self>) {
        match height {
            6 => Self::tile::<6>(group, panels, out),
            5 => Self::tile::<5>(group, panels, out),
            4 => Self::tile::<4>(group, panels, out),
            3 => Self::tile::<3>(group, panels, out),
            2 => Self::tile::<2>(group, panels, out),
            _ => Self::tile::<1>(group, panels, out),
        }
    }
}

impl Real for f32 {
    const WIDTH: usize = 16;
    const ONE: Self = 1.0;

    #[inline]
    fn add_product(sum: Self, left: Self, right: Self) -> Self {
        left.mul_add(right, sum)
    }

    fn tile<const N: usize>(group: &[Self], panel: &[Self], out: Target<'_, Self>) {
        tile::<Self, 16, N>(group, panel, out);
    }

    #[cfg(target_arch = "x86_64")]
    fn tile_size(isa: Isa) -> (usize, usize) {
        match isa.set() {
            Set::Avx512 => (avx512::HEIGHT, avx512::PANELS),
            Set::Avx2 | Set::Portable => (HEIGHT, 1),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn tiles(isa: Isa, height: usize, group: &[Self], panels: &[Self], out: Target<'_, Self>) {
        let depth = group.len() / height;
        macro_rules! avx2 {
            ($($height:literal)*) => {
                match height {
                    // SAFETY: the set says that the machine has what the function asks for.
                    $($height => unsafe { avx2::tile_f32::<$height>(group, panels, out) },)*
                    _ => debug_assert!(false, "no tile has {height} rows"),
                }
            };
        }
        macro_rules! avx512 {
            ($panels:expr, $($height:literal)*) => {
                match height {
                    // SAFETY: as above.
                    $($height => unsafe { avx512::tile_f32::<$height, _>(group, $panels, out) },)*
                    _ => debug_assert!(false, "no tile has {height} rows"),
                }
            };
        }
        let panel = |m: usize| &panels[m * depth * Self::WIDTH..][..depth * Self::WIDTH];
        match (isa.set(), panels.len() / (depth * Self::WIDTH)) {
            (Set::Avx512, 3) => avx512!([panel(0), panel(1), panel(2)], 1 2 3 4 5 6 7 8),
            (Set::Avx512, 2) => avx512!([panel(0), panel(1)], 1 2 3 4 5 6 7 8),
            (Set::Avx512, _) => avx512!([panel(0)], 1 2 3 4 5 6 7 8),
            (Set::Avx2, _) => avx2!(1 2 3 4 5 6),
            (Set::Portable, _) => portable_tiles(height, group, panels, out),
        }
    }
}

/// The plain tiles of 32 bits.
#[cfg(target_arch = "x86_64")]
fn portable_tiles(height: usize, group: &[f32], panels: &[f32], out: Target<'_, f32>) {
    match height {
        6 => f32::tile::<6>(group, panels, out),
        5 => f32::tile::<5>(group, panels, out),
        4 => f32::tile::<4>(group, panels, out),
        3 => f32::tile::<3>(group, panels, out),
        2 => f32::tile::<2>(group, panels, out),
        _ => f32::tile::<1>(group, panels, out),
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
    /// Stores a part of row `i` of a tile, which begins in this column.
    #[expect(clippy::inline_always, reason = "compiled into callers with wider instructions")]
    #[inline(always)]
    fn store<const P: usize>(&mut self, i: usize, column: usize, part: &[T; P]) {
        let to = self.values.get_mut(i * self.stride + column..).unwrap_or_default();
        match to.first_chunk_mut::<P>() {
            // Nearly always, and a single instruction for what is one vector.
            Some(to) if self.width >= column + P => *to = *part,
            _ => store_begin(&part[..self.width.saturating_sub(column).min(P)], to),
        }
    }
}

/// Stores the part of a vector that exists. By itself, or the compiler makes one call of both stores.
#[cold]
#[inline(never)]
fn store_begin<T: Copy>(part: &[T], to: &mut [T]) {
    to[..part.len()].copy_from_slice(part);
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
        out.store(i, 0, row);
    }
}

/// The right-hand factor (`depth` rows, `columns` columns), packed into panels; the last panel is
/// filled up with zeros. The factor of [`Self::identity`] has no panels.
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

    /// The factor that changes nothing, and costs nothing.
    pub(crate) fn identity(width: usize) -> Self {
        Self { depth: width, columns: width, values: Vec::new() }
    }

    /// Whether this is [`Self::identity`].
    pub(crate) fn is_identity(&self) -> bool {
        self.values.is_empty()
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
        if self.is_identity() {
            return if k == j { T::ONE } else { T::default() };
        }
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
        if self.is_identity() {
            return out
                .chunks_exact_mut(self.columns)
                .enumerate()
                .for_each(|(i, row)| gather(i, row));
        }
        let isa = scratch.isa;
        let (full, panels_of_tile) = T::tile_size(isa);
        scratch.row.resize(self.depth, T::default());
        if scratch.packed.len() < rows * self.depth {
            scratch.packed.resize(rows * self.depth, T::default());
        }
        for first in (0..rows).step_by(full) {
            let height = full.min(rows - first);
            let group = &mut scratch.packed[first * self.depth..][..height * self.depth];
            for i in 0..height {
                gather(first + i, &mut scratch.row);
                match height {
                    8 => interleave::<T, 8>(i, &scratch.row, group),
                    6 => interleave::<T, 6>(i, &scratch.row, group),
                    _ => {
                        let places = group[i..].iter_mut().step_by(height);
                        places.zip(&scratch.row).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
        let width = panels_of_tile * T::WIDTH;
        for (index, panels) in self.values.chunks(self.depth * width).enumerate() {
            let column = index * width;
            for first in (0..rows).step_by(full) {
                let height = full.min(rows - first);
                let group = &scratch.packed[first * self.depth..][..height * self.depth];
                let target = Target {
                    values: &mut out[first * self.columns + column..],
                    stride: self.columns,
                    width: width.min(self.columns - column),
                };
                T::tiles(isa, height, group, panels, target);
            }
        }
    }
}

/// Writes row `i` of `N` interleaved ones. A step that is known takes a third of the instructions.
fn interleave<T: Copy, const N: usize>(i: usize, row: &[T], group: &mut [T]) {
    debug_assert!(i < N && group.len() == N * row.len());
    for (to, from) in group.as_chunks_mut::<N>().0.iter_mut().zip(row) {
        to[i] = *from;
    }
}

/// What [`Panels::multiply`] gathers into, and the instructions that it uses.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    isa: Isa,
    row: Vec<T>,
    packed: Vec<T>,
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn every_set_of_instructions_gives_the_bits_of_the_naive_product() {
        let mut random = Random::new(21);
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal() as f32).collect() };
        for (depth, columns) in [(1, 1), (3, 5), (7, 16), (20, 47), (33, 48), (64, 49), (5, 97)] {
            let factor = numbers(depth * columns);
            let panels = Panels::pack(depth, columns, |k, j| factor[k * columns + j]);
            for count in (1..=17).chain([BLOCK]) {
                let rows = numbers(count * depth);
                let element = |i: usize, j: usize| {
                    (0..depth).fold(0.0_f32, |sum, k| {
                        rows[i * depth + k].mul_add(factor[k * columns + j], sum)
                    })
                };
                let want: Vec<f32> =
                    (0..count * columns).map(|at| element(at / columns, at % columns)).collect();
                for isa in Isa::available() {
                    let mut scratch = isa.force(Scratch::default);
                    assert_eq!(scratch.isa, isa);
                    let mut out = vec![f32::NAN; count * columns];
                    panels.multiply(&mut scratch, &mut out, |i, row| {
                        row.copy_from_slice(&rows[i * depth..][..depth]);
                    });
                    assert_eq!(out, want, "{count} x {depth} x {columns}, {isa:?}");
                }
            }
        }
    }

    #[test]
    fn the_identity_changes_nothing() {
        let panels = Panels::<f32>::identity(3);
        let mut out = [0.0; 6];
        panels.multiply(&mut Scratch::default(), &mut out, |i, row| {
            row.copy_from_slice(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]][i]);
        });
        assert_eq!(out.to_vec(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((panels.get(1, 1), panels.get(1, 2)), (1.0, 0.0));
    }
}

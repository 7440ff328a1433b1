//! Products of 64-bit numbers, for making factors: tiles of 8 x 16 elements.
//!
//! Both operands are packed: a *group* interleaves 8 rows, a *panel* 16 columns, so that a tile reads
//! both from front to back.

// An element is `((0 + a0*b0) + a1*b1) + ...`, each product and each sum rounded: the same bits on
// every machine. In `kernel.rs` a table is multiplied by a thin factor in 32 bits; here both operands are
// as tall as the table is.
//
// `from_dense` for a table of 30522 x 384 at rank 128, on one core of a Zen 5: 0.16 to 0.21 s with 512-bit
// registers, 0.70 s with the 256-bit kernel of look-ups, which was there before.

#[cfg(target_arch = "x86_64")]
mod x86;

/// Columns of a panel.
pub(super) const PANEL: usize = 16;

/// Rows of a group.
pub(super) const GROUP: usize = 8;

/// The sums of one tile, row after row.
pub(super) type Tile = [[f64; PANEL]; GROUP];

/// Multiplies a group by a panel.
#[inline]
pub(super) fn tile(group: &[[f64; GROUP]], panel: &[[f64; PANEL]]) -> Tile {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_512() {
            // SAFETY: the machine has AVX-512F, which is all that the function asks for.
            return unsafe { x86::tile_512(group, panel) };
        }
        if x86::has_256() {
            // SAFETY: the machine has AVX2, which is all that the function asks for.
            return unsafe { x86::tile_256(group, panel) };
        }
    }
    plain_tile(group, panel)
}

/// The tile in plain Rust.
fn plain_tile(group: &[[f64; GROUP]], panel: &[[f64; PANEL]]) -> Tile {
    let mut sums = [[0.0; PANEL]; GROUP];
    for (a, b) in group.iter().zip(panel) {
        for (a, sums) in a.iter().zip(&mut sums) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    sums
}

/// Writes `row` as row `k` of packed pieces of `WIDTH` columns; each piece is `depth` rows long. What is
/// left of the last piece stays as it is.
pub(super) fn spread<const WIDTH: usize>(
    row: &[f64],
    pieces: &mut [[f64; WIDTH]],
    depth: usize,
    k: usize,
) {
    let (whole, rest) = row.as_chunks::<WIDTH>();
    let mut pieces = pieces.chunks_exact_mut(depth);
    for (from, to) in whole.iter().zip(&mut pieces) {
        to[k] = *from;
    }
    if let (false, Some(to)) = (rest.is_empty(), pieces.next()) {
        to[k][..rest.len()].copy_from_slice(rest);
    }
}

/// A right-hand factor, packed into panels; the last is filled up with zeros.
pub(super) struct Factor {
    depth: usize,
    columns: usize,
    panels: Vec<[f64; PANEL]>,
}

impl Factor {
    /// Packs a factor whose columns are rows here, `depth` numbers each.
    pub(super) fn of_columns(columns: &[f64], depth: usize) -> Self {
        let count = columns.len() / depth;
        let mut panels = vec![[0.0; PANEL]; count.div_ceil(PANEL) * depth];
        for (columns, panel) in columns.chunks(PANEL * depth).zip(panels.chunks_exact_mut(depth)) {
            for (j, column) in columns.chunks_exact(depth).enumerate() {
                for (row, value) in panel.iter_mut().zip(column) {
                    row[j] = *value;
                }
            }
        }
        Self { depth, columns: count, panels }
    }

    /// The product of up to [`GROUP`] interleaved rows with this: rows of `columns` numbers go to `out`.
    pub(super) fn multiply(&self, group: &[[f64; GROUP]], out: &mut [f64]) {
        debug_assert_eq!(group.len(), self.depth);
        for (index, panel) in self.panels.chunks_exact(self.depth).enumerate() {
            let first = index * PANEL;
            let width = PANEL.min(self.columns - first);
            let sums = tile(group, panel);
            for (row, sums) in out.chunks_exact_mut(self.columns).zip(&sums) {
                row[first..first + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn tiles_have_the_same_bits_on_every_road() {
        let mut random = Random::new(8);
        for depth in [0, 1, 2, 17, 300] {
            let group: Vec<[f64; GROUP]> =
                (0..depth).map(|_| std::array::from_fn(|_| random.normal())).collect();
            let panel: Vec<[f64; PANEL]> =
                (0..depth).map(|_| std::array::from_fn(|_| random.normal())).collect();
            let want = plain_tile(&group, &panel);
            assert_eq!(tile(&group, &panel), want, "depth {depth}");
            #[cfg(target_arch = "x86_64")]
            if x86::has_256() {
                // SAFETY: asked for in the line above.
                assert_eq!(unsafe { x86::tile_256(&group, &panel) }, want, "depth {depth}");
            }
            for (i, sums) in want.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let twin: f64 = group.iter().zip(&panel).map(|(a, b)| a[i] * b[j]).sum();
                    assert!((sum - twin).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn products_equal_the_plain_sums() {
        let mut random = Random::new(8);
        for (depth, columns) in [(1, 1), (5, 16), (40, 17), (33, 50)] {
            let columns_: Vec<f64> = (0..depth * columns).map(|_| random.normal()).collect();
            let factor = Factor::of_columns(&columns_, depth);
            for rows in [1, 3, GROUP] {
                let left: Vec<f64> = (0..rows * depth).map(|_| random.normal()).collect();
                let mut group = vec![[0.0; GROUP]; depth];
                for (i, row) in left.chunks(depth).enumerate() {
                    group.iter_mut().zip(row).for_each(|(to, from)| to[i] = *from);
                }
                let mut out = vec![f64::NAN; rows * columns];
                factor.multiply(&group, &mut out);
                for (i, row) in left.chunks(depth).enumerate() {
                    for (j, column) in columns_.chunks(depth).enumerate() {
                        let want: f64 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                        assert!((out[i * columns + j] - want).abs() < 1e-12);
                    }
                }
            }
        }
    }
}

//! The weighted Gram matrix of a tall table: `sum over rows of w x x'`, in 64 bits.

// Rows are taken in chunks; a chunk is packed twice, as panels and as groups, and every tile of the
// upper triangle is the product of a group (columns as rows) and a panel. Threads share the tiles of
// a chunk, never its rows, so the order of every sum is fixed.

use super::parallel::{self, SMALL};
use super::wide::{GROUP, PANEL, spread, tile};

/// Rows of a chunk: of a panel and a group, what a tile reads stays in the first cache.
const CHUNK: usize = 256;

/// `X' X` for `rows` rows of `width` numbers, as a full symmetric matrix. `fill(i, row)` must write the
/// `i`-th row of `X`.
pub(crate) fn gram(
    rows: usize,
    width: usize,
    threads: usize,
    fill: impl Fn(usize, &mut [f64]),
) -> Vec<f64> {
    let panels = width.div_ceil(PANEL);
    let groups = width.div_ceil(GROUP);
    // Panel after panel, each as `width` rows (filled up to whole groups) of PANEL columns.
    let height = groups * GROUP;
    let mut sums = vec![[0.0; PANEL]; panels * height];
    let mut row = vec![0.0; width];
    let mut as_panels = vec![[0.0; PANEL]; panels * CHUNK];
    let mut as_groups = vec![[0.0; GROUP]; groups * CHUNK];
    let threads = if CHUNK * width * width < SMALL { 1 } else { threads };
    for first in (0..rows).step_by(CHUNK) {
        let depth = CHUNK.min(rows - first);
        for k in 0..depth {
            fill(first + k, &mut row);
            spread(&row, &mut as_panels, depth, k);
            spread(&row, &mut as_groups, depth, k);
        }
        let (as_panels, as_groups) = (&as_panels[..], &as_groups[..]);
        parallel::for_rows(
            &mut sums,
            1,
            height,
            threads,
            || (),
            |(), at, sums| {
                let index = at / height;
                let panel = &as_panels[index * depth..][..depth];
                // Tiles below the diagonal are the mirror of those above.
                let wanted = ((index + 1) * PANEL).min(width).div_ceil(GROUP);
                let tiles = sums.chunks_exact_mut(GROUP).take(wanted);
                for (sums, group) in tiles.zip(as_groups.chunks_exact(depth)) {
                    for (sums, row) in sums.iter_mut().zip(tile(group, panel)) {
                        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                    }
                }
            },
        );
    }
    let at = |i: usize, j: usize| sums[j / PANEL * height + i][j % PANEL];
    (0..width * width)
        .map(|index| (index / width, index % width))
        .map(|(i, j)| at(i.min(j), i.max(j)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn it_equals_the_plain_sums_for_every_number_of_threads() {
        let mut random = Random::new(2);
        for (rows, width) in [(1, 1), (5, 3), (300, 6), (513, 8), (700, 25), (260, 200)] {
            let x: Vec<f64> = (0..rows * width).map(|_| random.normal()).collect();
            let fill = |i: usize, row: &mut [f64]| row.copy_from_slice(&x[i * width..][..width]);
            let got = gram(rows, width, 1, fill);
            assert_eq!(got, gram(rows, width, 3, fill));
            for i in 0..width {
                for j in 0..width {
                    let want: f64 = x.chunks(width).map(|row| row[i] * row[j]).sum();
                    let gap = (got[i * width + j] - want).abs();
                    assert!(gap < 1e-11, "{rows} x {width} at {i}, {j}: {gap:e}");
                }
            }
        }
    }
}

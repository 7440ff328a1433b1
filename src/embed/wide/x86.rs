//! The tile of 64-bit numbers in vector registers.

// Loads are `setr` of a whole vector, which is safe and becomes one load; the way out of a vector is a
// cast of its bits, as in `kernel/`. Loops run over indices: with iterators the sums were kept in memory
// and not in registers, where the compiler did not see through all of them (170 ms instead of 60).

use std::arch::x86_64::{
    __m256d, __m512d, _mm256_add_pd, _mm256_mul_pd, _mm256_set1_pd, _mm256_setr_pd,
    _mm256_setzero_pd, _mm512_add_pd, _mm512_mul_pd, _mm512_set1_pd, _mm512_setr_pd,
    _mm512_setzero_pd,
};
use std::mem::transmute;

use super::{GROUP, PANEL, Tile};

/// Whether this machine can run [`tile_512`].
#[inline]
pub(super) fn has_512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
}

/// Whether this machine can run [`tile_256`].
#[inline]
pub(super) fn has_256() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// The same bits as the plain tile; the sums fill 16 of 32 registers.
#[target_feature(enable = "avx512f")]
pub(super) fn tile_512(group: &[[f64; GROUP]], panel: &[[f64; PANEL]]) -> Tile {
    let mut sums = [[_mm512_setzero_pd(); 2]; GROUP];
    let depth = group.len().min(panel.len());
    let (group, panel) = (&group[..depth], &panel[..depth]);
    for k in 0..depth {
        let b = &panel[k];
        let left = _mm512_setr_pd(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
        let right = _mm512_setr_pd(b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
        for i in 0..GROUP {
            let a = _mm512_set1_pd(group[k][i]);
            sums[i][0] = _mm512_add_pd(sums[i][0], _mm512_mul_pd(a, left));
            sums[i][1] = _mm512_add_pd(sums[i][1], _mm512_mul_pd(a, right));
        }
    }
    // SAFETY: both are 8 x 16 numbers of 64 bits, and every pattern of bits is a number.
    unsafe { transmute::<[[__m512d; 2]; GROUP], Tile>(sums) }
}

/// The same bits as the plain tile, quarter by quarter: 4 rows x 8 columns fill 8 of 16 registers.
#[target_feature(enable = "avx2")]
pub(super) fn tile_256(group: &[[f64; GROUP]], panel: &[[f64; PANEL]]) -> Tile {
    let mut tile = [[0.0; PANEL]; GROUP];
    for (top, rows) in tile.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for half in 0..2 {
            let sums = quarter(group, panel, top, half);
            for (row, sums) in rows.iter_mut().zip(sums) {
                // SAFETY: both are 8 numbers of 64 bits, and every pattern of bits is a number.
                let sums = unsafe { transmute::<[__m256d; 2], [f64; 8]>(sums) };
                row[half * 8..half * 8 + 8].copy_from_slice(&sums);
            }
        }
    }
    tile
}

#[target_feature(enable = "avx2")]
#[inline]
fn quarter(
    group: &[[f64; GROUP]],
    panel: &[[f64; PANEL]],
    top: usize,
    half: usize,
) -> [[__m256d; 2]; 4] {
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    let depth = group.len().min(panel.len());
    let (group, panel) = (&group[..depth], &panel[..depth]);
    for k in 0..depth {
        let (a, b) = (&group[k].as_chunks::<4>().0[top], &panel[k].as_chunks::<8>().0[half]);
        let left = _mm256_setr_pd(b[0], b[1], b[2], b[3]);
        let right = _mm256_setr_pd(b[4], b[5], b[6], b[7]);
        for i in 0..4 {
            let a = _mm256_set1_pd(a[i]);
            sums[i][0] = _mm256_add_pd(sums[i][0], _mm256_mul_pd(a, left));
            sums[i][1] = _mm256_add_pd(sums[i][1], _mm256_mul_pd(a, right));
        }
    }
    sums
}

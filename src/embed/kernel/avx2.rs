//! The tile of the matrix product in 256-bit registers.

// The loads are written as `setr` of eight (four) elements, which is safe and becomes one load. The
// only other way out of a vector is a cast of its bits.

use std::arch::x86_64::{
    __m256, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setr_ps, _mm256_setzero_ps,
};
use std::mem::transmute;

use super::Target;

/// `N` interleaved rows times one panel of 16 columns; the same bits as the plain tile.
#[target_feature(enable = "avx2,fma")]
pub(super) fn tile_f32<const N: usize>(group: &[f32], panel: &[f32], mut out: Target<'_, f32>) {
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    for (a, b) in group.as_chunks::<N>().0.iter().zip(panel.as_chunks::<16>().0) {
        let left = _mm256_setr_ps(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
        let right = _mm256_setr_ps(b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
        for (a, sums) in a.iter().zip(&mut sums) {
            let a = _mm256_set1_ps(*a);
            sums[0] = _mm256_fmadd_ps(a, left, sums[0]);
            sums[1] = _mm256_fmadd_ps(a, right, sums[1]);
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        // SAFETY: both are 16 numbers of 32 bits, and every pattern of bits is a number.
        let row = unsafe { transmute::<[__m256; 2], [f32; 16]>(sums) };
        out.store(i, 0, &row);
    }
}

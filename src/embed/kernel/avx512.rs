//! The tile of the matrix product in 512-bit registers.

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
};
use std::array;
use std::mem::transmute;

use super::Target;

/// Rows of a full tile: with [`PANELS`] vectors a row, the sums fill 24 of 32 registers.
pub(super) const HEIGHT: usize = 8;

/// Panels that a tile is wide.
pub(super) const PANELS: usize = 3;

#[inline]
#[target_feature(enable = "avx512f,avx2,fma")]
fn load(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array has the 16 numbers that are read; the instruction asks for no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

/// `N` interleaved rows times `M` panels of 16 columns; the same bits as the plain tile.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) fn tile_f32<const N: usize, const M: usize>(
    group: &[f32],
    panels: [&[f32]; M],
    mut out: Target<'_, f32>,
) {
    let group = group.as_chunks::<N>().0;
    // Of one length, which the compiler may then rely on.
    let panels = panels.map(|panel| &panel.as_chunks::<16>().0[..group.len()]);
    let mut sums = [[_mm512_setzero_ps(); M]; N];
    for (k, a) in group.iter().enumerate() {
        let b: [__m512; M] = array::from_fn(|m| load(&panels[m][k]));
        for (a, sums) in a.iter().zip(&mut sums) {
            let a = _mm512_set1_ps(*a);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
    }
    for (i, sums) in sums.into_iter().enumerate() {
        for (m, sum) in sums.into_iter().enumerate() {
            // SAFETY: both are 16 numbers of 32 bits, and every pattern of bits is a number.
            let row = unsafe { transmute::<__m512, [f32; 16]>(sum) };
            out.store(i, 16 * m, &row);
        }
    }
}

//! What the processor at hand does better: masks of white space.
//!
//! The twin of [`find`] is the portable [`Edges::blocks`]; tests hold every instruction set that the
//! machine has against the definition.

use super::edges::{BLOCK, Edges};

/// Ways to find edges, the best one last; a number, so that tests can ask for each.
#[cfg(test)]
pub(super) const WAYS: usize = 3;

/// The best way on this machine.
#[inline]
pub(super) fn best() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("popcnt") {
            return 2;
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
        {
            return 1;
        }
    }
    0
}

/// Notes the edges in whole blocks; `way` is at most [`best`].
#[inline]
pub(super) fn find(edges: &mut Edges, blocks: &[[u8; BLOCK]], way: usize) {
    debug_assert!(way <= best());
    #[cfg(target_arch = "x86_64")]
    match way {
        // SAFETY: `best` found these instructions, and `way` does not go beyond it.
        2 => return unsafe { x86::avx512(edges, blocks) },
        // SAFETY: as above.
        1 => return unsafe { x86::avx2(edges, blocks) },
        _ => {}
    }
    edges.blocks(blocks);
}

#[cfg(target_arch = "x86_64")]
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_ptr_alignment,
    reason = "bits, and ASCII; the loads and the store need no alignment"
)]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8, _mm512_add_epi32, _mm512_cmpeq_epi8_mask,
        _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_set1_epi8, _mm512_set1_epi32,
        _mm512_setr_epi32, _mm512_storeu_si512,
    };

    use super::{BLOCK, Edges};

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub(super) fn avx2(edges: &mut Edges, blocks: &[[u8; BLOCK]]) {
        for block in blocks {
            let mut white = 0;
            for (at, half) in block.as_chunks::<32>().0.iter().enumerate() {
                // SAFETY: a reference to 32 bytes, which need no alignment here.
                let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) };
                let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
                let blank = _mm256_or_si256(is(b' '), is(b'\t'));
                let line = _mm256_or_si256(is(b'\n'), is(b'\r'));
                let bits = _mm256_movemask_epi8(_mm256_or_si256(blank, line)) as u32;
                white |= u64::from(bits) << (32 * at);
            }
            edges.block(white);
        }
    }

    #[target_feature(enable = "avx512bw,popcnt")]
    pub(super) fn avx512(edges: &mut Edges, blocks: &[[u8; BLOCK]]) {
        let counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for block in blocks {
            // SAFETY: a reference to 64 bytes, which need no alignment here.
            let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast::<__m512i>()) };
            let is = |byte: u8| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8));
            let white = is(b' ') | is(b'\t') | is(b'\n') | is(b'\r');
            let Some((bits, base, room)) = edges.changes(white) else { return };
            let mut written = 0;
            for quarter in 0..4 {
                let mask = (bits >> (16 * quarter)) as u16;
                let first = _mm512_set1_epi32((base + 16 * quarter) as i32);
                let at = _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(first, counting));
                debug_assert!(written + 16 <= room.len());
                // SAFETY: at most 16 positions were written for each quarter before this one, so
                // that 16 more fit into the 64 of `room`.
                let place = unsafe { room.as_mut_ptr().add(written) };
                // SAFETY: as above; the store needs no alignment.
                unsafe {
                    _mm512_storeu_si512(place.cast::<__m512i>(), at);
                };
                written += mask.count_ones() as usize;
            }
        }
    }
}

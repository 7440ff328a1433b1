//! The kernels of x86-64. Where the plain one looks up every byte in two tables, these do 32 or 64 at once:
//! the one with AVX2 was counted at 4.6 instructions a byte of English, all in all.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm512_loadu_si512, _mm512_mask_permutexvar_epi8,
    _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_test_epi8_mask,
};

use super::super::borders::Borders;
use super::WINDOW;

/// Finds the borders with what the processor has, if it has anything.
#[inline]
pub(super) fn find(borders: &Borders, text: &[u8], masks: &mut [u64]) -> bool {
    if has_avx512() {
        // SAFETY: the processor has what the function asks for.
        unsafe { avx512(borders, text, masks) };
        true
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for.
        unsafe { avx2(borders, text, masks) };
        true
    } else {
        false
    }
}

#[inline]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi")
}

/// A kernel.
#[cfg(test)]
pub(super) type Kernel = fn(&Borders, &[u8], &mut [u64]);

/// The kernels that this processor can run.
#[cfg(test)]
pub(super) fn available() -> Vec<Kernel> {
    let mut found: Vec<Kernel> = Vec::new();
    if has_avx512() {
        // SAFETY: the processor has what the function asks for.
        found.push(|borders, text, masks| unsafe { avx512(borders, text, masks) });
    }
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for.
        found.push(|borders, text, masks| unsafe { avx2(borders, text, masks) });
    }
    found
}

/// A window is looked at as the bytes before the borders, and the bytes behind them.
#[inline]
fn window(text: &[u8], block: usize) -> Option<(&[u8; 64], &[u8; 64])> {
    let window = text.get(block * 64..)?.first_chunk::<WINDOW>()?;
    Some((window.first_chunk()?, window.last_chunk()?))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn avx512(borders: &Borders, text: &[u8], masks: &mut [u64]) {
    // ASCII is two quarters of a table; of the others one side has only the third, one the fourth.
    let left = [0, 1, 2].map(|at| quarter(&borders.left, at));
    let right = [0, 1, 3].map(|at| quarter(&borders.right, at));
    let second = _mm512_set1_epi8(0x40);
    for (block, mask) in masks.iter_mut().enumerate() {
        let Some((before, after)) = window(text, block) else { return };
        let (before, after) = (load64(before), load64(after));
        // Permutations look at the low six or seven bits. Two masks say where they do not suffice: the
        // third quarter has the top bit and not the next, the fourth has both.
        let high = _mm512_movepi8_mask(before);
        let lefts = _mm512_permutex2var_epi8(left[0], before, left[1]);
        let lefts = _mm512_mask_permutexvar_epi8(lefts, high, before, left[2]);
        let fourth = _mm512_test_epi8_mask(before, second) & high;
        let high = _mm512_movepi8_mask(after);
        let rights = _mm512_permutex2var_epi8(right[0], after, right[1]);
        let rights = _mm512_mask_permutexvar_epi8(rights, high, after, right[2]);
        let third = high & !_mm512_test_epi8_mask(after, second);
        *mask = _mm512_test_epi8_mask(lefts, rights) & !fourth & !third;
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: an array of 64 bytes, wherever it lies.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn quarter(table: &[u8; 256], at: usize) -> __m512i {
    load64(table[at * 64..].first_chunk().unwrap_or(&[0; 64]))
}

/// A table without the quarter that is empty, in rows of 16 bytes, each twice.
type Rows = [__m256i; 12];

#[target_feature(enable = "avx2")]
fn avx2(borders: &Borders, text: &[u8], masks: &mut [u64]) {
    let (lefts, rights) = (rows(&borders.left, 8), rows(&borders.right, 12));
    for (block, mask) in masks.iter_mut().enumerate() {
        let Some((before, after)) = window(text, block) else { return };
        *mask = 0;
        let halves = before.as_chunks::<32>().0.iter().zip(after.as_chunks::<32>().0);
        for (half, (before, after)) in halves.enumerate() {
            let left = look_up(&lefts, load32(before), 8);
            let right = look_up(&rights, load32(after), 12);
            let none = _mm256_cmpeq_epi8(_mm256_and_si256(left, right), _mm256_setzero_si256());
            let some = !_mm256_movemask_epi8(none).cast_unsigned();
            *mask |= u64::from(some) << (32 * half);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: an array of 32 bytes, wherever it lies.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Rows 0 to 7 of a table, and four from row `high` on.
#[target_feature(enable = "avx2")]
fn rows(table: &[u8; 256], high: usize) -> Rows {
    let mut rows = [_mm256_setzero_si256(); 12];
    for (at, row) in rows.iter_mut().enumerate() {
        let at = if at < 8 { at } else { at - 8 + high };
        let once = table[at * 16..].first_chunk::<16>().unwrap_or(&[0; 16]);
        *row = load32(&std::array::from_fn(|byte| once[byte % 16]));
    }
    rows
}

/// What the table says of each byte.
#[target_feature(enable = "avx2")]
#[inline]
fn look_up(rows: &Rows, bytes: __m256i, high: i8) -> __m256i {
    let nibbles = _mm256_set1_epi8(0x0F);
    let low = _mm256_and_si256(bytes, nibbles);
    let row = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibbles);
    let mut found = _mm256_setzero_si256();
    for (number, &table) in (0i8..).zip(rows) {
        let number = if number < 8 { number } else { number - 8 + high };
        let here = _mm256_cmpeq_epi8(row, _mm256_set1_epi8(number));
        found = _mm256_or_si256(found, _mm256_and_si256(here, _mm256_shuffle_epi8(table, low)));
    }
    found
}

//! What is done to whole rows: decoding, adding up, rounding. One plain loop for each, compiled for every
//! set of instructions.

// None of these loops carries anything from one number to the next, so the compiler makes good code of
// them, and the bits are the same whatever the set. Compiled for the oldest machines only, adding up
// 32,768 rows of 128 numbers takes 1.3 ms, with AVX-512 0.1 ms.

#![expect(clippy::inline_always, reason = "compiled into callers with wider instructions")]

use super::isa::{Isa, Set};
use crate::embed::kind::{self, Coded, Rows};
use crate::ids::TokenId;

/// Defines a function that runs `$body` with the widest instructions that `isa` has.
macro_rules! for_every_set {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) => $body:path) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name(isa: Isa, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) {
                $body($($argument),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($argument: $type),*) {
                $body($($argument),*);
            }
            match isa.set() {
                // SAFETY: the set says that the machine has what the function asks for.
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 => unsafe { avx2($($argument),*) },
                Set::Portable => $body($($argument),*),
            }
        }
    };
}

for_every_set! {
    /// Decodes a row, or as many numbers as `out` takes.
    decode(row: Coded<'_>, out: &mut [f32]) => kind::decode
}

for_every_set! {
    /// Adds a row to another one.
    add(sums: &mut [f32], row: &[f32]) => add_all
}

/// Writes to `sums` the sum of the rows of `ids`, each times its weight (1 if there are none), the first
/// one first. Ids must be in range, and weights as many as ids.
#[inline]
pub(crate) fn sum(
    isa: Isa,
    rows: Rows<'_>,
    ids: &[TokenId],
    weights: Option<&[f32]>,
    sums: &mut [f32],
) {
    // As many columns at a time as there are registers for their sums. A sum that is loaded and stored for
    // every row, or every four rows, takes three times as long.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn avx512(rows: Rows<'_>, ids: &[TokenId], weights: Option<&[f32]>, sums: &mut [f32]) {
        kind::sum::<128>(rows, ids, weights, sums);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rows: Rows<'_>, ids: &[TokenId], weights: Option<&[f32]>, sums: &mut [f32]) {
        kind::sum::<64>(rows, ids, weights, sums);
    }
    match isa.set() {
        // SAFETY: the set says that the machine has what the function asks for.
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => unsafe { avx512(rows, ids, weights, sums) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => unsafe { avx2(rows, ids, weights, sums) },
        Set::Portable => kind::sum::<64>(rows, ids, weights, sums),
    }
}

for_every_set! {
    /// Adds sums in 32 bits to those in 64.
    drain(short: &[f32], sums: &mut [f64]) => drain_all
}

for_every_set! {
    /// Raises every number of `most` to that of `row`.
    raise(most: &mut [f32], row: &[f32]) => raise_all
}

for_every_set! {
    /// Rounds numbers to half precision.
    to_halves(row: &[f32], out: &mut [u16]) => halves
}

for_every_set! {
    /// Rounds numbers to their upper halves.
    to_brains(row: &[f32], out: &mut [u16]) => brains
}

for_every_set! {
    /// `square = |left + right|^2`.
    square_of_sum(left: &[f32], right: &[f32], square: &mut f32) => squares
}

for_every_set! {
    /// `out = (left + right) * scale + constant`.
    scaled_sum(left: &[f32], right: &[f32], scale: f32, constant: &[f32], out: &mut [f32]) => scaled
}

/// As 16 sums side by side: a fixed order that fits every set.
#[inline(always)]
fn squares(left: &[f32], right: &[f32], square: &mut f32) {
    let (left, left_rest) = left.as_chunks::<16>();
    let (right, right_rest) = right.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (left, right) in left.iter().zip(right) {
        for i in 0..16 {
            let value = left[i] + right[i];
            sums[i] += value * value;
        }
    }
    for ((sum, left), right) in sums.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += (left + right) * (left + right);
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    *square = sums[0];
}

#[inline(always)]
fn scaled(left: &[f32], right: &[f32], scale: f32, constant: &[f32], out: &mut [f32]) {
    for ((to, constant), (left, right)) in out.iter_mut().zip(constant).zip(left.iter().zip(right))
    {
        *to = (left + right) * scale + constant;
    }
}

#[inline(always)]
fn add_all(sums: &mut [f32], row: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value;
    }
}

#[inline(always)]
fn drain_all(short: &[f32], sums: &mut [f64]) {
    for (sum, short) in sums.iter_mut().zip(short) {
        *sum += f64::from(*short);
    }
}

#[inline(always)]
fn raise_all(most: &mut [f32], row: &[f32]) {
    for (most, value) in most.iter_mut().zip(row) {
        *most = most.max(*value);
    }
}

#[inline(always)]
fn halves(row: &[f32], out: &mut [u16]) {
    for (to, value) in out.iter_mut().zip(row) {
        *to = kind::f32_to_half(*value);
    }
}

#[inline(always)]
fn brains(row: &[f32], out: &mut [u16]) {
    for (to, value) in out.iter_mut().zip(row) {
        *to = kind::f32_to_brain(*value);
    }
}

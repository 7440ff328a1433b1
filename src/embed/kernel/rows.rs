//! What is done to whole rows: decoding, adding up, rounding. One plain loop for each, compiled for every
//! set of instructions.

// None of these loops carries anything from one number to the next, so the compiler makes good code of
// them, and the bits are the same whatever the set. Compiled for the oldest machines only, adding up
// 32,768 rows of 128 numbers took 1.39 ms, against 0.2 ms with AVX-512.

use super::isa::{Isa, Set};
use crate::embed::kind::{self, Coded};

/// Rows that are added up together.
pub(crate) const TOGETHER: usize = 4;

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
    /// Adds to `sums` the rows, each times its weight, the first one first.
    add_four(rows: [&[f32]; TOGETHER], weights: [f32; TOGETHER], sums: &mut [f32]) => add
}

for_every_set! {
    /// The same for a single row.
    add_one(rows: [&[f32]; 1], weights: [f32; 1], sums: &mut [f32]) => add
}

for_every_set! {
    /// [`add_four`] for rows of 32 bits in a file.
    add_four_coded(rows: [&[u8]; TOGETHER], weights: [f32; TOGETHER], sums: &mut [f32]) => add_coded
}

for_every_set! {
    /// Moves sums in 32 bits to those in 64.
    drain(short: &mut [f32], sums: &mut [f64]) => drain_all
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

#[inline(always)]
fn add<const N: usize>(rows: [&[f32]; N], weights: [f32; N], sums: &mut [f32]) {
    // Of one length, which the compiler may then rely on.
    let rows = rows.map(|row| &row[..sums.len()]);
    for (j, sum) in sums.iter_mut().enumerate() {
        for (row, weight) in rows.iter().zip(weights) {
            *sum = row[j].mul_add(weight, *sum);
        }
    }
}

#[inline(always)]
fn add_coded<const N: usize>(rows: [&[u8]; N], weights: [f32; N], sums: &mut [f32]) {
    let rows = rows.map(|row| &row.as_chunks::<4>().0[..sums.len()]);
    for (j, sum) in sums.iter_mut().enumerate() {
        for (row, weight) in rows.iter().zip(weights) {
            *sum = f32::from_le_bytes(row[j]).mul_add(weight, *sum);
        }
    }
}

#[inline(always)]
fn drain_all(short: &mut [f32], sums: &mut [f64]) {
    for (sum, short) in sums.iter_mut().zip(short) {
        *sum += f64::from(std::mem::take(short));
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

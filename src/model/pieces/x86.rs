//! The rounds of look-ups with AVX-512: keys of four pieces at a time, both slots of a line at once.
//!
//! Nine instructions a key instead of forty, seventeen a look-up instead of twenty-nine: pieces that
//! follow one another have their texts in four parts of one register, and what is kept of them, their
//! lengths and their hashes are found for all four together.

#![expect(
    unsafe_code,
    reason = "vector instructions, and calls of what the processor was found to have"
)]

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_cmpge_epu32_mask, _mm_loadu_si128, _mm_maskz_loadu_epi8,
    _mm_min_epu32, _mm_set1_epi32, _mm_storeu_si128, _mm_sub_epi32, _mm256_storeu_si256,
    _mm512_add_epi32, _mm512_add_epi64, _mm512_broadcast_i32x4, _mm512_castsi128_si512,
    _mm512_castsi512_si256, _mm512_cmpeq_epi8_mask, _mm512_cmpeq_epi64_mask,
    _mm512_cmplt_epu8_mask, _mm512_inserti32x4, _mm512_loadu_si512, _mm512_mask_mov_epi8,
    _mm512_maskz_mov_epi8, _mm512_mul_epu32, _mm512_permutexvar_epi64, _mm512_set_epi32,
    _mm512_set_epi64, _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_shuffle_epi32,
    _mm512_srli_epi64, _mm512_storeu_si512, _mm512_xor_si512,
};

use super::{Ids, Key, MAX_KEY, PieceView, SALT};
use crate::memory::{Line, prefetch_at};

/// AVX-512 with bytes, and shorter vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

/// Pieces whose keys are made together.
const LANES: usize = 4;
/// The byte of a key that holds the length, in each lane.
const LAST: u64 = 0x8000_8000_8000_8000;

impl Avx512 {
    /// None on a processor that lacks it.
    pub(super) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi2");
        there.then_some(Self(()))
    }

    /// As [`PieceView::find_keys`].
    #[inline]
    pub(super) fn find_keys(
        self,
        view: PieceView<'_>,
        text: &[u8],
        bounds: &[u32],
        keys: &mut [Key],
        hashes: &mut [u64],
    ) {
        let Self(()) = self;
        debug_assert!(Self::detect().is_some());
        // SAFETY: a value of this type is only made where the processor has what the function needs.
        unsafe { find_keys(view, text, bounds, keys, hashes) }
    }

    /// As [`PieceView::probe_all`].
    #[inline]
    pub(super) fn probe_all(
        self,
        view: PieceView<'_>,
        keys: &[Key],
        hashes: &[u64],
        ids: &mut [Ids],
        rest: &mut [u16],
    ) -> usize {
        let Self(()) = self;
        debug_assert!(Self::detect().is_some());
        // SAFETY: as above.
        unsafe { probe_all(view, keys, hashes, ids, rest) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi2")]
#[expect(clippy::cast_possible_truncation, reason = "texts have fewer than 2^32 bytes")]
#[expect(clippy::cast_possible_wrap, reason = "bits, and lengths up to 16")]
fn find_keys(
    view: PieceView<'_>,
    text: &[u8],
    bounds: &[u32],
    keys: &mut [Key],
    hashes: &mut [u64],
) {
    // From here on sixteen bytes are not there.
    let limit = text.len().saturating_sub(15).min(u32::MAX as usize);
    let limit = _mm_set1_epi32(limit as i32);
    let [a, b, c, d] = SALT.map(|salt| salt as i32);
    let salt = _mm512_set_epi32(d, c, b, a, d, c, b, a, d, c, b, a, d, c, b, a);
    let (low, high) = (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908);
    let places = _mm512_set_epi64(high, low, high, low, high, low, high, low);
    // The first byte of the first, second, ... length, all over a lane.
    let byte = |at: i64| at * 0x0404_0404_0404_0404;
    let lanes = _mm512_set_epi64(byte(3), byte(3), byte(2), byte(2), byte(1), byte(1), 0, 0);
    let too_long = _mm512_set1_epi8(MAX_KEY as i8 + 1);
    let evens = _mm512_set_epi64(0, 0, 0, 0, 6, 4, 2, 0);
    let (lines, mask) = view.addresses();

    let groups = keys.as_chunks_mut::<LANES>().0.iter_mut().zip(hashes.as_chunks_mut::<LANES>().0);
    let mut done = 0;
    for (keys, hashes) in groups {
        let Some(bounds) = bounds.get(done..).and_then(|rest| rest.first_chunk::<{ LANES + 1 }>())
        else {
            break;
        };
        let starts = load(&bounds[..LANES]);
        if _mm_cmpge_epu32_mask(starts, limit) != 0 {
            break;
        }
        let lengths = _mm_min_epu32(
            _mm_sub_epi32(load(&bounds[1..]), starts),
            _mm_set1_epi32(MAX_KEY as i32 + 1),
        );
        let piece = |at: usize| -> __m128i {
            let start = bounds[at] as usize;
            debug_assert!(start + 16 <= text.len());
            // SAFETY: the starts were compared with the limit, before which there are sixteen bytes; the load
            // needs no alignment.
            unsafe { _mm_loadu_si128(text.as_ptr().wrapping_add(start).cast()) }
        };
        let texts = _mm512_castsi128_si512(piece(0));
        let texts = _mm512_inserti32x4::<1>(texts, piece(1));
        let texts = _mm512_inserti32x4::<2>(texts, piece(2));
        let texts = _mm512_inserti32x4::<3>(texts, piece(3));
        let lengths = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(lengths), lanes);
        let kept = _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(places, lengths), texts);
        let found = _mm512_mask_mov_epi8(kept, LAST, lengths);
        let none = _mm512_cmpeq_epi8_mask(lengths, too_long);
        let found = _mm512_mask_mov_epi8(found, none, _mm512_set1_epi8(-1));
        store(keys, found);

        let salted = _mm512_add_epi32(found, salt);
        let products = _mm512_mul_epu32(salted, _mm512_srli_epi64::<32>(salted));
        let sums = _mm512_add_epi64(products, _mm512_shuffle_epi32::<0b0100_1110>(products));
        let mixed = _mm512_xor_si512(sums, _mm512_srli_epi64::<32>(sums));
        store_half(hashes, _mm512_castsi512_si256(_mm512_permutexvar_epi64(evens, mixed)));
        for &hash in &*hashes {
            prefetch_at(lines.wrapping_add(hash as usize & mask));
        }
        done += LANES;
    }
    // What is left, and the last pieces of a text: as many bytes are loaded as a piece has.
    let bounds = bounds.get(done..).unwrap_or_default();
    let keys = keys.get_mut(done..).unwrap_or_default();
    let hashes = hashes.get_mut(done..).unwrap_or_default();
    for ((key, hash), ends) in keys.iter_mut().zip(hashes).zip(bounds.windows(2)) {
        let piece = text.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
        *key = key_of(piece);
        *hash = key.hash();
        prefetch_at(lines.wrapping_add(*hash as usize & mask));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi2")]
fn key_of(piece: &[u8]) -> Key {
    let length = piece.len();
    debug_assert!(length > 0);
    if length > MAX_KEY {
        return Key::NONE;
    }
    // SAFETY: bytes that the mask leaves out are not read.
    let bytes = unsafe { _mm_maskz_loadu_epi8((1 << length) - 1, piece.as_ptr().cast()) };
    let mut key = Key(0);
    // SAFETY: a key is 16 bytes and holds any bits; the store needs no alignment.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(&mut key).cast(), bytes) };
    Key(key.0 | (length as u128) << 120)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi2")]
#[expect(clippy::cast_possible_truncation, reason = "places in a block")]
fn probe_all(
    view: PieceView<'_>,
    keys: &[Key],
    hashes: &[u64],
    ids: &mut [Ids],
    rest: &mut [u16],
) -> usize {
    let mask = view.lines.len().wrapping_sub(1);
    let mut count = 0;
    for (at, ((key, &hash), ids)) in keys.iter().zip(hashes).zip(ids).enumerate() {
        let Some(line) = view.lines.get(hash as usize & mask) else { return count };
        // SAFETY: a key has 16 bytes; the load needs no alignment.
        let key = unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) };
        let same = _mm512_cmpeq_epi64_mask(load_line(line), _mm512_broadcast_i32x4(key));
        // Both halves of the first key, both of the second one.
        let same = same & same >> 1 & 0b1_0001;
        let parts = line.as_chunks::<16>().0;
        *ids = Ids::from_bytes(parts[if same & 1 == 1 { 1 } else { 3 }]);
        let Some(place) = rest.get_mut(count) else { return count };
        *place = at as u16;
        count += usize::from(same == 0);
    }
    count
}

#[inline]
fn load(numbers: &[u32]) -> __m128i {
    debug_assert!(numbers.len() >= 4);
    // SAFETY: each caller gives four numbers; the load needs no alignment.
    unsafe { _mm_loadu_si128(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_line(line: &Line) -> __m512i {
    // SAFETY: a line has 64 bytes; the load needs no alignment.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(keys: &mut [Key; LANES], value: __m512i) {
    // SAFETY: four keys are 64 bytes and hold any bits; the store needs no alignment.
    unsafe { _mm512_storeu_si512(keys.as_mut_ptr().cast(), value) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_half(hashes: &mut [u64; LANES], value: __m256i) {
    // SAFETY: four numbers are 32 bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(hashes.as_mut_ptr().cast(), value) };
}

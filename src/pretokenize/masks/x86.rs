//! Classification with the vector instructions of x86-64, and the loops compiled for them.

#![expect(
    clippy::inline_always,
    reason = "compiled for each instruction set, inside of a loop over windows"
)]
#![expect(
    unsafe_code,
    reason = "vector instructions, and calls of what the processor was found to have"
)]

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi8, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setr_epi8,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm512_cmpeq_epi8_mask,
    _mm512_cmplt_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_loadu_si512,
    _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_sub_epi8,
    _mm512_test_epi8_mask,
};

use super::{ASCII, Ascii, Classify, Ends, LOWER_BIT, Rule, UPPER_BIT, WINDOW, fill};
use crate::unicode::classes::ClassTable;

/// AVX-512 with byte permutations.
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct Avx512(());

/// AVX2.
#[derive(Clone, Copy, Debug)]
pub(in crate::pretokenize) struct Avx2(());

impl Avx512 {
    /// None on a processor that lacks it.
    pub(super) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        there.then_some(Self(()))
    }

    /// As [`fill`].
    #[inline]
    pub(super) fn fill(
        self,
        rule: impl Rule,
        table: &ClassTable,
        text: &[u8],
        at: usize,
        ends: &mut Ends,
    ) -> usize {
        // SAFETY: a value of this type is only made where the processor has what the function needs.
        unsafe { fill_avx512(self, rule, table, text, at, ends) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi1,bmi2,lzcnt,popcnt")]
fn fill_avx512(
    isa: Avx512,
    rule: impl Rule,
    table: &ClassTable,
    text: &[u8],
    at: usize,
    ends: &mut Ends,
) -> usize {
    fill(isa, rule, table, text, at, ends)
}

impl Classify for Avx512 {
    #[inline(always)]
    fn classify(self, bytes: &[u8; WINDOW]) -> Ascii {
        debug_assert!(Self::detect().is_some());
        // SAFETY: as above; the loads are of arrays of 64 bytes.
        unsafe { classify_avx512(bytes) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn classify_avx512(bytes: &[u8; WINDOW]) -> Ascii {
    let load = |bytes: &[u8]| -> __m512i {
        debug_assert!(bytes.len() >= 64);
        // SAFETY: each caller gives 64 bytes; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    };
    let text = load(bytes);
    let high = _mm512_movepi8_mask(text);
    let codes = _mm512_maskz_permutex2var_epi8(!high, load(&ASCII[..64]), text, load(&ASCII[64..]));
    let class = |bit: u8| _mm512_test_epi8_mask(codes, _mm512_set1_epi8(bit.cast_signed()));
    let classes = [0, 1, 2, 3, 4, 5, 6, 7].map(|bit| class(1 << bit));
    if high == 0 {
        return Ascii { classes, high, tails: 0, caseless: 0 };
    }
    let tails = _mm512_cmplt_epi8_mask(text, _mm512_set1_epi8(0xC0u8.cast_signed()));
    // E5 to EC without EA.
    let from_e5 = _mm512_sub_epi8(text, _mm512_set1_epi8(0xE5u8.cast_signed()));
    let caseless = _mm512_cmplt_epu8_mask(from_e5, _mm512_set1_epi8(8))
        & !_mm512_cmpeq_epi8_mask(from_e5, _mm512_set1_epi8(5));
    Ascii { classes, high, tails, caseless }
}

impl Avx2 {
    /// None on a processor that lacks it.
    pub(super) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        there.then_some(Self(()))
    }

    /// As [`fill`].
    #[inline]
    pub(super) fn fill(
        self,
        rule: impl Rule,
        table: &ClassTable,
        text: &[u8],
        at: usize,
        ends: &mut Ends,
    ) -> usize {
        // SAFETY: a value of this type is only made where the processor has what the function needs.
        unsafe { fill_avx2(self, rule, table, text, at, ends) }
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn fill_avx2(
    isa: Avx2,
    rule: impl Rule,
    table: &ClassTable,
    text: &[u8],
    at: usize,
    ends: &mut Ends,
) -> usize {
    fill(isa, rule, table, text, at, ends)
}

impl Classify for Avx2 {
    #[inline(always)]
    fn classify(self, bytes: &[u8; WINDOW]) -> Ascii {
        debug_assert!(Self::detect().is_some());
        let (low, high) = bytes.split_at(WINDOW / 2);
        // SAFETY: as above.
        let low = unsafe { classify_avx2(low) };
        // SAFETY: as above.
        let high = unsafe { classify_avx2(high) };
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let mut classes = [0; 8];
        for (at, class) in classes.iter_mut().enumerate() {
            *class = join(low.0[at], high.0[at]);
        }
        Ascii {
            classes,
            high: join(low.1[0], high.1[0]),
            tails: join(low.1[1], high.1[1]),
            caseless: join(low.1[2], high.1[2]),
        }
    }
}

/// A class is a set of high halves of bytes and a set of low halves; letters need two such products
/// and are told apart by case afterwards.
const AH: i8 = 1;
const PZ: i8 = 2;
const DIGIT: i8 = 4;
const CONTROL: i8 = 8;
const NEWLINE: i8 = 16;
const BLANK: i8 = 32;
const APOSTROPHE: i8 = 64;
const SLASH: i8 = -128;

/// The classes of 32 bytes; then bytes beyond ASCII, those that continue a character, and caseless
/// first bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn classify_avx2(bytes: &[u8]) -> ([u32; 8], [u32; 3]) {
    debug_assert!(bytes.len() >= 32);
    // SAFETY: each caller gives 32 bytes; the load needs no alignment.
    let text: __m256i = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    // A byte beyond ASCII has its highest bit set, for which a shuffle gives nothing.
    #[rustfmt::skip]
    let by_low = _mm256_setr_epi8(
        PZ | DIGIT | BLANK, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT,
        AH | PZ | DIGIT, AH | PZ | DIGIT | APOSTROPHE, AH | PZ | DIGIT, AH | PZ | DIGIT | CONTROL,
        AH | PZ | CONTROL | NEWLINE, AH | CONTROL, AH | CONTROL, AH | CONTROL | NEWLINE, AH, AH | SLASH,
        PZ | DIGIT | BLANK, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT, AH | PZ | DIGIT,
        AH | PZ | DIGIT, AH | PZ | DIGIT | APOSTROPHE, AH | PZ | DIGIT, AH | PZ | DIGIT | CONTROL,
        AH | PZ | CONTROL | NEWLINE, AH | CONTROL, AH | CONTROL, AH | CONTROL | NEWLINE, AH, AH | SLASH,
    );
    #[rustfmt::skip]
    let by_high = _mm256_setr_epi8(
        CONTROL | NEWLINE, 0, BLANK | APOSTROPHE | SLASH, DIGIT, AH, PZ, AH, PZ, 0, 0, 0, 0, 0, 0, 0, 0,
        CONTROL | NEWLINE, 0, BLANK | APOSTROPHE | SLASH, DIGIT, AH, PZ, AH, PZ, 0, 0, 0, 0, 0, 0, 0, 0,
    );
    let halves = _mm256_and_si256(_mm256_srli_epi16::<4>(text), _mm256_set1_epi8(0x0F));
    let codes =
        _mm256_and_si256(_mm256_shuffle_epi8(by_low, text), _mm256_shuffle_epi8(by_high, halves));
    let mask = |vector: __m256i| _mm256_movemask_epi8(vector).cast_unsigned();
    let product = |bits: i8| {
        let none =
            _mm256_cmpeq_epi8(_mm256_and_si256(codes, _mm256_set1_epi8(bits)), _mm256_set1_epi8(0));
        !mask(none)
    };
    let letters = product(AH | PZ);
    // Bit 5 is what tells lower case.
    let small = mask(_mm256_slli_epi16::<2>(text));
    let classes = [
        letters & !small,
        letters & small,
        product(DIGIT),
        product(CONTROL | BLANK),
        product(NEWLINE),
        product(BLANK),
        product(APOSTROPHE),
        mask(codes),
    ];
    let high = mask(text);
    if high == 0 {
        return (classes, [0; 3]);
    }
    let tails = mask(_mm256_cmpgt_epi8(_mm256_set1_epi8(0xC0u8.cast_signed()), text));
    // E5 to EC without EA: moved to the least numbers there are, they are below all others.
    let moved = _mm256_add_epi8(text, _mm256_set1_epi8(0x80u8.wrapping_sub(0xE5).cast_signed()));
    let in_range = mask(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x88u8.cast_signed()), moved));
    let without = mask(_mm256_cmpeq_epi8(moved, _mm256_set1_epi8(0x85u8.cast_signed())));
    (classes, [high, tails, in_range & !without])
}

const _: () = assert!(UPPER_BIT == 1 && LOWER_BIT == 2);

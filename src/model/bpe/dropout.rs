//! BPE dropout (Provilkov et al. 2020): merges are left out at random.

use std::hash::{BuildHasher, RandomState};

/// The source of chance; the same seed gives the same results.
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    state: u64,
}

impl Dropout {
    /// What follows from a seed.
    #[allow(dead_code, reason = "for callers that repeat a run")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another one each time.
    pub(crate) fn unseeded() -> Self {
        Self { state: RandomState::new().hash_one(0) }
    }

    /// Whether a merge is left out, one time in `1 / share`.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    pub(super) fn drops(&mut self, share: f32) -> bool {
        // SplitMix64 (Steele et al. 2014).
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((mixed >> 40) as f32) / ((1u32 << 24) as f32) < share
    }
}

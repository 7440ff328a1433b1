//! BPE dropout (Provilkov et al. 2020): merges are left out at random.

/// What share of merges is left out, and the source of chance; the same seed gives the same results.
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    share: f32,
    state: u64,
}

impl Dropout {
    /// What follows from a seed and the number of a row.
    pub(crate) fn new(share: f32, seed: u64, row: u64) -> Self {
        let mut dropout = Self { share, state: seed };
        // Rows draw from streams that do not run along each other.
        dropout.state = dropout.next().wrapping_add(row);
        dropout.state = dropout.next();
        dropout
    }

    /// Whether a merge is left out, one time in `1 / share`.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    pub(super) fn drops(&mut self) -> bool {
        ((self.next() >> 40) as f32) / ((1u32 << 24) as f32) < self.share
    }

    /// `SplitMix64` (Steele et al. 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

//! Which instructions the kernels may use: found out once, at run time.

/// A set of instructions that this machine has. There is no other way to get one than to ask the
/// machine, so whoever holds one may call the kernels of that set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Plain Rust.
    Portable,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The widest set that this machine has.
    #[inline]
    pub(crate) fn best() -> Self {
        #[cfg(test)]
        if let Some(forced) = FORCED.get() {
            return forced;
        }
        Self::detect()
    }

    #[inline]
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if Self::has_avx512() {
                return Self(Set::Avx512);
            }
            if Self::has_avx2() {
                return Self(Set::Avx2);
            }
        }
        Self(Set::Portable)
    }

    /// What the kernels of AVX-512 are compiled for.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn has_avx512() -> bool {
        std::arch::is_x86_feature_detected!("avx512f") && Self::has_avx2()
    }

    /// What the kernels of AVX2 are compiled for.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn has_avx2() -> bool {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }

    /// Which of the sets it is.
    #[inline]
    pub(super) fn set(self) -> Set {
        self.0
    }

    /// Every set that this machine has, the plain one first.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        let mut all = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Self::has_avx2().then_some(Self(Set::Avx2)));
            all.extend(Self::has_avx512().then_some(Self(Set::Avx512)));
        }
        all
    }

    /// Makes this set the best one for this thread while `run` runs.
    #[cfg(test)]
    pub(crate) fn force<R>(self, run: impl FnOnce() -> R) -> R {
        FORCED.set(Some(self));
        let result = run();
        FORCED.set(None);
        result
    }
}

impl Default for Isa {
    fn default() -> Self {
        Self::best()
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Isa>> = const { std::cell::Cell::new(None) };
}

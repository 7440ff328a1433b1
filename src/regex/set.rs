//! Sets of characters, as sorted ranges of code points.

/// The last code point.
const LAST: u32 = 0x0010_FFFF;

/// A set of code points: disjoint ranges in ascending order that do not touch one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CharSet(Vec<(u32, u32)>);

impl CharSet {
    /// The set of no character.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// The set of every character.
    pub(crate) fn all() -> Self {
        Self(vec![(0, LAST)])
    }

    /// The set of the given ranges, in any order.
    pub(crate) fn new(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.retain(|&(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// The set of a few characters.
    pub(crate) fn of(chars: impl IntoIterator<Item = char>) -> Self {
        Self::new(chars.into_iter().map(|c| (c as u32, c as u32)).collect())
    }

    /// The ranges, both ends included.
    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    pub(crate) fn contains(&self, code: u32) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= code);
        after > 0 && self.0.get(after - 1).is_some_and(|&(_, last)| code <= last)
    }

    #[must_use]
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied().collect())
    }

    #[must_use]
    pub(crate) fn negated(&self) -> Self {
        let mut outside = Vec::with_capacity(self.0.len() + 1);
        let mut next = 0;
        for &(first, last) in &self.0 {
            if next < first {
                outside.push((next, first - 1));
            }
            next = last + 1;
        }
        if next <= LAST {
            outside.push((next, LAST));
        }
        Self(outside)
    }

    #[must_use]
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.negated().union(&other.negated()).negated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let set = CharSet::new(vec![(5, 9), (1, 2), (3, 4), (20, 30), (25, 40), (9, 7)]);
        assert_eq!(set.ranges(), [(1, 9), (20, 40)]);
        assert!(set.contains(1) && set.contains(9) && !set.contains(10) && !set.contains(0));
        assert_eq!(set.negated().ranges(), [(0, 0), (10, 19), (41, LAST)]);
        assert_eq!(set.negated().negated(), set);
        assert_eq!(CharSet::all().negated(), CharSet::empty());
    }

    #[test]
    fn intersections() {
        let (a, b) = (CharSet::new(vec![(1, 10), (20, 30)]), CharSet::new(vec![(5, 25)]));
        assert_eq!(a.intersection(&b).ranges(), [(5, 10), (20, 25)]);
        assert_eq!(a.intersection(&CharSet::empty()), CharSet::empty());
    }
}

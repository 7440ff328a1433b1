//! Where a text may be cut so that either side is normalised alone, with the same result.
//!
//! The two sides are known by the characters that touch the border, and one more: what a step makes of
//! these is all that the next step needs to know. Steps that look further, or whose reach is not
//! known, allow no border.

use super::Normalizer;
use crate::regex::Pattern;
use crate::unicode::bert;
use crate::unicode::forms;

/// The characters around a border: the one before it, the one after it, and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) left: char,
    pub(crate) right: char,
    /// None at the end of the text.
    pub(crate) next: Option<char>,
}

impl Around {
    /// Each character by itself through a step that makes at least one of it: the end of what stands
    /// left, the beginning of what stands right.
    fn map(
        self,
        last: impl Fn(char) -> Option<char>,
        first: impl Fn(char) -> Option<char>,
    ) -> Option<Self> {
        let Self { left, right, next } = self;
        let next = match next {
            Some(next) => Some(first(next)?),
            None => None,
        };
        Some(Self { left: last(left)?, right: first(right)?, next })
    }

    fn is_ascii(self) -> bool {
        self.left.is_ascii() && self.right.is_ascii() && self.next.is_none_or(|c| c.is_ascii())
    }
}

impl Normalizer {
    /// The characters around a border in the normalised text, if the normalised text is what the two
    /// sides become, one after the other. What is put in front of a text, or dropped at its ends, is
    /// left aside: the character before the border must be neither white space nor a mark.
    pub(crate) fn across(&self, around: Around) -> Option<Around> {
        match self {
            Self::Prepend(_) => Some(around),
            Self::Strip { .. } => (!around.left.is_whitespace()).then_some(around),
            Self::Lowercase => around.map(
                |c| {
                    let mut last = None;
                    bert::lower(c, |c| last = Some(c));
                    last
                },
                |c| {
                    let mut first = None;
                    bert::lower(c, |c| first = first.or(Some(c)));
                    first
                },
            ),
            // A character of ASCII ends what composes and is sorted before it; the next one tells that
            // the one behind the border stays as it is.
            Self::Nfc | Self::Nfd | Self::Nfkc | Self::Nfkd => around.is_ascii().then_some(around),
            Self::StripAccents => {
                let kept = |c: char| (forms::flags(c) & forms::MARK == 0).then_some(c);
                around.map(kept, kept)
            }
            Self::Replace(replace) => {
                let Pattern::String(literal) = replace.pattern() else { return None };
                let mut literal = literal.chars();
                let (Some(from), None) = (literal.next(), literal.next()) else { return None };
                let content = replace.content();
                around.map(
                    |c| if c == from { content.chars().next_back() } else { Some(c) },
                    |c| if c == from { content.chars().next() } else { Some(c) },
                )
            }
            Self::Sequence(members) => {
                members.iter().try_fold(around, |around, member| member.across(around))
            }
            _ => None,
        }
    }

    /// Whether something is put in front of a text.
    pub(crate) fn puts_in_front(&self) -> bool {
        match self {
            Self::Prepend(_) => true,
            Self::Sequence(members) => members.iter().any(Self::puts_in_front),
            _ => false,
        }
    }

    /// Whether every character is rewritten by itself, whatever stands around it, as far as
    /// [`Normalizer::across`] allows a border at all.
    pub(crate) fn looks_at_single_characters(&self) -> bool {
        match self {
            Self::Prepend(_) | Self::Strip { .. } | Self::Lowercase | Self::StripAccents => true,
            Self::Replace(replace) => {
                matches!(replace.pattern(), Pattern::String(literal) if literal.chars().count() == 1)
            }
            Self::Sequence(members) => members.iter().all(Self::looks_at_single_characters),
            _ => false,
        }
    }

    /// Whether a character may become nothing, other than at the ends of a text.
    pub(crate) fn drops_characters(&self) -> bool {
        match self {
            Self::Prepend(_)
            | Self::Strip { .. }
            | Self::Lowercase
            | Self::Nfc
            | Self::Nfd
            | Self::Nfkc
            | Self::Nfkd => false,
            Self::Replace(replace) => replace.content().is_empty(),
            Self::Sequence(members) => members.iter().any(Self::drops_characters),
            _ => true,
        }
    }

    /// How many times as long a text may become, as far as [`Normalizer::across`] allows a border.
    pub(crate) fn growth(&self) -> usize {
        match self {
            Self::Replace(replace) => replace.content().len().max(1),
            Self::Prepend(content) => content.len().saturating_add(1),
            Self::Lowercase => 3,
            Self::Nfc | Self::Nfd | Self::Nfkc | Self::Nfkd => 18,
            Self::Sequence(members) => {
                members.iter().fold(1, |all: usize, member| all.saturating_mul(member.growth()))
            }
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::normalize::Replace;

    fn normalizers() -> Vec<Normalizer> {
        let replace = |from: &str, to: &str| {
            Normalizer::Replace(Replace::new(Pattern::String(from.to_owned()), to).unwrap())
        };
        vec![
            Normalizer::Lowercase,
            Normalizer::Nfc,
            Normalizer::Nfd,
            Normalizer::Nfkc,
            Normalizer::Nfkd,
            Normalizer::StripAccents,
            replace(" ", "\u{2581}"),
            replace("a", ""),
            replace("\u{130}", "x\u{301}"),
            Normalizer::Sequence(vec![Normalizer::Lowercase, Normalizer::Nfd]),
            Normalizer::Sequence(vec![
                Normalizer::Nfc,
                Normalizer::StripAccents,
                replace("i", "ab"),
                Normalizer::Lowercase,
            ]),
        ]
    }

    fn normal(normalizer: &Normalizer, text: &str) -> String {
        let mut out = String::new();
        normalizer.normalize_into(text, &mut out).unwrap();
        out
    }

    /// Whether a border is allowed, and if so, whether it is one.
    fn check(normalizer: &Normalizer, left: &str, right: &str) -> bool {
        let mut behind = right.chars();
        let (Some(last), Some(first)) = (left.chars().next_back(), behind.next()) else {
            return false;
        };
        let around = Around { left: last, right: first, next: behind.next() };
        let Some(found) = normalizer.across(around) else { return false };
        let sides = (normal(normalizer, left), normal(normalizer, right));
        let text = normal(normalizer, &format!("{left}{right}"));
        assert_eq!(text, format!("{}{}", sides.0, sides.1), "{normalizer:?}: {left:?} {right:?}");
        assert_eq!(Some(found.left), sides.0.chars().next_back(), "{normalizer:?}: {left:?}");
        assert_eq!(Some(found.right), sides.1.chars().next(), "{normalizer:?}: {right:?}");
        assert!(text.len() <= normalizer.growth() * (left.len() + right.len()), "{text:?}");
        true
    }

    #[test]
    fn every_character_on_either_side() {
        for normalizer in normalizers() {
            let mut allowed = 0;
            for c in '\0'..=char::MAX {
                allowed += usize::from(check(&normalizer, &format!("e{c}"), " b"));
                allowed +=
                    usize::from(check(&normalizer, "e\u{301}x", &format!("{c}\u{301}\u{327}")));
                allowed += usize::from(check(&normalizer, "a", &format!("1{c}")));
            }
            assert!(allowed > 200, "{normalizer:?}");
        }
    }

    #[test]
    fn what_stands_in_front_or_goes_at_the_ends_is_left_aside() {
        let around = Around { left: 'a', right: ' ', next: None };
        let strip = Normalizer::Strip { left: true, right: true };
        let both = Normalizer::Sequence(vec![strip, Normalizer::Prepend("x".to_owned())]);
        assert_eq!(both.across(around), Some(around));
        assert_eq!(both.across(Around { left: ' ', ..around }), None);
        assert_eq!(Normalizer::Nmt.across(around), None);
        assert_eq!(Normalizer::Sequence(vec![both, Normalizer::ByteLevel]).across(around), None);
    }

    proptest! {
        #[test]
        fn random_sides(
            left in "([a-e ]|\\PC|[\u{300}-\u{330}]){1,6}",
            right in "([a-e ]|\\PC|[\u{300}-\u{330}]){1,6}",
        ) {
            for normalizer in normalizers() {
                check(&normalizer, &left, &right);
            }
        }
    }
}

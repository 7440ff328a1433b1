//! Where a piece begins whatever stands before and behind it: places at which a text may be cut, each
//! side split alone, with the same pieces.
//!
//! **White space** (`Bert`, `Whitespace`, `WhitespaceSplit`; `Metaspace`, where every space begins a
//! piece): these look at nothing but the character and its neighbour.
//!
//! **Words** (the scanners of GPT-2's, cl100k's and o200k's pattern): between a letter and a character
//! that is neither letter nor mark nor apostrophe.
//! - No match reaches across. A letter is matched by a run of letters (and marks), which ends there, or
//!   by a contraction, all letters and an apostrophe. Nothing else matches a letter, and nothing that
//!   matches the other character may stand behind a letter in the same match.
//! - The sides do not see each other. The only look-ahead, `\s+(?!\S)`, and `\s++$` end a match that
//!   ends in white space: never the one before the border. What else extends a match takes a character
//!   only if it is of its kind, and the end of the text ends it just like a character that is not.
//! - A match that begins at the border sees nothing before it: none of the patterns looks behind.
//!
//! Tests drive both sides of every pair of characters' classes in context, by scanner and by pattern.

use super::cut::Cut;
use super::{Splitter, Step};
use crate::unicode::classes::{ClassTable, NUMBER, OTHER, SPACE, is_letter};

/// Which places are borders of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borders {
    /// None that is known.
    Unknown,
    /// Before white space and, where white space is no part of a piece, behind it.
    White,
    /// Before a space.
    Space,
    /// Between a letter and what no word holds.
    Words,
    /// None at all: a text is one piece. A space is rewritten as this character.
    Whole(Option<char>),
    /// None but around spaces.
    Spaceless,
}

impl Splitter {
    /// Which places are borders.
    pub(crate) fn borders(&self) -> Borders {
        match self.steps.as_slice() {
            [] => Borders::Whole(None),
            [Step::Cut(cut)] => match cut {
                Cut::Scan(_) => Borders::Words,
                Cut::Bert | Cut::Whitespace | Cut::WhitespaceSplit => Borders::White,
                Cut::Literal { literal, .. } if literal.needle() == b" " => Borders::Spaceless,
                _ => Borders::Unknown,
            },
            [Step::Metaspace { split: true, .. }] => Borders::Space,
            &[Step::Metaspace { replacement, split: false, .. }] => {
                Borders::Whole(Some(replacement))
            }
            _ => Borders::Unknown,
        }
    }
}

impl Borders {
    /// Whether every piece ends between the two characters. Inside of a piece the model knows, not we.
    #[inline]
    pub(crate) fn between(self, left: char, right: char) -> bool {
        match self {
            Self::Unknown | Self::Whole(_) | Self::Spaceless => false,
            Self::White => matches!(right, ' ' | '\t' | '\n' | '\r') && !left.is_whitespace(),
            Self::Space => right == ' ' && !left.is_whitespace(),
            Self::Words => {
                let table = ClassTable::get();
                is_letter(table.class(u32::from(left)))
                    && matches!(table.class(u32::from(right)), SPACE | NUMBER | OTHER)
                    && right != '\''
            }
        }
    }

    /// What the two characters are to the model where they stand inside of a piece, and nothing that
    /// splits can touch either.
    #[inline]
    pub(crate) fn within(self, left: char, right: char) -> Option<(char, char)> {
        match self {
            Self::Whole(replacement) => {
                let rewritten = |c| if c == ' ' { replacement.unwrap_or(c) } else { c };
                Some((rewritten(left), rewritten(right)))
            }
            Self::Spaceless => (left != ' ' && right != ' ').then_some((left, right)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::Twins;
    use super::super::tests::REPRESENTATIVES;
    use super::super::{ByteAlphabet, PreTokenizer};
    use super::*;
    use crate::regex::Dialect;

    fn joined<'a>(left: Vec<&'a str>, right: Vec<&'a str>) -> Vec<&'a str> {
        left.into_iter().chain(right).collect()
    }

    fn check(twins: &[Twins], left: &str, right: &str) -> bool {
        let (Some(last), Some(first)) = (left.chars().next_back(), right.chars().next()) else {
            return false;
        };
        if !Borders::Words.between(last, first) {
            return false;
        }
        let text = format!("{left}{right}");
        for twin in twins {
            let (fast, slow) = twin.pieces(&text).unwrap();
            let (fast_left, slow_left) = twin.pieces(left).unwrap();
            let (fast_right, slow_right) = twin.pieces(right).unwrap();
            let pattern = twin.pattern;
            assert_eq!(slow, joined(slow_left, slow_right), "{left:?} {right:?} by {pattern}");
            assert_eq!(fast, joined(fast_left, fast_right), "{left:?} {right:?} by {pattern}");
        }
        true
    }

    #[test]
    fn all_pairs_of_class_representatives_on_either_side() {
        let twins = Twins::all().unwrap();
        let mut count = 0;
        for a in REPRESENTATIVES {
            for b in REPRESENTATIVES {
                for c in REPRESENTATIVES {
                    count += usize::from(check(&twins, &format!("{a}{b}"), c));
                    count += usize::from(check(&twins, b, &format!("{c}{a}")));
                    count += usize::from(check(&twins, &format!("{a}'{b}"), &format!("{c} {a}")));
                    count += usize::from(check(&twins, &format!(" {a}1{b}"), &format!("{c}\n")));
                }
            }
        }
        assert!(count > 20_000, "{count}");
    }

    #[test]
    fn every_character_on_either_side() {
        let twins = Twins::all().unwrap();
        for c in ('\0'..'\u{20000}').chain('\u{e0000}'..'\u{e0200}') {
            check(&twins, &format!("'{c}"), " b");
            check(&twins, " a", &format!("{c}s"));
        }
    }

    #[test]
    fn white_space_parts_whatever_drops_it() {
        let kinds = [PreTokenizer::Bert, PreTokenizer::Whitespace, PreTokenizer::WhitespaceSplit];
        for declared in kinds {
            let splitter =
                Splitter::compile(&declared, Dialect::TokenizerJson, ByteAlphabet::Raw).unwrap();
            assert_eq!(splitter.borders(), Borders::White);
            let pieces = |text: &str| {
                let mut found = Vec::new();
                splitter
                    .for_each(text, |start, end| found.push(text[start..end].to_owned()))
                    .unwrap();
                found
            };
            for a in REPRESENTATIVES {
                for b in [" ", "\t", "\n", "\r"] {
                    for c in REPRESENTATIVES {
                        if a.trim().is_empty() {
                            continue;
                        }
                        let (left, right) = (format!("x{a}"), format!("{b}{c}y"));
                        let both = pieces(&format!("{left}{right}"));
                        assert_eq!(both, [pieces(&left), pieces(&right)].concat());
                    }
                }
            }
        }
    }
}

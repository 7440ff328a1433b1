//! What a pattern means, before it becomes a program.

use super::fold::{folding_to, long_fold, long_folds};
use super::property::same_but_for_case;
use super::set::CharSet;

/// A part of a pattern.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing, which always matches.
    Empty,
    /// These characters; `fold` ignores case.
    Literal { chars: Vec<char>, fold: bool },
    /// One character of a set.
    Set(CharSet),
    /// One after the other.
    Concat(Vec<Node>),
    /// The first that leads to a match.
    Alt(Vec<Node>),
    /// `min` to `max` times; none is no bound.
    Repeat { body: Box<Node>, min: u32, max: Option<u32>, greedy: bool },
    /// The first way in which the body matches, and no other.
    Atomic(Box<Node>),
    /// The body matches here, or before here; or does not.
    Look { behind: bool, negative: bool, body: Box<Node> },
    /// A group that options made: its text does not join with its neighbours.
    Group(Box<Node>),
    /// A numbered group.
    Capture(usize, Box<Node>),
    /// What the last of these groups that matched holds.
    Backref(Vec<usize>),
    /// A place.
    Anchor(Anchor),
    /// The match starts here.
    Keep,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// `^`: the start of a line, but not behind a newline that ends the text.
    LineStart,
    /// `$`: before a newline or at the end.
    LineEnd,
    /// `\A`
    Start,
    /// `\z`
    End,
    /// `\Z`: the end, or before a newline that ends the text.
    AlmostEnd,
    /// `\G`: where the search started.
    SearchStart,
    /// `\b`, `\B`; whether words are of ASCII.
    WordBoundary { negative: bool, ascii: bool },
}

impl Node {
    /// A list as one node; neighbouring texts of the same kind become one.
    pub(crate) fn concat(parts: Vec<Self>) -> Self {
        let mut joined: Vec<Self> = Vec::with_capacity(parts.len());
        for part in parts {
            match (joined.last_mut(), part) {
                (_, Self::Empty) => {}
                (
                    Some(Self::Literal { chars, fold }),
                    Self::Literal { chars: more, fold: same },
                ) if *fold == same => chars.extend(more),
                (_, part) => joined.push(part),
            }
        }
        match joined.len() {
            0 => Self::Empty,
            1 => joined.remove(0),
            _ => Self::Concat(joined),
        }
    }

    /// Alternatives as one node.
    pub(crate) fn alt(mut branches: Vec<Self>) -> Self {
        if branches.len() == 1 { branches.remove(0) } else { Self::Alt(branches) }
    }

    /// One character of a bracket expression with case ignored. `set` is what the brackets list and
    /// `negated` whether everything else is meant: then longer folds have no part in it.
    pub(crate) fn folded_class(set: &CharSet, negated: bool) -> Self {
        let set = same_but_for_case(set);
        if negated {
            return Self::Set(set.negated());
        }
        let long: Vec<Self> = long_folds()
            .iter()
            .filter(|&&(c, _)| set.contains(c as u32))
            .map(|(_, folded)| Self::Concat(folded.chars().map(any_case).collect()))
            .collect();
        if long.is_empty() {
            return Self::Set(set);
        }
        Self::Alt(std::iter::once(Self::Set(set)).chain(long).collect())
    }

    /// A text with case ignored. Inside a look-behind (`fixed`) a character stands for single ones.
    pub(crate) fn folded_text(chars: &[char], fixed: bool) -> Self {
        if fixed {
            return Self::Concat(chars.iter().map(|&c| any_case(c)).collect());
        }
        let mut parts = Vec::new();
        let mut rest = chars;
        while let [c, tail @ ..] = rest {
            let (part, used) = match long_text_at(rest) {
                Some((folded, used)) => (both(folded), used),
                None => match long_fold(*c) {
                    Some(folded) => (both(folded), 1),
                    None => (any_case(*c), 1),
                },
            };
            parts.push(part);
            rest = tail.get(used - 1..).unwrap_or_default();
        }
        Self::Concat(parts)
    }
}

/// A character in any case.
fn any_case(c: char) -> Node {
    Node::Set(same_but_for_case(&CharSet::of([c])))
}

/// A longer fold: its letters in any case, or a character that stands for all of them.
fn both(folded: &str) -> Node {
    let letters = Node::Concat(folded.chars().map(any_case).collect());
    Node::Alt(vec![letters, Node::Set(CharSet::of(folding_to(folded)))])
}

/// The longer fold that a text begins with, and its length in characters.
fn long_text_at(text: &[char]) -> Option<(&'static str, usize)> {
    let cases: Vec<CharSet> =
        text.iter().take(3).map(|&c| same_but_for_case(&CharSet::of([c]))).collect();
    let fits = |folded: &str| {
        let length = folded.chars().count();
        let alike = |(set, c): (&CharSet, char)| set.contains(c as u32);
        (length <= cases.len() && cases.iter().zip(folded.chars()).all(alike)).then_some(length)
    };
    let found = long_folds().iter().filter_map(|&(_, folded)| Some((folded, fits(folded)?)));
    found.max_by_key(|&(_, length)| length)
}

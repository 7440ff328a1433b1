//! Repetitions, and what Oniguruma makes of a repetition of a repetition.

use super::node::Node;

/// A number of times.
pub(super) struct Count {
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) greedy: bool,
    pub(super) possessive: bool,
}

/// Whether a repetition of it is a regular expression.
pub(super) fn repeats(node: &Node) -> bool {
    match node {
        Node::Anchor(_) | Node::Look { .. } | Node::Keep => false,
        Node::Alt(branches) => branches.iter().all(repeats),
        _ => true,
    }
}

/// A repetition; of a repetition it may be a simpler one. None when the count grows too large.
pub(super) fn repeat(node: Node, count: &Count) -> Option<Node> {
    let &Count { mut min, mut max, greedy, possessive } = count;
    if (min, max) == (1, Some(1)) {
        return Some(node);
    }
    let outer = kind(min, max, greedy);
    let mut body = node;
    if let Node::Repeat { body: inner_body, min: low, max: high, greedy: inner_greedy } = &body {
        let inner = kind(*low, *high, *inner_greedy);
        match (inner, outer) {
            (Some(inner), Some(outer)) => {
                let simple = |min, max, greedy| {
                    Some(Node::Repeat { body: inner_body.clone(), min, max, greedy })
                };
                let simpler = match REDUCED[inner][outer] {
                    Reduced::Inner => Some(body.clone()),
                    Reduced::Star => simple(0, None, true),
                    Reduced::Plus => simple(1, None, true),
                    Reduced::LazyStar => simple(0, None, false),
                    Reduced::LazyOption => simple(0, Some(1), false),
                    Reduced::PlusThenLazyOption => simple(1, None, true).map(|plus| Node::Repeat {
                        body: Box::new(plus),
                        min: 0,
                        max: Some(1),
                        greedy: false,
                    }),
                    Reduced::Neither => None,
                };
                if let Some(simpler) = simpler {
                    return Some(atomic(simpler, possessive));
                }
            }
            (Some(1 | 2), None) => {
                if let Some(most) = max
                    && most > 1
                    && greedy
                {
                    max = Some(if min == 0 { 1 } else { min });
                }
            }
            _ if max == Some(min) && *high == Some(*low) => {
                let times = min.checked_mul(*low).filter(|&times| i32::try_from(times).is_ok())?;
                (min, max) = (times, Some(times));
                body = inner_body.as_ref().clone();
            }
            _ => {}
        }
    }
    Some(atomic(Node::Repeat { body: Box::new(body), min, max, greedy }, possessive))
}

fn atomic(node: Node, possessive: bool) -> Node {
    if possessive { Node::Atomic(Box::new(node)) } else { node }
}

/// `?` `*` `+` `??` `*?` `+?`, by their row in [`REDUCED`].
fn kind(min: u32, max: Option<u32>, greedy: bool) -> Option<usize> {
    let kind = match (min, max) {
        (0, Some(1)) => 0,
        (0, None) => 1,
        (1, None) => 2,
        _ => return None,
    };
    Some(if greedy { kind } else { kind + 3 })
}

#[derive(Clone, Copy)]
enum Reduced {
    Inner,
    Star,
    Plus,
    LazyStar,
    LazyOption,
    PlusThenLazyOption,
    Neither,
}

/// What Oniguruma makes of a repetition (row) that is repeated (column).
const REDUCED: [[Reduced; 6]; 6] = {
    use Reduced::{Inner, LazyOption, LazyStar, Neither, Plus, PlusThenLazyOption as Both, Star};
    [
        [Inner, Star, Star, LazyOption, LazyStar, Neither],
        [Inner, Inner, Inner, Both, Both, Inner],
        [Star, Star, Inner, Neither, Both, Inner],
        [Inner, LazyStar, LazyStar, Inner, LazyStar, LazyStar],
        [Inner, Inner, Inner, Inner, Inner, Inner],
        [Neither, Star, Plus, LazyStar, LazyStar, Inner],
    ]
};

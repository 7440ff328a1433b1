//! From a pattern's tree to instructions.
//!
//! A choice looks at the class of the next character and leaves out the branches that cannot begin with
//! it; a repetition of one set is a single instruction. Most split patterns need no step back then.

use super::alphabet::Alphabet;
use super::node::{Anchor, Node};
use super::parse::Parsed;
use super::property;
use super::set::CharSet;

/// The most instructions of a program.
const MAX_STEPS: usize = 1 << 17;
/// The most entries of all choices together that say which branches a class leaves.
const MAX_MASKS: usize = 1 << 21;
/// No bound on the characters of a run.
pub(super) const NO_BOUND: u32 = u32::MAX;
/// An instruction where failures are not remembered.
pub(super) const NO_MEMO: u32 = u32::MAX;

/// What a repetition of a set gives back when the rest fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Greedy,
    Lazy,
    /// Nothing.
    Possessive,
}

/// One instruction.
#[derive(Debug)]
pub(super) enum Step {
    Match,
    Bytes(Box<[u8]>),
    Set(usize),
    Run {
        set: usize,
        min: u32,
        max: u32,
        mode: Mode,
    },
    /// The next character lies in a set, or does not.
    Peek {
        set: usize,
        negative: bool,
    },
    /// The same for the character before.
    PeekBack {
        set: usize,
        negative: bool,
    },
    /// The branches of a choice, by their number.
    Choose(usize),
    Jump(usize),
    /// Writes the place down.
    Save(usize),
    /// Leaves a loop whose body matched nothing.
    LeaveIfEmpty {
        slot: usize,
        exit: usize,
    },
    Backref(Vec<usize>),
    At(Anchor),
    Word {
        set: usize,
        negative: bool,
    },
    /// Writes down how much there is to go back to (`slot`) and the place (`slot + 1`).
    Enter(usize),
    /// The same; when what follows fails, it goes on behind.
    EnterNegative {
        slot: usize,
        behind: usize,
    },
    /// Forgets all ways back since `Enter`.
    Commit(usize),
    /// The same, and returns to the place.
    CommitLook(usize),
    /// Forgets them and fails.
    CommitNegative(usize),
    /// Goes back by `min` characters, or by more, up to `max`.
    Back {
        min: u32,
        max: u32,
    },
    /// Nothing from here on may be looked at.
    Limit(usize),
    /// As before the limit.
    Unlimit(usize),
    /// The place is the one that `Enter` wrote down.
    Returned(usize),
}

/// The branches of a choice.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) targets: Vec<usize>,
    /// The branches that a class leaves, a bit each; the last entry is the end of the text. Empty when
    /// all are left.
    pub(super) masks: Vec<u64>,
}

/// A program and its tables.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) alphabet: Alphabet,
    pub(super) steps: Vec<Step>,
    pub(super) choices: Vec<Choice>,
    /// The number under which failures at an instruction are remembered.
    pub(super) memo: Vec<u32>,
    pub(super) memo_points: usize,
    pub(super) slots: usize,
    /// Where the place is written down that a match starts at, if not where it was found.
    pub(super) keep: Option<usize>,
    /// Where the place is written down up to which the text may be looked at, if anything limits it.
    pub(super) limit: Option<usize>,
    /// The classes that a match can begin with; none when it may be empty.
    pub(super) first: Option<Vec<bool>>,
}

/// A pattern that needs more than its bounds allow.
pub(super) struct TooLarge;

struct Compiler {
    alphabet: Alphabet,
    sets: Vec<CharSet>,
    steps: Vec<Step>,
    choices: Vec<Choice>,
    memo: Vec<u32>,
    memo_points: usize,
    masks: usize,
    slots: usize,
    /// Failures are the same whatever came before, so that they can be remembered.
    remembers: bool,
    behind: usize,
    keep: Option<usize>,
    limit: Option<usize>,
}

/// Compiles a pattern.
pub(super) fn compile(parsed: Parsed) -> Result<Program, TooLarge> {
    let refers = refers(&parsed.node);
    let node = lower(parsed.node, false, refers);
    let mut sets = Vec::new();
    collect(&node, &mut sets)?;
    let alphabet = Alphabet::new(&sets).ok_or(TooLarge)?;
    let mut compiler = Compiler {
        alphabet,
        sets,
        steps: Vec::new(),
        choices: Vec::new(),
        memo: Vec::new(),
        memo_points: 0,
        masks: 0,
        // Groups first: where each starts and where it ends.
        slots: if refers { 2 * (parsed.groups + 1) } else { 0 },
        remembers: !refers && pure(&node),
        behind: 0,
        keep: None,
        limit: None,
    };
    compiler.keep = keeps(&node).then(|| compiler.slot(1));
    compiler.emit(&node)?;
    compiler.push(Step::Match)?;
    compiler.never_gives_back();
    let first = match compiler.first(&node) {
        (first, false) => Some(first),
        (_, true) => None,
    };
    Ok(Program {
        alphabet: compiler.alphabet,
        steps: compiler.steps,
        choices: compiler.choices,
        memo: compiler.memo,
        memo_points: compiler.memo_points,
        slots: compiler.slots,
        keep: compiler.keep,
        limit: compiler.limit,
        first,
    })
}

fn parts(node: &Node) -> &[Node] {
    match node {
        Node::Concat(parts) | Node::Alt(parts) => parts,
        Node::Repeat { body, .. }
        | Node::Atomic(body)
        | Node::Look { body, .. }
        | Node::Group(body)
        | Node::Capture(_, body) => std::slice::from_ref(body),
        _ => &[],
    }
}

fn refers(node: &Node) -> bool {
    matches!(node, Node::Backref(_)) || parts(node).iter().any(refers)
}

fn keeps(node: &Node) -> bool {
    matches!(node, Node::Keep) || parts(node).iter().any(keeps)
}

/// Whether a failure at a place means the same in every attempt.
fn pure(node: &Node) -> bool {
    let itself = match node {
        Node::Anchor(Anchor::SearchStart) => false,
        Node::Repeat { body, max: None, .. } => width(body).0 > 0,
        _ => true,
    };
    itself && parts(node).iter().all(pure)
}

/// The least and the most characters that a match of `node` has.
fn width(node: &Node) -> (u32, Option<u32>) {
    match node {
        Node::Literal { chars, .. } => {
            let length = u32::try_from(chars.len()).unwrap_or(u32::MAX);
            (length, Some(length))
        }
        Node::Set(_) => (1, Some(1)),
        Node::Concat(parts) => parts.iter().map(width).fold((0, Some(0)), |sum, part| {
            let most = sum.1.zip(part.1).and_then(|(a, b)| a.checked_add(b));
            (sum.0.saturating_add(part.0), most)
        }),
        Node::Alt(branches) => {
            let mut widths = branches.iter().map(width);
            let first = widths.next().unwrap_or((0, Some(0)));
            widths
                .fold(first, |all, one| (all.0.min(one.0), all.1.zip(one.1).map(|(a, b)| a.max(b))))
        }
        Node::Repeat { body, min, max, .. } => {
            let (least, most) = width(body);
            let most = match (most, max) {
                (Some(0), _) => Some(0),
                (Some(most), Some(max)) => most.checked_mul(*max),
                _ => None,
            };
            (least.saturating_mul(*min), most)
        }
        Node::Atomic(body) | Node::Group(body) | Node::Capture(_, body) => width(body),
        Node::Backref(_) => (0, None),
        Node::Empty | Node::Look { .. } | Node::Anchor(_) | Node::Keep => (0, Some(0)),
    }
}

/// Spells folded texts out, drops groups that nobody refers to, and joins what is one character.
fn lower(node: Node, behind: bool, refers: bool) -> Node {
    let all = |parts: Vec<Node>| -> Vec<Node> {
        parts.into_iter().map(|part| lower(part, behind, refers)).collect()
    };
    match node {
        Node::Literal { chars, fold: true } => {
            lower(Node::folded_text(&chars, behind), behind, refers)
        }
        Node::Concat(parts) => Node::concat(all(parts)),
        Node::Alt(branches) => {
            let branches = all(branches);
            let sets: Option<Vec<CharSet>> = branches.iter().map(single).collect();
            match sets {
                Some(sets) => {
                    let ranges = sets.iter().flat_map(|set| set.ranges().to_vec()).collect();
                    Node::Set(CharSet::new(ranges))
                }
                None => Node::Alt(branches),
            }
        }
        Node::Repeat { body, min, max, greedy } => {
            let body = Box::new(lower(*body, behind, refers));
            Node::Repeat { body, min, max, greedy }
        }
        Node::Atomic(body) => Node::Atomic(Box::new(lower(*body, behind, refers))),
        Node::Look { behind: back, negative, body } => {
            let body = lower(*body, behind || back, refers);
            look(back, negative, body)
        }
        Node::Capture(number, body) if refers => {
            Node::Capture(number, Box::new(lower(*body, behind, refers)))
        }
        Node::Capture(_, body) | Node::Group(body) => lower(*body, behind, refers),
        node => node,
    }
}

/// A look-around. Alternatives of different fixed widths are look-behinds of their own: what they match
/// is not limited by where they end, as that of a variable width is.
fn look(behind: bool, negative: bool, body: Node) -> Node {
    let one = |body| Node::Look { behind, negative, body: Box::new(body) };
    match body {
        Node::Alt(branches)
            if behind
                && branches.iter().all(|branch| width(branch).1 == Some(width(branch).0))
                && branches.iter().any(|branch| width(branch) != width(&branches[0])) =>
        {
            let looks = branches.into_iter().map(one).collect();
            if negative { Node::Concat(looks) } else { Node::Alt(looks) }
        }
        body => one(body),
    }
}

/// The set of what always is a single character.
fn single(node: &Node) -> Option<CharSet> {
    match node {
        Node::Set(set) => Some(set.clone()),
        Node::Literal { chars, .. } => match chars.as_slice() {
            [c] => Some(CharSet::of([*c])),
            _ => None,
        },
        _ => None,
    }
}

/// The sets that a tree asks about.
fn collect(node: &Node, sets: &mut Vec<CharSet>) -> Result<(), TooLarge> {
    let set = match node {
        Node::Set(set) => Some(set.clone()),
        Node::Literal { chars, .. } => chars.first().map(|&c| CharSet::of([c])),
        Node::Anchor(Anchor::WordBoundary { ascii, .. }) => Some(words(*ascii)),
        _ => None,
    };
    if let Some(set) = set
        && !sets.contains(&set)
    {
        sets.push(set);
        if sets.len() > 4096 {
            return Err(TooLarge);
        }
    }
    parts(node).iter().try_for_each(|part| collect(part, sets))
}

fn words(ascii: bool) -> CharSet {
    let words = property::word_alone();
    if ascii { words.intersection(&CharSet::new(vec![(0, 0x7F)])) } else { words }
}

impl Compiler {
    fn push(&mut self, step: Step) -> Result<usize, TooLarge> {
        if self.steps.len() >= MAX_STEPS {
            return Err(TooLarge);
        }
        let loops = matches!(step, Step::Choose(_) | Step::Run { max: NO_BOUND, .. });
        let memo = if loops && self.remembers && self.behind == 0 {
            self.memo_points += 1;
            u32::try_from(self.memo_points - 1).unwrap_or(NO_MEMO)
        } else {
            NO_MEMO
        };
        self.memo.push(memo);
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn slot(&mut self, count: usize) -> usize {
        self.slots += count;
        self.slots - count
    }

    fn set(&self, set: &CharSet) -> usize {
        self.sets.iter().position(|known| known == set).unwrap_or(0)
    }

    fn emit(&mut self, node: &Node) -> Result<(), TooLarge> {
        match node {
            Node::Empty => {}
            Node::Literal { chars, .. } => {
                let text: String = chars.iter().collect();
                self.push(Step::Bytes(text.into_bytes().into()))?;
            }
            Node::Set(set) => {
                let set = self.set(set);
                self.push(Step::Set(set))?;
            }
            Node::Concat(parts) => {
                for part in parts {
                    self.emit(part)?;
                }
            }
            Node::Alt(branches) => self.alternatives(branches)?,
            Node::Repeat { body, min, max, greedy } => self.repeat(body, *min, *max, *greedy)?,
            Node::Atomic(body) => {
                if let Node::Repeat { body, min, max, greedy: true } = body.as_ref()
                    && let Some(set) = single(body)
                {
                    let (set, max) = (self.set(&set), max.unwrap_or(NO_BOUND));
                    self.push(Step::Run { set, min: *min, max, mode: Mode::Possessive })?;
                    return Ok(());
                }
                let slot = self.slot(2);
                self.push(Step::Enter(slot))?;
                self.emit(body)?;
                self.push(Step::Commit(slot))?;
            }
            Node::Look { behind, negative, body } => self.look(*behind, *negative, body)?,
            Node::Group(body) => self.emit(body)?,
            Node::Capture(number, body) => {
                self.push(Step::Save(2 * number))?;
                self.emit(body)?;
                self.push(Step::Save(2 * number + 1))?;
            }
            Node::Backref(groups) => {
                self.push(Step::Backref(groups.clone()))?;
            }
            Node::Anchor(Anchor::WordBoundary { negative, ascii }) => {
                let set = self.set(&words(*ascii));
                self.push(Step::Word { set, negative: *negative })?;
            }
            Node::Anchor(anchor) => {
                self.push(Step::At(*anchor))?;
            }
            Node::Keep => {
                if let Some(slot) = self.keep {
                    self.push(Step::Save(slot))?;
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, behind: bool, negative: bool, body: &Node) -> Result<(), TooLarge> {
        if let Some(set) = single(body) {
            let set = self.set(&set);
            let peek = if behind {
                Step::PeekBack { set, negative }
            } else {
                Step::Peek { set, negative }
            };
            self.push(peek)?;
            return Ok(());
        }
        let slot = self.slot(2);
        let enter = if negative {
            self.push(Step::EnterNegative { slot, behind: 0 })?
        } else {
            self.push(Step::Enter(slot))?
        };
        let (min, max) = width(body);
        let limited = (behind && max != Some(min)).then(|| self.slot(1));
        if let Some(outside) = limited {
            if self.limit.is_none() {
                self.limit = Some(self.slot(1));
            }
            self.push(Step::Limit(outside))?;
        }
        if behind {
            self.behind += 1;
            self.push(Step::Back { min, max: max.unwrap_or(NO_BOUND) })?;
        }
        self.emit(body)?;
        if behind {
            self.push(Step::Returned(slot))?;
            self.behind -= 1;
        }
        if let Some(outside) = limited {
            self.push(Step::Unlimit(outside))?;
        }
        if negative {
            let end = self.push(Step::CommitNegative(slot))?;
            self.steps[enter] = Step::EnterNegative { slot, behind: end + 1 };
        } else {
            self.push(Step::CommitLook(slot))?;
        }
        Ok(())
    }

    /// A choice whose targets are filled in later.
    fn choose(&mut self, masks: Vec<u64>) -> Result<usize, TooLarge> {
        self.choices.push(Choice { targets: Vec::new(), masks });
        let choice = self.choices.len() - 1;
        self.push(Step::Choose(choice))?;
        Ok(choice)
    }

    /// Which of `branches` each class leaves; none of them stands for what comes behind.
    fn masks(&mut self, branches: &[Option<&Node>]) -> Vec<u64> {
        let size = self.alphabet.classes + 1;
        self.masks += size;
        if self.masks > MAX_MASKS {
            return Vec::new();
        }
        let mut masks = vec![0_u64; size];
        for (bit, branch) in branches.iter().enumerate() {
            let (first, nullable) = match branch {
                Some(node) => self.first(node),
                None => (Vec::new(), true),
            };
            for (class, mask) in masks.iter_mut().enumerate() {
                if nullable || first.get(class).is_some_and(|&first| first) {
                    *mask |= 1 << bit;
                }
            }
        }
        masks
    }

    fn alternatives(&mut self, branches: &[Node]) -> Result<(), TooLarge> {
        let mut rest = branches;
        let mut ends = Vec::new();
        while !rest.is_empty() {
            // The last branch of a full choice is the choice between those that are left.
            let (now, later) = rest.split_at(if rest.len() > 64 { 63 } else { rest.len() });
            let later_branch = usize::from(!later.is_empty());
            let mut shown: Vec<Option<&Node>> = now.iter().map(Some).collect();
            shown.extend(std::iter::repeat_n(None, later_branch));
            let masks = self.masks(&shown);
            let choice = self.choose(masks)?;
            for (index, branch) in now.iter().enumerate() {
                let target = self.steps.len();
                self.choices[choice].targets.push(target);
                self.emit(branch)?;
                if index + 1 < now.len() || !later.is_empty() {
                    ends.push(self.push(Step::Jump(0))?);
                }
            }
            if !later.is_empty() {
                let target = self.steps.len();
                self.choices[choice].targets.push(target);
            }
            rest = later;
        }
        let end = self.steps.len();
        for jump in ends {
            self.steps[jump] = Step::Jump(end);
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        body: &Node,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    ) -> Result<(), TooLarge> {
        if let Some(set) = single(body) {
            let mode = if greedy { Mode::Greedy } else { Mode::Lazy };
            let (set, max) = (self.set(&set), max.unwrap_or(NO_BOUND));
            self.push(Step::Run { set, min, max, mode })?;
            return Ok(());
        }
        if max == Some(0) || matches!(body, Node::Empty) {
            return Ok(());
        }
        for _ in 0..min {
            self.emit(body)?;
        }
        let shown = if greedy { [Some(body), None] } else { [None, Some(body)] };
        let order = |body, exit| if greedy { vec![body, exit] } else { vec![exit, body] };
        let Some(max) = max else {
            let nullable = width(body).0 == 0;
            let masks = self.masks(&shown);
            let start = self.steps.len();
            let choice = self.choose(masks)?;
            let inside = self.steps.len();
            let slot = self.slot(usize::from(nullable));
            if nullable {
                self.push(Step::Save(slot))?;
            }
            self.emit(body)?;
            let leave = if nullable {
                Some(self.push(Step::LeaveIfEmpty { slot, exit: 0 })?)
            } else {
                None
            };
            let exit = self.push(Step::Jump(start))? + 1;
            if let Some(leave) = leave {
                self.steps[leave] = Step::LeaveIfEmpty { slot, exit };
            }
            self.choices[choice].targets = order(inside, exit);
            return Ok(());
        };
        let mut open = Vec::new();
        for _ in min..max {
            let masks = self.masks(&shown);
            let choice = self.choose(masks)?;
            open.push((choice, self.steps.len()));
            self.emit(body)?;
        }
        let exit = self.steps.len();
        for (choice, inside) in open {
            self.choices[choice].targets = order(inside, exit);
        }
        Ok(())
    }

    /// The classes that a match of `node` can begin with, and whether it can be empty.
    fn first(&self, node: &Node) -> (Vec<bool>, bool) {
        let classes = self.alphabet.classes;
        match node {
            Node::Set(set) => {
                let set = self.set(set);
                ((0..classes).map(|class| self.alphabet.has(set, class)).collect(), false)
            }
            Node::Literal { chars, .. } => match chars.first() {
                Some(&c) => {
                    let first = self.alphabet.class(u32::from(c));
                    ((0..classes).map(|class| class == first).collect(), false)
                }
                None => (vec![false; classes], true),
            },
            Node::Concat(parts) => {
                let mut all = vec![false; classes];
                for part in parts {
                    let (first, nullable) = self.first(part);
                    all.iter_mut().zip(first).for_each(|(all, first)| *all |= first);
                    if !nullable {
                        return (all, false);
                    }
                }
                (all, true)
            }
            Node::Alt(branches) => {
                let mut all = vec![false; classes];
                let mut any = false;
                for branch in branches {
                    let (first, nullable) = self.first(branch);
                    all.iter_mut().zip(first).for_each(|(all, first)| *all |= first);
                    any |= nullable;
                }
                (all, any)
            }
            Node::Repeat { body, min, .. } => {
                let (first, nullable) = self.first(body);
                (first, nullable || *min == 0)
            }
            Node::Atomic(body) | Node::Group(body) | Node::Capture(_, body) => self.first(body),
            Node::Backref(_) => (vec![true; classes], true),
            Node::Empty | Node::Look { .. } | Node::Anchor(_) | Node::Keep => {
                (vec![false; classes], true)
            }
        }
    }

    /// A run that the match ends with is never asked to give anything back.
    fn never_gives_back(&mut self) {
        for at in 0..self.steps.len() {
            let Step::Run { set, min, max, mode: Mode::Greedy } = self.steps[at] else { continue };
            let mut next = at + 1;
            let mut hops = 0;
            while let Some(Step::Jump(target)) = self.steps.get(next)
                && hops < 64
            {
                next = *target;
                hops += 1;
            }
            if matches!(self.steps.get(next), Some(Step::Match)) {
                self.steps[at] = Step::Run { set, min, max, mode: Mode::Possessive };
            }
        }
    }
}

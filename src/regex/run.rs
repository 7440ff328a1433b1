//! Runs a program over a text: backtracking with a bound.
//!
//! Where a text makes it go back often, failures are remembered from then on: an instruction that failed
//! at a place is not tried there again, in this attempt or a later one. That makes most patterns
//! linear in the text; for those where it cannot be done (references, bodies that match nothing),
//! and for look-arounds that look far, the number of steps is bounded.

use std::cell::Cell;

use super::node::Anchor;
use super::program::{Mode, NO_BOUND, NO_MEMO, Program, Step};
use crate::budget;

/// Steps before failures are remembered, besides those for each byte.
const STEPS_UNREMEMBERED: u64 = 50_000;
const STEPS_UNREMEMBERED_PER_BYTE: u64 = 16;
/// The most bits that remember failures, and the most ways back that are kept.
const MAX_MEMO_BITS: usize = 1 << 29;
const MAX_FRAMES: usize = 1 << 23;

/// A way back.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Go on here.
    Branch { step: u32, at: u32 },
    /// The branches of a choice that are left.
    Rest { choice: u32, at: u32, mask: u64 },
    /// A run that can give back, down to `least`.
    Run { step: u32, least: u32, at: u32 },
    /// A run that can take more.
    Lazy { step: u32, at: u32, left: u32 },
    /// A look-behind that can start further back.
    Back { step: u32, at: u32, left: u32 },
    /// What a slot held.
    Slot { slot: u32, value: u32 },
    /// When this is reached, everything from an instruction on has failed at a place.
    Failed { point: u32, at: u32 },
}

thread_local! {
    /// The list of ways back is kept between texts.
    static FRAMES: Cell<Vec<Frame>> = const { Cell::new(Vec::new()) };
}

/// The bound was reached while a match was tried here.
#[derive(Debug)]
pub(super) struct GaveUp {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// The matches of a program in a text.
pub(super) struct Matcher<'p, 't> {
    program: &'p Program,
    text: &'t [u8],
    frames: Vec<Frame>,
    slots: Vec<u32>,
    spent: u64,
    /// So many steps are spent before failures are remembered.
    patience: u64,
    /// What is left for the text.
    limit: u64,
    /// Which instruction failed where; empty until it is worth it.
    failed: Vec<u64>,
    remembering: bool,
}

impl Drop for Matcher<'_, '_> {
    fn drop(&mut self) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        budget::spend(self.spent);
        if frames.capacity() <= 1 << 16 {
            FRAMES.set(frames);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "texts and programs are shorter than u32::MAX")]
fn short(value: usize) -> u32 {
    value as u32
}

impl<'p, 't> Matcher<'p, 't> {
    pub(super) fn new(program: &'p Program, text: &'t str) -> Self {
        let limit = budget::steps(text.len());
        let patience = STEPS_UNREMEMBERED + STEPS_UNREMEMBERED_PER_BYTE * text.len() as u64;
        Self {
            program,
            text: text.as_bytes(),
            frames: FRAMES.take(),
            slots: vec![u32::MAX; program.slots],
            spent: 0,
            patience: patience.min(limit),
            limit,
            failed: Vec::new(),
            remembering: false,
        }
    }

    /// The first match at `from` or behind it: where it starts and where it ends.
    pub(super) fn search(&mut self, from: usize) -> Result<Option<(usize, usize)>, GaveUp> {
        let program = self.program;
        let mut at = from;
        loop {
            let length = if let Some(first) = &program.first {
                loop {
                    if at >= self.text.len() {
                        return Ok(None);
                    }
                    let (class, length) = program.alphabet.at(self.text, at);
                    if first.get(class).is_some_and(|&first| first) {
                        break length;
                    }
                    at += length;
                }
            } else {
                self.length_at(at)
            };
            if let Some(found) = self.attempt(at, from)? {
                return Ok(Some(found));
            }
            at += length;
            if at > self.text.len() {
                return Ok(None);
            }
        }
    }

    /// The length of the character at a place; 1 at the end.
    pub(super) fn length_at(&self, at: usize) -> usize {
        match self.text.get(at) {
            None | Some(0..0x80) => 1,
            Some(0x80..0xE0) => 2,
            Some(0xE0..0xF0) => 3,
            Some(_) => 4,
        }
    }

    fn length_before(&self, at: usize) -> Option<usize> {
        let before = self.text.get(..at)?;
        let back = before.iter().rev().position(|&byte| byte & 0xC0 != 0x80)?;
        Some(back + 1)
    }

    fn set_slot(&mut self, slot: usize, value: u32) {
        if let Some(held) = self.slots.get_mut(slot) {
            self.frames.push(Frame::Slot { slot: short(slot), value: *held });
            *held = value;
        }
    }

    fn slot(&self, slot: usize) -> usize {
        self.slots.get(slot).map_or(0, |&value| value as usize)
    }

    /// Forgets the ways back above `height`, but not what slots held.
    fn forget(&mut self, height: usize) {
        let mut kept = height;
        for index in height..self.frames.len() {
            if matches!(self.frames[index], Frame::Slot { .. }) {
                self.frames[kept] = self.frames[index];
                kept += 1;
            }
        }
        self.frames.truncate(kept);
    }

    /// Goes back to where the frames were `height`, with the slots of then.
    fn undo(&mut self, height: usize) {
        while self.frames.len() > height {
            if let Some(Frame::Slot { slot, value }) = self.frames.pop()
                && let Some(held) = self.slots.get_mut(slot as usize)
            {
                *held = value;
            }
        }
    }

    /// The bit of a failure.
    fn bit(&self, point: u32, at: usize) -> usize {
        point as usize * (self.text.len() + 1) + at
    }

    /// Whether an instruction is known to fail here. If not, it is noted when it does.
    fn known_to_fail(&mut self, step: usize, at: usize) -> bool {
        let point = self.program.memo[step];
        if point == NO_MEMO {
            return false;
        }
        let bit = self.bit(point, at);
        if self.failed.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1) {
            return true;
        }
        self.frames.push(Frame::Failed { point, at: short(at) });
        false
    }

    /// Checks the bounds; called where the program can go back.
    fn spend(&mut self, steps: u64, start: usize) -> Result<(), GaveUp> {
        self.spent += steps;
        if self.spent > self.patience || self.frames.len() > MAX_FRAMES {
            return self.out_of_patience(start);
        }
        Ok(())
    }

    #[cold]
    fn out_of_patience(&mut self, start: usize) -> Result<(), GaveUp> {
        if self.frames.len() > MAX_FRAMES {
            return Err(GaveUp { at: start, reason: "too many ways to go back to" });
        }
        if self.patience >= self.limit {
            return Err(GaveUp { at: start, reason: "too many steps" });
        }
        self.patience = self.limit;
        let bits = self.program.memo_points.saturating_mul(self.text.len() + 1);
        if bits > 0 && bits <= MAX_MEMO_BITS {
            self.failed = vec![0; bits.div_ceil(64)];
            self.remembering = true;
        }
        Ok(())
    }

    /// Takes the last way back: the instruction and the place to go on with.
    fn back(&mut self) -> Option<(usize, usize)> {
        loop {
            let frame = self.frames.last_mut()?;
            match frame {
                &mut Frame::Branch { step, at } => {
                    self.frames.pop();
                    return Some((step as usize, at as usize));
                }
                Frame::Rest { choice, at, mask } => {
                    let bit = mask.trailing_zeros() as usize;
                    let (choice, at) = (*choice as usize, *at as usize);
                    *mask &= *mask - 1;
                    if *mask == 0 {
                        self.frames.pop();
                    }
                    let target = self.program.choices[choice].targets[bit];
                    return Some((target, at));
                }
                &mut Frame::Run { step, least, at } => {
                    let back = self.length_before(at as usize).unwrap_or(1);
                    let at = at as usize - back;
                    match self.frames.last_mut() {
                        Some(Frame::Run { at: held, .. }) if at > least as usize => {
                            *held = short(at);
                        }
                        _ => _ = self.frames.pop(),
                    }
                    return Some((step as usize, at));
                }
                &mut Frame::Lazy { step, at, left } => {
                    let (set, at) = match self.program.steps[step as usize] {
                        Step::Run { set, .. } => (set, at as usize),
                        _ => return None,
                    };
                    self.frames.pop();
                    let text = self.shown();
                    if let Some(length) = self.program.alphabet.length_in(set, text, at) {
                        let at = at + length;
                        let left = if left == NO_BOUND { left } else { left - 1 };
                        if left > 0 {
                            self.frames.push(Frame::Lazy { step, at: short(at), left });
                        }
                        return Some((step as usize + 1, at));
                    }
                }
                &mut Frame::Back { step, at, left } => {
                    let length = self.length_before(at as usize);
                    self.frames.pop();
                    if let Some(length) = length {
                        let at = at as usize - length;
                        let left = if left == NO_BOUND { left } else { left - 1 };
                        if left > 0 {
                            self.frames.push(Frame::Back { step, at: short(at), left });
                        }
                        return Some((step as usize + 1, at));
                    }
                }
                &mut Frame::Slot { slot, value } => {
                    self.frames.pop();
                    if let Some(held) = self.slots.get_mut(slot as usize) {
                        *held = value;
                    }
                }
                &mut Frame::Failed { point, at } => {
                    self.frames.pop();
                    let bit = self.bit(point, at as usize);
                    if let Some(word) = self.failed.get_mut(bit / 64) {
                        *word |= 1 << (bit % 64);
                    }
                }
            }
        }
    }

    /// A match that starts exactly at `start`.
    #[expect(clippy::too_many_lines, reason = "one arm for each instruction")]
    fn attempt(&mut self, start: usize, from: usize) -> Result<Option<(usize, usize)>, GaveUp> {
        let program = self.program;
        let mut text = self.text;
        self.frames.clear();
        if !self.slots.is_empty() {
            self.slots.fill(u32::MAX);
        }
        let (mut step, mut at) = (0, start);
        loop {
            if program.limit.is_some() {
                text = self.shown();
            }
            let goes_on = match &program.steps[step] {
                Step::Match => {
                    let kept = program.keep.map_or(start, |slot| self.slot(slot));
                    return Ok(Some((if kept <= at { kept } else { start }, at)));
                }
                Step::Bytes(bytes) => {
                    let found = text.get(at..).is_some_and(|rest| rest.starts_with(bytes));
                    at += bytes.len();
                    found
                }
                &Step::Set(set) => match program.alphabet.length_in(set, text, at) {
                    Some(length) => {
                        at += length;
                        true
                    }
                    None => false,
                },
                &Step::Run { set, min, max, mode } => {
                    if let Some(end) = self.run(step, (set, min, max, mode), at, start)? {
                        at = end;
                        true
                    } else {
                        false
                    }
                }
                &Step::Peek { set, negative } => {
                    program.alphabet.length_in(set, text, at).is_some() != negative
                }
                &Step::PeekBack { set, negative } => self.is_behind(set, at) != negative,
                &Step::Choose(choice) => {
                    self.spend(1, start)?;
                    if self.remembering && self.known_to_fail(step, at) {
                        false
                    } else {
                        let choice_of = &program.choices[choice];
                        let all = u64::MAX >> (64 - choice_of.targets.len());
                        let mut mask = if choice_of.masks.is_empty() {
                            all
                        } else if at < text.len() {
                            choice_of.masks[program.alphabet.at(text, at).0]
                        } else {
                            choice_of.masks[program.alphabet.classes]
                        };
                        if mask == 0 {
                            false
                        } else {
                            let bit = mask.trailing_zeros() as usize;
                            mask &= mask - 1;
                            if mask != 0 {
                                let (choice, at) = (short(choice), short(at));
                                self.frames.push(Frame::Rest { choice, at, mask });
                            }
                            step = choice_of.targets[bit];
                            continue;
                        }
                    }
                }
                &Step::Jump(target) => {
                    step = target;
                    continue;
                }
                &Step::Save(slot) => {
                    self.set_slot(slot, short(at));
                    true
                }
                &Step::LeaveIfEmpty { slot, exit } => {
                    if self.slot(slot) == at {
                        step = exit;
                        continue;
                    }
                    true
                }
                Step::Backref(groups) => match self.referred(groups, at) {
                    Some(end) => {
                        self.spend((end - at) as u64, start)?;
                        at = end;
                        true
                    }
                    None => false,
                },
                &Step::At(anchor) => self.is_at(anchor, at, from),
                &Step::Word { set, negative } => {
                    // Past a limit there is something, but for Oniguruma not where the text starts.
                    let text = if at == 0 { text } else { self.text };
                    let here = program.alphabet.length_in(set, text, at).is_some();
                    (here != self.is_behind(set, at)) != negative
                }
                &Step::Enter(slot) => {
                    let height = short(self.frames.len());
                    self.set_slot(slot, height);
                    self.set_slot(slot + 1, short(at));
                    true
                }
                &Step::EnterNegative { slot, behind } => {
                    let height = short(self.frames.len());
                    let (step, here) = (short(behind), short(at));
                    self.frames.push(Frame::Branch { step, at: here });
                    self.set_slot(slot, height);
                    self.set_slot(slot + 1, here);
                    true
                }
                &Step::Commit(slot) => {
                    self.forget(self.slot(slot));
                    true
                }
                &Step::CommitLook(slot) => {
                    let place = self.slot(slot + 1);
                    self.forget(self.slot(slot));
                    at = place;
                    true
                }
                &Step::CommitNegative(slot) => {
                    self.undo(self.slot(slot));
                    false
                }
                &Step::Back { min, max } => match self.before(at, min) {
                    Some(place) => {
                        at = place;
                        if max > min {
                            let left = if max == NO_BOUND { max } else { max - min };
                            let (step, at) = (short(step), short(at));
                            self.frames.push(Frame::Back { step, at, left });
                        }
                        true
                    }
                    None => false,
                },
                &Step::Limit(slot) => {
                    // What holds outside is kept beside it.
                    if let Some(limit) = program.limit {
                        let outside = short(self.slot(limit));
                        self.set_slot(slot, outside);
                        self.set_slot(limit, short(at));
                    }
                    true
                }
                &Step::Unlimit(slot) => {
                    if let Some(limit) = program.limit {
                        let outside = short(self.slot(slot));
                        self.set_slot(limit, outside);
                    }
                    true
                }
                &Step::Returned(slot) => self.slot(slot + 1) == at,
            };
            if goes_on {
                step += 1;
            } else {
                self.spend(1, start)?;
                match self.back() {
                    Some(next) => (step, at) = next,
                    None => return Ok(None),
                }
            }
        }
    }

    /// The text as far as it may be looked at: inside a look-behind, up to where that ends.
    #[inline]
    fn shown(&self) -> &'t [u8] {
        match self.program.limit {
            None => self.text,
            Some(slot) => self.text.get(..self.slot(slot)).unwrap_or(self.text),
        }
    }

    /// The place `count` characters before.
    fn before(&mut self, mut at: usize, count: u32) -> Option<usize> {
        for _ in 0..count {
            self.spent += 1;
            at -= self.length_before(at)?;
        }
        Some(at)
    }

    fn is_behind(&self, set: usize, at: usize) -> bool {
        self.length_before(at).is_some_and(|length| {
            self.program.alphabet.length_in(set, self.text, at - length).is_some()
        })
    }

    /// Runs over the characters of a set; where they end.
    #[inline]
    fn run(
        &mut self,
        step: usize,
        (set, min, max, mode): (usize, u32, u32, Mode),
        at: usize,
        start: usize,
    ) -> Result<Option<usize>, GaveUp> {
        let alphabet = &self.program.alphabet;
        let text = self.shown();
        let (least, count) = match min {
            0 => (at, 0),
            1 => match alphabet.length_in(set, text, at) {
                Some(length) => (at + length, 1),
                None => return Ok(None),
            },
            _ => alphabet.run(set, text, at, min),
        };
        if count < min {
            return Ok(None);
        }
        if mode == Mode::Lazy {
            if max > min {
                let left = if max == NO_BOUND { max } else { max - min };
                self.frames.push(Frame::Lazy { step: short(step), at: short(least), left });
            }
            return Ok(Some(least));
        }
        if self.remembering && mode == Mode::Greedy && self.program.memo[step] != NO_MEMO {
            return self.remembered_run(step, set, least, start);
        }
        let (end, count) = alphabet.run(set, text, least, max - count);
        self.spent += u64::from(count);
        if mode == Mode::Greedy && end > least {
            let (step, least) = (short(step + 1), short(least));
            self.frames.push(Frame::Run { step, least, at: short(end) });
        }
        Ok(Some(end))
    }

    /// The same, with a note at each character; where failures are known, no further.
    fn remembered_run(
        &mut self,
        step: usize,
        set: usize,
        mut at: usize,
        start: usize,
    ) -> Result<Option<usize>, GaveUp> {
        let text = self.shown();
        loop {
            self.spend(1, start)?;
            if self.known_to_fail(step, at) {
                return Ok(None);
            }
            let Some(length) = self.program.alphabet.length_in(set, text, at) else {
                return Ok(Some(at));
            };
            self.frames.push(Frame::Branch { step: short(step + 1), at: short(at) });
            at += length;
        }
    }

    fn referred(&self, groups: &[usize], at: usize) -> Option<usize> {
        for &group in groups.iter().rev() {
            let (start, end) = (self.slot(2 * group), self.slot(2 * group + 1));
            if start == u32::MAX as usize || end == u32::MAX as usize {
                continue;
            }
            let held = self.text.get(start..end)?;
            if self.shown().get(at..).is_some_and(|rest| rest.starts_with(held)) {
                return Some(at + held.len());
            }
        }
        None
    }

    fn is_at(&self, anchor: Anchor, at: usize, from: usize) -> bool {
        let text = self.text;
        match anchor {
            Anchor::LineStart => at == 0 || (at < text.len() && text[at - 1] == b'\n'),
            Anchor::LineEnd => text.get(at).is_none_or(|&byte| byte == b'\n'),
            Anchor::Start => at == 0,
            Anchor::End => at == text.len(),
            Anchor::AlmostEnd => at == text.len() || text[at..] == *b"\n",
            Anchor::SearchStart => at == from,
            Anchor::WordBoundary { .. } => false,
        }
    }
}

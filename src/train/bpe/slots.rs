//! All words in one array: the text that the merge loop works on.

// One slot for each initial symbol, 12 bytes; a border between words. A token made of several slots
// keeps its symbol and its span (the number of slots) in its first and in its last slot, so both
// neighbours of a place are found in constant time without links. The slots between are dead.
//
//     |border|  a   |  b   |  c   |  d   |border|        a b c d
//     |border| abc 3|  -   | abc 3*|  d   |border|        abc d       * marked as a last slot
//
// A place is valid when its slot is the first slot of the left token and the right token follows.

use std::ops::Range;

use super::super::alphabet::{Alphabet, Words};
use super::super::replay::Replay;
use super::split::ranges;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Slots for a thread of their own.
const LEAST: usize = if cfg!(test) { 4 } else { 1 << 18 };

/// The symbol between words.
pub(super) const BORDER: TokenId = TokenId::MAX;
/// The symbol of a slot inside a token.
const DEAD: TokenId = TokenId::MAX - 1;
/// Symbols are smaller than this.
pub(super) const MAX_SYMBOL: TokenId = TokenId::MAX - 2;

/// Set in the span of a last slot that is not also the first.
const LAST: u32 = 1 << 31;
/// A weight that is too large for a slot; it is in the list.
const HEAVY: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) symbol: TokenId,
    span: u32,
    weight: u32,
}

const NO_TOKEN: Slot = Slot { symbol: BORDER, span: 1, weight: 0 };

/// The words, ready to be merged in place.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// First slot and count of each word whose count does not fit into a slot, in order.
    heavy: Vec<(u32, u64)>,
}

/// A place where a pair was merged.
pub(super) struct Merged {
    /// The symbol before, and where it starts; [`BORDER`] when there is none.
    pub(super) before: (TokenId, u32),
    /// The symbol after, or [`BORDER`].
    pub(super) after: TokenId,
    pub(super) weight: u64,
}

/// How much text there is, all occurrences of all words.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) symbols: u64,
    pub(super) bytes: u64,
}

impl Slots {
    /// The words of two and more symbols, after merges that were made before; nothing ever happens to
    /// the others.
    pub(super) fn new<W: Words + ?Sized>(
        words: &W,
        alphabet: &Alphabet,
        replays: &[Replay],
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<(Self, Size)> {
        let mut slots = vec![NO_TOKEN];
        let (mut heavy, mut symbols) = (Vec::new(), Vec::new());
        let mut size = Size::default();
        words.each(&mut |word, count| {
            symbols.clear();
            alphabet.symbols(word, &mut symbols);
            tick(symbols.len() + 1)?;
            for replay in replays {
                replay.apply(&mut symbols);
            }
            // The sum of initial symbols fits; bytes may be more.
            size.symbols = size.symbols.saturating_add(count.saturating_mul(symbols.len() as u64));
            size.bytes = size.bytes.saturating_add(count.saturating_mul(word.len() as u64));
            if symbols.len() < 2 || count == 0 {
                return Ok(());
            }
            let start = u32::try_from(slots.len()).unwrap_or(u32::MAX);
            // A span has 31 bits, a position 32.
            let last = slots.len() + symbols.len();
            if symbols.len() >= LAST as usize || last >= u32::MAX as usize {
                let problem =
                    "the distinct words have 2^32 symbols or one has 2^31; count less text";
                return Err(Error::training(problem));
            }
            let weight = u32::try_from(count).unwrap_or(HEAVY);
            if weight == HEAVY {
                heavy.push((start, count));
            }
            slots.extend(symbols.iter().map(|&symbol| Slot { symbol, span: 1, weight }));
            slots.push(NO_TOKEN);
            Ok(())
        })?;
        Ok((Self { slots, heavy }, size))
    }

    /// Applies merges to all words, in [`Slots::compact`] form before and after. The number of symbols
    /// that this takes from the text is returned.
    pub(super) fn replay(&mut self, replay: &Replay) -> u64 {
        let (mut at, mut merged) = (1, 0_u64);
        let mut symbols = Vec::new();
        while at < self.slots.len() {
            let start = at;
            symbols.clear();
            while self.slots[at].symbol != BORDER {
                symbols.push(self.slots[at].symbol);
                at += 1;
            }
            let before = symbols.len();
            replay.apply(&mut symbols);
            if symbols.len() < before {
                let place = u32::try_from(start).unwrap_or(u32::MAX);
                let weight = self.weight(self.slots[start].weight, place);
                merged =
                    merged.saturating_add(weight.saturating_mul((before - symbols.len()) as u64));
                // The last token takes up the room that is left.
                let (last, rest) = (symbols.len() - 1, before - symbols.len());
                for (offset, &symbol) in symbols.iter().enumerate() {
                    self.slots[start + offset].symbol = symbol;
                }
                for slot in &mut self.slots[start + last + 1..start + before] {
                    slot.symbol = DEAD;
                }
                self.slots[start + last].span += u32::try_from(rest).unwrap_or(u32::MAX);
            }
            at += 1;
        }
        self.compact();
        merged
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<Slot>() + self.heavy.len() * size_of::<(u32, u64)>()) as u64
    }

    /// Sets the flag of each symbol that stands somewhere.
    pub(super) fn mark(&self, in_text: &mut [bool]) {
        for slot in self.slots.iter().filter(|slot| slot.symbol != BORDER) {
            in_text[slot.symbol as usize] = true;
        }
    }

    /// All slots, to be merged in, with all places.
    pub(super) fn whole(&mut self) -> Part<'_> {
        Part { slots: &mut self.slots, base: 0, heavy: &self.heavy }
    }

    /// The slots in at most `most` parts with about as many of the `places` each, cut between words.
    pub(super) fn share<'a, 'b>(
        &'a mut self,
        places: &'b [u32],
        most: usize,
    ) -> Vec<(Part<'a>, &'b [u32])> {
        let heavy = self.heavy.as_slice();
        let (mut slots, mut base, mut left) = (self.slots.as_mut_slice(), 0_u32, places);
        let mut parts = Vec::with_capacity(most);
        for after in (1..most).rev() {
            let Some(&middle) = left.get(left.len() / (after + 1)) else { break };
            let from = (middle - base) as usize;
            let rest = slots.get(from..).unwrap_or_default();
            let Some(more) = rest.iter().position(|slot| slot.symbol == BORDER) else { break };
            // The border goes to the part after it; the one before knows that its end is one.
            let (head, tail) = slots.split_at_mut(from + more);
            let end = base + u32::try_from(head.len()).unwrap_or(u32::MAX);
            let (here, there) = left.split_at(left.partition_point(|&place| place < end));
            parts.push((Part { slots: head, base, heavy }, here));
            (slots, base, left) = (tail, end, there);
        }
        parts.push((Part { slots, base, heavy }, left));
        parts
    }

    #[inline]
    fn weight(&self, weight: u32, place: u32) -> u64 {
        weight_of(weight, place, &self.heavy)
    }

    /// The weight of the pair at a place.
    pub(super) fn weight_at(&self, place: u32) -> u64 {
        self.weight(self.slots[place as usize].weight, place)
    }

    /// The slots in at most so many parts, cut between words.
    pub(super) fn parts(&self, most: usize) -> Vec<Range<usize>> {
        let most = most.min(self.slots.len() / LEAST).max(1);
        let mut start = 0;
        let mut parts = Vec::with_capacity(most);
        for range in ranges(self.slots.len(), most) {
            let rest = self.slots.get(range.end..).unwrap_or_default();
            let border = rest.iter().position(|slot| slot.symbol == BORDER);
            let end = border.map_or(self.slots.len(), |more| range.end + more);
            if start < end {
                parts.push(start..end);
                start = end;
            }
        }
        parts
    }

    /// Calls `window` with (place, left, right, weight) of every adjacent pair of a part in
    /// [`Slots::compact`] form, in order. `tick` is told the number of slots seen.
    pub(super) fn windows(
        &self,
        part: Range<usize>,
        tick: &mut dyn FnMut(usize) -> Result<()>,
        mut window: impl FnMut(u32, TokenId, TokenId, u64),
    ) -> Result<()> {
        const CHUNK: usize = 1 << 15;
        let mut place = u32::try_from(part.start).unwrap_or(u32::MAX);
        let mut left = NO_TOKEN;
        for chunk in self.slots[part].chunks(CHUNK) {
            tick(chunk.len())?;
            for &slot in chunk {
                if slot.symbol != BORDER && left.symbol != BORDER {
                    let weight = self.weight(left.weight, place - 1);
                    window(place - 1, left.symbol, slot.symbol, weight);
                }
                left = slot;
                place = place.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// Gives every token one slot, and drops the words of one token.
    pub(super) fn compact(&mut self) {
        let (mut read, mut write, mut heavy_read, mut heavy_write) = (1, 1, 0, 0);
        let slots = &mut self.slots;
        while read < slots.len() {
            let (start, from) = (write, read);
            while slots[read].symbol != BORDER {
                let slot = slots[read];
                slots[write] = Slot { span: 1, ..slot };
                write += 1;
                read += slot.span as usize;
            }
            let heavy = slots[from].weight == HEAVY;
            if write - start > 1 {
                slots[write] = NO_TOKEN;
                write += 1;
                if heavy {
                    // Positions fit: they only get smaller.
                    let count = self.heavy[heavy_read].1;
                    self.heavy[heavy_write] = (u32::try_from(start).unwrap_or(u32::MAX), count);
                    heavy_write += 1;
                }
            } else {
                write = start;
            }
            heavy_read += usize::from(heavy);
            read += 1;
        }
        slots.truncate(write);
        slots.shrink_to_fit();
        self.heavy.truncate(heavy_write);
    }
}

#[inline]
fn weight_of(weight: u32, place: u32, heavy: &[(u32, u64)]) -> u64 {
    if weight == HEAVY { heavy_weight(place, heavy) } else { u64::from(weight) }
}

#[cold]
fn heavy_weight(place: u32, heavy: &[(u32, u64)]) -> u64 {
    let after = heavy.partition_point(|&(start, _)| start <= place);
    heavy[after - 1].1
}

/// Whole words among the slots. It begins with the border before the first one.
pub(super) struct Part<'a> {
    slots: &'a mut [Slot],
    /// The place of the first slot.
    base: u32,
    heavy: &'a [(u32, u64)],
}

impl Part<'_> {
    /// The symbol at a place, right or stale: reading it ahead of [`Part::merge`] brings the memory in.
    #[inline]
    pub(super) fn peek(&self, place: u32) -> TokenId {
        self.slots[(place - self.base) as usize].symbol
    }

    /// Merges `left` and `right` into `new` at `place`, if they still stand there.
    #[inline]
    pub(super) fn merge(
        &mut self,
        place: u32,
        left: TokenId,
        right: TokenId,
        new: TokenId,
    ) -> Option<Merged> {
        let first = (place - self.base) as usize;
        let one = self.slots[first];
        if one.symbol != left || one.span & LAST != 0 {
            return None;
        }
        let second = first + one.span as usize;
        let two = *self.slots.get(second)?;
        if two.symbol != right {
            return None;
        }
        let weight = weight_of(one.weight, place, self.heavy);
        let next = second + two.span as usize;
        let span = one.span + two.span;
        self.slots[second].symbol = DEAD;
        self.slots[first] = Slot { symbol: new, span, weight: one.weight };
        self.slots[next - 1] = Slot { symbol: new, span: span | LAST, weight: one.weight };
        let previous = self.slots[first - 1];
        let before = (previous.symbol, place - (previous.span & !LAST));
        let after = self.slots.get(next).map_or(BORDER, |slot| slot.symbol);
        Some(Merged { before, after, weight })
    }
}

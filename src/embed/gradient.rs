//! What training a factorised table needs of a batch: its distinct ids, and sums of rows by id.

// The two products of the backward pass are done for distinct ids only, so the gradient's rows are
// added up by id first. Each sum runs over its rows in the order of the batch, in one thread, so the
// bits do not depend on how many threads there are. Four rows are added at a time: the sum is read
// and written a quarter as often, and its rounding errors are fewer. Rows of one id lie far from each
// other, so memory is asked for the next ones ahead: 9.4 ms became 5.3 for 32,768
// rows of 768 numbers.

use std::ops::Range;

use super::kernel::stream::{self, Stores};
use super::lookup::Distinct;
use super::parallel::{self, SMALL};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::memory;

/// Rows of the result that a thread takes at a time: few, for a frequent id has thousands of terms.
const PIECE: usize = 16;

/// Numbers in a line of the processor's cache.
const LINE: usize = memory::LINE / size_of::<f32>();

/// Rows between one that is added alone and the one that memory is asked for meanwhile.
const AHEAD: usize = 3;

/// The ids of a batch without repetition.
#[derive(Debug)]
pub struct DistinctIds {
    /// The distinct ids, in rising order.
    pub ids: Vec<TokenId>,
    /// For every id of the batch, where it stands in `ids`.
    pub slots: Vec<u32>,
}

impl DistinctIds {
    /// The distinct ones of `ids`, which must be from 0 to `size - 1`.
    ///
    /// # Errors
    /// [`Error::UnknownId`] names the first id that is not, and its position.
    pub fn of(ids: &[i64], size: usize) -> Result<Self> {
        let mut checked = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            match TokenId::try_from(id) {
                Ok(valid) if (valid as usize) < size => checked.push(valid),
                _ => return Err(Error::UnknownId { id: id.into(), position, row: None, size }),
            }
        }
        let Distinct { ids, slots } = Distinct::of(&checked, size);
        Ok(Self { ids, slots })
    }
}

/// Adds up rows of `width` numbers by slot: `out` has a row for every slot and is overwritten.
///
/// # Errors
/// [`Error::Argument`] when lengths do not fit, or a slot is beyond `out`.
pub fn sum_by_slot(
    rows: &[f32],
    width: usize,
    slots: &[u32],
    out: &mut [f32],
    threads: usize,
) -> Result<()> {
    let count = check(rows, width, slots, out, slots.len())?;
    let mut ends = starts(slots, count);
    let mut places = vec![0_usize; slots.len()];
    for (place, slot) in slots.iter().enumerate() {
        let next = &mut ends[*slot as usize];
        places[*next] = place;
        *next += 1;
    }
    let threads = if rows.len() < SMALL { 1 } else { threads };
    parallel::for_rows(
        out,
        width,
        PIECE,
        threads,
        || (),
        |(), first, out| {
            for (slot, sum) in (first..).zip(out.chunks_exact_mut(width)) {
                let begin = if slot == 0 { 0 } else { ends[slot - 1] };
                add_rows(rows, width, &places, begin..ends[slot], sum);
            }
        },
    );
    Ok(())
}

/// Copies the row of every slot to its place: row `i` of `out` becomes row `slots[i]` of `rows`.
///
/// # Errors
/// [`Error::Argument`] when lengths do not fit, or a slot is beyond `rows`.
pub fn copy_by_slot(
    rows: &[f32],
    width: usize,
    slots: &[u32],
    out: &mut [f32],
    threads: usize,
) -> Result<()> {
    let count = check(out, width, slots, rows, slots.len())?;
    // A row goes to all of its places while it is in the cache.
    let stores = Stores::for_output(size_of_val(out));
    let threads = if out.len() < SMALL / 4 { 1 } else { threads };
    let mut ends = starts(slots, count);
    let mut sorted: Vec<&mut [f32]> = slots.iter().map(|_| Default::default()).collect();
    for (row, slot) in out.chunks_exact_mut(width).zip(slots) {
        let next = &mut ends[*slot as usize];
        sorted[*next] = row;
        *next += 1;
    }
    let begin_of = |slot: usize| if slot == 0 { 0 } else { ends[slot - 1] };
    let mut blocks = Vec::with_capacity(count.div_ceil(PIECE));
    let mut rest = &mut sorted[..];
    for first in (0..count).step_by(PIECE) {
        let end = count.min(first + PIECE);
        let (these, others) = rest.split_at_mut(ends[end - 1] - begin_of(first));
        rest = others;
        blocks.push((first..end, these));
    }
    parallel::for_each(
        blocks.into_iter(),
        threads,
        || (),
        |(), (block, places)| {
            let mut places = places.iter_mut();
            for slot in block {
                let row = &rows[slot * width..][..width];
                for place in places.by_ref().take(ends[slot] - begin_of(slot)) {
                    stream::copy(stores, row, place);
                }
            }
            stream::finish(stores);
        },
    );
    Ok(())
}

/// Writes rows to the places of their ids, which must rise, and zeros everywhere else.
///
/// # Errors
/// [`Error::Argument`] when lengths do not fit, or an id is beyond `out`.
pub fn scatter_rows(rows: &[f32], width: usize, ids: &[i64], out: &mut [f32]) -> Result<()> {
    if width == 0 || ids.len().checked_mul(width) != Some(rows.len()) {
        let given = format!("{} numbers for {} rows", rows.len(), ids.len());
        return Err(Error::argument("rows", given, format!("{width} wide")));
    }
    out.fill(0.0);
    let count = out.len() / width;
    for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
        let Some(id) = usize::try_from(*id).ok().filter(|id| *id < count) else {
            return Err(Error::argument("ids", format!("{id}"), format!("less than {count}")));
        };
        out[id * width..][..width].copy_from_slice(row);
    }
    Ok(())
}

/// For every slot how many stand before it in sorted order.
fn starts(slots: &[u32], count: usize) -> Vec<usize> {
    let mut starts = vec![0_usize; count];
    for slot in slots {
        starts[*slot as usize] += 1;
    }
    let mut start = 0;
    for count in &mut starts {
        (*count, start) = (start, start + *count);
    }
    starts
}

/// Checks that `many` has a row for every slot, `few` whole rows, and the slots are rows of it; the
/// number of rows of `few`.
fn check(many: &[f32], width: usize, slots: &[u32], few: &[f32], rows: usize) -> Result<usize> {
    if width == 0 || rows.checked_mul(width) != Some(many.len()) {
        let given = format!("{} numbers for {rows} rows", many.len());
        return Err(Error::argument("rows", given, format!("{width} wide")));
    }
    if !few.len().is_multiple_of(width) {
        let given = format!("{} numbers long", few.len());
        return Err(Error::argument("out", given, format!("whole rows of {width}")));
    }
    let count = few.len() / width;
    match slots.iter().max() {
        Some(&slot) if slot as usize >= count => {
            Err(Error::argument("slots", format!("up to {slot}"), format!("less than {count}")))
        }
        _ => Ok(count),
    }
}

/// Writes the sum of the rows at `places[range]` to `sum`.
fn add_rows(rows: &[f32], width: usize, places: &[usize], range: Range<usize>, sum: &mut [f32]) {
    let row = |at: usize| places.get(at).map_or(&[][..], |place| &rows[place * width..][..width]);
    sum.fill(0.0);
    let mut at = range.start;
    while at + 4 <= range.end {
        let four = [row(at), row(at + 1), row(at + 2), row(at + 3)];
        let ahead = [row(at + 4), row(at + 5), row(at + 6), row(at + 7)];
        add_four(four, ahead, sum);
        at += 4;
    }
    while at < range.end {
        add_one(row(at), row(at + AHEAD), sum);
        at += 1;
    }
}

/// Adds four rows, and asks for the memory of those after them.
fn add_four(rows: [&[f32]; 4], ahead: [&[f32]; 4], sum: &mut [f32]) {
    let [a, b, c, d] = rows.map(<[f32]>::as_chunks::<LINE>);
    let ahead = ahead.map(|row| row.as_chunks::<LINE>().0);
    let (lines, rest) = sum.as_chunks_mut::<LINE>();
    for (i, ((((sum, a), b), c), d)) in
        lines.iter_mut().zip(a.0).zip(b.0).zip(c.0).zip(d.0).enumerate()
    {
        for line in ahead.iter().filter_map(|lines| lines.get(i)) {
            memory::prefetch_near(line);
        }
        // Over lines of known length, or the compiler takes the numbers one by one.
        for j in 0..LINE {
            sum[j] += (a[j] + b[j]) + (c[j] + d[j]);
        }
    }
    for ((((sum, a), b), c), d) in rest.iter_mut().zip(a.1).zip(b.1).zip(c.1).zip(d.1) {
        *sum += (a + b) + (c + d);
    }
}

/// Adds one row, and asks for the memory of another.
fn add_one(row: &[f32], ahead: &[f32], sum: &mut [f32]) {
    let (row, ahead) = (row.as_chunks::<LINE>(), ahead.as_chunks::<LINE>().0);
    let (lines, rest) = sum.as_chunks_mut::<LINE>();
    for (i, (sum, row)) in lines.iter_mut().zip(row.0).enumerate() {
        if let Some(line) = ahead.get(i) {
            memory::prefetch_near(line);
        }
        for j in 0..LINE {
            sum[j] += row[j];
        }
    }
    for (sum, value) in rest.iter_mut().zip(row.1) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn batch(random: &mut Random, count: usize, size: u64) -> Vec<i64> {
        // Some ids many times, as in text.
        let id = |random: &mut Random| {
            let bound = 1 + random.bits() % size;
            i64::try_from(random.bits() % bound).expect("small")
        };
        (0..count).map(|_| id(random)).collect()
    }

    #[test]
    fn sums_and_copies_equal_the_naive_ones_on_any_number_of_threads() {
        let mut random = Random::new(11);
        for (count, size, width) in [(0, 5, 3), (1, 1, 1), (50, 7, 5), (3000, 400, 9), (900, 3, 2)]
        {
            let ids = batch(&mut random, count, size);
            let size = usize::try_from(size).expect("small");
            let distinct = DistinctIds::of(&ids, size).expect("in range");
            let rows: Vec<f32> = (0..count * width)
                .map(|_| f32::from(i16::try_from(random.bits() % 2000).expect("small")) / 8.0)
                .collect();
            let mut want = vec![0.0_f64; size * width];
            for (id, row) in ids.iter().zip(rows.chunks(width)) {
                let start = usize::try_from(*id).expect("small") * width;
                for (sum, value) in want[start..].iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
            let mut results = Vec::new();
            for threads in [1, 2, 5] {
                let mut sums = vec![f32::NAN; distinct.ids.len() * width];
                sum_by_slot(&rows, width, &distinct.slots, &mut sums, threads).expect("valid");
                for (id, row) in distinct.ids.iter().zip(sums.chunks(width)) {
                    for (got, want) in row.iter().zip(&want[*id as usize * width..]) {
                        assert!((f64::from(*got) - want).abs() <= 1e-6 * (1.0 + want.abs()));
                    }
                }
                let mut copies = vec![f32::NAN; rows.len()];
                copy_by_slot(&sums, width, &distinct.slots, &mut copies, threads).expect("valid");
                for (slot, row) in distinct.slots.iter().zip(copies.chunks(width)) {
                    assert_eq!(row, &sums[*slot as usize * width..][..width]);
                }
                results.push(sums);
            }
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    #[test]
    fn large_sums_are_the_same_on_several_threads() {
        // Beyond the bound from which threads are used.
        let (count, width) = (300, SMALL / 256);
        let ids: Vec<i64> = (0..count).map(|i| i * i % 37).collect();
        let distinct = DistinctIds::of(&ids, 37).expect("in range");
        let rows: Vec<f32> = (0..ids.len() * width).map(|i| (i % 1001) as f32).collect();
        let sums = |threads| {
            let mut sums = vec![0.0; distinct.ids.len() * width];
            sum_by_slot(&rows, width, &distinct.slots, &mut sums, threads).expect("valid");
            sums
        };
        assert!(sums(1) == sums(3));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = DistinctIds::of(&[1, 5, 9], 9).expect_err("out of range").to_string();
        assert_eq!(error, "id 9 at position 2 is not in the vocabulary of 9 ids");
        let error = DistinctIds::of(&[1, -5], 9).expect_err("negative").to_string();
        assert!(error.starts_with("id -5 at position 1"), "{error}");
        let mut out = [0.0; 4];
        for (rows, width, slots) in
            [(3, 2, vec![0, 1]), (4, 0, vec![]), (4, 2, vec![0, 2]), (6, 3, vec![0, 1])]
        {
            let rows = vec![1.0; rows];
            assert!(sum_by_slot(&rows, width, &slots, &mut out, 1).is_err());
        }
        assert!(copy_by_slot(&[1.0; 4], 2, &[0, 2], &mut out, 1).is_err());
        assert!(copy_by_slot(&[1.0; 3], 2, &[0, 1], &mut out, 1).is_err());
        assert!(scatter_rows(&[1.0; 3], 2, &[0], &mut out).is_err());
        assert!(scatter_rows(&[1.0; 2], 2, &[2], &mut out).is_err());
        assert!(scatter_rows(&[1.0; 2], 2, &[-1], &mut out).is_err());
        scatter_rows(&[7.0; 2], 2, &[1], &mut out).expect("valid");
        assert_eq!(out.map(f32::to_bits), [0.0f32, 0.0, 7.0, 7.0].map(f32::to_bits));
    }
}

//! Ids to vectors: distinct ids, one product, copies.

// In English text cut into word pieces a batch of 64 x 512 ids has about 11 % distinct ones, so the
// product is done for a ninth of the rows. The vectors of a block of distinct ids are copied to all
// their places while they are still in the cache; for that the rows of the output are sorted by
// id, as references. Nothing larger than a block is kept.
//
// Results do not depend on the split of a batch or on threads: an element's sum has a fixed order
// (see `kernel.rs`), and a copy is a copy.
//
// Lost: all distinct vectors in a buffer, then one pass over the output. As fast, and 12 MB more of
// memory.

use super::factorized::FactorizedEmbedding;
use super::kernel::stream::{self, Plain, Stores};
use super::kernel::{BLOCK, Isa, Scratch, rows};
use super::parallel::{self, SMALL};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// An integer type that ids may come in: see [`FactorizedEmbedding::check_ids`].
pub trait AnyId: Copy + Into<i128> + TryInto<u32> {}

impl AnyId for i8 {}
impl AnyId for u8 {}
impl AnyId for i16 {}
impl AnyId for u16 {}
impl AnyId for i32 {}
impl AnyId for u32 {}
impl AnyId for i64 {}
impl AnyId for u64 {}

impl FactorizedEmbedding {
    /// Converts ids of any integer type.
    ///
    /// # Errors
    /// [`Error::UnknownId`] names the first id that the table does not have, and its position.
    pub fn check_ids<I: AnyId>(&self, ids: &[I]) -> Result<Vec<TokenId>> {
        let size = self.vocab_size();
        let mut checked = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            match id.try_into() {
                Ok(valid) if (valid as usize) < size => checked.push(valid),
                _ => return Err(Error::UnknownId { id: id.into(), position, row: None, size }),
            }
        }
        Ok(checked)
    }

    /// The vectors of `ids`, one after the other.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id that the table does not have.
    pub fn lookup(&self, ids: &[TokenId], threads: usize) -> Result<Vec<f32>> {
        let mut out = vec![0.0; ids.len() * self.hidden_dim()];
        self.lookup_into(ids, &mut out, threads)?;
        Ok(out)
    }

    /// Writes the vectors of `ids` into `out`, on up to `threads` threads. The result is the same for
    /// every number of threads, and for every way to split ids over calls.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id that the table does not have, [`Error::Argument`] when `out` has
    /// another length than the vectors together. Nothing is written then.
    pub fn lookup_into(&self, ids: &[TokenId], out: &mut [f32], threads: usize) -> Result<()> {
        self.checked_fill(ids, out, (), threads)
    }

    /// [`Self::lookup_into`] with numbers of 16 bits: vectors are computed in 32 and rounded once, to
    /// the nearest, of two the one that ends in a zero. What half precision cannot hold is infinite.
    ///
    /// # Errors
    /// As of [`Self::lookup_into`].
    pub fn lookup_halves_into(
        &self,
        ids: &[TokenId],
        out: &mut [u16],
        format: HalfFormat,
        threads: usize,
    ) -> Result<()> {
        self.checked_fill(ids, out, format, threads)
    }

    fn checked_fill<T: Written>(
        &self,
        ids: &[TokenId],
        out: &mut [T],
        format: T::Format,
        threads: usize,
    ) -> Result<()> {
        let wanted = ids.len().checked_mul(self.hidden_dim());
        if wanted != Some(out.len()) {
            let given = format!("{} numbers long", out.len());
            let wanted = format!("{} x {} long", ids.len(), self.hidden_dim());
            return Err(Error::argument("out", given, wanted));
        }
        self.check_range(ids)?;
        self.table.check()?;
        self.fill(ids, out, format, threads);
        Ok(())
    }

    /// Checks that the table has all of these ids.
    pub(super) fn check_range(&self, ids: &[TokenId]) -> Result<()> {
        let size = self.vocab_size();
        match ids.iter().position(|id| *id as usize >= size) {
            Some(position) => {
                Err(Error::UnknownId { id: ids[position].into(), position, row: None, size })
            }
            None => Ok(()),
        }
    }

    /// Writes the vectors of ids that are known to be in range.
    fn fill<T: Written>(&self, ids: &[TokenId], out: &mut [T], format: T::Format, threads: usize) {
        let width = self.hidden_dim();
        let stores = Stores::for_output(size_of_val(out));
        let distinct = Distinct::of(ids, self.vocab_size());
        if distinct.ids.len() * 20 > ids.len() * 19
            && stores == Stores::Plain
            && let Some(out) = T::direct(out)
        {
            return self.project(ids, out, threads);
        }
        // Copying a number takes as long as eight multiply-adds.
        let work = distinct.ids.len() * width * self.depth() + 8 * out.len();
        let threads = if work < SMALL { 1 } else { threads };
        let (mut rows, ends) = distinct.sort(out.chunks_exact_mut(width));
        let blocks = split_blocks(&distinct.ids, &ends, &mut rows);
        let block = BLOCK.min(distinct.ids.len());
        let state = || (Scratch::default(), vec![0.0; block * width], Vec::new());
        parallel::for_each(blocks.into_iter(), threads, state, |state, block| {
            let (scratch, vectors, written) = state;
            let vectors = &mut vectors[..block.ids.len() * width];
            self.project_block(scratch, block.ids, vectors);
            let vectors = T::write(format, vectors, written);
            let mut rows = block.rows.iter_mut();
            for (vector, copies) in vectors.chunks_exact(width).zip(block.copies) {
                for row in rows.by_ref().take(copies) {
                    stream::copy(stores, vector, row);
                }
            }
            stream::finish(stores);
        });
    }

    /// Multiply-adds for a number of a vector.
    fn depth(&self) -> usize {
        if self.projection.is_identity() { 1 } else { self.embedding_dim() }
    }

    /// Computes the vector of every id, without looking for equal ones.
    fn project(&self, ids: &[TokenId], out: &mut [f32], threads: usize) {
        let threads = if out.len() * self.depth() < SMALL { 1 } else { threads };
        let width = self.hidden_dim();
        parallel::for_rows(out, width, BLOCK, threads, Scratch::default, |scratch, first, rows| {
            self.project_block(scratch, &ids[first..][..rows.len() / width], rows);
        });
    }

    /// Computes the vectors of up to [`BLOCK`] ids.
    pub(super) fn project_block(
        &self,
        scratch: &mut Scratch<f32>,
        ids: &[TokenId],
        out: &mut [f32],
    ) {
        self.projection.multiply(scratch, out, |i, row| {
            self.table.copy_row(ids[i] as usize, row);
        });
        let isa = Isa::best();
        for (row, id) in out.chunks_exact_mut(self.hidden_dim()).zip(ids) {
            if self.padding_id() == Some(*id) {
                row.fill(0.0);
            } else if let Some(bias) = &self.bias {
                rows::add(isa, row, bias);
            }
        }
    }
}

/// How numbers of 16 bits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfFormat {
    /// IEEE 754 half precision: 11 digits, up to 65504.
    Float16,
    /// The upper half of an `f32`: 8 digits, the same range.
    Bfloat16,
}

/// Numbers that vectors are handed out in.
trait Written: Plain {
    type Format: Copy + Sync;

    /// The output itself, where vectors may be computed in it.
    fn direct(out: &mut [Self]) -> Option<&mut [f32]>;

    /// The vectors in these numbers; `buffer` may serve to hold them.
    fn write<'a>(format: Self::Format, vectors: &'a [f32], buffer: &'a mut Vec<Self>)
    -> &'a [Self];
}

impl Written for f32 {
    type Format = ();

    fn direct(out: &mut [Self]) -> Option<&mut [f32]> {
        Some(out)
    }

    fn write<'a>((): (), vectors: &'a [f32], _buffer: &'a mut Vec<Self>) -> &'a [Self] {
        vectors
    }
}

impl Written for u16 {
    type Format = HalfFormat;

    fn direct(_out: &mut [Self]) -> Option<&mut [f32]> {
        None
    }

    fn write<'a>(format: HalfFormat, vectors: &'a [f32], buffer: &'a mut Vec<Self>) -> &'a [Self] {
        buffer.resize(vectors.len(), 0);
        match format {
            HalfFormat::Float16 => rows::to_halves(Isa::best(), vectors, buffer),
            HalfFormat::Bfloat16 => rows::to_brains(Isa::best(), vectors, buffer),
        }
        buffer
    }
}

/// Up to [`BLOCK`] distinct ids and the places of their vectors.
struct Block<'a, 'b, T> {
    ids: &'a [TokenId],
    /// How many places every id has.
    copies: Vec<usize>,
    /// The places, sorted by id.
    rows: &'a mut [&'b mut [T]],
}

fn split_blocks<'a, 'b, T>(
    ids: &'a [TokenId],
    ends: &[usize],
    mut rows: &'a mut [&'b mut [T]],
) -> Vec<Block<'a, 'b, T>> {
    let mut blocks = Vec::with_capacity(ids.len().div_ceil(BLOCK));
    let mut start = 0;
    for (ids, ends) in ids.chunks(BLOCK).zip(ends.chunks(BLOCK)) {
        let mut copies = Vec::with_capacity(ids.len());
        let mut count = 0;
        for end in ends {
            copies.push(end - start);
            count += end - start;
            start = *end;
        }
        let (these, others) = rows.split_at_mut(count);
        rows = others;
        blocks.push(Block { ids, copies, rows: these });
    }
    blocks
}

/// The distinct ids of a sequence, in rising order, and where each of the sequence stands in them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distinct {
    pub(super) ids: Vec<TokenId>,
    pub(super) slots: Vec<u32>,
}

impl Distinct {
    /// The distinct ones of `ids`, which must be less than `limit`.
    pub(super) fn of(ids: &[TokenId], limit: usize) -> Self {
        // One pass over a bit for every id of the vocabulary pays unless there are few ids.
        if ids.len() < limit / 1024 { Self::by_sorting(ids) } else { Self::by_bits(ids, limit) }
    }

    /// Sorts what belongs to the ids of the sequence by id. Also returned: for every distinct id
    /// where its part ends.
    fn sort<T: Default>(&self, items: impl Iterator<Item = T>) -> (Vec<T>, Vec<usize>) {
        let mut ends = vec![0; self.ids.len()];
        for slot in &self.slots {
            ends[*slot as usize] += 1;
        }
        let mut start = 0;
        for count in &mut ends {
            (*count, start) = (start, start + *count);
        }
        let mut sorted: Vec<T> = self.slots.iter().map(|_| T::default()).collect();
        for (item, slot) in items.zip(&self.slots) {
            let next = &mut ends[*slot as usize];
            sorted[*next] = item;
            *next += 1;
        }
        (sorted, ends)
    }

    fn by_sorting(ids: &[TokenId]) -> Self {
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let slot = |id| distinct.partition_point(|other| *other < id);
        let slots = ids.iter().map(|id| narrow(slot(*id))).collect();
        Self { ids: distinct, slots }
    }

    fn by_bits(ids: &[TokenId], limit: usize) -> Self {
        let mut seen = vec![0_u64; limit.div_ceil(64)];
        for id in ids {
            seen[*id as usize / 64] |= 1 << (id % 64);
        }
        let mut distinct = Vec::new();
        let mut before = Vec::with_capacity(seen.len());
        for (word, &bits) in seen.iter().enumerate() {
            before.push(narrow(distinct.len()));
            let mut rest = bits;
            while rest != 0 {
                distinct.push(narrow(word * 64) + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        let slot = |id: TokenId| {
            let (word, lower) = (id as usize / 64, (1 << (id % 64)) - 1_u64);
            before[word] + (seen[word] & lower).count_ones()
        };
        Self { slots: ids.iter().map(|id| slot(*id)).collect(), ids: distinct }
    }
}

/// Numbers of distinct ids and ids themselves fit into 32 bits.
fn narrow(index: usize) -> u32 {
    debug_assert!(u32::try_from(index).is_ok());
    #[expect(clippy::cast_possible_truncation, reason = "there are at most 2^31 ids")]
    let index = index as u32;
    index
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::super::reference;
    use super::*;

    fn ids(random: &mut Random, count: usize, below: u64) -> Vec<TokenId> {
        (0..count).map(|_| u32::try_from(random.bits() % below).expect("small")).collect()
    }

    #[test]
    fn vectors_equal_the_naive_ones_to_the_last_bit() {
        let mut random = Random::new(3);
        let shapes = [(1, 1, 1), (97, 3, 5), (200, 7, 33), (50, 70, 16), (300, 12, 100)];
        for (vocab, embed, hidden) in shapes {
            for bias in [false, true] {
                let mut made = FactorizedEmbedding::new(vocab, embed, hidden, 1, Some(0), bias)
                    .expect("valid sizes");
                for value in made.bias.iter_mut().flatten() {
                    *value = 0.25;
                }
                for count in [0, 1, 2, 5, 6, 7, 48, 49, 500] {
                    let ids = ids(&mut random, count, vocab as u64);
                    let want = reference::lookup(&made, &ids);
                    for threads in [0, 1, 2, 5] {
                        let got = made.lookup(&ids, threads).expect("ids are in range");
                        assert_eq!(got, want, "{vocab} x {embed} x {hidden}, {count} ids");
                    }
                }
            }
        }
    }

    #[test]
    fn large_batches_are_equal_on_every_road() {
        const WIDTH: usize = 1 << 15;
        // Large enough for threads and several blocks.
        let made = FactorizedEmbedding::new(120, 4, WIDTH, 1, None, true).expect("valid");
        let ids: Vec<TokenId> = (0..240).map(|i| i * i * 7 % 120).collect();
        let got = made.lookup(&ids, 3).expect("in range");
        for (row, id) in got.chunks(WIDTH).zip(&ids) {
            assert!(row == made.lookup(&[*id], 1).expect("in range"), "id {id}");
        }
    }

    #[test]
    fn every_set_of_instructions_and_every_kind_gives_the_bits_of_the_naive_way() {
        let mut random = Random::new(13);
        let made = FactorizedEmbedding::new(90, 40, 50, 1, Some(2), true).expect("valid");
        let table =
            FactorizedEmbedding::from_table(made.factors().expect("memory").table, 40, Some(2));
        for source in [made, table.expect("valid")] {
            for (name, kind) in crate::embed::Kind::NAMES {
                let embedding = source.quantize(kind, 2).expect("small numbers");
                assert_eq!(embedding.kind(), kind);
                let ids = ids(&mut random, 300, 90);
                let want = reference::lookup(&embedding, &ids);
                for isa in Isa::available() {
                    let got = isa.force(|| embedding.lookup(&ids, 1)).expect("in range");
                    assert_eq!(got, want, "{name}, {isa:?}");
                    for format in [HalfFormat::Float16, HalfFormat::Bfloat16] {
                        let mut out = vec![0; want.len()];
                        isa.force(|| embedding.lookup_halves_into(&ids, &mut out, format, 1))
                            .expect("in range");
                        let round = |value: &f32| match format {
                            HalfFormat::Float16 => crate::embed::kind::f32_to_half(*value),
                            HalfFormat::Bfloat16 => crate::embed::kind::f32_to_brain(*value),
                        };
                        // Of `got`, as the naive way has no zeros with a minus.
                        assert!(out.iter().copied().eq(got.iter().map(round)), "{name}, {isa:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn large_outputs_of_16_bits_are_equal_to_small_ones() {
        const WIDTH: usize = 1 << 15;
        let made = FactorizedEmbedding::new(50, 2, WIDTH, 1, None, false).expect("valid");
        let ids: Vec<TokenId> = (0..200).map(|i| i * i % 50).collect();
        let mut out = vec![0; ids.len() * WIDTH];
        made.lookup_halves_into(&ids, &mut out, HalfFormat::Float16, 3).expect("in range");
        let mut row = vec![0; WIDTH];
        for (got, id) in out.chunks(WIDTH).zip(&ids) {
            made.lookup_halves_into(&[*id], &mut row, HalfFormat::Float16, 1).expect("in range");
            assert!(got == row, "id {id}");
        }
        assert!(made.lookup_halves_into(&[50], &mut row, HalfFormat::Float16, 1).is_err());
        assert!(made.lookup_halves_into(&[1, 2], &mut row, HalfFormat::Bfloat16, 1).is_err());
    }

    #[test]
    fn distinct_ids_are_the_same_by_bits_and_by_sorting() {
        let mut random = Random::new(4);
        for (count, limit) in [(0, 1), (1, 1), (10, 64), (100, 65), (1000, 500), (50, 100_000)] {
            let ids = ids(&mut random, count, limit);
            let limit = usize::try_from(limit).expect("small");
            let sorted = Distinct::by_sorting(&ids);
            assert_eq!(Distinct::by_bits(&ids, limit), sorted);
            assert!(sorted.ids.is_sorted_by(|a, b| a < b));
            assert!(ids.iter().zip(&sorted.slots).all(|(id, s)| sorted.ids[*s as usize] == *id));
        }
    }

    #[test]
    fn the_first_unknown_id_is_named_in_every_type() {
        let made = FactorizedEmbedding::new(100, 2, 3, 0, None, false).expect("valid");
        let text = |result: Result<Vec<TokenId>>| result.expect_err("unknown id").to_string();
        let rest = "is not in the vocabulary of 100 ids";
        assert_eq!(text(made.check_ids(&[5, -1_i8])), format!("id -1 at position 1 {rest}"));
        assert_eq!(text(made.check_ids(&[100_u16, 101])), format!("id 100 at position 0 {rest}"));
        assert_eq!(
            text(made.check_ids(&[u64::MAX])),
            format!("id {} at position 0 {rest}", u64::MAX)
        );
        assert_eq!(
            text(made.check_ids(&[i64::MIN])),
            format!("id {} at position 0 {rest}", i64::MIN)
        );
        assert_eq!(made.check_ids(&[0_u8, 99]).expect("in range"), [0, 99]);
        let mut out = [1.0; 6];
        assert!(made.lookup_into(&[0, 100], &mut out, 1).is_err());
        assert!(made.lookup_into(&[0], &mut out, 1).is_err());
        assert!(out.iter().all(|value| value.to_bits() == 1_f32.to_bits()));
    }
}

//! Columns of lists of ids, read where the producer has them. As for texts, nothing about a row is
//! believed before it is read.

use std::sync::Arc;

use super::column::{Integer, count, long, malformed, short, times, validity};
use super::ffi::{ArrowArray, ArrowSchema, Buffer, Fault};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Where lists end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Short,
    Long,
    /// All lists are this long.
    Fixed(usize),
}

/// The type of a column of lists of integers.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListKind {
    ends: Ends,
    integer: Integer,
}

impl ListKind {
    /// The kind of a column; none where it holds no lists of integers.
    pub(super) fn new(schema: &ArrowSchema) -> std::result::Result<Option<Self>, Fault> {
        let format = schema.format()?;
        let ends = match format.as_ref() {
            "+l" => Ends::Short,
            "+L" => Ends::Long,
            other => {
                let Some(width) = other.strip_prefix("+w:") else { return Ok(None) };
                let wrong = |_| format!("lists of the format {other:?}");
                Ends::Fixed(width.parse().map_err(wrong)?)
            }
        };
        let items = schema.only_child()?;
        if items.dictionary()?.is_some() {
            return Ok(None);
        }
        let integer = Integer::of(items.format()?.as_ref());
        Ok(integer.map(|integer| Self { ends, integer }))
    }
}

/// One array of a column.
struct Chunk {
    length: usize,
    offset: usize,
    validity: Option<Buffer>,
    ends: Ends,
    /// The offsets of lists; empty where they are all of one length.
    offsets: Buffer,
    values: Values,
}

/// The integers of all lists.
struct Values {
    length: usize,
    offset: usize,
    validity: Option<Buffer>,
    integer: Integer,
    numbers: Buffer,
}

/// Whether a bitmap, where there is one, has a value at `at`.
fn there(validity: Option<&Buffer>, at: usize) -> bool {
    let bits = |validity: &Buffer| validity.bytes().get(at / 8).copied().unwrap_or(0);
    validity.is_none_or(|validity| bits(validity) >> (at % 8) & 1 == 1)
}

fn extent(array: &ArrowArray) -> std::result::Result<(usize, usize, usize), Fault> {
    let length = count(array.length, "the length")?;
    let offset = count(array.offset, "the offset")?;
    let end = length.checked_add(offset).ok_or("more rows than there can be")?;
    Ok((length, offset, end))
}

fn check_buffers(array: &ArrowArray, wanted: usize) -> std::result::Result<(), Fault> {
    match array.buffer_count()? {
        found if found == wanted => Ok(()),
        found => Err(format!("{found} buffers, where its format has {wanted}")),
    }
}

impl Values {
    fn new(
        owner: &Arc<ArrowArray>,
        array: &ArrowArray,
        integer: Integer,
    ) -> std::result::Result<Self, Fault> {
        let (length, offset, end) = extent(array)?;
        if array.n_children != 0 || !array.dictionary.is_null() {
            return Err("children or a dictionary, where integers have none".to_owned());
        }
        check_buffers(array, 2)?;
        let numbers = Buffer::new(owner, array, 1, times(end, integer.bytes())?)?;
        let validity = validity(owner, array, false, end)?;
        Ok(Self { length, offset, validity, integer, numbers })
    }

    /// Appends the numbers of a range, which was checked; `take` makes ids of those that no id can be.
    fn append<E: From<Error>>(
        &self,
        range: std::ops::Range<usize>,
        null: impl Fn(usize) -> Error,
        take: impl Fn(i128, usize) -> std::result::Result<Option<TokenId>, E>,
        ids: &mut Vec<TokenId>,
    ) -> std::result::Result<(), E> {
        let (start, end) = (self.offset + range.start, self.offset + range.end);
        if self.validity.is_some()
            && let Some(at) = (start..end).find(|&at| !there(self.validity.as_ref(), at))
        {
            return Err(null(at - start).into());
        }
        if self.integer.is_id() {
            let size = self.integer.bytes();
            let bytes = self.numbers.bytes().get(start * size..end * size).unwrap_or_default();
            let (numbers, _) = bytes.as_chunks();
            ids.extend(numbers.iter().map(|&number| TokenId::from_ne_bytes(number)));
            return Ok(());
        }
        for at in start..end {
            let value = self.integer.value(self.numbers.bytes(), at).unwrap_or(-1);
            match TokenId::try_from(value) {
                Ok(id) => ids.push(id),
                Err(_) => ids.extend(take(value, at - start)?),
            }
        }
        Ok(())
    }
}

impl Chunk {
    fn new(owner: &Arc<ArrowArray>, kind: ListKind) -> std::result::Result<Self, Fault> {
        let array = owner.as_ref();
        let (length, offset, end) = extent(array)?;
        if !array.dictionary.is_null() {
            return Err("a dictionary in the array alone".to_owned());
        }
        let (buffers, bytes) = match kind.ends {
            Ends::Short => (2, 4),
            Ends::Long => (2, 8),
            Ends::Fixed(_) => (1, 0),
        };
        check_buffers(array, buffers)?;
        let offsets = match kind.ends {
            Ends::Fixed(_) => Buffer::nothing(owner),
            Ends::Short | Ends::Long => {
                // An array without rows need not have offsets.
                let some = end > 0 || Buffer::exists(array, 1)?;
                let offsets = if some { end.checked_add(1).ok_or("too many rows")? } else { 0 };
                Buffer::new(owner, array, 1, times(offsets, bytes)?)?
            }
        };
        let values = Values::new(owner, array.only_child()?, kind.integer)?;
        let validity = validity(owner, array, false, end)?;
        Ok(Self { length, offset, validity, ends: kind.ends, offsets, values })
    }

    /// The range of values of a row; none where there is a null.
    fn row(&self, row: usize) -> std::result::Result<Option<std::ops::Range<usize>>, Fault> {
        let at = self.offset + row;
        if !there(self.validity.as_ref(), at) {
            return Ok(None);
        }
        let read = |read: fn(&[u8], usize) -> Option<i64>| {
            let offsets = self.offsets.bytes();
            read(offsets, at).zip(read(offsets, at + 1)).ok_or("too few offsets")
        };
        let length = self.values.length;
        let (start, end) = match self.ends {
            Ends::Short => read(short)?,
            Ends::Long => read(long)?,
            Ends::Fixed(width) => {
                let end = at.checked_mul(width).and_then(|start| start.checked_add(width));
                let end = end.filter(|&end| end <= length);
                let end = end.ok_or_else(|| format!("lists of {width} in {length} values"))?;
                return Ok(Some(end - width..end));
            }
        };
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let range = range.filter(|&(start, end)| start <= end && end <= length);
        let wrong = || format!("the offsets {start} and {end} in {length} values");
        range.map(|(start, end)| Some(start..end)).ok_or_else(wrong)
    }
}

/// The most rows of lists of no values, which need no memory to be any number.
const MAX_EMPTY: usize = 1 << 24;

/// Lists of ids in Arrow arrays, one after the other.
pub(crate) struct IdColumn {
    /// The argument that it was given as.
    name: &'static str,
    chunks: Vec<Chunk>,
    /// For each chunk the number of rows up to its end.
    ends: Vec<usize>,
}

impl IdColumn {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, chunks: Vec::new(), ends: Vec::new() }
    }

    /// Adds an array.
    pub(super) fn push(
        &mut self,
        array: ArrowArray,
        kind: ListKind,
    ) -> std::result::Result<(), Fault> {
        let chunk = Chunk::new(&Arc::new(array), kind)?;
        if kind.ends == Ends::Fixed(0) && chunk.length > MAX_EMPTY {
            return Err(format!("{} rows of nothing", chunk.length));
        }
        if chunk.length > 0 {
            let end = self.ends.last().copied().unwrap_or(0).checked_add(chunk.length);
            self.ends.push(end.ok_or("more rows than there can be")?);
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// The ids of a row; none behind the last. `take` makes an id of a number that no id can be at a
    /// position, or an error, or nothing.
    pub(crate) fn get<E: From<Error>>(
        &self,
        row: usize,
        take: impl Fn(i128, usize) -> std::result::Result<Option<TokenId>, E>,
    ) -> Option<std::result::Result<Vec<TokenId>, E>> {
        let index = self.ends.partition_point(|&end| end <= row);
        let chunk = self.chunks.get(index)?;
        let first = self.ends.get(index).map_or(0, |end| end - chunk.length);
        let range = self.range(chunk, row - first, row);
        Some(range.map_err(E::from).and_then(|range| {
            let mut ids = Vec::with_capacity(range.len());
            let null = |at| {
                Error::argument(self.name, format!("null at {at} of row {row}"), "all integers")
            };
            chunk.values.append(range, null, take, &mut ids)?;
            Ok(ids)
        }))
    }

    fn range(&self, chunk: &Chunk, inside: usize, row: usize) -> Result<std::ops::Range<usize>> {
        let range = chunk.row(inside).map_err(|fault| malformed(self.name, &fault, Some(row)))?;
        let null = || {
            Error::argument(self.name, format!("null in row {row}"), "a list of ids in every row")
        };
        range.ok_or_else(null)
    }
}

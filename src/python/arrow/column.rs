//! Columns of text, read where the producer has them.
//!
//! Nothing about a row is believed before it is read: offsets, views and indices are checked against
//! what they point into, and texts are checked to be UTF-8, each time a row is asked for. So a
//! producer that changes its data later gets wrong ids, and nothing worse.

use std::sync::Arc;

use super::ffi::{ArrowArray, ArrowSchema, Buffer, Fault};
use crate::error::{Error, Result};
use crate::unicode::utf8;

/// What becomes of rows without a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// They are an error that names the row.
    Error,
    /// They are empty texts.
    Empty,
}

/// The values of the keyword `nulls`.
pub(crate) const NULLS: [(&str, Nulls); 2] = [("error", Nulls::Error), ("empty", Nulls::Empty)];

/// How texts, or the numbers of a dictionary's texts, lie in buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Offsets of 32 bits and one buffer of text.
    Short,
    /// Offsets of 64 bits and one buffer of text.
    Long,
    /// Views of 16 bytes, and any number of buffers.
    View,
    /// No row has a text.
    Null,
    /// Numbers of texts that are stored elsewhere.
    Dictionary(Integer, Box<Kind>),
}

/// An integer type: bytes, and whether it has a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    bytes: usize,
    signed: bool,
}

impl Kind {
    /// The kind of a column; none where it holds no text.
    pub(super) fn new(schema: &ArrowSchema) -> std::result::Result<Option<Self>, Fault> {
        if schema.n_children != 0 {
            return Ok(None);
        }
        let format = schema.format()?;
        if let Some(values) = schema.dictionary()? {
            let index = Integer::of(format.as_ref())
                .ok_or_else(|| format!("dictionary indices of the format {format:?}"))?;
            let values = Self::new(values)?.filter(|kind| !matches!(kind, Self::Dictionary(..)));
            return Ok(values.map(|values| Self::Dictionary(index, Box::new(values))));
        }
        Ok(match format.as_ref() {
            "u" | "z" => Some(Self::Short),
            "U" | "Z" => Some(Self::Long),
            "vu" | "vz" => Some(Self::View),
            "n" => Some(Self::Null),
            _ => None,
        })
    }
}

/// One array of a column.
struct Chunk {
    length: usize,
    offset: usize,
    validity: Option<Buffer>,
    layout: Layout,
}

enum Layout {
    Short(Buffer, Buffer),
    Long(Buffer, Buffer),
    View(Buffer, Vec<Buffer>),
    Null,
    Dictionary(Integer, Buffer, Box<Chunk>),
}

const VIEW_BYTES: usize = 16;
/// Texts up to this length lie in the view itself.
const INLINE: usize = 12;

/// The number at `index` of a buffer of numbers of `N` bytes.
fn number<const N: usize>(bytes: &[u8], index: usize) -> Option<[u8; N]> {
    let start = index.checked_mul(N)?;
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

pub(super) fn long(bytes: &[u8], index: usize) -> Option<i64> {
    number(bytes, index).map(i64::from_ne_bytes)
}

pub(super) fn short(bytes: &[u8], index: usize) -> Option<i64> {
    number(bytes, index).map(|bytes| i32::from_ne_bytes(bytes).into())
}

/// A count that the interface keeps as a signed number.
pub(super) fn count(value: i64, what: &str) -> std::result::Result<usize, Fault> {
    usize::try_from(value).map_err(|_| format!("{what} {value}"))
}

pub(super) fn times(count: usize, bytes: usize) -> std::result::Result<usize, Fault> {
    let bytes = count.checked_mul(bytes).filter(|&bytes| isize::try_from(bytes).is_ok());
    bytes.ok_or_else(|| format!("the length {count}"))
}

impl Chunk {
    fn new(
        owner: &Arc<ArrowArray>,
        array: &ArrowArray,
        kind: &Kind,
    ) -> std::result::Result<Self, Fault> {
        let length = count(array.length, "the length")?;
        let offset = count(array.offset, "the offset")?;
        let end = length.checked_add(offset).ok_or("more rows than there can be")?;
        if array.n_children != 0 {
            return Err(format!("{} children, where texts have none", array.n_children));
        }
        if array.dictionary.is_null() == matches!(kind, Kind::Dictionary(..)) {
            return Err("a dictionary in the schema or in the array alone".to_owned());
        }
        let buffers = array.buffer_count()?;
        let wanted = match kind {
            Kind::Short | Kind::Long => 3..=3,
            Kind::View => 3..=usize::MAX,
            // Older producers give this type a bitmap that nobody reads.
            Kind::Null => 0..=1,
            Kind::Dictionary(..) => 2..=2,
        };
        if !wanted.contains(&buffers) {
            return Err(format!("{buffers} buffers, where its format has {}", wanted.start()));
        }
        let layout = match kind {
            Kind::Short => {
                let (offsets, texts) = texts(owner, array, end, 4, short)?;
                Layout::Short(offsets, texts)
            }
            Kind::Long => {
                let (offsets, texts) = texts(owner, array, end, 8, long)?;
                Layout::Long(offsets, texts)
            }
            Kind::View => {
                let views = Buffer::new(owner, array, 1, times(end, VIEW_BYTES)?)?;
                // The last buffer says how long those between are.
                let (last, parts) = (buffers - 1, buffers - 3);
                let sizes = Buffer::new(owner, array, last, times(parts, 8)?)?;
                let part = |index: usize| {
                    let size = long(sizes.bytes(), index).unwrap_or(0);
                    Buffer::new(owner, array, 2 + index, count(size, "a buffer of the length")?)
                };
                Layout::View(views, (0..parts).map(part).collect::<std::result::Result<_, _>>()?)
            }
            Kind::Null => Layout::Null,
            Kind::Dictionary(integer, values) => {
                let indices = Buffer::new(owner, array, 1, times(end, integer.bytes)?)?;
                let missing = || "a dictionary in the schema alone".to_owned();
                let values = Self::new(owner, array.dictionary()?.ok_or_else(missing)?, values)?;
                Layout::Dictionary(*integer, indices, Box::new(values))
            }
        };
        let validity = validity(owner, array, *kind == Kind::Null, end)?;
        Ok(Self { length, offset, validity, layout })
    }

    /// The bytes of a row; none where there is a null.
    fn row(&self, row: usize) -> std::result::Result<Option<&[u8]>, Fault> {
        let at = self.offset + row;
        if let Some(validity) = &self.validity {
            let bits = validity.bytes().get(at / 8).copied().unwrap_or(0);
            if bits >> (at % 8) & 1 == 0 {
                return Ok(None);
            }
        }
        let text = match &self.layout {
            Layout::Short(offsets, texts) => between(offsets, texts, at, short)?,
            Layout::Long(offsets, texts) => between(offsets, texts, at, long)?,
            Layout::View(views, parts) => viewed(views.bytes(), parts, at)?,
            Layout::Null => return Ok(None),
            Layout::Dictionary(integer, indices, values) => {
                let index = integer.read(indices.bytes(), at);
                let index = index.filter(|&index| index < values.length);
                let outside = || format!("an index outside of its {} values", values.length);
                return values.row(index.ok_or_else(outside)?);
            }
        };
        Ok(Some(text))
    }
}

impl Integer {
    /// The type that a format names; none where it is no integer.
    pub(super) fn of(format: &str) -> Option<Self> {
        let integer = |bytes, signed| Some(Self { bytes, signed });
        match format {
            "c" => integer(1, true),
            "C" => integer(1, false),
            "s" => integer(2, true),
            "S" => integer(2, false),
            "i" => integer(4, true),
            "I" => integer(4, false),
            "l" => integer(8, true),
            "L" => integer(8, false),
            _ => None,
        }
    }

    pub(super) fn bytes(self) -> usize {
        self.bytes
    }

    /// Whether it is the type of ids.
    pub(super) fn is_id(self) -> bool {
        (self.bytes, self.signed) == (4, false)
    }

    /// The number at `index`, if it can be an index.
    fn read(self, bytes: &[u8], index: usize) -> Option<usize> {
        usize::try_from(self.value(bytes, index)?).ok()
    }

    /// The number at `index`.
    pub(super) fn value(self, bytes: &[u8], index: usize) -> Option<i128> {
        Some(match (self.bytes, self.signed) {
            (1, true) => i8::from_ne_bytes(number(bytes, index)?).into(),
            (1, false) => u8::from_ne_bytes(number(bytes, index)?).into(),
            (2, true) => i16::from_ne_bytes(number(bytes, index)?).into(),
            (2, false) => u16::from_ne_bytes(number(bytes, index)?).into(),
            (4, true) => i32::from_ne_bytes(number(bytes, index)?).into(),
            (4, false) => u32::from_ne_bytes(number(bytes, index)?).into(),
            (_, true) => i64::from_ne_bytes(number(bytes, index)?).into(),
            (_, false) => u64::from_ne_bytes(number(bytes, index)?).into(),
        })
    }
}

type ReadOffset = fn(&[u8], usize) -> Option<i64>;

/// The buffers of offsets and of text; the last offset is the length of the text.
fn texts(
    owner: &Arc<ArrowArray>,
    array: &ArrowArray,
    end: usize,
    bytes: usize,
    read: ReadOffset,
) -> std::result::Result<(Buffer, Buffer), Fault> {
    // An array without rows need not have offsets.
    let some = end > 0 || Buffer::exists(array, 1)?;
    let count_of_offsets = if some { end.checked_add(1).ok_or("too many rows")? } else { 0 };
    let offsets = Buffer::new(owner, array, 1, times(count_of_offsets, bytes)?)?;
    let length = if array.length == 0 { 0 } else { read(offsets.bytes(), end).unwrap_or(0) };
    let texts = Buffer::new(owner, array, 2, count(length, "the last offset")?)?;
    Ok((offsets, texts))
}

/// The bitmap of nulls, where there is one and it says something; it never does in a type whose values
/// are all `nothing`.
pub(super) fn validity(
    owner: &Arc<ArrowArray>,
    array: &ArrowArray,
    nothing: bool,
    end: usize,
) -> std::result::Result<Option<Buffer>, Fault> {
    let nulls = array.null_count;
    if nulls < -1 || nulls > array.length {
        return Err(format!("{nulls} nulls in {} rows", array.length));
    }
    if nothing || nulls == 0 {
        return Ok(None);
    }
    if !Buffer::exists(array, 0)? {
        let none = nulls == -1;
        return if none { Ok(None) } else { Err(format!("{nulls} nulls, but no bitmap of them")) };
    }
    Buffer::new(owner, array, 0, end.div_ceil(8)).map(Some)
}

fn between<'a>(
    offsets: &Buffer,
    texts: &'a Buffer,
    at: usize,
    read: ReadOffset,
) -> std::result::Result<&'a [u8], Fault> {
    let bounds = read(offsets.bytes(), at).zip(read(offsets.bytes(), at + 1));
    let (start, end) = bounds.ok_or("too few offsets")?;
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let text = range.and_then(|(start, end)| texts.bytes().get(start..end));
    let length = texts.bytes().len();
    text.ok_or_else(|| format!("the offsets {start} and {end} in a text of {length} bytes"))
}

fn viewed<'a>(
    views: &'a [u8],
    parts: &'a [Buffer],
    at: usize,
) -> std::result::Result<&'a [u8], Fault> {
    let start = at.checked_mul(VIEW_BYTES).ok_or("too many rows")?;
    let view = start.checked_add(VIEW_BYTES).and_then(|end| views.get(start..end));
    let view = view.ok_or("too few views")?;
    let field = |index: usize| short(view, index).unwrap_or(-1);
    let length = count(field(0), "a view of the length")?;
    if length <= INLINE {
        return Ok(view.get(4..4 + length).unwrap_or_default());
    }
    let (part, from) = (field(2), field(3));
    let range = usize::try_from(from).ok().and_then(|from| Some(from..from.checked_add(length)?));
    let found = usize::try_from(part).ok().and_then(|part| parts.get(part));
    let text = found.zip(range).and_then(|(part, range)| part.bytes().get(range));
    text.ok_or_else(|| format!("a view of {length} bytes at {from} of buffer {part}"))
}

/// The most rows of an array of the type null, which needs no memory to have any number of them.
const MAX_NULLS: usize = 1 << 24;

/// Texts in Arrow arrays, one after the other.
pub(crate) struct TextColumn {
    /// The argument that it was given as.
    name: &'static str,
    nulls: Nulls,
    chunks: Vec<Chunk>,
    /// For each chunk the number of rows up to its end.
    ends: Vec<usize>,
}

impl std::fmt::Debug for TextColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextColumn").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl TextColumn {
    pub(super) fn new(name: &'static str, nulls: Nulls) -> Self {
        Self { name, nulls, chunks: Vec::new(), ends: Vec::new() }
    }

    /// Adds an array.
    pub(super) fn push(
        &mut self,
        array: ArrowArray,
        kind: &Kind,
    ) -> std::result::Result<(), Fault> {
        let owner = Arc::new(array);
        let chunk = Chunk::new(&owner, &owner, kind)?;
        if matches!(chunk.layout, Layout::Null) && chunk.length > MAX_NULLS {
            return Err(format!("{} rows of nothing", chunk.length));
        }
        if chunk.length > 0 {
            let end = self.len().checked_add(chunk.length).ok_or("more rows than there can be")?;
            self.ends.push(end);
            self.chunks.push(chunk);
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The text of a row.
    pub(crate) fn get(&self, row: usize) -> Result<&str> {
        let index = self.ends.partition_point(|&end| end <= row);
        let Some(chunk) = self.chunks.get(index) else { return Ok("") };
        let first = self.ends.get(index).map_or(0, |end| end - chunk.length);
        self.text(chunk, row - first, row)
    }

    /// All texts.
    pub(crate) fn texts(&self) -> Result<Vec<&str>> {
        let mut texts = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            for row in 0..chunk.length {
                texts.push(self.text(chunk, row, texts.len())?);
            }
        }
        Ok(texts)
    }

    fn text<'a>(&self, chunk: &'a Chunk, inside: usize, row: usize) -> Result<&'a str> {
        let bytes = chunk.row(inside).map_err(|fault| malformed(self.name, &fault, Some(row)))?;
        let Some(bytes) = bytes else {
            return match self.nulls {
                Nulls::Empty => Ok(""),
                Nulls::Error => {
                    let wanted = "a text in every row (nulls=\"empty\" makes it an empty one)";
                    Err(Error::argument(self.name, format!("null in row {row}"), wanted))
                }
            };
        };
        utf8::text(bytes).map_err(|error| Error::utf8(error).in_row(row))
    }
}

/// Arrow data that break the rules of the interface.
pub(super) fn malformed(name: &'static str, fault: &str, row: Option<usize>) -> Error {
    let row = row.map_or_else(String::new, |row| format!(" in row {row}"));
    Error::argument(name, format!("Arrow data with {fault}{row}"), "well-formed")
}

//! The rows of `A`, wherever they lie: in memory of our own, or in the bytes of a file.

// Rows are always copied into the block that the kernel reads, so a row is decoded on the way: a
// file's bytes need neither alignment nor the machine's byte order nor its number format, and no
// cast of bytes to numbers is needed. The copy costs 2 % of a look-up.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;

use super::kernel::{Isa, rows};
use super::kind::{self, Coded, Kind, Rows};
use super::parallel::{self, SMALL};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Terms of a short sum.
const SHORT: usize = 64;

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// Read into memory, or made there.
    Read(Vec<u8>),
    /// Mapped; pages come in when they are first touched. The file is kept open to see whether it
    /// is still as long as it was.
    Mapped { map: Mmap, file: File, path: PathBuf },
}

impl Bytes {
    /// Finds out whether the bytes are still there: to read a page that a file no longer has ends the
    /// process. The file may still be shortened while a call runs; nothing can be done about that.
    fn check(&self) -> Result<()> {
        let Self::Mapped { map, file, path } = self else { return Ok(()) };
        let metadata = file.metadata().map_err(|source| Error::io("read", path, source))?;
        let (now, then) = (metadata.len(), map.len() as u64);
        if now < then {
            let problem = format!(
                "it was shortened from {then} to {now} bytes while it was mapped; load it again, or \
                 load it with mmap=False"
            );
            return Err(Error::format("safetensors", "", problem).in_file(path));
        }
        Ok(())
    }
}

impl AsRef<[u8]> for Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped { map, .. } => map,
        }
    }
}

/// Where the parts of a table lie in its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) kind: Kind,
    /// The numbers, row after row.
    pub(crate) values: Range<usize>,
    /// The scales, row after row; empty where the kind has none.
    pub(crate) scales: Range<usize>,
}

impl Layout {
    /// The table in its bytes.
    #[inline]
    fn coded<'a>(&self, bytes: &'a [u8]) -> Coded<'a> {
        let (values, scales) = (&bytes[self.values.clone()], &bytes[self.scales.clone()]);
        Coded { kind: self.kind, values, scales }
    }
}

/// Rows of equal width.
#[derive(Debug)]
pub(crate) struct Table {
    width: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Owned(Vec<f32>),
    Stored { bytes: Bytes, layout: Layout },
}

impl Table {
    /// A table in memory, row after row.
    pub(crate) fn owned(values: Vec<f32>, width: usize) -> Self {
        debug_assert!(width > 0 && values.len().is_multiple_of(width));
        Self { width, values: Values::Owned(values) }
    }

    /// A table inside bytes; `layout` must lie within them, and hold whole rows and their scales.
    pub(crate) fn stored(bytes: Bytes, layout: Layout, width: usize) -> Self {
        debug_assert!(layout.values.end.max(layout.scales.end) <= bytes.as_ref().len());
        let rows = layout.values.len() / layout.kind.row_bytes(width);
        debug_assert_eq!(layout.values.len(), rows * layout.kind.row_bytes(width));
        debug_assert_eq!(layout.scales.len(), rows * layout.kind.scale_bytes(width));
        Self { width, values: Values::Stored { bytes, layout } }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        match &self.values {
            Values::Owned(values) => values.len() / self.width,
            Values::Stored { layout, .. } => {
                layout.values.len() / layout.kind.row_bytes(self.width)
            }
        }
    }

    /// The width of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How the numbers are written.
    pub(crate) fn kind(&self) -> Kind {
        match &self.values {
            Values::Owned(_) => Kind::F32,
            Values::Stored { layout, .. } => layout.kind,
        }
    }

    /// Finds out whether the rows can still be read. To be asked once a call, before the first row.
    ///
    /// # Errors
    /// [`Error::Format`] when the file that they lie in has become shorter.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.values {
            Values::Owned(_) => Ok(()),
            Values::Stored { bytes, .. } => bytes.check(),
        }
    }

    /// Copies the row with this index, which must exist.
    #[inline]
    pub(crate) fn copy_row(&self, index: usize, out: &mut [f32]) {
        match &self.values {
            Values::Owned(values) => {
                out.copy_from_slice(&values[index * self.width..][..self.width]);
            }
            Values::Stored { bytes, layout } => {
                let row = layout.coded(bytes.as_ref()).row(self.width, index);
                rows::decode(Isa::best(), row, out);
            }
        }
    }

    /// Adds to `sums` the rows of `ids`, which must exist, times their weights (1 if there are none).
    /// `short` is reused from call to call.
    pub(crate) fn add_rows(
        &self,
        ids: &[TokenId],
        weights: Option<&[f32]>,
        sums: &mut [f64],
        short: &mut Vec<f32>,
    ) {
        // Sums are kept in 64 bits and fed by short sums in 32, so that a row of a million ids
        // loses nothing.
        let isa = Isa::best();
        let rows = match &self.values {
            Values::Owned(values) => Rows::Plain { values, width: self.width },
            Values::Stored { bytes, layout } => {
                Rows::Coded { all: layout.coded(bytes.as_ref()), width: self.width }
            }
        };
        short.resize(self.width, 0.0);
        for (index, ids) in ids.chunks(SHORT).enumerate() {
            let weights = weights.map(|weights| &weights[index * SHORT..][..ids.len()]);
            rows::sum(isa, rows, ids, weights, short);
            rows::drain(isa, short, sums);
        }
    }

    /// Hands the numbers out in the form of a file: pieces of bytes, in order.
    pub(crate) fn write<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match &self.values {
            Values::Owned(values) => {
                let mut bytes = Vec::new();
                for piece in values.chunks(1 << 14) {
                    bytes.clear();
                    bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
                    write(&bytes)?;
                }
                Ok(())
            }
            Values::Stored { bytes, layout } => write(&bytes.as_ref()[layout.values.clone()]),
        }
    }

    /// The bytes of the scales, in the form of a file; none where the kind has none.
    pub(crate) fn scales(&self) -> &[u8] {
        match &self.values {
            Values::Owned(_) => &[],
            Values::Stored { bytes, layout } => &bytes.as_ref()[layout.scales.clone()],
        }
    }

    /// The same rows in another kind, in memory of their own. Rows that cannot be written so are refused.
    pub(crate) fn to_kind(&self, kind: Kind, threads: usize) -> Result<Self> {
        // Rows of a piece of work.
        const PIECE: usize = 256;
        let (rows, width) = (self.rows(), self.width);
        let (size, scale_size) = (kind.row_bytes(width), kind.scale_bytes(width));
        let mut bytes = Vec::new();
        let total = rows * (size + scale_size);
        bytes.try_reserve_exact(total).map_err(|_| {
            let wanted = "small enough for the memory of this machine";
            Error::argument("the size of the table", format!("{total} bytes"), wanted)
        })?;
        bytes.resize(total, 0);
        let (values, scales) = bytes.split_at_mut(rows * size);
        let pieces = values.chunks_mut(PIECE * size).enumerate();
        // Kinds without scales have no pieces of them either.
        let mut scales = scales.chunks_mut((PIECE * scale_size).max(1));
        let pieces: Vec<_> = pieces.map(|(index, values)| (index, values, scales.next())).collect();
        let failed = Mutex::new(None::<(usize, usize, &str)>);
        let threads = if rows * width < SMALL { 1 } else { threads };
        let state = || (vec![0.0; width], Vec::new(), Vec::new());
        parallel::for_each(pieces.into_iter(), threads, state, |state, (index, values, scales)| {
            let (row, coded, coded_scales) = state;
            coded.clear();
            coded_scales.clear();
            for i in 0..values.len() / size {
                let index = index * PIECE + i;
                self.copy_row(index, row);
                if let Err((column, wanted)) = kind::encode(kind, row, coded, coded_scales) {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    // The first one, whoever finds it.
                    if failed.is_none_or(|(before, ..)| index < before) {
                        *failed = Some((index, column, wanted));
                    }
                    return;
                }
            }
            values.copy_from_slice(coded);
            if let Some(scales) = scales {
                scales.copy_from_slice(coded_scales);
            }
        });
        if let Some((row, column, wanted)) =
            failed.into_inner().unwrap_or_else(PoisonError::into_inner)
        {
            let mut values = vec![0.0; width];
            self.copy_row(row, &mut values);
            let given = format!("{} at [{row}, {column}]", values[column]);
            return Err(Error::argument("the table", given, wanted));
        }
        let end = rows * size;
        let layout = Layout { kind, values: 0..end, scales: end..total };
        Ok(Self::stored(Bytes::Read(bytes), layout, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_a_file_need_no_alignment() {
        let mut bytes = vec![9];
        for value in [1.5_f32, -2.0, 3.25, 4.0] {
            bytes.extend(value.to_le_bytes());
        }
        let layout = Layout { kind: Kind::F32, values: 1..17, scales: 0..0 };
        let table = Table::stored(Bytes::Read(bytes), layout, 2);
        let mut row = [0.0; 2];
        table.copy_row(1, &mut row);
        assert_eq!((table.rows(), row), (2, [3.25, 4.0]));
    }
}

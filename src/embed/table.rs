//! The rows of `A`, wherever they lie: in memory of our own, or in the bytes of a file.

// Rows are always copied into the block that the kernel reads, so a row is decoded on the way: a
// file's bytes need neither alignment nor the machine's byte order nor its number format, and no
// cast of bytes to numbers is needed. The copy costs 2 % of a look-up.

use std::ops::Range;

use memmap2::Mmap;

/// How the numbers of a stored table are written; all are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32 bits.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an `f32`.
    Bf16,
}

impl Kind {
    /// Bytes of a number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Decodes as many numbers as `out` takes.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (to, from) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *to = f32::from_le_bytes(*from);
                }
            }
            Self::F16 => {
                for (to, from) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *to = half_to_f32(u16::from_le_bytes(*from));
                }
            }
            Self::Bf16 => {
                for (to, from) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *to = f32::from_bits(u32::from(u16::from_le_bytes(*from)) << 16);
                }
            }
        }
    }
}

/// The value of a number in half precision.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7FFF) << 13;
    // Shifted into place the exponent is 112 too small; a multiplication mends normal and
    // subnormal numbers alike. What was infinite or no number stays so.
    let scaled = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = if half & 0x7C00 == 0x7C00 { 0xFF << 23 } else { 0 };
    f32::from_bits(sign | scaled | special)
}

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// Read into memory.
    Read(Vec<u8>),
    /// Mapped; pages come in when they are first touched.
    Mapped(Mmap),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(map) => map,
        }
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
    Stored { file: Bytes, range: Range<usize>, kind: Kind },
}

impl Table {
    /// A table in memory, row after row.
    pub(crate) fn owned(values: Vec<f32>, width: usize) -> Self {
        debug_assert!(width > 0 && values.len().is_multiple_of(width));
        Self { width, values: Values::Owned(values) }
    }

    /// A table inside a file; `range` must lie within the file and hold whole rows.
    pub(crate) fn stored(file: Bytes, range: Range<usize>, kind: Kind, width: usize) -> Self {
        debug_assert!(range.end <= file.as_ref().len());
        debug_assert!(range.len().is_multiple_of(width * kind.size()));
        Self { width, values: Values::Stored { file, range, kind } }
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        match &self.values {
            Values::Owned(values) => values.len() / self.width,
            Values::Stored { range, kind, .. } => range.len() / (self.width * kind.size()),
        }
    }

    /// The width of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How the numbers are written in a file.
    pub(crate) fn kind(&self) -> Kind {
        match &self.values {
            Values::Owned(_) => Kind::F32,
            Values::Stored { kind, .. } => *kind,
        }
    }

    /// Copies the row with this index, which must exist.
    #[inline]
    pub(crate) fn copy_row(&self, index: usize, out: &mut [f32]) {
        match &self.values {
            Values::Owned(values) => {
                out.copy_from_slice(&values[index * self.width..][..self.width]);
            }
            Values::Stored { file, range, kind } => {
                let bytes = &file.as_ref()[range.clone()];
                let size = self.width * kind.size();
                kind.decode(&bytes[index * size..][..size], out);
            }
        }
    }

    /// Adds `weight` times the row with this index, which must exist, to `sums`.
    #[inline]
    pub(crate) fn add_row(&self, index: usize, weight: f32, sums: &mut [f32], row: &mut [f32]) {
        let add = |row: &[f32], sums: &mut [f32]| {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        };
        match &self.values {
            Values::Owned(values) => add(&values[index * self.width..][..self.width], sums),
            Values::Stored { file, range, kind: Kind::F32 } => {
                let bytes = &file.as_ref()[range.clone()][index * self.width * 4..];
                for (sum, value) in sums.iter_mut().zip(bytes.as_chunks().0) {
                    *sum += weight * f32::from_le_bytes(*value);
                }
            }
            Values::Stored { .. } => {
                self.copy_row(index, row);
                add(row, sums);
            }
        }
    }

    /// Hands the rows out in the form of a file: pieces of bytes, in order.
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
            Values::Stored { file, range, .. } => write(&file.as_ref()[range.clone()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_the_value_that_the_standard_gives_them() {
        for half in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 1023));
            let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
            let want = match exponent {
                0 => sign * fraction * 2_f32.powi(-24),
                31 if fraction == 0.0 => sign * f32::INFINITY,
                31 => f32::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
            };
            let got = half_to_f32(half);
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{half:#x}");
        }
    }

    #[test]
    fn rows_in_a_file_need_no_alignment() {
        let mut bytes = vec![9];
        for value in [1.5_f32, -2.0, 3.25, 4.0] {
            bytes.extend(value.to_le_bytes());
        }
        let table = Table::stored(Bytes::Read(bytes), 1..17, Kind::F32, 2);
        let mut row = [0.0; 2];
        table.copy_row(1, &mut row);
        assert_eq!((table.rows(), row), (2, [3.25, 4.0]));
    }
}

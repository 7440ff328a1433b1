//! [`FactorizedEmbedding`]: the two factors, what they must satisfy, and how new ones are drawn.

use super::kernel::{Panels, Real as _};
use super::kind::Kind;
use super::random::Random;
use super::table::Table;
use crate::error::{Error, Result};
use crate::ids::{MAX_ID, TokenId};

/// The largest `embedding_dim` and `hidden_dim`.
pub const MAX_WIDTH: usize = 1 << 20;

/// The most numbers that [`FactorizedEmbedding::new`] draws: 64 GiB of them.
pub const MAX_PARAMETERS: usize = 1 << 34;

/// The standard deviation of the vectors of a new table: where BERT and ALBERT start.
const INITIAL_DEVIATION: f64 = 0.02;

/// A table of `vocab_size` vectors of `hidden_dim` numbers, kept as `A P + b`.
///
/// `A` has `vocab_size` rows of `embedding_dim` numbers, `P` is `embedding_dim` x `hidden_dim`, and `b`
/// may be missing. The vector of the padding id, if there is one, is zero. Immutable, and safe to
/// share between threads.
///
/// # Examples
/// ```
/// use subtok::FactorizedEmbedding;
///
/// let embedding = FactorizedEmbedding::new(30_000, 128, 768, 0, None, false)?;
/// let vectors = embedding.lookup(&[17, 4, 17], 1)?;
/// assert_eq!(vectors.len(), 3 * 768);
/// assert_eq!(vectors[..768], vectors[2 * 768..]);
/// # Ok::<(), subtok::Error>(())
/// ```
#[derive(Debug)]
pub struct FactorizedEmbedding {
    pub(super) table: Table,
    pub(super) projection: Panels<f32>,
    pub(super) bias: Option<Vec<f32>>,
    padding_id: Option<TokenId>,
}

/// The parts of a [`FactorizedEmbedding`] as plain numbers: see [`FactorizedEmbedding::factors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// `A`: `vocab_size` rows of `embedding_dim` numbers.
    pub table: Vec<f32>,
    /// `P`: `embedding_dim` rows of `hidden_dim` numbers; none where there is no projection.
    pub projection: Option<Vec<f32>>,
    /// `b`: `hidden_dim` numbers.
    pub bias: Option<Vec<f32>>,
}

impl FactorizedEmbedding {
    /// Draws a new table.
    ///
    /// `A` is drawn from N(0, 0.02^2) and `P` from N(0, 1 / `embedding_dim`), so that the vectors start
    /// with a standard deviation of 0.02, as those of BERT and ALBERT do; `b` is zero. The numbers are
    /// those of xoshiro256++ and the polar method, `A` first, and depend on nothing but the seed and
    /// the sizes.
    ///
    /// # Errors
    /// [`Error::Argument`] when a size is zero or beyond its bound ([`MAX_WIDTH`], [`MAX_PARAMETERS`],
    /// [`MAX_ID`]), when memory does not suffice, or when `padding_id` is not in the vocabulary.
    pub fn new(
        vocab_size: usize,
        embedding_dim: usize,
        hidden_dim: usize,
        seed: u64,
        padding_id: Option<TokenId>,
        bias: bool,
    ) -> Result<Self> {
        check_sizes(vocab_size, embedding_dim, hidden_dim)?;
        check_padding(padding_id, vocab_size)?;
        let mut random = Random::new(seed);
        let mut draw = |rows: usize, columns: usize, deviation: f64| {
            let mut values = reserved(rows, columns)?;
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
            values.extend((0..rows * columns).map(|_| (random.normal() * deviation) as f32));
            Ok::<_, Error>(values)
        };
        let mut table = draw(vocab_size, embedding_dim, INITIAL_DEVIATION)?;
        let deviation = 1.0 / (embedding_dim as f64).sqrt();
        let projection = draw(embedding_dim, hidden_dim, deviation)?;
        if let Some(id) = padding_id {
            table[id as usize * embedding_dim..][..embedding_dim].fill(0.0);
        }
        let bias = bias.then(|| vec![0.0; hidden_dim]);
        Self::from_parts(
            Table::owned(table, embedding_dim),
            Panels::pack(embedding_dim, hidden_dim, |k, j| projection[k * hidden_dim + j]),
            bias,
            padding_id,
        )
    }

    /// Keeps a table as it is: rows of `hidden_dim` numbers, no projection. To be quantised, usually:
    /// see [`Self::quantize`]. `embedding_dim` is `hidden_dim` then. The row of the padding id counts as
    /// zero whatever it is.
    ///
    /// # Errors
    /// [`Error::Argument`] when the table is empty, ragged or not finite, or when `padding_id` is not in
    /// the vocabulary.
    pub fn from_table(
        table: Vec<f32>,
        hidden_dim: usize,
        padding_id: Option<TokenId>,
    ) -> Result<Self> {
        if hidden_dim == 0 || table.is_empty() || !table.len().is_multiple_of(hidden_dim) {
            let given = format!("{} numbers in rows of {hidden_dim}", table.len());
            return Err(Error::argument("W", given, "at least one row and one column"));
        }
        check_sizes(table.len() / hidden_dim, hidden_dim, 1)?;
        if let Some(i) = table.iter().position(|value| !value.is_finite()) {
            let given = format!("{} at [{}, {}]", table[i], i / hidden_dim, i % hidden_dim);
            return Err(Error::argument("W", given, "finite, as 32-bit numbers"));
        }
        let table = Table::owned(table, hidden_dim);
        Self::from_parts(table, Panels::identity(hidden_dim), None, padding_id)
    }

    /// The same embedding with the rows of `A` in another kind; the projection and the bias stay as they
    /// are. Rows are taken as they are kept now, so quantising twice loses twice.
    ///
    /// # Errors
    /// [`Error::Argument`] when a row is not finite or cannot be written in that kind (half precision
    /// ends at 65504), or when memory does not suffice; [`Error::Format`] when the file that the rows lie
    /// in was shortened.
    pub fn quantize(&self, kind: Kind, threads: usize) -> Result<Self> {
        self.table.check()?;
        let table = self.table.to_kind(kind, threads)?;
        Self::from_parts(table, self.projection.clone(), self.bias.clone(), self.padding_id)
    }

    /// Puts factors together. Their sizes must agree already.
    pub(super) fn from_parts(
        table: Table,
        projection: Panels<f32>,
        bias: Option<Vec<f32>>,
        padding_id: Option<TokenId>,
    ) -> Result<Self> {
        debug_assert_eq!(table.width(), projection.depth());
        debug_assert!(bias.as_ref().is_none_or(|bias| bias.len() == projection.columns()));
        check_padding(padding_id, table.rows())?;
        Ok(Self { table, projection, bias, padding_id })
    }

    /// The number of vectors.
    pub fn vocab_size(&self) -> usize {
        self.table.rows()
    }

    /// The width of the stored rows.
    pub fn embedding_dim(&self) -> usize {
        self.table.width()
    }

    /// The width of the vectors.
    pub fn hidden_dim(&self) -> usize {
        self.projection.columns()
    }

    /// The factors in 32-bit numbers, however they are kept: `A` row after row, `P` row after row, and
    /// `b` if there is one.
    ///
    /// # Errors
    /// [`Error::Argument`] when memory does not suffice, [`Error::Format`] when the file that the rows lie
    /// in was shortened.
    pub fn factors(&self) -> Result<Factors> {
        self.table.check()?;
        let (rows, width, columns) = (self.vocab_size(), self.embedding_dim(), self.hidden_dim());
        let mut table = reserved(rows, width)?;
        table.resize(rows * width, 0.0);
        for (index, row) in table.chunks_exact_mut(width).enumerate() {
            self.table.copy_row(index, row);
        }
        let projection = if self.has_projection() {
            let mut projection = reserved(width, columns)?;
            for k in 0..width {
                projection.extend((0..columns).map(|j| self.projection.get(k, j)));
            }
            Some(projection)
        } else {
            None
        };
        Ok(Factors { table, projection, bias: self.bias.clone() })
    }

    /// The id whose vector is zero.
    pub fn padding_id(&self) -> Option<TokenId> {
        self.padding_id
    }

    /// How the rows of `A` are kept.
    pub fn kind(&self) -> Kind {
        self.table.kind()
    }

    /// Whether there is a projection; a table from [`Self::from_table`] has none.
    pub fn has_projection(&self) -> bool {
        !self.projection.is_identity()
    }

    /// Bytes of the factors and the bias.
    pub fn bytes(&self) -> usize {
        let (kind, width) = (self.kind(), self.embedding_dim());
        let row = kind.row_bytes(width) + kind.scale_bytes(width);
        let projection = if self.has_projection() { 4 * width * self.hidden_dim() } else { 0 };
        let bias = if self.has_bias() { 4 * self.hidden_dim() } else { 0 };
        self.vocab_size() * row + projection + bias
    }

    /// Whether a bias is added to every vector but the padding's.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some()
    }
}

/// Checks the sizes of a table.
pub(super) fn check_sizes(
    vocab_size: usize,
    embedding_dim: usize,
    hidden_dim: usize,
) -> Result<()> {
    let ids = MAX_ID as usize + 1;
    for (name, size, limit) in [
        ("vocab_size", vocab_size, ids),
        ("embedding_dim", embedding_dim, MAX_WIDTH),
        ("hidden_dim", hidden_dim, MAX_WIDTH),
    ] {
        if size == 0 || size > limit {
            return Err(Error::argument(name, size, format!("from 1 to {limit}")));
        }
    }
    // Panels are filled up to whole ones; with bounded widths the sums below cannot overflow.
    let columns = hidden_dim.next_multiple_of(f32::WIDTH);
    let numbers = vocab_size * embedding_dim + embedding_dim * columns;
    if numbers > MAX_PARAMETERS {
        let given = format!("for {numbers} numbers in all");
        let wanted = format!("for at most {MAX_PARAMETERS}");
        return Err(Error::argument("the size of the table", given, wanted));
    }
    Ok(())
}

fn check_padding(padding_id: Option<TokenId>, vocab_size: usize) -> Result<()> {
    match padding_id {
        Some(id) if id as usize >= vocab_size => {
            Err(Error::argument("padding_id", id, format!("less than vocab_size ({vocab_size})")))
        }
        _ => Ok(()),
    }
}

/// An empty vector with room for `rows` x `columns` numbers.
pub(super) fn reserved(rows: usize, columns: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(rows * columns).map_err(|_| {
        let given = format!("{rows} x {columns} numbers");
        Error::argument(
            "the size of the table",
            given,
            "small enough for the memory of this machine",
        )
    })?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(vocab_size: usize, embedding_dim: usize, hidden_dim: usize) -> String {
        let made = FactorizedEmbedding::new(vocab_size, embedding_dim, hidden_dim, 0, None, false);
        made.expect_err("these sizes must be refused").to_string()
    }

    #[test]
    fn sizes_out_of_bounds_are_refused_before_anything_is_allocated() {
        assert_eq!(refused(0, 8, 8), "vocab_size is 0, but must be from 1 to 2147483648");
        assert_eq!(refused(9, 0, 8), "embedding_dim is 0, but must be from 1 to 1048576");
        assert_eq!(refused(9, 8, usize::MAX).split(" is ").next(), Some("hidden_dim"));
        assert!(refused(1 << 62, 8, 16).starts_with("vocab_size is 4611686018427387904"));
        assert!(refused(1 << 31, 1 << 20, 1 << 20).starts_with("the size of the table is for"));
    }

    #[test]
    fn the_padding_id_must_be_in_the_vocabulary() {
        let error = FactorizedEmbedding::new(5, 2, 3, 0, Some(5), false).expect_err("out of range");
        let text = "padding_id is 5, but must be less than vocab_size (5)";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn vectors_of_a_new_table_have_the_deviation_of_bert() {
        let embedding = FactorizedEmbedding::new(500, 64, 96, 1, None, true).expect("valid sizes");
        let ids: Vec<u32> = (0..500).collect();
        let vectors = embedding.lookup(&ids, 1).expect("ids are in range");
        let square: f64 = vectors.iter().map(|x| f64::from(*x).powi(2)).sum();
        let deviation = (square / vectors.len() as f64).sqrt();
        assert!((deviation - 0.02).abs() < 0.001, "{deviation}");
    }

    #[test]
    fn the_seed_alone_decides_and_padding_leaves_the_other_rows_alone() {
        let vectors = |seed, padding| {
            let made = FactorizedEmbedding::new(40, 5, 7, seed, padding, true).expect("valid");
            made.lookup(&(0..40).collect::<Vec<u32>>(), 1).expect("in range")
        };
        assert_eq!(vectors(7, None), vectors(7, None));
        assert_ne!(vectors(7, None), vectors(8, None));
        let (plain, padded) = (vectors(7, None), vectors(7, Some(3)));
        assert!(padded[21..28].iter().all(|x| x.to_bits() == 0));
        assert_eq!((&plain[..21], &plain[28..]), (&padded[..21], &padded[28..]));
    }
}

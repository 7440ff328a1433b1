//! Ids to vectors, through a table that is kept as two thin factors.
//!
//! A table of `V` vectors of `H` numbers is stored as `A` (V x E) and `P` (E x H) with `E << H`; the
//! vector of an id is `A[id] P + b`. In real text most ids of a batch occur many times, so a look-up
//! finds the distinct ids, multiplies the row of each by `P` once, and copies the results out.

mod albert;
mod dense;
mod factorized;
mod gradient;
mod gram;
mod kernel;
mod kind;
mod linalg;
mod lookup;
mod parallel;
mod pool;
mod random;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod store;
mod table;
mod transfer;
mod wide;

pub use albert::{
    AlbertEmbeddings, AlbertOptions, AlbertParts, AlbertWords, LAYER_NORM_EPS, WordTable,
};
pub use dense::{Alternative, DenseOptions, DenseReport, RowLoss, Size, rank_prior};
pub use factorized::{FactorizedEmbedding, Factors, MAX_PARAMETERS, MAX_WIDTH};
pub use gradient::{DistinctIds, copy_by_slot, scatter_rows, sum_by_slot};
pub use kind::Kind;
pub use lookup::{AnyId, HalfFormat};
pub use pool::{PoolMode, PoolOptions, PoolRows};
pub use transfer::Recipe;

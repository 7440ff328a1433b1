//! What the embedding means, in the fewest words: the twins of the fast roads.

use super::factorized::FactorizedEmbedding;
use super::pool::PoolMode;
use crate::ids::TokenId;

/// The vectors of `ids`, one id after the other. Ids must be in range.
pub fn lookup(embedding: &FactorizedEmbedding, ids: &[TokenId]) -> Vec<f32> {
    let mut row = vec![0.0; embedding.embedding_dim()];
    let mut out = Vec::new();
    for &id in ids {
        embedding.table.copy_row(id as usize, &mut row);
        for column in 0..embedding.hidden_dim() {
            let mut sum = 0.0_f32;
            for (k, value) in row.iter().enumerate() {
                sum = value.mul_add(embedding.projection.get(k, column), sum);
            }
            let bias = embedding.bias.as_ref().map_or(0.0, |bias| bias[column]);
            out.push(if embedding.padding_id() == Some(id) { 0.0 } else { sum + bias });
        }
    }
    out
}

/// The weighted sum, mean or maximum of the vectors of `ids`, which must be in range; ids of weight
/// zero are left out, and nothing at all gives zeros.
pub fn pool(
    embedding: &FactorizedEmbedding,
    ids: &[TokenId],
    weights: &[f32],
    mode: PoolMode,
) -> Vec<f64> {
    let width = embedding.hidden_dim();
    let vectors = lookup(embedding, ids);
    let there = || vectors.chunks(width).zip(weights).filter(|(_, weight)| **weight > 0.0);
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    if there().next().is_none() {
        return vec![0.0; width];
    }
    let column = |j: usize| {
        let sum: f64 = there().map(|(row, w)| f64::from(row[j]) * f64::from(*w)).sum();
        match mode {
            PoolMode::Sum => sum,
            PoolMode::Mean => sum / total,
            PoolMode::Max => there().map(|(row, _)| row[j].into()).fold(f64::MIN, f64::max),
        }
    };
    (0..width).map(column).collect()
}

//! A table for another vocabulary, made of the rows of an old one.

use super::albert::{AlbertEmbeddings, AlbertWords};
use super::factorized::{FactorizedEmbedding, reserved};
use super::random::Random;
use super::table::Table;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// What new rows are made of.
///
/// A row of one old row is a copy of it, a row of several is their mean by weight, and a row of none
/// is drawn from a normal distribution with the mean and the deviation that the old rows have in
/// every column: the same mean for all would make them one and the same to a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipe {
    /// Old rows and their weights, row after row.
    parts: Vec<(TokenId, f64)>,
    /// Where the parts of each new row end.
    ends: Vec<usize>,
}

impl Recipe {
    /// Adds a new row. Weights must be above zero; how large they are together does not matter.
    pub fn push(&mut self, parts: impl IntoIterator<Item = (TokenId, f64)>) {
        self.parts.extend(parts);
        self.ends.push(self.parts.len());
    }

    /// The number of new rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = &[(TokenId, f64)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.parts[start..*end])
    }

    fn check(&self, rows: usize) -> Result<()> {
        if self.is_empty() {
            return Err(Error::argument("the new vocabulary", "empty", "one token or more"));
        }
        let known = |(id, _): &&(TokenId, f64)| (*id as usize) < rows;
        if let Some((id, _)) = self.parts.iter().find(|part| !known(part)) {
            let (id, size) = ((*id).into(), rows);
            return Err(Error::UnknownId { id, position: 0, row: None, size });
        }
        let right = |weight: f64| weight.is_finite() && weight > 0.0;
        match self.parts.iter().find(|(_, weight)| !right(*weight)) {
            Some((_, weight)) => Err(Error::argument("a weight", weight, "finite and above zero")),
            None => Ok(()),
        }
    }

    fn apply(&self, old: &Table) -> Result<Table> {
        self.check(old.rows())?;
        old.check()?;
        let width = old.width();
        let mut values = reserved(self.len(), width)?;
        let mut row = vec![0.0; width];
        let mut sums = vec![0.0; width];
        let mut spread = None;
        for (id, parts) in self.rows().enumerate() {
            match parts {
                [] => {
                    let spread = spread.get_or_insert_with(|| Spread::of(old));
                    spread.draw(id as u64, &mut row);
                }
                [(one, _)] => old.copy_row(*one as usize, &mut row),
                parts => {
                    let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
                    sums.fill(0.0);
                    for (id, weight) in parts {
                        old.copy_row(*id as usize, &mut row);
                        for (sum, value) in sums.iter_mut().zip(&row) {
                            *sum += weight / total * f64::from(*value);
                        }
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "rounding is wanted")]
                    row.iter_mut().zip(&sums).for_each(|(to, from)| *to = *from as f32);
                }
            }
            values.extend_from_slice(&row);
        }
        Ok(Table::owned(values, width))
    }
}

/// The mean and the deviation of every column.
struct Spread {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Spread {
    fn of(table: &Table) -> Self {
        let (rows, width) = (table.rows(), table.width());
        let mut row = vec![0.0; width];
        let mut mean = vec![0.0; width];
        let mut deviation = vec![0.0; width];
        for id in 0..rows {
            table.copy_row(id, &mut row);
            mean.iter_mut().zip(&row).for_each(|(sum, x)| *sum += f64::from(*x) / rows as f64);
        }
        for id in 0..rows {
            table.copy_row(id, &mut row);
            for ((sum, mean), x) in deviation.iter_mut().zip(&mean).zip(&row) {
                *sum += (f64::from(*x) - mean).powi(2) / rows as f64;
            }
        }
        for square in &mut deviation {
            *square = square.sqrt();
        }
        Self { mean, deviation }
    }

    /// The row of an id: it depends on nothing else.
    fn draw(&self, id: u64, row: &mut [f32]) {
        let mut random = Random::new(id);
        #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        for ((value, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
            *value = (mean + deviation * random.normal()) as f32;
        }
    }
}

impl FactorizedEmbedding {
    /// The embedding with new rows; the projection and the bias stay as they are.
    ///
    /// # Errors
    /// [`Error::UnknownId`] for a part that the table does not have, [`Error::Argument`] for a recipe
    /// of no row, a weight out of bounds, or a padding id that the new table does not have.
    pub fn recomposed(&self, recipe: &Recipe, padding_id: Option<TokenId>) -> Result<Self> {
        let table = recipe.apply(&self.table)?;
        Self::from_parts(table, self.projection.clone(), self.bias.clone(), padding_id)
    }
}

impl AlbertEmbeddings {
    /// The stage with new rows of the word table; all else stays as it is. `padding_id` is that of the
    /// new vocabulary.
    ///
    /// # Errors
    /// As [`FactorizedEmbedding::recomposed`]; [`Error::Argument`] where positions count from behind the
    /// padding id and that is another one now: rows of positions would shift.
    pub fn recomposed(&self, recipe: &Recipe, padding_id: Option<TokenId>) -> Result<Self> {
        if let Some(id) = self.position_padding_id()
            && padding_id != Some(id)
        {
            let given = padding_id.map_or_else(|| "none".to_owned(), |id| id.to_string());
            let wanted = format!("{id}, behind which positions count");
            return Err(Error::argument("the padding id of the new vocabulary", given, wanted));
        }
        let words = match self.words() {
            AlbertWords::Projected(factors) => {
                AlbertWords::Projected(factors.recomposed(recipe, None)?.into())
            }
            AlbertWords::Whole(table) => AlbertWords::Whole(recipe.apply(table.table())?.into()),
        };
        self.with_words(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding() -> FactorizedEmbedding {
        FactorizedEmbedding::new(40, 6, 9, 3, None, true).expect("valid sizes")
    }

    fn recipe(rows: &[&[(TokenId, f64)]]) -> Recipe {
        let mut recipe = Recipe::default();
        for row in rows {
            recipe.push(row.iter().copied());
        }
        recipe
    }

    #[test]
    fn rows_are_copies_and_means() {
        let old = embedding();
        let recipe = recipe(&[&[(7, 3.0)], &[(1, 1.0), (2, 3.0)], &[(39, 1.0)]]);
        let new = old.recomposed(&recipe, Some(2)).expect("valid");
        assert_eq!((new.vocab_size(), new.padding_id()), (3, Some(2)));
        let rows = |table: &Table, id: usize| {
            let mut row = vec![0.0; 6];
            table.copy_row(id, &mut row);
            row
        };
        assert_eq!(rows(&new.table, 0), rows(&old.table, 7));
        assert_eq!(rows(&new.table, 2), rows(&old.table, 39));
        let (one, two) = (rows(&old.table, 1), rows(&old.table, 2));
        for ((got, one), two) in rows(&new.table, 1).iter().zip(one).zip(two) {
            assert!((got - (0.25 * one + 0.75 * two)).abs() < 1e-8);
        }
        assert_eq!(new.lookup(&[0], 1).expect("there"), old.lookup(&[7], 1).expect("there"));
    }

    #[test]
    fn rows_of_nothing_are_drawn_like_the_others_and_differ() {
        let old = FactorizedEmbedding::new(4000, 4, 5, 3, None, false).expect("valid sizes");
        let many: Vec<&[(TokenId, f64)]> = vec![&[]; 4000];
        let new = old.recomposed(&recipe(&many), None).expect("valid");
        let (was, is) = (Spread::of(&old.table), Spread::of(&new.table));
        for k in 0..4 {
            assert!((is.deviation[k] / was.deviation[k] - 1.0).abs() < 0.06);
            assert!((is.mean[k] - was.mean[k]).abs() < 0.06 * was.deviation[k]);
        }
        let rows = new.lookup(&[0, 1, 2], 1).expect("there");
        assert!(rows[..5] != rows[5..10] && rows[5..10] != rows[10..]);
        // A row does not depend on those around it.
        let again = old.recomposed(&recipe(&[&[(0, 1.0)], &[]]), None).expect("valid");
        assert_eq!(again.lookup(&[1], 1).expect("there"), rows[5..10]);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let old = embedding();
        let refused = |recipe: &Recipe, padding| {
            old.recomposed(recipe, padding).expect_err("must be refused").to_string()
        };
        assert!(refused(&Recipe::default(), None).starts_with("the new vocabulary is empty"));
        assert!(refused(&recipe(&[&[(40, 1.0)]]), None).starts_with("id 40"));
        assert!(refused(&recipe(&[&[(4, 0.0)]]), None).starts_with("a weight is 0"));
        assert!(refused(&recipe(&[&[(4, f64::NAN)]]), None).starts_with("a weight is NaN"));
        assert!(refused(&recipe(&[&[(4, 1.0)]]), Some(1)).starts_with("padding_id is 1"));
    }
}

//! Templates: special tokens and texts in a declared order.

// Names are resolved when a template is made, so that laying out a row cannot fail. The reference
// library resolves them at every call, and panics there.

use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Pieces in a declared order, for one text and for two.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateProcessing {
    single: Vec<TemplatePiece>,
    pair: Vec<TemplatePiece>,
    /// Sorted by name: the order of files.
    special_tokens: Vec<TemplateSpecial>,
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePiece {
    /// A text.
    Sequence {
        /// 0 for the first text (`A` in files), 1 for the second (`B`).
        index: usize,
        /// The type id of its tokens.
        type_id: u32,
    },
    /// A special token, or several under one name.
    Special {
        /// The name of a [`TemplateSpecial`].
        name: String,
        /// The type id of its tokens.
        type_id: u32,
    },
}

/// What a name in a template stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSpecial {
    /// The name that pieces use.
    pub name: String,
    /// The name that files repeat beside the ids; nothing depends on it.
    pub id: String,
    /// The ids that stand there.
    pub ids: Vec<TokenId>,
    /// Their strings, one for each id.
    pub tokens: Vec<String>,
}

impl TemplateSpecial {
    /// One token that is called by its string.
    pub fn one(token: impl Into<String>, id: TokenId) -> Self {
        let name = token.into();
        Self { id: name.clone(), tokens: vec![name.clone()], name, ids: vec![id] }
    }
}

impl TemplateProcessing {
    /// A template.
    ///
    /// # Errors
    /// [`Error::Argument`] when a piece names a special token that is not given, a name is given
    /// twice, ids and tokens differ in number, or a single template holds the second text.
    pub fn new(
        single: Vec<TemplatePiece>,
        pair: Vec<TemplatePiece>,
        mut special_tokens: Vec<TemplateSpecial>,
    ) -> Result<Self> {
        special_tokens.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(two) = special_tokens.windows(2).find(|two| two[0].name == two[1].name) {
            return Err(Error::argument("special_tokens", &two[0].name, "there once"));
        }
        for special in &special_tokens {
            if special.ids.len() != special.tokens.len() {
                let given = format!("{} tokens for `{}`", special.tokens.len(), special.name);
                let wanted = format!("one token for each of its {} ids", special.ids.len());
                return Err(Error::argument("special_tokens", given, wanted));
            }
        }
        let template = Self { single, pair, special_tokens };
        template.check_pieces("single", &template.single)?;
        template.check_pieces("pair", &template.pair)?;
        Ok(template)
    }

    /// `cls A sep`, and `cls A sep B sep` with type id 1 from B on: BERT's template.
    pub fn bert(cls: (String, TokenId), sep: (String, TokenId)) -> Self {
        let piece = |(name, _): &(String, TokenId), type_id| TemplatePiece::Special {
            name: name.clone(),
            type_id,
        };
        let single =
            vec![piece(&cls, 0), TemplatePiece::Sequence { index: 0, type_id: 0 }, piece(&sep, 0)];
        let mut pair = single.clone();
        pair.extend([TemplatePiece::Sequence { index: 1, type_id: 1 }, piece(&sep, 1)]);
        let mut special_tokens: Vec<_> =
            [cls, sep].into_iter().map(|(name, id)| TemplateSpecial::one(name, id)).collect();
        special_tokens.sort_by(|a, b| a.name.cmp(&b.name));
        special_tokens.dedup_by(|a, b| a.name == b.name);
        Self { single, pair, special_tokens }
    }

    /// The pieces for one text.
    pub fn single(&self) -> &[TemplatePiece] {
        &self.single
    }

    /// The pieces for two texts.
    pub fn pair(&self) -> &[TemplatePiece] {
        &self.pair
    }

    /// The special tokens, sorted by name.
    pub fn special_tokens(&self) -> &[TemplateSpecial] {
        &self.special_tokens
    }

    pub(super) fn added_tokens(&self, pair: bool) -> usize {
        let pieces = if pair { &self.pair } else { &self.single };
        let tokens = pieces.iter().map(|piece| match piece {
            TemplatePiece::Sequence { .. } => 0,
            TemplatePiece::Special { name, .. } => self.find(name).map_or(0, |s| s.ids.len()),
        });
        tokens.sum()
    }

    pub(super) fn find(&self, name: &str) -> Option<&TemplateSpecial> {
        let at = self.special_tokens.binary_search_by(|special| special.name.as_str().cmp(name));
        at.ok().map(|at| &self.special_tokens[at])
    }

    fn check_pieces(&self, which: &'static str, pieces: &[TemplatePiece]) -> Result<()> {
        for piece in pieces {
            match piece {
                TemplatePiece::Special { name, .. } => {
                    if self.find(name).is_none() {
                        let wanted = "one of the template's special_tokens";
                        return Err(Error::argument(which, format!("`{name}`"), wanted));
                    }
                }
                TemplatePiece::Sequence { index, .. } => {
                    if *index > 1 || (which == "single" && *index > 0) {
                        let given = format!("a template with sequence {index}");
                        return Err(Error::argument(which, given, "about the texts it is given"));
                    }
                }
            }
        }
        Ok(())
    }
}

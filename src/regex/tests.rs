//! The engine against what Oniguruma found, and its bounds.

use super::*;

//! How many threads a call may use.

use crate::error::{Error, Result};

/// The environment variable that sets the number where a call does not.
const VARIABLE: &str = "SUBTOK_NUM_THREADS";

/// The number of threads: what was requested, else `SUBTOK_NUM_THREADS`. 0 means what the machine
/// allows, which is not asked here: that reads files, and small work does without.
///
/// # Errors
/// [`Error::Argument`] when the variable is set and is no number.
pub(crate) fn wanted(requested: Option<usize>) -> Result<usize> {
    Ok(match (requested, std::env::var(VARIABLE)) {
        (Some(threads), _) => threads,
        (None, Ok(text)) if !text.trim().is_empty() => text
            .trim()
            .parse()
            .map_err(|_| Error::argument(VARIABLE, format!("{text:?}"), "a number"))?,
        _ => 0,
    })
}

/// What the machine allows: its processors, the affinity and quota of this process.
pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The number of threads: what was requested, else `SUBTOK_NUM_THREADS`, else what the machine (its
/// processors, the affinity and quota of this process) allows. 0 means the last.
///
/// # Errors
/// [`Error::Argument`] when the variable is set and is no number.
pub fn count(requested: Option<usize>) -> Result<usize> {
    Ok(match wanted(requested)? {
        0 => available(),
        threads => threads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_before_everything_else() {
        assert_eq!(count(Some(3)).unwrap(), 3);
        assert!(count(Some(0)).unwrap() >= 1);
        assert_eq!(wanted(Some(0)).unwrap(), 0);
    }
}

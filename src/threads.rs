//! How many threads a call may use.

use crate::error::{Error, Result};

/// The environment variable that sets the number where a call does not.
const VARIABLE: &str = "SUBTOK_NUM_THREADS";

/// The number of threads: what was requested, else `SUBTOK_NUM_THREADS`, else what the machine (its
/// processors, the affinity and quota of this process) allows. 0 means the last.
///
/// # Errors
/// [`Error::Argument`] when the variable is set and is no number.
pub fn count(requested: Option<usize>) -> Result<usize> {
    let wanted = match (requested, std::env::var(VARIABLE)) {
        (Some(threads), _) => threads,
        (None, Ok(text)) if !text.trim().is_empty() => text
            .trim()
            .parse()
            .map_err(|_| Error::argument(VARIABLE, format!("{text:?}"), "a number"))?,
        _ => 0,
    };
    if wanted > 0 {
        return Ok(wanted);
    }
    Ok(std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_before_everything_else() {
        assert_eq!(count(Some(3)).unwrap(), 3);
        assert!(count(Some(0)).unwrap() >= 1);
    }
}

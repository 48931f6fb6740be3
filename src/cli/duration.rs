//! Options whose value is a length of time.

use super::CliError;
use crate::plan::parse_duration;

/// The seconds that the option's value stands for: more than zero and at most a year.
pub fn parse(option: &str, text: &str) -> Result<f64, CliError> {
    parse_duration(text).map_err(|error| CliError::Usage(format!("{option} {text}: {error}")))
}

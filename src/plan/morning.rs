//! When of a day a run that is still at work sums up what it has seen: once each day, so that a night can be read in the morning.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};

/// The word for never.
const OFF: &str = "off";
/// How a time of day is written.
const FORM: &str = "%H:%M";

/// The local time of each day's summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Morning(Option<Time>);

impl Default for Morning {
    fn default() -> Self {
        Self(Some(Time::constant(7, 0, 0, 0)))
    }
}

/// Why a text is no time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of day; write 07:00, or {OFF} for no summaries")]
pub struct MorningError;

impl FromStr for Morning {
    type Err = MorningError;

    fn from_str(text: &str) -> Result<Self, MorningError> {
        match text {
            OFF => Ok(Self(None)),
            _ => Time::strptime(FORM, text).map(|time| Self(Some(time))).map_err(|_| MorningError),
        }
    }
}

impl TryFrom<String> for Morning {
    type Error = MorningError;

    fn try_from(text: String) -> Result<Self, MorningError> {
        text.parse()
    }
}

impl From<Morning> for String {
    fn from(Morning(time): Morning) -> Self {
        time.map_or_else(|| OFF.to_owned(), |time| time.strftime(FORM).to_string())
    }
}

impl Morning {
    /// Whether there are summaries at all.
    pub fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// The day whose summary is due at the local time `now`, the last one having been made, or the run begun, at `last`. A machine that slept
    /// through several mornings is told of the latest alone.
    pub fn due(self, last: DateTime, now: DateTime) -> Option<Date> {
        let today = now.date().to_datetime(self.0?);
        let latest = if today <= now { today } else { today.yesterday().ok()? };
        (latest > last).then(|| latest.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, datetime};

    #[test]
    fn a_time_of_day_is_read_and_written() {
        for text in ["07:00", "00:00", "23:59", "off"] {
            assert_eq!(text.parse::<Morning>().map(String::from), Ok(text.to_owned()));
        }
        assert_eq!("07:00".parse(), Ok(Morning::default()));
        for text in ["", "7", "24:00", "07:60", "07:00:00", "7 am", "Off", "-1:00"] {
            assert_eq!(text.parse::<Morning>(), Err(MorningError), "{text:?}");
        }
    }

    #[test]
    fn each_morning_that_a_run_goes_through_has_one_summary() {
        let seven = Morning::default();
        let begun = datetime(2026, 11, 24, 22, 0, 0, 0);
        assert_eq!(seven.due(begun, datetime(2026, 11, 25, 6, 59, 59, 0)), None);
        let morning = datetime(2026, 11, 25, 7, 0, 3, 0);
        assert_eq!(seven.due(begun, morning), Some(date(2026, 11, 25)));
        assert_eq!(seven.due(morning, datetime(2026, 11, 26, 6, 59, 59, 0)), None, "told already");
        assert_eq!(seven.due(morning, datetime(2026, 11, 29, 3, 0, 0, 0)), Some(date(2026, 11, 28)), "it slept");
        assert_eq!(seven.due(morning, begun), None, "a clock that was set back");
        assert_eq!(seven.due(datetime(2026, 11, 25, 7, 0, 0, 0), morning), None, "begun at that very time");
        assert_eq!("off".parse::<Morning>().expect("a word").due(begun, morning), None);
    }
}

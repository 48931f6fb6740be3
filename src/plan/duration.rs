//! Lengths of time as people write them: `90`, `30s`, `10m`, `8h`, `1h30m`.

/// The longest run, in seconds: a year.
pub const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("not a length of time; write 90s, 10m, 8h or 1h30m")]
    Form,
    /// Nothing, or too much.
    #[error("must be longer than zero and at most a year")]
    Range,
}

/// The seconds that a text stands for: more than zero and at most a year.
pub fn parse_duration(text: &str) -> Result<f64, DurationError> {
    let wrong = DurationError::Form;
    let mut seconds = 0.0;
    let mut number = String::new();
    let mut parts = 0;
    for c in text.trim().chars() {
        match c {
            '0'..='9' | '.' => number.push(c),
            _ => {
                let unit = match c {
                    's' => 1.0,
                    'm' => 60.0,
                    'h' => 3600.0,
                    'd' => 86_400.0,
                    _ => return Err(wrong),
                };
                seconds += unit * number.parse::<f64>().map_err(|_| wrong)?;
                number.clear();
                parts += 1;
            }
        }
    }
    if !number.is_empty() {
        if parts > 0 {
            return Err(wrong);
        }
        seconds = number.parse().map_err(|_| wrong)?;
    } else if parts == 0 {
        return Err(wrong);
    }
    if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
        return Err(DurationError::Range);
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("90", 90.0), ("90s", 90.0), ("1h30m", 5400.0), ("0.5m", 30.0), ("2d", 172_800.0)] {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
        for text in ["", "-1", "-5m", "h", "1h30", "5x", "1e9", "nan", "inf", "1..5s"] {
            assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
        }
        for text in ["0", "0s", "400d"] {
            assert_eq!(parse_duration(text), Err(DurationError::Range), "{text}");
        }
    }
}

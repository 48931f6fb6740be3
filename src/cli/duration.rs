//! Lengths of time as people write them: `90`, `30s`, `10m`, `8h`, `1h30m`.

use super::CliError;

/// The longest run, in seconds: a year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// The seconds that the option's value stands for: more than zero and at most a year.
pub fn parse(option: &str, text: &str) -> Result<f64, CliError> {
    let wrong = || CliError::Usage(format!("{option} {text}: not a length of time; write 90s, 10m, 8h or 1h30m"));
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
                    _ => return Err(wrong()),
                };
                seconds += unit * number.parse::<f64>().map_err(|_| wrong())?;
                number.clear();
                parts += 1;
            }
        }
    }
    if !number.is_empty() {
        if parts > 0 {
            return Err(wrong());
        }
        seconds = number.parse().map_err(|_| wrong())?;
    } else if parts == 0 {
        return Err(wrong());
    }
    if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
        return Err(CliError::Usage(format!("{option} {text}: must be longer than zero and at most a year")));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [("90", 90.0), ("90s", 90.0), ("1h30m", 5400.0), ("0.5m", 30.0), ("2d", 172_800.0)] {
            assert_eq!(super::parse("--for", text).expect(text), seconds);
        }
        for text in ["", "0", "0s", "-1", "-5m", "h", "1h30", "5x", "1e9", "nan", "inf", "400d", "1..5s"] {
            assert!(super::parse("--for", text).is_err(), "{text}");
        }
    }
}

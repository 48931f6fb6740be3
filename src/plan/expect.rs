//! `--expect 4,5=60x,rest=57x`: the multiplier at which each core is to be proven.

use serde::{Deserialize, Serialize};

/// Higher than any CPU's.
const MULTIPLIER_MAX: u32 = 999;

/// What is expected of one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// Its index.
    pub core: u32,
    /// The multiplier at which it must have been tested.
    pub multiplier: u32,
}

/// The text, understood; which cores there are only the machine can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    ranges: Vec<(u32, u32, u32)>,
    rest: Option<u32>,
}

/// Why an expectation is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// Another form.
    #[error("write cores and their multiplier like 4,5=60x,rest=57x; `oddcore cores` shows the indexes")]
    Form,
    /// Not a multiplier.
    #[error("{0}: a multiplier is a whole number from 1 to {MULTIPLIER_MAX} with an x, such as 60x")]
    Multiplier(String),
    /// Between two whole ones, where evidence is kept by whole ones; and the nearest.
    #[error("{0}x: evidence is kept by whole multipliers, of which {1}x is the nearest; ask for that")]
    Between(String, u32),
    /// Two for one core.
    #[error("core {0} has two multipliers")]
    Twice(u32),
    /// Two for the rest.
    #[error("the rest has two multipliers")]
    TwoRests,
    /// A core that takes no part.
    #[error("core {0} is not tested in this run")]
    NotTested(u32),
    /// Nothing left for `rest`.
    #[error("no core is left for the rest")]
    NoRest,
}

impl Expect {
    /// Reads the text.
    pub fn parse(text: &str) -> Result<Self, ExpectError> {
        let mut expect = Self { ranges: Vec::new(), rest: None };
        // Cores whose multiplier is still to come.
        let mut open: Vec<(u32, u32)> = Vec::new();
        let parts = || text.split(',').map(str::trim);
        for part in parts() {
            let (cores, multiplier) = part.split_once('=').map_or((part, None), |(cores, at)| (cores, Some(at)));
            if cores == "rest" {
                let multiplier = self::multiplier(multiplier.ok_or(ExpectError::Form)?)?;
                if !open.is_empty() {
                    return Err(ExpectError::Form);
                }
                if expect.rest.replace(multiplier).is_some() {
                    return Err(ExpectError::TwoRests);
                }
                continue;
            }
            open.push(range(cores)?);
            if let Some(multiplier) = multiplier {
                let multiplier = self::multiplier(multiplier)?;
                expect.ranges.extend(open.drain(..).map(|(first, last)| (first, last, multiplier)));
            }
        }
        if open.is_empty() { Ok(expect) } else { Err(ExpectError::Form) }
    }

    /// What it means for these cores, which are those under test.
    pub fn of(&self, tested: &[u32]) -> Result<Vec<Expected>, ExpectError> {
        let mut expected: Vec<Expected> = Vec::new();
        for &(first, last, multiplier) in &self.ranges {
            for core in first..=last {
                if !tested.contains(&core) {
                    return Err(ExpectError::NotTested(core));
                }
                if expected.iter().any(|other| other.core == core) {
                    return Err(ExpectError::Twice(core));
                }
                expected.push(Expected { core, multiplier });
            }
        }
        if let Some(multiplier) = self.rest {
            let named: Vec<u32> = expected.iter().map(|expected| expected.core).collect();
            let rest = tested.iter().copied().filter(|core| !named.contains(core));
            expected.extend(rest.map(|core| Expected { core, multiplier }));
            if expected.len() == named.len() {
                return Err(ExpectError::NoRest);
            }
        }
        expected.sort_by_key(|expected| expected.core);
        Ok(expected)
    }
}

fn range(text: &str) -> Result<(u32, u32), ExpectError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(ExpectError::Form),
    }
}

fn multiplier(text: &str) -> Result<u32, ExpectError> {
    let shown = |text: &str| text.chars().take(20).collect();
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let given = text.trim().strip_suffix(['x', 'X']).map(str::trim);
    let is_number =
        |given: &&str| given.split_once('.').map_or(digits(given), |(whole, part)| digits(whole) && digits(part));
    let value = given.filter(is_number).and_then(|given| given.parse::<f64>().ok());
    match (given, value.map(|value| (value, value.round()))) {
        (Some(given), Some((value, nearest))) if (1.0..=f64::from(MULTIPLIER_MAX)).contains(&nearest) => {
            // Within range, and whole.
            let whole = nearest as u32;
            if value == nearest { Ok(whole) } else { Err(ExpectError::Between(shown(given), whole)) }
        }
        _ => Err(ExpectError::Multiplier(shown(text.trim()))),
    }
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, tested: &[u32]) -> Result<Vec<(u32, u32)>, ExpectError> {
        Ok(Expect::parse(text)?.of(tested)?.into_iter().map(|expected| (expected.core, expected.multiplier)).collect())
    }

    #[test]
    fn cores_and_the_rest_get_their_multipliers() {
        let all = [0, 1, 2, 3, 4, 5];
        assert_eq!(of("4,5=60x,rest=57x", &all), Ok(vec![(0, 57), (1, 57), (2, 57), (3, 57), (4, 60), (5, 60)]));
        assert_eq!(of(" 0-1 , 3 = 60X , 5=44x", &all), Ok(vec![(0, 60), (1, 60), (3, 60), (5, 44)]));
        assert_eq!(of("rest=57.0x", &[2, 7]), Ok(vec![(2, 57), (7, 57)]));
    }

    #[test]
    fn what_is_no_expectation_is_told_why() {
        use ExpectError::{Between, Form, Multiplier, NoRest, NotTested, Twice, TwoRests};
        for (text, why) in [
            ("", Form),
            ("4", Form),
            ("4=60x,5", Form),
            ("4,rest=60x", Form),
            ("rest", Form),
            ("P4=60x", Form),
            ("5-4=60x", Form),
            ("+4=60x", Form),
            ("4=60", Multiplier("60".into())),
            ("4=x", Multiplier("x".into())),
            ("4=0x", Multiplier("0x".into())),
            ("4=6000x", Multiplier("6000x".into())),
            ("4=57.5x", Between("57.5".into(), 58)),
            ("4=57.25x", Between("57.25".into(), 57)),
            ("4=5.x", Multiplier("5.x".into())),
            ("4=57. 5x", Multiplier("57. 5x".into())),
            ("4=.5x", Multiplier(".5x".into())),
            ("4=0.4x", Multiplier("0.4x".into())),
            ("4=999.5x", Multiplier("999.5x".into())),
            ("4=60x=61x", Multiplier("60x=61x".into())),
            ("rest=60x,rest=57x", TwoRests),
            ("4=60x,4=57x", Twice(4)),
            ("3-4,4=60x", Twice(4)),
            ("9=60x", NotTested(9)),
            ("0-4294967295=60x", NotTested(6)),
            ("0-5=60x,rest=57x", NoRest),
        ] {
            assert_eq!(of(text, &[0, 1, 2, 3, 4, 5]), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_is_refused_without_a_panic(text in "[0-9,=xrest -]{0,30}") {
            let _ = of(&text, &[0, 1]);
        }
    }
}

//! A profile of one's own: a small TOML file whose keys mean what the options of `oddcore run` mean.

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};

use super::{Expect, Load, Morning, MorningError, glob, parse_duration};
use crate::platform::Priority;

/// Names that are taken.
const RESERVED: [&str; 6] = ["quick", "standard", "overnight", "drill", "tune", "exec"];
/// The keys there are.
const KEYS: &str = "name, for, until, cores, kernels, loads, expect, seed, image, beside, priority, lower-on-finding, \
                    morning";
/// The longest name.
const NAME_CHARS_MAX: usize = 32;

/// What a profile asks for; what it leaves open is as without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What the run is called in its journal and report.
    pub name: String,
    /// `--for`, in seconds.
    pub seconds: Option<f64>,
    /// `--until`, in seconds.
    pub until_s: Option<f64>,
    /// `--cores`; which ones there are only the machine can tell.
    pub cores: Option<String>,
    /// `--kernels`, each of which fits one at least.
    pub kernels: Option<Vec<String>>,
    /// `--loads`; which of them can be had only the machine can tell.
    pub loads: Option<Vec<String>>,
    /// `--expect`; which cores there are only the machine can tell.
    pub expect: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--image`, once for each; a path that is not absolute is relative to the file.
    pub images: Option<Vec<String>>,
    /// `--beside`.
    pub beside: Option<String>,
    /// `--priority`.
    pub priority: Option<Priority>,
    /// `--lower-on-finding`.
    pub lower_on_finding: Option<bool>,
    /// `--morning`.
    pub morning: Option<Morning>,
}

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML.
    #[error("line {line}: not TOML: {why}")]
    NotToml {
        /// From 1.
        line: usize,
        /// What the parser said.
        why: String,
    },
    /// A key that means nothing.
    #[error("line {line}: {key}: no such key; there are: {KEYS}")]
    Key {
        /// From 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A value that the key cannot have.
    #[error("line {line}: {key}: {why}")]
    Value {
        /// From 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is wrong with it and what it may be.
        why: String,
    },
    /// No name.
    #[error("no name; give it one, such as name = \"my-night\"")]
    NoName,
}

impl Profile {
    /// Reads the text of a profile.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let line_at = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| ProfileError::NotToml {
            line: line_at(error.span().map_or(0, |span| span.start)),
            why: one_line(error.message()),
        })?;
        let mut profile = Self::default();
        for (key, value) in table.get_ref() {
            let line = line_at(key.span().start);
            let Some((key, set)) = setter(key.get_ref()) else {
                return Err(ProfileError::Key { line, key: one_line(key.get_ref()) });
            };
            set(&mut profile, value.get_ref()).map_err(|why| ProfileError::Value { line, key, why: one_line(&why) })?;
        }
        if profile.name.is_empty() { Err(ProfileError::NoName) } else { Ok(profile) }
    }
}

/// Puts a value where it belongs, or says what it may be.
type Setter = fn(&mut Profile, &DeValue) -> Result<(), String>;

fn setter(key: &str) -> Option<(&'static str, Setter)> {
    Some(match key {
        "name" => ("name", |profile, value| {
            profile.name = name(value)?;
            Ok(())
        }),
        "for" => ("for", |profile, value| {
            profile.seconds = Some(length(value)?);
            Ok(())
        }),
        "until" => ("until", |profile, value| {
            profile.until_s = Some(length(value)?);
            Ok(())
        }),
        "cores" => ("cores", |profile, value| {
            profile.cores = Some(cores(value)?);
            Ok(())
        }),
        "kernels" => ("kernels", |profile, value| {
            profile.kernels = Some(list(value, "[\"gemm-*\"]", kernel)?);
            Ok(())
        }),
        "loads" => ("loads", |profile, value| {
            profile.loads = Some(list(value, "[\"solo\"]", load)?);
            Ok(())
        }),
        "expect" => ("expect", |profile, value| {
            profile.expect = Some(expect(value)?);
            Ok(())
        }),
        "seed" => ("seed", |profile, value| {
            profile.seed = Some(seed(value)?);
            Ok(())
        }),
        "image" => ("image", |profile, value| {
            profile.images = Some(list(value, "[\"picture.png\"]", image)?);
            Ok(())
        }),
        "beside" => ("beside", |profile, value| {
            profile.beside = Some(beside(value)?);
            Ok(())
        }),
        "priority" => ("priority", |profile, value| {
            profile.priority = Some(priority(value)?);
            Ok(())
        }),
        "lower-on-finding" => ("lower-on-finding", |profile, value| {
            let must = || "must be true or false, without quotes".to_owned();
            profile.lower_on_finding = Some(value.as_bool().ok_or_else(must)?);
            Ok(())
        }),
        "morning" => ("morning", |profile, value| {
            profile.morning = Some(morning(value)?);
            Ok(())
        }),
        _ => return None,
    })
}

fn name(value: &DeValue) -> Result<String, String> {
    let must = || format!("must be 1 to {NAME_CHARS_MAX} of a-z, 0-9 and -, such as \"my-night\"");
    let name = value.as_str().ok_or_else(must)?;
    if RESERVED.contains(&name) {
        return Err(format!("{name} is a name of oddcore's own; choose another"));
    }
    let fits = name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
    if fits && (1..=NAME_CHARS_MAX).contains(&name.len()) { Ok(name.to_owned()) } else { Err(must()) }
}

fn length(value: &DeValue) -> Result<f64, String> {
    let text = value.as_str().ok_or("must be a length of time in quotes, such as \"8h\"")?;
    parse_duration(text).map_err(|error| format!("{text}: {error}"))
}

fn cores(value: &DeValue) -> Result<String, String> {
    let text = value
        .as_str()
        .filter(|text| !text.is_empty() && text.chars().all(|c| matches!(c, '0'..='9' | ',' | '-' | '!' | ' ')));
    text.map(str::to_owned)
        .ok_or_else(|| "must be indexes in quotes, such as \"0-7,!4\"; `oddcore cores` shows them".into())
}

fn expect(value: &DeValue) -> Result<String, String> {
    let text = value.as_str().ok_or("must be cores and multipliers in quotes, such as \"4,5=60x,rest=57x\"")?;
    Expect::parse(text).map(|_| text.to_owned()).map_err(|error| format!("{text}: {error}"))
}

fn list<T>(value: &DeValue, like: &str, each: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let must = || format!("must be a list of texts, such as {like}");
    let items = value.as_array().filter(|items| !items.is_empty()).ok_or_else(must)?;
    items.iter().map(|item| each(item.get_ref().as_str().ok_or_else(must)?)).collect()
}

fn kernel(pattern: &str) -> Result<String, String> {
    let names = || oddcore_kernels::all().iter().map(|kernel| kernel.name());
    if names().any(|name| glob(pattern, name)) {
        Ok(pattern.to_owned())
    } else {
        Err(format!("{pattern}: no such kernel; there are: {}", names().collect::<Vec<_>>().join(", ")))
    }
}

fn load(name: &str) -> Result<String, String> {
    if Load::meant_by(name).is_empty() {
        return Err(format!("{name}: no such load; there are: {}", Load::names()));
    }
    Ok(name.to_owned())
}

fn image(path: &str) -> Result<String, String> {
    // No path of any system has a NUL in it.
    if path.is_empty() || path.contains('\0') {
        return Err("must be the paths of PNG pictures".into());
    }
    Ok(path.to_owned())
}

fn beside(value: &DeValue) -> Result<String, String> {
    // A NUL ends what a shell is given.
    let text = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| "must be a line for the shell in quotes, such as \"python3 batch.py\"".into())
}

fn priority(value: &DeValue) -> Result<Priority, String> {
    let named = |name: &str| Priority::value_variants().iter().copied().find(|priority| priority.name() == name);
    value.as_str().and_then(named).ok_or_else(|| "must be \"normal\", \"low\" or \"idle\"".into())
}

fn morning(value: &DeValue) -> Result<Morning, String> {
    let text = value.as_str().ok_or("must be a time of day in quotes, such as \"07:00\", or \"off\"")?;
    text.parse().map_err(|error: MorningError| format!("{text}: {error}"))
}

fn seed(value: &DeValue) -> Result<u64, String> {
    let number = match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(text) => parse_seed(text),
        _ => None,
    };
    number.ok_or_else(|| SEED_FORM.into())
}

/// What a seed may be.
pub const SEED_FORM: &str = "a seed is a whole number of up to 64 bits, decimal or 0x...";

/// A seed, decimal or hexadecimal.
pub fn parse_seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// With control characters as escapes, and not without end: what a file says goes to a terminal.
fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    let escaped = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    let mut line: String = text.chars().take(CHARS_MAX).map(escaped).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = r#"
            # a comment
            name = "my-night"
            for = "8h"
            until = "1h30m"
            cores = "0-7,!4"
            kernels = ["gemm-*", "resize-lanczos-u8"]
            loads = ["together", "active-n"]
            expect = "4,5=60x,rest=57x"
            seed = 0xffff_ffff_ffff_ffff
            image = ["a.png", "/b.png"]
            beside = "glmark2 --run-forever"
            priority = "low"
            lower-on-finding = true
            morning = "06:30"
        "#;
        let profile = Profile {
            name: "my-night".into(),
            seconds: Some(28_800.0),
            until_s: Some(5400.0),
            cores: Some("0-7,!4".into()),
            kernels: Some(vec!["gemm-*".into(), "resize-lanczos-u8".into()]),
            loads: Some(vec!["together".into(), "active-n".into()]),
            expect: Some("4,5=60x,rest=57x".into()),
            seed: Some(u64::MAX),
            images: Some(vec!["a.png".into(), "/b.png".into()]),
            beside: Some("glmark2 --run-forever".into()),
            priority: Some(Priority::Low),
            lower_on_finding: Some(true),
            morning: "06:30".parse().ok(),
        };
        assert_eq!(Profile::parse(text), Ok(profile));
        let bare = Profile { name: "x".into(), ..Profile::default() };
        assert_eq!(Profile::parse("name = 'x'"), Ok(bare.clone()));
        for seed in ["7", "'7'", "'0x7'", "0x7", "0b111", "1_0 # ten"] {
            let profile = Profile::parse(&format!("name = 'x'\nseed = {seed}")).expect(seed);
            assert_eq!(profile, Profile { seed: Some(if seed.contains("ten") { 10 } else { 7 }), ..bare.clone() });
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        for (text, says) in [
            ("", "no name"),
            ("name = ''", "line 1: name: must be 1 to 32"),
            ("name = 'Night'", "line 1: name: must be"),
            ("name = 'a/../b'", "line 1: name: must be"),
            ("name = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "line 1: name: must be"),
            ("name = 'quick'", "line 1: name: quick is a name of oddcore's own"),
            ("name = 5", "line 1: name: must be"),
            ("name = 'x'\nfor = 90", "line 2: for: must be a length of time in quotes"),
            ("name = 'x'\n\nuntil = '10 apples'", "line 3: until: 10 apples: not a length of time; write 90s"),
            ("for = '2y'", "line 1: for: 2y: not a length"),
            ("for = '0s'", "line 1: for: 0s: must be longer than zero"),
            ("cores = [0]", "line 1: cores: must be indexes in quotes"),
            ("cores = 'one'", "line 1: cores: must be indexes"),
            ("kernels = 'gemm-*'", "line 1: kernels: must be a list of texts, such as [\"gemm-*\"]"),
            ("kernels = []", "line 1: kernels: must be a list"),
            ("kernels = ['gemm-*', 'gemm-u9']", "line 1: kernels: gemm-u9: no such kernel; there are: gemm-u8s8-i32"),
            ("kernels = ['gemm-*,gemm-f32']", "no such kernel"),
            ("loads = ['heavy']", "line 1: loads: heavy: no such load; there are: solo"),
            ("loads = [1]", "line 1: loads: must be a list of texts"),
            ("expect = 60", "line 1: expect: must be cores and multipliers in quotes"),
            ("expect = '4=60'", "line 1: expect: 4=60: 60: a multiplier is a whole number"),
            ("expect = '4'", "line 1: expect: 4: write cores and their multiplier like"),
            ("seed = -1", "line 1: seed: a seed is a whole number"),
            ("seed = 0x1_ffff_ffff_ffff_ffff", "line 1: seed: a seed is"),
            ("seed = 1.5", "line 1: seed: a seed is"),
            ("image = ['']", "line 1: image: must be the paths"),
            ("image = [\"a\\u0000\"]", "line 1: image: must be the paths"),
            ("beside = ' '", "line 1: beside: must be a line for the shell"),
            ("priority = 'high'", "line 1: priority: must be \"normal\", \"low\" or \"idle\""),
            ("lower-on-finding = 'true'", "line 1: lower-on-finding: must be true or false"),
            ("morning = 7", "line 1: morning: must be a time of day in quotes"),
            ("morning = '7 am'", "line 1: morning: 7 am: not a time of day; write 07:00, or off"),
            ("name = 'x'\nfro = '8h'", "line 2: fro: no such key; there are: name, for, until"),
            ("\"a\\nb\" = 1", "line 1: a\\nb: no such key"),
            ("[name]", "line 1: name: must be"),
            ("name = 'x'\nname = 'y'", "line 2: not TOML: duplicate key"),
            ("name = 'x'\nfor = 8h", "line 2: not TOML"),
            ("name", "line 1: not TOML"),
            ("\u{1b}[2J", "line 1: not TOML"),
        ] {
            let error = Profile::parse(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text:?}: {error}");
            assert!(!error.contains(char::is_control), "{text:?}: {error:?}");
        }
    }
}

//! What a finding says. The fields are those of the report's schema, so a journal and a report agree word for word.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::machine::slip;

/// A number shown in hexadecimal in JSON: `"0x2a"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hex(pub u64);

impl Hex {
    /// With as many digits as the longer of two others has: what they differ in, bit below bit.
    pub fn as_wide_as(self, [one, other]: [Self; 2]) -> String {
        let digits = format!("{:x}", one.0.max(other.0)).len();
        format!("{:#0width$x}", self.0, width = digits + 2)
    }
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("no 0x"))?;
        u64::from_str_radix(digits, 16).map(Self).map_err(D::Error::custom)
    }
}

/// What kind of wrong it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A result differs from the reference although input and reference are sound.
    Miscompute,
    /// The input was right when made and is wrong now.
    CorruptInput,
    /// The reference was right when kept and is wrong now.
    CorruptReference,
    /// Two looks at the same two buffers do not agree.
    Comparison,
    /// The worker died of its own doing.
    Crash,
    /// CPU time passes without progress, or a sleep does not end.
    Hang,
    /// The hardware reported an error of its own.
    MachineCheck,
    /// The machine froze or reset while this core was under load.
    LostToReset,
}

impl Class {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Miscompute => "miscompute",
            Self::CorruptInput => "corrupt-input",
            Self::CorruptReference => "corrupt-reference",
            Self::Comparison => "comparison",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::MachineCheck => "machine-check",
            Self::LostToReset => "lost-to-reset",
        }
    }
}

/// Whether the same work goes wrong again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// The same work, done again on the same core, was right.
    Transient,
    /// It went wrong again.
    Repeatable,
    /// Not looked at, or not answered.
    Unknown,
}

/// One thing that went wrong, stamped where it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Number within the run; an amendment names it.
    pub id: u64,
    /// The core blamed, or `None` where the evidence cannot say.
    pub core: Option<u32>,
    /// Where no core is blamed: those that may have done it. Empty: no core, but the program or a common defect.
    pub suspects: Vec<u32>,
    /// The CPU that the worker read back from the OS.
    pub cpu: Option<u32>,
    /// What kind of wrong.
    pub class: Class,
    /// Whether it went wrong again.
    pub repeat: Repeat,
    /// Kernel, or `None` outside of one.
    pub kernel: Option<String>,
    /// The variant that ran.
    pub variant: Option<String>,
    /// The load it ran under.
    pub load: String,
    /// The seed that makes the same input again.
    pub seed: Option<Hex>,
    /// How many iterations this worker thread had done.
    pub iteration: Option<u64>,
    /// The stage of the kernel.
    pub stage: Option<String>,
    /// Coordinates of the first wrong element, row-major.
    pub element: Vec<u64>,
    /// The right bits of that element.
    pub expected: Option<Hex>,
    /// The bits that were computed.
    pub actual: Option<Hex>,
    /// Which bits differ.
    pub xor: Option<Hex>,
    /// How many elements are wrong.
    pub wrong_elements: Option<u64>,
    /// The clock of the core at the finding, where it could be measured.
    pub clock_mhz: Option<f64>,
    /// The clock as a multiple of the base clock.
    pub multiplier: Option<u32>,
    /// Seconds since the run began.
    pub seconds_in: f64,
    /// In words: what was seen, what the investigation found.
    pub detail: String,
    /// The digest of the wrong output: two cores with the same one share a defect.
    pub output_digest: Option<Hex>,
    /// Where the input came from.
    pub source: Option<crate::worker::protocol::Source>,
    /// The signal that ended the worker, for a crash.
    pub signal: Option<i32>,
    /// How long after the check failed it was on the screen, in milliseconds.
    #[serde(default)]
    pub shown_after_ms: Option<f64>,
    /// What came of doing the work again, once it was looked into.
    #[serde(default)]
    pub again: Option<Again>,
}

/// What came of doing a finding's work again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// On the same core.
    pub same: Option<Tally>,
    /// On other cores; empty where there are none, or where earlier findings of the kind had settled whose they are.
    pub others: Vec<Tally>,
    /// The scalar reference, on the same core and in the same buffers, then on another.
    pub scalar: Vec<Tally>,
}

/// How often one core did work again, and got it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The core.
    pub core: u32,
    /// How often.
    pub times: u32,
    /// How often it was wrong, input or output.
    pub wrong: u32,
    /// How often of these the input was not right any more at the end: made wrong or changed where it lay, so that the output
    /// says nothing.
    #[serde(default)]
    pub wrong_inputs: u32,
    /// Whether the worker died or hung of it; then it was tried once.
    pub died: bool,
}

impl Tally {
    /// Whether it was right every time.
    pub fn right(&self) -> bool {
        self.wrong == 0 && !self.died
    }

    /// Whether the work itself went wrong: a right input gave a wrong output, or ended the worker.
    pub fn erred(&self) -> bool {
        self.wrong > self.wrong_inputs || self.died
    }
}

impl Finding {
    /// Whether it is of what a core does beside a kernel's work: measuring its clock, waiting.
    pub fn is_beside_kernel(&self) -> bool {
        self.stage.as_deref().is_some_and(slip::is_stage)
    }

    /// A finding of `core` of which nothing else is known.
    pub fn blank(core: u32, class: Class, load: String, seconds_in: f64) -> Self {
        Self {
            id: 0,
            core: Some(core),
            suspects: Vec::new(),
            cpu: None,
            class,
            repeat: Repeat::Unknown,
            kernel: None,
            variant: None,
            load,
            seed: None,
            iteration: None,
            stage: None,
            element: Vec::new(),
            expected: None,
            actual: None,
            xor: None,
            wrong_elements: None,
            clock_mhz: None,
            multiplier: None,
            seconds_in,
            detail: String::new(),
            output_digest: None,
            source: None,
            signal: None,
            shown_after_ms: None,
            again: None,
        }
    }
}

/// ` at [3, 19]`; nothing where there is but one.
pub fn at(element: &[u64]) -> String {
    if element.is_empty() { String::new() } else { format!(" at {element:?}") }
}

/// Where in an output a finding is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The stage of the kernel.
    pub stage: String,
    /// Coordinates of the first wrong element, row-major.
    pub element: Vec<u64>,
    /// The right bits of that element.
    pub expected: Hex,
    /// The bits that were computed.
    pub actual: Hex,
    /// How many elements are wrong.
    pub wrong_elements: u64,
}

/// What became known of a finding later: its place, or what its investigation changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// Which finding.
    pub id: u64,
    /// The core blamed from now on.
    pub core: Option<u32>,
    /// The suspects from now on.
    pub suspects: Vec<u32>,
    /// Whether it repeats.
    pub repeat: Repeat,
    /// Added to the detail.
    pub detail: String,
    /// Where it is, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// See [`Finding::shown_after_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_after_ms: Option<f64>,
    /// What came of doing the work again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

impl Amendment {
    /// One that changes nothing yet.
    pub fn of(finding: &Finding) -> Self {
        Self {
            id: finding.id,
            core: finding.core,
            suspects: finding.suspects.clone(),
            repeat: finding.repeat,
            detail: String::new(),
            place: None,
            shown_after_ms: None,
            again: None,
        }
    }

    /// Changes the finding.
    pub fn apply(&self, finding: &mut Finding) {
        finding.core = self.core;
        finding.suspects.clone_from(&self.suspects);
        finding.repeat = self.repeat;
        if !finding.detail.is_empty() && !self.detail.is_empty() {
            finding.detail.push_str("; ");
        }
        finding.detail.push_str(&self.detail);
        if let Some(place) = &self.place {
            finding.stage = Some(place.stage.clone());
            finding.element.clone_from(&place.element);
            finding.expected = Some(place.expected);
            finding.actual = Some(place.actual);
            finding.xor = Some(Hex(place.expected.0 ^ place.actual.0));
            finding.wrong_elements = Some(place.wrong_elements);
        }
        finding.shown_after_ms = self.shown_after_ms.or(finding.shown_after_ms);
        if self.again.is_some() {
            finding.again.clone_from(&self.again);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A finding of `core` under solo, with nothing known but that a block saw it.
    pub fn finding(core: u32, class: Class) -> Finding {
        Finding {
            kernel: Some("gemm-f32".into()),
            variant: Some("avx2".into()),
            seed: Some(Hex(1)),
            iteration: Some(1),
            source: Some(crate::worker::protocol::Source::Golden),
            ..Finding::blank(core, class, "solo".into(), 1.0)
        }
    }

    #[test]
    fn what_differs_is_as_wide_as_that_which_does() {
        let values = [Hex(0xbf2e_4c00), Hex(0xb88e_8c00)];
        assert_eq!(Hex(0x07a0_c000).as_wide_as(values), "0x07a0c000");
        assert_eq!(Hex(0x8000).as_wide_as([Hex(0x2a), Hex(0x802a)]), "0x8000");
        assert_eq!(Hex(0).as_wide_as([Hex(0); 2]), "0x0");
    }
}

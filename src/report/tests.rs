//! Made-up reports for the tests of what is written about them.

use super::{Checked, CoreReport, EvidenceReport, Multiplier, Report, SCHEMA};
use crate::{
    machine::{self, Root},
    verdict::{CoreVerdict, Hex, Pass, catches_every_s, sentence},
};

/// A report on so many cores, each with these passes: multiplier, load, seconds, errors.
pub fn report(cores: u32, passes: impl Fn(u32) -> Vec<(Option<u32>, &'static str, f64, u64)>) -> Report {
    let nothing = tempfile::tempdir().expect("a folder");
    let machine = machine::read(&Root::at(nothing.path()), &(0..cores).collect::<Vec<_>>()).expect("a machine");
    let pass = |(multiplier, load, seconds, findings): (Option<u32>, &str, f64, u64)| Pass {
        multiplier,
        load: load.to_owned(),
        seconds,
        operations: (seconds * 1e9) as u64,
        findings,
        catches_every_s: catches_every_s(seconds, findings),
        sentence: sentence(multiplier, load, seconds, findings),
    };
    let core = |core: &machine::Core| CoreReport {
        core: core.core,
        os_id: core.os_id,
        label: core.label.clone(),
        cpus: core.cpus.clone(),
        kind: core.kind,
        verdict: CoreVerdict::Pass,
        reason: None,
        clock_mhz: None,
        multiplier: Multiplier::default(),
        checked: Checked::default(),
        evidence: Vec::new(),
        passes: passes(core.core).into_iter().map(pass).collect(),
        kernels: Vec::new(),
        throttled: None,
        corrected_errors: 0,
        diagnosis: None,
        waits: Vec::new(),
        inside: Vec::new(),
    };
    Report {
        schema: SCHEMA.to_owned(),
        version: "0".into(),
        run: "made-up".into(),
        profile: "quick".into(),
        seed: Hex(1),
        drill: false,
        started: "2026-01-01T00:00:00Z".into(),
        ended: Some("2026-01-01T00:01:02Z".into()),
        verdict: "pass".into(),
        exit_code: 0,
        cores: machine.cores.iter().map(core).collect(),
        machine,
        findings: Vec::new(),
        hottest: Vec::new(),
        others_active: Vec::new(),
        supervisor_cpu_s: None,
        supervisor_share: None,
        sensors: Vec::new(),
        beside: None,
        interruptions: Vec::new(),
        open_step: None,
        program: None,
        advice: Vec::new(),
        notes: Vec::new(),
        hardware_errors: 0,
        unfit: None,
    }
}

/// Evidence of work alone: multiplier, instruction set, seconds.
pub fn evidence(parts: &[(u32, &str, f64)]) -> Vec<EvidenceReport> {
    let part = |&(multiplier, isa, seconds): &(u32, &str, f64)| EvidenceReport {
        multiplier: Some(multiplier),
        load: "solo".into(),
        footprint: "L2".into(),
        isa: isa.into(),
        seconds,
        iterations: 1,
        operations: 1,
        findings: 0,
        catches_every_s: catches_every_s(seconds, 0),
    };
    parts.iter().map(part).collect()
}

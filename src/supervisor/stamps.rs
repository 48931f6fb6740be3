//! Findings as workers tell them: bound to their core, booked, on the screen at once, placed later.
//!
//! Architecture invariant: a finding is on the disk before it is on the screen. What was told while the disk was busy shares
//! the next sync, so that many findings wait for two syncs at most, not for one each.

use std::collections::BTreeMap;

use super::{Finding, MS, Supervisor, crew::Member, host::ROVER};
use crate::{
    journal::Record,
    verdict::{Amendment, Place},
    worker::protocol::Stamp,
};

/// So many events are taken in before what they told is booked.
const BATCH: usize = 256;

/// What workers have told and is not booked yet.
#[derive(Default)]
pub(super) struct Told {
    findings: Vec<Stamped>,
    places: Vec<(u32, u64, Option<Place>)>,
}

struct Stamped {
    /// Whose process told it.
    core: u32,
    finding: Finding,
    /// The worker's number of it.
    number: u64,
    at_ns: u64,
}

impl Supervisor<'_> {
    /// Waits for an event; deals with it and with all that came meanwhile.
    pub(super) fn hear_next(&mut self, wait_ns: u64) {
        let mut wait_ns = wait_ns;
        for _ in 0..BATCH {
            let Some(event) = self.host.next_event(wait_ns) else { break };
            self.handle(event);
            wait_ns = 0;
        }
        self.book_stamps();
    }

    /// Binds what a worker stamped to the core whose process sent it.
    pub(super) fn take_stamp(&mut self, core: u32, stamp: Stamp) {
        let mut finding = self.blank_finding(core, stamp.class, stamp.at_ns);
        finding.cpu = stamp.cpu;
        finding.kernel = Some(stamp.kernel);
        finding.variant = Some(stamp.variant);
        finding.seed = Some(stamp.case.seed);
        finding.source = Some(stamp.case.source);
        finding.iteration = Some(stamp.iteration);
        finding.stage = stamp.stage;
        finding.clock_mhz = stamp.clock_mhz;
        finding.multiplier = stamp.clock_mhz.map(|mhz| (mhz / self.run.machine.bclk_mhz).round() as u32);
        finding.output_digest = stamp.output;
        finding.detail = stamp.detail;
        let own = &self.crew[&core].core.testable;
        let at_home = stamp.cpu.is_none_or(|cpu| own.contains(&cpu)) && stamp.affinity.iter().all(|c| own.contains(c));
        if !at_home || stamp.affinity.is_empty() {
            // Somebody moved the thread: the result may be another core's.
            self.accuse_all(&mut finding);
            if core != ROVER {
                finding.core = None;
                finding.suspects = vec![core];
            }
            if !finding.detail.is_empty() {
                finding.detail.push_str("; ");
            }
            finding.detail += "the worker was found outside of its core, so that another core may have computed this";
        }
        if core == ROVER && at_home {
            self.accuse_those(&mut finding, &stamp.roamed.unwrap_or_default());
        }
        if let Some(other) = stamp.from.and_then(|cpu| core_of(&self.crew, cpu)) {
            finding.core = None;
            finding.suspects = vec![other, core];
            finding.suspects.dedup();
        }
        self.told.findings.push(Stamped { core, finding, number: stamp.number, at_ns: stamp.at_ns });
    }

    /// The place of a finding that this worker told before.
    pub(super) fn take_place(&mut self, core: u32, number: u64, place: Option<Place>) {
        self.told.places.push((core, number, place));
    }

    /// Books what was told: all findings with one sync, then shows them, then places them.
    pub(super) fn book_stamps(&mut self) {
        let Told { findings, places } = std::mem::take(&mut self.told);
        let mut booked = Vec::new();
        for Stamped { core, finding, number, at_ns } in findings {
            let bound_to = if core == ROVER { finding.core.unwrap_or(ROVER) } else { core };
            if let Some(finding) = self.number(bound_to, finding) {
                self.to_investigate.push_back(finding.id);
                self.crew.entry(core).and_modify(|member| member.place_of(number, finding.id));
                booked.push((finding.id, at_ns, Record::Finding(Box::new(finding))));
            }
        }
        for (n, (_, _, record)) in booked.iter().enumerate() {
            self.enter(record, n + 1 == booked.len());
        }
        for (id, at_ns, record) in booked {
            self.show(&record);
            self.note_delay(id, at_ns);
        }
        let placed: Vec<Record> = places.into_iter().filter_map(|place| self.placed(place)).collect();
        for (n, record) in placed.iter().enumerate() {
            self.enter(record, n + 1 == placed.len());
        }
        placed.iter().for_each(|record| self.show(record));
    }

    fn placed(&mut self, (core, number, place): (u32, u64, Option<Place>)) -> Option<Record> {
        let id = self.crew.get_mut(&core)?.placed(number)?;
        let mut amendment = Amendment::of(self.outcome.findings.iter().find(|finding| finding.id == id)?);
        if place.is_none() {
            let text = "the digest of the output is wrong; the scalar reference on this core could not place it";
            amendment.detail = text.into();
        }
        amendment.place = place;
        Some(Record::Amended(amendment))
    }

    /// How soon a finding was on the screen. Neither synced nor shown: what a loss of power takes of it is a detail.
    pub(super) fn note_delay(&mut self, id: u64, at_ns: u64) {
        let Some(finding) = self.outcome.findings.iter().find(|finding| finding.id == id) else { return };
        let mut amendment = Amendment::of(finding);
        amendment.shown_after_ms = Some(self.clock.now_ns().saturating_sub(at_ns) as f64 / MS as f64);
        self.enter(&Record::Amended(amendment), false);
    }
}

/// The core that a CPU is of.
pub(super) fn core_of(crew: &BTreeMap<u32, Member>, cpu: u32) -> Option<u32> {
    let cores = crew.iter().filter(|&(&core, _)| core != ROVER);
    cores.map(|(_, member)| &member.core).find(|core| core.cpus.contains(&cpu)).map(|core| core.core)
}

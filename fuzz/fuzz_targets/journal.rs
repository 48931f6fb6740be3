//! Journals: whatever can be read can be folded, reported and shown, and its report is JSON that reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oddcore::{
    journal,
    report::{Report, compare::Comparison, html, junit, markdown, prometheus, text, timeline::Timeline},
    verdict::Outcome,
};
use oddcore_fuzz::framed;

/// A plan may ask for a year of steps; that many are as good as all.
const STEPS_MAX: usize = 256;

fuzz_target!(|data: &[u8]| {
    for bytes in [data, &framed(data)] {
        let Ok(read) = journal::read_from("fuzz", bytes) else { continue };
        let outcome = Outcome::of(&read.records);
        let run = outcome.run.as_ref().expect("a journal that reads has an opening record");
        run.plan.steps(&run.machine).take(STEPS_MAX).for_each(drop);
        let report = Report::of(&outcome).expect("a journal that reads has an opening record");
        assert!(!text::render(&report).is_empty());
        assert!(html::of(&outcome, &Timeline::of(&read.records)).is_some());
        for rendered in [junit::render(&report), markdown::render(&report), prometheus::render(&report)] {
            assert!(!rendered.is_empty());
        }
        assert!(!Comparison::of(&report, &report).text().is_empty());
        let json = serde_json::to_string(&report).expect("a report is JSON");
        serde_json::from_str::<Report>(&json).expect("and reads back");
    }
});

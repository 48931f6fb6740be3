//! The command that does a finding's work again.

use super::Report;
use crate::{plan::Load, verdict::Finding, worker::protocol::Source};

/// How to do it again, one command a line; `None` where the finding names no work.
pub fn command(report: &Report, finding: &Finding) -> Option<String> {
    let kernel = finding.kernel.as_deref()?;
    if let Some(program) = &report.program {
        return Some(program.on_every_core(Load::named(&finding.load), "10m", ""));
    }
    match (finding.source, finding.seed) {
        (Some(Source::Golden), Some(seed)) if !finding.is_beside_kernel() => {
            // On the CPU that erred, or it says nothing of its core.
            let on = match finding.cpu {
                Some(cpu) if report.machine.os.starts_with("Linux") => format!("taskset -c {cpu} "),
                _ => String::new(),
            };
            let variant = finding.variant.as_ref().map_or_else(String::new, |variant| format!(" --variant {variant}"));
            Some(format!("{on}oddcore kernel {kernel} --seed {seed}{variant}"))
        }
        _ => {
            let cores: Vec<u32> = finding.core.map_or_else(|| finding.suspects.clone(), |core| vec![core]);
            let cores = if cores.is_empty() {
                String::new()
            } else {
                format!(" --cores {}", super::names_list(report, &cores))
            };
            let load = Load::named(&finding.load).map_or_else(String::new, |load| format!(" --loads {}", load.name()));
            Some(format!("oddcore run{cores} --kernels {kernel}{load} --seed {} --for 10m", report.seed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Program, shell_word};
    use crate::verdict::{Class, Hex, finding::tests::finding};

    #[test]
    fn a_golden_input_is_replayed_alone_and_anything_else_by_a_run() {
        let mut report = crate::report::tests::report(2, |_| vec![]);
        report.machine.os = "Linux 6.1".into();
        let golden = Finding { cpu: Some(1), seed: Some(Hex(0x2a)), ..finding(1, Class::Miscompute) };
        let said = "taskset -c 1 oddcore kernel gemm-f32 --seed 0x2a --variant avx2";
        assert_eq!(command(&report, &golden).as_deref(), Some(said));
        report.machine.os = "Windows".into();
        assert_eq!(command(&report, &golden).as_deref(), Some(&said[13..]));
        let slip = Finding { stage: Some(crate::machine::slip::WAIT.into()), ..golden };
        let said = "oddcore run --cores C1 --kernels gemm-f32 --loads solo --seed 0x1 --for 10m";
        assert_eq!(command(&report, &slip).as_deref(), Some(said));
        let fresh = Finding { source: Some(Source::Fresh), ..finding(1, Class::Crash) };
        assert_eq!(command(&report, &fresh).as_deref(), Some(said));
        // Nobody can differ from himself: all cores run a program again.
        let words = ["python3", "a b.py", "{dir}/x"].map(str::to_owned).to_vec();
        report.program = Some(Program { argv: words, folder: "/".into(), files: vec!["x".into()], exit: 3 });
        let [spaced, braced] = ["a b.py", "{dir}/x"].map(shell_word);
        let said = format!("oddcore exec --loads solo --files x --exit 3 --for 10m -- python3 {spaced} {braced}");
        assert_eq!(command(&report, &fresh), Some(said));
        report.program = None;
        let nowhere = Finding::blank(1, Class::LostToReset, "solo".into(), 1.0);
        assert_eq!(command(&report, &nowhere), None);
    }
}

//! The report in Prometheus' text format, for node_exporter's textfile collector. Written here rather than by a client library: those
//! write OpenMetrics, which that collector does not read.

use std::fmt::Write as _;

use super::{CoreReport, Report, meaning::short, tested::Tested, text::errors};
use crate::verdict::CoreVerdict;

/// Verdicts, each a series of 0 or 1.
const VERDICTS: [CoreVerdict; 5] =
    [CoreVerdict::Pass, CoreVerdict::Fail, CoreVerdict::Suspect, CoreVerdict::NotProven, CoreVerdict::NotTested];

/// A file in the making.
#[derive(Default)]
struct Metrics {
    out: String,
}

impl Metrics {
    /// One metric, all its series together; nothing where there are none.
    fn gauge(&mut self, name: &str, help: &str, series: Vec<(Vec<(&str, String)>, f64)>) {
        if series.is_empty() {
            return;
        }
        let _ = writeln!(self.out, "# HELP oddcore_{name} {help}\n# TYPE oddcore_{name} gauge");
        for (labels, value) in series {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.out, "oddcore_{name}{labels} {value}");
        }
    }
}

/// The whole file.
pub fn render(report: &Report) -> String {
    let mut metrics = Metrics::default();
    let alone = |value: f64| vec![(Vec::new(), value)];
    let about = vec![
        ("version", report.version.clone()),
        ("run", report.run.clone()),
        ("profile", report.profile.clone()),
        ("cpu", report.machine.cpu.clone()),
        ("microcode", report.machine.microcode.clone().unwrap_or_default()),
    ];
    metrics.gauge("run_info", "What was run; always 1.", vec![(about, 1.0)]);
    metrics.gauge("run_drill", "1 if a fault was injected on purpose.", alone(f64::from(u8::from(report.drill))));
    metrics.gauge(
        "run_exit_code",
        "0 pass, 1 a core failed, 2 no verdict, 3 undecided.",
        alone(f64::from(report.exit_code)),
    );
    let seconds = |at: &str| at.parse::<jiff::Timestamp>().ok().map(|at| at.as_second() as f64);
    let started = seconds(&report.started).into_iter().flat_map(alone).collect();
    metrics.gauge("run_started_timestamp_seconds", "When the run began.", started);
    let ended = report.ended.as_deref().and_then(seconds).into_iter().flat_map(alone).collect();
    metrics.gauge("run_ended_timestamp_seconds", "When the run ended; absent if it has not.", ended);
    metrics.gauge("run_interruptions", "Breaks in the run.", alone(report.interruptions.len() as f64));

    let core = |core: &CoreReport| vec![("core", core.core.to_string()), ("name", short(report, core).to_owned())];
    let each = |value: &dyn Fn(&CoreReport) -> Option<f64>| -> Vec<_> {
        report.cores.iter().filter_map(|one| Some((core(one), value(one)?))).collect()
    };
    let with =
        |one: &CoreReport, more: Vec<(&'static str, String)>| core(one).into_iter().chain(more).collect::<Vec<_>>();
    let verdicts = report.cores.iter().flat_map(|one| {
        VERDICTS.map(|verdict| {
            (with(one, vec![("verdict", verdict.name().to_owned())]), f64::from(u8::from(one.verdict == verdict)))
        })
    });
    metrics.gauge("core_verdict", "1 for the core's verdict, 0 for the others.", verdicts.collect());
    metrics.gauge("core_errors", "Errors of the core in this run.", each(&|one| Some(errors(one) as f64)));
    metrics.gauge("core_checked_seconds", "Checked CPU time.", each(&|one| Some(one.checked.cpu_s)));
    metrics.gauge(
        "core_checked_iterations",
        "Iterations, each compared in full.",
        each(&|one| Some(one.checked.iterations as f64)),
    );
    metrics.gauge("core_checked_operations", "Operations checked.", each(&|one| Some(one.checked.operations as f64)));
    let tested = report.cores.iter().flat_map(|one| {
        let tested = Tested::of(one);
        let series = move |(work, at): (&str, Option<u32>)| Some((vec![("work", work.to_owned())], f64::from(at?)));
        [("scalar", tested.scalar), ("avx2", tested.vector)]
            .into_iter()
            .filter_map(series)
            .map(|(more, at)| (with(one, more), at))
    });
    metrics.gauge("core_tested_multiplier", "Highest multiplier with checked work.", tested.collect());
    metrics.gauge(
        "core_top_multiplier",
        "The core's top, as far as told.",
        each(&|one| one.multiplier.top.map(f64::from)),
    );
    metrics.gauge(
        "core_clock_hertz",
        "Median of the core's clock readings.",
        each(&|one| one.clock_mhz.map(|clock| f64::from(clock.median) * 1e6)),
    );
    metrics.gauge(
        "core_throttled",
        "How often the core throttled itself during the run.",
        each(&|one| one.throttled.map(|n| n as f64)),
    );
    let hottest = report.hottest.iter().map(|hot| (vec![("load", hot.load.clone())], hot.celsius));
    metrics.gauge("hottest_celsius", "Hottest reading at the end of a step.", hottest.collect());
    metrics.out
}

/// A label's value between its quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every series with its value; panics at what a reader of the format would refuse.
    fn parsed(text: &str) -> BTreeMap<String, f64> {
        let name_ok = |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        let (mut series, mut types, mut last) = (BTreeMap::new(), Vec::<String>::new(), String::new());
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(kind == "gauge" && !types.iter().any(|other| other == name), "{line}: twice");
                types.push(name.to_owned());
                last = name.to_owned();
            } else if !line.starts_with("# HELP ") {
                let (key, value) = line.rsplit_once(' ').expect("a value");
                let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
                assert!(name_ok(name) && name == last, "{line}: not under its type");
                let mut rest = labels;
                while rest != "}" {
                    let (label, quoted) = rest.split_once("=\"").expect("a label");
                    assert!(name_ok(label), "{line}");
                    let mut escaped = false;
                    let end = quoted.find(|c| {
                        let end = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        end
                    });
                    rest = &quoted[end.expect("a closing quote") + 1..];
                    rest = rest.strip_prefix(',').unwrap_or(rest);
                }
                let value = value.parse().unwrap_or_else(|_| panic!("{line}: not a number"));
                assert!(series.insert(key.to_owned(), value).is_none(), "{line}: twice");
            }
        }
        series
    }

    #[test]
    fn a_reader_of_the_format_gets_the_report_back() {
        let mut report = crate::report::tests::report(2, |_| vec![]);
        report.machine.cpu = "A \"CPU\" \\ with\nlines".into();
        report.cores[1].verdict = CoreVerdict::Fail;
        report.cores[0].throttled = Some(u64::MAX);
        report.cores[0].checked.cpu_s = 1e-9;
        report.cores[1].multiplier.top = Some(60);
        report.hottest.push(crate::report::Hottest { load: "solo".into(), celsius: 88.4 });
        let series = parsed(&render(&report));
        let of = |key: &str| *series.get(key).unwrap_or_else(|| panic!("{key}: not in {series:?}"));
        assert_eq!(of(r#"oddcore_core_verdict{core="0",name="C0",verdict="pass"}"#), 1.0);
        assert_eq!(of(r#"oddcore_core_verdict{core="1",name="C1",verdict="pass"}"#), 0.0);
        assert_eq!(of(r#"oddcore_core_verdict{core="1",name="C1",verdict="fail"}"#), 1.0);
        assert_eq!(of(r#"oddcore_core_top_multiplier{core="1",name="C1"}"#), 60.0);
        assert_eq!(of(r#"oddcore_core_checked_seconds{core="0",name="C0"}"#), 1e-9);
        assert_eq!(of(r#"oddcore_hottest_celsius{load="solo"}"#), 88.4);
        assert_eq!(of("oddcore_run_ended_timestamp_seconds") - of("oddcore_run_started_timestamp_seconds"), 62.0);
        assert!(series.keys().any(|key| key.contains(r#"cpu="A \"CPU\" \\ with\nlines""#)), "{series:?}");
        report.ended = None;
        assert!(!render(&report).contains("run_ended_timestamp"));
    }
}

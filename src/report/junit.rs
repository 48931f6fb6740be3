//! The report as JUnit XML, which every build server shows: a suite for the run, a case for each core.

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    CoreReport, Report, diagnosis,
    meaning::short,
    replay,
    tested::Tested,
    text::{errors, finding_lines, sentence},
};
use crate::verdict::CoreVerdict;

/// Findings told in one case.
const SHOWN: usize = 20;

/// The whole document.
pub fn render(report: &Report) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    // Into memory nothing can fail.
    let _ = write(&mut writer, report);
    let mut text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    text.push('\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, report: &Report) -> std::io::Result<()> {
    let of = |verdict| report.cores.iter().filter(move |core| core.verdict == verdict).count();
    let failures = of(CoreVerdict::Fail) + of(CoreVerdict::Suspect) + of(CoreVerdict::NotProven);
    let skipped = of(CoreVerdict::NotTested);
    // A run that came to no verdict has no core to say so.
    let broken = report.exit_code != 0 && failures == 0;
    let counts = [
        ("tests", (report.cores.len() + usize::from(broken)).to_string()),
        ("failures", failures.to_string()),
        ("errors", usize::from(broken).to_string()),
        ("skipped", skipped.to_string()),
    ];
    let seconds: f64 = report.cores.iter().map(|core| core.checked.cpu_s).sum();
    let time = format!("{seconds:.3}");
    let counts: Vec<(&str, &str)> = counts.iter().map(|(name, value)| (*name, value.as_str())).collect();
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites =
        writer.create_element("testsuites").with_attribute(("name", "oddcore")).with_attributes(counts.clone());
    suites.with_attribute(("time", time.as_str())).write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attribute(("name", clean(&report.run).as_str()));
        let suite = suite.with_attributes(counts).with_attribute(("time", time.as_str()));
        let suite = suite.with_attribute(("timestamp", report.started.trim_end_matches('Z')));
        suite.with_attribute(("hostname", clean(&report.machine.cpu).as_str())).write_inner_content(|writer| {
            properties(writer, report)?;
            for core in &report.cores {
                case(writer, report, core)?;
            }
            if broken {
                let said = clean(&sentence(report));
                let case = writer.create_element("testcase").with_attribute(("classname", "oddcore"));
                case.with_attribute(("name", "the run")).write_inner_content(|writer| {
                    writer.create_element("error").with_attribute(("message", said.as_str())).write_empty().map(drop)
                })?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn properties(writer: &mut Writer<Vec<u8>>, report: &Report) -> std::io::Result<()> {
    let all = [
        ("version", report.version.clone()),
        ("profile", report.profile.clone()),
        ("seed", report.seed.to_string()),
        ("verdict", report.verdict.clone()),
        ("microcode", report.machine.microcode.clone().unwrap_or_else(|| "unknown".into())),
        ("drill", report.drill.to_string()),
    ];
    writer.create_element("properties").write_inner_content(|writer| {
        for (name, value) in &all {
            let property = writer.create_element("property").with_attribute(("name", *name));
            property.with_attribute(("value", clean(value).as_str())).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, report: &Report, core: &CoreReport) -> std::io::Result<()> {
    let drill = if report.drill { "oddcore.drill" } else { "oddcore" };
    let time = format!("{:.3}", core.checked.cpu_s);
    let label = clean(&core.label);
    let case = writer.create_element("testcase").with_attribute(("classname", drill));
    let case = case.with_attribute(("name", label.as_str())).with_attribute(("time", time.as_str()));
    let why = clean(core.reason.as_deref().unwrap_or(core.verdict.name()));
    let with_message = |writer: &mut Writer<Vec<u8>>, element: &str, text: &str| {
        let element = writer.create_element(element).with_attribute(("message", why.as_str()));
        let element = element.with_attribute(("type", core.verdict.name()));
        let written =
            if text.is_empty() { element.write_empty() } else { element.write_text_content(BytesText::new(text)) };
        written.map(drop)
    };
    case.write_inner_content(|writer| {
        match core.verdict {
            CoreVerdict::Pass => {}
            CoreVerdict::NotTested => with_message(writer, "skipped", "")?,
            _ => with_message(writer, "failure", &clean(&details(report, core)))?,
        }
        let out = format!(
            "{}: tested at {} (scalar / AVX2), {} checks, {} operations, {} errors",
            short(report, core),
            Tested::of(core).text(),
            core.checked.iterations,
            core.checked.operations,
            errors(core)
        );
        writer.create_element("system-out").write_text_content(BytesText::new(&clean(&out))).map(drop)
    })?;
    Ok(())
}

fn details(report: &Report, core: &CoreReport) -> String {
    let mut lines: Vec<String> = core
        .diagnosis
        .iter()
        .flat_map(|diagnosis| {
            diagnosis::entries(report, core, diagnosis).into_iter().map(|(what, text)| format!("{what}: {text}"))
        })
        .collect();
    let own = report
        .findings
        .iter()
        .filter(|f| f.core == Some(core.core) || f.core.is_none() && f.suspects.contains(&core.core));
    for finding in own.take(SHOWN) {
        lines.push(finding_lines(report, finding).trim().to_owned());
        lines.extend(replay::command(report, finding).map(|command| format!("   again: {command}")));
    }
    lines.join("\n")
}

/// Text without the characters that XML cannot hold, escaped or not.
fn clean(text: &str) -> String {
    let fits =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Class, finding::tests::finding};
    use quick_xml::{Reader, XmlVersion, events::BytesStart};

    /// Name, attributes, and the text directly below.
    type Element = (String, Vec<(String, String)>, String);

    /// Every element, read back.
    fn parsed(xml: &str) -> Vec<Element> {
        let mut reader = Reader::from_str(xml);
        let (mut all, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
        let element = |start: &BytesStart<'_>| {
            let name = start.name().as_ref().to_owned();
            let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
                let key = attribute.key.as_ref().to_owned();
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).expect("sound").into_owned();
                (key, value)
            };
            (name, start.attributes().map(|a| attribute(a.expect("sound"))).collect(), String::new())
        };
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(start) => {
                    open.push(all.len());
                    all.push(element(&start));
                }
                Event::Empty(start) => all.push(element(&start)),
                Event::End(_) => drop(open.pop().expect("opened")),
                Event::Text(text) => {
                    if let Some(&at) = open.last() {
                        all[at].2 += &text;
                    }
                }
                Event::GeneralRef(entity) => {
                    if let Some(&at) = open.last() {
                        all[at].2 += quick_xml::escape::resolve_predefined_entity(&entity).expect("predefined");
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty());
        all
    }

    #[test]
    fn a_case_for_each_core_is_read_back_as_it_was_meant() {
        let mut report = crate::report::tests::report(4, |_| vec![]);
        report.machine.cpu = "A <CPU> & \"more\"\u{0}\u{1b}".into();
        report.exit_code = 1;
        for (core, verdict) in
            report.cores.iter_mut().zip([CoreVerdict::Pass, CoreVerdict::Fail, CoreVerdict::NotTested])
        {
            core.verdict = verdict;
        }
        report.cores[3].verdict = CoreVerdict::NotProven;
        report.cores[1].reason = Some("2 findings: crash & <hang>".into());
        report.findings.push(finding(1, Class::Crash));
        let all = parsed(&render(&report));
        let attribute = |at: usize, name: &str| -> &str {
            all[at].1.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
        };
        let named = |name: &str| -> Vec<usize> { (0..all.len()).filter(|&at| all[at].0 == name).collect() };
        let suite = named("testsuite")[0];
        let counts = ["tests", "failures", "errors", "skipped"].map(|name| attribute(suite, name));
        assert_eq!(counts, ["4", "2", "0", "1"]);
        assert_eq!(attribute(suite, "hostname"), "A <CPU> & \"more\"");
        let names: Vec<&str> = named("testcase").into_iter().map(|at| attribute(at, "name")).collect();
        assert_eq!(names, ["C0 (CPU 0)", "C1 (CPU 1)", "C2 (CPU 2)", "C3 (CPU 3)"]);
        let failures = named("failure");
        assert_eq!(failures.len(), 2);
        assert_eq!(attribute(failures[0], "message"), "2 findings: crash & <hang>");
        assert!(all[failures[0]].2.contains("C1 (CPU 1): crash in gemm-f32/avx2"), "{:?}", all[failures[0]]);
        assert_eq!(named("skipped").len(), 1);
    }

    #[test]
    fn a_run_without_a_verdict_is_an_error_of_its_own() {
        let mut report = crate::report::tests::report(1, |_| vec![]);
        (report.exit_code, report.ended) = (3, None);
        let all = parsed(&render(&report));
        let errors: Vec<_> = all.iter().filter(|(name, ..)| name == "error").collect();
        assert!(errors.len() == 1 && errors[0].1[0].1.starts_with("UNFINISHED"), "{errors:?}");
        assert!(all[0].1.contains(&("errors".into(), "1".into())) && all[0].1.contains(&("tests".into(), "2".into())));
    }
}

//! What can be said of the page without a browser.

use std::collections::BTreeMap;

use super::{chart::COLOURS, *};

/// The custom properties of a theme.
fn theme(dark: bool) -> BTreeMap<&'static str, u32> {
    let roots: Vec<&str> = STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().expect("closed")).collect();
    let all = roots[usize::from(dark)].split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    all.map(|(name, hex)| (name, u32::from_str_radix(hex.trim(), 16).expect("a colour"))).collect()
}

/// The contrast of two colours as WCAG 2 defines it.
fn contrast(a: u32, b: u32) -> f64 {
    let channel = |value: u32| {
        let part = f64::from(value & 0xff) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let light = |colour: u32| 0.2126 * channel(colour >> 16) + 0.7152 * channel(colour >> 8) + 0.0722 * channel(colour);
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_stands_out_in_both_themes() {
    assert!((contrast(0, 0xff_ffff) - 21.0).abs() < 1e-9 && (contrast(0x767676, 0xff_ffff) - 4.54).abs() < 0.01);
    let text = [
        ("text", &["page", "card", "code", "pass-back", "fail-back", "open-back"][..]),
        ("muted", &["page", "card", "none-back"]),
        ("pass", &["pass-back"]),
        ("fail", &["fail-back"]),
        ("open", &["open-back"]),
        ("heat", &["h1", "h2", "h3", "h4"]),
        ("bad", &["bad-back"]),
        ("wrong", &["page", "card"]),
        ("ink", &["card"]),
    ];
    for dark in [false, true] {
        let theme = theme(dark);
        for (front, backs) in text {
            for back in backs {
                let ratio = contrast(theme[front], theme[back]);
                assert!(ratio >= 4.5, "--{front} on --{back}, dark {dark}: {ratio:.2}");
            }
        }
        // Lines and marks are no text, and need 3.
        for front in ["line", "top", "wrong"] {
            let ratio = contrast(theme[front], theme["card"]);
            assert!(ratio >= 3.0, "--{front}, dark {dark}: {ratio:.2}");
        }
    }
}

#[test]
fn the_style_sheet_knows_every_colour_of_the_charts() {
    let light = theme(false);
    for (name, colour) in COLOURS {
        let (r, g, b) = (u32::from(colour.0), u32::from(colour.1), u32::from(colour.2));
        assert_eq!(light[name], r << 16 | g << 8 | b, "--{name}");
        let mapped = format!("=\"#{:06X}\"]", light[name]);
        assert!(STYLE.contains(&mapped), "{name}: no rule for the dark theme");
        assert!(STYLE.contains(&format!("var(--{name})")), "{name}");
    }
}

#[test]
fn advice_sets_its_command_apart() {
    let said = commands("Set P4 60x -> 57x, then: oddcore run --for 1h").into_string();
    let words = "<span>oddcore</span> <span>run</span> <span>--for</span> <span>1h</span>";
    assert_eq!(said, format!("Set P4 60x -&gt; 57x, then: <code class=\"command\">{words}</code>"));
    assert_eq!(commands("More <voltage> last.").into_string(), "More &lt;voltage&gt; last.");
}

#[test]
fn what_was_expected_has_a_column_beside_what_the_firmware_says() {
    let mut report = crate::report::tests::report(2, |_| vec![]);
    report.cores[0].multiplier.top = Some(57);
    let shown = |report: &Report| sections::cores(report).into_string();
    assert!(shown(&report).contains(">set<") && !shown(&report).contains(">expect<"));
    report.cores[1].multiplier.expected = Some(60);
    assert!(shown(&report).contains(">expect<") && shown(&report).contains("<td>60x</td>"));
}

#[test]
fn times_are_for_people() {
    assert_eq!(
        (into_run(23.9).as_str(), into_run(3723.0).as_str(), into_run(-1.0).as_str()),
        ("0:23", "1:02:03", "0:00")
    );
    assert_eq!((when("2026-01-02T03:04:05Z").as_str(), when("soon").as_str()), ("2026-01-02 03:04 UTC", "soon"));
}

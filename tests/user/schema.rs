//! `docs/report.schema.json` holds for every report that these tests see, and knows every field of it; those of `bench`,
//! `tune`, `merge`, of a list of runs and of two compared likewise for what these write.
//!
//! A checker of the few keywords that the schema uses, instead of a library of fifty crates; it refuses any other keyword.

use serde_json::Value;

/// Panics unless the schema holds for `report`.
pub fn check(report: &Value) {
    let schema = schema();
    let wrong = violations(&schema, report);
    assert!(wrong.is_empty(), "docs/report.schema.json and the report disagree:\n{}", wrong.join("\n"));
}

/// The same for what `bench` writes.
pub fn check_bench(report: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/bench.schema.json")).expect("JSON");
    let wrong = violations(&schema, report);
    assert!(wrong.is_empty(), "docs/bench.schema.json and the report disagree:\n{}", wrong.join("\n"));
}

/// The same for what `tune` writes.
#[cfg(target_os = "linux")]
pub fn check_tune(report: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/tune.schema.json")).expect("JSON");
    let wrong = violations(&schema, report);
    assert!(wrong.is_empty(), "docs/tune.schema.json and the report disagree:\n{}", wrong.join("\n"));
}

/// The same for what `doctor` writes.
pub fn check_doctor(examined: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/doctor.schema.json")).expect("JSON");
    let wrong = violations(&schema, examined);
    assert!(wrong.is_empty(), "docs/doctor.schema.json and what was examined disagree:\n{}", wrong.join("\n"));
}

/// The same for what `merge` writes.
pub fn check_fleet(fleet: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/fleet.schema.json")).expect("JSON");
    let wrong = violations(&schema, fleet);
    assert!(wrong.is_empty(), "docs/fleet.schema.json and the fleet disagree:\n{}", wrong.join("\n"));
}

/// The same for a list of runs.
pub fn check_runs(list: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/runs.schema.json")).expect("JSON");
    let wrong = violations(&schema, list);
    assert!(wrong.is_empty(), "docs/runs.schema.json and the list disagree:\n{}", wrong.join("\n"));
}

/// The same for a comparison.
pub fn check_comparison(comparison: &Value) {
    let schema = serde_json::from_str(include_str!("../../docs/comparison.schema.json")).expect("JSON");
    let wrong = violations(&schema, comparison);
    assert!(wrong.is_empty(), "docs/comparison.schema.json and the comparison disagree:\n{}", wrong.join("\n"));
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/report.schema.json")).expect("JSON")
}

fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    compare(schema, value, "report", &mut wrong);
    wrong
}

fn compare(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let rules = schema.as_object().unwrap_or_else(|| panic!("{at}: a schema is an object"));
    for (keyword, rule) in rules {
        let size = || value.as_array().map(Vec::len);
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => match rule.as_array() {
                Some(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                None => is_a(value, rule),
            },
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
            "minItems" => size().is_none_or(|size| size as u64 >= rule.as_u64().expect("a number")),
            "maxItems" => size().is_none_or(|size| size as u64 <= rule.as_u64().expect("a number")),
            "pattern" => {
                assert_eq!(rule, "^0x[0-9a-f]+$", "{at}: the only pattern this checker knows");
                value.as_str().is_none_or(|text| {
                    text.strip_prefix("0x").is_some_and(|digits| {
                        !digits.is_empty() && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
                    })
                })
            }
            "format" => {
                assert_eq!(rule, "date-time", "{at}: the only format this checker knows");
                value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
            "oneOf" => {
                let choices = rule.as_array().expect("a list").iter();
                choices.filter(|choice| violations(choice, value).is_empty()).count() == 1
            }
            "required" => {
                let missing: Vec<&Value> = value.as_object().map_or_else(Vec::new, |fields| {
                    let names = rule.as_array().expect("a list").iter();
                    names.filter(|name| !fields.contains_key(name.as_str().expect("a name"))).collect()
                });
                missing.is_empty()
            }
            "items" => {
                for (n, item) in value.as_array().iter().flat_map(|items| items.iter()).enumerate() {
                    compare(rule, item, &format!("{at}[{n}]"), wrong);
                }
                true
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => compare(rule, field, &format!("{at}.{name}"), wrong),
                        None => wrong.push(format!("{at}.{name}: a field that the schema does not know")),
                    }
                }
                true
            }
            other => panic!("{at}: a keyword that this checker does not know: {other}"),
        };
        if !holds {
            wrong.push(format!("{at}: {keyword} {rule} does not hold for {value}"));
        }
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type's name") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = crate::common::oddcore(folder.path(), &["run", "--for", "1s", "--json", "-"]);
    let sound: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    check(&sound);
    let spoil = |change: &dyn Fn(&mut Value)| {
        let mut report = sound.clone();
        change(&mut report);
        violations(&schema(), &report)
    };
    for (change, said) in [
        (&(|report: &mut Value| report["seed"] = "12".into()) as &dyn Fn(&mut Value), "report.seed: pattern"),
        (&|report| report["started"] = "today".into(), "report.started: format"),
        (&|report| report["verdict"] = "maybe".into(), "report.verdict: enum"),
        (&|report| report["exit_code"] = 4.into(), "report.exit_code: maximum"),
        (
            &|report| report["cores"][0]["passes"][0]["seconds"] = "1 s".into(),
            "report.cores[0].passes[0].seconds: type",
        ),
        (&|report| report["cores"][0]["mood"] = "good".into(), "report.cores[0].mood: a field"),
        (&|report| drop(report.as_object_mut().expect("fields").remove("machine")), "report: required"),
        (&|report| report["open_step"] = serde_json::json!({ "load": "solo" }), "report.open_step: oneOf"),
    ] {
        let wrong = spoil(change);
        assert!(wrong.len() == 1 && wrong[0].starts_with(said), "{said}: {wrong:?}");
    }
}

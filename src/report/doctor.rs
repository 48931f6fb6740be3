//! What this machine lets us read and do, as a person reads it.

use std::fmt::Write as _;

use super::text::wrapped;
use crate::machine::doctor::{Check, State};

/// All of it: what needs attention first.
pub fn render(checks: &[Check]) -> String {
    let mut out = String::new();
    for (state, heading) in
        [(State::Warning, "Needs attention:"), (State::Missing, "Not there, or not for us:"), (State::Ok, "Works:")]
    {
        let mut of = checks.iter().filter(|check| check.state == state).peekable();
        if of.peek().is_none() {
            continue;
        }
        let _ = writeln!(out, "{heading}");
        for check in of {
            let _ = writeln!(out, "{}", wrapped(&format!(" {}: {}", check.what, check.detail), "   "));
            if let Some(remedy) = check.remedy {
                let _ = writeln!(out, "{}", wrapped(&format!("   -> {remedy}"), "      "));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_attention_comes_first_with_what_to_do() {
        let checks = [
            Check::ok("CPUs", "all 2 may be tested"),
            Check::missing("temperature", "none of coretemp", Some("as root: modprobe coretemp")),
        ];
        assert_eq!(
            render(&checks),
            "Not there, or not for us:\n temperature: none of coretemp\n   -> as root: modprobe coretemp\nWorks:\n CPUs: all 2 may be \
             tested\n"
        );
    }
}

//! Colour on a terminal that wants it: of verdicts, which say in words what they are anyway. `NO_COLOR` is honoured.

use console::Style;

/// Verdicts, and their colour.
const VERDICTS: [(&str, Colour); 13] = [
    ("NO ERRORS", Colour::Good),
    ("PASS", Colour::Good),
    ("BETTER", Colour::Good),
    ("FAIL", Colour::Bad),
    ("WORSE", Colour::Bad),
    ("FINDING", Colour::Bad),
    ("SUSPECT", Colour::Open),
    ("NOT PROVEN", Colour::Open),
    ("NOT-PROVEN", Colour::Open),
    ("NOT COMPARABLE", Colour::Open),
    ("UNDECIDED", Colour::Open),
    ("UNFINISHED", Colour::Open),
    ("NO VERDICT", Colour::Open),
];

#[derive(Clone, Copy)]
enum Colour {
    Good,
    Bad,
    Open,
}

/// The text with its verdicts coloured: those that begin a line, and those that end a row of a table.
pub fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    let rest = body.strip_prefix("DRILL: ").unwrap_or(body);
    if let Some((word, colour)) = found(rest) {
        let lead = &body[..body.len() - rest.len()];
        return format!("{lead}{}{}{end}", paint(word, colour), &rest[word.len()..]);
    }
    if let Some((row, verdict)) = body.rsplit_once("  ")
        && body.starts_with("  ")
        && let Some((_, colour)) = found(verdict)
    {
        return format!("{row}  {}{end}", paint(verdict, colour));
    }
    line.to_owned()
}

/// The verdict that a text begins with.
fn found(text: &str) -> Option<(&'static str, Colour)> {
    VERDICTS.into_iter().find(|(word, _)| text.starts_with(word))
}

fn paint(text: &str, colour: Colour) -> String {
    let style = Style::new().force_styling(true).bold();
    let style = match colour {
        Colour::Good => style.green(),
        Colour::Bad => style.red(),
        Colour::Open => style.yellow(),
    };
    style.apply_to(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_painted_and_nothing_else() {
        let text = "FAIL: P4 computes wrongly at 60x: 7 errors.\n  P4    60x   60x / 60x  7  FAIL\n  P5  60x  0  PASS @57x\n \
                    P4: 7 findings\nUnder load was P4.\n";
        let green = |text: &str| format!("\u{1b}[32m\u{1b}[1m{text}\u{1b}[0m");
        let red = |text: &str| format!("\u{1b}[31m\u{1b}[1m{text}\u{1b}[0m");
        let want = format!(
            "{}: P4 computes wrongly at 60x: 7 errors.\n  P4    60x   60x / 60x  7  {}\n  P5  60x  0  {}\n P4: 7 \
             findings\nUnder load was P4.\n",
            red("FAIL"),
            red("FAIL"),
            green("PASS @57x")
        );
        assert_eq!(painted(text), want);
        assert_eq!(painted("NO ERRORS in 1:02. P5 was never"), format!("{} in 1:02. P5 was never", green("NO ERRORS")));
    }
}

//! Text from outside: names that the machine tells, file names, journals. None of it may steer a terminal.

/// The longest name taken, in characters; longer ones are cut.
const CHARS_MAX: usize = 128;

/// A name from outside, fit for screen, JSON and journal: hidden characters are left out, a long one is cut.
pub fn clean(name: &str) -> String {
    let visible: String = name.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|&c| !hidden(c)).collect();
    let kept: String = visible.trim().chars().take(CHARS_MAX).collect();
    kept.trim_end().to_owned()
}

/// Text of several lines fit for a terminal: hidden characters but the ends of lines are written out, as `\u{1b}`.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if hidden(c) && c != '\n' {
            out.extend(c.escape_unicode())
        } else {
            out.push(c)
        }
        out
    })
}

/// Controls, and what changes the direction or joins of the text around it without being seen.
fn hidden(c: char) -> bool {
    let invisible =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_lose_their_teeth() {
        for (name, cleaned) in [
            ("Intel(R) Core(TM) i9-14900K", "Intel(R) Core(TM) i9-14900K"),
            ("  AMD \u{1b}[31mRyzen\u{1b}[0m\r\n", "AMD [31mRyzen[0m"),
            ("\u{1b}]0;owned\u{7}\u{9b}2J name\0", "]0;owned2J name"),
            ("a\tb", "a b"),
            ("\u{202e}K00941\u{feff}", "K00941"),
            ("Prozessor für Größeres", "Prozessor für Größeres"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(clean(name), cleaned, "{name:?}");
        }
        assert_eq!(clean(&"ü".repeat(1000)).chars().count(), CHARS_MAX);
        assert_eq!(visible("a\u{1b}[2J\rb\nc\u{202e}"), "a\\u{1b}[2J\\u{d}b\nc\\u{202e}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(hidden));
            prop_assert!(!visible(&text).chars().any(|c| hidden(c) && c != '\n'));
            prop_assert_eq!(clean(&clean(&text)), clean(&text));
        }
    }
}

//! Names with `*` and `?`.

/// Whether the name fits the pattern: `*` stands for any run of characters, `?` for one.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star is, and how far into the name it reaches: only that one need ever give way.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                (p, n) = (at + 1, reach + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, fits) in [
            ("gemm-*", "gemm-f32", true),
            ("*f32", "gemm-f32", true),
            ("gemm", "gemm-f32", false),
            ("gemm-f32-", "gemm-f32", false),
            ("g?mm-f32", "gemm-f32", true),
            ("gemm-f3?", "gemm-f3", false),
            ("*-*-*", "gemm-f32", false),
            ("*m*2", "gemm-f32", true),
            ("", "", true),
            ("?", "", false),
            ("*", "", true),
            ("ä?", "äö", true),
        ] {
            assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!glob(&"*a".repeat(1000), &"a".repeat(999)));
        assert!(glob(&"*a".repeat(1000), &"a".repeat(1000)));
    }
}

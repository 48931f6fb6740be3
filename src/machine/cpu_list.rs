//! Lists of CPUs as the kernel writes them: `0-7,9`.

/// The highest CPU number taken; Linux can be built for 8,192.
const CPU_MAX: u32 = 65_535;

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a list of CPUs like 0-7,9")]
pub struct CpuListError(String);

/// The CPUs of a list, ascending, each once.
pub fn parse_cpu_list(text: &str) -> Result<Vec<u32>, CpuListError> {
    let wrong = || CpuListError(text.chars().take(80).collect());
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| wrong())?;
        let last: u32 = last.trim().parse().map_err(|_| wrong())?;
        if first > last || last > CPU_MAX {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// The list of ascending CPUs.
pub fn format_cpu_list(cpus: &[u32]) -> String {
    let runs = cpus.chunk_by(|a, b| a + 1 == *b);
    let run = |run: &[u32]| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_list_survives_the_round_trip(cpus in proptest::collection::btree_set(0u32..3000, 0..50)) {
            let cpus: Vec<u32> = cpus.into_iter().collect();
            prop_assert_eq!(parse_cpu_list(&format_cpu_list(&cpus)).expect("ours"), cpus);
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(text in ".{0,30}") {
            let _ = parse_cpu_list(&text);
        }
    }

    #[test]
    fn limits() {
        assert!(parse_cpu_list("0-4294967295").is_err());
        assert!(parse_cpu_list("7-3").is_err());
        assert_eq!(format_cpu_list(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
    }
}

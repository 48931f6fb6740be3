//! What a command that is advised keeps of what its run was given, so that it neither tests less nor asks for less.

use std::collections::BTreeMap;

use crate::{
    journal::record::RunStarted,
    machine::format_cpu_list,
    plan::{Expected, Plan, shell_word},
    platform::Priority,
};

/// A run's options for the command after it.
pub struct Given<'a> {
    run: &'a RunStarted,
    /// The folder of its runs, where that is not the usual one. It is a path of this machine, and so for its own screen alone.
    runs: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// Of a run that is kept in this folder of runs, if that is not the usual one.
    pub fn of(run: &'a RunStarted, runs: Option<&'a str>) -> Self {
        Self { run, runs }
    }

    /// ` --cores 0-3 --expect 0,1=60x,2,3=57x --image photo.png --runs DIR`.
    pub fn all(&self) -> String {
        let all: Vec<u32> = self.run.machine.cores.iter().filter(|c| !c.testable.is_empty()).map(|c| c.core).collect();
        let cores = if self.run.cores == all { String::new() } else { self.cores(&self.run.cores) };
        format!("{cores}{}{}", self.expect(|_| true), self.kept())
    }

    /// ` --cores 0-3`.
    pub fn cores(&self, cores: &[u32]) -> String {
        format!(" --cores {}", format_cpu_list(cores))
    }

    /// ` --expect 0,1=60x,2,3=57x`, of those cores that are `wanted`.
    pub fn expect(&self, wanted: impl Fn(u32) -> bool) -> String {
        let mut by_multiplier: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        if let Plan::Asked(request) = &self.run.plan {
            for Expected { core, multiplier } in request.expect.iter().filter(|expected| wanted(expected.core)) {
                by_multiplier.entry(*multiplier).or_default().push(*core);
            }
        }
        let parts = by_multiplier.iter().rev().map(|(at, cores)| format!("{}={at}x", format_cpu_list(cores)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { String::new() } else { format!(" --expect {}", parts.join(",")) }
    }

    /// ` --image photo.png --beside 'cargo build' --priority low --runs DIR`: what says nothing of cores.
    pub fn kept(&self) -> String {
        let images = self.run.images.iter().map(|path| format!(" --image {}", shell_word(path)));
        let beside = self.run.beside.iter().map(|line| format!(" --beside {}", shell_word(line)));
        images.chain(beside).chain([self.priority(), self.runs()]).collect()
    }

    /// ` --priority low`.
    fn priority(&self) -> String {
        match self.run.priority {
            Priority::Normal => String::new(),
            lowered => format!(" --priority {}", lowered.name()),
        }
    }

    /// ` --runs DIR`.
    pub fn runs(&self) -> String {
        self.runs.map_or_else(String::new, |runs| format!(" --runs {}", shell_word(runs)))
    }

    /// The profile by which a multiplier counts as proven as it does in this run: without one it would be the quick profile, which
    /// asks for less. One of the user's own asks for what the standard profile asks for.
    pub fn bar(&self) -> &'static str {
        match self.run.profile.as_str() {
            "quick" | "exec" => "",
            "overnight" => " --profile overnight",
            _ => " --profile standard",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::build::tests::{asked, outcome};

    #[test]
    fn what_was_given_is_given_again() {
        let mut run = outcome(vec![]).run.expect("opened");
        assert_eq!(Given::of(&run, None).all(), "");
        run.images = vec!["/home/a b/it's.png".into(), "/p.png".into()];
        let at = |(core, multiplier)| Expected { core, multiplier };
        (run.beside, run.priority) = (Some("make -j4".into()), Priority::Low);
        asked(&mut run).expect = [(0, 57), (1, 57), (2, 60), (3, 57)].map(at).to_vec();
        run.cores = vec![0];
        let given = Given::of(&run, Some("/runs of mine"));
        let images = r#" --image "/home/a b/it's.png" --image /p.png"#;
        let [beside, runs] = ["make -j4", "/runs of mine"].map(shell_word);
        let others = format!("--beside {beside} --priority low --runs {runs}");
        assert_eq!(given.all(), format!(" --cores 0 --expect 2=60x,0-1,3=57x{images} {others}"));
        assert_eq!(given.expect(|core| core == 2), " --expect 2=60x");
        let bars = ["quick", "overnight", "standard", "my-night"].map(|profile| {
            run.profile = profile.into();
            Given::of(&run, None).bar()
        });
        assert_eq!(bars, ["", " --profile overnight", " --profile standard", " --profile standard"]);
    }
}

//! Steps of a program of the user's: loads and groups of cores as for kernels, lengths by how long the program takes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Load, PRE_PASS, Step, field::Field};
use crate::{
    machine::Machine,
    verdict::{Hex, command::EXEC},
};

/// Time of a group of cores in the first round, in seconds, and the least number of runs in it.
const GROUP_S: f64 = 2.2;
const RUNS: f64 = 2.0;
/// How often the first round's times double.
const DOUBLINGS: u32 = 7;

/// A program of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Its name and its arguments, in which `{dir}` stands for the scratch folder of a run.
    pub argv: Vec<String>,
    /// The folder that it works in.
    pub folder: String,
    /// Files that it makes, below the scratch folder; absolute ones lie where they say.
    pub files: Vec<String>,
    /// The exit code that is right.
    #[serde(default)]
    pub exit: i32,
}

impl Program {
    /// Its file name.
    pub fn name(&self) -> String {
        let name = self.argv.first().map(String::as_str).unwrap_or_default();
        Path::new(name).file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Its name and its arguments, and what of it counts.
    pub fn in_words(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| shell_word(word)).collect();
        let files = if self.files.is_empty() { String::new() } else { format!(" with {}", self.files.join(", ")) };
        let exit = if self.exit == 0 { String::new() } else { format!(" and exit {}", self.exit) };
        words.join(" ") + &files + &exit
    }

    /// The command, for a shell, that runs it on every core for so long, under one load or as without `--loads`; `rest` is what
    /// it is given besides. Never on some cores alone: results differ from those of other cores.
    pub fn on_every_core(&self, load: Option<Load>, length: &str, rest: &str) -> String {
        let quoted = |words: &[String]| words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        let mut line = "oddcore exec".to_owned();
        if let Some(load) = load {
            line += &format!(" --loads {}", load.name());
        }
        if !self.files.is_empty() {
            line += &format!(" --files {}", quoted(&[self.files.join(",")]));
        }
        if self.exit != 0 {
            line += &format!(" --exit {}", self.exit);
        }
        format!("{line} --for {length}{rest} -- {}", quoted(&self.argv))
    }
}

/// A text as one word for a shell: PowerShell on Windows.
pub fn shell_word(text: &str) -> String {
    if cfg!(windows) {
        return powershell_word(text);
    }
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

/// Double quotes, which cmd.exe knows too, wherever PowerShell would put nothing else in the place of what they hold.
fn powershell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || r"\/:.,=_-+*".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else if text.contains(['"', '$', '`']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// What is asked for of a program's runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// The program.
    pub program: Program,
    /// Cores to test, by index.
    pub cores: Vec<u32>,
    /// Loads.
    pub loads: Vec<Load>,
    /// The whole run's length in seconds; what it takes where `times` is set.
    pub seconds: f64,
    /// How often the program runs on each core under each load, instead of a length.
    pub times: Option<u32>,
    /// How long it takes once, in seconds.
    pub once_s: f64,
    /// The run's seed.
    pub seed: Hex,
}

impl CommandRequest {
    /// How long so many runs on each core under each load take.
    pub fn seconds_of(machine: &Machine, cores: &[u32], loads: &[Load], times: u32, once_s: f64) -> f64 {
        let field = Field::of(machine, cores, &[]);
        // One that goes from core to core does on each what others do on theirs.
        let runs = |load: Load| if load.roams() { cores.len() } else { field.groups(load, 1).len() };
        let groups: usize = loads.iter().map(|&load| runs(load)).sum();
        groups as f64 * f64::from(times) * once_s
    }

    /// Why a load cannot be had of a program.
    pub fn lacks(load: Load) -> Option<&'static str> {
        match load {
            Load::Solo | Load::Siblings | Load::Active2 | Load::Active3 | Load::Active4 | Load::Active8 => None,
            Load::Together | Load::Migrated => None,
            Load::Hop => Some("a program's work cannot be handed on by halves; hop-migrated moves all of it"),
            Load::Unpinned => {
                Some("where the scheduler put it nobody could say; hop-migrated moves it from core to core")
            }
            Load::Resonance => Some("it is made of a kernel of ours"),
            Load::GpuWait | Load::Aggressor | Load::Bursts => Some("a program cannot be told when to wait"),
        }
    }
}

/// The rounds of a program's runs, one after the other.
pub struct CommandRounds<'a> {
    request: &'a CommandRequest,
    field: Field,
    round: u32,
    left_s: f64,
    next_step: u32,
}

impl<'a> CommandRounds<'a> {
    /// All of them, the pre-pass before the first.
    pub fn of(request: &'a CommandRequest, machine: &Machine) -> Self {
        let field = Field::of(machine, &request.cores, &[]);
        Self { request, field, round: 0, left_s: request.seconds, next_step: 0 }
    }
}

impl Iterator for CommandRounds<'_> {
    type Item = Vec<Step>;

    /// The next round's steps; `None` once the time is up, or the runs are done.
    fn next(&mut self) -> Option<Vec<Step>> {
        let CommandRequest { loads, times, once_s, .. } = self.request;
        // As in later rounds of kernels: every core that a load is about.
        let groups: Vec<_> =
            loads.iter().flat_map(|&load| self.field.groups(load, 1).into_iter().map(move |g| (load, g))).collect();
        if groups.is_empty() || (times.is_some() && self.round > 0) || self.left_s <= 0.0 {
            return None;
        }
        let group_s = match times {
            Some(times) => f64::from(*times) * once_s,
            None => {
                let natural_s = GROUP_S.max(RUNS * once_s) * f64::from(1u32 << self.round.min(DOUBLINGS));
                let (all_s, count) = (natural_s * groups.len() as f64, groups.len() as f64);
                // The last round takes the rest, rather than leave one of a moment.
                if self.left_s < 1.5 * all_s { self.left_s / count } else { natural_s }
            }
        };
        self.left_s -= group_s * groups.len() as f64;
        let pre_pass = Step { cores: self.field.order.clone(), load: PRE_PASS.to_owned(), ..Step::default() };
        let mut steps = if self.round == 0 { vec![pre_pass] } else { Vec::new() };
        steps.extend(groups.into_iter().map(|(load, group)| Step {
            load: load.name().to_owned(),
            kernel: Some(EXEC.to_owned()),
            seconds: if times.is_some() && load.roams() { group_s * group.tested.len() as f64 } else { group_s },
            cores: group.tested,
            siblings: matches!(load, Load::Siblings | Load::Together),
            times: *times,
            ..Step::default()
        }));
        self.round += 1;
        for step in &mut steps {
            step.step = self.next_step;
            step.seed = self.request.seed;
            self.next_step += 1;
        }
        Some(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::Root, plan::Plan};

    fn machine(cores: u32) -> Machine {
        let nothing = tempfile::tempdir().expect("a folder");
        crate::machine::read(&Root::at(nothing.path()), &(0..cores).collect::<Vec<_>>()).expect("a machine")
    }

    fn request(cores: u32, seconds: f64, times: Option<u32>, once_s: f64) -> CommandRequest {
        let loads = vec![Load::Solo, Load::Together];
        let program = Program { argv: vec!["/usr/bin/true".into()], folder: "/".into(), files: vec![], exit: 0 };
        CommandRequest { program, cores: (0..cores).collect(), loads, seconds, times, once_s, seed: Hex(7) }
    }

    #[test]
    fn words_are_quoted_for_powershell_only_where_they_must_be() {
        for (text, word) in [
            (r"C:\runs\20261128T062726Z-712", r"C:\runs\20261128T062726Z-712"),
            ("4,5=60x", "4,5=60x"),
            (r"C:\Users\A. User\runs", r#""C:\Users\A. User\runs""#),
            ("", r#""""#),
            ("print(1)", r#""print(1)""#),
            ("it's $5", "'it''s $5'"),
            (r#"say "yes""#, r#"'say "yes"'"#),
        ] {
            assert_eq!(powershell_word(text), word);
        }
    }

    #[test]
    fn every_core_has_its_turn_and_the_time_is_kept() {
        for (cores, seconds, once_s) in [(2, 60.0, 0.1), (24, 60.0, 0.1), (24, 3600.0, 7.0), (1, 5.0, 1.0)] {
            let (machine, request) = (machine(cores), request(cores, seconds, None, once_s));
            let steps: Vec<Step> = Plan::Command(request).steps(&machine).collect();
            let length: f64 = steps.iter().map(|step| step.seconds).sum();
            assert!((length / seconds - 1.0).abs() < 1e-6, "{length} of {seconds}");
            for core in 0..cores {
                assert!(steps.iter().any(|step| step.load == "solo" && step.cores == [core]), "core {core}");
            }
            assert!(steps.iter().zip(0..).all(|(step, number)| step.step == number) && steps[0].kernel.is_none());
            assert!(steps.len() < 1000, "{} steps", steps.len());
        }
    }

    #[test]
    fn so_many_times_are_one_round() {
        let machine = machine(3);
        let seconds = CommandRequest::seconds_of(&machine, &[0, 1, 2], &[Load::Solo, Load::Together], 5, 2.0);
        assert_eq!(seconds, 40.0);
        let plan = Plan::Command(request(3, seconds, Some(5), 2.0));
        let steps: Vec<Step> = plan.steps(&machine).collect();
        assert_eq!(steps.iter().map(|step| step.cores.len()).collect::<Vec<_>>(), [3, 1, 1, 1, 3]);
        assert!(steps[1..].iter().all(|step| step.times == Some(5)));
        assert_eq!(
            (plan.seconds(), plan.kernels(), plan.loads()),
            (40.0, vec![EXEC.to_owned()], vec!["solo", "together"])
        );
        let json = serde_json::to_string(&plan).expect("plain data");
        assert_eq!(serde_json::from_str::<Plan>(&json).expect("ours"), plan);
    }
}

//! How the machine differs from the one that a run began on.

use super::Machine;

impl Machine {
    /// What is not as it was in `then`, one sentence each. Boots do not count.
    pub fn changes_since(&self, then: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                changes.push(format!("since the run began the {what} has changed: it was {then}, it is {now}"));
            }
        };
        let unknown = || "unknown".to_owned();
        compare("CPU", &then.cpu, &self.cpu);
        compare(
            "microcode",
            &then.microcode.clone().unwrap_or_else(unknown),
            &self.microcode.clone().unwrap_or_else(unknown),
        );
        compare("OS", &then.os, &self.os);
        let memory = |machine: &Self| machine.memory_bytes.map_or_else(unknown, |bytes| format!("{} MiB", bytes >> 20));
        compare("memory", &memory(then), &memory(self));
        let cores = |machine: &Self| {
            let cpus: Vec<String> = machine.cores.iter().map(|core| super::format_cpu_list(&core.cpus)).collect();
            format!("{} on CPUs {}", cpus.len(), cpus.join(" "))
        };
        compare("list of cores", &cores(then), &cores(self));
        changes
    }

    /// This machine's description of then, with the CPUs that may be used `now`: a core that is no more has none. Numbers of
    /// CPUs are dealt anew when threads or cores are switched off in the BIOS; APIC ids stay with their core.
    pub fn with_cpus_of(mut self, now: &Self) -> Self {
        for core in &mut self.cores {
            let unknown = |other: &super::Core| core.apic.is_empty() || other.apic.is_empty();
            let alike = |other: &&super::Core| {
                other.cpus.iter().any(|cpu| core.cpus.contains(cpu))
                    && (unknown(other) || other.apic.iter().any(|apic| core.apic.contains(apic)))
            };
            let same = now.cores.iter().find(alike);
            core.testable = same.map(|same| same.testable.clone()).unwrap_or_default();
            core.testable.retain(|cpu| core.cpus.contains(cpu));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{Root, read};

    #[test]
    fn another_machine_is_told_apart_and_lacks_the_cores_that_it_lacks() {
        let nothing = tempfile::tempdir().expect("a folder");
        let root = Root::at(nothing.path());
        let (then, mut now) = (read(&root, &[0, 1, 2]).expect("a machine"), read(&root, &[0, 2]).expect("a machine"));
        assert!(then.changes_since(&then).is_empty());
        now.cpu = "another".into();
        let changes = now.changes_since(&then);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes[0].ends_with("it is another") && changes[1].ends_with("it is 2 on CPUs 0 2"), "{changes:?}");
        let kept = then.with_cpus_of(&now);
        let testable: Vec<&[u32]> = kept.cores.iter().map(|core| core.testable.as_slice()).collect();
        assert_eq!(testable, [&[0][..], &[], &[2]]);
    }

    #[test]
    fn a_number_that_another_core_has_now_is_not_taken_for_the_core_that_had_it() {
        let nothing = tempfile::tempdir().expect("a folder");
        let mut then = read(&Root::at(nothing.path()), &[0, 1, 2]).expect("a machine");
        let mut now = then.clone();
        for (machine, apic) in [(&mut then, [0, 8, 16]), (&mut now, [0, 16, 24])] {
            machine.cores.iter_mut().zip(apic).for_each(|(core, apic)| core.apic = vec![apic]);
        }
        let kept = then.with_cpus_of(&now);
        let testable: Vec<&[u32]> = kept.cores.iter().map(|core| core.testable.as_slice()).collect();
        assert_eq!(testable, [&[0][..], &[], &[]]);
    }
}

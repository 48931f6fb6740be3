//! Workers that the OS took off their CPUs: a CPU that went offline, a cpuset that shrank, a hand that moved a thread.
//!
//! Architecture invariant: what a thread did away from its core is nobody's evidence and nobody's fault.

use super::Supervisor;

/// So often a core's worker may be found away from its CPUs before the core is given up, in all and without any work done
/// in between: somebody moves it on purpose.
const STRAYS_MAX: (u32, u32) = (10, 3);

impl Supervisor<'_> {
    /// A lane was found off the CPU that it is pinned to: its worker is ended, and started again where it belongs.
    pub(super) fn strayed(&mut self, core: u32, cpu: u32) {
        let Some(member) = self.crew.get_mut(&core) else { return };
        let Some((strays, in_a_row)) = member.stray() else { return };
        let label = member.core.label.clone();
        self.host.kill(core);
        self.note(format!(
            "{label}: CPU {cpu} was taken from its worker (offline, out of the cpuset, or moved by hand): what it did \
             since its last word counts for nothing, and blames no core"
        ));
        if strays >= STRAYS_MAX.0 || in_a_row >= STRAYS_MAX.1 {
            self.give_up(core, &format!("its worker was taken off its CPUs {strays} times"));
        }
    }

    /// There is no CPU to start its worker on.
    pub(super) fn give_up_cpus(&mut self, core: u32) {
        let Some(member) = self.crew.get_mut(&core).filter(|member| member.can_work()) else { return };
        // There may be one that could pin some of its lanes and not all.
        if member.is_up() && member.stray().is_some() {
            self.host.kill(core);
        }
        self.give_up(core, "its CPU went away (offline, or out of the cpuset)");
    }
}

//! Keeps the machine from going to sleep by itself while a run goes on.

use std::{
    io,
    process::{Child, Command, Stdio},
};

/// The machine stays awake as long as this lives; it does not outlive our process, however that ends.
#[derive(Debug)]
pub struct KeepAwake {
    /// `systemd-inhibit` around a program that ends when its input does, which is when we do.
    inhibitor: Child,
}

impl KeepAwake {
    /// Asks systemd's logind, where there is one. An error means that the machine may go to sleep.
    pub fn begin(why: &str) -> io::Result<Self> {
        let mut command = Command::new("systemd-inhibit");
        command.args(["--what=sleep:idle:handle-lid-switch", "--who=oddcore", "--mode=block"]);
        command.arg(format!("--why={why}")).arg("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A Ctrl-C in the terminal is ours to hear.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self { inhibitor: command.spawn()? })
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        drop(self.inhibitor.stdin.take());
        let _ = self.inhibitor.wait();
    }
}

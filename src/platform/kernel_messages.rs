//! The kernel's own log, as it is written.

#[cfg(target_os = "linux")]
mod system {
    use std::{
        fs::{File, OpenOptions},
        io::{self, ErrorKind, Read, Seek, SeekFrom},
        os::unix::fs::OpenOptionsExt,
    };

    /// The longest record that the kernel hands out.
    const RECORD_BYTES: usize = 8192;
    /// The most records read at once: whoever floods the log may not hold us up.
    const RECORDS_MAX: usize = 4096;

    /// Follows the kernel's log.
    #[derive(Debug)]
    pub struct KernelMessages(File);

    impl KernelMessages {
        /// From now on. Takes root, or a kernel that lets everybody read its log.
        pub fn from_now_on() -> io::Result<Self> {
            let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
            file.seek(SeekFrom::End(0))?;
            Ok(Self(file))
        }

        /// What was logged since the last call, a line each.
        pub fn fresh(&mut self) -> String {
            let mut lines = String::new();
            let mut record = [0; RECORD_BYTES];
            for _ in 0..RECORDS_MAX {
                match self.0.read(&mut record) {
                    Ok(0) => break,
                    Ok(bytes) => lines.extend(text_of(&String::from_utf8_lossy(&record[..bytes]))),
                    // Records were overwritten before we read them.
                    Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            lines
        }
    }

    /// A record is `priority,number,time,flags;text`, and below it fields of its device, each on a line.
    fn text_of(record: &str) -> Option<String> {
        let (_, text) = record.split_once(';')?;
        Some(format!("{}\n", text.lines().next().unwrap_or_default()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_record_is_its_first_line_of_text() {
            let record = "6,339,5140900,-;NET: Registered; protocol family 10\n SUBSYSTEM=net\n";
            assert_eq!(text_of(record).as_deref(), Some("NET: Registered; protocol family 10\n"));
            assert_eq!(text_of("no record"), None);
        }

        #[test]
        fn what_was_logged_before_is_not_told() {
            match KernelMessages::from_now_on() {
                Ok(mut messages) => assert!(messages.fresh().lines().count() < 100),
                Err(error) => eprintln!("skipped: /dev/kmsg cannot be read: {error}"),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    /// There is no such log here.
    #[derive(Debug)]
    pub struct KernelMessages(std::convert::Infallible);

    impl KernelMessages {
        /// Never.
        pub fn from_now_on() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Nothing.
        pub fn fresh(&mut self) -> String {
            match self.0 {}
        }
    }
}

pub use system::KernelMessages;

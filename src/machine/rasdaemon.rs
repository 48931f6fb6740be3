//! Machine checks in rasdaemon's database: a row of the table `mce_record` for each, with the registers as numbers.

use super::{
    Root,
    sqlite::{Database, Row, Rows, SqliteError, State, Value},
    traces::{MachineCheck, Traces},
};

const FOLDER: &str = "/var/lib/rasdaemon";
const FILE: &str = "ras-mc_event.db";
/// Where it lies on every distribution.
pub const DATABASE: &str = "/var/lib/rasdaemon/ras-mc_event.db";
const TABLE: &str = "mce_record";
/// So many of the newest rows count as traces of earlier boots.
const ROWS_MAX: i64 = 1000;
/// The bit of a bank's status that says "not corrected".
const UNCORRECTED: u64 = 1 << 61;
/// AMD, as the kernel numbers makers of CPUs.
const AMD: i64 = 2;
/// What rasdaemon calls the banks of an AMD core; all others are shared, or no part of a core.
const UNITS_OF_A_CORE: [&str; 6] =
    ["Load Store Unit", "Instruction Fetch Unit", "L2 Cache", "Decode Unit", "Execution Unit", "Floating Point Unit"];

/// Follows the database, from now on.
#[derive(Debug)]
pub struct Records {
    root: Root,
    /// The number of the last row that was read.
    last: i64,
    /// What the database was at the last look.
    seen: Option<State>,
}

impl Records {
    /// From now on.
    pub fn follow(root: &Root) -> Self {
        let last = Database::open(root, DATABASE).ok().and_then(|database| database.last_row(TABLE));
        Self { root: root.clone(), last: last.unwrap_or(0), seen: None }
    }

    /// Whether there is such a database, or why it cannot be read though it is there.
    pub fn is_there(root: &Root) -> Result<bool, SqliteError> {
        match Database::open(root, DATABASE) {
            Ok(_) => Ok(true),
            Err(SqliteError::Unreadable) if !root.list(FOLDER).iter().any(|name| name == FILE) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is new; what is being written comes the next time. A check without a time of its own was at `now_s`.
    pub fn news(&mut self, now_s: i64) -> Vec<MachineCheck> {
        let Ok(database) = Database::open(&self.root, DATABASE) else { return Vec::new() };
        if self.seen.as_ref() == Some(database.state()) {
            return Vec::new();
        }
        let Some(last) = database.last_row(TABLE) else { return Vec::new() };
        // Where the last row comes before ours, another database has taken its place.
        let after = if last < self.last { 0 } else { self.last };
        let Some(rows) = database.rows_after(TABLE, after) else { return Vec::new() };
        (self.last, self.seen) = (last, Some(database.state().clone()));
        rows.rows.iter().filter_map(|row| check(&rows, row, now_s)).collect()
    }
}

/// Adds the newest checks to what earlier boots left.
pub fn read(root: &Root, traces: &mut Traces) {
    let Ok(database) = Database::open(root, DATABASE) else { return };
    let newest = database.last_row(TABLE).and_then(|last| database.rows_after(TABLE, last.saturating_sub(ROWS_MAX)));
    let Some(rows) = newest else { return };
    // One without a time says nothing of an earlier boot.
    let dated = rows.rows.iter().filter_map(|row| check(&rows, row, 0)).filter(|check| check.at_s > 0);
    traces.machine_checks.extend(dated);
}

fn check(rows: &Rows, row: &Row, now_s: i64) -> Option<MachineCheck> {
    // The kernel's numbers are unsigned, and of 32 bits where they are of a CPU.
    let number = |column| rows.int(row, column).map(|number| number as u32);
    let status = rows.int(row, "status")? as u64;
    let unit = match rows.value(row, "bank_name") {
        Some(Value::Text(name)) if rows.int(row, "cpuvendor") == Some(AMD) => name.as_str(),
        _ => "",
    };
    let of_a_core = unit.is_empty() || UNITS_OF_A_CORE.iter().any(|name| unit.starts_with(name));
    Some(MachineCheck {
        at_s: rows.int(row, "walltime").filter(|&at_s| at_s > 0).unwrap_or(now_s),
        apic: number("apicid").filter(|_| of_a_core),
        cpu: number("cpu").filter(|_| of_a_core),
        bank: number("bank")?,
        status,
        uncorrected: status & UNCORRECTED != 0,
    })
}

#[cfg(test)]
pub mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::machine::sqlite::tests::database;

    /// Writes the database with a row for each check, as rasdaemon would.
    pub fn record(root: &Path, checks: &[MachineCheck]) {
        let columns = ["id", "status", "walltime", "cpu", "apicid", "bank", "cpuvendor", "bank_name"];
        let number = |number: Option<u32>| number.map_or(Value::Other, |number| Value::Int(i64::from(number)));
        let row = |check: &MachineCheck| {
            let unit = Value::Text(if check.cpu.is_some() { "L2 Cache (bank=2)" } else { "L3 Cache (bank=7)" }.into());
            let (status, at) = (Value::Int(check.status as i64), Value::Int(check.at_s));
            let [cpu, apic, bank] = [check.cpu.or(Some(0)), check.apic.or(Some(0)), Some(check.bank)].map(number);
            vec![Value::Other, status, at, cpu, apic, bank, Value::Int(AMD), unit]
        };
        let rows: Vec<Vec<Value>> = checks.iter().map(row).collect();
        let folder = root.join(FOLDER.trim_start_matches('/'));
        fs::create_dir_all(&folder).expect("writable");
        fs::write(folder.join(FILE), database(TABLE, &columns, &rows)).expect("writable");
    }

    pub fn of(apic: Option<u32>, status: u64, at_s: i64) -> MachineCheck {
        MachineCheck { at_s, apic, cpu: apic.map(|_| 4), bank: 5, status, uncorrected: status & UNCORRECTED != 0 }
    }

    #[test]
    fn only_rows_that_come_are_told_and_each_once() {
        let tree = tempfile::tempdir().expect("a folder");
        let root = Root::at(tree.path());
        assert_eq!(Records::is_there(&root), Ok(false));
        let (old, one, two) = (of(Some(1), 1, 100), of(Some(0x20), 1 << 61, 200), of(None, 0x9c00_0000_0000_011b, 300));
        record(tree.path(), std::slice::from_ref(&old));
        assert_eq!(Records::is_there(&root), Ok(true));
        let mut records = Records::follow(&root);
        assert_eq!(records.news(0), [], "that was before");
        record(tree.path(), &[old.clone(), one.clone()]);
        assert_eq!(records.news(0), std::slice::from_ref(&one));
        assert_eq!(records.news(0), []);
        record(tree.path(), &[old.clone(), one, two.clone()]);
        assert_eq!(records.news(0), [two], "of the shared cache, which is no core's");
        record(tree.path(), std::slice::from_ref(&old));
        assert_eq!(records.news(0), [old], "another database in its place");
        let mut traces = Traces::default();
        read(&root, &mut traces);
        assert_eq!(traces.machine_checks, [of(Some(1), 1, 100)]);
        let mut from_the_first = Records::follow(&Root::at(Path::new("/nonexistent")));
        assert_eq!(from_the_first.news(0), []);
    }

    #[test]
    fn a_database_that_cannot_be_read_is_told_with_its_reason() {
        let tree = tempfile::tempdir().expect("a folder");
        let folder = tree.path().join("var/lib/rasdaemon");
        fs::create_dir_all(&folder).expect("writable");
        fs::write(folder.join(FILE), "no database").expect("writable");
        assert_eq!(Records::is_there(&Root::at(tree.path())), Err(SqliteError::NotSqlite));
        assert_eq!(Records::follow(&Root::at(tree.path())).news(0), []);
    }
}

//! A day's journal stays small, on any number of cores, and its supervisor's plan with it.
#![cfg(unix)]

mod played;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use oddcore::journal::Store;
use played::{Nowhere, Play, RIGHT};

/// Counts what would be written.
struct Counting(Arc<AtomicU64>);

impl Store for Counting {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_days_journal_stays_below_20_mb() {
    for cores in [1, 2, 24] {
        let bytes = Arc::new(AtomicU64::new(0));
        let play = Play {
            manners: &vec![RIGHT; cores],
            seconds: 86_400.0,
            store: Box::new(Counting(Arc::clone(&bytes))),
            so_far: None,
            view: &mut Nowhere,
            until_s: None,
        };
        let outcome = play.run();
        assert_eq!(outcome.exit_code(), 0);
        assert!(outcome.cores.values().all(|core| core.total().cpu_ns > 3_000 * 1_000_000_000));
        let bytes = bytes.load(Relaxed);
        assert!((1_000_000..20_000_000).contains(&bytes), "{cores} cores: {bytes} bytes a day");
        println!("{cores} cores: {bytes} bytes a day");
    }
}

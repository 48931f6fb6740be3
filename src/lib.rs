//! oddcore finds the odd core out: pinned workers run low-precision matrix and image-resize work on every core, each
//! result is compared bit for bit with a reference, and the core that computed wrongly is named.
//!
//! The rooms follow one direction of flow:
//! `cli → machine → plan → supervisor → worker → kernel → verdict → journal → report`.

pub mod cli;
pub mod frame;
pub mod journal;
pub mod machine;
pub mod picture;
pub mod plan;
pub mod platform;
pub mod report;
pub mod supervisor;
pub mod verdict;
pub mod worker;

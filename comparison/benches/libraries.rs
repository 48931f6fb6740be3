//! `cargo bench --manifest-path comparison/Cargo.toml [-- KERNEL...]`; see README.md.

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    oddcore_comparison::compare(&named);
}

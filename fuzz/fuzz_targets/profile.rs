//! Profiles: any text gives one that can be acted on, or one line that says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oddcore::plan::Profile;

fuzz_target!(|text: &str| {
    match Profile::parse(text) {
        Ok(profile) => {
            assert!((1..=32).contains(&profile.name.len()));
            for seconds in [profile.seconds, profile.until_s].into_iter().flatten() {
                assert!(seconds > 0.0 && seconds <= 366.0 * 86_400.0);
            }
            assert!(profile.kernels.is_none_or(|kernels| !kernels.is_empty()));
            assert!(profile.loads.is_none_or(|loads| !loads.is_empty()));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});

//! PNG files: any bytes give a whole picture or an error. Built for fuzzing, the decoder does not check checksums.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use oddcore::picture::{PIXELS_MAX, decode};

fuzz_target!(|data: &[u8]| {
    match decode(Cursor::new(data)) {
        Ok(picture) => {
            assert!(picture.width > 0 && picture.height > 0);
            assert!((picture.width * picture.height) as u64 <= PIXELS_MAX);
            assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});

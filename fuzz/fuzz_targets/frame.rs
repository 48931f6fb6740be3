//! Frames as pipes and journals carry them: no bytes bring the reader down, and what it takes for sound is written and read
//! again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oddcore::{
    frame::{FrameReader, encode},
    journal::Record,
    worker::protocol::{FromWorker, ToWorker},
};
use oddcore_fuzz::framed;
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|data: &[u8]| {
    for bytes in [data, &framed(data)] {
        read_all::<FromWorker>(bytes);
        read_all::<ToWorker>(bytes);
        read_all::<Record>(bytes);
    }
});

fn read_all<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut reader = FrameReader::new(bytes);
    while let Ok(Some(message)) = reader.read::<T>() {
        let good = usize::try_from(reader.good_bytes()).expect("it is in memory");
        assert_eq!(bytes[..good].last(), Some(&b'\n'), "a sound part ends with a whole line");
        same_again(&message);
    }
}

fn same_again<T: Serialize + DeserializeOwned>(message: &T) {
    // Numbers may come out longer than they went in, so only a frame near the limit can be refused.
    let Ok(written) = encode(0, message) else { return };
    let read = FrameReader::new(&written[..]).read::<T>().expect("what is written can be read").expect("it is there");
    assert_eq!(encode(0, &read).expect("it was written before"), written);
}

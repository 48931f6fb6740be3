//! What the targets share.

/// Frames whose bodies are the lines of `bodies`, each with its right checksum and number. A fuzzer that had to guess a
/// checksum would never get past it.
pub fn framed(bodies: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, body) in bodies.split(|&byte| byte == b'\n').enumerate() {
        let body = [format!("{number} ").as_bytes(), body].concat();
        bytes.extend(format!("{:08x} ", crc32fast::hash(&body)).into_bytes());
        bytes.extend(body);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use oddcore::{
        frame::FrameReader,
        journal::{self, Record},
        worker::protocol::{FromWorker, ToWorker},
    };

    use super::framed;

    fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let files = fs::read_dir(folder).expect("seeds").flatten();
        files.map(|file| (file.path().display().to_string(), fs::read(file.path()).expect("a seed"))).collect()
    }

    /// As it is, or with frames put around its lines.
    fn either_way(bytes: &[u8], whole: impl Fn(&[u8]) -> bool) -> bool {
        whole(bytes) || whole(&framed(bytes))
    }

    fn whole<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
        let mut reader = FrameReader::new(bytes);
        while let Ok(Some(_)) = reader.read::<T>() {}
        reader.good_bytes() == bytes.len() as u64
    }

    /// A seed that is not understood any more is no seed.
    #[test]
    fn every_seed_is_understood_to_its_end() {
        for (name, bytes) in seeds("frame") {
            let understood = either_way(&bytes, |bytes| {
                whole::<FromWorker>(bytes) || whole::<ToWorker>(bytes) || whole::<Record>(bytes)
            });
            assert!(understood, "{name}");
        }
        for (name, bytes) in seeds("journal") {
            let understood =
                either_way(&bytes, |bytes| journal::read_from(&name, bytes).is_ok_and(|read| read.tail.is_none()));
            assert!(understood, "{name}");
        }
    }
}

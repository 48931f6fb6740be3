//! The one framing that both the journal and the worker pipes use: a line of text
//! `CRC SEQUENCE JSON`, limited in length, checksummed over `SEQUENCE JSON`, and numbered from 0 without gaps.
//! Text, so that a person can read a journal after a crash with nothing but a pager.

use std::io::{self, BufRead};

use serde::{Serialize, de::DeserializeOwned};

/// The longest frame in bytes, line end included; room for a machine of some ten thousand CPUs.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The pipe or file failed.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    /// More than [`FRAME_BYTES_MAX`] bytes without a line end.
    #[error("frame {sequence} is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong {
        /// The number the frame should have had.
        sequence: u64,
    },
    /// The data ends in the middle of a frame, as after a power cut.
    #[error("frame {sequence} is torn: {bytes} bytes without an end")]
    Torn {
        /// The number the frame should have had.
        sequence: u64,
        /// How much of it is there.
        bytes: usize,
    },
    /// The checksum, the number or the shape is not what was written.
    #[error("frame {sequence} is damaged: {what}")]
    Damaged {
        /// The number the frame should have had.
        sequence: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The frame is whole but says something this version does not know.
    #[error("frame {sequence} is not understood: {source}")]
    NotUnderstood {
        /// The frame's number.
        sequence: u64,
        /// What the decoder said.
        source: serde_json::Error,
    },
}

/// One frame's bytes, line end included.
pub fn encode<T: Serialize>(sequence: u64, message: &T) -> io::Result<Vec<u8>> {
    let body = format!("{sequence} {}", serde_json::to_string(message)?);
    let line = format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
    if line.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "frame too long"));
    }
    Ok(line.into_bytes())
}

/// Reads frames in order and refuses any that is damaged, missing or out of turn.
pub struct FrameReader<R> {
    source: R,
    next: u64,
    good_bytes: u64,
}

impl<R: BufRead> FrameReader<R> {
    /// Expects frame 0 first.
    pub fn new(source: R) -> Self {
        Self { source, next: 0, good_bytes: 0 }
    }

    /// What is left of the source.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// How many bytes of whole, sound frames have been read: where a torn tail is to be cut.
    pub fn good_bytes(&self) -> u64 {
        self.good_bytes
    }

    /// The number that the next frame must have.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The next message, or `None` at a clean end.
    pub fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let sequence = self.next;
        let mut line = Vec::new();
        let limit = FRAME_BYTES_MAX as u64 + 1;
        io::Read::take(&mut self.source, limit).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(if line.len() as u64 == limit {
                FrameError::TooLong { sequence }
            } else {
                FrameError::Torn { sequence, bytes: line.len() }
            });
        }
        let damaged = |what: &str| FrameError::Damaged { sequence, what: what.to_owned() };
        let text = std::str::from_utf8(&line[..line.len() - 1]).map_err(|_| damaged("not text"))?;
        let (crc, body) = text.split_once(' ').ok_or_else(|| damaged("no checksum"))?;
        let crc = u32::from_str_radix(crc, 16).map_err(|_| damaged("no checksum"))?;
        if crc != crc32fast::hash(body.as_bytes()) {
            return Err(damaged("the checksum does not match"));
        }
        let (number, json) = body.split_once(' ').ok_or_else(|| damaged("no number"))?;
        if number.parse() != Ok(sequence) {
            return Err(damaged("it is out of turn"));
        }
        let message = serde_json::from_str(json).map_err(|source| FrameError::NotUnderstood { sequence, source })?;
        self.next += 1;
        self.good_bytes += line.len() as u64;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(messages: &[String]) -> Vec<u8> {
        messages.iter().enumerate().flat_map(|(n, m)| encode(n as u64, m).expect("encodes")).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(messages in proptest::collection::vec(".*", 0..8)) {
            let bytes = frames(&messages);
            let mut reader = FrameReader::new(&bytes[..]);
            for message in &messages {
                prop_assert_eq!(&reader.read::<String>().expect("sound").expect("there"), message);
            }
            prop_assert!(reader.read::<String>().expect("clean end").is_none());
            prop_assert_eq!(reader.good_bytes(), bytes.len() as u64);
        }

        #[test]
        fn one_flipped_bit_never_passes(message in ".{1,40}", at in 0usize..1000, bit in 0u8..8) {
            let mut bytes = frames(std::slice::from_ref(&message));
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let mut reader = FrameReader::new(&bytes[..]);
            // Case of a hexadecimal digit carries no information.
            match reader.read::<String>() {
                Ok(Some(read)) => prop_assert!(at < 8 && read == message),
                Ok(None) => prop_assert!(false, "a damaged frame read as the end"),
                Err(_) => {}
            }
        }

        #[test]
        fn noise_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FrameReader::new(&bytes[..]).read::<String>();
        }
    }

    #[test]
    fn a_torn_tail_is_told_from_damage() {
        let bytes = frames(&["one".into(), "two".into()]);
        let mut reader = FrameReader::new(&bytes[..bytes.len() - 3]);
        assert_eq!(reader.read::<String>().expect("sound").as_deref(), Some("one"));
        let whole = reader.good_bytes();
        assert!(matches!(reader.read::<String>(), Err(FrameError::Torn { sequence: 1, .. })));
        assert_eq!(reader.good_bytes(), whole);
    }
}

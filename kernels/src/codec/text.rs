//! Texts made from a seed.

use alloc::vec::Vec;

use crate::rng::Rng;

/// The rank of a word: the first ones are the most frequent.
fn rank(rng: &mut Rng, words: usize) -> usize {
    let a = rng.within(0, words - 1);
    let b = rng.within(0, a);
    rng.within(0, b)
}

/// Prose of made-up words, with numbers, repeated phrases, and tables of bytes between.
pub(super) fn prose(rng: &mut Rng, len: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..400)
        .map(|n| {
            let letters = rng.within(2, 3 + n / 50);
            (0..letters).map(|_| b"etaoinshrdlucmfwypvbgkqjxz"[rank(rng, 26)]).collect()
        })
        .collect();
    let mut text = Vec::with_capacity(len + 600);
    while text.len() < len {
        match rng.within(0, 39) {
            0 => {
                // A phrase from before, again.
                let from = rng.within(0, text.len());
                let phrase: Vec<u8> = text[from..].iter().take(rng.within(4, 200)).copied().collect();
                text.extend(phrase);
            }
            1 => text.extend(alloc::format!("{}", rng.next() >> rng.within(0, 63)).bytes()),
            2 => text.extend((0..rng.within(8, 64)).flat_map(|n| [n as u8, 0, (rng.next() & 3) as u8, 0x80])),
            3 => text.extend([b'.', b'\n']),
            _ => {
                text.extend(&words[rank(rng, words.len())]);
                text.push(b' ');
            }
        }
    }
    text.truncate(len);
    text
}

/// A text in JSON, an array of so many records, and how many tokens it has.
pub(super) fn json(rng: &mut Rng, records: usize) -> (Vec<u8>, usize) {
    let mut writer = Writer { rng, text: Vec::new(), tokens: 0 };
    writer.token(b"[");
    for record in 0..records {
        if record > 0 {
            writer.text.push(b',');
        }
        writer.object(3);
    }
    writer.token(b"]");
    (writer.text, writer.tokens)
}

struct Writer<'a> {
    rng: &'a mut Rng,
    text: Vec<u8>,
    tokens: usize,
}

impl Writer<'_> {
    fn token(&mut self, text: &[u8]) {
        self.tokens += 1;
        self.text.extend(text);
        // White space of every kind, mostly none.
        match self.rng.within(0, 15) {
            0 => self.text.extend(b"\n\t"),
            1 => self.text.extend(b"  "),
            2 => self.text.extend(b" \r\n"),
            _ => {}
        }
    }

    fn object(&mut self, depth: usize) {
        self.token(b"{");
        for member in 0..self.rng.within(1, 5) {
            if member > 0 {
                self.text.push(b',');
            }
            self.string();
            self.text.push(b':');
            self.value(depth - 1);
        }
        self.token(b"}");
    }

    fn value(&mut self, depth: usize) {
        match self.rng.within(if depth == 0 { 2 } else { 0 }, 11) {
            0 => self.object(depth),
            1 => {
                self.token(b"[");
                for element in 0..self.rng.within(0, 6) {
                    if element > 0 {
                        self.text.push(b',');
                    }
                    self.value(depth - 1);
                }
                self.token(b"]");
            }
            2 => self.token(b"true"),
            3 => self.token(b"false"),
            4 => self.token(b"null"),
            5..=7 => self.string(),
            8 | 9 => {
                let number = self.rng.next() as i64 >> self.rng.within(0, 63);
                self.token(alloc::format!("{number}").as_bytes());
            }
            _ => {
                let (whole, fraction) = (self.rng.next() as i64 >> self.rng.within(30, 63), self.rng.next() >> 20);
                let number = match self.rng.within(0, 2) {
                    0 => alloc::format!("{whole}.{fraction}"),
                    1 => alloc::format!("{whole}.{fraction}e-{}", self.rng.within(0, 40)),
                    _ => alloc::format!("{whole}E+{}", self.rng.within(0, 200)),
                };
                self.token(number.as_bytes());
            }
        }
    }

    fn string(&mut self) {
        let mut text = Vec::from(*b"\"");
        for _ in 0..self.rng.within(1, 14) {
            match self.rng.within(0, 30) {
                0 => text.extend(b"\\n"),
                1 => text.extend(b"\\\""),
                2 => text.extend(b"\\\\"),
                3 => text.extend(alloc::format!("\\u{:04x}", self.rng.within(0x20, 0xd7ff)).bytes()),
                4 => text.extend("\u{e9}\u{4e2d}".bytes()),
                _ => text.push(b"abcdefghijklmnopqrstuvwxyz_ 0123456789"[self.rng.within(0, 37)]),
            }
        }
        text.push(b'"');
        self.token(&text);
    }
}

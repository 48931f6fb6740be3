//! `parse-branches`: a parser of JSON, written as a machine of states, that branches on every byte of a text made by the seed.
//!
//! Stages: "tokens", a word for each token: its kind in the lowest byte, and a digest of its value above (of a string what its escapes
//! stand for); "numbers", each number once more, the nearest f64; "values", the digest of each member of the outermost array with
//! all that is in it, in order, by a stack, and of its end; then the tokens read and the depth at the end, both counted. What a text lacks is zero.

use alloc::vec::Vec;
use core::ops::Range;

use super::{PLAIN, text};
use crate::{
    buffer::Buffer,
    gemm::no_such_variant,
    goldens,
    isa::Token as IsaToken,
    kernel::{Golden, Size, Variant},
    rng::Rng,
    staged::{Call, Staged},
};

const MULTIPLIER: u64 = 0x9fb2_1c65_1e98_df25;
/// Containers within containers at most.
const DEPTH: usize = 16;

#[derive(Default)]
pub(crate) struct ParseBranches {
    records: usize,
    tokens: usize,
    /// The digests of the containers that are open.
    stack: Vec<u64>,
}

impl Staged for ParseBranches {
    type Word = u64;
    const NAME: &'static str = "parse-branches";
    const SUMMARY: &'static str = "a parser of JSON that branches on every byte";
    const VARIANTS: &'static [Variant] = PLAIN;
    const GOLDENS: &'static [Golden] = goldens::PARSE_BRANCHES;
    const STAGES: &'static [&'static str] = &["tokens", "numbers", "values"];
    const TYPE: &'static str = "uint64";

    fn generate(&mut self, size: Size, rng: &mut Rng, input: &mut Buffer<u8>) {
        self.records = match size {
            Size::Golden => 600,
            Size::Fresh => rng.within(3, 150),
        };
        let (text, tokens) = text::json(rng, self.records);
        self.tokens = tokens;
        self.stack.reserve(DEPTH);
        input.copy_from(&text);
    }

    fn sizes(&self) -> [usize; 2] {
        [self.records, self.tokens]
    }

    fn shape(&self, stage: usize) -> [usize; 2] {
        [[self.tokens, self.tokens, self.records + 3][stage], 1]
    }

    fn operations(&self) -> u64 {
        // Tokens, read twice.
        2 * self.tokens as u64
    }

    fn run(&mut self, token: IsaToken, input: &[u8], call: &mut Call<'_, u64>) {
        let IsaToken::Scalar = token else { no_such_variant(Self::NAME, token) };
        let tokens = call.enter(0, self.tokens);
        let mut scanner = Scanner { text: input, at: 0 };
        let mut read = 0;
        while let (Some(token), Some(to)) = (scanner.next(), tokens.get_mut(read)) {
            *to = token;
            read += 1;
        }
        tokens[read..].fill(0);
        call.strike(tokens);

        let numbers = call.enter(1, self.tokens);
        let mut scanner = Scanner { text: input, at: 0 };
        for (number, token) in numbers.iter_mut().zip(&*tokens) {
            *number = match scanner.next_in_place() {
                None => 0,
                Some((_, again)) if again != *token => READ_OTHERWISE,
                Some((place, _)) if token & 0xff == u64::from(NUMBER) => {
                    let text = core::str::from_utf8(&input[place]).ok();
                    text.and_then(|text| text.parse::<f64>().ok()).map_or(1, f64::to_bits)
                }
                Some(_) => 0,
            };
        }
        call.strike(numbers);

        let values = call.enter(2, self.records + 3);
        values.fill(0);
        let depth = fold(tokens, numbers, &mut self.stack, &mut values[..=self.records]);
        values[self.records + 1..].copy_from_slice(&[read as u64, depth]);
        call.strike(values);
    }
}

// Kinds of tokens: the byte that they begin with, of numbers a digit.
const NUMBER: u8 = b'0';
/// A byte where no token may begin, or a token that breaks off.
const WRONG: u8 = b'?';
/// In place of a number, where the second reading of a token gave another than the first.
const READ_OTHERWISE: u64 = 2;

/// Reads token after token.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Adds to a digest so that what differed differs still.
fn add(digest: u64, value: u64) -> u64 {
    (digest ^ value).wrapping_mul(MULTIPLIER).rotate_left(29)
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// The next token, with its digest.
    fn next(&mut self) -> Option<u64> {
        let (kind, digest) = self.token()?;
        Some(digest << 8 | u64::from(kind))
    }

    /// The same, and where it is.
    fn next_in_place(&mut self) -> Option<(Range<usize>, u64)> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b':')) {
            self.at += 1;
        }
        let from = self.at;
        let token = self.next()?;
        Some((from..self.at, token))
    }

    fn token(&mut self) -> Option<(u8, u64)> {
        loop {
            let byte = self.take()?;
            return Some(match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => continue,
                b'{' | b'}' | b'[' | b']' => (byte, 0),
                b'"' => self.string(),
                b't' => self.word(byte, b"rue"),
                b'f' => self.word(byte, b"alse"),
                b'n' => self.word(byte, b"ull"),
                b'-' => self.number(true, 0),
                b'0'..=b'9' => self.number(false, (byte - b'0').into()),
                _ => (WRONG, byte.into()),
            });
        }
    }

    fn word(&mut self, kind: u8, rest: &[u8]) -> (u8, u64) {
        for wanted in rest {
            if self.take() != Some(*wanted) {
                return (WRONG, kind.into());
            }
        }
        (kind, 1)
    }

    /// Sign, digits and exponent, exactly.
    fn number(&mut self, negative: bool, first: u64) -> (u8, u64) {
        let mut digest = add(u64::from(negative), first);
        let mut digits = 0u32;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' => {
                    digest = add(digest, u64::from(byte - b'0'));
                    digits += 1;
                }
                b'.' => digest = add(digest, 0x100 + u64::from(digits)),
                b'e' | b'E' => digest = add(digest, 0x200),
                b'+' => digest = add(digest, 0x300),
                b'-' => digest = add(digest, 0x400),
                _ => break,
            }
            self.at += 1;
        }
        (NUMBER, add(digest, digits.into()))
    }

    fn string(&mut self) -> (u8, u64) {
        let mut digest = 0;
        loop {
            let character = match self.take() {
                None => return (WRONG, digest),
                Some(b'"') => return (b'"', digest),
                Some(b'\\') => match self.take() {
                    Some(b'n') => 0x0a,
                    Some(b'u') => {
                        let mut code = 0;
                        for _ in 0..4 {
                            code = code << 4
                                | match self.take() {
                                    Some(byte @ b'0'..=b'9') => u64::from(byte - b'0'),
                                    Some(byte @ b'a'..=b'f') => u64::from(byte - b'a' + 10),
                                    _ => return (WRONG, digest),
                                };
                        }
                        code
                    }
                    Some(byte) => byte.into(),
                    None => return (WRONG, digest),
                },
                Some(byte) => byte.into(),
            };
            digest = add(digest, character);
        }
    }
}

/// Folds tokens and numbers into the outermost array's members, and returns how many containers are open at the end.
fn fold(tokens: &[u64], numbers: &[u64], stack: &mut Vec<u64>, values: &mut [u64]) -> u64 {
    stack.clear();
    let mut values = values.iter_mut();
    for (token, number) in tokens.iter().zip(numbers) {
        let mut value = add(add(0, *token), *number);
        match *token as u8 {
            b'{' | b'[' => {
                if stack.len() < DEPTH {
                    stack.push(value);
                }
                continue;
            }
            b'}' | b']' => value = add(value, stack.pop().unwrap_or(1)),
            _ => {}
        }
        match stack.as_mut_slice() {
            [_, .., last] => *last = add(*last, value),
            // A member of the outermost array, or that array's end.
            _ => {
                if let Some(to) = values.next() {
                    *to = value;
                }
            }
        }
    }
    stack.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_show_in_their_stage() {
        crate::staged::tests::holds::<ParseBranches>();
    }

    fn tokens(text: &str) -> Vec<u64> {
        let mut scanner = Scanner { text: text.as_bytes(), at: 0 };
        core::iter::from_fn(|| scanner.next()).collect()
    }

    #[test]
    fn what_is_written_otherwise_but_means_the_same_has_the_same_tokens() {
        assert_eq!(tokens(r#"["a\u0041\n",1]"#), tokens("[ \"aA\\u000a\" ,\t1 ]"));
        for (one, other) in [("1e-5", "1e+5"), ("12", "21"), ("1.23", "12.3"), (r#""ab""#, r#""ba""#)] {
            assert_ne!(tokens(one), tokens(other), "{one} {other}");
        }
        for other in
            [r#"["aA\n",2]"#, r#"["aA\n",1"#, r#"["aA",1]"#, r#"["aA\n",-1]"#, r#"["aA\n",1.0]"#, r#"{"aA\n",1]"#]
        {
            assert_ne!(tokens(r#"["aA\n",1]"#), tokens(other), "{other}");
        }
    }

    /// Every text is read to its end without a wrong token, and all its numbers are numbers.
    #[test]
    fn texts_are_whole() {
        for seed in 0..30 {
            let (text, count) = text::json(&mut Rng::new(seed), 20);
            let text = core::str::from_utf8(&text).expect("UTF-8");
            let tokens = tokens(text);
            assert_eq!(tokens.len(), count, "{text}");
            assert!(tokens.iter().all(|token| *token as u8 != WRONG), "{text}");
            let mut scanner = Scanner { text: text.as_bytes(), at: 0 };
            for token in tokens {
                let (place, again) = scanner.next_in_place().expect("so many tokens");
                let is_number = text[place.clone()].parse::<f64>().is_ok();
                assert_eq!((again, is_number), (token, token as u8 == NUMBER), "{}", &text[place]);
            }
        }
    }

    /// Whatever byte of a text changes, what comes of it changes, but for white space that takes the place of other.
    #[test]
    fn no_byte_is_overlooked() {
        let (mut text, count) = text::json(&mut Rng::new(5), 8);
        let read = |text: &[u8]| {
            let mut scanner = Scanner { text, at: 0 };
            core::iter::from_fn(|| scanner.next()).collect::<Vec<_>>()
        };
        let right = read(&text);
        assert_eq!(right.len(), count);
        for at in 0..text.len() {
            let byte = text[at];
            if !byte.is_ascii_whitespace() && !matches!(byte, b',' | b':' | b'E') {
                text[at] ^= 1;
                assert_ne!(read(&text), right, "{:?} at {at}", char::from(byte));
                text[at] = byte;
            }
        }
    }
}

//! Pillow, in a Python of this machine that has it: a process that resizes when it is told to and says what CPU time it took.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use oddcore_kernels::Picture;

/// Tells its version, takes the picture, then answers each line: `resize` with the CPU time, `picture` with the bytes.
const SCRIPT: &str = "
import sys, time
import PIL
from PIL import Image
put = sys.stdout.buffer
def say(text):
    put.write(f'{text}\\n'.encode()); put.flush()
say(PIL.__version__)
side, to = int(sys.argv[1]), int(sys.argv[2])
picture = Image.frombytes('RGB', (side, side), sys.stdin.buffer.read(side * side * 3))
for line in sys.stdin.buffer:
    if line == b'resize\\n':
        start = time.process_time()
        out = picture.resize((to, to), Image.Resampling.LANCZOS)
        say(time.process_time() - start)
    else:
        put.write(out.tobytes()); put.flush()
";

/// The Python to be asked, if the variable is set; else these are tried.
const ASKED: &str = "ODDCORE_PYTHON";
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// The process.
pub struct Pillow {
    process: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
    version: String,
    to: usize,
}

impl Pillow {
    /// A Python that has resized nothing yet; or why there is none.
    pub fn start(picture: &Picture, to: usize) -> Result<Self, String> {
        let own = std::env::var(ASKED).ok();
        let pythons = own.as_deref().map_or_else(|| PYTHONS.to_vec(), |python| vec![python]);
        pythons
            .iter()
            .find_map(|python| Self::with(python, picture, to))
            .ok_or_else(|| format!("no Python with it: {} (set {ASKED} to one)", pythons.join(", ")))
    }

    fn with(python: &str, picture: &Picture, to: usize) -> Option<Self> {
        let arguments = [picture.width.to_string(), to.to_string()];
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().ok()?;
        let (tell, hear) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        let mut pillow = Self { process, tell, hear, version: String::new(), to };
        pillow.version = pillow.line()?;
        pillow.tell.write_all(&picture.rgb).ok()?;
        Some(pillow)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.hear.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    }

    fn say(&mut self, what: &str) {
        self.tell.write_all(what.as_bytes()).expect("Python is there");
    }

    /// What it calls itself.
    pub fn name(&self) -> String {
        format!("Pillow {}", self.version)
    }

    /// Resizes; the CPU time, s.
    pub fn resize(&mut self) -> f64 {
        self.say("resize\n");
        self.line().and_then(|line| line.parse().ok()).expect("Python says how long it took")
    }

    /// What it made.
    pub fn picture(&mut self) -> Vec<u8> {
        self.say("picture\n");
        let mut bytes = vec![0; self.to * self.to * 3];
        self.hear.read_exact(&mut bytes).expect("Python gives the picture");
        bytes
    }
}

impl Drop for Pillow {
    fn drop(&mut self) {
        // One that was never of use is ended as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! The report as a page: sound, small, and in a browser, where there is one, readable in both themes on screens large and small.
#![cfg(unix)]

mod played;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use oddcore::{
    journal::{Record, Store, read_from},
    machine::hardware_log::HardwareNews,
    machine::{Kind, RatedClock, Source},
    report::{html, timeline::Timeline},
    verdict::Outcome,
};
use played::{Manner, Nowhere, Play, RIGHT, SIGSEGV};
use quick_xml::{Reader, events::Event};

/// Keeps what is written.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Store for Kept {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The journal of a run on so many cores, of which core 4 goes wrong and core 7 crashes; on a machine of large and small cores,
/// with thermometers.
fn journal(cores: usize, seconds: f64, faults: bool) -> Vec<Record> {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let mut manners = vec![RIGHT; cores];
    if faults {
        manners[4] = Manner { wrong_golden: 0x8000, findings: 7, ..RIGHT };
        manners[7] = Manner { dies_working: Some(SIGSEGV), ..RIGHT };
    }
    let store = Box::new(Kept(Arc::clone(&bytes)));
    Play {
        manners: &manners,
        seconds,
        store,
        so_far: None,
        view: &mut Nowhere,
        until_s: None,
        hardware: HardwareNews::default(),
    }
    .run();
    let bytes = bytes.lock().expect("no panic");
    let mut records = read_from("played", &bytes[..]).expect("a journal").records;
    if let Some(Record::RunStarted(run)) = records.first_mut() {
        let machine = &mut run.machine;
        (machine.cpu, machine.microcode) = ("Intel(R) Core(TM) i9-14900K".into(), Some("0x12b".into()));
        machine.vendor = "GenuineIntel".into();
        for (n, core) in machine.cores.iter_mut().enumerate() {
            let (kind, short, mhz) = match n {
                4 | 5 => (Kind::Performance, format!("P{n}"), 6000.0),
                0..8 => (Kind::Performance, format!("P{n}"), 5700.0),
                _ => (Kind::Efficiency, format!("E{}", n - 8), 4400.0),
            };
            (core.kind, core.label) = (kind, format!("{short} (CPU {n})"));
            core.short = short;
            core.top_mhz = Some(RatedClock { mhz, known: false, source: Source::CpuinfoMaxFreq });
        }
    }
    let mut heat = 0x1234_5678_u32;
    let warmed = records.into_iter().flat_map(|record| {
        heat = heat.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let celsius = 55.0 + f64::from(heat >> 24) / 8.0;
        let sensors = match record {
            Record::StepEnded { step } => Some(Record::Sensors { step, hottest_c: Some(celsius), throttled: vec![] }),
            _ => None,
        };
        sensors.into_iter().chain([record])
    });
    warmed.collect()
}

fn page(records: &[Record]) -> String {
    html::of(&Outcome::of(records), &Timeline::of(records)).expect("a run")
}

/// Elements that have no end.
const VOID: [&str; 4] = ["meta", "link", "br", "img"];

/// Panics unless every element is closed where it should be, nothing is loaded or run, and every chart has words.
fn check(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").expect("the standard's kind of page");
    let mut reader = Reader::from_str(body);
    reader.config_mut().check_end_names = false;
    let (mut open, mut charts, mut titled): (Vec<String>, usize, usize) = (Vec::new(), 0, 0);
    let mut ids = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.buffer_position())) {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                assert!(
                    !["script", "iframe", "object", "embed", "img", "base", "form"].contains(&name.as_str()),
                    "<{name}>"
                );
                for attribute in start.html_attributes().map(|attribute| attribute.expect("sound")) {
                    let (key, value) = (attribute.key.as_ref(), attribute.value.as_ref());
                    assert!(!key.starts_with("on"), "{key}={value}: a script");
                    assert!(!["src", "srcset", "action", "data"].contains(&key), "{key}={value}: would be loaded");
                    assert!(key != "href" || value == "data:,", "{value}");
                    if key == "id" {
                        assert!(!ids.contains(&value.to_owned()), "{value}: twice");
                        ids.push(value.to_owned());
                    }
                }
                if name == "svg" {
                    charts += 1;
                    let has = |key: &str| start.try_get_attribute(key).expect("sound").map(|a| a.value.to_string());
                    assert_eq!(has("role").as_deref(), Some("img"));
                    assert!(has("aria-label").is_some_and(|label| label.len() > 20), "a chart without words");
                }
                titled += usize::from(name == "title" && open.last().is_some_and(|parent| parent == "svg"));
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Event::End(end) => {
                let closed = open.pop().expect("nothing is open");
                assert_eq!(end.name().as_ref(), closed, "at {}", reader.buffer_position());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    assert_eq!(titled, charts, "every chart has a title");
    for scheme in ["http:", "https:", "url(", "@import", "//"] {
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
        assert!(!style.contains(scheme), "the style sheet loads {scheme}");
    }
}

#[test]
fn a_day_on_64_cpus_is_a_page_below_3_mb() {
    let page = page(&journal(64, 86_400.0, true));
    check(&page);
    println!("{} bytes", page.len());
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    for said in ["FAIL: ", "P4 computes wrongly", "Cores × loads", "Cores × kernels", "Clock of E55", "Temperature"] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn a_finding_has_its_bits_its_lane_and_the_command_that_replays_it() {
    let page = page(&journal(10, 60.0, true));
    check(&page);
    for said in [
        "want",
        "0x802a",
        "<mark>1</mark>",
        "wrong bit 15",
        "(lane 1 of 16)",
        "<span>oddcore</span> <span>kernel</span> <span>gemm-f32</span> <span>--seed</span>",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let advice = page.split("<li>").nth(1).expect("advice");
    assert!(advice.starts_with("Set P4 P7 60x -&gt; 57x (as others of its kind have), then: <code"), "{advice}");
}

#[test]
fn a_sound_run_and_one_that_never_worked_are_pages_too() {
    let records = journal(2, 60.0, false);
    let whole = page(&records);
    check(&whole);
    assert!(whole.contains("NO ERRORS in 1:") && !whole.contains("<h2>Findings</h2>"));
    let opening = page(&records[..1]);
    check(&opening);
    assert!(opening.contains("UNFINISHED") && !opening.contains("<svg"));
}

#[test]
fn text_from_outside_stays_text() {
    let mut records = journal(1, 4.0, false);
    if let Some(Record::RunStarted(run)) = records.first_mut() {
        run.machine.cpu = "</title><script>alert(1)</script>\u{202e}\u{1b}[31m".into();
        run.profile = "\"><b onload=x>".into();
    }
    records.insert(1, Record::Note { text: "<style>*{display:none}</style>&amp;".into() });
    let page = page(&records);
    check(&page);
    assert!(page.contains("&lt;script&gt;") && page.contains("\\u{202e}\\u{1b}[31m"));
    assert!(page.contains("&lt;style&gt;*{display:none}&lt;/style&gt;&amp;amp;"));
}

/// A browser of the Chromium family.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var_os("PATH")?;
    let all = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    all.into_iter().find(|program| program.is_file())
}

/// Measures the page as it is shown: how far it is wider than the window, and its text of the least contrast.
const MEASURE: &str = r#"<script>
addEventListener('load', () => {
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const back = rgb(getComputedStyle(at).backgroundColor);
      if (back.length === 3 || back[3] === 1) return back;
    }
    return [255, 255, 255];
  };
  let worst = 99, which = '', texts = 0;
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest('title') || !element.getClientRects().length) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const front = rgb(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(front), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst) [worst, which] = [ratio, element.tagName + ' ' + element.textContent.trim().slice(0, 30)];
  }
  const root = document.documentElement;
  parent.postMessage([innerWidth, root.scrollWidth - root.clientWidth, texts, worst.toFixed(2), which,
    matchMedia('(prefers-color-scheme: dark)').matches].join('|'), '*');
});
</script></body>"#;

/// A page that has the measured one in a frame, for no window is as narrow as a telephone, and shows what that tells.
fn frame(wide: u32) -> String {
    format!(
        r#"<!DOCTYPE html><meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><script>
addEventListener('message', event => document.body.append('MEASURED|' + event.data + '|'));
</script><body><iframe src="measured.html" width="{wide}" height="900" style="border: 0"></iframe></body>"#
    )
}

#[test]
fn a_browser_shows_it_readable_in_both_themes_on_screens_large_and_small() {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium here; the page was not looked at in a browser");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(&journal(24, 3_600.0, true));
    let measured = folder.path().join("measured.html");
    fs::write(&measured, page.replace("</body>", MEASURE)).expect("writable");
    fs::write(folder.path().join("page.html"), &page).expect("writable");
    // A page of its own for whoever wants to look at it.
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html"), &page).expect("writable");
    let run = |file: &str, args: &[&str]| {
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .args(args)
            .arg(format!("file://{}", folder.path().join(file).display()))
            .output()
            .expect("starts");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("CONSOLE"), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (wide, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        fs::write(folder.path().join("frame.html"), frame(wide)).expect("writable");
        let shown =
            run("frame.html", &["--dump-dom", "--virtual-time-budget=10000", "--window-size=1400,1000", &scheme]);
        let fields: Vec<&str> = shown.rsplit("MEASURED|").next().expect("measured").split('|').collect();
        let [width, over, texts, contrast, which, is_dark] = fields[..6] else { panic!("{fields:?}") };
        println!("{wide} dark {dark}: {fields:?}");
        assert_eq!(is_dark, dark.to_string());
        assert_eq!(width, wide.to_string());
        assert_eq!(over, "0", "wider than its window of {width}");
        assert!(texts.parse::<u32>().is_ok_and(|texts| texts > 500), "{texts}");
        assert!(contrast.parse::<f64>().is_ok_and(|contrast| contrast >= 4.5), "{contrast}: {which}");
    }
    let paper = folder.path().join("page.pdf");
    run("page.html", &["--no-pdf-header-footer", &format!("--print-to-pdf={}", paper.display())]);
    assert!(fs::read(&paper).expect("printed").starts_with(b"%PDF"));
}

//! The event log of Windows, as XML: orderly shutdowns, boots, blue screens, and the machine checks of WHEA-Logger with their
//! APIC id. Only the asking takes Windows.

use quick_xml::{Reader, XmlVersion, events::Event};

use super::{KernelPanic, MachineCheck, Sign, Traces};

/// What is asked for: of the kernel's start and end, of the event log's own, who asked for a shutdown, what was not orderly,
/// and what the hardware reported.
pub const QUERY: &str = "*[System[(Provider[@Name='Microsoft-Windows-Kernel-General'] and (EventID=12 or EventID=13)) \
     or (Provider[@Name='EventLog'] and (EventID=6005 or EventID=6006)) \
     or (Provider[@Name='User32'] and EventID=1074) \
     or (Provider[@Name='Microsoft-Windows-Kernel-Power'] and EventID=41) \
     or (Provider[@Name='Microsoft-Windows-WER-SystemErrorReporting'] and EventID=1001) \
     or Provider[@Name='Microsoft-Windows-WHEA-Logger']]]";
/// How many of these, the newest first.
pub const EVENTS_MAX: usize = 2_000;
/// Signs of life: whatever was logged, and how much of it.
pub const ANY: &str = "*";
/// See [`ANY`].
pub const SIGNS_MAX: usize = 1_000;

/// The bit of a bank's status that says "not corrected".
const UNCORRECTED: u64 = 1 << 61;
const SOURCE: &str = "the event log";

/// What one event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    provider: String,
    id: u32,
    at_s: Option<i64>,
    /// Names and values, where they have any.
    data: Vec<(String, String)>,
}

impl Told {
    fn of(xml: &str) -> Option<Self> {
        let mut told = Self::default();
        let mut reader = Reader::from_str(xml);
        let mut inside = String::new();
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => {
                    let attribute = |wanted: &str| {
                        let found = tag.try_get_attribute(wanted).ok()??;
                        Some(found.normalized_value(XmlVersion::Explicit1_0).ok()?.into_owned())
                    };
                    inside = tag.local_name().as_ref().to_owned();
                    let name = attribute("Name").unwrap_or_default();
                    match inside.as_str() {
                        // Events of old have the name of their program there.
                        "Provider" => told.provider = name,
                        "TimeCreated" => told.at_s = attribute("SystemTime").and_then(|text| seconds(&text)),
                        "Data" => told.data.push((name, String::new())),
                        _ => {}
                    }
                }
                Event::Text(text) => match inside.as_str() {
                    "EventID" => told.id = text.xml10_content().trim().parse().ok()?,
                    "Data" => told.data.last_mut()?.1 += &text.xml10_content(),
                    _ => {}
                },
                Event::End(_) => inside.clear(),
                Event::Eof => return (told.id > 0).then_some(told),
                _ => {}
            }
        }
    }

    fn data(&self, name: &str) -> Option<&str> {
        self.data.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }

    fn number(&self, name: &str) -> Option<u64> {
        let text = self.data(name)?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// Of a processor's bank; other parts of the machine report otherwise.
    fn machine_check(&self, at_s: i64) -> Option<MachineCheck> {
        let status = self.number("MciStat")?;
        Some(MachineCheck {
            at_s,
            apic: self.number("ApicId").and_then(|id| u32::try_from(id).ok()),
            cpu: None,
            bank: self.number("MCABank")?.try_into().ok()?,
            status,
            uncorrected: status & UNCORRECTED != 0,
        })
    }
}

fn seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Adds what the events, as XML, say of boots, shutdowns, panics and machine checks.
pub fn add(events: &[String], traces: &mut Traces) {
    for told in events.iter().filter_map(|xml| Told::of(xml)) {
        let Some(at_s) = told.at_s else { continue };
        match (told.provider.as_str(), told.id) {
            ("Microsoft-Windows-Kernel-General", 12) => {
                traces.boots.push(told.data("StartTime").and_then(seconds).unwrap_or(at_s));
            }
            ("EventLog", 6005) => traces.boots.push(at_s),
            ("Microsoft-Windows-Kernel-General", 13) | ("EventLog", 6006) | ("User32", 1074) => {
                traces.shutdowns.push(at_s);
            }
            // Logged by the boot after it; without a code it was no blue screen, but a reset or a power cut.
            ("Microsoft-Windows-Kernel-Power", 41) if told.number("BugcheckCode").is_some_and(|code| code != 0) => {
                traces.panics.push(KernelPanic { source: SOURCE.into(), at_s });
            }
            ("Microsoft-Windows-WER-SystemErrorReporting", 1001) => {
                traces.panics.push(KernelPanic { source: SOURCE.into(), at_s });
            }
            ("Microsoft-Windows-WHEA-Logger", _) => traces.machine_checks.extend(told.machine_check(at_s)),
            _ => {}
        }
    }
}

/// Adds that the OS lived when it logged any of these.
pub fn add_signs(events: &[String], traces: &mut Traces) {
    let times = events.iter().filter_map(|xml| Told::of(xml)?.at_s);
    traces.signs.extend(times.map(|at_s| Sign { source: SOURCE.into(), boot: None, at_s }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machine::Boot,
        verdict::{
            LossReason,
            loss::{DeadRun, weigh},
        },
    };
    use proptest::prelude::*;

    /// An event as `EvtRender` writes it.
    fn event(provider: &str, id: u32, time: &str, data: &[(&str, &str)]) -> String {
        let data: String = data.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{provider}' \
             Guid='{{c26c4f3c-3f66-4e99-8f8a-39405cfed220}}'/><EventID>{id}</EventID><Version>0</Version><Level>2</Level>\
             <Task>0</Task><Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='{time}'/>\
             <EventRecordID>2344</EventRecordID><Correlation/><Execution ProcessID='3516' ThreadID='4232'/>\
             <Channel>System</Channel><Computer>DESKTOP</Computer><Security UserID='S-1-5-19'/></System>\
             <EventData>{data}</EventData></Event>"
        )
    }

    const WHEA: &str = "Microsoft-Windows-WHEA-Logger";
    const POWER: &str = "Microsoft-Windows-Kernel-Power";
    const GENERAL: &str = "Microsoft-Windows-Kernel-General";

    #[test]
    fn each_event_says_what_it_says() {
        let events = [
            event(
                WHEA,
                18,
                "2023-11-14T22:13:20.5016430Z",
                &[
                    ("ErrorSource", "3"),
                    ("ApicId", "32"),
                    ("MCABank", "5"),
                    ("MciStat", "0xbea0000000000108"),
                    ("MciAddr", "0x0"),
                ],
            ),
            event(
                WHEA,
                19,
                "2023-11-14T22:13:29.0000000Z",
                &[("ApicId", "0x41"), ("MCABank", "0"), ("MciStat", "0x9c0000400001009f")],
            ),
            event(WHEA, 17, "2023-11-14T22:13:30.0000000Z", &[("ErrorSource", "4"), ("PrimaryDeviceName", "PCI\\VEN")]),
            event(
                GENERAL,
                12,
                "2023-11-14T22:14:00.1Z",
                &[("MajorVersion", "10"), ("StartTime", "2023-11-14T22:13:50.5Z")],
            ),
            event("User32", 1074, "2023-11-14T23:00:00Z", &[("param1", "C:\\Windows\\Explorer &amp; more.exe")]),
            event(GENERAL, 13, "2023-11-14T23:00:05Z", &[("StopTime", "2023-11-14T23:00:05Z")]),
            event(POWER, 41, "2023-11-15T00:00:00Z", &[("BugcheckCode", "0"), ("PowerButtonTimestamp", "0")]),
            event(POWER, 41, "2023-11-15T01:00:00Z", &[("BugcheckCode", "292")]),
            "<Event><System><Provider Name='EventLog'/><EventID Qualifiers='32768'>6006</EventID><TimeCreated \
             SystemTime='2023-11-15T02:00:00Z'/></System><EventData><Binary>01</Binary></EventData></Event>"
                .into(),
            "no XML <".into(),
            event(WHEA, 18, "some day", &[("ApicId", "1"), ("MCABank", "1"), ("MciStat", "0x1")]),
        ];
        let mut traces = Traces::default();
        add(&events, &mut traces);
        let check = |at_s, apic, bank, status, uncorrected| MachineCheck {
            at_s,
            apic: Some(apic),
            cpu: None,
            bank,
            status,
            uncorrected,
        };
        assert_eq!(
            traces.machine_checks,
            [
                check(1_700_000_000, 32, 5, 0xbea0_0000_0000_0108, true),
                check(1_700_000_009, 0x41, 0, 0x9c00_0040_0001_009f, false)
            ]
        );
        assert_eq!(traces.boots, [1_700_000_030]);
        assert_eq!(traces.shutdowns, [1_700_002_800, 1_700_002_805, 1_700_013_600]);
        assert_eq!(traces.panics.iter().map(|panic| panic.at_s).collect::<Vec<_>>(), [1_700_010_000]);
        add_signs(&events[..4], &mut traces);
        assert_eq!(traces.signs.last().map(|sign| sign.at_s), Some(1_700_000_040));
    }

    /// A run of boot 7, last seen at 22:00:00, is found by boot 8, which began at 22:10:00.
    fn weighed(events: &[String], boot: &str) -> (LossReason, String, usize) {
        let boot_of =
            |id: &str, at: &str| Some(Boot { id: id.into(), booted_at_s: Some(seconds(at).expect("a time") as u64) });
        let dead = DeadRun {
            boot: boot_of("boot-7", "2023-11-14T20:00:00Z"),
            last_seen_s: seconds("2023-11-14T22:00:00Z").expect("a time"),
            heartbeat_every_s: 5,
            supervisor_vanished: false,
            step_started_s: seconds("2023-11-14T21:59:00Z"),
        };
        let booted = if boot == "boot-7" { "2023-11-14T20:00:00Z" } else { "2023-11-14T22:10:00Z" };
        let mut traces = Traces { boot: boot_of(boot, booted), ..Traces::default() };
        add(events, &mut traces);
        add_signs(events, &mut traces);
        let loss = weigh(&dead, &traces);
        (loss.reason, loss.why, loss.machine_checks.len())
    }

    #[test]
    fn a_reset_is_told_from_a_shutdown() {
        let dirty = event(POWER, 41, "2023-11-14T22:10:05Z", &[("BugcheckCode", "0")]);
        let check = [("ApicId", "32"), ("MCABank", "5"), ("MciStat", "0xbea0000000000108")];
        let check = event(WHEA, 18, "2023-11-14T22:10:08Z", &check);
        let asked = event("User32", 1074, "2023-11-14T22:01:00Z", &[("param1", "wininit.exe")]);
        let other = event("Service Control Manager", 7036, "2023-11-14T22:00:30Z", &[]);
        let (reason, why, checks) = weighed(std::slice::from_ref(&dirty), "boot-8");
        assert!(reason == LossReason::LostToReset && why.contains("power cut is not excluded") && checks == 0, "{why}");
        let (reason, why, checks) = weighed(&[dirty.clone(), check], "boot-8");
        assert!(reason == LossReason::LostToReset && why.contains("uncorrected") && checks == 1, "{why}");
        let (reason, why, _) = weighed(std::slice::from_ref(&asked), "boot-8");
        assert!(reason == LossReason::Interrupted && why.contains("orderly"), "{why}");
        let (reason, why, _) = weighed(&[dirty, other], "boot-8");
        assert!(reason == LossReason::Interrupted && why.contains("lived on"), "{why}");
        // Fast Startup: shut down, and the same boot goes on.
        let (reason, why, _) = weighed(&[asked], "boot-7");
        assert!(reason == LossReason::Interrupted && why.contains("not been booted"), "{why}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in r"(<(/?(Event|System|EventID|Data)|Data Name='[a-zA-Z]{0,9}'|TimeCreated SystemTime='[0-9TZ:-]{0,20}'/)>|[0-9a-z&;<]{0,9}){0,12}") {
            let mut traces = Traces::default();
            add(std::slice::from_ref(&text), &mut traces);
            add_signs(&[text], &mut traces);
        }
    }
}
